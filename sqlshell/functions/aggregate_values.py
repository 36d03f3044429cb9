"""Aggregates that pick or collect values (min, first, bits, lists ...). Part of the aggregate table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.functions.aggregate_row import aggregate_row, never
from sqlshell.functions.registry import AggState, Function
from sqlshell.types import (
    BOOLEAN,
    Array,
    Field,
    Fractional,
    Map,
    SqlType,
    Struct,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Types = tuple[SqlType, ...]

PYTHON_INPUT = "sqlshell_rows"


# Min, max, first, last


def _same(types: Types, _: Any = None) -> SqlType:
    return types[0]


def _nested(t: SqlType) -> bool:
    return isinstance(t, (Array, Struct, Map))


def _max(k: Any, a: Any) -> Any:
    if _nested(k.type(0)):
        return a.drop_nulls().sort().last()
    return a.nan_max() if isinstance(k.type(0), Fractional) else a.max()


def _min(k: Any, a: Any) -> Any:
    return a.drop_nulls().sort().first() if _nested(k.type(0)) else a.min()


def _identity(_: Any, state: Any) -> Any:
    return state


def _rows(k: Any, a: Any) -> Any:
    """`a` over the rows FILTER keeps; without NULLs when the call ignores them."""
    if k.call.ignore_nulls or k.literal(1) is True:
        return a.drop_nulls()
    return a if k.keep is None else a.filter(k.keep)


def _first(k: Any, a: Any, *_: Any) -> Any:
    return _rows(k, a).first()


def _last(k: Any, a: Any, *_: Any) -> Any:
    return _rows(k, a).last()


def _box_type(types: Types) -> SqlType:
    return Struct((Field("value", types[0]),))


def _box(k: Any, a: Any) -> Any:
    """One-field structs: a NULL value is a value, a NULL struct is none."""
    boxed = k.pl.struct(a.alias("value"))
    if k.call.ignore_nulls or k.literal(1) is True:
        return boxed.filter(a.is_not_null())
    return boxed if k.keep is None else boxed.filter(k.keep)


def _first_boxed(k: Any, a: Any, *_: Any) -> Any:
    return _box(k, a).first()


def _last_boxed(k: Any, a: Any, *_: Any) -> Any:
    return _box(k, a).last()


def _merge_first(_: Any, state: Any) -> Any:
    return state.drop_nulls().first()


def _merge_last(_: Any, state: Any) -> Any:
    return state.drop_nulls().last()


def _unbox(_: Any, state: Any) -> Any:
    return state.struct.field("value")


def _several_by(k: Any, value: Any, key: Any, *, largest: bool) -> Any:
    """The array of the values of the `count` largest or smallest keys; of equal keys, as in Spark, the later first."""
    present = key.is_not_null()
    keys, values = key.filter(present).reverse(), value.filter(present).reverse()
    best = values.sort_by(keys, descending=largest, maintain_order=True).head(k.count(2))
    return k.pl.when(present.any()).then(best.implode())


def _by_type(types: Types, _: Any = None) -> SqlType:
    return Array(types[0]) if len(types) > 2 else types[0]


def _max_by(k: Any, value: Any, key: Any, *count: Any) -> Any:
    if count:
        return _several_by(k, value, key, largest=True)
    if isinstance(k.type(1), Fractional) or _nested(k.type(1)):
        return value.filter(key.is_not_null()).sort_by(key.drop_nulls(), maintain_order=True).last()
    return value.max_by(key)


def _min_by(k: Any, value: Any, key: Any, *count: Any) -> Any:
    if count:
        return _several_by(k, value, key, largest=False)
    if isinstance(k.type(1), Fractional) or _nested(k.type(1)):
        return value.filter(key.is_not_null()).sort_by(key.drop_nulls(), maintain_order=True).first()
    return value.min_by(key)


# Booleans and bits


def _all(_: Any, a: Any) -> Any:
    return a.min()


def _any(_: Any, a: Any) -> Any:
    return a.max()


MIN = AggState("min", _same, _min, _min)
MAX = AggState("max", _same, _max, _max)
ALL = AggState("all", lambda _: BOOLEAN, _all, _all)
ANY = AggState("any", lambda _: BOOLEAN, _any, _any)


def _bit(method: str) -> Callable[..., Any]:
    def aggregate(_: Any, a: Any) -> Any:
        return getattr(a, method)()

    return aggregate


def _bit_row(name: str, word: str, result: str) -> Function:
    step = _bit(f"bitwise_{word}")
    return aggregate_row(
        f"bit_{word}",
        "integral -> fn",
        f"Bitwise {name} of all non-NULL values.",
        f"bit_{word}(x) FROM VALUES (3), (5) AS t(x)",
        returns=_same,
        states=(AggState("bits", _same, step, step),),
        final=_identity,
        example_result=result,
    )


# Collections


def _array_of(types: Types, _: Any = None) -> SqlType:
    return Array(types[0], False)


def _collect_list(k: Any, a: Any) -> Any:
    return k.ordered(a).drop_nulls().implode()


def _collect_set(_: Any, a: Any) -> Any:
    return a.drop_nulls().unique(maintain_order=True).implode()


def _distinct_elements(_: Any, a: Any) -> Any:
    return (
        a.drop_nulls()
        .explode(empty_as_null=False, keep_nulls=False)
        .drop_nulls()
        .unique(maintain_order=True)
        .implode()
    )


def _rows_of_group(k: Any, *parts: Any) -> Any:
    """The group's rows, those FILTER leaves out aside, as a list of structs."""
    pl = k.pl
    rows = pl.struct([p.alias(f.name) for p, f in zip(parts, k.call.type.element.fields, strict=True)])
    ordered = k.ordered(rows)
    # DISTINCT dropped what FILTER leaves out, as it drops rows with a NULL.
    whole = k.keep is None or k.call.distinct
    return (ordered if whole else ordered.filter(k.ordered(k.keep))).implode()


