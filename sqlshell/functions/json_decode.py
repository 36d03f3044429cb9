"""from_json and schema_of_json: parsed JSON as values of a type. Runs in Python over distinct texts."""

from __future__ import annotations

import datetime as dt
import re
from decimal import ROUND_HALF_UP, Context
from decimal import Decimal as Number
from typing import Any

from sqlshell.functions import json_text
from sqlshell.types import (
    Array,
    Binary,
    Boolean,
    Date,
    Decimal,
    Fractional,
    Integral,
    Map,
    SqlType,
    String,
    Struct,
    Timestamp,
    TimestampNtz,
    Void,
)

_EXACT = Context(prec=200)
_DATE = re.compile(r"^(-?\d{4,})(?:-(\d{1,2}))?(?:-(\d{1,2}))?(?:[T ].*)?$")
_STAMP = re.compile(
    r"^(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?)?\s*(Z|[+-]\d{2}:?\d{2})?$"
)


class Mismatch(Exception):
    """The JSON value is none of the type."""


def convert(value: Any, t: SqlType, zone: dt.tzinfo) -> Any:
    """A parsed value as what polars stores for type `t`."""
    if value is None:
        return None
    if isinstance(t, Struct):
        return _struct(value, t, zone)
    if isinstance(t, Array):
        items = value if isinstance(value, list) else [value] if isinstance(t.element, Struct) else None
        if items is None:
            raise Mismatch
        return [convert(v, t.element, zone) for v in items]
    if isinstance(t, Map):
        if not isinstance(value, dict) or not isinstance(t.key, String):
            raise Mismatch
        return [{"key": k, "value": convert(v, t.value, zone)} for k, v in value.items()]
    return _leaf(value, t, zone)


def _struct(value: Any, t: Struct, zone: dt.tzinfo) -> dict[str, Any]:
    """Fields that do not fit are NULL, the others stay (PERMISSIVE)."""
    if not isinstance(value, dict):
        raise Mismatch
    out: dict[str, Any] = {}
    for f in t.fields:
        try:
            out[f.name] = convert(value.get(f.name), f.type, zone)
        except Mismatch:
            out[f.name] = None
    return out


def _leaf(value: Any, t: SqlType, zone: dt.tzinfo) -> Any:
    if isinstance(t, String):
        return value if isinstance(value, str) else json_text.render(value)
    if isinstance(t, Boolean):
        return _wanted(value, isinstance(value, bool))
    if isinstance(t, Integral):
        ok = isinstance(value, int) and not isinstance(value, bool)
        return _wanted(value, ok and -(1 << (t.bits - 1)) <= value < 1 << (t.bits - 1))
    if isinstance(t, Decimal):
        return _decimal(value, t)
    if isinstance(t, Fractional):
        return _double(value)
    if not isinstance(value, str):
        raise Mismatch
    if isinstance(t, Date):
        return _date(value)
    if isinstance(t, (Timestamp, TimestampNtz)):
        return _timestamp(value, t, zone)
    if isinstance(t, Binary):
        return _binary(value)
    if isinstance(t, Void):
        return None
    raise Mismatch


def _wanted(value: Any, ok: bool) -> Any:
    if not ok:
        raise Mismatch
    return value


def _decimal(value: Any, t: Decimal) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Mismatch
    try:
        number = Number(repr(value) if isinstance(value, float) else str(value))
    except ArithmeticError:
        raise Mismatch from None
    if not number.is_finite():
        raise Mismatch
    unscaled = int(number.scaleb(t.scale, _EXACT).quantize(Number(1), ROUND_HALF_UP, _EXACT))
    return int(_wanted(unscaled, abs(unscaled) < 10**t.precision))


def _double(value: Any) -> float:
    if isinstance(value, str) and value in (
        "NaN",
        "Infinity",
        "+Infinity",
        "-Infinity",
        "INF",
        "+INF",
        "-INF",
    ):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Mismatch
    try:
        return float(value)
    except OverflowError:
        raise Mismatch from None


def _date(text: str) -> dt.date:
    m = _DATE.match(text.strip())
    if m is None:
        raise Mismatch
    try:
        return dt.date(int(m.group(1)), int(m.group(2) or 1), int(m.group(3) or 1))
    except ValueError:
        raise Mismatch from None


def _timestamp(text: str, t: SqlType, zone: dt.tzinfo) -> dt.datetime:
    m = _STAMP.match(text.strip())
    if m is None:
        raise Mismatch
    year, month, day, hour, minute, second, fraction, offset = m.groups()
    micros = int((fraction or "").ljust(6, "0")[:6])
    try:
        wall = dt.datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), micros
        )
    except ValueError:
        raise Mismatch from None
    if isinstance(t, TimestampNtz):
        return wall
    return wall.replace(tzinfo=_offset(offset) if offset else zone).astimezone(dt.UTC)


def _offset(text: str) -> dt.tzinfo:
    if text == "Z":
        return dt.UTC
    digits = text.replace(":", "")
    span = dt.timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5]))
    return dt.timezone(-span if text[0] == "-" else span)


def _binary(text: str) -> bytes:
    import base64
    import binascii

    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Mismatch from None


def decode(text: str, t: SqlType, zone: dt.tzinfo) -> Any:
    """`from_json(text, t)`; a text that does not fit gives a struct of NULLs, or NULL for other types."""
    if not text.strip():
        return None
    value = json_text.parse(text)
    empty = {f.name: None for f in t.fields} if isinstance(t, Struct) else None
    if value is json_text.MISSING or value is None:
        return empty
    try:
        return convert(value, t, zone)
    except Mismatch:
        return empty


# Inference


def schema_ddl(value: Any) -> str:
    """The DDL of a parsed value, as schema_of_json prints it."""
    return _ddl(_infer(value))


def _infer(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _infer(v) for k, v in value.items()}
    if isinstance(value, list):
        merged: Any = None
        for v in value:
            merged = _merge(merged, _infer(v))
        return [merged]
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int):
        if -(1 << 63) <= value < 1 << 63:
            return "BIGINT"
        return f"DECIMAL({len(str(abs(value)))},0)" if len(str(abs(value))) <= 38 else "DOUBLE"
    if isinstance(value, float):
        return "DOUBLE"
    return None if value is None else "STRING"


def _merge(a: Any, b: Any) -> Any:
    if a is None or b is None or a == b:
        return b if a is None else a
    if isinstance(a, dict) and isinstance(b, dict):
        names = sorted({*a, *b})
        return {n: _merge(a.get(n), b.get(n)) for n in names}
    if isinstance(a, list) and isinstance(b, list):
        return [_merge(a[0], b[0])]
    numbers = ("BIGINT", "DOUBLE")
    return "DOUBLE" if a in numbers and b in numbers else "STRING"


def _ddl(t: Any) -> str:
    if isinstance(t, dict):
        return "STRUCT<" + ", ".join(f"{_name(n)}: {_ddl(x)}" for n, x in sorted(t.items())) + ">"
    if isinstance(t, list):
        return f"ARRAY<{_ddl(t[0])}>"
    return t or "STRING"


def _name(name: str) -> str:
    return name if name.isidentifier() else "`" + name.replace("`", "``") + "`"
