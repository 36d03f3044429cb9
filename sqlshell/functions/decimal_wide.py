"""Decimal arithmetic whose steps may leave 128 bits, one batch at a time.

A batch whose largest values prove that everything fits stays in Int128 columns; otherwise Python integers
decide row by row. Both give NULL where the result needs more digits than its type has.
"""

from __future__ import annotations

from decimal import Decimal as PyDecimal
from typing import TYPE_CHECKING, Any

from sqlshell.errors import InternalError
from sqlshell.types import Decimal

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.types import SqlType

_LIMIT = 1 << 126


def unscaled(value: PyDecimal | int, scale: int) -> int:
    """`value` times 10^scale, exactly; it must be a whole number."""
    sign, digits, exponent = PyDecimal(value).as_tuple()
    shift = scale + int(exponent)
    number = int("".join(map(str, digits)))
    if shift >= 0:
        number *= int(10**shift)
    else:
        number, rest = divmod(number, int(10**-shift))
        if rest:
            raise InternalError(f"{value} does not fit scale {scale}")
    return -number if sign else number


def half_up(n: int, d: int) -> int:
    """n / d rounded half away from zero."""
    q, r = divmod(abs(n), abs(d))
    q += 2 * r >= abs(d)
    return q if (n < 0) == (d < 0) else -q


def truncated(n: int, d: int) -> int:
    """n / d rounded towards zero."""
    q = abs(n) // abs(d)
    return q if (n < 0) == (d < 0) else -q


def exact(op: str, x: Decimal, y: Decimal, result: SqlType) -> Callable[[int, int], int | None]:
    """`op` on unscaled Python integers; None past the result's digits."""
    scale = max(x.scale, y.scale)
    up, vp = 10 ** (scale - x.scale), 10 ** (scale - y.scale)
    out = result.scale if isinstance(result, Decimal) else 0
    limit = 10**result.precision if isinstance(result, Decimal) else 1 << 63

    def rescaled(n: int, from_scale: int) -> int:
        return n * 10 ** (out - from_scale) if out >= from_scale else half_up(n, 10 ** (from_scale - out))

    def compute(a: int, b: int) -> int:
        if op == "+":
            return rescaled(a * up + b * vp, scale)
        if op == "-":
            return rescaled(a * up - b * vp, scale)
        if op == "*":
            return rescaled(a * b, x.scale + y.scale)
        if op == "/":
            # Spark divides to 39 digits after the point first, then rounds to the result's scale.
            wide = half_up(a * 10 ** (39 + y.scale), b * 10**x.scale)
            return half_up(wide, 10 ** (39 - out))
        if op == "div":
            return truncated(a * up, b * vp)
        u, v = a * up, b * vp
        return rescaled(u - truncated(u, v) * v, scale)

    def checked(a: int, b: int) -> int | None:
        value = compute(a, b)
        return value if -limit < value < limit else None

    return checked


def batch(pl: Any, op: str, x: Decimal, y: Decimal, result: SqlType) -> Callable[[Any], Any]:
    """The function that computes one batch of a struct of `n` and `d`."""
    one = exact(op, x, y, result)
    kind = pl.Int128 if isinstance(result, Decimal) else pl.Int64

    def run(s: Any) -> Any:
        n, d = s.struct.unnest()
        if len(n) == 0:
            return pl.Series([], dtype=kind)
        if isinstance(result, Decimal) and _fits(op, x, y, result, n, d):
            return _vectorised(pl, op, x, y, result, n, d)
        pairs = zip(n.to_list(), d.to_list(), strict=True)
        values = [
            None if a is None or b is None or (b == 0 and op in "/%div") else one(a, b) for a, b in pairs
        ]
        return pl.Series(values, dtype=kind)

    return run


def _fits(op: str, x: Decimal, y: Decimal, result: Decimal, n: Any, d: Any) -> bool:
    """Whether the batch can stay in Int128; a side's values are looked at only where its type is too wide."""
    bounds = [10**x.precision, 10**y.precision]
    for i in (0, 1) if x.precision >= y.precision else (1, 0):
        values = (n, d)[i]
        bounds[i] = max(abs(values.max() or 0), abs(values.min() or 0))
        if _small(op, x, y, result, *bounds):
            return True
    return False


def _small(op: str, x: Decimal, y: Decimal, result: Decimal, a: int, b: int) -> bool:
    """Whether no value on the way, nor the result, can leave its bounds when |left| <= a and |right| <= b."""
    scale = max(x.scale, y.scale)
    top = min(_LIMIT, 10**result.precision)
    if op in {"+", "-"}:
        return bool(a * 10 ** (scale - x.scale) + b * 10 ** (scale - y.scale) < top)
    if op == "*":
        return bool(a * b < top)
    if op == "/":
        # At result scale 38 Spark's two roundings can differ from one.
        up = result.scale - x.scale + y.scale
        return up >= 0 and a * 10**up < top and b < _LIMIT and result.scale < 37
    return False


def _vectorised(pl: Any, op: str, x: Decimal, y: Decimal, result: Decimal, n: Any, d: Any) -> Any:
    def rescaled(e: Any, digits: int) -> Any:
        if digits <= 0:
            return e
        unit = 10**digits
        return (e + pl.lit(unit // 2, pl.Int128) - (e < 0).cast(pl.Int128)) // pl.lit(unit, pl.Int128)

    def power(e: Any, digits: int) -> Any:
        return e * pl.lit(10**digits, pl.Int128) if digits else e

    if op == "*" and x.scale + y.scale == result.scale:
        return n * d  # a frame of its own costs as much as the product
    frame = pl.DataFrame({"n": n, "d": d})
    a, b = pl.col("n"), pl.col("d")
    scale = max(x.scale, y.scale)
    if op == "*":
        e, digits = a * b, x.scale + y.scale - result.scale
    elif op == "/":
        u = power(a, result.scale - x.scale + y.scale)
        frame = frame.with_columns(q=u.truncdiv(b), r=u - u.truncdiv(b) * b)
        up = (pl.col("r").abs() >= b.abs() - pl.col("r").abs()).cast(pl.Int128)
        e, digits = pl.col("q") + pl.when((a < 0) == (b < 0)).then(up).otherwise(pl.lit(0, pl.Int128) - up), 0
    else:
        u, v = power(a, scale - x.scale), power(b, scale - y.scale)
        e, digits = (u + v if op == "+" else u - v), scale - result.scale
    return frame.with_columns(e.alias("e")).select(rescaled(pl.col("e"), digits)).to_series()
