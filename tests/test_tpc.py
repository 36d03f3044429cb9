"""TPC-H and TPC-DS against the answers recorded from Spark: all on the pool, a tenth solo (`make test-long`: all)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import tpc
from tests.support.answers import canonical, difference, load

if TYPE_CHECKING:
    from sqlshell.session import Session

SUITES = ("tpch", "tpcds")
CASES = [(suite, nr) for suite in SUITES for nr in sorted(map(int, load(suite)))]
SOLO = [c if i % 10 == 0 else pytest.param(*c, marks=pytest.mark.long) for i, c in enumerate(CASES)]


def register(session: Session, suite: str) -> None:
    """The suite's tables as views."""
    for name, path in tpc.tables(tpc.DATA[suite]()).items():
        session.execute(f"CREATE OR REPLACE TEMPORARY VIEW {name} AS SELECT * FROM parquet.`{path}`")


def check(session: Session, suite: str, nr: int) -> None:
    register(session, suite)
    answer = load(suite)[str(nr)]
    result = session.execute(tpc.queries(suite)[nr])
    rows = [[canonical(v) for v in row] for row in result.rows()]
    types = [f"{f.name}: {f.type}" for f in result.fields]
    result.close()
    assert types == answer["schema"]
    wrong = difference(answer["rows"], rows)
    assert wrong is None, wrong


@pytest.mark.parametrize(("suite", "nr"), SOLO)
def test_solo(session: Session, suite: str, nr: int) -> None:
    check(session, suite, nr)


@pytest.mark.parametrize(("suite", "nr"), CASES)
def test_pool(pool_session: Session, suite: str, nr: int) -> None:
    check(pool_session, suite, nr)
