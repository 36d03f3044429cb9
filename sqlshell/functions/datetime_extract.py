"""The fields of dates, timestamps and intervals: year(d), EXTRACT(... FROM ...)."""

from __future__ import annotations

from typing import Any

from sqlshell.errors import AnalysisError
from sqlshell.functions.common import int32
from sqlshell.functions.registry import Function
from sqlshell.types import (
    INT,
    TINYINT,
    CalendarInterval,
    Date,
    DayTimeInterval,
    Decimal,
    SqlType,
    Time,
    Timestamp,
    YearMonthInterval,
)

SECONDS = Decimal(8, 6)


def _field(name: str, shift: int = 0) -> Any:
    """A calendar field of a date."""

    def lower(k: Any, d: Any) -> Any:
        value = int32(k, getattr(d.dt, name)())
        return value + shift if shift else value

    return lower


def _day_of_week(k: Any, d: Any) -> Any:
    return int32(k, d.dt.weekday()) % 7 + 1


def _name(form: str) -> Any:
    def lower(k: Any, d: Any) -> Any:
        return d.dt.strftime(form)

    return lower


def _clock(k: Any, e: Any, i: int = 0) -> Any:
    """Argument `i` as something with hours, minutes and seconds."""
    t = k.type(i)
    if isinstance(t, Date):
        return e.cast(k.pl.Datetime("us"))
    return k.to_wall(e) if isinstance(t, Timestamp) else e


def _time_field(name: str) -> Any:
    def lower(k: Any, e: Any) -> Any:
        return int32(k, getattr(_clock(k, e).dt, name)())

    return lower


FIELDS: dict[str, Any] = {
    "year": _field("year"),
    "yearofweek": _field("iso_year"),
    "quarter": _field("quarter"),
    "month": _field("month"),
    "weekofyear": _field("week"),
    "day": _field("day"),
    "dayofweek": _day_of_week,
    "dow_iso": _field("weekday"),
    "dayofyear": _field("ordinal_day"),
}
_CLOCK_FIELDS = ("hour", "minute", "second")
_SYNONYMS = {
    "year": ("y", "years", "yr", "yrs"),
    "quarter": ("qtr",),
    "month": ("mon", "mons", "months"),
    "weekofyear": ("week", "w", "weeks"),
    "day": ("d", "days"),
    "dayofweek": ("dow",),
    "dow_iso": ("dayofweek_iso",),
    "dayofyear": ("doy",),
    "hour": ("h", "hours", "hr", "hrs"),
    "minute": ("m", "min", "mins", "minutes"),
    "second": ("s", "sec", "seconds", "secs"),
}
_CANONICAL = {s: name for name, group in _SYNONYMS.items() for s in group}


def _canonical(args: tuple[Any, ...]) -> str:
    text = str(getattr(args[0], "value", None)).lower()
    return _CANONICAL.get(text, text)


def _part_type(types: tuple[SqlType, ...], args: tuple[Any, ...]) -> SqlType:
    name, t = _canonical(args), types[1]
    if isinstance(t, YearMonthInterval):
        allowed: dict[str, SqlType] = _between(t, {"year": INT, "month": TINYINT})
    elif isinstance(t, DayTimeInterval):
        allowed = _between(t, {"day": INT, "hour": TINYINT, "minute": TINYINT, "second": SECONDS})
    elif isinstance(t, CalendarInterval):
        allowed = {
            "year": INT,
            "month": TINYINT,
            "day": INT,
            "hour": TINYINT,
            "minute": TINYINT,
            "second": SECONDS,
        }
    else:
        allowed = {**dict.fromkeys((*FIELDS, "hour", "minute"), INT), "second": SECONDS}
        if isinstance(t, Time):
            allowed = {n: allowed[n] for n in _CLOCK_FIELDS}
    if name not in allowed:
        raise AnalysisError(f"cannot extract `{name}` from {t}", condition="INVALID_EXTRACT_FIELD")
    return allowed[name]


def _between(t: YearMonthInterval | DayTimeInterval, fields: dict[str, SqlType]) -> dict[str, SqlType]:
    names = list(fields)
    return {n: fields[n] for n in names[names.index(t.start) : names.index(t.end) + 1]}


