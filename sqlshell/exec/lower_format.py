"""Values as Spark's text: what CAST(x AS STRING), concat and printing of parts show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.errors import NotSupportedError
from sqlshell.functions import calendar_interval
from sqlshell.functions.variant_cast import json_text
from sqlshell.types import (
    Array,
    Binary,
    Boolean,
    CalendarInterval,
    Date,
    DayTimeInterval,
    Decimal,
    Fractional,
    Integral,
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
    from collections.abc import Callable

    from sqlshell.exec.lower_expr import Kernel


def to_text(k: Kernel, e: pl.Expr, t: SqlType) -> pl.Expr:
    """The text of kernel values of type `t`."""
    for kinds, writer in _WRITERS:
        if isinstance(t, kinds):
            return writer(k, e, t)
    raise NotSupportedError(f"a cast from {t} to string is not supported")


def _plain(k: Kernel, e: pl.Expr, t: SqlType) -> pl.Expr:
    return e.cast(pl.String)


def _decimal(k: Kernel, e: pl.Expr, t: Any) -> pl.Expr:
    if not t.scale:
        return e.cast(pl.String)

    def finish(v: pl.Expr, digits: pl.Expr) -> pl.Expr:
        sign = pl.when(v < 0).then(pl.lit("-")).otherwise(pl.lit(""))
        return sign + digits.str.head(-t.scale) + pl.lit(".") + digits.str.tail(t.scale)

    def padded(v: pl.Expr) -> pl.Expr:
        return k.let([v, v.abs().cast(pl.String).str.zfill(t.scale + 1)], finish)

    return k.let([e], padded)


def _float(k: Kernel, e: pl.Expr, t: SqlType) -> pl.Expr:
    """Java's Double.toString: plain from 10^-3 up to 10^7, else d.dddE±n (the slow way)."""

    def finish(v: pl.Expr) -> pl.Expr:
        size = v.abs()
        easy = (v == 0) | ((size >= 1e-3) & (size < 1e7))
        hard = pl.when(~easy).then(v)
        written = hard.map_batches(_java_floats(), return_dtype=pl.String, is_elementwise=True)
        return pl.when(easy).then(v.cast(pl.String)).otherwise(written)

    return k.let([e], finish)


def _java_floats() -> Callable[[pl.Series], pl.Series]:
    def run(s: pl.Series) -> pl.Series:
        if s.null_count() == len(s):
            return pl.Series([None] * len(s), dtype=pl.String)
        # polars writes the shortest digits for either width; Python's repr only for doubles.
        pairs = zip(s.to_list(), s.cast(pl.String).to_list(), strict=True)
        return pl.Series(
            [None if x is None else _java_float(_two_digits(x, t)) for x, t in pairs], dtype=pl.String
        )

    return run


def _two_digits(value: float, text: str) -> str:
    """Java shows two digits where one would do, the nearest two: it matters for subnormal numbers only."""
    tiny = 0 < abs(value) < _TINY
    return f"{value:.1e}" if tiny and sum(c.isdigit() for c in text.partition("e")[0]) == 1 else text


_TINY = 1e-37


def _java_float(text: str) -> str:
    """Shortest digits in any notation as Java writes them."""
    named = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(text.lower())
    if named:
        return named
    sign = "-" if text.startswith("-") else ""
    mantissa, _, exponent = text.lstrip("-").lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0") or "0"
    if -3 < point <= 7:
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}"
        digits = digits.ljust(point, "0")
        return f"{sign}{digits[:point]}.{digits[point:] or '0'}"
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{point - 1}"


def _fraction_cut(text: pl.Expr) -> pl.Expr:
    """A time with six digits of fraction without the zeros at its end."""
    return text.str.strip_chars_end("0").str.strip_chars_end(".")


def _timestamp(k: Kernel, e: pl.Expr, t: SqlType) -> pl.Expr:
    wall = k.to_wall(e) if isinstance(t, Timestamp) else e
    return _fraction_cut(wall.dt.strftime("%Y-%m-%d %H:%M:%S%.6f"))


def _time(k: Kernel, e: pl.Expr, t: SqlType) -> pl.Expr:
    return _fraction_cut(e.dt.strftime("%H:%M:%S%.6f"))


def _binary(k: Kernel, e: pl.Expr, t: SqlType) -> pl.Expr:
    def run(s: pl.Series) -> pl.Series:
        try:
            return s.cast(pl.String)
        except pl.exceptions.PolarsError:
            values = [None if v is None else v.decode("utf-8", "replace") for v in s.to_list()]
            return pl.Series(values, dtype=pl.String)

    return e.map_batches(run, return_dtype=pl.String, is_elementwise=True)


