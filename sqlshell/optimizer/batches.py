"""The order of the rules, and why.

subqueries   once: every later rule may assume that no column is free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlshell.optimizer.rules.decorrelate_subqueries import DecorrelateSubqueries
from sqlshell.optimizer.rules.extract_subqueries import ExtractSubqueries

if TYPE_CHECKING:
    from sqlshell.optimizer.rule import Rule


@dataclass(frozen=True)
class Batch:
    """Rules run in order, the whole list at most `rounds` times or until a round changes nothing."""

    name: str
    rules: tuple[Rule, ...]
    rounds: int = 1
    decorrelates: bool = False
    """After it nothing may be correlated."""


BATCHES = (
    Batch("subqueries", (ExtractSubqueries(), DecorrelateSubqueries()), decorrelates=True),
)
