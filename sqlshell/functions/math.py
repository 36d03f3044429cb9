"""Numbers: signs, powers, logarithms, trigonometry, bases, bits. Rounding is in `math_round`."""

from __future__ import annotations

import math as python_math
from typing import Any

from sqlshell.functions import result_types as rt
from sqlshell.functions.arithmetic import operator
from sqlshell.functions.common import divisor, failure, let, per_distinct, unsupported
from sqlshell.functions.math_random import ROWS as RANDOM
from sqlshell.functions.math_round import ROWS as ROUND
from sqlshell.functions.registry import Function
from sqlshell.functions.string_encoding import by_bytes
from sqlshell.types import Array, Boolean, Decimal, Fractional, Integral, Interval, SqlType, Struct

_LN2 = python_math.log(2.0)


def _abs(k: Any, x: Any) -> Any:
    pl, t = k.pl, k.type(0)
    if isinstance(t, Interval):
        return let(k, lambda v: pl.when(v < v * 0).then(-v).otherwise(v), x)
    if not isinstance(t, Integral):
        return x.abs()
    least = pl.lit(-(1 << (t.bits - 1)), dtype=k.dtype(t))
    return let(k, lambda v: k.raise_if(v == least, "ARITHMETIC_OVERFLOW", v.abs(), str(t)), x)


def _method(name: str) -> Any:
    def lower(k: Any, x: Any) -> Any:
        return getattr(x, name)()

    return lower


def _above(limit: float, f: Any) -> Any:
    """`f` where the argument is above `limit` (or NaN), NULL elsewhere: Spark's logarithms."""

    def lower(k: Any, x: Any) -> Any:
        return let(k, lambda v: k.pl.when(v > limit).then(f(v)), x)

    return lower


def _log(k: Any, base: Any, x: Any = None) -> Any:
    pl = k.pl
    if x is None:
        return let(k, lambda v: pl.when(v > 0).then(v.log()), base)
    return let(k, lambda b, v: pl.when((b > 0) & (v > 0)).then(v.log() / b.log()), base, x)


def _log2(k: Any, x: Any) -> Any:
    pl = k.pl
    return let(k, lambda v: pl.when(v > 0).then(v.log() / divisor(k, pl.lit(_LN2), v)), x)


def _expm1(k: Any, x: Any) -> Any:
    # Exact near zero, unlike exp(x) - 1.
    return let(k, lambda v: (v / 2).sinh() * (v / 2).exp() * 2, x)


def _pow(k: Any, x: Any, y: Any) -> Any:
    # Java: 1 to the power NaN is NaN, and so is (+-1) to an infinite one; C says 1.
    pl = k.pl

    def build(a: Any, b: Any) -> Any:
        return (
            pl.when((a.abs() == 1) & (b.is_nan() | b.is_infinite()))
            .then(pl.lit(float("nan")))
            .otherwise(a.pow(b))
        )

    return let(k, build, x, y)


def _hypot(k: Any, x: Any, y: Any) -> Any:
    pl = k.pl

    def build(a: Any, b: Any) -> Any:
        return k.let([a.abs(), b.abs()], scaled)

    def scaled(a: Any, b: Any) -> Any:
        high = pl.when(a > b).then(a).when(a <= b).then(b)
        low = pl.when(a > b).then(b).when(a <= b).then(a)
        return k.let(
            [high, low], lambda h, n: pl.when((h == 0) | h.is_infinite()).then(h).otherwise(root(h, n))
        )

    def root(h: Any, n: Any) -> Any:
        return h * (1 + (n / h) * (n / h)).sqrt()

    return let(k, build, x, y)


def _sign(k: Any, x: Any) -> Any:
    pl = k.pl
    if isinstance(k.type(0), Interval):
        return x.cast(pl.Int64).sign().cast(pl.Float64)
    return x.sign()


def _rint(k: Any, x: Any) -> Any:
    return x.round(0, mode="half_to_even")


def _constant(value: float) -> Any:
    def lower(k: Any) -> Any:
        return k.pl.lit(value)

    return lower


def _factorial(k: Any, n: Any) -> Any:
    known = {i: python_math.factorial(i) for i in range(21)}
    return n.replace_strict(list(known), list(known.values()), default=None, return_dtype=k.pl.Int64)


