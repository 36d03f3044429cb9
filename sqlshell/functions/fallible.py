"""Which expressions may raise. One place, so that binder, optimizer and lowering agree.

A call is fallible when its registry row says so and its argument types do not rule failure out (a double sum
never overflows; an `int + int` widened to bigint does not either).
"""

from __future__ import annotations

from sqlshell.expr.expr import AggCall, Call, Cast, Expr, Lambda, Literal, PythonCall
from sqlshell.functions import registry
from sqlshell.functions.bounds import arithmetic_bounds, largest_step, type_bounds
from sqlshell.types import (
    Array,
    BigInt,
    Binary,
    Boolean,
    Date,
    Decimal,
    Fractional,
    Integral,
    Interval,
    Map,
    SqlType,
    String,
    Struct,
    Time,
    Timestamp,
    TimestampNtz,
    Variant,
    Void,
    integral_digits,
)


def can_fail(e: Expr) -> bool:
    """Whether evaluating `e` on some row may raise."""
    return any(_node_can_fail(n) for n in e.walk())


def _node_can_fail(n: object) -> bool:
    if isinstance(n, (Call, AggCall)):
        return call_can_fail(n)
    if isinstance(n, Cast):
        return not n.safe and cast_can_fail(n.arg.type, n.type)
    return isinstance(n, PythonCall)


def call_can_fail(call: Call | AggCall) -> bool:
    """Whether this very call (not its arguments; but its lambdas) may raise."""
    if any(isinstance(a, Lambda) and can_fail(a.body) for a in call.args):
        return True
    row = registry.get(call.fn)
    if not row.fallible:
        return False
    if call.fn in {"+", "-", "*"} and len(call.args) == 2:
        return _sum_can_fail(call)
    if call.fn in {"/", "%", "div"} and len(call.args) == 2:
        return _division_can_fail(call)
    if call.fn in {"like", "ilike"}:
        return not _is_valid_pattern(call)
    if call.fn == "negative":
        return not isinstance(call.type, (Fractional, Decimal))
    return True


def _is_valid_pattern(call: Call | AggCall) -> bool:
    """Whether a literal LIKE pattern uses its escape character well, which is all that can go wrong."""
    from sqlshell.functions.like import EscapeError, parse

    texts = [a.value for a in call.args[1:] if isinstance(a, Literal)]
    if len(texts) != len(call.args) - 1 or not all(isinstance(t, str) for t in texts):
        return False
    try:
        parse(texts[0], texts[1] if len(texts) > 1 else "\\")
    except EscapeError:
        return False
    return True


def _sum_can_fail(call: Call | AggCall) -> bool:
    t = call.type
    if isinstance(t, Fractional):
        return False
    if isinstance(t, Decimal):
        return decimal_can_overflow(call)
    if isinstance(t, Integral):
        return integer_can_overflow(call)
    return True


def decimal_can_overflow(call: Call | AggCall, op: str | None = None) -> bool:
    """Whether a decimal `+`, `-` or `*` may need more digits than its type has, or than an Int128 on the way."""
    op, result = op or call.fn, call.type
    a, b = (x.type for x in call.args)
    if not isinstance(a, Decimal) or not isinstance(b, Decimal) or not isinstance(result, Decimal):
        return True
    return _types_can_overflow(op, a, b, result) and _values_can_overflow(op, call)


def _types_can_overflow(op: str, a: Decimal, b: Decimal, result: Decimal) -> bool:
    if op == "*":
        return a.precision + b.precision > 38
    scale = max(a.scale, b.scale)
    digits = max(a.precision - a.scale, b.precision - b.scale) + scale + 1
    return digits > 38 or result.scale < scale


def _values_can_overflow(op: str, call: Call | AggCall) -> bool:
    if op != "*" and call.type.scale < max(a.type.scale for a in call.args):  # type: ignore[attr-defined]
        return True
    found, limits = arithmetic_bounds(op, call), type_bounds(call.type)
    fits = found is not None and limits[0] <= found[0] and found[1] <= limits[1]
    return not fits or largest_step(op, call) >= 10**38


def integer_can_overflow(call: Call | AggCall, op: str | None = None) -> bool:
    """Whether the arguments' bounds leave the type of an integer `+`, `-` or `*` (`op` for try_add...)."""
    found, limits = arithmetic_bounds(op or call.fn, call), type_bounds(call.type)
    return found is None or found[0] < limits[0] or found[1] > limits[1]


def _division_can_fail(call: Call | AggCall) -> bool:
    divisor, t = call.args[1], call.type
    if not isinstance(divisor, Literal) or divisor.value is None or divisor.value == 0:
        return True
    if isinstance(t, Decimal):
        a, b = call.args[0].type, divisor.type
        return (
            not isinstance(a, Decimal) or not isinstance(b, Decimal) or call.fn == "div" or t.precision == 38
        )
    return isinstance(t, (Integral, Interval)) and divisor.value == -1


def cast_can_fail(source: SqlType, target: SqlType) -> bool:
    """Whether an ANSI cast may raise on some value."""
    if (
        source == target
        or isinstance(source, Void)
        or (isinstance(target, Boolean) and not isinstance(source, (String, Variant)))
    ):
        return False
    if isinstance(target, String):
        return False
    if isinstance(source, (String, Variant)):
        return not isinstance(target, (String, Variant, Binary))
    if isinstance(target, Integral):
        return not (
            isinstance(source, Boolean) or (isinstance(source, Integral) and source.bits <= target.bits)
        )
    if isinstance(target, Fractional):
        return False
    if isinstance(target, Decimal):
        return _to_decimal_can_fail(source, target)
    if isinstance(source, (Date, Timestamp, TimestampNtz, Time)):
        return False
    if isinstance(source, Array) and isinstance(target, Array):
        return cast_can_fail(source.element, target.element)
    if isinstance(source, Map) and isinstance(target, Map):
        return cast_can_fail(source.key, target.key) or cast_can_fail(source.value, target.value)
    if isinstance(source, Struct) and isinstance(target, Struct):
        return any(cast_can_fail(a.type, b.type) for a, b in zip(source.fields, target.fields, strict=True))
    return True


def _to_decimal_can_fail(source: SqlType, target: Decimal) -> bool:
    if isinstance(source, Boolean):
        return target.precision == target.scale
    whole = target.precision - target.scale
    if isinstance(source, BigInt):
        return whole < 19
    if isinstance(source, Integral):
        return whole < integral_digits(source)
    if isinstance(source, Decimal):
        # Rounding away digits may carry into a new whole digit.
        carry = 1 if target.scale < source.scale else 0
        return whole < source.precision - source.scale + carry
    return True
