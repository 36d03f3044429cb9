"""Arithmetic with dates, times, timestamps and intervals.

Timestamps move in the session zone where whole days or months are added, as Spark's do: a day across a clock
change is 23 or 25 hours.
"""

from __future__ import annotations

from typing import Any

from sqlshell.types import (
    Date,
    DayTimeInterval,
    Decimal,
    Integral,
    Interval,
    Time,
    Timestamp,
    TimestampNtz,
    YearMonthInterval,
)

DAY = 86_400_000_000
_OVERFLOW = "INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION"


def lower(k: Any, op: str, a: Any, b: Any, safe: bool) -> Any:
    """`a op b`, a being temporal or an interval (the interval comes second, or first of a product)."""
    left, right = k.type(0), k.type(1)
    if op == "div":
        return _ratio(k, a, b)
    if isinstance(left, Interval) and op in {"*", "/"}:
        return _scaled(k, op, a, b, safe)
    if isinstance(left, Interval):
        return _interval_sum(k, op, a, b, safe)
    if isinstance(right, Interval):
        return _moved(k, op, a, b, safe)
    return _difference(k, a, b)


def negative(k: Any, a: Any) -> Any:
    """The opposite interval."""
    pl = k.pl
    if isinstance(k.type(0), YearMonthInterval):
        return k.let([a], lambda v: k.raise_if(v == -(1 << 31), _OVERFLOW, -v))
    return k.let(
        [a.cast(pl.Int64)],
        lambda v: k.raise_if(v == -(1 << 63), _OVERFLOW, -v).cast(pl.Duration("us")),
    )


def _interval_sum(k: Any, op: str, a: Any, b: Any, safe: bool) -> Any:
    pl = k.pl
    months = isinstance(k.type(0), YearMonthInterval)
    wide = pl.Int64 if months else pl.Int128
    x, y = _number(k, a).cast(wide), _number(k, b).cast(wide)
    return _fitted(k, x + y if op == "+" else x - y, months, safe)


def _number(k: Any, e: Any) -> Any:
    """Months, or microseconds, as integers."""
    return e.to_physical()


def _fitted(k: Any, wide: Any, months: bool, safe: bool) -> Any:
    """A number of months or microseconds as an interval, overflow checked."""
    pl = k.pl
    bits, kind = (32, pl.Int32) if months else (64, pl.Int64)
    top = (1 << (bits - 1)) - 1

    def finish(r: Any) -> Any:
        from sqlshell.functions.arithmetic import checked

        value = r.cast(kind, strict=False)
        bad = (r > pl.lit(top, pl.Int128)) | (r < pl.lit(-top - 1, pl.Int128))
        return checked(k, bad, "INTERVAL_ARITHMETIC_OVERFLOW", value, safe, "interval overflow")

    fitted = k.let([wide], finish)
    return fitted if months else fitted.cast(pl.Duration("us"))


def _scaled(k: Any, op: str, a: Any, b: Any, safe: bool) -> Any:
    pl, factor = k.pl, k.type(1)
    months = isinstance(k.type(0), YearMonthInterval)
    n = _number(k, a)

    if op == "/":
        from sqlshell.functions.arithmetic import nonzero

        return k.let(
            [n, b],
            lambda x, y: _quotient(k, x, nonzero(k, x, y, safe, "INTERVAL_DIVIDED_BY_ZERO"), months, safe),
        )
    if isinstance(factor, Integral):
        return _fitted(k, n.cast(pl.Int128) * b.cast(pl.Int128), months, safe)
    if isinstance(factor, Decimal):
        from sqlshell.functions.decimal_arithmetic import round_half_up

        product = n.cast(pl.Int128) * b
        rounded = k.let([product], lambda p: round_half_up(pl, p, factor.scale))
        return _fitted(k, rounded, months, safe)
    return _fitted(k, _rounded(k, n.cast(pl.Float64) * b.cast(pl.Float64)), months, safe)