def _pmod(k: Any, a: Any, b: Any) -> Any:
    pl, t = k.pl, k.call.type
    rest = operator("%")(k, a, b)

    def build(r: Any, d: Any) -> Any:
        return pl.when((r < 0) & (d > 0)).then(r + d).otherwise(r)

    if not isinstance(t, Decimal):
        return let(k, build, rest, b)
    divisor = b * pl.lit(10 ** (t.scale - k.type(1).scale), dtype=pl.Int128)
    limit = pl.lit(10**t.precision, dtype=pl.Int128)

    def check(r: Any) -> Any:
        bad = r >= limit
        return k.raise_if(bad, "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", r, str(t), "of pmod")

    return let(k, check, let(k, build, rest, divisor))


def _extreme(greatest: bool) -> Any:
    def lower(k: Any, *args: Any) -> Any:
        pl, t = k.pl, k.call.type
        if isinstance(t, (Array, Struct)):
            raise unsupported(k, f"`{k.call.fn}` does not take {t}")
        if not isinstance(t, Fractional):
            return pl.max_horizontal(*args) if greatest else pl.min_horizontal(*args)
        # NaN is the greatest value; polars skips it.
        best = pl.max_horizontal(*args) if greatest else pl.min_horizontal(*args)
        if greatest:
            any_nan = pl.any_horizontal([a.is_nan().fill_null(value=False) for a in args])
            return pl.when(any_nan).then(pl.lit(float("nan"), dtype=k.dtype(t))).otherwise(best)
        return best

    return lower


def _bin(k: Any, n: Any) -> Any:
    return by_bytes(k, n, [f"{i:08b}" for i in range(256)])


_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WORD = 1 << 64


def _convert(k: Any, text: str, source: int, target: int) -> str | None:
    """Java's NumberConverter: unsigned 64-bit, leading spaces and trailing rubbish ignored."""
    if not 2 <= source <= 36 or not 2 <= abs(target) <= 36:
        return None
    body = text.strip(" ")
    if not body:
        return None
    negative = body.startswith("-")
    value = 0
    for c in body[negative:].upper():
        digit = _DIGITS.find(c)
        if not 0 <= digit < source:
            break
        value = value * source + digit
        if value >= _WORD:
            raise failure(k, "ARITHMETIC_OVERFLOW", "conv()")
    if negative:
        value = _WORD - 1 if target > 0 and value > _WORD // 2 - 1 else -value % _WORD
    signed = value - _WORD if target < 0 and value >= _WORD // 2 else value
    left, out = abs(signed), ""
    while left or not out:
        left, digit = divmod(left, abs(target))
        out = _DIGITS[digit] + out
    return "-" + out if signed < 0 else out


def _conv(k: Any, text: Any, source: Any, target: Any) -> Any:
    return per_distinct(k, lambda s, a, b: _convert(k, s, a, b), k.pl.String, text, source, target)


def _width_bucket(k: Any, value: Any, low: Any, high: Any, count: Any) -> Any:
    pl = k.pl

    def number(e: Any) -> Any:
        return e.cast(pl.Int64).cast(pl.Float64) if isinstance(k.type(0), Interval) else e

    def build(v: Any, a: Any, b: Any, n: Any) -> Any:
        inside_up = (n * (v - a) / (b - a)).cast(pl.Int64, strict=False) + 1
        inside_down = (n * (a - v) / (a - b)).cast(pl.Int64, strict=False) + 1
        up = pl.when(v < a).then(0).when(v >= b).then(n + 1).otherwise(inside_up)
        down = pl.when(v > a).then(0).when(v <= b).then(n + 1).otherwise(inside_down)
        usable = (n > 0) & (n < 2**63 - 1) & v.is_not_nan() & a.is_finite() & b.is_finite() & (a != b)
        return pl.when(usable).then(pl.when(a < b).then(up).otherwise(down).cast(pl.Int64))

    return let(k, build, number(value), number(low), number(high), count)


