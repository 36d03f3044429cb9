"""What Spark's analyser rejects we reject too, mostly with the same condition (the count only goes up)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sqlshell.errors import Error
from tests.record.record_binder import TABLES
from tests.support.answers import load

if TYPE_CHECKING:
    from sqlshell.session import Session

ANSWERS: dict[str, str] = load("bad_statements")
ACCEPTED = {
    "select approx_count_distinct(a, 'x') from t": "the precision is read when it runs",
    "select array_contains(xs, null) from t": "NULL",
    "select bit_and(b) from t": "text that is a number",
    "select bit_count(b) from t": "text that is a number",
    "select ~b from t": "text that is a number",
    "select date_add(dt, 1.5) from t": "a number of days",
}
"""What Spark refuses and we take, with what it means."""
SAME_CONDITION = 410


@pytest.fixture
def tables(session: Session) -> Session:
    for name, schema in TABLES.items():
        columns = ", ".join(
            f"CAST(NULL AS {c.split(' ', 1)[1]}) AS {c.split(' ', 1)[0]}" for c in _columns(schema)
        )
        session.execute(f"CREATE OR REPLACE TEMPORARY VIEW {name} AS SELECT {columns} WHERE false")
    return session


def _columns(schema: str) -> list[str]:
    """The fields of a schema text, split at its outer commas."""
    parts, depth = [""], 0
    for char in schema:
        depth += {"<": 1, "(": 1, ">": -1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [p.strip() for p in parts]


def outcome(session: Session, text: str) -> str | None:
    """The condition of the error, None when there is none."""
    try:
        list(session.execute(text).rows())
    except Error as e:
        return e.condition
    return None


def test_rejected(tables: Session) -> None:
    got = {text: outcome(tables, text) for text in ANSWERS}
    accepted = {t for t, c in got.items() if c is None}
    assert accepted == set(ACCEPTED)
    bugs = [t for t, c in got.items() if c == "INTERNAL_ERROR"]
    assert not bugs
    same = sum(c is not None and c.split(".")[0] == ANSWERS[t].split(".")[0] for t, c in got.items())
    assert same >= SAME_CONDITION
