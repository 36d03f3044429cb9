"""SQL types in kernels: their polars dtypes, their literals, and NULL-free value conversions.

Kernel representation: decimals are Int128 unscaled values, maps are List(Struct{key, value}), year-month
intervals Int32 months, day-time intervals Duration("us"), calendar intervals Struct{months, days, micros}, variants
text (`sqlshell/variant.py`). Everything else is what it says.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.errors import InternalError
from sqlshell.functions.decimal_wide import unscaled
from sqlshell.types import (
    Array,
    BigInt,
    Binary,
    Boolean,
    CalendarInterval,
    Date,
    DayTimeInterval,
    Decimal,
    Double,
    Float,
    Int,
    Map,
    SmallInt,
    SqlType,
    String,
    Struct,
    Time,
    Timestamp,
    TimestampNtz,
    TinyInt,
    Variant,
    Void,
    YearMonthInterval,
)

if TYPE_CHECKING:
    from polars.datatypes import DataType

UTC_MICROS = pl.Datetime("us", "UTC")
WALL_MICROS = pl.Datetime("us")
MICROS = pl.Duration("us")

_FLAT: dict[type[SqlType], Any] = {
    Void: pl.Null(),
    Boolean: pl.Boolean(),
    TinyInt: pl.Int8(),
    SmallInt: pl.Int16(),
    Int: pl.Int32(),
    BigInt: pl.Int64(),
    Float: pl.Float32(),
    Double: pl.Float64(),
    Decimal: pl.Int128(),
    String: pl.String(),
    Binary: pl.Binary(),
    Date: pl.Date(),
    Timestamp: UTC_MICROS,
    TimestampNtz: WALL_MICROS,
    Time: pl.Time(),
    YearMonthInterval: pl.Int32(),
    DayTimeInterval: MICROS,
    Variant: pl.String(),
    CalendarInterval: pl.Struct({"months": pl.Int32, "days": pl.Int32, "micros": pl.Int64}),
}


@cache
def dtype(t: SqlType) -> DataType:
    """The polars dtype of kernel columns of type `t`."""
    flat = _FLAT.get(type(t))
    if flat is not None:
        return flat  # type: ignore[no-any-return]
    if isinstance(t, Array):
        return pl.List(dtype(t.element))
    if isinstance(t, Map):
        return pl.List(pl.Struct({"key": dtype(t.key), "value": dtype(t.value)}))
    if isinstance(t, Struct):
        return pl.Struct([pl.Field(f.name, dtype(f.type)) for f in t.fields])
    raise InternalError(f"no kernel form of {t}")


def is_nested(t: SqlType) -> bool:
    """Whether values of `t` hold other values."""
    return isinstance(t, (Array, Map, Struct))


def kernel_value(value: Any, t: SqlType) -> Any:
    """A `Literal.value` as the python value polars stores for it."""
    if value is None:
        return None
    if isinstance(t, Decimal):
        return unscaled(value, t.scale)
    if isinstance(t, Timestamp):
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value
    if isinstance(t, DayTimeInterval):
        return dt.timedelta(microseconds=value)
    if isinstance(t, CalendarInterval):
        return dict(zip(("months", "days", "micros"), value, strict=True))
    if isinstance(t, Array):
        return [kernel_value(v, t.element) for v in value]
    if isinstance(t, Map):
        return [{"key": kernel_value(k, t.key), "value": kernel_value(v, t.value)} for k, v in value]
    if isinstance(t, Struct):
        return {f.name: kernel_value(v, f.type) for f, v in zip(t.fields, value, strict=True)}
    return value


def literal(value: Any, t: SqlType) -> pl.Expr:
    """A constant of type `t`, typed exactly."""
    kind = dtype(t)
    if value is None or not (is_nested(t) or isinstance(t, CalendarInterval)):
        return pl.lit(kernel_value(value, t), dtype=kind)
    # A literal Series is not a scalar to polars; `first` makes it one, so that it is repeated for each row.
    return pl.lit(pl.Series([kernel_value(value, t)], dtype=kind)).first()


def literal_series(values: list[Any], t: SqlType) -> pl.Series:
    """Literal values of one type as a Series."""
    return pl.Series([kernel_value(v, t) for v in values], dtype=dtype(t))
