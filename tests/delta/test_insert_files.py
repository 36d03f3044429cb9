"""INSERT into tables over plain files: the rows, what DuckDB reads of them, and what is left of a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from sqlshell.errors import Error, NotSupportedError
from sqlshell.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    return list(session.execute(sql).rows())


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(warehouse=str(tmp_path_factory.mktemp("w"))) as s:
        yield s


READERS = {
    "parquet": "read_parquet('{}/**/*.parquet')",
    "csv": "read_csv('{}/*.csv', header = true)",
    "json": "read_json('{}/*.json')",
}


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("form", READERS)
def test_append_and_overwrite(session: Session, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    rows(session, f"COPY (SELECT 1L AS id, 'a,b' AS s, 1.5D AS x) TO '{folder / ('f.' + form)}'")
    options = "OPTIONS (header true)" if form == "csv" else ""
    columns = "(id BIGINT, s STRING, x DOUBLE)"
    rows(session, f"CREATE TABLE t_{form} {columns} USING {form} {options} LOCATION '{folder}'")
    insert = f"INSERT INTO t_{form}"
    assert rows(session, f"{insert} VALUES (2, 'it''s \"q\"', 2), (3, NULL, NULL)") == [(2, 2)]
    assert rows(session, f"{insert} (x, id) SELECT 4.5, 4") == [(1, 1)]
    assert rows(session, f"{insert} BY NAME SELECT 'n' AS s, 5 AS id") == [(1, 1)]
    found = rows(session, f"SELECT * FROM t_{form} ORDER BY id")
    assert found == [(1, "a,b", 1.5), (2, 'it\'s "q"', 2.0), (3, None, None), (4, None, 4.5), (5, "n", None)]
    theirs = duckdb.sql(f"SELECT id, s, x FROM {READERS[form].format(folder)} ORDER BY id").fetchall()
    assert theirs == found
    before = names(folder)
    with pytest.raises(Error):
        rows(session, f"{insert} SELECT id, s, id / (id - 3) FROM t_{form}")
    with pytest.raises(Error):
        rows(session, f"{insert} VALUES (1, 2)")
    assert names(folder) == before
    assert rows(session, f"INSERT OVERWRITE t_{form} SELECT * FROM t_{form} WHERE id > 3") == [(2, 2)]
    assert rows(session, f"SELECT id FROM t_{form} ORDER BY id") == [(4,), (5,)]
    assert not any("_attempt" in n for n in names(folder))


def test_partitions(session: Session, tmp_path: Path) -> None:
    rows(session, f"COPY (SELECT id, id % 3 AS p FROM range(6)) TO '{tmp_path / 'p'}' (PARTITION_BY (p))")
    rows(session, f"CREATE TABLE parts USING parquet LOCATION '{tmp_path / 'p'}'")
    rows(session, "INSERT INTO parts PARTITION (p = 7) SELECT 70")
    rows(session, "INSERT INTO parts VALUES (10, 1), (80, 8)")
    rows(session, "SET spark.sql.sources.partitionOverwriteMode = dynamic")
    rows(session, "INSERT OVERWRITE parts VALUES (20, 2)")
    rows(session, "RESET spark.sql.sources.partitionOverwriteMode")
    assert rows(session, "SELECT * FROM parts ORDER BY p, id") == [
        (0, 0), (3, 0), (1, 1), (4, 1), (10, 1), (20, 2), (70, 7), (80, 8),
    ]  # fmt: skip
    with pytest.raises(NotSupportedError):
        rows(session, "INSERT OVERWRITE parts PARTITION (p = 1) SELECT 1")


def test_what_is_refused(session: Session, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("a\n1\n")
    rows(session, f"CREATE TABLE one USING csv LOCATION '{tmp_path / 'one.csv'}'")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("x\n")
    rows(session, f"CREATE TABLE texts USING text LOCATION '{tmp_path / 'texts'}'")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "a.csv").write_text("1;'2'\n")
    rows(session, f"CREATE TABLE odd USING csv OPTIONS (sep ';', quote \"'\") LOCATION '{tmp_path / 'odd'}'")
    for sql in (
        "one VALUES (1)",
        "texts VALUES ('x')",
        "odd VALUES (1, 2)",
        "one REPLACE WHERE a = 1 SELECT 1",
    ):
        with pytest.raises(NotSupportedError):
            rows(session, f"INSERT INTO {sql}")
    rows(session, "BEGIN")
    with pytest.raises(NotSupportedError, match="transaction"):
        rows(session, "INSERT INTO odd VALUES ('1', '2')")
    rows(session, "ROLLBACK")
    assert names(tmp_path) == ["odd/a.csv", "one.csv", "texts/a.txt"]
