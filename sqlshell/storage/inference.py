"""Column types from text values: what CSV inference and the search for malformed records share."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING

from sqlshell.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    STRING,
    TIMESTAMP,
    BigInt,
    Boolean,
    Date,
    Decimal,
    Double,
    Float,
    Int,
    Integral,
    SqlType,
    Timestamp,
    TimestampNtz,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_INTEGER = re.compile(r"[+-]?\d+\Z")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")
_SPECIAL = {"nan", "infinity", "+infinity", "-infinity", "inf", "-inf", "+inf"}
_TIMESTAMP = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}[T ]\d{1,2}:\d{1,2}(:\d{1,2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?\Z"
)
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}\Z")


def infer(values: Iterable[str]) -> SqlType:
    """The narrowest of int, bigint, double, boolean, date, timestamp and string that holds every value."""
    candidates: list[SqlType] = [INT, BIGINT, DOUBLE, BOOLEAN, DATE, TIMESTAMP]
    seen = False
    for value in values:
        seen = True
        candidates = [c for c in candidates if fits(value, c)]
        if not candidates:
            return STRING
    return candidates[0] if seen else STRING


def fits(value: str, sql_type: SqlType) -> bool:
    """Whether the text is a value of the type, as the CSV reader takes it (blanks around it are ignored)."""
    text = value.strip()
    match sql_type:
        case Int() | BigInt() | Integral():
            limit = 1 << (sql_type.bits - 1)
            return _INTEGER.match(text) is not None and -limit <= int(text) < limit
        case Double() | Float() | Decimal():
            return _NUMBER.match(text) is not None or text.lower() in _SPECIAL
        case Boolean():
            return text.lower() in {"true", "false"}
        case Date():
            return _DATE.match(text) is not None and _real(text, date)
        case Timestamp() | TimestampNtz():
            return (_TIMESTAMP.match(text) or _DATE.match(text)) is not None and _real(text[:10], date)
    return True


def _real(text: str, kind: type[date] | type[datetime]) -> bool:
    """Whether year, month and day make a real day."""
    try:
        year, month, day = (int(p) for p in re.split(r"[-T ]", text)[:3])
        kind(year, month, day)
    except ValueError:
        return False
    return True
