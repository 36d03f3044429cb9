"""Values as people read them: one formatter per SQL type, chosen once per column."""

from __future__ import annotations

import math
from datetime import datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from sqlshell import types as t

if TYPE_CHECKING:
    from collections.abc import Callable

    Formatter = Callable[[Any], str]

EXACT_DIGITS = 15
"""Decimals of so many digits are doubles and back without loss."""


def zone_info(name: str) -> tzinfo:
    """The session's time zone."""
    from datetime import UTC

    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


def formatter(s: t.SqlType, zone: tzinfo, null: str = "NULL") -> Formatter:
    """A function from values of a type (None included) to text."""
    inner = _value(s, zone)
    return lambda v: null if v is None else inner(v)


def _value(s: t.SqlType, zone: tzinfo) -> Formatter:
    match s:
        case t.Boolean():
            return lambda v: "true" if v else "false"
        case t.Float():
            return float32
        case t.Double():
            return double
        case t.Decimal():
            return lambda v: f"{v:f}"
        case t.Timestamp():
            return lambda v: timestamp(v.astimezone(zone) if v.tzinfo is not None else v)
        case t.TimestampNtz():
            return timestamp
        case t.Time():
            return clock
        case t.YearMonthInterval():
            return months
        case t.DayTimeInterval():
            return duration
        case t.CalendarInterval():
            return calendar
        case t.Binary():
            return lambda v: v.hex().upper()
        case t.Array():
            element = _nested(s.element, zone)
            return lambda v: "[" + ", ".join(map(element, v)) + "]"
        case t.Struct():
            fields = [(f.name, _nested(f.type, zone)) for f in s.fields]
            return lambda v: "{" + ", ".join(f"{n}: {f(v[n])}" for n, f in fields) + "}"
        case t.Map():
            key, value = _nested(s.key, zone), _nested(s.value, zone)
            return lambda v: "{" + ", ".join(f"{key(k)}: {value(x)}" for k, x in _items(v)) + "}"
    return str


def _items(value: Any) -> Any:
    return value.items() if isinstance(value, dict) else value


def _nested(s: t.SqlType, zone: tzinfo) -> Formatter:
    """Inside arrays, maps and structs texts stand in quotes."""
    if not isinstance(s, t.String):
        return formatter(s, zone)
    import json

    return lambda v: "NULL" if v is None else json.dumps(v, ensure_ascii=False)


def double(value: float) -> str:
    """The shortest digits that give the number back."""
    if math.isfinite(value):
        return shortest(repr(value))
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def float32(value: float) -> str:
    """The shortest digits that give the 32-bit number back."""
    if not math.isfinite(value):
        return double(value)
    return shortest(repr(float32_value(value)))


def float32_value(value: float) -> float:
    """The double with the shortest digits that is the same 32-bit number."""
    from struct import pack

    wanted = pack("f", value)
    for digits in range(6, 9):
        near = float(f"{value:.{digits}g}")
        if abs(near) < 3.4e38 and pack("f", near) == wanted:
            return near
    return float(f"{value:.9g}")


def shortest(text: str) -> str:
    """A Python number's text as kernels write it: `1e-6` for `1e-06`, `0.00001` for `1e-05`."""
    mantissa, e, exponent = text.partition("e")
    if not e:
        return text
    if exponent == "-05":
        sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
        return f"{sign}0.0000{digits.replace('.', '')}"
    return f"{mantissa}e{exponent[0]}{exponent[1:].lstrip('0')}"


def timestamp(value: datetime) -> str:
    """Date and time of day; the fraction without zeros at its end."""
    text = f"{value.year:04}-{value:%m-%d %H:%M:%S}"
    return f"{text}.{value.microsecond:06}".rstrip("0") if value.microsecond else text


def clock(value: time) -> str:
    """A time of day; the fraction without zeros at its end."""
    text = value.isoformat()
    return text.rstrip("0") if "." in text else text


def months(value: int) -> str:
    """A year-month interval: `1-2` is a year and two months."""
    years, rest = divmod(abs(value), 12)
    return f"{'-' if value < 0 else ''}{years}-{rest}"


def duration(value: timedelta) -> str:
    """A day-time interval: `1 02:03:04.5` is a day and so on."""
    micros = value // timedelta(microseconds=1)
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    seconds, fraction = divmod(micros, 1_000_000)
    days, seconds = divmod(seconds, 86_400)
    text = f"{sign}{days} {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:06}".rstrip("0") if fraction else text


def calendar(value: Any) -> str:
    """A calendar interval as CAST to string writes it."""
    months, days, nanos = value
    micros = nanos // 1000
    sign, size = ("-", -micros) if micros < 0 else ("", micros)
    hours, minutes, rest = size // 3_600_000_000, size // 60_000_000 % 60, size % 60_000_000
    years = abs(months) // 12 * (1 if months > 0 else -1)
    seconds = f"{rest // 1_000_000}.{rest % 1_000_000:06}".rstrip("0").rstrip(".")
    words = [
        (years, "years"), (months - years * 12, "months"), (days, "days"),
        (f"{sign}{hours}" if hours else 0, "hours"), (f"{sign}{minutes}" if minutes else 0, "minutes"),
        (f"{sign}{seconds}" if rest else 0, "seconds"),
    ]  # fmt: skip
    return " ".join(f"{n} {unit}" for n, unit in words if n) or "0 seconds"


def plain(value: Any, s: t.SqlType, zone: tzinfo) -> Any:
    """A value as JSON has it: numbers, texts, lists and objects."""
    if value is None or isinstance(s, (t.Boolean, t.Integral, t.String)):
        return value
    match s:
        case t.Float() | t.Double():
            if not math.isfinite(value):
                return None
            return float32_value(value) if isinstance(s, t.Float) else value
        case t.Array():
            return [plain(v, s.element, zone) for v in value]
        case t.Struct():
            return {f.name: plain(value[f.name], f.type, zone) for f in s.fields}
        case t.Map():
            key = formatter(s.key, zone)
            return {key(k): plain(v, s.value, zone) for k, v in _items(value)}
        case t.Decimal() if s.precision <= EXACT_DIGITS:
            return float(value)
    return formatter(s, zone)(value)
