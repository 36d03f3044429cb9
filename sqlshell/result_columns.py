"""Arrow columns as lists of Python values, the types that pyarrow is slow for by faster ways.

Per million values (measured on TPC-H columns): dates, timestamps and decimals take pyarrow's
`to_pylist` 3 to 5 s of a core, numpy's objects and decimals made of integers 0.1 to 0.4 s.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Context, Decimal
from itertools import repeat
from typing import TYPE_CHECKING, Any

from sqlshell import types as t
from sqlshell.types_arrow import map_key

if TYPE_CHECKING:
    import pyarrow as pa

_EXACT = Context(prec=t.MAX_PRECISION)
_SMALL_DIGITS = 18
"""Decimals of so many digits are 64-bit integers."""
_DAYS = (
    date.min.toordinal() - date(1970, 1, 1).toordinal(),
    date.max.toordinal() - date(1970, 1, 1).toordinal(),
)
_EPOCH = datetime(1970, 1, 1)
_MICROSECONDS = tuple(
    ((d - _EPOCH).days * 86_400 + (d - _EPOCH).seconds) * 1_000_000
    for d in (datetime.min, datetime(9999, 12, 31))
)
"""What Python's dates and datetimes can hold; numpy would give integers beyond."""


def python_values(array: pa.Array, sql_type: t.SqlType) -> list[Any]:
    """Python values of an Arrow column: maps become dicts, variants JSON texts, day-time intervals timedeltas."""
    found: list[Any] | None = None
    match sql_type:
        case t.Date():
            found = _temporal(array, _DAYS)
        case t.TimestampNtz() | t.Timestamp():
            found = _temporal(array, _MICROSECONDS)
            if found is not None and isinstance(sql_type, t.Timestamp):
                found = [None if v is None else v.replace(tzinfo=UTC) for v in found]
        case t.Decimal() if sql_type.precision <= _SMALL_DIGITS:
            found = _decimals(array, sql_type)
    if found is not None:
        return found
    values: list[Any] = array.to_pylist()
    if _has_own_form(sql_type):
        return [_own_form(v, sql_type) for v in values]
    return values


def _temporal(array: pa.Array, limits: tuple[int, ...]) -> list[Any] | None:
    """Dates and timestamps by numpy; None where one is beyond Python's years."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = pa.int32() if pa.types.is_date32(array.type) else pa.int64()
    ends = pc.min_max(array.view(plain)).as_py()
    if ends["min"] is not None and (ends["min"] < limits[0] or ends["max"] > limits[1]):
        return None
    values: list[Any] = array.to_numpy(zero_copy_only=False).tolist()
    return values


def _decimals(array: pa.Array, s: t.Decimal) -> list[Any] | None:
    """Decimals as their 64-bit integers times 10^-scale: exact, as there are at most 18 digits."""
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_decimal128(array.type):
        return None
    buffer = array.buffers()[1]
    if buffer is None:
        return [None] * len(array)
    low = np.frombuffer(buffer, np.int64)[2 * array.offset : 2 * (array.offset + len(array)) : 2]
    if array.null_count:
        low = np.where(array.is_valid().to_numpy(zero_copy_only=False), low, 0)
    unit = Decimal(1).scaleb(-s.scale)
    values: list[Any] = list(map(_EXACT.multiply, map(Decimal, low.tolist()), repeat(unit)))
    if array.null_count:
        for i in np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)).tolist():
            values[i] = None
    return values


def _has_own_form(s: t.SqlType) -> bool:
    match s:
        case t.Map() | t.Variant():
            return True
        case t.Array():
            return _has_own_form(s.element)
        case t.Struct():
            return any(_has_own_form(f.type) for f in s.fields)
    return False


def _own_form(value: Any, s: t.SqlType) -> Any:
    if value is None:
        return None
    match s:
        case t.Map():
            return {map_key(k): _own_form(v, s.value) for k, v in value}
        case t.Array():
            return [_own_form(v, s.element) for v in value]
        case t.Struct():
            return {f.name: _own_form(value[f.name], f.type) for f in s.fields}
        case t.Variant():
            from sqlshell.variant_binary import json_of

            return json_of(value["metadata"], value["value"])
    return value
