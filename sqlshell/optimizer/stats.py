"""Estimates: how many rows a plan gives, and how many values its columns have.

From file statistics (`Source.rows`, `Source.stats`) and textbook formulas: values are spread evenly, columns are
independent. Cached on the nodes; nothing here looks at data. `estimate(plan)` is for everyone who plans.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import AggCall, Call, Cast, Column, Expr, Literal, WindowCall, conjuncts
from sqlshell.optimizer.column_stats import (
    DEFAULT_ROWS,
    ColumnEstimate,
    as_number,
    narrowed,
    source_column,
    source_rows,
    width,
)
from sqlshell.optimizer.properties import refs, split_equality
from sqlshell.optimizer.selectivity import UNKNOWN, match_values, selectivity
from sqlshell.optimizer.sharing import SharedLeaf
from sqlshell.plan.logical import (
    Aggregate,
    Expand,
    Filter,
    Generate,
    Join,
    Limit,
    Plan,
    Project,
    RecursiveCte,
    Scan,
    Shared,
    Sort,
    TopN,
    Union,
    Values,
    Window,
)
from sqlshell.records import dataclass, replace
from sqlshell.types import Boolean

if TYPE_CHECKING:
    from collections.abc import Iterable

HAVING = 0.1
"""Groups that pass a predicate on an aggregate: people look for the few."""
GENERATED = 5.0
"""Rows per row that a generator gives."""


@dataclass(frozen=True)
class Estimate:
    """Size of a plan's result."""

    rows: float
    bytes: float


def estimate(plan: Plan) -> Estimate:
    """Rows and bytes of a plan's output."""
    count = rows(plan)
    return Estimate(count, count * row_width(plan))


def row_width(plan: Plan) -> float:
    """Bytes of one row in memory."""
    return max(1.0, sum(width(c.type) for c in plan.output))


def rows(plan: Plan) -> float:
    """Estimated rows of a plan's output, at least one."""
    cached: float | None = plan.__dict__.get("_rows")
    if cached is None:
        cached = max(1.0, _rows(plan))
        plan.__dict__["_rows"] = cached
    return cached


def as_before(old: Plan, new: Plan) -> Plan:
    """`new` with the estimate of `old`, of which it is another form: the join graph knew more than one join."""
    if isinstance(new, Join) and isinstance(old, Join) and "_rows" in old.__dict__:
        new.__dict__.setdefault("_rows", old.__dict__["_rows"])
    return new


def _rows(plan: Plan) -> float:
    match plan:
        case Scan():
            return source_rows(plan) * selectivity(plan.filters, partial(source_column, plan))
        case Values():
            return len(plan.rows)
        case Filter():
            return rows(plan.input) * _filter_passes(plan)
        case Aggregate():
            return groups(plan.input, [k.expr for k in plan.keys])
        case Limit() | TopN():
            below = rows(plan.input) - plan.offset
            return below if plan.count is None else min(below, plan.count)
        case Expand():
            return rows(plan.input) * len(plan.projections)
        case Generate():
            return rows(plan.input) * GENERATED
        case Union():
            return sum(rows(i) for i in plan.inputs)
        case Join():
            return _join_rows(plan)
        case Project() | Window() | Sort() | Shared():
            return rows(plan.input)
        case SharedLeaf():
            return rows(plan.source)
        case RecursiveCte():
            return rows(plan.anchor) * 10
        case _:
            return DEFAULT_ROWS


def _filter_passes(node: Filter) -> float:
    parts = conjuncts(node.predicate)
    lookup = partial(column, node.input)
    if not isinstance(node.input, Aggregate):
        return selectivity(parts, lookup)
    made = frozenset(a.column.id for a in node.input.aggs)
    rest = [p for p in parts if not refs(p) & made]
    return selectivity(rest, lookup) * (1.0 if len(rest) == len(parts) else HAVING)


def groups(plan: Plan, keys: Iterable[Expr]) -> float:
    """Distinct combinations of `keys` in a plan's rows."""
    limit = rows(plan)
    total = 1.0
    for key in keys:
        total *= distinct(plan, key)
        if total >= limit:
            return limit
    return total


def distinct(plan: Plan, e: Expr) -> float:
    """Distinct values of an expression over a plan's rows."""
    if isinstance(e, Literal):
        return 1.0
    if isinstance(e, Column):
        return max(1.0, min(column(plan, e.id).distinct, rows(plan)))
    if isinstance(e.type, Boolean):
        return 2.0
    total = 1.0
    for i in refs(e):
        total *= column(plan, i).distinct
    return max(1.0, min(total, rows(plan)))


# Columns


def column(plan: Plan, column_id: int) -> ColumnEstimate:
    """What is known about a column of a plan's output."""
    cache: dict[int, ColumnEstimate] = plan.__dict__.setdefault("_columns", {})
    found = cache.get(column_id)
    if found is None:
        found = cache[column_id] = _column(plan, column_id)
    return found


