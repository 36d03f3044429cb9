"""Rough sizes of plans, good enough to choose solo or pool, broadcast or shuffle, and a number of partitions.

Everything is bytes in memory. Where a source tells nothing, numbers err upwards; `replan` corrects with
manifests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sqlshell.exec.physical import ExchangeRead
from sqlshell.plan.logical import (
    Aggregate,
    Filter,
    Join,
    Limit,
    Scan,
    Shared,
    Sort,
    TopN,
    Union,
    Values,
    Window,
)
from sqlshell.storage.source import MemorySource
from sqlshell.types import Array, Boolean, Date, Decimal, Float, Integral, Map, SqlType, String, Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlshell.expr.expr import AggCall
    from sqlshell.plan.logical import Plan

COMPRESSION = {"parquet": 3.0, "orc": 3.0, "arrow": 1.0}
"""Bytes in memory per byte of file."""

SELECTIVITY = 0.3
"""Rows that pass one predicate nobody knows anything about."""

DEFAULT_ROWS = 10_000


def width(t: SqlType) -> int:
    """Bytes of one value."""
    match t:
        case Boolean():
            return 1
        case Integral():
            return t.bits // 8
        case Float() | Date():
            return 4
        case Decimal():
            return 16
        case String():
            return 40
        case Array():
            return 4 * width(t.element)
        case Map():
            return 4 * (width(t.key) + width(t.value))
        case Struct():
            return sum(width(f.type) for f in t.fields)
    return 8


def row_width(plan: Plan) -> int:
    """Bytes of one row of a plan's output."""
    return max(1, sum(width(c.type) for c in plan.output))


def size(plan: Plan, known: Mapping[int, int] | None = None) -> int:
    """Estimated bytes of a plan's rows; `known` holds the sizes of stages already planned or run."""
    return int(rows(plan, known) * row_width(plan))


def rows(plan: Plan, known: Mapping[int, int] | None = None) -> float:
    """Estimated rows of a plan's output."""
    match plan:
        case Scan():
            return _scan_rows(plan) * SELECTIVITY ** min(2, len(plan.filters))
        case Values():
            return len(plan.rows)
        case ExchangeRead():
            return (known or {}).get(plan.stage, DEFAULT_ROWS * row_width(plan)) / row_width(plan)
        case Filter():
            return rows(plan.input, known) * SELECTIVITY
        case Aggregate():
            kept = 0.2 if plan.aggs else 0.5  # DISTINCT is asked for when few rows repeat
            return max(1.0, rows(plan.input, known) * kept) if plan.keys else 1.0
        case Limit() | TopN() if plan.count is not None:
            return min(float(plan.count), rows(plan.input, known))
        case Union():
            return sum(rows(p, known) for p in plan.inputs)
        case Join():
            return _join_rows(plan, known)
        case _:
            return max((rows(c, known) for c in plan.children), default=1.0)


def _scan_rows(scan: Scan) -> float:
    source = scan.source
    if source.rows is not None:
        return source.rows
    factor = 1.0 if isinstance(source, MemorySource) else COMPRESSION.get(source.format, 1.0)
    whole = max(1, sum(width(f.type) for f in source.schema.fields))
    return source.size * factor / whole


def _join_rows(node: Join, known: Mapping[int, int] | None) -> float:
    left, right = rows(node.left, known), rows(node.right, known)
    if node.kind in {"semi", "anti", "mark", "single"}:
        return left
    if node.condition is None:
        return left * right
    return max(left, right)


def scanned(plan: Plan) -> int:
    """Bytes of all files a plan reads."""
    return sum(s.source.size for s in plan.collect(Scan))


def state(plan: Plan) -> int:
    """Estimated bytes the most demanding operator of a plan must hold at once."""
    largest = 0
    for node in plan.walk():
        match node:
            case Aggregate():
                need = size(node) + (
                    size(node.input) if any(cast("AggCall", a.expr).distinct for a in node.aggs) else 0
                )
            case Join():
                need = min(size(node.left), size(node.right)) if node.kind == "inner" else size(node.right)
            case Sort() | Window():
                need = size(node.input)
            case TopN():
                need = size(node)
            case Shared():
                need = size(node.input)
            case _:
                continue
        largest = max(largest, need)
    return largest
