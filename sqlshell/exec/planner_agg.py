"""How an aggregation brings the rows of a group together.

By what the fragment is spread by already, or by ranges of a key: complete groups in every task. Else partial states,
hashed by the keys; distinct values first by value (`distinct.py`); rows hashed by the keys where an aggregate has no
states, or where there are many groups with distinct values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.exec.distinct import by_value
from sqlshell.exec.grouping_sets import pre_aggregated
from sqlshell.exec.physical import FinalAggregate, PartialAggregate
from sqlshell.exec.piece import can_split, state_columns, with_columns
from sqlshell.expr.expr import Column
from sqlshell.optimizer import stats
from sqlshell.plan.logical import Aggregate, Named
from sqlshell.records import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.exec.distinct import ByValue
    from sqlshell.exec.piece import Piece
    from sqlshell.exec.planner import Planner
    from sqlshell.plan.logical import Plan

FEW_GROUPS = 1_000
"""Groups whose states one task merges sooner than several can be told to."""

MANY_GROUPS = 10_000
"""Groups that spread evenly over tasks by themselves: their rows are moved once, distinct values and all."""


def plan_aggregate(planner: Planner, node: Aggregate) -> Piece:
    """The fragment that computes an aggregation."""
    piece = planner.visit(node.input)
    if planner.is_slight(piece):
        piece = planner.single(piece)
    here = replace(node, input=piece.plan)
    if not piece.parallel:
        return replace(planner.single(piece), plan=here)
    by_column = {k.expr.id: k.column.id for k in node.keys if isinstance(k.expr, Column)}
    if not any(k in by_column for k in piece.keys):
        piece = planner.spread_by(piece, (k.expr for k in node.keys)) or piece
    if piece.spread == "hash" and piece.keys and all(k in by_column for k in piece.keys):
        return piece.over(here, keys=tuple(by_column[k] for k in piece.keys))
    if all(can_split(a) for a in node.aggs):
        return _two_phases(planner, node, piece)
    if not node.keys or planner.tight or stats.rows(node) < MANY_GROUPS:
        steps = by_value(here)
        if steps is not None:
            return _by_value(planner, node, steps, piece)
    if not node.keys:
        single = planner.single(piece)
        return single.over(replace(node, input=single.plan))
    piece, keys = with_columns(piece, tuple(k.expr for k in node.keys))
    hashed = planner.exchanged(piece, keys)
    items = tuple(Named(k.column, c) for k, c in zip(node.keys, keys, strict=True))
    return hashed.over(Aggregate(hashed.plan, items, node.aggs), keys=tuple(k.column.id for k in node.keys))


def _two_phases(planner: Planner, node: Aggregate, piece: Piece) -> Piece:
    grouped_first = pre_aggregated(replace(node, input=piece.plan))
    if grouped_first is not None:  # grouping sets: groups are repeated, not rows
        read = planner.exchanged(piece.over(grouped_first.input, keys=()), grouped_first.keys)
        return read.over(replace(grouped_first, input=read.plan))
    states = tuple(state_columns(a) for a in node.aggs)
    partial = piece.over(PartialAggregate(piece.plan, node.keys, node.aggs, states))
    keys = tuple(k.column for k in node.keys)
    return _merged(planner, node, partial, lambda read: FinalAggregate(read, keys, node.aggs, states))


def _by_value(planner: Planner, node: Aggregate, steps: ByValue, piece: Piece) -> Piece:
    """Distinct values are brought together before their groups are: few large groups load all tasks."""
    direct = {c.id for c in steps.sources}
    if not any(k in direct for k in piece.keys):
        piece = planner.spread_by(piece, steps.sources) or piece
    before = piece.over(steps.before, keys=())
    if not (piece.spread == "hash" and piece.keys and direct.issuperset(piece.keys)):
        before = planner.hashed(before, steps.values)
    return _merged(planner, node, before.over(steps.within(before.plan), keys=()), steps.last)


def _merged(
    planner: Planner, node: Aggregate, partial: Piece, last: Callable[[Plan], FinalAggregate]
) -> Piece:
    """Partial states brought together by their keys; few groups in one task."""
    keys = tuple(k.column for k in node.keys)
    few = planner.small and stats.rows(node) <= FEW_GROUPS
    read = planner.exchanged(partial, keys) if keys and not few else planner.single(partial)
    return read.over(last(read.plan))
