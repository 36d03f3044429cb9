"""Other dialects: DuckDB's queries give DuckDB's rows, or are refused by name; the rest as recorded and reviewed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.record.record_dialects import TABLE, ours
from tests.support.answers import difference, load

if TYPE_CHECKING:
    from sqlshell.session import Session

ANSWERS = load("dialects")
REFUSED = {
    "SELECT len([1, 2, 3]) AS n",
    "SELECT * FROM t ASOF JOIN t u ON t.a >= u.a",
    "PIVOT t ON b USING sum(a)",
    "SELECT COLUMNS('a|c') FROM t",
}
"""DuckDB's, not ours: an error, never another answer."""

STAYS_A_DATE = {
    "SELECT DATE '2024-01-31' + INTERVAL 1 MONTH AS d",
    "SELECT date_trunc('month', DATE '2024-05-17') AS d",
}
"""DuckDB makes a timestamp at midnight of it (docs/differences.md)."""


@pytest.mark.parametrize("dialect", ANSWERS)
def test_dialect(session: Session, dialect: str) -> None:
    session.execute(f"CREATE OR REPLACE TEMPORARY VIEW t AS {TABLE}")
    wrong = []
    for query, expected in ANSWERS[dialect].items():
        got = ours(dialect, query, session)
        if dialect == "duckdb" and query in REFUSED:
            same = isinstance(got, str)
        elif query in STAYS_A_DATE:
            same = [[f"{got[0][0]} 00:00:00"]] == expected
        elif isinstance(got, str) or isinstance(expected, str):
            same = got == expected
        else:
            same = difference(expected, got) is None
        if not same:
            wrong.append(f"{query}\n    got {got}, expected {expected}")
    assert not wrong, "\n".join(wrong)