def _rows_type(types: Types, _: Any = None) -> SqlType:
    return Array(Struct(tuple(Field(f"p{i}", t) for i, t in enumerate(types))), False)


def _listagg(k: Any, a: Any, *_: Any) -> Any:
    delimiter = k.literal(1) if len(k.call.args) > 1 else ""
    joined = k.ordered(a).str.join("" if delimiter is None else delimiter, ignore_nulls=True)
    return k.pl.when(a.count() > 0).then(joined)


VALUES: tuple[Function, ...] = (
    aggregate_row(
        "min",
        "T -> T",
        "Smallest non-NULL value; NaN is greater than every number.",
        "min(x) FROM VALUES (10), (-1), (20) AS t(x)",
        states=(MIN,),
        final=_identity,
        example_result="-1",
    ),
    aggregate_row(
        "max",
        "T -> T",
        "Largest non-NULL value; NaN is greater than every number.",
        "max(x) FROM VALUES (10), (-1), (20) AS t(x)",
        states=(MAX,),
        final=_identity,
        example_result="20",
    ),
    aggregate_row(
        "first",
        "T, [boolean] -> T",
        "Value of the first row of the group; with IGNORE NULLS (or true) the first non-NULL one.",
        "first(x) FROM VALUES (10), (5) AS t(x)",
        aliases=("first_value",),
        ordered=True,
        lower=_first,
        states=(AggState("first", _box_type, _first_boxed, _merge_first),),
        final=_unbox,
        strict=False,
        example_result="10",
    ),
    aggregate_row(
        "any_value",
        "T, [boolean] -> T",
        "Some value of the group; with IGNORE NULLS (or true) a non-NULL one.",
        "any_value(x) FROM VALUES (10), (10) AS t(x)",
        lower=_first,
        states=(AggState("first", _box_type, _first_boxed, _merge_first),),
        final=_unbox,
        strict=False,
        example_result="10",
    ),
    aggregate_row(
        "last",
        "T, [boolean] -> T",
        "Value of the last row of the group; with IGNORE NULLS (or true) the last non-NULL one.",
        "last(x) FROM VALUES (10), (5) AS t(x)",
        aliases=("last_value",),
        ordered=True,
        lower=_last,
        states=(AggState("last", _box_type, _last_boxed, _merge_last),),
        final=_unbox,
        strict=False,
        example_result="5",
    ),
    aggregate_row(
        "max_by",
        "any, orderable -> fn | any, orderable, int -> fn",
        "The first argument where the second is largest; with a count, the array of the first such ones.",
        "max_by(x, y) FROM VALUES ('a', 10), ('b', 50), ('c', 20) AS t(x, y)",
        lower=_max_by,
        returns=_by_type,
        strict=False,
        example_result="b",
    ),
    aggregate_row(
        "min_by",
        "any, orderable -> fn | any, orderable, int -> fn",
        "The first argument where the second is smallest; with a count, the array of the first such ones.",
        "min_by(x, y) FROM VALUES ('a', 10), ('b', 50), ('c', 20) AS t(x, y)",
        lower=_min_by,
        returns=_by_type,
        strict=False,
        example_result="a",
    ),
    aggregate_row(
        "bool_and",
        "boolean -> boolean",
        "Whether all non-NULL values are true.",
        "bool_and(x) FROM VALUES (true), (false) AS t(x)",
        aliases=("every",),
        states=(ALL,),
        final=_identity,
        example_result="false",
    ),
    aggregate_row(
        "bool_or",
        "boolean -> boolean",
        "Whether any value is true.",
        "bool_or(x) FROM VALUES (true), (false) AS t(x)",
        aliases=("some", "any"),
        states=(ANY,),
        final=_identity,
        example_result="true",
    ),
    _bit_row("AND", "and", "1"),
    _bit_row("OR", "or", "7"),
    _bit_row("XOR", "xor", "6"),
    aggregate_row(
        "collect_list",
        "T -> fn",
        "Array of the non-NULL values.",
        "collect_list(x) FROM VALUES (1), (2), (1) AS t(x)",
        aliases=("array_agg",),
        returns=_array_of,
        nullable=never,
        ordered=True,
        lower=_collect_list,
        example_result="[1,2,1]",
    ),
    aggregate_row(
        "collect_set",
        "T -> fn",
        "Array of the distinct non-NULL values.",
        "collect_set(x) FROM VALUES (1), (2), (1) AS t(x)",
        returns=_array_of,
        nullable=never,
        ordered=True,
        lower=_collect_set,
        example_result="[1,2]",
    ),
    aggregate_row(
        "collect_union",
        "array<T> -> array<T>",
        "Array of the distinct elements of all arrays.",
        "collect_union(x) FROM VALUES (array(1, 2)), (array(2, 3)) AS t(x)",
        nullable=never,
        ordered=True,
        lower=_distinct_elements,
        example_result="[1,2,3]",
    ),
    aggregate_row(
        PYTHON_INPUT,
        "any... -> fn",
        "The rows of a group: what an aggregate function written in Python is asked about.",
        "",
        returns=_rows_type,
        nullable=never,
        ordered=True,
        lower=_rows_of_group,
        strict=False,
    ),
    aggregate_row(
        "listagg",
        "string, [string] -> string",
        "The non-NULL values joined by the delimiter, in the order of WITHIN GROUP (ORDER BY ...).",
        "listagg(x, '-') WITHIN GROUP (ORDER BY x) FROM VALUES ('b'), ('a') AS t(x)",
        aliases=("string_agg",),
        ordered=True,
        lower=_listagg,
        example_result="a-b",
    ),
)
