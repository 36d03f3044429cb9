"""Dates, timestamps and intervals from numbers, and numbers from timestamps."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.common import let
from sqlshell.functions.datetime_format import valid_date
from sqlshell.functions.datetime_zone import in_zone, wall_instant
from sqlshell.functions.registry import Function
from sqlshell.types import Decimal, Fractional, Timestamp

_BOUNDS = "DATETIME_FIELD_OUT_OF_BOUNDS.WITHOUT_SUGGESTION"
_FRACTION = "INVALID_FRACTION_OF_SECOND"


def _make_date(k: Any, year: Any, month: Any, day: Any) -> Any:
    pl = k.pl

    def build(y: Any, m: Any, d: Any) -> Any:
        return k.let([valid_date(k, y, m, d), y, m, d], finish)

    def finish(good: Any, y: Any, m: Any, d: Any) -> Any:
        date = pl.date(pl.when(good).then(y), pl.when(good).then(m), pl.when(good).then(d))
        return k.raise_if(~good, _BOUNDS, date, "Invalid date:", y, m, d)

    return let(k, build, *(x.cast(pl.Int32) for x in (year, month, day)))


def _make_timestamp(safe: bool) -> Any:
    def lower(k: Any, *args: Any) -> Any:
        pl = k.pl
        if len(args) < 4:
            return _of_date_and_time(k, *args)
        year, month, day, hour, minute = (a.cast(pl.Int32) for a in args[:5])
        micros = args[5].cast(pl.Int64)
        wall = let(k, lambda *parts: _wall(k, safe, *parts), year, month, day, hour, minute, micros)
        if not isinstance(k.call.type, Timestamp):
            return wall
        if len(args) == 6:
            return k.from_wall(wall)
        instant = pl.Datetime("us", "UTC")
        return in_zone(k, 6, wall, args[6], lambda e, z: wall_instant(k, e, z), instant)

    return lower


def _of_date_and_time(k: Any, date: Any, time: Any = None, zone: Any = None) -> Any:
    pl = k.pl
    wall = date.cast(pl.Datetime("us"))
    if time is not None:
        wall = wall + (time.to_physical() // pl.lit(1000, dtype=pl.Int64)).cast(pl.Duration("us"))
    if not isinstance(k.call.type, Timestamp):
        return wall
    if zone is None:
        return k.from_wall(wall)
    instant = pl.Datetime("us", "UTC")
    return in_zone(k, 2, wall, zone, lambda e, z: wall_instant(k, e, z), instant)


def _wall(k: Any, safe: bool, year: Any, month: Any, day: Any, hour: Any, minute: Any, micros: Any) -> Any:
    """A wall clock; exactly 60 seconds are the next minute."""
    pl = k.pl
    good = valid_date(k, year, month, day) & hour.is_between(0, 23) & minute.is_between(0, 59)
    good = good & (micros >= 0) & (micros < 61_000_000)
    leap = (micros > 60_000_000) & (micros < 61_000_000)

    def finish(ok: Any, y: Any, m: Any, d: Any, clock: Any, over: Any) -> Any:
        date = pl.date(pl.when(ok).then(y), pl.when(ok).then(m), pl.when(ok).then(d))
        value = date.cast(pl.Datetime("us")) + clock.cast(pl.Duration("us"))
        if safe:
            return pl.when(~over).then(value)
        value = k.raise_if(over, _FRACTION, value, "Valid range for seconds is [0, 60] (inclusive)")
        return k.raise_if(~ok & ~over, _BOUNDS, value, "Invalid date or time:", y, m, d)

    clock = (hour.cast(pl.Int64) * 60 + minute) * 60_000_000 + micros
    return k.let([good, year, month, day, clock, leap], finish)


def _make_dt_interval(k: Any, *args: Any) -> Any:
    pl = k.pl
    units = (86_400_000_000, 3_600_000_000, 60_000_000, 1)
    if not args:
        return pl.lit(0, dtype=pl.Int64).cast(pl.Duration("us"))
    total = sum(
        (a.cast(pl.Int128) * u for a, u in zip(args[1:], units[1:], strict=False)),
        args[0].cast(pl.Int128) * units[0],
    )

    def check(t: Any) -> Any:
        bad = (t > pl.lit(2**63 - 1, dtype=pl.Int128)) | (t < pl.lit(-(2**63), dtype=pl.Int128))
        narrow = t.cast(pl.Int64, wrap_numerical=True).cast(pl.Duration("us"))
        return k.raise_if(bad, "INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION", narrow, "Integer overflow")

    return let(k, check, total)


def _make_ym_interval(k: Any, years: Any = None, months: Any = None) -> Any:
    pl = k.pl
    if years is None:
        return pl.lit(0, dtype=pl.Int32)
    total = years.cast(pl.Int64) * 12
    if months is not None:
        total = total + months

    def check(t: Any) -> Any:
        bad = (t > 2**31 - 1) | (t < -(2**31))
        narrow = t.cast(pl.Int32, wrap_numerical=True)
        return k.raise_if(bad, "INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION", narrow, "Integer overflow")

    return let(k, check, total)


def _from_epoch(unit: int) -> Any:
    """Seconds, milliseconds or microseconds since 1970 as a timestamp; `unit` microseconds each."""

    def lower(k: Any, n: Any) -> Any:
        pl, t = k.pl, k.type(0)
        instant = pl.Datetime("us", "UTC")
        if isinstance(t, Fractional):
            micros = (n.cast(pl.Float64) * unit).truncate()
            usable = micros.is_finite()
            return let(
                k, lambda m, ok: pl.when(ok).then(m).cast(pl.Int64, strict=False), micros, usable
            ).cast(instant)
        scale = 10**t.scale if isinstance(t, Decimal) else 1
        wide = n.cast(pl.Int128) * unit

        def check(v: Any) -> Any:
            whole = v.truncdiv(pl.lit(scale, dtype=pl.Int128))
            bad = (whole > pl.lit(2**63 - 1, dtype=pl.Int128)) | (whole < pl.lit(-(2**63), dtype=pl.Int128))
            condition = "DATETIME_OVERFLOW" if unit == 1000 else "ARITHMETIC_OVERFLOW"
            return k.raise_if(bad, condition, whole.cast(pl.Int64, wrap_numerical=True), "long")

        return let(k, check, wide).cast(instant)

    return lower


def _to_epoch(unit: int) -> Any:
    def lower(k: Any, t: Any) -> Any:
        micros = t.dt.timestamp("us")
        return micros // unit if unit > 1 else micros

    return lower


_PARTS = "int, int, int, int, int, decimal(16,6)"

# fmt: off
ROWS = (
    Function("make_date", "int, int, int -> date", "A date from year, month and day.", "make_date(2013, 7, 15)",
             lower=_make_date, fallible=True),
    Function("make_timestamp", f"{_PARTS}, [string] -> timestamp | date, [time, string] -> timestamp",
             "A timestamp from year, month, day, hour, minute, second (and a time zone).",
             "make_timestamp(2014, 12, 28, 6, 30, 45.887)", aliases=("make_timestamp_ltz",),
             lower=_make_timestamp(False), fallible=True),
    Function("make_timestamp_ntz", f"{_PARTS} -> timestamp_ntz | date, time -> timestamp_ntz",
             "A wall clock from year, month, day, hour, minute, second.",
             "make_timestamp_ntz(2014, 12, 28, 6, 30, 45.887)", lower=_make_timestamp(False), fallible=True),
    Function("try_make_timestamp", f"{_PARTS}, [string] -> timestamp | date, [time, string] -> timestamp",
             "make_timestamp that gives NULL for parts that are none.",
             "try_make_timestamp(2024, 13, 1, 0, 0, 0)", lower=_make_timestamp(True), nullable=lambda n: True),
    Function("try_make_timestamp_ltz", f"{_PARTS}, [string] -> timestamp | date, [time, string] -> timestamp",
             "make_timestamp_ltz that gives NULL for parts that are none.",
             "try_make_timestamp_ltz(2024, 13, 22, 15, 30, 0)", lower=_make_timestamp(True), nullable=lambda n: True),
    Function("try_make_timestamp_ntz", f"{_PARTS} -> timestamp_ntz | date, time -> timestamp_ntz",
             "make_timestamp_ntz that gives NULL for parts that are none.",
             "try_make_timestamp_ntz(2024, 13, 22, 15, 30, 0)", lower=_make_timestamp(True), nullable=lambda n: True),
    Function("make_dt_interval", "[int, int, int, decimal(18,6)] -> day_time",
             "An interval of days, hours, minutes and seconds.", "make_dt_interval(1, 12, 30, 1.001001)",
             lower=_make_dt_interval, fallible=True),
    Function("make_ym_interval", "[int, int] -> year_month", "An interval of years and months.",
             "cast(make_ym_interval(1, 2) as string)", lower=_make_ym_interval, fallible=True),
    Function("timestamp_seconds",
             "bigint -> timestamp | decimal -> timestamp | float -> timestamp | double -> timestamp",
             "The timestamp some seconds after 1970-01-01.", "timestamp_seconds(1230219000.123)",
             lower=_from_epoch(1_000_000), fallible=True),
    Function("timestamp_millis", "bigint -> timestamp", "The timestamp some milliseconds after 1970-01-01.",
             "timestamp_millis(1230219000123)", lower=_from_epoch(1000), fallible=True),
    Function("timestamp_micros", "bigint -> timestamp", "The timestamp some microseconds after 1970-01-01.",
             "timestamp_micros(1230219000123123)", lower=_from_epoch(1), fallible=True),
    Function("unix_seconds", "timestamp -> bigint", "The seconds since 1970-01-01.",
             "unix_seconds(timestamp'1970-01-01 00:00:01Z')", lower=_to_epoch(1_000_000)),
    Function("unix_millis", "timestamp -> bigint", "The milliseconds since 1970-01-01.",
             "unix_millis(timestamp'1970-01-01 00:00:01Z')", lower=_to_epoch(1000)),
    Function("unix_micros", "timestamp -> bigint", "The microseconds since 1970-01-01.",
             "unix_micros(timestamp'1970-01-01 00:00:01Z')", lower=_to_epoch(1)),
)
# fmt: on
