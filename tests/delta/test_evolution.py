"""INSERT and MERGE WITH SCHEMA EVOLUTION: which columns a table has then, and what others read of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import deltalake
import pyarrow as pa
import pytest

from sqlshell.errors import AnalysisError, DataError, Error
from sqlshell.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator


def rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    return list(session.execute(sql).rows())


def columns(session: Session, name: str) -> dict[str, str]:
    return {r[0]: r[1] for r in rows(session, f"DESCRIBE TABLE {name}")}


def peer(session: Session, name: str) -> list[dict[str, Any]]:
    table = session.catalog.get("relation", ("default", name))
    assert table is not None
    found = pa.table(deltalake.DeltaTable(session.catalog.location(table)).scan().read_all()).to_pylist()
    return sorted(found, key=lambda r: r["id"])


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(warehouse=str(tmp_path_factory.mktemp("w"))) as s:
        yield s


@pytest.fixture
def t(session: Session) -> Session:
    rows(session, "DROP TABLE IF EXISTS t PURGE")
    rows(session, "CREATE TABLE t (id INT, s STRUCT<a: INT, b: STRING>)")
    rows(session, "INSERT INTO t VALUES (1, named_struct('a', 1, 'b', 'x'))")
    return session


def test_insert_by_position_appends_columns(t: Session) -> None:
    evolve = "INSERT WITH SCHEMA EVOLUTION INTO t"
    assert rows(t, f"{evolve} SELECT 2, named_struct('a', 2, 'b', 'y'), 'new' AS c") == [(1, 1)]
    rows(t, f"{evolve} (id, day) VALUES (3, DATE'2024-01-01')")
    rows(t, f"{evolve} SELECT 4, named_struct('a', 4, 'b', 'w'), DEFAULT, NULL")
    assert list(columns(t, "t").items())[2:] == [("c", "string"), ("day", "date")]
    assert [(r["id"], r["c"], str(r["day"])) for r in peer(t, "t")] == [
        (1, None, "None"), (2, "new", "None"), (3, None, "2024-01-01"), (4, None, "None"),
    ]  # fmt: skip


def test_insert_by_name_adds_fields_of_structs_and_fills_those_left_out(t: Session) -> None:
    rows(t, "INSERT WITH SCHEMA EVOLUTION INTO t BY NAME "
            "SELECT 'e' AS e, named_struct('n', array(named_struct('q', 7)), 'b', 'z') AS s, 2 AS id")  # fmt: skip
    assert columns(t, "t")["s"] == "struct<a:int,b:string,n:array<struct<q:int>>>"
    assert peer(t, "t") == [
        {"id": 1, "s": {"a": 1, "b": "x", "n": None}, "e": None},
        {"id": 2, "s": {"a": None, "b": "z", "n": [{"q": 7}]}, "e": "e"},
    ]
    deeper = "named_struct('n', array(named_struct('q', 1, 'r', 1)))"
    rows(t, f"INSERT WITH SCHEMA EVOLUTION INTO t BY NAME SELECT 3 AS id, {deeper} s")
    assert columns(t, "t")["s"] == "struct<a:int,b:string,n:array<struct<q:int,r:int>>>"


def test_types_widen_where_the_table_allows_it(t: Session) -> None:
    wide = "INSERT WITH SCHEMA EVOLUTION INTO t BY NAME SELECT 9999999999 AS id, named_struct('n', 1) AS s"
    with pytest.raises(DataError):
        rows(t, wide)
    assert columns(t, "t")["id"] == "int"
    rows(t, "ALTER TABLE t SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')")
    rows(t, wide)
    assert columns(t, "t")["id"] == "bigint"
    assert rows(t, "SELECT id, s.a, s.b, s.n FROM t ORDER BY id") == [
        (1, 1, "x", None), (9999999999, None, None, 1),
    ]  # fmt: skip
    assert rows(t, "SELECT * FROM t ORDER BY id")[0] == (1, {"a": 1, "b": "x", "n": None})
    with pytest.raises(Error):  # whole numbers do not become doubles by themselves
        rows(t, "INSERT WITH SCHEMA EVOLUTION INTO t BY NAME SELECT 1e300 AS id")


def test_merge_star(t: Session) -> None:
    source = """SELECT 1 AS id, named_struct('b', 'bb') AS s, TRUE AS fresh
        UNION ALL SELECT 5, named_struct('b', 'q'), FALSE"""
    merge = f"""INTO t USING ({source}) u ON t.id = u.id
        WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"""
    with pytest.raises(AnalysisError):
        rows(t, f"MERGE {merge}")
    assert rows(t, f"MERGE WITH SCHEMA EVOLUTION {merge}") == [(2, 1, 0, 1)]
    assert peer(t, "t") == [
        {"id": 1, "s": {"a": 1, "b": "bb"}, "fresh": True},
        {"id": 5, "s": {"a": None, "b": "q"}, "fresh": False},
    ]


def test_merge_adds_the_columns_that_clauses_name(t: Session) -> None:
    source = "(SELECT 1 AS id, 5 AS z, 6 AS y) u ON t.id = u.id"
    rows(t, f"MERGE WITH SCHEMA EVOLUTION INTO t USING {source} WHEN MATCHED THEN UPDATE SET t.z = u.z + 1")
    assert [*columns(t, "t")] == ["id", "s", "z"]
    assert [r["z"] for r in peer(t, "t")] == [6]
    rows(t, f"MERGE WITH SCHEMA EVOLUTION INTO t USING {source} WHEN MATCHED THEN DELETE")
    assert [*columns(t, "t")] == ["id", "s", "z"]
    with pytest.raises(AnalysisError, match="no column `x`"):
        rows(t, f"MERGE WITH SCHEMA EVOLUTION INTO t USING {source} WHEN MATCHED THEN UPDATE SET x = u.z")


def test_one_commit_has_the_columns_and_the_rows(t: Session) -> None:
    rows(t, "INSERT WITH SCHEMA EVOLUTION OVERWRITE t SELECT 1 AS id, NULL AS s, 3 AS q")
    assert rows(t, "SELECT * FROM t@v1") == [(1, {"a": 1, "b": "x"})]
    assert rows(t, "SELECT * FROM t@v2") == [(1, None, 3)]


def test_names_and_types_that_cannot_be(t: Session) -> None:
    for query in ("NULL AS g", "1 AS `b c`", "1 AS g, 2 AS G"):
        with pytest.raises(AnalysisError):
            rows(t, f"INSERT WITH SCHEMA EVOLUTION INTO t BY NAME SELECT {query}")
    rows(t, "CREATE OR REPLACE TABLE m (id INT) TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
    rows(t, "INSERT WITH SCHEMA EVOLUTION INTO m SELECT 1, 'a' AS `b c`")
    assert rows(t, "SELECT `b c` FROM m") == [("a",)]
