"""Fragments under construction: a plan, where it reads other stages, and how its rows are spread over
tasks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sqlshell.errors import InternalError
from sqlshell.exec.equi import stable_hash
from sqlshell.exec.physical import ExchangeRead
from sqlshell.exec.stage import StageInput
from sqlshell.expr.expr import AggCall, Column, Expr, WindowCall
from sqlshell.functions import registry
from sqlshell.optimizer.properties import is_deterministic
from sqlshell.plan.logical import Filter, Named, Project, fresh_id, named, passthrough
from sqlshell.records import dataclass, replace

if TYPE_CHECKING:
    from sqlshell.plan.logical import Plan


REPEATS_DO_NOT_MATTER = frozenset({
    "min", "max", "bool_and", "bool_or", "first", "last", "any_value", "bit_and", "bit_or", "collect_set",
    "approx_count_distinct",
})  # fmt: skip
"""Aggregates that DISTINCT does not change."""


@dataclass(frozen=True)
class Piece:
    """A fragment under construction: its plan, where it reads other stages, and how its rows are spread."""

    plan: Plan
    spread: str
    inputs: tuple[StageInput, ...] = ()
    keys: tuple[int, ...] = ()
    ranges: tuple[int, ...] = ()
    """With spread `hash`: tasks have ranges of the one key, cut here, instead (`ranges.py`)."""

    @property
    def parallel(self) -> bool:
        return self.spread in {"split", "hash", "ordered"}

    def over(self, plan: Plan, *, keys: tuple[int, ...] | None = None) -> Piece:
        """The same fragment with an operator on top that keeps rows where they are."""
        kept = self.keys if keys is None else keys
        spread = "split" if self.spread == "hash" and not kept else self.spread
        return replace(self, plan=plan, spread=spread, keys=kept)


def merge(a: tuple[StageInput, ...], b: tuple[StageInput, ...]) -> tuple[StageInput, ...]:
    """Both lists of inputs, each stage once; one fragment reads a stage in one way."""
    modes = {i.stage: i.mode for i in a}
    for i in b:
        if modes.setdefault(i.stage, i.mode) != i.mode:
            raise InternalError(f"stage {i.stage} is read in two ways by one fragment")
    return tuple(StageInput(s, m) for s, m in modes.items())


def with_columns(piece: Piece, exprs: tuple[Expr, ...]) -> tuple[Piece, tuple[Column, ...]]:
    """The fragment with every expression available as a column."""
    added = [e if isinstance(e, Column) else named("key", e) for e in exprs]
    new = tuple(a for a in added if isinstance(a, Named))
    if new:
        items = tuple(passthrough(c) for c in piece.plan.output) + new
        piece = piece.over(Project(piece.plan, items))
    return piece, tuple(a.column if isinstance(a, Named) else a for a in added)


def is_row_wise(plan: Plan) -> bool:
    """Whether a fragment only looks at the rows of one exchange one by one, alike wherever it runs."""
    while isinstance(plan, (Project, Filter)) and all(is_deterministic(e) for e in plan.exprs):
        plan = plan.input
    return isinstance(plan, ExchangeRead)


def already(piece: Piece, exprs: tuple[Expr, ...]) -> list[int] | None:
    """Positions of `exprs` that are, in order, the columns a fragment is hashed by; None when it is not."""
    if piece.spread != "hash" or not piece.keys or piece.ranges:
        return None
    by_id = {e.id: i for i, e in enumerate(exprs) if isinstance(e, Column)}
    if any(k not in by_id for k in piece.keys):
        return None
    return [by_id[k] for k in piece.keys]


def is_hashed_by(piece: Piece, exprs: tuple[Expr, ...]) -> bool:
    """Whether a fragment is hashed by exactly these columns, in order."""
    keys = tuple(e.id if isinstance(e, Column) else -1 for e in exprs)
    return piece.spread == "hash" and not piece.ranges and piece.keys == keys


def by_partition(calls: tuple[Named, ...]) -> list[tuple[tuple[Expr, ...], tuple[Named, ...]]]:
    """Window calls grouped by the keys of their PARTITION BY that rows can be hashed by."""
    groups: dict[tuple[Expr, ...], list[Named]] = {}
    for call in calls:
        keys = tuple(e for e in cast("WindowCall", call.expr).partition_by if stable_hash(e.type))
        groups.setdefault(keys, []).append(call)
    return [(keys, tuple(group)) for keys, group in groups.items()]


def can_split(agg: Named) -> bool:
    """Whether an aggregate may run as partial and final."""
    call = cast("AggCall", agg.expr)
    row = registry.get(call.fn)
    repeats = call.distinct and row.name not in REPEATS_DO_NOT_MATTER
    return bool(row.states) and not repeats and not call.order_by


def state_columns(agg: Named) -> tuple[Column, ...]:
    """Fresh columns for the partial states of an aggregate."""
    call = cast("AggCall", agg.expr)
    types = tuple(a.type for a in call.args)
    return tuple(
        Column(fresh_id(), f"{agg.column.name}_{s.suffix}", s.type(types))
        for s in registry.get(call.fn).states
    )
