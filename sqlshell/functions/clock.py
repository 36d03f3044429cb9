"""Times of day (TIME): made from parts, texts and counts, cut and subtracted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError
from sqlshell.functions.common import refuse
from sqlshell.functions.datetime_format import by_pattern, checked, parsed
from sqlshell.functions.registry import Function
from sqlshell.types import STRING, TIME, Decimal, Fractional, SqlType, Time

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND = 1_000_000
DAY = 86_400 * SECOND
_UNITS = {
    "HOUR": 3600 * SECOND,
    "MINUTE": 60 * SECOND,
    "SECOND": SECOND,
    "MILLISECOND": 1000,
    "MICROSECOND": 1,
}
_BOUNDS = "DATETIME_FIELD_OUT_OF_BOUNDS.WITHOUT_SUGGESTION"


def micros_of(k: Any, t: Any) -> Any:
    """Microseconds since midnight."""
    return t.to_physical() // k.pl.lit(1000, dtype=k.pl.Int64)


def time_of(k: Any, micros: Any) -> Any:
    """The time so many microseconds after midnight."""
    return (micros * k.pl.lit(1000, dtype=k.pl.Int64)).cast(k.pl.Time)


def _make_time(k: Any, hour: Any, minute: Any, micros: Any) -> Any:
    pl = k.pl

    def build(h: Any, m: Any, s: Any) -> Any:
        good = h.is_between(0, 23) & m.is_between(0, 59) & (s >= 0) & (s < 60 * SECOND)
        total = (h.cast(pl.Int64) * 60 + m) * (60 * SECOND) + s
        return k.raise_if(~good, _BOUNDS, time_of(k, pl.when(good).then(total)), "Invalid time:", h, m)

    return k.let([hour, minute, micros.cast(pl.Int64)], build)


def _counted(unit: int) -> Callable[..., Any]:
    """Seconds (with six digits), milliseconds or microseconds since midnight as a time."""

    def lower(k: Any, n: Any) -> Any:
        pl, t = k.pl, k.type(0)
        if isinstance(t, Decimal):
            wide = (n * unit).truncdiv(pl.lit(10**t.scale, dtype=pl.Int128))
        elif isinstance(t, Fractional):
            wide = (n.cast(pl.Float64) * unit).cast(pl.Int128, strict=False)
        else:
            wide = n.cast(pl.Int128) * unit

        def check(m: Any) -> Any:
            bad = (m < 0) | (m >= DAY)
            return k.raise_if(bad, _BOUNDS, time_of(k, m.cast(pl.Int64, strict=False)), "Invalid time:", m)

        return k.let([wide], check)

    return lower


def _count(unit: int) -> Callable[..., Any]:
    def lower(k: Any, t: Any) -> Any:
        return micros_of(k, t) // k.pl.lit(unit, dtype=k.pl.Int64)

    return lower


def _seconds(k: Any, t: Any) -> Any:
    return micros_of(k, t).cast(k.pl.Int128)


def _by_unit(k: Any, unit: Any, f: Callable[[int], Any], dtype: Any) -> Any:
    """`f(microseconds of the unit)`, for a constant or a column of unit names."""
    pl = k.pl
    if k.is_literal(0):
        name = k.literal(0)
        if name is None:
            return pl.lit(None, dtype=dtype)
        size = _UNITS.get(name.upper())
        if size is None:
            raise refuse(k, "INVALID_PARAMETER_VALUE.TIME_UNIT", f"`{name}` is no unit of a time")
        return f(size)

    def choose(u: Any) -> Any:
        chain: Any = pl
        for name, size in _UNITS.items():
            chain = chain.when(u == name).then(f(size))
        bad = u.is_not_null() & ~u.is_in(list(_UNITS))
        return k.raise_if(
            bad, "INVALID_PARAMETER_VALUE.TIME_UNIT", chain.otherwise(pl.lit(None, dtype=dtype)), u
        )

    return choose(unit.str.to_uppercase())


def _time_diff(k: Any, unit: Any, start: Any, end: Any) -> Any:
    pl = k.pl
    apart = micros_of(k, end) - micros_of(k, start)
    return _by_unit(k, unit, lambda size: apart.truncdiv(pl.lit(size, dtype=pl.Int64)), pl.Int64)


def _time_trunc(k: Any, unit: Any, t: Any) -> Any:
    pl = k.pl
    micros = micros_of(k, t)
    return _by_unit(k, unit, lambda size: time_of(k, micros // pl.lit(size, dtype=pl.Int64) * size), pl.Time)


def _time_type(types: tuple[SqlType, ...], args: tuple[Any, ...]) -> SqlType:
    if not isinstance(types[1], Time):
        raise AnalysisError(
            f"time_trunc takes a time, not {types[1]}",
            condition="DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
            span=getattr(args[1], "span", None),
        )
    return types[1]


def _to_time(safe: bool) -> Callable[..., Any]:
    def lower(k: Any, text: Any, pattern: Any = None) -> Any:
        pl = k.pl
        if pattern is None:
            read = k.cast(text, STRING, TIME, True)
            return read if safe else k.let([text, read], lambda s, v: checked(k, s, v, "CANNOT_PARSE_TIME"))

        def parse(e: Any, p: str) -> Any:
            def read(s: Any) -> Any:
                value = k.to_wall(parsed(k, s, p)).dt.time()
                return value if safe else checked(k, s, value, "CANNOT_PARSE_TIME")

            return k.let([e], read)

        return by_pattern(k, 1, text, pattern, parse, pl.Time)

    return lower


# fmt: off
FUNCTIONS = (
    Function("make_time", "int, int, decimal(16,6) -> time", "A time from hour, minute and second.",
             "make_time(6, 30, 45.887)", lower=_make_time, fallible=True),
    Function("to_time", "string, [string] -> time", "A text as a time, by a pattern where one is given.",
             "to_time('12.10.05', 'HH.mm.ss')", lower=_to_time(safe=False), fallible=True),
    Function("try_to_time", "string, [string] -> time", "to_time that gives NULL for a text that is none.",
             "try_to_time('foo', 'HH:mm:ss')", lower=_to_time(safe=True), nullable=lambda n: True),
    Function("time_diff", "string, time, time -> bigint", "The whole units from the first time to the second.",
             "time_diff('HOUR', TIME'20:30:29', TIME'21:30:29')", lower=_time_diff, fallible=True),
    Function("time_trunc", "string, datetime -> fn", "A time cut to a unit.", "time_trunc('HOUR', TIME'09:32:05.359')",
             lower=_time_trunc, returns=_time_type, fallible=True),
    Function("time_from_seconds", "bigint -> time | decimal -> time | double -> time",
             "The time some seconds after midnight.",
             "time_from_seconds(52200.5)", lower=_counted(SECOND), fallible=True),
    Function("time_from_millis", "bigint -> time", "The time some milliseconds after midnight.",
             "time_from_millis(52200500)", lower=_counted(1000), fallible=True),
    Function("time_from_micros", "bigint -> time", "The time some microseconds after midnight.",
             "time_from_micros(52200500000)", lower=_counted(1), fallible=True),
    Function("time_to_seconds", "time -> decimal(14,6)", "The seconds since midnight.",
             "time_to_seconds(TIME'14:30:00.5')", lower=_seconds),
    Function("time_to_millis", "time -> bigint", "The milliseconds since midnight.",
             "time_to_millis(TIME'14:30:00.5')", lower=_count(1000)),
    Function("time_to_micros", "time -> bigint", "The microseconds since midnight.",
             "time_to_micros(TIME'14:30:00.5')", lower=_count(1)),
)
# fmt: on
