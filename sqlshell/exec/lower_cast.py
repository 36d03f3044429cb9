"""ANSI casts between kernel types. Text is read by `lower_parse`, written by `lower_format`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.errors import NotSupportedError
from sqlshell.exec import lower_format, lower_parse
from sqlshell.exec.lower_types import MICROS, UTC_MICROS, WALL_MICROS, dtype
from sqlshell.functions.common import divisor
from sqlshell.functions.decimal_arithmetic import round_half_up
from sqlshell.functions.fallible import cast_can_fail
from sqlshell.functions.variant_cast import cast_in, cast_out
from sqlshell.types import (
    Array,
    Boolean,
    Date,
    DayTimeInterval,
    Decimal,
    Fractional,
    Integral,
    Interval,
    Map,
    SqlType,
    String,
    Struct,
    Time,
    Timestamp,
    TimestampNtz,
    Variant,
    Void,
    YearMonthInterval,
)

if TYPE_CHECKING:
    from sqlshell.exec.lower_expr import Kernel

SECOND = 1_000_000
UNITS = {
    "year": 12,
    "month": 1,
    "day": 86_400 * SECOND,
    "hour": 3_600 * SECOND,
    "minute": 60 * SECOND,
    "second": SECOND,
}


def cast(k: Kernel, e: pl.Expr, source: SqlType, target: SqlType, safe: bool) -> pl.Expr:
    """`e` of kernel type `source` as `target`."""
    if source == target:
        return e
    if isinstance(source, Void):
        return e.cast(dtype(target))
    if isinstance(source, Variant):
        read: pl.Expr = cast_out(k, e, target, safe)
        return read
    if isinstance(target, Variant):
        made: pl.Expr = cast_in(k, e, source)
        return made
    if isinstance(target, String):
        return e if isinstance(source, String) else lower_format.to_text(k, e, source)
    if isinstance(source, String):
        return lower_parse.from_text(k, e, target, safe)
    for kinds, caster in _CASTERS:
        if isinstance(target, kinds):
            return caster(k, e, source, target, safe)  # type: ignore[no-any-return]
    raise unsupported(source, target)


def unsupported(source: SqlType, target: SqlType) -> NotSupportedError:
    return NotSupportedError(f"a cast from {source} to {target} is not supported")


def fitting(
    k: Kernel, e: pl.Expr, bad: Any, source: SqlType, target: SqlType, value: Any, safe: bool
) -> pl.Expr:
    """`value(e)` where `bad(e)` is false, else NULL or CAST_OVERFLOW."""

    def finish(v: pl.Expr) -> pl.Expr:
        if safe:
            return pl.when(~bad(v)).then(value(v))
        names = str(source).upper(), str(target).upper()
        return k.raise_if(bad(v), "CAST_OVERFLOW", value(v), *names, v)

    return k.let([e], finish)


def _to_boolean(k: Kernel, e: pl.Expr, source: SqlType, target: SqlType, safe: bool) -> pl.Expr:
    return e != pl.lit(0, dtype=dtype(source))


def _to_integral(k: Kernel, e: pl.Expr, source: SqlType, target: Any, safe: bool) -> pl.Expr:
    kind = dtype(target)
    if isinstance(source, Boolean):
        return e.cast(kind)
    if isinstance(source, Decimal):
        whole = e.truncdiv(pl.lit(10**source.scale, dtype=pl.Int128)) if source.scale else e
        return _narrowed(k, whole, source, target, safe)
    if isinstance(source, (Timestamp, TimestampNtz)):
        seconds = e.to_physical() // pl.lit(SECOND, dtype=pl.Int64)
        return seconds if target.bits == 64 else _narrowed(k, seconds, source, target, safe)
    if isinstance(source, Interval):
        return _narrowed(k, _interval_count(e, source), source, target, safe)
    if isinstance(source, Time):
        return _narrowed(k, e.to_physical() // pl.lit(1000 * SECOND, dtype=pl.Int64), source, target, safe)
    if not cast_can_fail(source, target):
        return e.cast(kind)
    return _narrowed(k, e, source, target, safe)


def _narrowed(
    k: Kernel, e: pl.Expr, source: SqlType, target: SqlType, safe: bool, kind: Any = None
) -> pl.Expr:
    """The number `e` as `target` (stored as `kind`); NULL or CAST_OVERFLOW where it does not fit."""
    kind = kind or dtype(target)
    if safe:
        return e.cast(kind, strict=False)
    return k.named(e, "CAST_OVERFLOW", str(source).upper(), str(target).upper()).cast(kind, strict=True)


def _interval_count(e: pl.Expr, source: Any) -> pl.Expr:
    """An interval in units of its last field."""
    number = e.to_physical().cast(pl.Int64)
    unit = UNITS[source.end]
    return number.truncdiv(pl.lit(unit, dtype=pl.Int64)) if unit > 1 else number


def _to_fractional(k: Kernel, e: pl.Expr, source: SqlType, target: SqlType, safe: bool) -> pl.Expr:
    if isinstance(source, Decimal):
        # Exact up to 2^53 unscaled, else at most one unit in the last place off.
        whole = e.cast(pl.Float64)
        scaled = k.let([whole], lambda w: w / divisor(k, 10.0**source.scale, w)) if source.scale else whole
        return scaled.cast(dtype(target))
    if isinstance(source, (Timestamp, TimestampNtz)):
        seconds = k.let([e.to_physical().cast(pl.Float64)], lambda w: w / divisor(k, 1e6, w))
        return seconds.cast(dtype(target))
    if isinstance(source, (Integral, Fractional, Boolean)):
        return e.cast(dtype(target))
    raise unsupported(source, target)


def _to_decimal(k: Kernel, e: pl.Expr, source: SqlType, target: Any, safe: bool) -> pl.Expr:
    if isinstance(source, Fractional):
        return lower_parse.decimal_from_double(k, e, target, safe)
    if isinstance(source, Timestamp):
        return _rescaled(k, e.to_physical().cast(pl.Int128), Decimal(38, 6), target, safe)
    if isinstance(source, Boolean):
        return _rescaled(k, e.cast(pl.Int128), Decimal(1, 0), target, safe)
    if isinstance(source, Integral):
        return _rescaled(
            k, e.cast(pl.Int128), Decimal({8: 3, 16: 5, 32: 10, 64: 19}[source.bits], 0), target, safe
        )
    if isinstance(source, Decimal):
        return _rescaled(k, e, source, target, safe)
    if isinstance(source, Time):
        micros = e.to_physical().cast(pl.Int128) // pl.lit(1000, dtype=pl.Int128)
        return _rescaled(k, micros, Decimal(14, 6), target, safe)
    if isinstance(source, Interval):
        return _interval_to_decimal(k, e, source, target, safe)
    raise unsupported(source, target)


def _interval_to_decimal(k: Kernel, e: pl.Expr, source: Any, target: Any, safe: bool) -> pl.Expr:
    if isinstance(source, DayTimeInterval) and source.end == "second":
        return _rescaled(k, e.to_physical().cast(pl.Int128), Decimal(19, 6), target, safe)
    return _rescaled(k, _interval_count(e, source).cast(pl.Int128), Decimal(19, 0), target, safe)


def _rescaled(k: Kernel, e: pl.Expr, source: Decimal, target: Decimal, safe: bool) -> pl.Expr:
    """An unscaled value of `source` as one of `target`: halves away from zero, digits checked."""
    up = target.scale - source.scale
    if not cast_can_fail(source, target):
        if up >= 0:
            return e * pl.lit(10**up, dtype=pl.Int128) if up else e
        return k.let([e], lambda v: round_half_up(pl, v, -up))
    if up >= 0:
        # Comparing before scaling keeps the product inside Int128.
        limit = 10 ** max(0, target.precision - up)
        return digits_checked(
            k, e, limit, source.scale, target, lambda v: v * pl.lit(10**up, dtype=pl.Int128), safe
        )
    rounded = k.let([e], lambda v: round_half_up(pl, v, -up))
    return digits_checked(k, rounded, 10**target.precision, target.scale, target, lambda v: v, safe)


def digits_checked(
    k: Kernel, e: pl.Expr, limit: int, scale: int, target: Decimal, value: Any, safe: bool
) -> pl.Expr:
    """`value(e)` where |e| < limit; elsewhere NULL or NUMERIC_VALUE_OUT_OF_RANGE showing e at `scale`."""

    def finish(v: pl.Expr) -> pl.Expr:
        bad = (v >= pl.lit(limit, dtype=pl.Int128)) | (v <= pl.lit(-limit, dtype=pl.Int128))
        if safe:
            return pl.when(~bad).then(value(v))
        name = f"Decimal({target.precision}, {target.scale})"
        condition = "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION"
        return k.raise_if(bad, condition, value(v), name, str(scale), v)

    return k.let([e], finish)


def _to_date(k: Kernel, e: pl.Expr, source: SqlType, target: SqlType, safe: bool) -> pl.Expr:
    if isinstance(source, Timestamp):
        return k.to_wall(e).dt.date()
    if isinstance(source, TimestampNtz):
        return e.dt.date()
    raise unsupported(source, target)


def _to_timestamp(k: Kernel, e: pl.Expr, source: SqlType, target: SqlType, safe: bool) -> pl.Expr:
    if isinstance(source, Date):
        return k.from_wall(e.cast(WALL_MICROS))
    if isinstance(source, TimestampNtz):
        return k.from_wall(e)
    if isinstance(source, Integral):
        return _timestamp_of(k, e.cast(pl.Int128) * pl.lit(SECOND, dtype=pl.Int128), source, target, safe)
    if isinstance(source, Decimal):
        scale = source.scale
        micros = e * pl.lit(SECOND, dtype=pl.Int128)
        if source.precision + 6 > 38:
            micros = (e // pl.lit(10**scale, dtype=pl.Int128)) * pl.lit(SECOND, dtype=pl.Int128)
            scale = 0
        whole = micros.truncdiv(pl.lit(10**scale, dtype=pl.Int128)) if scale else micros
        return _timestamp_of(k, whole, source, target, safe)
    if isinstance(source, Fractional):
        micros = k.let([e.cast(pl.Float64)], lambda v: _finite(k, v, source, target, safe) * pl.lit(1e6))
        return _narrowed(k, micros, source, target, safe, pl.Int64).cast(UTC_MICROS)
    if isinstance(source, Boolean):
        return e.cast(pl.Int64).cast(UTC_MICROS)
    raise unsupported(source, target)


def _finite(k: Kernel, v: pl.Expr, source: SqlType, target: SqlType, safe: bool) -> pl.Expr:
    if safe:
        return pl.when(v.is_finite()).then(v)
    names = str(source).upper(), str(target).upper()
    return k.raise_if(~v.is_finite(), "CAST_INVALID_INPUT", v, *names, v)


def _timestamp_of(k: Kernel, micros: pl.Expr, source: SqlType, target: SqlType, safe: bool) -> pl.Expr:
    return _narrowed(k, micros, source, target, safe, pl.Int64).cast(UTC_MICROS)


def _to_wall_clock(k: Kernel, e: pl.Expr, source: SqlType, target: SqlType, safe: bool) -> pl.Expr:
    if isinstance(source, Date):
        return e.cast(WALL_MICROS)
    if isinstance(source, Timestamp):
        return k.to_wall(e)
    raise unsupported(source, target)


def _to_time(k: Kernel, e: pl.Expr, source: SqlType, target: Any, safe: bool) -> pl.Expr:
    if isinstance(source, (Timestamp, TimestampNtz)):
        clock = (k.to_wall(e) if isinstance(source, Timestamp) else e).dt.time()
        return time_cut(clock.to_physical(), target.precision)
    if not isinstance(source, Time):
        raise unsupported(source, target)
    return e if target.precision >= source.precision else time_cut(e.to_physical(), target.precision)


def time_cut(nanos: pl.Expr, digits: int) -> pl.Expr:
    """Nanoseconds of a day as a time with so many digits of a second."""
    step = pl.lit(10 ** (9 - digits), dtype=pl.Int64)
    return (nanos // step * step).cast(pl.Time)


def _to_interval(k: Kernel, e: pl.Expr, source: SqlType, target: Any, safe: bool) -> pl.Expr:
    months = isinstance(target, YearMonthInterval)
    kind: Any = pl.Int32 if months else pl.Int64
    unit = UNITS[target.end]
    if isinstance(source, type(target)):
        number = e.to_physical()
        if target.end not in {"month", "second"}:
            step = pl.lit(unit, dtype=kind)
            number = number.truncdiv(step) * step
        return number if months else number.cast(MICROS)
    if isinstance(source, Integral):
        wide = e.cast(pl.Int128) * pl.lit(unit, dtype=pl.Int128)
    elif isinstance(source, Decimal):
        product = e * pl.lit(unit, dtype=pl.Int128)
        wide = k.let([product], lambda v: round_half_up(pl, v, source.scale))
    else:
        raise unsupported(source, target)
    top = (1 << (31 if months else 63)) - 1

    def bad(v: pl.Expr) -> pl.Expr:
        return (v > pl.lit(top, dtype=pl.Int128)) | (v < pl.lit(-top - 1, dtype=pl.Int128))

    number = fitting(k, wide, bad, source, target, lambda v: v.cast(kind, strict=False), safe)
    return number if months else number.cast(MICROS)


def _to_array(k: Kernel, e: pl.Expr, source: SqlType, target: Any, safe: bool) -> pl.Expr:
    if not isinstance(source, Array):
        raise unsupported(source, target)
    return e.list.eval(cast(k, pl.element(), source.element, target.element, safe))


def _to_map(k: Kernel, e: pl.Expr, source: SqlType, target: Any, safe: bool) -> pl.Expr:
    if not isinstance(source, Map):
        raise unsupported(source, target)
    key, value = pl.element().struct.field("key"), pl.element().struct.field("value")
    entry = pl.struct(
        cast(k, key, source.key, target.key, safe).alias("key"),
        cast(k, value, source.value, target.value, safe).alias("value"),
    )
    return e.list.eval(entry)


def _to_struct(k: Kernel, e: pl.Expr, source: SqlType, target: Any, safe: bool) -> pl.Expr:
    if not isinstance(source, Struct) or len(source.fields) != len(target.fields):
        raise unsupported(source, target)

    def rebuilt(v: pl.Expr) -> pl.Expr:
        parts = [
            cast(k, v.struct.field(old.name), old.type, new.type, safe).alias(new.name)
            for old, new in zip(source.fields, target.fields, strict=True)
        ]
        return pl.when(v.is_not_null()).then(pl.struct(*parts))

    return k.let([e], rebuilt)


_CASTERS: tuple[tuple[Any, Any], ...] = (
    (Boolean, _to_boolean),
    (Integral, _to_integral),
    (Fractional, _to_fractional),
    (Decimal, _to_decimal),
    (Date, _to_date),
    (Timestamp, _to_timestamp),
    (TimestampNtz, _to_wall_clock),
    (Time, _to_time),
    ((YearMonthInterval, DayTimeInterval), _to_interval),
    (Array, _to_array),
    (Map, _to_map),
    (Struct, _to_struct),
)
