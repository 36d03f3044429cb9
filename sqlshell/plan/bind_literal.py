"""Literals with Spark's types: numbers, text, binary, dates, timestamps, intervals."""

from __future__ import annotations

import math
import re
import struct
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as PyDecimal
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import NotSupportedError, ParseError
from sqlshell.expr.expr import Literal
from sqlshell.parser.parse import split_number
from sqlshell.plan.bind_util import span_of, text_of, unsupported
from sqlshell.types import (
    BIGINT,
    BINARY,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    MAX_PRECISION,
    SMALLINT,
    STRING,
    TIME,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    TINYINT,
    DayTimeInterval,
    Decimal,
    Integral,
    SqlType,
    YearMonthInterval,
)

if TYPE_CHECKING:
    from sqlshell.errors import Span

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?)?\Z")
_DIGITS = re.compile(r"\d{1,38}(?:\.\d{1,38})?\Z")
_EXPONENT = re.compile(r"[eE]")

MICROS = {
    "microsecond": 1,
    "millisecond": 1_000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
    "week": 7 * 86_400_000_000,
}
MONTHS = {"month": 1, "year": 12}
_DAY_TIME_ORDER = ("day", "hour", "minute", "second")
_FIELD_OF = {"week": "day", "millisecond": "second", "microsecond": "second"}


def number(text: str, span: Span | None) -> Literal:
    """`1` int, `3000000000` bigint, `1.5` decimal(2,1), `1e3` double, `1L` bigint, as Spark types them."""
    digits, suffix = split_number(text)
    if suffix in _INTEGER_SUFFIX:
        return _sized(digits, suffix, text, span)
    if suffix == "BD":
        return decimal(digits, span)
    if suffix in {"D", "F"}:
        return _float(float(digits), suffix, text, span)
    if _EXPONENT.search(digits):
        return _float(float(digits), "D", text, span)
    if "." not in digits:
        value = int(digits)
        if -(2**31) <= value < 2**31:
            return Literal(value, INT)
        if -(2**63) <= value < 2**63:
            return Literal(value, BIGINT)
    return decimal(digits, span)


_INTEGER_SUFFIX = {"L": BIGINT, "S": SMALLINT, "Y": TINYINT}


def _sized(digits: str, suffix: str, text: str, span: Span | None) -> Literal:
    to = _INTEGER_SUFFIX[suffix]
    if digits.lstrip("-").isdigit() and -(2 ** (to.bits - 1)) <= int(digits) < 2 ** (to.bits - 1):
        return Literal(int(digits), to)
    raise _out_of_range(text, str(to), span)


def _float(value: float, suffix: str, text: str, span: Span | None) -> Literal:
    if suffix == "F":
        try:
            value = float(struct.unpack("f", struct.pack("f", value))[0])
        except OverflowError:
            value = math.inf
    if math.isinf(value):
        raise _out_of_range(text, "float" if suffix == "F" else "double", span)
    return Literal(value, FLOAT if suffix == "F" else DOUBLE)


def _out_of_range(text: str, name: str, span: Span | None) -> ParseError:
    return ParseError(
        f"the number {text} is outside the range of {name}",
        condition="INVALID_NUMERIC_LITERAL_RANGE",
        span=span,
    )


def decimal(text: str, span: Span | None) -> Literal:
    """A decimal literal with the precision its digits need."""
    value = PyDecimal(text)
    digits, exponent = value.as_tuple().digits, value.as_tuple().exponent
    scale = max(0, -int(exponent))
    precision = max(len(digits) + max(0, int(exponent)), scale, 1)
    if precision > MAX_PRECISION:
        raise ParseError(
            f"the number {text} has {precision} digits, more than {MAX_PRECISION}",
            condition="DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION",
            span=span,
        )
    return Literal(value, Decimal(precision, scale))


def plain(node: Any) -> Literal:
    """A string or number token."""
    return Literal(node.this, STRING) if node.is_string else number(node.this, span_of(node))


def negative(node: Any) -> Literal | None:
    """`-5` as one literal (so that -2147483648 is an int); None when `node` negates something else."""
    inner = node.this
    if isinstance(inner, exp.Literal) and not inner.is_string:
        return number("-" + inner.this, span_of(inner))
    return None


def binary(node: Any) -> Literal:
    """X'1F'; an odd number of digits gets a leading zero."""
    text = node.this
    try:
        return Literal(bytes.fromhex("0" * (len(text) % 2) + text), BINARY)
    except ValueError:
        raise ParseError(f"X'{text}' is not hexadecimal", condition="INVALID_TYPED_LITERAL") from None


def fold_cast(value: Literal, to: SqlType, zone: str) -> Literal | None:
    """A cast of a literal done here when plainly right; None leaves it to the engine (and its errors)."""
    v = value.value
    if v is None:
        return Literal(None, to)
    if isinstance(to, Integral) and isinstance(value.type, Integral):
        return Literal(v, to) if -(2 ** (to.bits - 1)) <= v < 2 ** (to.bits - 1) else None
    if to == DOUBLE and isinstance(value.type, (Integral, Decimal)):
        return Literal(float(v), DOUBLE)
    if value.type != STRING:
        return None
    if isinstance(to, Decimal) and _DIGITS.match(v):
        exact = decimal(v, None)
        return exact if exact.type == to else None
    try:
        if to == DATE and _DATE.match(v):
            return Literal(date.fromisoformat(v), DATE)
        if to == TIMESTAMP_NTZ and _TIMESTAMP.match(v):
            return Literal(_wall_clock(v), TIMESTAMP_NTZ)
        if to == TIMESTAMP and _TIMESTAMP.match(v):
            from zoneinfo import ZoneInfo

            local = _wall_clock(v).replace(tzinfo=ZoneInfo(zone))
            return Literal(local.astimezone(UTC).replace(tzinfo=None), TIMESTAMP)
    except (ValueError, KeyError, OverflowError):
        return None
    return None