def _bit_count(k: Any, x: Any) -> Any:
    pl = k.pl
    if isinstance(k.type(0), Boolean):
        return x.cast(pl.Int32)
    return x.cast(pl.Int64).bitwise_count_ones().cast(pl.Int32)


def _bit_get(k: Any, x: Any, position: Any) -> Any:
    pl, bits = k.pl, k.type(0).bits

    def build(v: Any, p: Any) -> Any:
        bad = (p < 0) | (p >= bits)
        bit = v.cast(pl.Int64).reinterpret(signed=False) // pl.lit(2, pl.UInt64).pow(p.clip(0, 63)) % 2
        message = f"expects an integer value in [0, {bits}), but got"
        return k.raise_if(bad, "INVALID_PARAMETER_VALUE.BIT_POSITION_RANGE", bit.cast(pl.Int8), message, p)

    return let(k, build, x, position)


def _is_nan(k: Any, x: Any) -> Any:
    return x.is_nan().fill_null(value=False)


def _nanvl(k: Any, x: Any, other: Any) -> Any:
    return let(k, lambda v, o: k.pl.when(v.is_nan()).then(o).otherwise(v), x, other)


def _common(types: tuple[SqlType, ...], args: tuple[Any, ...]) -> SqlType:
    return rt.common_type(types) or types[0]


_TRIG = (
    ("sin", "sin", "The sine of an angle in radians.", "sin(0)"),
    ("cos", "cos", "The cosine of an angle in radians.", "cos(0)"),
    ("tan", "tan", "The tangent of an angle in radians.", "tan(0)"),
    ("asin", "arcsin", "The angle of a sine; NaN outside -1..1.", "asin(0)"),
    ("acos", "arccos", "The angle of a cosine; NaN outside -1..1.", "acos(1)"),
    ("atan", "arctan", "The angle of a tangent.", "atan(0)"),
    ("sinh", "sinh", "The hyperbolic sine.", "sinh(0)"),
    ("cosh", "cosh", "The hyperbolic cosine.", "cosh(0)"),
    ("tanh", "tanh", "The hyperbolic tangent.", "tanh(0)"),
    ("asinh", "arcsinh", "The inverse hyperbolic sine.", "asinh(0)"),
    ("acosh", "arccosh", "The inverse hyperbolic cosine.", "acosh(1)"),
    ("atanh", "arctanh", "The inverse hyperbolic tangent.", "atanh(0)"),
    ("sqrt", "sqrt", "The square root; NaN below zero.", "sqrt(4)"),
    ("cbrt", "cbrt", "The cube root.", "cbrt(27.0)"),
    ("exp", "exp", "e to a power.", "exp(0)"),
    ("degrees", "degrees", "Radians as degrees.", "degrees(3.141592653589793)"),
    ("radians", "radians", "Degrees as radians.", "radians(180)"),
)