def _date_part(k: Any, field: Any, value: Any) -> Any:
    pl, t, name = k.pl, k.type(1), _canonical(k.call.args)
    if isinstance(t, YearMonthInterval):
        whole = value.truncdiv(pl.lit(12, dtype=pl.Int32))
        if name == "year":
            return whole
        return k.let([value], lambda v: (v - v.truncdiv(pl.lit(12, dtype=pl.Int32)) * 12).cast(pl.Int8))
    if isinstance(t, CalendarInterval):
        from sqlshell.functions import calendar_interval

        return calendar_interval.field(k, name, value)
    if isinstance(t, DayTimeInterval):
        return _interval_part(k, name, value.cast(pl.Int64))
    if name in FIELDS:
        date = value if isinstance(t, Date) else _clock(k, value, 1).dt.date()
        return FIELDS[name](k, date)
    clock = _clock(k, value, 1)
    if name != "second":
        return int32(k, getattr(clock.dt, name)())
    fraction = "nanosecond" if isinstance(t, Time) else "microsecond"

    def seconds(c: Any) -> Any:
        micros = getattr(c.dt, fraction)().cast(pl.Int128)
        return c.dt.second().cast(pl.Int128) * 1_000_000 + (micros // 1000 if isinstance(t, Time) else micros)

    return k.let([clock], seconds)


def _interval_part(k: Any, name: str, micros: Any) -> Any:
    pl = k.pl
    unit = {"day": 86_400_000_000, "hour": 3_600_000_000, "minute": 60_000_000, "second": 1}[name]
    around = {"day": None, "hour": 24, "minute": 60, "second": 60_000_000}[name]
    count = micros.truncdiv(pl.lit(unit, dtype=pl.Int64))
    if around is None:
        return count.cast(pl.Int32)

    def rest(c: Any) -> Any:
        return c - c.truncdiv(pl.lit(around, dtype=pl.Int64)) * around

    return k.let([count], rest).cast(pl.Int128 if name == "second" else pl.Int8)


_CLOCK_SIG = "timestamp -> int | timestamp_ntz -> int | time -> int"

# fmt: off
ROWS = (
    Function("year", "date -> int", "The year.", "year('2016-07-30')", lower=FIELDS["year"]),
    Function("quarter", "date -> int", "The quarter, 1 to 4.", "quarter('2016-08-31')", lower=FIELDS["quarter"]),
    Function("month", "date -> int", "The month, 1 to 12.", "month('2016-07-30')", lower=FIELDS["month"]),
    Function("day", "date -> int", "The day of the month.", "day('2009-07-30')", aliases=("dayofmonth",),
             lower=FIELDS["day"]),
    Function("dayofweek", "date -> int", "The day of the week, Sunday is 1.", "dayofweek('2009-07-30')",
             lower=_day_of_week),
    Function("weekday", "date -> int", "The day of the week, Monday is 0.", "weekday('2009-07-30')",
             lower=_field("weekday", -1)),
    Function("dayofyear", "date -> int", "The day of the year.", "dayofyear('2016-04-09')",
             lower=FIELDS["dayofyear"]),
    Function("weekofyear", "date -> int", "The ISO week of the year.", "weekofyear('2008-02-20')",
             lower=FIELDS["weekofyear"]),
    Function("dayname", "date -> string", "The short name of the day of the week.", "dayname(date'2008-02-20')",
             lower=_name("%a")),
    Function("monthname", "date -> string", "The short name of the month.", "monthname(date'2008-02-20')",
             lower=_name("%b")),
    Function("hour", _CLOCK_SIG, "The hour of the day.", "hour('2009-07-30 12:58:59')", lower=_time_field("hour")),
    Function("minute", _CLOCK_SIG, "The minute of the hour.", "minute('2009-07-30 12:58:59')",
             lower=_time_field("minute")),
    Function("second", _CLOCK_SIG, "The second of the minute.", "second('2009-07-30 12:58:59')",
             lower=_time_field("second")),
    Function("date_part", "string, datetime -> fn | string, interval -> fn | string, calendar -> fn",
             "A field of a date, timestamp or interval; seconds with their fraction.",
             "date_part('SECONDS', timestamp'2019-10-01 00:00:01.000001')", aliases=("datepart", "extract"),
             lower=_date_part, returns=_part_type),
)
# fmt: on
