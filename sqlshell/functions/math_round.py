"""Rounding: ceil, floor, round, bround over integers, decimals (unscaled Int128) and doubles."""

from __future__ import annotations

from typing import Any

from sqlshell.functions import result_types as rt
from sqlshell.functions.common import constant, divisor, let
from sqlshell.functions.registry import Function
from sqlshell.types import Decimal, Float, Integral, as_decimal

_WIDEST = 38
"""Decimal digits of an Int128; a unit with more digits than that exceeds every value."""


def _int128(k: Any, value: int) -> Any:
    return k.pl.lit(value, dtype=k.pl.Int128)


def _directed(up: bool) -> Any:
    def lower(k: Any, x: Any, places: Any = None) -> Any:
        pl, t = k.pl, k.type(0)
        if places is not None:
            return _directed_places(k, x, constant(k, 1, "scale"), up)
        if isinstance(t, Integral):
            return x.cast(pl.Int64)
        if isinstance(t, Decimal):
            return _directed_decimal(k, x, t.scale, 0, up)
        whole = x.ceil() if up else x.floor()

        def finish(f: Any) -> Any:
            bad = ((f < -(2.0**63)) | (f >= 2.0**63)) & f.is_not_nan()
            return k.raise_if(
                bad, "ARITHMETIC_OVERFLOW", f.fill_nan(0.0).cast(pl.Int64, strict=False), "long"
            )

        return let(k, finish, whole)

    return lower


def _directed_places(k: Any, x: Any, places: int | None, up: bool) -> Any:
    t = k.type(0)
    if places is None:
        return k.pl.lit(None, dtype=k.dtype(k.call.type))
    exact = as_decimal(t) or Decimal(30, 15)
    return _directed_decimal(k, k.cast(x, t, exact), exact.scale, places, up)


def _directed_decimal(k: Any, x: Any, scale: int, places: int, up: bool) -> Any:
    """An unscaled value of `scale` rounded to at most `places` digits after the point."""
    drop = scale - places
    if drop <= 0:
        return x
    if drop > _WIDEST:
        away = (x > 0) if up else (x < 0)
        unit = 10 ** min(-places, _WIDEST)
        return k.pl.when(away).then(_int128(k, unit if up else -unit)).when(~away).then(_int128(k, 0))
    unit = _int128(k, 10**drop)
    # Polars cannot negate an Int128.
    zero = _int128(k, 0)
    whole = zero - (zero - x) // unit if up else x // unit
    return whole * _int128(k, 10**-places) if places < 0 else whole


def _nearest(even: bool) -> Any:
    def lower(k: Any, x: Any, places: Any = None) -> Any:
        pl, t = k.pl, k.type(0)
        digits = 0 if places is None else constant(k, 1, "scale")
        if digits is None:
            return pl.lit(None, dtype=k.dtype(k.call.type))
        if isinstance(t, Decimal):
            return _nearest_decimal(k, x, t.scale, digits, even)
        if isinstance(t, Integral):
            return x if digits >= 0 else _nearest_integer(k, x, digits, even)
        rounded = let(k, lambda v: _nearest_double(k, v, digits, even), x.cast(pl.Float64))
        return rounded.cast(pl.Float32) if isinstance(t, Float) else rounded

    return lower


def _quotient(k: Any, x: Any, unit: int, even: bool) -> Any:
    """Int128 `x / unit`, the nearest whole number; halves away from zero, or to the even neighbour."""
    pl = k.pl

    def build(v: Any) -> Any:
        size = v.abs()
        # 2 * rest would overflow next to 10^38.
        rest = size % _int128(k, unit)
        low = size // _int128(k, unit)
        half = unit // 2
        up = rest > half if even else rest >= half
        if even:
            up = up | ((rest == half) & (low % 2 == 1))
        near = low + up.cast(pl.Int128)
        return pl.when(v < 0).then(_int128(k, 0) - near).otherwise(near)

    return let(k, build, x)


def _nearest_decimal(k: Any, x: Any, scale: int, places: int, even: bool) -> Any:
    drop = scale - places
    if drop <= 0:
        return x
    if drop > _WIDEST:
        return x * 0
    near = _quotient(k, x, 10**drop, even)
    near = near * _int128(k, 10**-places) if places < 0 else near
    result = k.call.type
    if result.precision < _WIDEST:
        return near
    return let(
        k,
        lambda v: k.raise_if(
            v.abs() >= _int128(k, 10**_WIDEST),
            "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION",
            v,
            str(result),
            "it",
        ),
        near,
    )


def _nearest_integer(k: Any, x: Any, places: int, even: bool) -> Any:
    pl, t = k.pl, k.call.type
    top = (1 << (t.bits - 1)) - 1
    if -places > 19:
        return x * 0
    unit = 10**-places
    near = _quotient(k, x.cast(pl.Int128), unit, even) * _int128(k, unit)

    def finish(v: Any) -> Any:
        bad = (v > _int128(k, top)) | (v < _int128(k, -top - 1))
        return k.raise_if(bad, "ARITHMETIC_OVERFLOW", v.cast(k.dtype(t), wrap_numerical=True), str(t))

    return let(k, finish, near)


def _nearest_double(k: Any, x: Any, places: int, even: bool) -> Any:
    """Java rounds the shortest decimal form of a double: 1.005 is a tie although its bits lie below it.

    `(n + 0.5) / 10^d` is the double next to the tie above n, so comparing with it tells on which side of the tie
    the shortest form lies.
    """
    pl = k.pl
    if abs(places) > 22:
        # 10^23 is no exact double; no double has that many places, or it is a small number rounded to zero.
        return x if places > 0 else pl.when(x.is_finite()).then(pl.lit(0.0)).otherwise(x)
    unit = 10.0 ** abs(places)

    def build(v: Any, size: Any, low: Any) -> Any:
        column = divisor(k, pl.lit(unit), v)
        tie = (low + 0.5) / column if places >= 0 else (low + 0.5) * unit
        up = size > tie if even else size >= tie
        if even:
            up = up | ((size == tie) & (low % 2 == 1))
        near = low + up.cast(pl.Float64)
        value = near / column if places >= 0 else near * unit
        # Java's decimals have no -0.0 (and Polars takes away an addition of 0.0).
        value = pl.when((v < 0) & (value != 0)).then(-value).otherwise(value)
        return pl.when(v.is_finite() & (low < 2.0**52)).then(value).otherwise(v)

    size = x.abs()
    low = (size * unit if places >= 0 else size / divisor(k, pl.lit(unit), x)).floor()
    return k.let([x, size, low], build)


# fmt: off
ROWS = (
    Function("ceil", "double -> bigint | integral -> bigint | decimal -> fn | num, int -> fn",
             "The smallest whole number (or number of that many places) not below the value.", "ceil(3.1411, 3)",
             aliases=("ceiling",), lower=_directed(True), returns=rt.ceil_type, fallible=True),
    Function("floor", "double -> bigint | integral -> bigint | decimal -> fn | num, int -> fn",
             "The largest whole number (or number of that many places) not above the value.", "floor(-0.1)",
             lower=_directed(False), returns=rt.ceil_type, fallible=True),
    Function("round", "num, [int] -> fn", "The value rounded to a number of places, halves away from zero.",
             "round(2.5, 0)", lower=_nearest(False), returns=rt.round_type, fallible=True),
    Function("bround", "num, [int] -> fn", "The value rounded to a number of places, halves to the even neighbour.",
             "bround(2.5, 0)", lower=_nearest(True), returns=rt.round_type, fallible=True),
)
# fmt: on
