"""Text to values, as Spark's ANSI casts read it.

Each type has a *fast* polars cast that accepts only what Spark accepts, with the same value; what it leaves
NULL goes to a Python reader of the whole grammar (`text_values`), which sees only those rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell import text_values as tv
from sqlshell.errors import NotSupportedError
from sqlshell.exec.lower_types import WALL_MICROS, dtype
from sqlshell.types import (
    Binary,
    Boolean,
    CalendarInterval,
    Date,
    DayTimeInterval,
    Decimal,
    Fractional,
    Integral,
    Interval,
    SqlType,
    Time,
    Timestamp,
    TimestampNtz,
    Variant,
    YearMonthInterval,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.exec.lower_expr import Kernel


def from_text(k: Kernel, e: pl.Expr, target: SqlType, safe: bool) -> pl.Expr:
    """Text as `target`; NULL (safe) or CAST_INVALID_INPUT where it is none."""
    if isinstance(target, Binary):
        return e.cast(pl.Binary)
    if isinstance(target, Variant):
        return e
    if isinstance(target, Decimal):
        return _decimal(k, e, target, safe)
    for kinds, reader in _READERS:
        if isinstance(target, kinds):
            fast, slow, storage = reader(k, target)
            return _read(k, e, target, safe, fast, slow, storage)
    raise NotSupportedError(f"a cast from string to {target} is not supported")


def _read(
    k: Kernel,
    e: pl.Expr,
    target: SqlType,
    safe: bool,
    fast: Callable[[pl.Expr], pl.Expr] | None,
    slow: Callable[[str], Any],
    storage: Any,
) -> pl.Expr:
    """The fast cast, the slow reader where it gives NULL, and the error where that does too."""
    kind = dtype(target)

    def first(s: pl.Expr) -> pl.Expr:
        if fast is None:
            return k.let([s, by_python(s, slow, storage, kind)], last)
        return k.let([s, fast(s)], second)

    def second(s: pl.Expr, quick: pl.Expr) -> pl.Expr:
        rest = pl.when(quick.is_null()).then(s)
        return k.let([s, pl.coalesce(quick, by_python(rest, slow, storage, kind))], last)

    def last(s: pl.Expr, value: pl.Expr) -> pl.Expr:
        return _checked(k, s, value, target, safe)

    return k.let([e], first)


def _checked(k: Kernel, s: pl.Expr, value: pl.Expr, target: SqlType, safe: bool) -> pl.Expr:
    if safe:
        return value
    bad = value.is_null() & s.is_not_null()
    shown = pl.lit("'") + pl.when(bad).then(s) + pl.lit("'")
    condition = "CAST_INVALID_INPUT"
    if isinstance(target, Interval):
        condition = "INVALID_INTERVAL_FORMAT.UNMATCHED_FORMAT_STRING_WITH_NOTICE"
    return k.raise_if(bad, condition, value, "STRING", str(target).upper(), shown)


def by_python(e: pl.Expr, f: Callable[[Any], Any], storage: Any, kind: Any) -> pl.Expr:
    """`f` over the values that are not NULL; it gives values of dtype `storage`, cast to `kind`."""

    def run(s: pl.Series) -> pl.Series:
        if s.null_count() == len(s):
            return pl.Series([None] * len(s), dtype=kind)
        values = [None if x is None else f(x) for x in s.to_list()]
        return pl.Series(values, dtype=storage).cast(kind)

    return e.map_batches(run, return_dtype=kind, is_elementwise=True)


Reader = tuple["Callable[[pl.Expr], pl.Expr] | None", "Callable[[str], Any]", Any]


def _boolean(k: Kernel, t: SqlType) -> Reader:
    return None, tv.boolean, pl.Boolean


def _integral(k: Kernel, t: Any) -> Reader:
    kind, top = dtype(t), (1 << (t.bits - 1)) - 1
    return (lambda s: s.cast(kind, strict=False)), (lambda x: tv.integer(x, top)), kind


def _fractional(k: Kernel, t: SqlType) -> Reader:
    kind = dtype(t)
    return (lambda s: s.cast(kind, strict=False)), tv.double, kind


def _date(k: Kernel, t: SqlType) -> Reader:
    def fast(s: pl.Expr) -> pl.Expr:
        # Other lengths are other forms: polars would also take signs, blanks and years of two digits.
        return pl.when(s.str.len_bytes() == 10).then(s).str.to_date("%Y-%m-%d", strict=False)

    return fast, tv.date_days, pl.Int32


def _wall_fast(s: pl.Expr) -> pl.Expr:
    """`yyyy-MM-dd HH:mm:ss[.ffffff]` with a blank or T, and bare dates.

    Each form is sought only where the text's length and separator say so: a parser that fails is slow.
    """
    size, separator = s.str.len_bytes(), s.str.slice(10, 1)
    # Polars reads second 60 as the next minute.
    sane = s.str.slice(17, 2) != "60"
    parts = [pl.when(size == 10).then(s).str.to_date("%Y-%m-%d", strict=False).cast(WALL_MICROS)]
    for mark in (" ", "T"):
        usual = sane & (separator == mark)
        for length, form in ((size == 19, "%S"), ((size > 19) & (size <= 26), "%S%.f")):
            text = pl.when(usual & length).then(s)
            parts.append(text.str.to_datetime(f"%Y-%m-%d{mark}%H:%M:{form}", time_unit="us", strict=False))
    return pl.coalesce(parts)


def _timestamp(k: Kernel, t: SqlType) -> Reader:
    return (
        (lambda s: k.from_wall(k.let([s], _wall_fast))),
        (lambda x: tv.timestamp_micros(x, k.tz)),
        pl.Int64,
    )


def _wall_clock(k: Kernel, t: SqlType) -> Reader:
    return (lambda s: k.let([s], _wall_fast)), tv.wall_micros, pl.Int64


def _time(k: Kernel, t: Any) -> Reader:
    step = 10 ** (9 - t.precision)

    def fast(s: pl.Expr) -> pl.Expr:
        # Other lengths are other forms; polars reads second 60 as the next minute.
        text = pl.when((s.str.len_bytes() == 8) & (s.str.slice(6, 2) != "60")).then(s)
        return text.str.to_time("%H:%M:%S", strict=False)

    def slow(text: str) -> int | None:
        nanos = tv.time_nanos(text)
        return None if nanos is None else nanos // step * step

    return fast, slow, pl.Int64


def _year_month(k: Kernel, t: Any) -> Reader:
    return None, (lambda x: tv.year_month(x, t.start, t.end)), pl.Int32


def _day_time(k: Kernel, t: Any) -> Reader:
    return None, (lambda x: tv.day_time(x, t.start, t.end)), pl.Int64


def _calendar(k: Kernel, t: SqlType) -> Reader:
    def slow(text: str) -> dict[str, int] | None:
        found = tv.interval_words(text)
        return None if found is None else dict(zip(("months", "days", "micros"), found, strict=True))

    return None, slow, dtype(t)


_READERS: tuple[tuple[Any, Callable[[Any, Any], Reader]], ...] = (
    (Boolean, _boolean),
    (Integral, _integral),
    (Fractional, _fractional),
    (Date, _date),
    (Timestamp, _timestamp),
    (TimestampNtz, _wall_clock),
    (Time, _time),
    (YearMonthInterval, _year_month),
    (DayTimeInterval, _day_time),
    (CalendarInterval, _calendar),
)


def _decimal(k: Kernel, e: pl.Expr, t: Decimal, safe: bool) -> pl.Expr:
    """Polars rounds halves to even and powers of ten otherwise: those texts take the slow way."""

    def first(s: pl.Expr) -> pl.Expr:
        return k.let([s, s.str.strip_chars_end("0")], quick_read)

    def quick_read(s: pl.Expr, short: pl.Expr) -> pl.Expr:
        half = short.str.slice(-t.scale - 2, 1).eq(".") & short.str.ends_with("5")
        powers = s.str.contains("e", literal=True) | s.str.contains("E", literal=True)
        quick = pl.when(~(half | powers)).then(s).cast(pl.Decimal(38, t.scale), strict=False)
        return k.let([s, quick.to_physical()], second)

    def second(s: pl.Expr, quick: pl.Expr) -> pl.Expr:
        rest = pl.when(quick.is_null()).then(s)
        read = by_python(rest, lambda x: tv.unscaled(x, t.scale), pl.Int128, pl.Int128)
        return k.let([s, pl.coalesce(quick, read)], last)

    def last(s: pl.Expr, value: pl.Expr) -> pl.Expr:
        from sqlshell.exec.lower_cast import digits_checked

        known = _checked(k, s, value, t, safe)
        return digits_checked(k, known, 10**t.precision, t.scale, t, lambda v: v, safe)

    return k.let([e], first)


def decimal_from_double(k: Kernel, e: pl.Expr, t: Decimal, safe: bool) -> pl.Expr:
    """A double's shortest decimal digits, halves away from zero (2.675 is exactly that); NaN, inf: NULL."""
    text = k.let([e.cast(pl.Float64)], lambda v: pl.when(v.is_finite()).then(v.cast(pl.String)))
    return _decimal(k, text, t, safe)
