"""What each optimizer rule does to a plan (tests/plans/<rule>.test), and that it changes no answer.

A block is comment lines, `> SQL`, `----`, then the plan before and after the rule named by the file (or
`unchanged`), and the rows. `python -m tests.test_plans` writes the files anew; read the diff before committing it.
Rows must be the same with the rule switched off; the recorded ones come from there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sqlshell.optimizer.batches import BATCHES
from sqlshell.optimizer.driver import DISABLED
from sqlshell.parser.parse import parse_statement
from sqlshell.parser.statement import Query
from sqlshell.plan.explain import format_plan
from tests.support import plan_tables
from tests.support.answers import canonical, difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.plan.logical import Plan
    from sqlshell.session import Session

PLANS = Path(__file__).parent / "plans"
RULES = {rule.name: rule for batch in BATCHES for rule in batch.rules}
FILES = sorted(PLANS.glob("*.test"))


@dataclass
class Block:
    """One query under one rule."""

    comments: list[str]
    sql: str
    expected: str

    def render(self) -> str:
        return "\n".join([*self.comments, f"> {self.sql}", "----", self.expected])


def parse(path: Path) -> Iterator[Block]:
    """The blocks of a file; a blank line ends each."""
    for piece in path.read_text().strip().split("\n\n"):
        lines = piece.strip().split("\n")
        comments = [x for x in lines if x.startswith("#")]
        rest = lines[len(comments) :]
        if not rest:
            continue
        head = [x[2:] for x in rest if x.startswith("> ")]
        yield Block(comments, "\n> ".join(head), "\n".join(rest[len(head) + 1 :]))


def answer(session: Session, sql: str) -> list[list[object]]:
    """The rows of a query, sorted."""
    result = session.execute(sql)
    rows = [[canonical(v) for v in row] for row in result.rows()]
    result.close()
    return sorted(rows, key=repr)


def outcome(session: Session, rule: str, sql: str) -> str:
    """The plans before and after a rule, as recorded in a block."""
    statement = parse_statement(sql)
    assert isinstance(statement, Query)
    bound = session.bind(statement)
    trace = session.optimize(bound.plan).trace
    at = [i for i, step in enumerate(trace) if step.rule == rule]
    if not at:
        return "unchanged\n" + shown(bound.plan)
    before = trace[at[0] - 1].plan if at[0] else bound.plan
    after = trace[at[-1]].plan
    return "\n".join(["before", shown(before), "after", shown(after)])


def shown(plan: Plan) -> str:
    """A plan as text that is the same on every machine."""
    return format_plan(plan, normalize=True).replace(f"{plan_tables.folder()}/", "")


def plain_rows(session: Session, rule: str, sql: str) -> list[list[object]]:
    """The answer with the rule switched off (as far as that is possible)."""
    session.settings.set(DISABLED, rule)
    try:
        return answer(session, sql)
    finally:
        session.settings.set(DISABLED, "")


def rows_text(rows: list[list[object]]) -> str:
    return "rows " + json.dumps(rows, ensure_ascii=False)


def test_every_rule_has_a_file() -> None:
    assert {p.stem for p in FILES} == set(RULES)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_rule(session: Session, path: Path) -> None:
    plan_tables.register(session)
    for block in parse(path):
        sql = block.sql.replace("\n> ", "\n")
        plans, _, rows = block.expected.rpartition("\n")
        assert outcome(session, path.stem, sql) == plans, f"{path.name}: {block.sql}"
        recorded = json.loads(rows.removeprefix("rows "))
        assert difference(recorded, answer(session, sql)) is None, block.sql
        assert difference(recorded, plain_rows(session, path.stem, sql)) is None, block.sql


def main() -> None:
    """Write every file anew."""
    from sqlshell.session import Session

    with Session() as session:
        plan_tables.register(session)
        for path in FILES:
            blocks = []
            for block in parse(path):
                sql = block.sql.replace("\n> ", "\n")
                rows = plain_rows(session, path.stem, sql)
                block.expected = outcome(session, path.stem, sql) + "\n" + rows_text(rows)
                blocks.append(block.render())
            path.write_text("\n\n".join(blocks) + "\n")


if __name__ == "__main__":
    main()
