"""Whether two engines gave the same rows: exact texts and dates, numbers to a tolerance, any order of rows."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

RELATIVE, ABSOLUTE = 1e-6, 1e-6
"""DuckDB gives avg(decimal) and decimal quotients as doubles, Spark's rules round them to a scale."""


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    """The rows as plain values, numbers as floats."""
    return [tuple(map(_plain, row)) for row in zip(*(c.to_pylist() for c in table.columns), strict=True)]


def _plain(value: Any) -> Any:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        return value.rstrip()
    return value


def difference(a: pa.Table, b: pa.Table) -> str:
    """What tells two results apart, in a few words; nothing when they are equal."""
    if a.num_columns != b.num_columns:
        return f"{a.num_columns} against {b.num_columns} columns"
    if a.num_rows != b.num_rows:
        return f"{a.num_rows} against {b.num_rows} rows"
    ours, theirs = (sorted(rows_of(t), key=_order) for t in (a, b))
    for x, y in zip(ours, theirs, strict=True):
        if not all(map(_same, x, y)):
            return f"{x} against {y}"
    return ""


def _order(row: tuple[Any, ...]) -> tuple[str, ...]:
    """Numbers that differ in their last digits must sort alike: exact values first, numbers to 5 digits after."""
    exact = (str(v) for v in row if not isinstance(v, float))
    return (*exact, *(f"{v:.4e}" for v in row if isinstance(v, float)))


def _same(x: Any, y: Any) -> bool:
    if isinstance(x, float) and isinstance(y, float):
        return math.isclose(x, y, rel_tol=RELATIVE, abs_tol=ABSOLUTE) or (math.isnan(x) and math.isnan(y))
    return bool(x == y) or str(x) == str(y)
