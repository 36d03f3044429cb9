"""What is known about single columns: from file statistics, and after predicates on them."""

from __future__ import annotations

import datetime
from decimal import Decimal as PyDecimal
from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import Call, Column, Expr, In, Literal
from sqlshell.optimizer.properties import refs
from sqlshell.records import dataclass, replace
from sqlshell.types import (
    Array,
    Binary,
    Boolean,
    Date,
    Decimal,
    Float,
    Integral,
    Map,
    SqlType,
    String,
    Struct,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.plan.logical import Scan

DEFAULT_ROWS = 100_000.0
"""Rows of a source that tells nothing and has no size."""
BYTES_PER_ROW = 100.0
"""Bytes of a row of a CSV or JSON source, to turn its size into rows."""
MANY = 0.4
"""Distinct values per row from which a footer's count is not taken literally."""
FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}


@dataclass(frozen=True)
class ColumnEstimate:
    """One column: distinct values, bounds as numbers (None: unknown), the part that is NULL.

    `base_rows` are the rows of where it comes from, before filters.
    """

    distinct: float
    low: float | None = None
    high: float | None = None
    nulls: float = 0.0
    base_rows: float = DEFAULT_ROWS

    @property
    def is_key(self) -> bool:
        """Whether (nearly) every row may have its own value."""
        return self.distinct >= 0.9 * self.base_rows


def source_rows(scan: Scan) -> float:
    """Rows of the source, filters not applied."""
    known = scan.source.rows
    if known is not None:
        return float(known)
    size = scan.source.size
    return max(1.0, size / BYTES_PER_ROW) if size else DEFAULT_ROWS


def source_column(scan: Scan, column_id: int) -> ColumnEstimate:
    at = next(i for i, c in enumerate(scan.columns) if c.id == column_id)
    count = source_rows(scan)
    stats = scan.source.column_stats(scan.fields[at])
    t = scan.columns[at].type
    if stats is None:
        return ColumnEstimate(_guess_distinct(t, count, None, None), base_rows=count)
    low, high = as_number(stats.low), as_number(stats.high)
    values = _guess_distinct(t, count, low, high, stats.low, stats.high)
    if stats.distinct:
        # A count near the rows only says "many": the range of a number then knows better.
        many = stats.distinct >= MANY * count
        values = count if many and isinstance(t, String) else values if many else float(stats.distinct)
    nulls = (stats.nulls or 0) / count if count else 0.0
    return ColumnEstimate(max(1.0, values), low, high, min(1.0, nulls), count)


def _guess_distinct(
    t: SqlType, count: float, low: float | None, high: float | None, first: Any = None, last: Any = None
) -> float:
    match t:
        case Boolean():
            return 2.0
        case Integral() | Date() if low is not None and high is not None:
            return min(count, high - low + 1)
        case Decimal() if low is not None and high is not None:
            return min(count, (high - low) * 10.0**t.scale + 1)
        case String():
            return _text_values(count, first, last)
        case _:
            return count


def _text_values(count: float, first: Any, last: Any) -> float:
    """Text: all different in small tables, codes and categories in big ones."""
    if isinstance(first, str) and isinstance(last, str) and max(len(first), len(last)) <= 1:
        return min(count, abs(ord(last or " ") - ord(first or " ")) + 1.0)
    return count if count <= 100 else max(30.0, count**0.4)


def as_number(value: Any) -> float | None:
    """A literal on a number line, or None."""
    match value:
        case bool() | int() | float() | PyDecimal():
            return float(value)
        case datetime.datetime():
            return value.replace(tzinfo=datetime.UTC).timestamp()
        case datetime.date():
            return float(value.toordinal())
        case _:
            return None


def narrowed(base: ColumnEstimate, column_id: int, parts: Iterable[Expr]) -> ColumnEstimate:
    """A column after predicates on itself: narrower bounds, fewer values."""
    low, high, values, nulls = base.low, base.high, base.distinct, base.nulls
    for part in parts:
        if refs(part) != {column_id}:
            continue
        nulls = 0.0
        test = bound(part)
        if test is None:
            if isinstance(part, In):
                values = min(values, len(part.options))
            continue
        op, limit = test
        if op == "=":
            values = 1.0
            if limit is not None:
                low = high = limit
        elif limit is not None and low is not None and high is not None and high > low:
            old = high - low
            if op in {"<", "<="}:
                high = max(low, min(high, limit))
            else:
                low = min(high, max(low, limit))
            values = max(1.0, values * (high - low) / old)
    if (low, high, values, nulls) == (base.low, base.high, base.distinct, base.nulls):
        return base
    return replace(base, low=low, high=high, distinct=values, nulls=nulls)


def bound(part: Expr) -> tuple[str, float | None] | None:
    """(operator, number) of `column op literal`."""
    if not isinstance(part, Call) or len(part.args) != 2:
        return None
    a, b = part.args
    if part.fn not in FLIPPED:
        return None
    if isinstance(a, Column) and isinstance(b, Literal):
        return part.fn, as_number(b.value)
    if isinstance(b, Column) and isinstance(a, Literal):
        return FLIPPED[part.fn], as_number(a.value)
    return None


def width(t: SqlType) -> float:
    """Bytes of one value in memory."""
    match t:
        case Boolean():
            return 1
        case Integral():
            return t.bits / 8
        case Float() | Date():
            return 4
        case Decimal():
            return 16
        case String() | Binary():
            return 24
        case Array():
            return 4 * width(t.element)
        case Map():
            return 4 * (width(t.key) + width(t.value))
        case Struct():
            return sum(width(f.type) for f in t.fields)
        case _:
            return 8
