"""Values of constant expressions that need no worker: comparisons, logic, and dates moved by intervals.

Only what Python computes exactly as the kernels do; None means "ask a worker".
"""

from __future__ import annotations

import datetime
import re
from decimal import Decimal as PyDecimal
from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import FALSE, TRUE, Call, Cast, Expr, Literal
from sqlshell.types import (
    BOOLEAN,
    Boolean,
    Date,
    DayTimeInterval,
    Decimal,
    Integral,
    SqlType,
    String,
    YearMonthInterval,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_DAY = 86_400_000_000
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}
_STRICT = frozenset({*COMPARE, "+", "-", "*", "not"})


def literal_value(e: Expr) -> Literal | None:
    """The value of a call or cast of literals, when it is one of the simple forms."""
    if isinstance(e, Cast):
        return _cast(e)
    if not isinstance(e, Call):
        return None
    values = [a.value for a in e.args if isinstance(a, Literal)]
    if e.fn in _STRICT and any(v is None for v in values):
        return Literal(None, e.type)
    if len(values) != len(e.args):
        return None
    if e.fn in COMPARE:
        return _compare(e, values)
    if e.fn == "not":
        return FALSE if values[0] else TRUE
    if e.fn in {"isnull", "isnotnull"}:
        return TRUE if (values[0] is None) == (e.fn == "isnull") else FALSE
    if e.fn in _ARITHMETIC and len(values) == 2:
        return _sum(e, values[0], values[1]) or _moved_date(e, values[0], values[1])
    return None


def _sum(e: Call, a: Any, b: Any) -> Literal | None:
    """Exact arithmetic whose result needs no rounding and cannot overflow."""
    if not all(isinstance(x.type, Integral | Decimal) for x in e.args):
        return None
    return _exact(_ARITHMETIC[e.fn](a, b), e.type)


def _exact(value: Any, target: SqlType) -> Literal | None:
    """A literal of an exact type, when the value fits without rounding."""
    if isinstance(target, Integral):
        if not isinstance(value, int) or not -(1 << (target.bits - 1)) <= value < 1 << (target.bits - 1):
            return None
        return Literal(value, target)
    if not isinstance(target, Decimal):
        return None
    number = PyDecimal(value)
    exponent = number.as_tuple().exponent
    digits = len(number.as_tuple().digits)
    # Python computes with 28 digits by default: what has fewer was not rounded.
    if not isinstance(exponent, int) or digits > 27 or -exponent > target.scale:
        return None
    fits = abs(number) < 10 ** (target.precision - target.scale)
    return Literal(number, target) if fits else None


def _compare(e: Call, values: list[Any]) -> Literal | None:
    a, b = (x.type for x in e.args)
    if a != b or not isinstance(a, Integral | Boolean | Date | String | Decimal):
        return None
    if isinstance(a, String) and e.fn != "=":
        # Order of text is by UTF-8 bytes; Python's is by code point, which is the same.
        return _truth(COMPARE[e.fn](values[0].encode(), values[1].encode()))
    return _truth(COMPARE[e.fn](values[0], values[1]))


def _truth(value: bool) -> Literal:
    return Literal(value, BOOLEAN)


def _cast(e: Cast) -> Literal | None:
    if not isinstance(e.arg, Literal):
        return None
    value, source, target = e.arg.value, e.arg.type, e.type
    if value is None:
        return Literal(None, target)
    if isinstance(source, Integral) or (isinstance(source, Decimal) and isinstance(target, Decimal)):
        return _exact(value, target)
    if isinstance(source, String) and isinstance(target, Date) and _ISO.fullmatch(value):
        return _iso_date(value, target)
    if isinstance(source, String) and target == String():
        return Literal(value, target)
    return None


def _iso_date(text: str, target: SqlType) -> Literal | None:
    try:
        return Literal(datetime.date.fromisoformat(text), target)
    except ValueError:
        return None


def _moved_date(e: Call, a: Any, b: Any) -> Literal | None:
    """A date plus or minus a literal interval, inside the years Python knows."""
    left, right = (x.type for x in e.args)
    if not isinstance(e.type, Date) or not isinstance(left, Date):
        return None
    sign = 1 if e.fn == "+" else -1
    try:
        if isinstance(right, DayTimeInterval) and b % _DAY == 0:
            return Literal(a + datetime.timedelta(days=sign * b // _DAY), e.type)
        if isinstance(right, YearMonthInterval):
            return Literal(_add_months(a, sign * b), e.type)
    except (OverflowError, ValueError):
        return None
    return None


def _add_months(day: datetime.date, months: int) -> datetime.date:
    """The same day of a later month, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    following = datetime.date(year + (month == 11), (month + 1) % 12 + 1, 1)
    last = (following - datetime.timedelta(days=1)).day
    return datetime.date(year, month + 1, min(day.day, last))