# fmt: off
ROWS = (
    *(Function(n, "double -> double", doc, example, lower=_method(m)) for n, m, doc, example in _TRIG),
    Function("abs", "num -> fn | interval -> fn", "The absolute value.", "abs(-1)", lower=_abs,
             returns=rt.same_as(), fallible=True),
    Function("cot", "double -> double", "The cotangent.", "cot(1)", lower=lambda k, x: 1 / x.tan()),
    Function("sec", "double -> double", "The secant.", "sec(0)", lower=lambda k, x: 1 / x.cos()),
    Function("csc", "double -> double", "The cosecant.", "csc(1)", lower=lambda k, x: 1 / x.sin()),
    Function("atan2", "double, double -> double", "The angle of the point (second, first).", "atan2(0, 0)",
             lower=lambda k, y, x: k.pl.arctan2(y, x)),
    Function("expm1", "double -> double", "e to a power, less one.", "expm1(0)", lower=_expm1),
    Function("ln", "double -> double", "The natural logarithm; NULL unless above zero.", "ln(1)",
             lower=_above(0, lambda v: v.log()), nullable=lambda n: True),
    Function("log", "double, [double] -> double", "The logarithm to a base (the natural one without a base).",
             "log(10, 100)", lower=_log, nullable=lambda n: True),
    Function("log2", "double -> double", "The logarithm to base 2.", "log2(2)",
             lower=_log2, nullable=lambda n: True),
    Function("log10", "double -> double", "The logarithm to base 10.", "log10(10)",
             lower=_above(0, lambda v: v.log10()), nullable=lambda n: True),
    Function("log1p", "double -> double", "The natural logarithm of one more.", "log1p(0)",
             lower=_above(-1, lambda v: v.log1p()), nullable=lambda n: True),
    Function("pow", "double, double -> double", "A number to a power.", "pow(2, 3)", aliases=("power",),
             lower=_pow),
    Function("hypot", "double, double -> double", "The length of the hypotenuse.", "hypot(3, 4)", lower=_hypot),
    Function("sign", "double -> double | interval -> double", "-1, 0 or 1 as the value's sign.", "sign(-40.5)",
             aliases=("signum",), lower=_sign),
    Function("rint", "double -> double", "The nearest whole number, halves to the even one.", "rint(12.3456)",
             lower=_rint),
    Function("pi", "() -> double", "The number pi.", "pi()", lower=_constant(python_math.pi)),
    Function("e", "() -> double", "Euler's number.", "e()", lower=_constant(python_math.e)),
    Function("factorial", "int -> bigint", "n!; NULL outside 0..20.", "factorial(5)", lower=_factorial,
             nullable=lambda n: True),
    Function("pmod", "any, any -> fn", "The remainder with the divisor's sign.", "pmod(-7, 3)", lower=_pmod,
             returns=_common, fallible=True),
    Function("try_add", "any, any -> fn", "a + b, NULL where it overflows.", "try_add(2147483647, 1)",
             lower=operator("+", safe=True), returns=_common, nullable=lambda n: True),
    Function("try_subtract", "any, any -> fn", "a - b, NULL where it overflows.", "try_subtract(2, 1)",
             lower=operator("-", safe=True), returns=_common, nullable=lambda n: True),
    Function("try_multiply", "any, any -> fn", "a * b, NULL where it overflows.", "try_multiply(2, 3)",
             lower=operator("*", safe=True), returns=_common, nullable=lambda n: True),
    Function("try_divide", "any, any -> fn", "a / b, NULL where b is 0.", "try_divide(3, 2)",
             lower=operator("/", safe=True), returns=_common, nullable=lambda n: True),
    Function("try_mod", "any, any -> fn", "a % b, NULL where b is 0.", "try_mod(3, 0)",
             lower=operator("%", safe=True), returns=_common, nullable=lambda n: True),
    Function("greatest", "T, T... -> T", "The greatest argument; NULL is skipped.", "greatest(10, 9, 2, 4, 3)",
             lower=_extreme(True), strict=False, nullable=all),
    Function("least", "T, T... -> T", "The least argument; NULL is skipped.", "least(10, 9, 2, 4, 3)",
             lower=_extreme(False), strict=False, nullable=all),
    Function("bin", "bigint -> string", "A number in binary.", "bin(13)", lower=_bin),
    Function("conv", "string, int, int -> string", "A number in one base written in another.",
             "conv('100', 2, 10)", lower=_conv, fallible=True, nullable=lambda n: True),
    Function("width_bucket",
             "double, double, double, bigint -> bigint | interval, interval, interval, bigint -> bigint",
             "The number of the equal-width bucket a value falls in.", "width_bucket(5.3, 0.2, 10.6, 5)",
             lower=_width_bucket, nullable=lambda n: True),
    Function("bit_count", "integral -> int | boolean -> int", "The number of one bits.", "bit_count(7)",
             lower=_bit_count),
    Function("bit_get", "integral, int -> tinyint", "The bit at a position counted from the right.",
             "bit_get(11, 2)", aliases=("getbit",), lower=_bit_get, fallible=True),
    Function("isnan", "double -> boolean | float -> boolean", "Whether a number is NaN.", "isnan(double('NaN'))",
             lower=_is_nan, strict=False, nullable=lambda n: False),
    Function("nanvl", "double, double -> double | float, float -> float",
             "The first number, or the second where that is NaN.",
             "nanvl(double('NaN'), 123)", lower=_nanvl, strict=False),
)
# fmt: on

FUNCTIONS = (*ROWS, *ROUND, *RANDOM)
