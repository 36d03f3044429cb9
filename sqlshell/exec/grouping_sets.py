"""Grouping sets over groups instead of rows.

ROLLUP, CUBE and GROUPING SETS come as Aggregate over Expand, which repeats every input row once per set. Where all
aggregates have states, the rows are first grouped by all keys together, and only those groups are repeated:

    Aggregate(Expand(x))   ->   FinalAggregate(Expand(PartialAggregate(x)))
"""

from __future__ import annotations

from sqlshell.exec.physical import FinalAggregate, PartialAggregate
from sqlshell.exec.piece import can_split, state_columns
from sqlshell.expr.expr import Cast, Column, Expr, Literal, columns_of, substitute
from sqlshell.plan.logical import Aggregate, Expand, Named, fresh_column


def pre_aggregated(node: Aggregate) -> FinalAggregate | None:
    """The plan that groups before it repeats rows; None where that is not possible."""
    expand = node.input
    if not isinstance(expand, Expand) or not node.keys or not all(can_split(a) for a in node.aggs):
        return None
    if not all(isinstance(k.expr, Column) and k.expr.id == k.column.id for k in node.keys):
        return None
    position = {c.id: i for i, c in enumerate(expand.columns)}
    key_positions = [position[k.column.id] for k in node.keys]
    sources = _sources(expand, node)
    if sources is None:
        return None
    base: dict[Expr, Named] = {}
    for i in key_positions:
        for projection in expand.projections:
            e = projection[i]
            if not _constant(e):
                base.setdefault(e, Named(fresh_column("key", e), e))
    if not base:
        return None
    aggs = tuple(Named(a.column, _over_source(a.expr, sources)) for a in node.aggs)
    states = tuple(state_columns(a) for a in aggs)
    partial = PartialAggregate(expand.input, tuple(base.values()), aggs, states)
    flat = tuple(c for group in states for c in group)
    keys = tuple(expand.columns[i] for i in key_positions)
    projections = tuple(
        (*(base[p[i]].column if p[i] in base else p[i] for i in key_positions), *flat)
        for p in expand.projections
    )
    repeated = Expand(partial, (*keys, *flat), projections)
    return FinalAggregate(repeated, keys, aggs, states)


def _constant(e: Expr) -> bool:
    return isinstance(e, Literal) or (isinstance(e, Cast) and _constant(e.arg))


def _sources(expand: Expand, node: Aggregate) -> dict[int, Expr] | None:
    """What each column the aggregates use is in terms of Expand's input, if every set has it the same."""
    used = {i for a in node.aggs for i in columns_of(a.expr)}
    out: dict[int, Expr] = {}
    for i, c in enumerate(expand.columns):
        if c.id in used:
            options = {p[i] for p in expand.projections}
            if len(options) != 1:
                return None
            out[c.id] = options.pop()
    return out


def _over_source(e: Expr, sources: dict[int, Expr]) -> Expr:
    out: Expr = substitute(e, sources)
    return out
