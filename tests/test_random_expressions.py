"""Random expressions and queries: what Spark answered (`tests/record/record_random.py`), to the last bit of doubles.

What differs stands in tests/answers/random_known.txt: `reason<TAB>case`. `make test` asks a quarter of
the cases, `make test-long` all. `python -m tests.test_random_expressions` reports what differs and is not there.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.errors import Error
from tests.support.answers import ANSWERS, canonical, same, sort_key
from tests.support.random_expressions import VIEWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.session import Session

BATCH = 60
TOLERANCE = 1e-12
Case = tuple[str, str]
"""An expression (or `Q ` and a query) and what Spark said: `!CONDITION`, or JSON."""


def cases() -> list[Case]:
    """Everything recorded."""
    lines = (ANSWERS / "random.txt").read_text().splitlines()
    return [(sql, answer) for sql, _, answer in (line.rpartition("\t") for line in lines)]


def known() -> dict[str, str]:
    """Case -> why its answer is another."""
    lines = (ANSWERS / "random_known.txt").read_text().splitlines()
    return {case: reason for reason, _, case in (line.partition("\t") for line in lines)}


def ask(session: Session, sql: str) -> tuple[list[str], list[list[Any]]]:
    """Types and canonical rows."""
    result = session.execute(sql)
    types = [str(f.type).replace("`", "") for f in result.fields]
    return types, [[canonical(v) for v in row] for row in result.rows()]


def failure(session: Session, sql: str) -> str:
    """The condition of a statement's error, as `!CONDITION`; empty when there is none."""
    try:
        ask(session, sql)
    except Error as e:
        return "!" + e.condition.split(".")[0]
    return ""


def wrong(session: Session, batch: Sequence[Case]) -> dict[str, str]:
    """Case -> what differs, of expressions that Spark answered; many at a time."""
    items = ", ".join(f"{e} AS c{n}" for n, (e, _) in enumerate(batch))
    try:
        types, rows = ask(session, f"SELECT {items} FROM rt ORDER BY id")
    except Exception as e:
        if len(batch) == 1:
            return {batch[0][0]: f"{type(e).__name__}: [{getattr(e, 'condition', '')}] {e}"[:300]}
        half = len(batch) // 2
        return wrong(session, batch[:half]) | wrong(session, batch[half:])
    out = {}
    for n, (e, answer) in enumerate(batch):
        type_, values = json.loads(answer)
        got = [row[n] for row in rows]
        if types[n] != type_:
            out[e] = f"type {types[n]}, expected {type_}"
        elif not same(values, got, TOLERANCE):
            at = next(
                i for i, (x, y) in enumerate(zip(values, got, strict=True)) if not same(x, y, TOLERANCE)
            )
            out[e] = f"row {at + 1}: got {got[at]!r}, expected {values[at]!r}"
    return out


def wrong_query(session: Session, sql: str, answer: str) -> str | None:
    """What differs of a query."""
    if answer.startswith("!"):
        got = failure(session, sql)
        return None if got == answer else f"gave {got or 'rows'}, expected {answer}"
    want_types, want = json.loads(answer)
    try:
        types, rows = ask(session, sql)
    except Exception as e:
        return f"{type(e).__name__}: {e}"[:300]
    if types != want_types:
        return f"types {types}, expected {want_types}"
    ordered = [sorted(r, key=sort_key) for r in (want, rows)]
    if same(*ordered, 1e-9):
        return None
    odd = [(x, y) for x, y in zip(*ordered, strict=False) if not same(x, y, 1e-9)]
    return f"got {odd[0][1]}, expected {odd[0][0]}" if odd else f"{len(rows)} rows, expected {len(want)}"


def replay(session: Session, every: int = 1) -> dict[str, str]:
    """The cases that differ from Spark, and how; of all, or of each `every`-th."""
    for view in VIEWS:
        session.execute(view)
    out: dict[str, str] = {}
    answered: list[Case] = []
    for sql, answer in cases()[::every]:
        if sql.startswith("Q "):
            found = wrong_query(session, sql[2:], answer)
            if found is not None:
                out[sql] = found
        elif answer.startswith("!"):
            got = failure(session, f"SELECT {sql} AS c FROM rt")
            if got != answer:
                out[sql] = f"gave {got or 'rows'}, expected {answer}"
        else:
            answered.append((sql, answer))
    for at in range(0, len(answered), BATCH):
        out |= wrong(session, answered[at : at + BATCH])
    return out


def check(session: Session, every: int) -> None:
    differences, explained = replay(session, every), known()
    assert {case: found for case, found in differences.items() if case not in explained} == {}
    asked = {case for case, _ in cases()[::every]}
    assert sorted((explained.keys() & asked) - differences.keys()) == [], "these agree now: take them off"


def test_a_quarter(session: Session) -> None:
    check(session, 4)


@pytest.mark.long
def test_all(session: Session) -> None:
    check(session, 1)


def main() -> None:
    from sqlshell.session import Session

    with Session() as session:
        differences = replay(session)
    explained = known()
    for case, found in sorted(differences.items(), key=lambda item: len(item[0])):
        if case not in explained or "--all" in sys.argv:
            print(f"{case}\n    {found}")
    print(f"{len(differences)} of {len(cases())} differ, {len(explained)} explained")


if __name__ == "__main__":
    main()
