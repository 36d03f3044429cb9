"""`+ - * / % div` and negation on integers and floats, and the choice between the families of operands.

ANSI: integers raise ARITHMETIC_OVERFLOW, a zero divisor DIVIDE_BY_ZERO. A check is left out where the types
(or the literals) rule failure out. The `try_` forms give NULL instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.functions import decimal_arithmetic, interval_arithmetic
from sqlshell.functions.common import divisor
from sqlshell.functions.fallible import integer_can_overflow
from sqlshell.types import CalendarInterval, Decimal, Float, Fractional, Integral, Interval, Temporal

if TYPE_CHECKING:
    from collections.abc import Callable

_FAR = 1e18
"""An exact int64 product differs from the float one by far less, a wrapped one by far more."""


def operator(op: str, safe: bool = False) -> Callable[..., Any]:
    """The lowering of a binary arithmetic operator; `safe` gives NULL where it would raise."""

    def lower(k: Any, a: Any, b: Any) -> Any:
        left, right = k.type(0), k.type(1)
        if isinstance(left, CalendarInterval) or isinstance(right, CalendarInterval):
            from sqlshell.functions import calendar_interval

            return calendar_interval.lower(k, op, a, b, safe)
        if isinstance(left, (Temporal, Interval)) or isinstance(right, Interval):
            return interval_arithmetic.lower(k, op, a, b, safe)
        if isinstance(left, Decimal) and isinstance(right, Decimal):
            return decimal_arithmetic.lower(k, op, a, b, safe)
        if op == "/":
            return _divide(k, a, b, safe)
        if op == "%":
            return _remainder(k, a, b, safe)
        if op == "div":
            return _integral_divide(k, a, b, safe)
        return _plain(k, op, a, b, safe)

    return lower


def checked(k: Any, bad: Any, condition: str, value: Any, safe: bool, *details: Any) -> Any:
    """`value` where `bad` does not hold; elsewhere NULL (safe) or an error."""
    if safe:
        return k.pl.when(~bad.fill_null(value=False)).then(value)
    return k.raise_if(bad, condition, value, *details)


def _apply(op: str, a: Any, b: Any) -> Any:
    if op == "+":
        return a + b
    return a - b if op == "-" else a * b


def _plain(k: Any, op: str, a: Any, b: Any, safe: bool) -> Any:
    t = k.call.type
    if isinstance(t, Fractional) or not integer_can_overflow(k.call, op):
        return _apply(op, a, b)
    if t.bits < 64:
        return _widened(k, op, a, b, safe)
    overflow = _BIG[op]

    def share(x: Any, y: Any) -> Any:
        return k.let([x, y, _apply(op, x, y)], finish)

    def finish(x: Any, y: Any, r: Any) -> Any:
        return checked(k, overflow(k.pl, x, y, r), "ARITHMETIC_OVERFLOW", r, safe, "long", op)

    return k.let([a, b], share)


_BIG: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    # Both operands differ in sign from the sum only if it wrapped.
    "+": lambda pl, x, y, r: ((x ^ r) & (y ^ r)) < 0,
    "-": lambda pl, x, y, r: ((x ^ y) & (x ^ r)) < 0,
    "*": lambda pl, x, y, r: (x.cast(pl.Float64) * y.cast(pl.Float64) - r.cast(pl.Float64)).abs() > _FAR,
}


def _widened(k: Any, op: str, a: Any, b: Any, safe: bool) -> Any:
    """Integers of at most 32 bits: compute in 64 and see whether it fits."""
    pl, bits = k.pl, k.call.type.bits
    top = (1 << (bits - 1)) - 1
    wide = _apply(op, a.cast(pl.Int64), b.cast(pl.Int64))

    def finish(r: Any) -> Any:
        narrow = r.cast(k.dtype(k.call.type), wrap_numerical=True)
        condition = "ARITHMETIC_OVERFLOW" if bits == 32 else "BINARY_ARITHMETIC_OVERFLOW"
        name = "integer" if bits == 32 else str(k.call.type)
        return checked(k, (r > top) | (r < -top - 1), condition, narrow, safe, name, op)

    return k.let([wide], finish)


def nonzero(k: Any, dividend: Any, divisor: Any, safe: bool, condition: str = "DIVIDE_BY_ZERO") -> Any:
    """The divisor, not zero; NULL / 0 is NULL, not an error."""
    if k.is_literal(1) and k.literal(1) is not None and k.literal(1) != 0:
        return divisor
    if safe:
        return k.let([divisor], lambda d: k.pl.when(d != 0).then(d))
    return k.let(
        [dividend, divisor],
        lambda n, d: k.raise_if((d == 0) & n.is_not_null(), condition, d),
    )


def _divide(k: Any, a: Any, b: Any, safe: bool) -> Any:
    if not k.is_literal(1):
        return k.let([a, b], lambda n, d: n / nonzero(k, n, d, safe))
    return k.let([a], lambda n: n / divisor(k, nonzero(k, n, b, safe), n))


def _remainder(k: Any, a: Any, b: Any, safe: bool) -> Any:
    t = k.call.type

    def finish(n: Any, d: Any) -> Any:
        divisor = nonzero(k, n, d, safe, "REMAINDER_BY_ZERO")
        return float_remainder(k, n, divisor) if isinstance(t, Fractional) else n.truncdiv(divisor)

    if isinstance(t, Fractional):
        return k.let([a, b], finish)

    def whole(n: Any, d: Any) -> Any:
        return k.let([n, d, finish(n, d)], lambda x, y, q: x - q * y)

    return k.let([a, b], whole)


def float_remainder(k: Any, a: Any, b: Any) -> Any:
    """C's fmod: the sign of the dividend, exact. (Polars' `%` on floats subtracts a rounded multiple.)"""
    pl = k.pl
    kind = pl.Float32 if isinstance(k.call.type, Float) else pl.Float64

    def run(s: Any) -> Any:
        import numpy as np

        n, d = s.struct.unnest()
        with np.errstate(invalid="ignore", divide="ignore"):
            out = pl.Series(np.fmod(n.to_numpy(), d.to_numpy()), dtype=kind)
        missing = n.is_null() | d.is_null()
        return out if not missing.any() else pl.select(pl.when(~missing).then(out)).to_series()

    pair = pl.struct(a.alias("n"), b.alias("d"))
    return pair.map_batches(run, return_dtype=kind, is_elementwise=True)


def _integral_divide(k: Any, a: Any, b: Any, safe: bool) -> Any:
    def finish(n: Any, d: Any) -> Any:
        quotient = n.truncdiv(nonzero(k, n, d, safe))
        if k.is_literal(1) and k.literal(1) != -1:
            return quotient
        bad = (d == -1) & (n == -(1 << 63))
        return checked(k, bad, "ARITHMETIC_OVERFLOW", quotient, safe, "long")

    return k.let([a, b], finish)


def negative(k: Any, a: Any) -> Any:
    """`-a`."""
    t = k.type(0)
    if isinstance(t, Interval):
        return interval_arithmetic.negative(k, a)
    if isinstance(t, CalendarInterval):
        from sqlshell.functions import calendar_interval

        return calendar_interval.negative(k, a)
    if isinstance(t, Decimal):
        return k.pl.lit(0, dtype=k.pl.Int128) - a  # polars has no `-` for Int128
    if not isinstance(t, Integral):
        return -a
    least = k.pl.lit(-(1 << (t.bits - 1)), dtype=k.dtype(t))
    name = "long" if t.bits == 64 else "integer" if t.bits == 32 else str(t)
    return k.let([a], lambda v: k.raise_if(v == least, "ARITHMETIC_OVERFLOW", -v, name))
