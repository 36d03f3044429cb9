"""Text to dates and timestamps and back, by Java's patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, NotSupportedError
from sqlshell.functions import datetime_pattern as dp
from sqlshell.functions.common import failure
from sqlshell.functions.registry import Function
from sqlshell.types import TIMESTAMP, Date, SqlType, String, Time, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT = "yyyy-MM-dd HH:mm:ss"


def by_pattern(k: Any, i: int, value: Any, pattern: Any, f: Callable[[Any, str], Any], dtype: Any) -> Any:
    """`f(value, pattern)` for the pattern that argument `i` gives, constant or not."""
    pl = k.pl
    if pattern is None or k.is_literal(i):
        text = DEFAULT if pattern is None else k.literal(i)
        if text is None:
            return pl.lit(None, dtype=dtype)
        try:
            return f(value, text)
        except dp.BadFormat as e:
            raise _refused(k, e) from None

    def run(s: Any) -> Any:
        rows = s.struct.unnest().with_row_index("_i")
        parts = []
        for part in rows.partition_by("_pattern"):
            text = part["_pattern"][0]
            try:
                out = pl.lit(None, dtype=dtype) if text is None else f(pl.col("_value"), text)
            except dp.BadFormat as e:
                raise failure(k, e.args[0], e.args[1]) from None
            parts.append(part.select("_i", out.alias("_r")))
        return pl.concat(parts).sort("_i")["_r"]

    pair = pl.struct(value.alias("_value"), pattern.alias("_pattern"))
    return pair.map_batches(run, return_dtype=dtype, is_elementwise=True)


def _refused(k: Any, e: dp.BadFormat) -> Exception:
    condition, reason = e.args
    kind = NotSupportedError if condition == dp.UNSUPPORTED else AnalysisError
    return kind(reason, condition=condition, span=k.call.span)


def _written(k: Any, instant: Any, pattern: str) -> Any:
    return k.let([instant], lambda t: dp.write(k, k.to_wall(t), t, pattern))


def _date_format(k: Any, t: Any, pattern: Any) -> Any:
    if isinstance(k.type(0), Time):
        # Any day of the session's zone has the clock.
        t = k.from_wall(k.pl.lit(0, dtype=k.pl.Int64).cast(k.pl.Date).dt.combine(t))
    return by_pattern(k, 1, t, pattern, lambda e, p: _written(k, e, p), k.pl.String)


def _from_unixtime(k: Any, seconds: Any, pattern: Any = None) -> Any:
    pl = k.pl
    instant = (seconds.cast(pl.Int64) * 1_000_000).cast(pl.Datetime("us", "UTC"))
    return by_pattern(k, 1, instant, pattern, lambda e, p: _written(k, e, p), pl.String)


# Parsing

_DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]


def valid_date(k: Any, year: Any, month: Any, day: Any) -> Any:
    """Whether three Int32 columns name a day of the calendar that fits; NULL where one is NULL."""
    pl = k.pl
    # Polars refuses to make a date out of parts that are none, also in rows that are masked afterwards.
    longest = month.replace_strict(list(range(1, 13)), _DAYS_IN_MONTH, default=0, return_dtype=pl.Int32)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0)) & (month == 2)
    # (the default above also stands for NULL)
    longest = pl.when(month.is_not_null()).then(longest)
    return (day >= 1) & (day <= longest + leap.cast(pl.Int32)) & (year.abs() <= 262_000)


def parsed(k: Any, text: Any, pattern: str) -> Any:
    """Text by a pattern as an instant; NULL where it does not fit."""
    reader = dp.reader(pattern)
    if not reader.letters:
        raise dp.BadFormat(dp.UNSUPPORTED, f"the datetime pattern '{pattern}' names no field")
    groups = text.str.extract_groups(reader.regex)
    return k.let([groups], lambda g: _from_groups(k, g, reader))


def _from_groups(k: Any, groups: Any, reader: dp.Reader) -> Any:
    pl = k.pl
    first: dict[str, Any] = {}
    for i, letter in enumerate(reader.letters, 1):
        e = groups.struct.field(str(i))
        first[letter] = pl.coalesce(first[letter], e) if letter in first else e

    def number(letter: str) -> Any:
        return first[letter].cast(pl.Int32, strict=False) if letter in first else None

    hit = pl.any_horizontal(
        [groups.struct.field(str(i)).is_not_null() for i in range(1, len(reader.letters) + 1)]
    )
    fields = {"year": _year(k, first, number), "month": _month(k, first, number), "day": number("d")}
    day_of_year = number("D")
    hour = _hour(k, first, number)
    defaults = {"year": 1970, "month": 1, "day": 1}
    year, month, day = (
        pl.lit(d, dtype=pl.Int32) if fields[n] is None else fields[n].fill_null(d)
        for n, d in defaults.items()
    )
    zero = pl.lit(0, dtype=pl.Int32)
    minute, second = (zero if number(c) is None else number(c).fill_null(0) for c in "ms")
    micros = zero if "S" not in first else _fraction(k, first["S"])
    hour = zero if hour is None else hour.fill_null(0)
    good = hit & valid_date(k, year, month, day)
    good = good & (hour >= 0) & (hour < 24) & (minute < 60) & (second < 60)
    clock = (hour.cast(pl.Int64) * 3600 + minute * 60 + second) * 1_000_000 + micros

    def build(ok: Any, y: Any, m: Any, d: Any, c: Any) -> Any:
        date = pl.date(pl.when(ok).then(y), pl.when(ok).then(m), pl.when(ok).then(d))
        return date.cast(pl.Datetime("us")) + c.cast(pl.Duration("us"))

    wall = k.let([good, year, month, day, clock], build)
    if day_of_year is not None:
        days = (day_of_year.fill_null(1) - 1).cast(pl.Int64) * 86_400_000_000
        wall = wall + days.cast(pl.Duration("us"))
    return _instant(k, wall, first.get("offset"))


def _instant(k: Any, wall: Any, offset: Any) -> Any:
    pl = k.pl
    if offset is None:
        return k.from_wall(wall)

    def build(w: Any, text: Any) -> Any:
        digits = text.str.replace(":", "", literal=True)
        hours = digits.str.slice(1, 2).cast(pl.Int64, strict=False).fill_null(0)
        minutes = digits.str.slice(3, 2).cast(pl.Int64, strict=False).fill_null(0)
        sign = pl.when(digits.str.starts_with("-")).then(-1).otherwise(1)
        shift = (sign * (hours * 60 + minutes) * 60_000_000).cast(pl.Duration("us"))
        zoned = (w - shift).dt.replace_time_zone("UTC")
        return pl.when(text.is_null()).then(k.from_wall(w)).otherwise(zoned)

    return k.let([wall, offset], build)


def _year(k: Any, first: dict[str, Any], number: Callable[[str], Any]) -> Any:
    short = number("short year")
    long = number("y")
    if short is None:
        return long
    return 2000 + short if long is None else k.pl.coalesce(long, 2000 + short)


def _month(k: Any, first: dict[str, Any], number: Callable[[str], Any]) -> Any:
    plain = number("M")
    if "month name" not in first:
        return plain
    names = [m[:3].lower() for m in dp.MONTHS]
    named = (
        first["month name"]
        .str.slice(0, 3)
        .str.to_lowercase()
        .replace_strict(names, list(range(1, 13)), default=None, return_dtype=k.pl.Int32)
    )
    return named if plain is None else k.pl.coalesce(plain, named)


def _hour(k: Any, first: dict[str, Any], number: Callable[[str], Any]) -> Any:
    """The hour of the day from whichever hour letters there are; out-of-range hours of the clock give -1."""
    pl = k.pl
    full = number("H")
    if number("k") is not None:
        whole = number("k")
        full = pl.when(whole.is_between(1, 24)).then(whole % 24).when(whole.is_not_null()).then(-1)
    if full is not None:
        return full
    half = number("h") if "h" in first else number("K")
    if half is None:
        return None
    low = 1 if "h" in first else 0
    inside = half.is_between(low, low + 11)
    afternoon = (
        (first["a"].str.to_uppercase() == "PM").fill_null(value=False)
        if "a" in first
        else pl.lit(value=False)
    )
    hour = half % 12 + pl.when(afternoon).then(12).otherwise(0)
    return pl.when(inside).then(hour).when(half.is_not_null()).then(-1).cast(pl.Int32)


def _fraction(k: Any, digits: Any) -> Any:
    pl = k.pl
    return digits.str.pad_end(9, "0").str.head(6).cast(pl.Int32, strict=False).fill_null(0)


def _checked(k: Any, text: Any, value: Any, safe: bool) -> Any:
    return value if safe else checked(k, text, value, "CANNOT_PARSE_TIMESTAMP")


def checked(k: Any, text: Any, value: Any, condition: str) -> Any:
    """`value`, or the error where there is a text and no value."""
    message = "the text does not fit the datetime pattern:"

    def check(t: Any, v: Any) -> Any:
        return k.raise_if(v.is_null() & t.is_not_null(), condition, v, message, t)

    return k.let([text, value], check)


def _to_timestamp(safe: bool) -> Any:
    def lower(k: Any, value: Any, pattern: Any = None) -> Any:
        t, result = k.type(0), k.call.type
        if pattern is None or not isinstance(t, String):
            return k.cast(value, t, result, safe)

        def parse(e: Any, p: str) -> Any:
            return k.let([e], lambda text: _checked(k, text, parsed(k, text, p), safe))

        instant = by_pattern(k, 1, value, pattern, parse, k.pl.Datetime("us", "UTC"))
        return _as(k, instant, result)

    return lower


def _as(k: Any, instant: Any, t: SqlType) -> Any:
    if isinstance(t, Timestamp):
        return instant
    wall = k.to_wall(instant)
    return wall.dt.date() if isinstance(t, Date) else wall


def _epoch(k: Any, value: Any, pattern: Any = None) -> Any:
    pl, t = k.pl, k.type(0)
    if isinstance(t, String):

        def parse(e: Any, p: str) -> Any:
            return k.let([e], lambda text: _checked(k, text, parsed(k, text, p), False))

        instant = by_pattern(k, 1, value, pattern, parse, pl.Datetime("us", "UTC"))
    else:
        instant = k.cast(value, t, TIMESTAMP)
    # Towards zero, unlike unix_seconds.
    return instant.dt.timestamp("us").truncdiv(pl.lit(1_000_000, dtype=pl.Int64))


_ONE = "string -> {0} | date -> {0} | timestamp -> {0} | timestamp_ntz -> {0}"
_TWO = "string, string -> {0} | date, string -> {0} | timestamp, string -> {0} | timestamp_ntz, string -> {0}"


def _sig(result: str) -> str:
    return f"{_ONE} | {_TWO}".format(result)


_UNIX = _sig("bigint")

# fmt: off
ROWS = (
    Function("date_format", "timestamp, string -> string | time, string -> string", "A timestamp written by a pattern.",
             "date_format(timestamp'2016-04-08 13:04:05', 'EEE, d MMM yyyy HH:mm')", lower=_date_format,
             fallible=True),
    Function("from_unixtime", "bigint, [string] -> string", "Seconds since 1970-01-01 written by a pattern.",
             "from_unixtime(0, 'yyyy-MM-dd HH:mm:ss')", lower=_from_unixtime, fallible=True),
    Function("to_date", _sig("date"), "A text (by a pattern) or timestamp as a date.",
             "to_date('31/12/2016', 'dd/MM/yyyy')", lower=_to_timestamp(False), fallible=True),
    Function("try_to_date", _sig("date"), "to_date that gives NULL for a text that is none.",
             "try_to_date('foo', 'yyyy-MM-dd')", lower=_to_timestamp(True), nullable=lambda n: True),
    Function("to_timestamp", f"{_sig('timestamp')} | num -> timestamp",
             "A text (by a pattern) or date as a timestamp.",
             "to_timestamp('2016-12-31 10:11', 'yyyy-MM-dd HH:mm')", aliases=("to_timestamp_ltz",),
             lower=_to_timestamp(False), fallible=True),
    Function("to_timestamp_ntz", _sig("timestamp_ntz"), "A text (by a pattern) or date as a wall clock.",
             "to_timestamp_ntz('2016-12-31 00:12:00')", lower=_to_timestamp(False), fallible=True),
    Function("try_to_timestamp", f"{_sig('timestamp')} | num -> timestamp",
             "to_timestamp that gives NULL for a text that is none.", "try_to_timestamp('foo', 'yyyy-MM-dd')",
             lower=_to_timestamp(True), nullable=lambda n: True),
    Function("unix_timestamp", _UNIX, "The seconds since 1970-01-01 of a timestamp, or of a text by a pattern.",
             "unix_timestamp('2016-04-08', 'yyyy-MM-dd')", aliases=("to_unix_timestamp",), lower=_epoch,
             fallible=True),
)
# fmt: on
