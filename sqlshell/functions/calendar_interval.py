"""Calendar intervals (months, days and microseconds apart): make_interval, their text, arithmetic and fields."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.arithmetic import checked
from sqlshell.functions.registry import Function
from sqlshell.types import DOUBLE, Date, Decimal, Timestamp

DAY = 86_400_000_000
_INT, _LONG = (1 << 31) - 1, (1 << 63) - 1


def parts(e: Any) -> tuple[Any, Any, Any]:
    """Months, days, microseconds."""
    return e.struct.field("months"), e.struct.field("days"), e.struct.field("micros")


def _built(k: Any, whole: Any, safe: bool = False) -> Any:
    """An interval of its months, days and microseconds (Int128), each checked; NULL where one is."""
    pl = k.pl

    def build(m: Any, d: Any, u: Any) -> Any:
        bad = pl.any_horizontal(
            (x > pl.lit(top, dtype=pl.Int128)) | (x < pl.lit(-top - 1, dtype=pl.Int128))
            for x, top in ((m, _INT), (d, _INT), (u, _LONG))
        )
        made = pl.struct(
            m.cast(pl.Int32, strict=False).alias("months"),
            d.cast(pl.Int32, strict=False).alias("days"),
            u.cast(pl.Int64, strict=False).alias("micros"),
        )
        present = pl.when(m.is_not_null() & d.is_not_null() & u.is_not_null()).then(made)
        return checked(k, bad, "ARITHMETIC_OVERFLOW", present, safe, "interval")

    return k.let(whole, build)


def _wide(k: Any, e: Any) -> Any:
    return e.cast(k.pl.Int128)


def _make(safe: bool) -> Any:
    def lower(k: Any, *args: Any) -> Any:
        zero = k.pl.lit(0, dtype=k.pl.Int128)
        given = [_wide(k, a) for a in args] + [zero] * (7 - len(args))
        years, months, weeks, days, hours, minutes, micros = given
        clock = (hours * 60 + minutes) * 60_000_000 + micros
        return _built(k, [years * 12 + months, weeks * 7 + days, clock], safe)

    return lower


def text(k: Any, e: Any) -> Any:
    """`1 years 2 months 3 days 4 hours 5 minutes 6.5 seconds`, without the parts that are 0."""
    pl = k.pl

    def build(v: Any) -> Any:
        months, days, micros = parts(v)
        rest = micros % 60_000_000
        rest = pl.when((micros < 0) & (rest != 0)).then(rest - 60_000_000).otherwise(rest)
        size = rest.abs()
        seconds = (
            (size // 1_000_000).cast(pl.String)
            + pl.lit(".")
            + (size % 1_000_000).cast(pl.String).str.zfill(6)
        )
        shown = pl.when(rest < 0).then(pl.lit("-")).otherwise(pl.lit("")) + seconds.str.strip_chars_end(
            "0"
        ).str.strip_chars_end(".")
        units = [
            (_cut(pl, months, 12), "years"),
            (months - _cut(pl, months, 12) * 12, "months"),
            (days, "days"),
            (_cut(pl, micros, 3_600_000_000), "hours"),
            (_cut(pl, micros, 60_000_000) - _cut(pl, micros, 3_600_000_000) * 60, "minutes"),
        ]
        words = [pl.when(n != 0).then(n.cast(pl.String) + pl.lit(f" {unit}")) for n, unit in units]
        words.append(pl.when(rest != 0).then(shown + pl.lit(" seconds")))
        joined = pl.concat_str(words, separator=" ", ignore_nulls=True)
        nothing = (months == 0) & (days == 0) & (micros == 0)
        return pl.when(v.is_not_null()).then(pl.when(nothing).then(pl.lit("0 seconds")).otherwise(joined))

    return k.let([e], build)


def _cut(pl: Any, e: Any, size: int) -> Any:
    return e.truncdiv(pl.lit(size, dtype=pl.Int64))


def lower(k: Any, op: str, a: Any, b: Any, safe: bool) -> Any:
    """`a op b` where a side is a calendar interval (the second one, or both; of a product the first)."""
    if op in {"*", "/"}:
        return _scaled(k, op, a, b, safe)
    if k.type(0) == k.type(1):
        return k.let([a, b], lambda x, y: _sum(k, op, x, y, safe))
    return _moved(k, op, a, b)


def _sum(k: Any, op: str, x: Any, y: Any, safe: bool) -> Any:
    sign = 1 if op == "+" else -1
    pairs = zip(parts(x), parts(y), strict=True)
    return _built(k, [_wide(k, p) + _wide(k, q) * sign for p, q in pairs], safe)


def negative(k: Any, a: Any) -> Any:
    """The opposite interval."""
    return k.let([a], lambda x: _built(k, [_wide(k, p) * -1 for p in parts(x)]))


def _scaled(k: Any, op: str, a: Any, b: Any, safe: bool) -> Any:
    pl, t = k.pl, k.type(1)
    number = k.cast(b, t, DOUBLE) if isinstance(t, Decimal) else b.cast(pl.Float64)

    def build(x: Any, n: Any) -> Any:
        if op == "/":
            bad = n == 0
            n = checked(k, bad, "INTERVAL_DIVIDED_BY_ZERO", pl.when(~bad).then(n), safe)
        months, days, micros = (
            p.cast(pl.Float64) * n if op == "*" else p.cast(pl.Float64) / n for p in parts(x)
        )
        whole = days.truncate()
        clock = (micros + (days - whole) * DAY).round(mode="half_away_from_zero")
        return _built(k, [p.cast(pl.Int128, strict=False) for p in (months.truncate(), whole, clock)], safe)

    return k.let([a, number], build)


def _moved(k: Any, op: str, a: Any, b: Any) -> Any:
    """A date or timestamp, months first, then days (of the session's zone), then microseconds."""
    pl, t, sign = k.pl, k.type(0), 1 if op == "+" else -1

    def build(e: Any, v: Any) -> Any:
        months, days, micros = (p * sign for p in parts(v))

        def calendar(x: Any) -> Any:
            later = x.dt.offset_by(pl.concat_str(months, pl.lit("mo")))
            return later + (days.cast(pl.Int64) * DAY).cast(pl.Duration("us"))

        if isinstance(t, Date):
            moved = calendar(e.cast(pl.Datetime("us"))).dt.date()
            return k.raise_if(micros != 0, "INVALID_INTERVAL_WITH_MICROSECONDS_ADDITION", moved)
        if isinstance(t, Timestamp):
            return k.move_wall(e, calendar) + micros.cast(pl.Duration("us"))
        return calendar(e) + micros.cast(pl.Duration("us"))

    return k.let([a, b], build)


def field(k: Any, name: str, e: Any) -> Any:
    """A field of an interval, as EXTRACT gives it."""
    pl = k.pl

    def build(v: Any) -> Any:
        months, days, micros = parts(v)
        if name == "year":
            return _cut(pl, months, 12).cast(pl.Int32)
        if name == "month":
            return (months - _cut(pl, months, 12) * 12).cast(pl.Int8)
        if name == "day":
            return (days + _cut(pl, micros, DAY)).cast(pl.Int32)
        if name == "second":
            return (micros - _cut(pl, micros, 60_000_000) * 60_000_000).cast(pl.Int128)
        unit, around = (3_600_000_000, 24) if name == "hour" else (60_000_000, 60)
        whole = _cut(pl, micros, unit)
        return (whole - _cut(pl, whole, around) * around).cast(pl.Int8)

    return k.let([e], build)


_PARTS = "[int, int, int, int, int, int, decimal(18,6)] -> calendar"

# fmt: off
FUNCTIONS = (
    Function("make_interval", _PARTS, "An interval of years, months, weeks, days, hours, minutes and seconds.",
             "cast(make_interval(100, 11, 1, 1, 12, 30, 1.001001) as string)", lower=_make(safe=False), fallible=True,
             params=("years", "months", "weeks", "days", "hours", "mins", "secs")),
    Function("try_make_interval", _PARTS, "make_interval that gives NULL where it overflows.",
             "cast(try_make_interval(2147483647) as string)", lower=_make(safe=True), nullable=lambda n: True,
             params=("years", "months", "weeks", "days", "hours", "mins", "secs")),
)
# fmt: on
