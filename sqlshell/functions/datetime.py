"""Dates and timestamps: their fields, moving and truncating them. Patterns, parts and zones are in `datetime_*`."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.common import divisor, int32, let, refuse
from sqlshell.functions.datetime_extract import ROWS as EXTRACT
from sqlshell.functions.datetime_format import ROWS as FORMAT
from sqlshell.functions.datetime_make import ROWS as MAKE
from sqlshell.functions.datetime_zone import ROWS as ZONE
from sqlshell.functions.registry import Function
from sqlshell.types import Timestamp

DAY_NAMES = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


def wall(k: Any, i: int, e: Any) -> Any:
    """Argument `i` (a timestamp of either kind) as a wall clock."""
    return k.to_wall(e) if isinstance(k.type(i), Timestamp) else e


def unwall(k: Any, e: Any) -> Any:
    """A wall clock as the type of the call."""
    return k.from_wall(e) if isinstance(k.call.type, Timestamp) else e


def _shift_days(sign: int) -> Any:
    def lower(k: Any, d: Any, n: Any) -> Any:
        days = n.cast(k.pl.Int32)
        return (d.to_physical() + (days if sign > 0 else -days)).cast(k.pl.Date)

    return lower


def _months_later(k: Any, e: Any, months: Any, constant: int | None) -> Any:
    if constant is not None:
        return e.dt.offset_by(f"{constant}mo")
    return e.dt.offset_by(k.pl.concat_str(months.cast(k.pl.Int64), k.pl.lit("mo")))


def _add_months(k: Any, d: Any, n: Any) -> Any:
    return _months_later(k, d, n, k.literal(1))


def _date_add(k: Any, *args: Any) -> Any:
    return _timestamp_add(k, *args) if len(args) == 3 else _shift_days(1)(k, *args)


def _days_between(k: Any, end: Any, start: Any) -> Any:
    return end.to_physical() - start.to_physical()


def _date_diff(k: Any, *args: Any) -> Any:
    return _timestamp_diff(k, *args) if len(args) == 3 else _days_between(k, *args)


_MONTHS = {"YEAR": 12, "QUARTER": 3, "MONTH": 1}
_MICROS = {
    "WEEK": 7 * 86_400_000_000,
    "DAY": 86_400_000_000,
    "DAYOFYEAR": 86_400_000_000,
    "HOUR": 3_600_000_000,
    "MINUTE": 60_000_000,
    "SECOND": 1_000_000,
    "MILLISECOND": 1000,
    "MICROSECOND": 1,
}
_LOCAL = {"WEEK", "DAY", "DAYOFYEAR"}


def _unit(k: Any) -> str:
    unit = str(k.literal(0) or "").upper()
    if unit not in _MONTHS and unit not in _MICROS:
        raise refuse(k, "INVALID_PARAMETER_VALUE.DATETIME_UNIT", f"`{unit}` is no unit of time")
    return unit


def _timestamp_add(k: Any, unit: Any, n: Any, t: Any) -> Any:
    pl, name = k.pl, _unit(k)
    given = k.literal(1)
    if name in _MONTHS:
        size = _MONTHS[name]
        count = None if given is None else given * size
        return unwall(k, _months_later(k, wall(k, 2, t), n.cast(pl.Int64) * size, count))
    step = (n.cast(pl.Int64) * _MICROS[name]).cast(pl.Duration("us"))
    if name in _LOCAL and isinstance(k.type(2), Timestamp) and k.tz != "UTC":
        return k.from_wall(k.to_wall(t) + step)
    return t + step


def _timestamp_diff(k: Any, unit: Any, start: Any, end: Any) -> Any:
    pl, name = k.pl, _unit(k)
    a, b = wall(k, 1, start), wall(k, 2, end)
    if name in _MICROS:
        micros = (b - a).cast(pl.Int64)
        return micros.truncdiv(pl.lit(_MICROS[name], dtype=pl.Int64))

    def months(x: Any, y: Any) -> Any:
        whole = (y.dt.year().cast(pl.Int64) - x.dt.year()) * 12 + (y.dt.month().cast(pl.Int64) - x.dt.month())
        # What remains below the month: day of month, then time of day.
        rest = (y - y.dt.truncate("1mo")).cast(pl.Int64) - (x - x.dt.truncate("1mo")).cast(pl.Int64)
        step = pl.when((whole > 0) & (rest < 0)).then(-1).when((whole < 0) & (rest > 0)).then(1).otherwise(0)
        return whole + step

    return let(k, months, a, b).truncdiv(pl.lit(_MONTHS[name], dtype=pl.Int64))


def _months_between(k: Any, first: Any, second: Any, rounded: Any = None) -> Any:
    pl = k.pl
    a, b = k.to_wall(first), k.to_wall(second)

    def build(x: Any, y: Any, round_off: Any) -> Any:
        def day(e: Any) -> Any:
            return e.dt.day().cast(pl.Int64)

        def at_end(e: Any) -> Any:
            return e.dt.date() == e.dt.date().dt.month_end()

        def second_of_day(e: Any) -> Any:
            return e.dt.hour().cast(pl.Int64) * 3600 + e.dt.minute().cast(pl.Int64) * 60 + e.dt.second()

        whole = (x.dt.year() - y.dt.year()).cast(pl.Int64) * 12 + x.dt.month().cast(pl.Int64) - y.dt.month()
        seconds = (day(x) - day(y)) * 86400 + second_of_day(x) - second_of_day(y)
        exact = whole.cast(pl.Float64) + seconds.cast(pl.Float64) / divisor(k, pl.lit(31.0 * 86400), x)
        near = (exact * 1e8 + 0.5).floor() / divisor(k, pl.lit(1e8), x)
        partial = pl.when(round_off).then(near).when(~round_off).then(exact)
        same = (day(x) == day(y)) | (at_end(x) & at_end(y))
        return pl.when(round_off.is_not_null()).then(
            pl.when(same).then(whole.cast(pl.Float64)).otherwise(partial)
        )

    return let(k, build, a, b, pl.lit(value=True) if rounded is None else rounded)


def _last_day(k: Any, d: Any) -> Any:
    return d.dt.month_end()


def _next_day(k: Any, d: Any, name: Any) -> Any:
    pl = k.pl
    numbers = {n: i for i, day in enumerate(DAY_NAMES, 1) for n in (day, day[:3], day[:2])}
    wanted = (
        name.str.to_uppercase()
        .str.strip_chars()
        .replace_strict(list(numbers), list(numbers.values()), default=None, return_dtype=pl.Int32)
    )

    def build(d: Any, name: Any, wanted: Any) -> Any:
        ahead = (wanted - d.dt.weekday().cast(pl.Int32) + 6) % 7 + 1
        bad = wanted.is_null() & name.is_not_null() & d.is_not_null()
        message = "Illegal input for day of week:"
        return k.raise_if(bad, "ILLEGAL_DAY_OF_WEEK", (d.to_physical() + ahead).cast(pl.Date), message, name)

    return let(k, build, d, name, wanted)


_DATE_UNITS = {
    **dict.fromkeys(("YEAR", "YYYY", "YY"), "1y"),
    "QUARTER": "1q",
    **dict.fromkeys(("MONTH", "MON", "MM"), "1mo"),
    "WEEK": "1w",
}
_TIME_UNITS = {
    **_DATE_UNITS,
    **dict.fromkeys(("DAY", "DD"), "1d"),
    "HOUR": "1h",
    "MINUTE": "1m",
    "SECOND": "1s",
    "MILLISECOND": "1ms",
    "MICROSECOND": "1us",
}


def _by_unit(k: Any, i: int, unit: Any, units: dict[str, str], f: Any, dtype: Any) -> Any:
    """`f(step)` for the unit that argument `i` names, NULL for other names."""
    pl = k.pl
    if k.is_literal(i):
        step = units.get(str(k.literal(i) or "").upper())
        return pl.lit(None, dtype=dtype) if step is None else f(step)
    upper = unit.str.to_uppercase()
    chain: Any = pl
    for step in dict.fromkeys(units.values()):
        names = [n for n, s in units.items() if s == step]
        chain = chain.when(upper.is_in(names)).then(f(step))
    return chain.otherwise(pl.lit(None, dtype=dtype))


def _trunc(k: Any, d: Any, unit: Any) -> Any:
    return _by_unit(k, 1, unit, _DATE_UNITS, d.dt.truncate, k.pl.Date)


def _date_trunc(k: Any, unit: Any, t: Any) -> Any:
    pl = k.pl

    def cut(step: str) -> Any:
        if k.tz == "UTC":
            return t.dt.truncate(step)
        if step in ("1y", "1q", "1mo", "1w", "1d"):
            return k.from_wall(k.to_wall(t).dt.truncate(step))
        # Within the day the instant is kept, also in the repeated hour of a clock change.
        return let(k, lambda e: e - let(k, lambda w: w - w.dt.truncate(step), k.to_wall(e)), t)

    return _by_unit(k, 0, unit, _TIME_UNITS, cut, pl.Datetime("us", "UTC"))


def _cast(safe: bool = False) -> Any:
    def lower(k: Any, e: Any) -> Any:
        return k.cast(e, k.type(0), k.call.type, safe)

    return lower


def _unix_date(k: Any, d: Any) -> Any:
    return int32(k, d.to_physical())


def _from_unix_date(k: Any, n: Any) -> Any:
    return n.cast(k.pl.Date)


_WITH_UNIT = "string, int, timestamp -> timestamp | string, int, timestamp_ntz -> timestamp_ntz"

# fmt: off
ROWS = (
    Function("date_add", f"date, int -> date | {_WITH_UNIT}",
             "A date some days later, or (with a unit) a timestamp some units later.", "date_add('2016-07-30', 1)",
             aliases=("dateadd",), lower=_date_add),
    Function("date_sub", "date, int -> date", "A date some days earlier.", "date_sub('2016-07-30', 1)",
             lower=_shift_days(-1)),
    Function("datediff", "date, date -> int | string, timestamp, timestamp -> bigint",
             "The days from the second date to the first, or (with a unit) the units from start to end.",
             "datediff('2009-07-31', '2009-07-30')", aliases=("date_diff",), lower=_date_diff),
    Function("timestampadd", _WITH_UNIT, "A timestamp some units later.",
             "timestampadd(HOUR, 8, timestamp'2022-02-11 20:30:00')",
             lower=_timestamp_add),
    Function("timestampdiff", "string, timestamp, timestamp -> bigint", "The whole units between two timestamps.",
             "timestampdiff(MONTH, timestamp'2021-01-31', timestamp'2021-04-30')", lower=_timestamp_diff),
    Function("add_months", "date, int -> date", "A date some months later.", "add_months('2016-08-31', 1)",
             lower=_add_months),
    Function("months_between", "timestamp, timestamp, [boolean] -> double",
             "The months from the second to the first, to 8 places unless told not to round.",
             "months_between('1997-02-28 10:30:00', '1996-10-30')", lower=_months_between),
    Function("last_day", "date -> date", "The last day of the month.", "last_day('2009-01-12')", lower=_last_day),
    Function("next_day", "date, string -> date", "The first date after this one on a day of the week.",
             "next_day('2015-01-14', 'TU')", lower=_next_day, fallible=True),
    Function("trunc", "date, string -> date", "The first day of the year, quarter, month or week.",
             "trunc('2019-08-04', 'quarter')", lower=_trunc, nullable=lambda n: True),
    Function("date_trunc", "string, timestamp -> timestamp", "The timestamp cut to a unit of time.",
             "date_trunc('HOUR', '2015-03-05T09:32:05.359')", lower=_date_trunc, nullable=lambda n: True),
    Function("unix_date", "date -> int", "The days since 1970-01-01.", "unix_date(date'1970-01-02')",
             lower=_unix_date),
    Function("date_from_unix_date", "int -> date", "The date some days after 1970-01-01.",
             "date_from_unix_date(1)", lower=_from_unix_date),
)
# fmt: on

FUNCTIONS = (*ROWS, *EXTRACT, *FORMAT, *MAKE, *ZONE)
