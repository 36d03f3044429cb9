"""Recorded answers: rows as canonical text, so that engines with different Python types compare."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

ANSWERS = Path(__file__).parent.parent / "answers"


def canonical(value: Any) -> Any:
    """A value as JSON that keeps type and exactness: decimals and dates as text, floats as numbers."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if math.isnan(value) or math.isinf(value):
                return str(value)
            return value
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.replace(tzinfo=None).isoformat(sep=" ")
        case date():
            return value.isoformat()
        case timedelta():
            return f"{value // timedelta(microseconds=1)} us"
        case bytes() | bytearray():
            return bytes(value).hex()
        case dict():
            return {str(canonical(k)): canonical(v) for k, v in value.items()}
        case list() | tuple():
            return [canonical(v) for v in value]
    raise TypeError(f"no canonical form for {type(value).__name__}")


def same(a: Any, b: Any, tolerance: float = 1e-9) -> bool:
    """Equality of canonical values; floats to a relative tolerance."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k], tolerance) for k in a)
    if (isinstance(a, float) and isinstance(b, (int, float))) or (
        isinstance(b, float) and isinstance(a, int)
    ):
        return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def sort_key(row: list[Any]) -> str:
    """An order for rows that no query promised; floats are rounded so that noise does not reorder."""
    return json.dumps([f"{v:.6g}" if isinstance(v, float) else v for v in row], sort_keys=True)


def difference(expected: list[list[Any]], got: list[list[Any]]) -> str | None:
    """What differs between two bags of canonical rows, in words; None when they are the same."""
    if len(expected) != len(got):
        return f"{len(got)} rows, expected {len(expected)}"
    for e, g in zip(sorted(expected, key=sort_key), sorted(got, key=sort_key), strict=True):
        if not same(e, g):
            return f"got {g}, expected {e}"
    return None


def load(name: str) -> Any:
    """A recorded file."""
    return json.loads((ANSWERS / f"{name}.json").read_text())