def _quotient(k: Any, n: Any, d: Any, months: bool, safe: bool) -> Any:
    from sqlshell.functions.decimal_arithmetic import half_up_quotient

    pl, t = k.pl, k.type(1)
    if isinstance(t, Integral):
        whole = half_up_quotient(k, n.cast(pl.Int128), d.cast(pl.Int128))
    elif isinstance(t, Decimal):
        whole = half_up_quotient(k, n.cast(pl.Int128) * pl.lit(10**t.scale, dtype=pl.Int128), d)
    else:
        whole = _rounded(k, n.cast(pl.Float64) / d.cast(pl.Float64))
    return _fitted(k, whole, months, safe)


def _rounded(k: Any, e: Any) -> Any:
    """A double to the nearest whole number, halves away from zero, as Int128."""
    return e.round(mode="half_away_from_zero").cast(k.pl.Int128, strict=False)


def _ratio(k: Any, a: Any, b: Any) -> Any:
    from sqlshell.functions.arithmetic import nonzero

    pl = k.pl
    return k.let(
        [_number(k, a).cast(pl.Int64), _number(k, b).cast(pl.Int64)],
        lambda n, d: n.truncdiv(nonzero(k, n, d, False, "INTERVAL_DIVIDED_BY_ZERO")),
    )


def _moved(k: Any, op: str, a: Any, b: Any, safe: bool) -> Any:
    t, by = k.type(0), k.type(1)
    if isinstance(by, YearMonthInterval):
        return _by_months(k, op, a, b)
    assert isinstance(by, DayTimeInterval)
    pl = k.pl
    if isinstance(t, Date):
        days = b.dt.total_days().cast(pl.Int32)
        number = a.to_physical()
        return (number + days if op == "+" else number - days).cast(pl.Date)
    if isinstance(t, Time):
        return _moved_time(k, op, a, b, safe)
    micros = b.cast(pl.Int64) if op == "+" else -b.cast(pl.Int64)
    if isinstance(t, TimestampNtz) or k.tz == "UTC":
        return a + micros.cast(pl.Duration("us"))
    if k.is_literal(1) and k.literal(1) is not None and abs(k.literal(1)) < DAY:
        return a + micros.cast(pl.Duration("us"))

    def in_zone(instant: Any, m: Any) -> Any:
        days = m.truncdiv(pl.lit(DAY, dtype=pl.Int64)) * pl.lit(DAY, dtype=pl.Int64)
        moved = k.move_wall(instant, lambda wall: wall + days.cast(pl.Duration("us")))
        return moved + (m - days).cast(pl.Duration("us"))

    return k.let([a, micros], in_zone)


def _by_months(k: Any, op: str, a: Any, b: Any) -> Any:
    def shifted(e: Any) -> Any:
        if k.is_literal(1) and k.literal(1) is not None:
            return e.dt.offset_by(f"{k.literal(1) * (1 if op == '+' else -1)}mo")
        months = b if op == "+" else -b
        return e.dt.offset_by(k.pl.concat_str(months, k.pl.lit("mo")))

    if isinstance(k.type(0), Timestamp) and k.tz != "UTC":
        return k.let([a], lambda instant: k.move_wall(instant, shifted))
    return shifted(a)


def _moved_time(k: Any, op: str, a: Any, b: Any, safe: bool) -> Any:
    pl = k.pl
    nanos = b.cast(pl.Int64) * 1000
    number = a.to_physical()

    def finish(n: Any) -> Any:
        bad = (n < 0) | (n >= DAY * 1000)
        if safe:
            return pl.when(~bad).then(n).cast(pl.Time)
        return k.raise_if(bad, "DATETIME_OVERFLOW", n, "the time leaves the day").cast(pl.Time)

    return k.let([number + nanos if op == "+" else number - nanos], finish)


def _difference(k: Any, a: Any, b: Any) -> Any:
    pl, t = k.pl, k.type(0)
    if isinstance(t, Date):
        days = a.to_physical().cast(pl.Int64) - b.to_physical().cast(pl.Int64)
        return (days * pl.lit(DAY, dtype=pl.Int64)).cast(pl.Duration("us"))
    if isinstance(t, Time):
        nanos = a.to_physical() - b.to_physical()
        return nanos.truncdiv(pl.lit(1000, dtype=pl.Int64)).cast(pl.Duration("us"))
    if isinstance(t, Timestamp):
        return k.to_wall(a) - k.to_wall(b)
    return a - b
