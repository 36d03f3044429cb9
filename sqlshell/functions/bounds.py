"""The least and greatest value an integer or decimal expression can have; decimals as unscaled integers.

From literals, from file statistics (`Column.bounds`), from types where nothing better is known. Overflow checks
are left out where bounds rule overflow out.
"""

from __future__ import annotations

from decimal import Context
from decimal import Decimal as PyDecimal
from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import Call, Case, Cast, Column, Expr, Literal
from sqlshell.types import Decimal, Integral

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.types import SqlType

Bounds = tuple[int, int]

_EXACT = Context(prec=80)

_KNOWN = {
    "year": (-300_000, 300_000),
    "month": (1, 12),
    "day": (1, 31),
    "dayofmonth": (1, 31),
    "quarter": (1, 4),
    "hour": (0, 23),
    "minute": (0, 59),
    "second": (0, 59),
    "length": (0, 1 << 31),
}


def bounds(e: Expr) -> Bounds:
    """Bounds of an integer or decimal expression, before any overflow check of its own."""
    cached: Bounds | None = e.__dict__.get("_bounds")
    if cached is None:
        found = _bounds(e)
        limits = type_bounds(e.type)
        is_arithmetic = isinstance(e, Call) and e.fn in _ARITHMETIC
        cached = limits if found is None else found if is_arithmetic else _clip(found, limits)
        e.__dict__["_bounds"] = cached
    return cached


def argument_bounds(e: Expr) -> Bounds:
    """Bounds of an expression whose own overflow check has passed."""
    return _clip(bounds(e), type_bounds(e.type))


def type_bounds(t: SqlType) -> Bounds:
    """All values of a type."""
    if isinstance(t, Decimal):
        top = 10**t.precision - 1
        return -top, top
    top = (1 << (t.bits - 1 if isinstance(t, Integral) else 63)) - 1
    return -top - 1, top


def has_bounds(t: SqlType) -> bool:
    """Whether values of a type have bounds here."""
    return isinstance(t, (Integral, Decimal))


def unscaled(value: Any, t: SqlType) -> int | None:
    """A value as the integer that stands for it in type `t`; None when there is none."""
    if isinstance(value, bool) or not isinstance(value, int | PyDecimal):
        return None
    if not isinstance(t, Decimal):
        return value if isinstance(value, int) else None
    whole = PyDecimal(value).scaleb(t.scale, _EXACT)
    return int(whole) if whole == whole.to_integral_value() else None


def hull(parts: Iterable[Bounds]) -> Bounds:
    """The smallest bounds around all parts."""
    lows, highs = zip(*parts, strict=True)
    return min(lows), max(highs)


def _clip(b: Bounds, limits: Bounds) -> Bounds:
    return max(b[0], limits[0]), min(b[1], limits[1])


def _bounds(e: Expr) -> Bounds | None:
    match e:
        case Literal():
            value = unscaled(e.value, e.type)
            return None if value is None else (value, value)
        case Column():
            return e.bounds
        case Cast() if not e.safe and has_bounds(e.arg.type):
            return _rescaled(argument_bounds(e.arg), _scale(e.arg.type), _scale(e.type))
        case Case():
            values = [b.value for b in e.branches] + [e.otherwise]
            known = [v for v in values if not (isinstance(v, Literal) and v.value is None)]
            return hull(map(argument_bounds, known)) if known else None
        case Call(fn="coalesce"):
            return hull(map(argument_bounds, e.args))
        case Call() if e.fn in _ARITHMETIC and len(e.args) == 2:
            return arithmetic_bounds(e.fn, e)
        case Call():
            return _KNOWN.get(e.fn)
    return None


_ARITHMETIC = frozenset({"+", "-", "*"})


def arithmetic_bounds(op: str, call: Any) -> Bounds | None:
    """Bounds of `a op b` in the result's scale, before its overflow check; None for operands without bounds."""
    if not has_bounds(call.type) or not all(has_bounds(x.type) for x in call.args):
        return None
    (a, b), scales = map(argument_bounds, call.args), [_scale(x.type) for x in call.args]
    if op == "*":
        corners = [x * y for x in a for y in b]
        return _rescaled((min(corners), max(corners)), sum(scales), _scale(call.type))
    scale = max(scales)
    a, b = _rescaled(a, scales[0], scale), _rescaled(b, scales[1], scale)
    out = (a[0] + b[0], a[1] + b[1]) if op == "+" else (a[0] - b[1], a[1] - b[0])
    return _rescaled(out, scale, _scale(call.type))


def largest_step(op: str, call: Any) -> int:
    """The largest absolute integer that computing the decimal `a op b` meets, before digits are dropped."""
    a, b = (max(map(abs, argument_bounds(x))) for x in call.args)
    scales = [_scale(x.type) for x in call.args]
    if op == "*":
        return a * b
    scale = max(scales)
    return int(a * 10 ** (scale - scales[0]) + b * 10 ** (scale - scales[1]))


def _scale(t: SqlType) -> int:
    return t.scale if isinstance(t, Decimal) else 0


def _rescaled(b: Bounds, old: int, new: int) -> Bounds:
    if new >= old:
        factor = 10 ** (new - old)
        return b[0] * factor, b[1] * factor
    factor = 10 ** (old - new)
    return b[0] // factor - 1, b[1] // factor + 1
