"""Literals as Spark shows them in automatic column names."""

from __future__ import annotations

import math
import struct
from decimal import Decimal as PyDecimal
from typing import TYPE_CHECKING, Any

from sqlshell import types as t
from sqlshell.types import DayTimeInterval, YearMonthInterval

if TYPE_CHECKING:
    from datetime import date, datetime, time

    from sqlshell.expr.expr import Literal

_SECONDS = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}


def java_double(value: float) -> str:
    """Java's `Double.toString`: plain between 1e-3 and 1e7, else `1.0E10`."""
    if math.isnan(value):
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        text = repr(value)
        return text if "e" not in text else f"{PyDecimal(text):f}"
    sign, digits, exponent = PyDecimal(repr(value)).as_tuple()
    shown = "".join(map(str, digits)).rstrip("0") or "0"
    return f"{'-' if sign else ''}{shown[0]}.{shown[1:] or '0'}E{int(exponent) + len(digits) - 1}"


def java_float(value: float) -> str:
    """Java's `Float.toString`: the fewest digits that name the same 32 bits."""
    bits = struct.pack("f", value)
    shown = next(t for p in range(1, 10) if struct.pack("f", float(t := f"{value:.{p}g}")) == bits)
    return java_double(float(shown))


def number(digits: str, suffix: str) -> str:
    """A number as written, without its suffix; doubles as Java prints them."""
    if suffix == "F":
        return java_float(float(digits))
    if suffix == "D" or ("e" in digits.lower() and suffix != "BD"):
        return java_double(float(digits))
    if "." in digits or "e" in digits.lower():
        return f"{PyDecimal(digits):f}"
    return str(int(digits))


def date_text(value: date) -> str:
    """DATE '2020-01-31'."""
    return f"DATE '{value.isoformat()}'"


def time_text(value: time) -> str:
    """TIME '10:00:00.5': no trailing zeros in the fraction."""
    text = value.isoformat()
    return f"TIME '{text.rstrip('0') if '.' in text else text}'"


def timestamp_text(word: str, value: datetime) -> str:
    """TIMESTAMP '2020-01-31 10:00:00.5': no trailing zeros in the fraction."""
    text = value.isoformat(sep=" ")
    return f"{word} '{text.rstrip('0') if '.' in text else text}'"


def interval(value: int, t: Any) -> str:
    """An interval literal in ANSI form: `INTERVAL '1 02' DAY TO HOUR`."""
    sign = "-" if value < 0 else ""
    units = t.start.upper() if t.start == t.end else f"{t.start.upper()} TO {t.end.upper()}"
    if isinstance(t, YearMonthInterval):
        years, months = divmod(abs(value), 12)
        shown = {"year": str(years), "month": str(abs(value))}.get(t.start if t.start == t.end else "")
        return f"INTERVAL '{sign}{shown or f'{years}-{months}'}' {units}"
    assert isinstance(t, DayTimeInterval)
    return f"INTERVAL '{sign}{_day_time(abs(value), t)}' {units}"


def _day_time(micros: int, t: DayTimeInterval) -> str:
    order = list(_SECONDS)
    used = order[order.index(t.start) : order.index(t.end) + 1]
    rest = micros
    out = ""
    for i, unit in enumerate(used):
        amount, rest = divmod(rest, _SECONDS[unit] * 1_000_000)
        # Every field but days is padded to two digits, a leading one too.
        out += ("" if i == 0 else " " if used[i - 1] == "day" else ":") + (
            str(amount) if unit == "day" else f"{amount:02d}"
        )
    if t.end == "second" and rest:
        out += "." + f"{rest:06d}".rstrip("0")
    return out


def sql_text(literal: Literal, zone: str = "UTC") -> str:
    """A literal as Spark SQL that reads back as the same value of the same type."""
    return _value_text(literal.value, literal.type, zone)


_SUFFIX = {"tinyint": "Y", "smallint": "S", "int": "", "bigint": "L"}
_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'"})


def _value_text(value: Any, s: t.SqlType, zone: str) -> str:
    if value is None:
        return "NULL" if isinstance(s, t.Void) else f"CAST(NULL AS {str(s).upper()})"
    match s:
        case t.Boolean():
            return "true" if value else "false"
        case t.Integral():
            return f"{value}{_SUFFIX[str(s)]}"
        case t.Float():
            return (
                f"CAST('{java_float(value)}' AS FLOAT)"
                if not math.isfinite(value)
                else f"{java_float(value)}F"
            )
        case t.Double():
            return (
                f"CAST('{java_double(value)}' AS DOUBLE)"
                if not math.isfinite(value)
                else f"{java_double(value)}D"
            )
        case t.Decimal():
            return f"CAST({value:f}BD AS {str(s).upper()})"
        case t.Binary():
            return f"X'{value.hex().upper()}'"
        case t.Date():
            return date_text(value)
        case t.Time():
            text = time_text(value)
            return text if s == t.TIME else f"CAST({text} AS {str(s).upper()})"
        case t.Timestamp():
            return timestamp_text("TIMESTAMP", _local(value, zone))
        case t.TimestampNtz():
            return timestamp_text("TIMESTAMP_NTZ", value)
        case t.DayTimeInterval() | t.YearMonthInterval():
            return interval(value, s)
        case t.Array():
            return f"ARRAY({', '.join(_value_text(v, s.element, zone) for v in value)})"
        case t.Map():
            entries = [
                x for k, v in value for x in (_value_text(k, s.key, zone), _value_text(v, s.value, zone))
            ]
            return f"MAP({', '.join(entries)})"
        case t.Struct():
            cells = zip(s.fields, value, strict=True)
            parts = [
                x
                for f, v in cells
                for x in (_value_text(f.name, t.STRING, zone), _value_text(v, f.type, zone))
            ]
            return f"NAMED_STRUCT({', '.join(parts)})"
    return "'" + str(value).translate(_ESCAPES) + "'"


def _local(value: datetime, zone: str) -> datetime:
    from datetime import UTC
    from zoneinfo import ZoneInfo

    return value.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
