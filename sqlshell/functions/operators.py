"""Operators, as functions named by their symbol; `plan/call_operators.py` types most of them first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.functions import like, registry
from sqlshell.functions.arithmetic import negative, operator
from sqlshell.functions.registry import Function
from sqlshell.functions.result_types import arithmetic_type, same_as, temporal_arithmetic_type
from sqlshell.types import BIGINT, Array, Map, Numeric, SqlType, Struct

if TYPE_CHECKING:
    from collections.abc import Callable


def _arithmetic_returns(op: str) -> Callable[[tuple[SqlType, ...], tuple[Any, ...]], SqlType]:
    def returns(types: tuple[SqlType, ...], args: tuple[Any, ...]) -> SqlType:
        a, b = types
        found = temporal_arithmetic_type(op, a, b)
        if found is None and isinstance(b, Numeric):
            found = arithmetic_type(op, a, b)
        return BIGINT if found is None else found

    return returns


def _compare(op: str) -> Callable[..., Any]:
    """Equality of polars is Spark's: NaN equals NaN and is greatest, zeros of either sign are equal."""

    def lower(k: Any, a: Any, b: Any) -> Any:
        t = k.type(0)
        if isinstance(t, (Struct, Array)) and op not in {"=", "<=>"}:
            return _nested_order(k, op, a, b)
        return _PLAIN[op](a, b)

    return lower


_PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "=": lambda a, b: a == b,
    "<=>": lambda a, b: a.eq_missing(b),
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _nested_order(k: Any, op: str, a: Any, b: Any) -> Any:
    """Order of structs and arrays, part by part, NULL parts first: in Python, as polars has none."""
    pl = k.pl

    def run(s: Any) -> Any:
        x, y = s.struct.unnest()
        pairs = zip(x.to_list(), y.to_list(), strict=True)
        return pl.Series(
            [None if u is None or v is None else holds(_order(u, v)) for u, v in pairs], dtype=pl.Boolean
        )

    holds = _HOLDS[op]
    return pl.struct(a.alias("x"), b.alias("y")).map_batches(
        run, return_dtype=pl.Boolean, is_elementwise=True
    )


_HOLDS: dict[str, Callable[[int], bool]] = {
    "<": lambda c: c < 0,
    "<=": lambda c: c <= 0,
    ">": lambda c: c > 0,
    ">=": lambda c: c >= 0,
}


def _order(u: Any, v: Any) -> int:
    if u is None or v is None:
        return (u is not None) - (v is not None)
    if isinstance(u, dict):
        u, v = list(u.values()), list(v.values())
    if isinstance(u, list):
        for x, y in zip(u, v, strict=False):
            if c := _order(x, y):
                return c
        return (len(u) > len(v)) - (len(u) < len(v))
    if u != u or v != v:  # noqa: PLR0124 (NaN is greatest)
        return int(u != u) - int(v != v)  # noqa: PLR0124
    return int(u > v) - int(u < v)


def _shift_left(k: Any, a: Any, n: Any) -> Any:
    pl, kind = k.pl, k.dtype(k.call.type)
    count = n & (k.call.type.bits - 1)
    return a * pl.lit(2, dtype=kind).pow(count.cast(pl.UInt32))


def _shift_right(k: Any, a: Any, n: Any) -> Any:
    pl, bits = k.pl, k.call.type.bits
    count = (n & (bits - 1)).cast(pl.UInt32)
    # Floor division is the arithmetic shift; in 128 bits the divisor 2^63 keeps its sign.
    shifted = a.cast(pl.Int128) // pl.lit(2, dtype=pl.Int128).pow(count)
    return shifted.cast(k.dtype(k.call.type))


def _shift_right_unsigned(k: Any, a: Any, n: Any) -> Any:
    pl, bits = k.pl, k.call.type.bits
    count = (n & (bits - 1)).cast(pl.UInt32)

    def shifted(v: Any, c: Any) -> Any:
        wide = v.cast(pl.Int128)
        unsigned = pl.when(wide < 0).then(wide + pl.lit(1 << bits, dtype=pl.Int128)).otherwise(wide)
        moved = unsigned // pl.lit(2, dtype=pl.Int128).pow(c)
        return moved.cast(k.dtype(k.call.type), wrap_numerical=True)

    return k.let([a, count], shifted)


def _subscript(k: Any, base: Any, key: Any) -> Any:
    """`array[i]`, 0-based, an error out of range; `map[key]`, NULL when absent."""
    if isinstance(k.type(0), Map):
        from sqlshell.functions.array import map_value

        return map_value(k, base, key)
    pl = k.pl

    def pick(items: Any, i: Any) -> Any:
        size = items.list.len().cast(pl.Int64)
        value = items.list.get(i, null_on_oob=True)
        at = i.cast(pl.Int64)
        return k.raise_if((at < 0) | (at >= size), "INVALID_ARRAY_INDEX", value, i, size)

    return k.let([base, key], pick)


def _part_type(types: tuple[SqlType, ...], _: tuple[Any, ...]) -> SqlType:
    base = types[0]
    if isinstance(base, Array):
        return base.element
    assert isinstance(base, Map)
    return base.value


