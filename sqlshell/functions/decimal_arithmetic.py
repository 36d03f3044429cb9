"""Decimal `+ - * / % div` on unscaled Int128 values.

Where the operands' digits prove that every step fits 38 digits the formula is plain Int128 arithmetic;
elsewhere `decimal_wide` computes each batch, in Int128 when its values are small enough, in Python integers
when they are not.
"""

from __future__ import annotations

from typing import Any

from sqlshell.functions import decimal_wide
from sqlshell.functions.fallible import decimal_can_overflow
from sqlshell.types import Decimal


def scaled_up(k: Any, i: int, e: Any, by: int) -> Any:
    """Argument `i` with `by` more digits after the point; a constant is scaled here."""
    pl = k.pl
    if k.is_literal(i) and k.literal(i) is not None:
        value = decimal_wide.unscaled(k.literal(i), k.type(i).scale) * 10**by
        if abs(value) < 1 << 127:
            return pl.lit(value, dtype=pl.Int128)
    return e * pl.lit(10**by, dtype=pl.Int128) if by else e


def round_half_up(pl: Any, e: Any, digits: int) -> Any:
    """An unscaled value without its last `digits` digits, halves away from zero; `e` is mentioned twice."""
    return e if digits <= 0 else _over_constant(pl, e, 10**digits)


def _over_constant(pl: Any, e: Any, divisor: int) -> Any:
    """e / divisor (above zero), halves away from zero; `e` is mentioned twice."""
    if divisor == 1:
        return e
    raised = e + pl.lit(divisor // 2, dtype=pl.Int128)
    if divisor % 2 == 0:
        # After floor division a negative half must have gone down, so its sum starts one lower.
        raised = raised - (e < 0).cast(pl.Int128)
    return raised // pl.lit(divisor, dtype=pl.Int128)


def lower(k: Any, op: str, a: Any, b: Any, safe: bool) -> Any:
    """A decimal operator whose operands have their own scales and whose result has the call's type."""
    if op in {"+", "-"}:
        return _add(k, op, a, b, safe)
    if op == "*":
        return _multiply(k, a, b, safe)
    return _divide_like(k, op, a, b, safe)


def _add(k: Any, op: str, a: Any, b: Any, safe: bool) -> Any:
    x, y = k.type(0), k.type(1)
    if decimal_can_overflow(k.call, op):
        return _wide(k, op, a, b, safe)
    scale = max(x.scale, y.scale)
    left = scaled_up(k, 0, a, scale - x.scale)
    right = scaled_up(k, 1, b, scale - y.scale)
    return left + right if op == "+" else left - right


def _multiply(k: Any, a: Any, b: Any, safe: bool) -> Any:
    x, y, result = k.type(0), k.type(1), k.call.type
    if decimal_can_overflow(k.call, "*"):
        return _wide(k, "*", a, b, safe)
    drop = x.scale + y.scale - result.scale
    if not drop:
        return a * b
    return k.let([a * b], lambda p: round_half_up(k.pl, p, drop))


def _divide_like(k: Any, op: str, a: Any, b: Any, safe: bool) -> Any:
    from sqlshell.functions.arithmetic import nonzero

    condition = "REMAINDER_BY_ZERO" if op == "%" else "DIVIDE_BY_ZERO"

    def checked(n: Any, d: Any) -> Any:
        divisor = nonzero(k, n, d, safe, condition)
        if _fits(k, op):
            return k.let([n, divisor], lambda u, v: _narrow(k, op, u, v))
        return _wide(k, op, n, divisor, safe)

    return k.let([a, b], checked)


def _fits(k: Any, op: str) -> bool:
    x, y, result = k.type(0), k.type(1), k.call.type
    if op == "/":
        up = result.scale - x.scale + y.scale
        return bool(up >= 0 and x.precision + up <= 38)
    scale = max(x.scale, y.scale)
    whole = x.precision - x.scale
    narrow = x.precision + scale - x.scale <= 38 and y.precision + scale - y.scale <= 38
    return bool(narrow and (op == "%" or whole + y.scale <= 18))


def _narrow(k: Any, op: str, n: Any, d: Any) -> Any:
    pl, x, y, result = k.pl, k.type(0), k.type(1), k.call.type
    if op == "/":
        divisor = k.literal(1)
        if divisor is not None and divisor > 0:
            up = scaled_up(k, 0, n, result.scale - x.scale + y.scale)
            return k.let([up], lambda u: _over_constant(pl, u, decimal_wide.unscaled(divisor, y.scale)))
        return half_up_quotient(k, scaled_up(k, 0, n, result.scale - x.scale + y.scale), d)
    scale = max(x.scale, y.scale)
    u, v = scaled_up(k, 0, n, scale - x.scale), scaled_up(k, 1, d, scale - y.scale)
    if op == "div":
        return u.truncdiv(v).cast(pl.Int64)
    rest = k.let([u, v], lambda p, q: p - p.truncdiv(q) * q)
    return k.let([rest], lambda r: round_half_up(pl, r, scale - result.scale))


def half_up_quotient(k: Any, n: Any, d: Any) -> Any:
    """n / d as a whole Int128, halves away from zero."""
    pl = k.pl

    def finish(u: Any, v: Any, q: Any, r: Any) -> Any:
        # |r| * 2 would overflow next to 10^38.
        up = r.abs() >= v.abs() - r.abs()
        away = pl.when((u < 0) == (v < 0)).then(pl.lit(1, pl.Int128)).otherwise(pl.lit(-1, pl.Int128))
        return q + pl.when(up).then(away).otherwise(pl.lit(0, pl.Int128))

    def with_quotient(u: Any, v: Any) -> Any:
        return k.let([u, v, u.truncdiv(v)], lambda x, y, q: k.let([x, y, q, x - q * y], finish))

    return k.let([n, d], with_quotient)


def _wide(k: Any, op: str, a: Any, b: Any, safe: bool) -> Any:
    """Any operator, by batches; NULL where the result has too many digits, which then raises."""
    pl, x, y, result = k.pl, k.type(0), k.type(1), k.call.type
    kind = k.dtype(result)
    run = decimal_wide.batch(pl, op, x, y, result)

    def compute(n: Any, d: Any) -> Any:
        pair = pl.struct(n.alias("n"), d.alias("d"))
        return pair.map_batches(run, return_dtype=kind, is_elementwise=True)

    if safe:
        return compute(a, b)

    def finish(n: Any, d: Any, r: Any) -> Any:
        bad = r.is_null() & n.is_not_null() & d.is_not_null()
        if not isinstance(result, Decimal):
            return k.raise_if(bad, "ARITHMETIC_OVERFLOW", r, "long")
        return k.raise_if(bad, "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", r, _ddl(result))

    return k.let([a, b], lambda n, d: k.let([n, d, compute(n, d)], finish))


def _ddl(t: Decimal) -> str:
    return f"Decimal({t.precision}, {t.scale})"
