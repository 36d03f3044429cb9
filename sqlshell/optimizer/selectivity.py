"""Which part of rows predicates keep, and over how many values the rows of a join are spread.

Predicates on different columns are taken as independent; two bounds on one column count as one range. The keys of a
filtered table lie where the other side of the join has rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.expr.expr import And, Call, Column, Expr, In, Literal, Or
from sqlshell.optimizer.column_stats import ColumnEstimate, bound
from sqlshell.optimizer.properties import refs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Lookup = Callable[[int], ColumnEstimate]
    """A column by id, as it is before the predicates."""

UNKNOWN = 0.3
"""Rows that pass a predicate nothing is known about."""
EQUAL = 0.1
"""Rows for which two unknown values are equal."""
LIKE = 0.1


def selectivity(parts: Iterable[Expr], column: Lookup) -> float:
    """Part of the rows that pass all `parts`."""
    total = 1.0
    ranges: dict[int, list[tuple[str, float]]] = {}
    for part in parts:
        limit = bound(part)
        if limit is not None and limit[0] != "=" and limit[1] is not None:
            (i,) = refs(part)
            ranges.setdefault(i, []).append((limit[0], limit[1]))
        else:
            total *= _passes(part, column)
    for i, limits in ranges.items():
        total *= _range(limits, column(i))
    return max(total, 1e-9)


def _values(e: Expr, column: Lookup) -> float:
    """Values of an expression: at most the combinations of its columns'."""
    total = 1.0
    for i in refs(e):
        total *= column(i).distinct
    return total


def _range(limits: list[tuple[str, float]], c: ColumnEstimate) -> float:
    if c.low is None or c.high is None:
        return UNKNOWN if len(limits) == 1 else 0.25 * UNKNOWN
    low, high = c.low, c.high
    for op, limit in limits:
        if op in {"<", "<="}:
            high = min(high, limit)
        else:
            low = max(low, limit)
    if high < low:
        return 0.0
    if c.high == c.low:
        return 1.0
    part = (high - low) / (c.high - c.low)
    return max(part, 1.0 / max(1.0, c.distinct)) * (1 - c.nulls)


def _passes(part: Expr, column: Lookup) -> float:
    match part:
        case Literal():
            return 1.0 if part.value else 0.0
        case And():
            return selectivity(part.args, column)
        case Or():
            none = 1.0
            for a in part.args:
                none *= 1.0 - _passes(a, column)
            return 1.0 - none
        case In():
            return min(1.0, len(part.options) / max(1.0, _values(part.value, column)))
        case Call():
            return _call_passes(part, column)
        case _:
            return UNKNOWN


def _call_passes(part: Call, column: Lookup) -> float:
    match part.fn:
        case "not":
            return 1.0 - _passes(part.args[0], column)
        case "isnull" | "isnotnull":
            tested = part.args[0]
            null = column(tested.id).nulls if isinstance(tested, Column) else 0.05
            return null if part.fn == "isnull" else 1.0 - null
        case "=" | "<=>":
            return _equal_passes(part, column)
        case "<" | "<=" | ">" | ">=":
            limit = bound(part)
            if limit is None or limit[1] is None:
                return UNKNOWN
            (i,) = refs(part)
            return _range([(limit[0], limit[1])], column(i))
        case "like" | "ilike" | "rlike" | "contains" | "startswith" | "endswith":
            return LIKE
        case _:
            return UNKNOWN


def _equal_passes(part: Call, column: Lookup) -> float:
    limit = bound(part)
    if limit is not None and limit[1] is not None:
        (i,) = refs(part)
        own = column(i)
        if own.low is not None and own.high is not None and not own.low <= limit[1] <= own.high:
            return 0.0
        return (1 - own.nulls) / max(1.0, own.distinct)
    most = max(_values(side, column) for side in part.args)
    return 1.0 / most if most > 1 else EQUAL


def match_values(
    keys: list[tuple[ColumnEstimate, ColumnEstimate]], left_rows: float, right_rows: float
) -> float:
    """How many values (or combinations of them) the two sides of a join are spread over."""
    if not keys:
        return 1.0
    if len(keys) == 1:
        return _shared_values(*keys[0], left_rows, right_rows)
    left, left_is_key = _combinations([a for a, _ in keys])
    right, right_is_key = _combinations([b for _, b in keys])
    if left_is_key and right_is_key:
        return min(left, right)
    if left_is_key or right_is_key:
        return left if left_is_key else right
    return max(left, right)


def _combinations(columns: list[ColumnEstimate]) -> tuple[float, bool]:
    """Combinations of values on one side, and whether the columns are only together the key of their table.

    The other side then refers to it and has no combinations of its own.
    """
    total = 1.0
    rows = max(c.base_rows for c in columns)
    for c in columns:
        total *= c.distinct
    together = total >= rows and not any(c.is_key for c in columns)
    return min(total, rows), together


def _shared_values(a: ColumnEstimate, b: ColumnEstimate, left_rows: float, right_rows: float) -> float:
    values_a, values_b = a.distinct, b.distinct
    if a.low is not None and a.high is not None and b.low is not None and b.high is not None:
        overlap = min(a.high, b.high) - max(a.low, b.low) + 1
        if overlap >= 1:
            # A filtered dimension (one year of dates) lies where the facts are.
            values_a = _within(values_a, a, overlap, left_rows)
            values_b = _within(values_b, b, overlap, right_rows)
    if a.is_key and b.is_key:
        return min(values_a, values_b)
    return max(values_a, values_b)


def _within(values: float, c: ColumnEstimate, overlap: float, count: float) -> float:
    """Values inside the overlap of the ranges, but as many as the rows need when those were filtered."""
    if count > 0.5 * c.base_rows:
        return values
    span = (c.high or 0.0) - (c.low or 0.0) + 1
    return max(1.0, min(values, max(values * overlap / max(span, overlap), min(count, values))))
