"""Random queries: the answer is DuckDB's, whichever rules run. DuckDB decorrelates and orders joins in its own way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from sqlshell.errors import Error
from sqlshell.optimizer.batches import BATCHES
from sqlshell.optimizer.driver import DISABLED
from tests.support.random_queries import random_query, write_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.session import Session

OPTIONAL = sorted({rule.name for batch in BATCHES for rule in batch.rules if not rule.required})
Rows = list[tuple[str, ...]]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with the tables; `paths` of them for us stand in its table `files`."""
    with duckdb.connect() as con:
        con.execute("create table files (name text, path text)")
        for name, path in write_tables(tmp_path_factory.mktemp("random")).items():
            con.execute(f"create table {name} as select * from '{path}'")
            con.execute("insert into files values (?, ?)", [name, str(path)])
        yield con


def register(session: Session, reference: duckdb.DuckDBPyConnection) -> None:
    """The same tables as views."""
    for name, path in reference.execute("select * from files").fetchall():
        session.execute(f"CREATE OR REPLACE TEMPORARY VIEW {name} USING parquet OPTIONS (path '{path}')")


def normal(rows: object) -> Rows:
    """Rows as a sorted multiset of texts."""
    return sorted(tuple("NULL" if v is None else str(v) for v in row) for row in rows)  # type: ignore[attr-defined]


def expected(reference: duckdb.DuckDBPyConnection, sql: str) -> Rows | None:
    """DuckDB's answer; None where it refuses the query (it knows some correlations less)."""
    try:
        return normal(reference.execute(sql).fetchall())
    except duckdb.Error:
        return None


def check(session: Session, reference: duckdb.DuckDBPyConnection, seed: int, depth: int) -> None:
    sql = random_query(seed, depth)
    wanted = expected(reference, sql)
    if wanted is None:
        return
    try:
        result = session.execute(sql)
    except Error as e:
        # A scalar subquery or a sum may truly fail; anything else is ours.
        assert e.condition.startswith("SCALAR_SUBQUERY"), f"seed {seed}: {e.condition} {e.message}\n{sql}"
        return
    got = normal(result.rows())
    result.close()
    assert got == wanted, f"seed {seed}\n{sql}"


@pytest.mark.parametrize("start", range(0, 120, 20))
def test_all_rules(session: Session, reference: duckdb.DuckDBPyConnection, start: int) -> None:
    register(session, reference)
    for seed in range(start, start + 20):
        check(session, reference, seed, 2)


@pytest.mark.parametrize("rule", [*OPTIONAL, ",".join(OPTIONAL)])
def test_without(session: Session, reference: duckdb.DuckDBPyConnection, rule: str) -> None:
    register(session, reference)
    session.settings.set(DISABLED, rule)
    try:
        for seed in range(1000, 1012):
            check(session, reference, seed, 2)
    finally:
        session.settings.set(DISABLED, "")


@pytest.mark.parametrize("start", range(5000, 5030, 10))
def test_on_the_pool(pool_session: Session, reference: duckdb.DuckDBPyConnection, start: int) -> None:
    register(pool_session, reference)
    for seed in range(start, start + 10):
        check(pool_session, reference, seed, 2)


@pytest.mark.long
@pytest.mark.parametrize("start", range(100_000, 103_000, 100))
def test_deep(session: Session, reference: duckdb.DuckDBPyConnection, start: int) -> None:
    register(session, reference)
    for seed in range(start, start + 100):
        check(session, reference, seed, 3)