def _year_month(k: Kernel, e: pl.Expr, t: Any) -> pl.Expr:
    def finish(v: pl.Expr) -> pl.Expr:
        sign = pl.when(v < 0).then(pl.lit("-")).otherwise(pl.lit(""))
        size = v.cast(pl.Int64).abs()
        years, months = (size // 12).cast(pl.String), (size % 12).cast(pl.String)
        if t.start == "month":
            body = size.cast(pl.String)
        else:
            body = years if t.end == "year" else years + pl.lit("-") + months
        return pl.lit("INTERVAL '") + sign + body + pl.lit(f"' {_units(t)}")

    return k.let([e], finish)


def _units(t: Any) -> str:
    return str(t).removeprefix("interval ").upper()


_PARTS = ("day", "hour", "minute", "second")
_MICROS = {"day": 86_400_000_000, "hour": 3_600_000_000, "minute": 60_000_000, "second": 1_000_000}
_JOINTS = {"hour": " ", "minute": ":", "second": ":"}


def _day_time(k: Kernel, e: pl.Expr, t: Any) -> pl.Expr:
    first, last = _PARTS.index(t.start), _PARTS.index(t.end)

    def finish(v: pl.Expr) -> pl.Expr:
        sign = pl.when(v < 0).then(pl.lit("-")).otherwise(pl.lit(""))
        # In 128 bits the least value has an opposite.
        size = v.cast(pl.Int128).abs()
        text = pl.lit("INTERVAL '") + sign
        for i, part in enumerate(_PARTS[first : last + 1]):
            unit = pl.lit(_MICROS[part], dtype=pl.Int128)
            rest = size if i == 0 else size % pl.lit(_MICROS[_PARTS[first + i - 1]], dtype=pl.Int128)
            number = (rest // unit).cast(pl.String)
            if i:
                text = text + pl.lit(_JOINTS[part])
            text = text + (number.str.zfill(2) if i or part == "second" else _led(number, part, t))
        if t.end == "second":
            micros = (size % pl.lit(1_000_000, dtype=pl.Int128)).cast(pl.String).str.zfill(6)
            text = text + (pl.lit(".") + micros).str.strip_chars_end("0").str.strip_chars_end(".")
        return text + pl.lit(f"' {_units(t)}")

    return k.let([e.to_physical()], finish)


def _led(number: pl.Expr, part: str, t: Any) -> pl.Expr:
    """The leading field: days as they are, others with two digits."""
    return number if part == "day" else number.str.zfill(2)


def _element_text(k: Kernel, e: pl.Expr, t: SqlType) -> pl.Expr:
    text = e if isinstance(t, String) else to_text(k, e, t)
    return text.fill_null("null")


def _array(k: Kernel, e: pl.Expr, t: Any) -> pl.Expr:
    parts = e.list.eval(_element_text(k, pl.element(), t.element))
    return pl.lit("[") + parts.list.join(", ") + pl.lit("]")


def _map(k: Kernel, e: pl.Expr, t: Any) -> pl.Expr:
    key = _element_text(k, pl.element().struct.field("key"), t.key)
    value = _element_text(k, pl.element().struct.field("value"), t.value)
    return pl.lit("{") + e.list.eval(key + pl.lit(" -> ") + value).list.join(", ") + pl.lit("}")


def _struct(k: Kernel, e: pl.Expr, t: Any) -> pl.Expr:
    def finish(v: pl.Expr) -> pl.Expr:
        parts = [_element_text(k, v.struct.field(f.name), f.type) for f in t.fields]
        text = pl.lit("{") + pl.concat_str(parts, separator=", ") + pl.lit("}") if parts else pl.lit("{}")
        return pl.when(v.is_not_null()).then(text)

    return k.let([e], finish)


_WRITERS: tuple[tuple[Any, Callable[[Any, Any, Any], pl.Expr]], ...] = (
    (String, lambda k, e, t: e),
    (Variant, lambda k, e, t: json_text(k, e)),
    ((Boolean, Integral, Date, Void), _plain),
    (Decimal, _decimal),
    (Fractional, _float),
    ((Timestamp, TimestampNtz), _timestamp),
    (Time, _time),
    (Binary, _binary),
    (YearMonthInterval, _year_month),
    (DayTimeInterval, _day_time),
    (CalendarInterval, lambda k, e, t: calendar_interval.text(k, e)),
    (Array, _array),
    (Map, _map),
    (Struct, _struct),
)