def _joined(k: Any, *args: Any) -> Any:
    return registry.get("concat").lower(k, *args)  # type: ignore[misc]


def _rlike(k: Any, text: Any, pattern: Any) -> Any:
    return registry.get("regexp_like").lower(k, text, pattern)  # type: ignore[misc]


def _never(_: tuple[bool, ...]) -> bool:
    return False


def _row(name: str, sig: str, doc: str, example: str, lower: Callable[..., Any], **more: Any) -> Function:
    return Function(name, sig, doc, example, lower=lower, **more)


def _arithmetic(op: str, doc: str, example: str, aliases: tuple[str, ...] = ()) -> Function:
    return Function(
        op,
        "any, any -> fn",
        doc,
        example,
        lower=operator(op),
        fallible=True,
        returns=_arithmetic_returns(op),
        aliases=aliases,
    )


_SHIFT = "int, int -> int | bigint, int -> bigint"
_LIKE = "string, string, [string] -> boolean"

FUNCTIONS: tuple[Function, ...] = (
    _arithmetic("+", "The sum; also moves dates and times by intervals.", "1 + 2"),
    _arithmetic("-", "The difference.", "3 - 1"),
    _arithmetic("*", "The product.", "2 * 3"),
    _arithmetic("/", "The quotient, a double or decimal.", "3 / 2"),
    _arithmetic("%", "The remainder, with the sign of the dividend.", "5 % 3", ("mod",)),
    _arithmetic("div", "The quotient as a whole number, cut towards zero.", "7 div 2"),
    _row(
        "negative",
        "any -> fn",
        "The opposite number.",
        "negative(1)",
        negative,
        fallible=True,
        returns=same_as(),
    ),
    _row("positive", "any -> fn", "The number itself.", "positive(1)", lambda k, a: a, returns=same_as()),
    _row("=", "T, T -> boolean", "Whether both sides are equal.", "2 = 2", _compare("=")),
    _row(
        "<=>",
        "T, T -> boolean",
        "Whether both sides are equal, NULL being equal to NULL.",
        "NULL <=> NULL",
        _compare("<=>"),
        aliases=("equal_null",),
        strict=False,
        nullable=_never,
    ),
    _row("<", "T, T -> boolean", "Whether the left side is less.", "1 < 2", _compare("<")),
    _row("<=", "T, T -> boolean", "Whether the left side is less or equal.", "2 <= 2", _compare("<=")),
    _row(">", "T, T -> boolean", "Whether the left side is greater.", "2 > 1", _compare(">")),
    _row(">=", "T, T -> boolean", "Whether the left side is greater or equal.", "2 >= 2", _compare(">=")),
    _row("not", "boolean -> boolean", "The opposite truth value.", "NOT true", lambda k, a: ~a),
    _row(
        "isnull",
        "any -> boolean",
        "Whether the value is NULL.",
        "isnull(1)",
        lambda k, a: a.is_null(),
        strict=False,
        nullable=_never,
    ),
    _row(
        "isnotnull",
        "any -> boolean",
        "Whether the value is not NULL.",
        "isnotnull(1)",
        lambda k, a: a.is_not_null(),
        strict=False,
        nullable=_never,
    ),
    _row("&", "T, T -> T", "Bitwise and.", "3 & 5", lambda k, a, b: a & b),
    _row("|", "T, T -> T", "Bitwise or.", "3 | 5", lambda k, a, b: a | b),
    _row("^", "T, T -> T", "Bitwise exclusive or.", "3 ^ 5", lambda k, a, b: a ^ b),
    _row("~", "integral -> fn", "Bitwise not.", "~ 0", lambda k, a: ~a, returns=same_as()),
    _row("shiftleft", _SHIFT, "Bits moved to the left.", "shiftleft(2, 1)", _shift_left, aliases=("<<",)),
    _row(
        "shiftright",
        _SHIFT,
        "Bits moved to the right, the sign kept.",
        "shiftright(4, 1)",
        _shift_right,
        aliases=(">>",),
    ),
    _row(
        "shiftrightunsigned",
        _SHIFT,
        "Bits moved to the right, zeros coming in.",
        "shiftrightunsigned(4, 1)",
        _shift_right_unsigned,
        aliases=(">>>",),
    ),
    _row(
        "||",
        "string... -> string | binary... -> binary | array<T>... -> array<T>",
        "The sides one after the other.",
        "'a' || 'b'",
        _joined,
    ),
    _row(
        "like",
        _LIKE,
        "Whether the text fits a pattern of % and _.",
        "'Spark' LIKE 'S%'",
        like.lower,
        fallible=True,
    ),
    _row(
        "ilike",
        _LIKE,
        "LIKE without regard to case.",
        "'Spark' ILIKE 's%'",
        like.lower_ignoring_case,
        fallible=True,
    ),
    _row(
        "rlike",
        "string, string -> boolean",
        "Whether a regular expression matches somewhere.",
        r"'Spark' RLIKE 'S\\w+'",
        _rlike,
        fallible=True,
    ),
    _row(
        "[]",
        "any, any -> fn",
        "A part of an array or map.",
        "array(1, 2)[0]",
        _subscript,
        fallible=True,
        returns=_part_type,
        nullable=lambda n: True,
    ),
)
