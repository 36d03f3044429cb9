"""Single texts as values, by Spark's grammars; None where the text is no value. Plain Python, no polars."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from datetime import tzinfo

SECOND = 1_000_000
DAY = 86_400 * SECOND
_BLANKS = "".join(map(chr, range(0x21))) + "\x7f"
"""What casts trim at both ends: blanks and control characters."""

BEYOND_DECIMAL = 15 * 10**37
"""Stands for a number with more than 38 whole digits: no decimal has it, and an Int128 holds it."""

_INTEGER = re.compile(r"[+-]?[0-9]+")
_DOUBLE = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[dDfF]?")
_HEX_DOUBLE = re.compile(r"([+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+)[dDfF]?")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TRUE = frozenset({"t", "true", "y", "yes", "1"})
_FALSE = frozenset({"f", "false", "n", "no", "0"})


def boolean(text: str) -> bool | None:
    """t, true, y, yes, 1 and their opposites, in any case."""
    word = text.strip(_BLANKS).lower()
    return True if word in _TRUE else False if word in _FALSE else None


def integer(text: str, top: int) -> int | None:
    """A whole number within [-top - 1, top]."""
    trimmed = text.strip(_BLANKS)
    if not _INTEGER.fullmatch(trimmed):
        return None
    value = int(trimmed)
    return value if -top - 1 <= value <= top else None


def double(text: str) -> float | None:
    """A number, or inf, infinity, nan in any case."""
    trimmed = text.strip(_BLANKS)
    if _DOUBLE.fullmatch(trimmed):
        return float(trimmed.rstrip("dDfF"))
    if hexadecimal := _HEX_DOUBLE.fullmatch(trimmed):
        return float.fromhex(hexadecimal.group(1))
    word = trimmed.lower()
    if word in {"nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"}:
        return float(word)
    return None


def unscaled(text: str, scale: int) -> int | None:
    """A number times 10^scale, halves away from zero; None also past 38 digits."""
    trimmed = text.strip(_BLANKS)
    if not _DECIMAL.fullmatch(trimmed):
        return None
    try:
        sign, digits, exponent = Decimal(trimmed).as_tuple()
    except InvalidOperation:
        return None
    if any(digits) and len(digits) + int(exponent) > 38:
        return -BEYOND_DECIMAL if sign else BEYOND_DECIMAL
    shift = int(exponent) + scale
    number = int("".join(map(str, digits)))
    if shift >= 0:
        value = number * 10**shift if shift < 80 or not number else 10**39
    elif -shift > len(digits) + 1:
        value = 0
    else:
        unit = 10**-shift
        value = (number + unit // 2) // unit
    # Past 38 digits: any value that the caller's check refuses, and that an Int128 holds.
    value = min(value, 10**38)
    return -value if sign else value


_DATE = re.compile(r"([+-]?)([0-9]{4,7})(?:-([0-9]{1,2})(?:-([0-9]{1,2}))?)?")


def date_days(text: str) -> int | None:
    """Days since 1970 of `[+-]y{4,7}[-[m]m[-[d]d]]`, with anything after a T or blank behind a full date."""
    trimmed = text.strip(_BLANKS)
    found = _DATE.match(trimmed)
    if not found:
        return None
    rest = trimmed[found.end() :]
    if rest and not (found.group(4) and rest[0] in " T"):
        return None
    return _days(found)


def _days(found: re.Match[str]) -> int | None:
    sign, year, month, day = found.groups()
    y = int(year) * (-1 if sign == "-" else 1)
    return civil_days(y, int(month or 1), int(day or 1))


def civil_days(year: int, month: int, day: int) -> int | None:
    """Days since 1970-01-01 in the proleptic Gregorian calendar; None for a day that is none."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= month <= 12:
        return None
    last = 29 if month == 2 and leap else (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
    if not 1 <= day <= last:
        return None
    y = year - (month <= 2)
    era = y // 400
    of_era = y - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


_CLOCK = re.compile(r"([0-9]{1,2})(?::([0-9]{1,2})(?::([0-9]{1,2})(?:\.([0-9]*))?)?)?")


def _wall(text: str) -> tuple[int, str] | None:
    """Wall-clock microseconds and the zone's text."""
    trimmed = text.strip(_BLANKS)
    found = _DATE.match(trimmed)
    if not found:
        return None
    days = _days(found)
    rest = trimmed[found.end() :]
    if days is None:
        return None
    if not rest:
        return days * DAY, ""
    if not found.group(4) or rest[0] not in " T":
        return None
    clock = _CLOCK.match(rest, 1)
    if not clock or (clock.group(2) is None and len(rest) > clock.end()):
        return None
    micros = _clock_micros(clock)
    if micros is None:
        return None
    return days * DAY + micros, rest[clock.end() :].strip()


def _today(text: str, zone: str) -> tuple[int, str] | None:
    """A time of day alone, `[T]h:m[:s]`, on the current day of the zone."""
    trimmed = text.strip(_BLANKS).removeprefix("T")
    clock = _CLOCK.match(trimmed)
    if not clock or clock.group(2) is None:
        return None
    micros = _clock_micros(clock)
    name = trimmed[clock.end() :].strip()
    where = zone_of(name or zone)
    if micros is None or where is None:
        return None
    return (datetime.now(where).date() - _EPOCH.date()).days * DAY + micros, name


def _clock_micros(clock: re.Match[str]) -> int | None:
    hour, minute, second, fraction = clock.groups()
    h, m, s = int(hour), int(minute or 0), int(second or 0)
    if h > 23 or m > 59 or s > 59:
        return None
    return ((h * 60 + m) * 60 + s) * SECOND + int((fraction or "").ljust(6, "0")[:6])


def wall_micros(text: str) -> int | None:
    """A timestamp without zone; a zone in the text is checked and dropped."""
    found = _wall(text)
    if found is None or (found[1] and zone_of(found[1]) is None):
        return None
    return found[0]


def timestamp_micros(text: str, session_zone: str) -> int | None:
    """A timestamp in the zone the text names, else in the session's."""
    found = _wall(text) or _today(text, session_zone)
    if found is None:
        return None
    wall, name = found
    zone = zone_of(name or session_zone)
    if zone is None:
        return None
    offset = _offset_micros(wall, zone)
    return wall - offset


_EPOCH = datetime(1970, 1, 1)


def _offset_micros(wall: int, zone: tzinfo) -> int:
    """The zone's offset at a wall clock; the earlier one in overlaps, the one before in gaps."""
    try:
        at = _EPOCH + timedelta(microseconds=wall)
    except OverflowError:
        at = datetime(1, 1, 2) if wall < 0 else datetime(9999, 12, 30)
    offset = at.replace(tzinfo=zone).utcoffset() or timedelta()
    return offset // timedelta(microseconds=1)


_OFFSET = re.compile(r"(?:UTC|GMT|UT)?([+-])([0-9]{1,2})(?::?([0-9]{1,2}))?(?::?([0-9]{1,2}))?")
_SHORT = {
    "Z": "UTC",
    "UTC": "UTC",
    "GMT": "UTC",
    "UT": "UTC",
    "PST": "America/Los_Angeles",
    "CST": "America/Chicago",
    "EST": "America/Panama",
    "MST": "America/Phoenix",
    "JST": "Asia/Tokyo",
    "IST": "Asia/Kolkata",
    "ECT": "Europe/Paris",
    "CET": "CET",
}


@lru_cache(maxsize=256)
def zone_of(name: str) -> tzinfo | None:
    """A zone by region, offset or short name; None when there is none."""
    found = _OFFSET.fullmatch(name)
    if found:
        sign, hours, minutes, seconds = found.groups()
        h, m, s = int(hours), int(minutes or 0), int(seconds or 0)
        if h > 18 or m > 59 or s > 59 or h * 3600 + m * 60 + s > 18 * 3600:
            return None
        shift = timedelta(hours=h, minutes=m, seconds=s)
        return timezone(-shift if sign == "-" else shift)
    try:
        return ZoneInfo(_SHORT.get(name, name))
    except (KeyError, ValueError, OSError):
        return None


_NOON = re.compile(r"(.*?)\s*([AaPp])[Mm]")


def time_nanos(text: str) -> int | None:
    """Nanoseconds since midnight of `[T][h]h:[m]m[:[s]s[.f]]`, or of that on a clock of twelve hours with AM or PM."""
    trimmed = text.strip(_BLANKS).removeprefix("T")
    noon = _NOON.fullmatch(trimmed)
    clock = _CLOCK.fullmatch(noon.group(1) if noon else trimmed)
    if not clock or clock.group(2) is None:
        return None
    micros = _clock_micros(clock)
    if micros is None:
        return None
    if noon:
        hour = int(clock.group(1))
        if not 1 <= hour <= 12:
            return None
        micros += (hour % 12 - hour + (12 if noon.group(2) in "pP" else 0)) * 3600 * SECOND
    return micros * 1000


_WORDS = re.compile(r"\s*([+-]?)\s*([0-9]+)(?:\.([0-9]{1,9}))?\s+([a-zA-Z]+)")
_WORD_UNITS = {
    "year": (12, 0, 0),
    "month": (1, 0, 0),
    "week": (0, 7, 0),
    "day": (0, 1, 0),
    "hour": (0, 0, 3_600 * SECOND),
    "minute": (0, 0, 60 * SECOND),
    "second": (0, 0, SECOND),
    "millisecond": (0, 0, 1000),
    "microsecond": (0, 0, 1),
}


def interval_words(text: str) -> tuple[int, int, int] | None:
    """(months, days, microseconds) of `[interval] 2 weeks -3 hours 1.5 seconds`."""
    trimmed = text.strip(_BLANKS)
    at = 8 if trimmed[:9].lower() in {"interval ", "interval\t"} else 0
    total, body = [0, 0, 0], trimmed[at:]
    if not body.strip():
        return None
    at = 0
    while at < len(body):
        found = _WORDS.match(body, at)
        if found is None:
            return None
        sign, whole, fraction, unit = found.groups()
        name = unit.lower().removesuffix("s")
        if name not in _WORD_UNITS or (fraction is not None and name != "second"):
            return None
        factor = -1 if sign == "-" else 1
        for i, size in enumerate(_WORD_UNITS[name]):
            total[i] += factor * int(whole) * size
        total[2] += factor * int((fraction or "").ljust(6, "0")[:6])
        at = found.end()
    return total[0], total[1], total[2]


_LITERAL = re.compile(r"interval\s*([+-]?)\s*'\s*(.*?)\s*'\s*([a-z]+(?:\s+to\s+[a-z]+)?)", re.IGNORECASE)


def _interval_body(text: str, start: str, end: str) -> tuple[int, str] | None:
    """Sign and body of an interval's text, which may stand in INTERVAL '...' of exactly these units."""
    trimmed = text.strip(_BLANKS)
    sign = 1
    found = _LITERAL.fullmatch(trimmed)
    if found:
        units = start if start == end else f"{start} to {end}"
        if " ".join(found.group(3).lower().split()) != units:
            return None
        sign = -1 if found.group(1) == "-" else 1
        trimmed = found.group(2)
    if trimmed[:1] in {"+", "-"}:
        sign *= -1 if trimmed[0] == "-" else 1
        trimmed = trimmed[1:]
    return sign, trimmed


def _fits(value: int, bits: int) -> bool:
    return -(1 << bits) <= value < 1 << bits


def year_month(text: str, start: str, end: str) -> int | None:
    """Months of `[+-]y-m`, or of a bare number for a one-unit interval."""
    parsed = _interval_body(text, start, end)
    if parsed is None:
        return None
    sign, body = parsed
    if start == end:
        months = int(body) * (12 if start == "year" else 1) if re.fullmatch("[0-9]+", body) else None
    else:
        found = re.fullmatch(r"([0-9]+)-([0-9]+)", body)
        months = (
            int(found.group(1)) * 12 + int(found.group(2)) if found and int(found.group(2)) < 12 else None
        )
    return sign * months if months is not None and _fits(sign * months, 31) else None


_UNITS = ("day", "hour", "minute", "second")
_UNIT_MICROS = (DAY, 3_600 * SECOND, 60 * SECOND, SECOND)
_UNIT_PATTERNS = ("([0-9]+)", "([0-9]{1,2})", "([0-9]{1,2})", r"([0-9]{1,2}(?:\.[0-9]{0,9})?)")
_UNIT_LIMITS = (None, 24, 60, 60)


def day_time(text: str, start: str, end: str) -> int | None:
    """Microseconds of `[+-]d h:m:s.f` cut to the interval's units."""
    parsed = _interval_body(text, start, end)
    if parsed is None:
        return None
    sign, body = parsed
    first, last = _UNITS.index(start), _UNITS.index(end)
    lead = r"([0-9]+(?:\.[0-9]{0,9})?)" if start == "second" else "([0-9]+)"
    pattern = lead
    for i in range(first + 1, last + 1):
        pattern += (" +" if i == 1 else ":") + _UNIT_PATTERNS[i]
    found = re.fullmatch(pattern, body)
    if not found:
        return None
    total = 0
    for i, part in zip(range(first, last + 1), found.groups(), strict=True):
        limit = _UNIT_LIMITS[i]
        if i > first and limit is not None and float(part) >= limit:
            return None
        whole, _, fraction = part.partition(".")
        total += int(whole) * _UNIT_MICROS[i] + int(fraction.ljust(6, "0")[:6] if fraction else 0)
    return sign * total if _fits(sign * total, 63) else None