_NANOS = re.compile(r"\.\d{7}")
_SPECIAL = ("epoch", "now", "today", "tomorrow", "yesterday")


def typed(text: str, to: SqlType, zone: str, span: Span | None) -> Literal | None:
    """`DATE '2024-3'`, `TIMESTAMP '2024-01-01 10:00+02:00'`; None for types and values left to the engine.

    Raises INVALID_TYPED_LITERAL for a text that is no such value.
    """
    from sqlshell import text_values

    if text.strip().lower() in _SPECIAL or to not in (DATE, TIME, TIMESTAMP, TIMESTAMP_NTZ):
        return None
    if to == TIME:
        if _NANOS.search(text):
            raise NotSupportedError("a time has at most 6 digits of a second", span=span)
        nanos = text_values.time_nanos(text)
        found = None if nanos is None else nanos // 1000
    elif to == DATE:
        found = text_values.date_days(text)
    elif to == TIMESTAMP_NTZ:
        found = text_values.wall_micros(text)
    else:
        found = text_values.timestamp_micros(text, zone)
    if found is None:
        raise ParseError(
            f"'{text}' is not a value of the type {to}", condition="INVALID_TYPED_LITERAL", span=span
        )
    try:
        if to == DATE:
            return Literal(date(1970, 1, 1) + timedelta(days=found), DATE)
        moment = datetime(1970, 1, 1) + timedelta(microseconds=found)
        return Literal(moment.time() if to == TIME else moment, to)
    except OverflowError:  # years that Python has not
        return None


def _wall_clock(text: str) -> datetime:
    head, dot, fraction = text.partition(".")
    return datetime.fromisoformat(head + dot + fraction.ljust(6, "0") if dot else head)


def interval(node: Any) -> Literal:
    """INTERVAL '1' DAY, INTERVAL 3 MONTHS, INTERVAL '1-2' YEAR TO MONTH, INTERVAL '1 day 2 hours'."""
    text, unit = _interval_text(node.this), node.args.get("unit")
    if isinstance(unit, exp.IntervalSpan):
        return _unit_to_unit(node, text, unit.this.name.lower(), unit.expression.name.lower())
    if unit is None:
        return _words(node, text)
    return _sum(node, [(text, _unit(unit.name, node))])


def _interval_text(value: Any) -> str:
    if isinstance(value, exp.Neg):
        return "-" + _interval_text(value.this)
    if isinstance(value, exp.Literal):
        return str(value.this).strip()
    raise unsupported(
        value, "an interval over an expression (write make_dt_interval or value * INTERVAL '1' DAY)"
    )


def _unit(name: str, node: Any) -> str:
    lowered = name.lower()
    if lowered.endswith("s"):
        lowered = lowered[:-1]
    if lowered not in MICROS and lowered not in MONTHS:
        raise ParseError(
            f"`{name}` is not an interval unit", condition="INVALID_INTERVAL_FORMAT", span=span_of(node)
        )
    return lowered


def _bad(node: Any) -> ParseError:
    return ParseError(
        f"not a valid interval: {text_of(node)}", condition="INVALID_INTERVAL_FORMAT", span=span_of(node)
    )


def _words(node: Any, text: str) -> Literal:
    words = re.sub(r"^interval\s+", "", text, flags=re.IGNORECASE).split()
    if not words or len(words) % 2:
        raise _bad(node)
    return _sum(node, [(words[i], _unit(words[i + 1], node)) for i in range(0, len(words), 2)])


def _sum(node: Any, parts: list[tuple[str, str]]) -> Literal:
    """Amounts of units added up; the type spans the units used."""
    try:
        if all(u in MONTHS for _, u in parts):
            months = sum(int(text) * MONTHS[u] for text, u in parts)
            units = {u for _, u in parts}
            return Literal(
                months,
                YearMonthInterval(
                    "year" if "year" in units else "month", "month" if "month" in units else "year"
                ),
            )
        if any(u in MONTHS for _, u in parts):
            raise ParseError(
                "an interval cannot mix years or months with days or smaller units",
                condition="INVALID_INTERVAL_FORMAT",
                span=span_of(node),
            )
        micros = sum(int(PyDecimal(text) * MICROS[u]) for text, u in parts)
        if any("." in text and u not in {"second", "millisecond"} for text, u in parts):
            raise _bad(node)
    except (ValueError, ArithmeticError):
        raise _bad(node) from None
    used = sorted({_DAY_TIME_ORDER.index(_FIELD_OF.get(u, u)) for _, u in parts})
    return Literal(micros, DayTimeInterval(_DAY_TIME_ORDER[used[0]], _DAY_TIME_ORDER[used[-1]]))


def _unit_to_unit(node: Any, text: str, start: str, end: str) -> Literal:
    from sqlshell import text_values

    sign = -1 if text.startswith("-") else 1
    body = text.lstrip("+-")
    if (start, end) == ("year", "month"):
        m = re.match(r"(\d+)-(\d+)\Z", body)
        if m is None or int(m[2]) > 11:
            raise _bad(node)
        return Literal(sign * (int(m[1]) * 12 + int(m[2])), YearMonthInterval("year", "month"))
    if start not in _DAY_TIME_ORDER or end not in _DAY_TIME_ORDER:
        raise _bad(node)
    if _DAY_TIME_ORDER.index(start) >= _DAY_TIME_ORDER.index(end):
        raise _bad(node)
    micros = text_values.day_time(text, start, end)
    if micros is None:
        raise _bad(node)
    return Literal(micros, DayTimeInterval(start, end))
