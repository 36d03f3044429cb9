"""The edges of kernels: file columns in, result columns and single values out."""

from __future__ import annotations

import datetime as dt
from decimal import Context
from decimal import Decimal as PyDecimal
from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.errors import NotSupportedError
from sqlshell.exec.lower_types import dtype
from sqlshell.types import (
    Array,
    CalendarInterval,
    DayTimeInterval,
    Decimal,
    Map,
    SqlType,
    Struct,
    Timestamp,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.exec.lower_expr import Kernel
    from sqlshell.expr.expr import Column

_EXACT = Context(prec=60)


def to_output(lf: pl.LazyFrame, columns: Sequence[Column]) -> pl.LazyFrame:
    """Kernel columns `c{id}` as columns "0", "1", ... of types Arrow knows (see `types_arrow.py`)."""
    return lf.select(to_arrow_form(pl.col(f"c{c.id}"), c.type).alias(str(i)) for i, c in enumerate(columns))


def to_arrow_form(e: pl.Expr, t: SqlType) -> pl.Expr:
    """Unscaled decimals as Decimal(38, 0), at any depth; everything else as it is."""
    if not _holds_decimal(t):
        return e
    if isinstance(t, Decimal):
        return e.cast(pl.Decimal(38, 0))
    return e.cast(_arrow_dtype(t))


def _arrow_dtype(t: SqlType) -> Any:
    if isinstance(t, Decimal):
        return pl.Decimal(38, 0)
    if isinstance(t, Array):
        return pl.List(_arrow_dtype(t.element))
    if isinstance(t, Map):
        return pl.List(pl.Struct({"key": _arrow_dtype(t.key), "value": _arrow_dtype(t.value)}))
    if isinstance(t, Struct):
        return pl.Struct([pl.Field(f.name, _arrow_dtype(f.type)) for f in t.fields])
    return dtype(t)


def _holds_decimal(t: SqlType) -> bool:
    if isinstance(t, Array):
        return _holds_decimal(t.element)
    if isinstance(t, Map):
        return _holds_decimal(t.key) or _holds_decimal(t.value)
    if isinstance(t, Struct):
        return any(_holds_decimal(f.type) for f in t.fields)
    return isinstance(t, Decimal)


def to_python(value: Any, t: SqlType) -> Any:
    """One kernel value (as polars gives it to Python) as a `Literal.value`."""
    if value is None:
        return None
    if isinstance(t, Decimal):
        return PyDecimal(value).scaleb(-t.scale, _EXACT)
    if isinstance(t, Timestamp):
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    if isinstance(t, DayTimeInterval):
        return value // dt.timedelta(microseconds=1)
    if isinstance(t, CalendarInterval):
        return tuple(value.values())
    if isinstance(t, Array):
        return tuple(to_python(v, t.element) for v in value)
    if isinstance(t, Map):
        return tuple((to_python(e["key"], t.key), to_python(e["value"], t.value)) for e in value)
    if isinstance(t, Struct):
        return tuple(to_python(value.get(f.name), f.type) for f in t.fields)
    return value


def from_file(k: Kernel, e: pl.Expr, source: pl.DataType, t: SqlType) -> pl.Expr:
    """A file's column of polars dtype `source` in the kernel form of `t`, its declared SQL type."""
    kind = dtype(t)
    if source == kind:
        return e
    if isinstance(source, pl.Decimal):
        return _decimal(k, e, source.scale or 0, t)
    if isinstance(source, (pl.Categorical, pl.Enum)):
        return from_file(k, e.cast(pl.String), pl.String(), t)
    if isinstance(source, pl.Datetime):
        return _datetime(k, e, source, t)
    if isinstance(t, Decimal) and source.is_integer():
        return e.cast(pl.Int128) * pl.lit(10**t.scale, dtype=pl.Int128)
    if isinstance(t, (Array, Map, Struct)):
        return _nested(k, e, source, t)
    return e.cast(kind)


def _decimal(k: Kernel, e: pl.Expr, scale: int, t: SqlType) -> pl.Expr:
    if not isinstance(t, Decimal):
        return k.cast(e.to_physical(), Decimal(38, scale), t)
    unscaled = e.to_physical().cast(pl.Int128)
    return unscaled if scale == t.scale else k.cast(unscaled, Decimal(38, scale), t)


def _datetime(k: Kernel, e: pl.Expr, source: pl.Datetime, t: SqlType) -> pl.Expr:
    """Other units to microseconds, other zones to UTC; a wall clock read as an instant is UTC's."""
    micros = e if source.time_unit == "us" else e.dt.cast_time_unit("us")
    if isinstance(t, Timestamp):
        return (
            micros.dt.replace_time_zone("UTC")
            if source.time_zone is None
            else micros.dt.convert_time_zone("UTC")
        )
    if source.time_zone is not None:
        micros = micros.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return micros.cast(dtype(t))


def _nested(k: Kernel, e: pl.Expr, source: pl.DataType, t: SqlType) -> pl.Expr:
    if isinstance(t, Struct) and isinstance(source, pl.Struct):
        return _struct(k, e, source, t)
    inner: Any = getattr(source, "inner", None)
    if isinstance(t, Array) and isinstance(source, (pl.List, pl.Array)):
        items = e.arr.to_list() if isinstance(source, pl.Array) else e
        if inner == dtype(t.element):
            return items
        return items.list.eval(from_file(k, pl.element(), inner, t.element))
    if isinstance(t, Map):
        entries, parts = _entries(e, source)
        wanted = Struct((_field("key", t.key), _field("value", t.value)))
        if parts == dtype(wanted):
            return entries
        return entries.list.eval(_struct(k, pl.element(), parts, wanted))
    raise NotSupportedError(f"a file column of type {source} cannot be read as {t}")


def _field(name: str, t: SqlType) -> Any:
    from sqlshell.types import Field

    return Field(name, t)


def _entries(e: pl.Expr, source: pl.DataType) -> tuple[pl.Expr, pl.Struct]:
    """A map column as a list of entries, and the dtype of one."""
    if isinstance(source, pl.List) and isinstance(source.inner, pl.Struct):
        return e, source.inner
    storage: Any = getattr(source, "key", None), getattr(source, "value", None)
    if None not in storage:
        entry = pl.Struct({"key": storage[0], "value": storage[1]})
        return e.cast(pl.List(entry)), entry
    raise NotSupportedError(f"a file column of type {source} is not a map")


def _struct(k: Kernel, e: pl.Expr, source: pl.Struct, t: Struct) -> pl.Expr:
    """Fields by name, whatever their order or case; leaves that were not read are left out."""
    have = {f.name: f for f in source.fields}
    lowered = {f.name.lower(): f for f in source.fields}
    names = [f.name for f in source.fields]
    parts: list[pl.Expr] = []
    for i, f in enumerate(t.fields):
        old = have.get(f.name) or lowered.get(f.name.lower())
        if old is None and f.name in {"key", "value"} and i < len(names) and len(names) == 2:
            old = source.fields[i]
        if old is not None:
            parts.append(from_file(k, e.struct.field(old.name), _as_dtype(old.dtype), f.type).alias(f.name))
    return pl.when(e.is_not_null()).then(pl.struct(*parts))


def _as_dtype(d: Any) -> pl.DataType:
    found: pl.DataType = d() if isinstance(d, type) else d
    return found
