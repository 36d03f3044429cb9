"""ANALYZE TABLE: what DESCRIBE EXTENDED and the optimizer know afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.errors import AnalysisError, Error
from sqlshell.session import Session
from sqlshell.statement_context import StatementContext
from sqlshell.storage.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    return list(session.execute(sql).rows())


def statistics(session: Session, name: str) -> str | None:
    return next(
        (r[1] for r in rows(session, f"DESCRIBE TABLE EXTENDED {name}") if r[0] == "Statistics"), None
    )


def distinct(session: Session, name: str, column: str) -> int | None:
    source = StatementContext(session).resolve_relation((name,), None, None)
    assert isinstance(source, Source)
    found = source.column_stats(column)
    return None if found is None else found.distinct


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(warehouse=str(tmp_path_factory.mktemp("w"))) as s:
        rows(
            s,
            "CREATE TABLE t AS SELECT id, id % 3 AS k, IF(id % 4 = 0, NULL, string(id)) s, array(id) l FROM range(20)",
        )
        yield s


def test_a_delta_table(session: Session) -> None:
    before = statistics(session, "t")
    assert before is not None
    assert before.endswith(", 20 rows")
    for sql in ("NOSCAN", "", "FOR COLUMNS k"):
        assert rows(session, f"ANALYZE TABLE t COMPUTE STATISTICS {sql}") == []
    assert (distinct(session, "t", "k"), distinct(session, "t", "id")) == (3, None)
    assert rows(session, "DESCRIBE EXTENDED t k") == [
        ("col_name", "k"), ("data_type", "bigint"), ("comment", None),
        ("min", "0"), ("max", "2"), ("num_nulls", "0"), ("distinct_count", "3"),
    ]  # fmt: skip
    rows(session, "ANALYZE TABLE t COMPUTE STATISTICS FOR ALL COLUMNS")
    assert (distinct(session, "t", "id"), distinct(session, "t", "s")) == (20, 15)
    assert rows(session, "DESCRIBE EXTENDED t S")[3:] == [
        ("min", "1"), ("max", "9"), ("num_nulls", "5"), ("distinct_count", "15"),
    ]  # fmt: skip
    rows(session, "INSERT INTO t SELECT 99, 1, 'x', NULL")
    assert str(statistics(session, "t")).endswith(", 21 rows")
    assert distinct(session, "t", "k") == 3


def test_plain_files(session: Session, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("a,b\n1,x\n2,y\n2,z\n")
    rows(
        session,
        f"CREATE TABLE c USING csv OPTIONS (header true, inferSchema true) LOCATION '{tmp_path / 'c.csv'}'",
    )
    assert statistics(session, "c") is None
    rows(session, "ANALYZE TABLE c COMPUTE STATISTICS NOSCAN")
    assert statistics(session, "c") == "16 bytes"
    rows(session, "ANALYZE TABLE c COMPUTE STATISTICS FOR ALL COLUMNS")
    assert statistics(session, "c") == "16 bytes, 3 rows"
    assert distinct(session, "c", "a") == 2


def test_what_cannot_be_analyzed(session: Session) -> None:
    rows(session, "CREATE VIEW v AS SELECT 1 AS x")
    for sql, message in (
        ("v COMPUTE STATISTICS", "is a view"),
        ("nothing COMPUTE STATISTICS", "no table"),
        ("t COMPUTE STATISTICS FOR COLUMNS z", "no column `z`"),
        ("t COMPUTE STATISTICS FOR COLUMNS l", "no statistics"),
    ):
        with pytest.raises(AnalysisError, match=message):
            rows(session, f"ANALYZE TABLE {sql}")
    for sql in (
        "TABLE t",
        "TABLES",
        "TABLE t COMPUTE STATISTICS FOR",
        "TABLE t PARTITION (k = 1) COMPUTE STATISTICS",
    ):
        with pytest.raises(Error):
            rows(session, f"ANALYZE {sql}")