def _column(plan: Plan, column_id: int) -> ColumnEstimate:
    match plan:
        case Scan():
            base = source_column(plan, column_id)
            return narrowed(base, column_id, plan.filters)
        case Filter():
            base = column(plan.input, column_id)
            return narrowed(base, column_id, conjuncts(plan.predicate))
        case Project():
            return _item(plan, column_id, plan.items)
        case Aggregate():
            return _item(plan, column_id, plan.keys + plan.aggs)
        case Window():
            if column_id in plan.input.output_ids:
                return column(plan.input, column_id)
            return _unknown(plan)
        case Join():
            side = plan.left if column_id in plan.left.output_ids else plan.right
            return column(side, column_id) if column_id in side.output_ids else _unknown(plan)
        case Sort() | Limit() | TopN():
            return column(plan.input, column_id)
        case Generate() if column_id in plan.input.output_ids:
            return column(plan.input, column_id)
        case Shared() | SharedLeaf():
            source = plan.input if isinstance(plan, Shared) else plan.source
            at = next(i for i, c in enumerate(plan.columns) if c.id == column_id)
            return column(source, source.output[at].id)
        case Union():
            return _union_column(plan, column_id)
        case Expand():
            return _expand_column(plan, column_id)
        case _:
            return _unknown(plan)


def _unknown(plan: Plan) -> ColumnEstimate:
    count = rows(plan)
    return ColumnEstimate(max(1.0, count**0.75), base_rows=count)


def _item(plan: Project | Aggregate, column_id: int, items: Iterable[Any]) -> ColumnEstimate:
    """A computed column; a grouping key keeps its bounds but comes from the groups."""
    item = next((i for i in items if i.column.id == column_id), None)
    if item is None:
        return _unknown(plan)
    e, below = item.expr, plan.input
    if isinstance(e, Cast) and isinstance(e.arg, Column):
        e = e.arg
    if isinstance(e, Column) and e.id in below.output_ids:
        own = column(below, e.id)
        if isinstance(plan, Aggregate):
            return replace(own, distinct=min(own.distinct, rows(below)), base_rows=max(1.0, rows(plan)))
        return own
    if isinstance(e, Literal):
        value = as_number(e.value)
        return ColumnEstimate(1.0, value, value, 0.0, rows(below))
    if isinstance(e, AggCall | WindowCall):
        return _unknown(plan)
    return ColumnEstimate(distinct(below, e), base_rows=rows(below))


def _union_column(plan: Union, column_id: int) -> ColumnEstimate:
    at = next(i for i, c in enumerate(plan.columns) if c.id == column_id)
    parts = [column(i, i.output[at].id) for i in plan.inputs]
    lows = [p.low for p in parts if p.low is not None]
    highs = [p.high for p in parts if p.high is not None]
    bounded = len(lows) == len(parts) == len(highs)
    return ColumnEstimate(
        min(rows(plan), max(p.distinct for p in parts) * 1.2),
        min(lows) if bounded else None,
        max(highs) if bounded else None,
        max(p.nulls for p in parts),
        rows(plan),
    )


def _expand_column(plan: Expand, column_id: int) -> ColumnEstimate:
    at = next(i for i, c in enumerate(plan.columns) if c.id == column_id)
    total = 0.0
    for e in {p[at] for p in plan.projections}:
        total += distinct(plan.input, e)
    return ColumnEstimate(max(1.0, total), base_rows=rows(plan))


# Joins


def _join_rows(node: Join) -> float:
    left, right = rows(node.left), rows(node.right)
    if node.kind in {"mark", "single"}:
        return left
    pairs = equi_columns(node)
    rest = _residual(node)
    if node.kind in {"semi", "anti"}:
        part = semi_selectivity(node, pairs) if pairs else 0.5
        return left * (part if node.kind == "semi" else max(0.05, 1 - part * rest))
    matched = inner_rows(node.left, node.right, pairs) * rest
    match node.kind:
        case "left":
            return max(left, matched)
        case "right":
            return max(right, matched)
        case "full":
            return max(left, matched) + max(0.0, right - matched)
        case _:
            return matched


def equi_columns(node: Join) -> list[tuple[Expr, Expr]]:
    """(left, right) sides of the equalities between the inputs."""
    out: list[tuple[Expr, Expr]] = []
    for part in conjuncts(node.condition):
        sides = split_equality(part)
        if sides is None and isinstance(part, Call) and part.fn == "<=>":
            sides = (part.args[0], part.args[1])
        if sides is None:
            continue
        a, b = sides
        if not (refs(a) and refs(b)):
            continue
        if refs(a) <= node.left.output_ids and refs(b) <= node.right.output_ids:
            out.append((a, b))
        elif refs(b) <= node.left.output_ids and refs(a) <= node.right.output_ids:
            out.append((b, a))
    return out


def _residual(node: Join) -> float:
    keys = equi_columns(node)
    others = len(conjuncts(node.condition)) - len(keys)
    return 0.5 ** max(0, others) if keys else UNKNOWN ** min(2, others)


def side(plan: Plan, e: Expr) -> ColumnEstimate:
    """A join key as a column."""
    if isinstance(e, Column) and e.id in plan.output_ids:
        return column(plan, e.id)
    return ColumnEstimate(distinct(plan, e), base_rows=rows(plan))


def inner_rows(left: Plan, right: Plan, pairs: list[tuple[Expr, Expr]]) -> float:
    """Rows of an inner join on the pairs' equality."""
    keys = [(side(left, a), side(right, b)) for a, b in pairs]
    return rows(left) * rows(right) / max(1.0, match_values(keys, rows(left), rows(right)))


def semi_selectivity(node: Join, pairs: list[tuple[Expr, Expr]]) -> float:
    """Part of the left rows that find a match."""
    part = 1.0
    for a, b in pairs:
        mine = side(node.left, a).distinct
        theirs = min(side(node.right, b).distinct, rows(node.right))
        part = min(part, theirs / max(1.0, mine))
    return min(1.0, max(part, 1e-6))
