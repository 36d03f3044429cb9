"""Bound plans of queries, as text (bind_plans.txt beside this file).

`python tests/unit/test_bind_plans.py` writes the file anew; read the diff before committing it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlshell.plan.explain import format_query
from tests.unit.test_bind import bind

GOLDEN = Path(__file__).with_name("bind_plans.txt")
SEPARATOR = "\n----\n"


def blocks() -> dict[str, str]:
    """Query to its plan's text."""
    found = {}
    for block in GOLDEN.read_text().strip().split("\n\n"):
        query, _, plan = block.partition(SEPARATOR)
        found[query] = plan
    return found


def plan_text(query: str) -> str:
    return format_query(bind(query), normalize=True)


@pytest.mark.parametrize("query", blocks())
def test_plan(query: str) -> None:
    assert plan_text(query) == blocks()[query]


if __name__ == "__main__":
    GOLDEN.write_text("\n\n".join(query + SEPARATOR + plan_text(query) for query in blocks()) + "\n")
