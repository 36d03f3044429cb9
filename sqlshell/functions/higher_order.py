"""Functions that take lambdas. `k.over_elements` and `k.fold` (exec/lower_lambda.py) run the bodies."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.map import checked, entries_of
from sqlshell.functions.registry import Function
from sqlshell.types import Map, SqlType

Types = tuple[SqlType, ...]


def _element_and_index(index: Any, element: Any) -> tuple[Any, Any]:
    return element, index


def _transform(k: Any, items: Any, _: Any) -> Any:
    return k.over_elements(1, [items], _element_and_index)


def _filter(k: Any, items: Any, _: Any) -> Any:
    return k.over_elements(1, [items], _element_and_index, keep=True)


def _exists(k: Any, items: Any, _: Any) -> Any:
    answers = k.over_elements(1, [items], _element_and_index)
    return answers.list.agg(k.pl.element().any(ignore_nulls=False))


def _forall(k: Any, items: Any, _: Any) -> Any:
    answers = k.over_elements(1, [items], _element_and_index)
    return answers.list.agg(k.pl.element().all(ignore_nulls=False))


def _aggregate(k: Any, items: Any, start: Any, *_: Any) -> Any:
    return k.fold(items, start, 2, 3 if len(k.call.args) > 3 else None)


def _zip_with(k: Any, left: Any, right: Any, _: Any) -> Any:
    """The shorter list is filled with NULLs."""
    pl = k.pl
    known = left.is_not_null() & right.is_not_null()
    longest = pl.max_horizontal(left.list.len(), right.list.len()).cast(pl.Int64)
    positions = pl.int_ranges(pl.lit(0, dtype=pl.Int64), pl.when(known).then(longest).otherwise(0))
    a, b = (pl.when(known).then(e.list.gather(positions, null_on_oob=True)) for e in (left, right))
    return k.over_elements(2, [a, b], lambda _, x, y: (x, y))


def _entry(_: Any, e: Any) -> tuple[Any, Any]:
    return e.struct.field("key"), e.struct.field("value")


def _map_filter(k: Any, m: Any, _: Any) -> Any:
    return k.over_elements(1, [m], _entry, keep=True)


def _transform_values(k: Any, m: Any, _: Any) -> Any:
    t = k.call.type
    keys = m.list.eval(k.pl.element().struct.field("key"))
    return entries_of(k, keys, k.over_elements(1, [m], _entry), t.key, t.value)


def _transform_keys(k: Any, m: Any, _: Any) -> Any:
    t = k.call.type
    keys = k.over_elements(1, [m], _entry)
    return checked(k, entries_of(k, keys, m.list.eval(k.pl.element().struct.field("value")), t.key, t.value))


def _map_zip_with(k: Any, left: Any, right: Any, _: Any) -> Any:
    pl, a, b = k.pl, k.type(0), k.type(1)
    key, x, y = k.dtype(a.key), k.dtype(a.value), k.dtype(b.value)
    aligned = pl.Struct({"k": pl.List(key), "x": pl.List(x), "y": pl.List(y)})

    def run(rows: Any) -> Any:
        """Per row the keys of both maps, those of the first before new ones, and what each map has for them."""
        frame = rows.struct.unnest().with_row_index("__row")
        known = pl.col("a").is_not_null() & pl.col("b").is_not_null()

        def entries(side: str, value: str) -> Any:
            flat = frame.filter(known & (pl.col(side).list.len() > 0)).select("__row", side).explode(side)
            return flat.select(
                "__row",
                pl.col(side).struct.field("key").alias("k"),
                pl.col(side).struct.field("value").alias(value),
            )

        first, second = entries("a", "x").with_row_index("__at"), entries("b", "y")
        both = first.join(
            second,
            on=["__row", "k"],
            how="full",
            coalesce=True,
            nulls_equal=True,
            maintain_order="left_right",
        ).sort("__row", "__at", nulls_last=True, maintain_order=True)
        lists = both.group_by("__row", maintain_order=True).agg("k", "x", "y")
        back = frame.select("__row", known.alias("known")).join(
            lists, on="__row", how="left", maintain_order="left"
        )
        full = [
            pl.when("known").then(pl.coalesce(pl.col(n), pl.lit([], dtype=t)).cast(t)).alias(n)
            for n, t in aligned.to_schema().items()
        ]
        return back.select(pl.struct(full)).to_series()

    def build(found: Any) -> Any:
        keys, xs, ys = (found.struct.field(n) for n in "kxy")
        values = k.over_elements(2, [keys, xs, ys], lambda _, *of: of)
        made = entries_of(k, keys, values, k.call.type.key, k.call.type.value)
        return pl.when(keys.is_not_null()).then(made)

    packed = pl.struct(left.alias("a"), right.alias("b"))
    return build(packed.map_batches(run, return_dtype=aligned, is_elementwise=True))


def _map_zip_with_type(types: Types, args: tuple[Any, ...]) -> SqlType:
    t = types[0]
    assert isinstance(t, Map)
    return Map(t.key, types[2], args[2].nullable)


def _transform_values_type(types: Types, args: tuple[Any, ...]) -> SqlType:
    t = types[0]
    assert isinstance(t, Map)
    return Map(t.key, types[1], args[1].nullable)


def _transform_keys_type(types: Types, _: Any) -> SqlType:
    t = types[0]
    assert isinstance(t, Map)
    return Map(types[1], t.value, t.value_contains_null)


def _array_sort(k: Any, items: Any, *comparator: Any) -> Any:
    return k.sorted_by(1, items) if comparator else items.list.sort(nulls_last=True)


FUNCTIONS: tuple[Function, ...] = (
    Function(
        "transform",
        "array<T>, (T) -> U -> array<U> | array<T>, (T, int) -> U -> array<U>",
        "The array of the lambda's values for each element (and its position from 0).",
        "transform(array(1, 2), x -> x + 1)",
        lower=_transform,
        example_result="[2,3]",
    ),
    Function(
        "filter",
        "array<T>, (T) -> boolean -> array<T> | array<T>, (T, int) -> boolean -> array<T>",
        "The elements for which the lambda is true.",
        "filter(array(1, 2, 3), x -> x > 1)",
        lower=_filter,
        example_result="[2,3]",
    ),
    Function(
        "exists",
        "array<T>, (T) -> boolean -> boolean",
        "Whether the lambda is true for some element.",
        "exists(array(1, 2), x -> x > 1)",
        aliases=("any_match",),
        lower=_exists,
        example_result="true",
    ),
    Function(
        "forall",
        "array<T>, (T) -> boolean -> boolean",
        "Whether the lambda is true for all elements.",
        "forall(array(1, 2), x -> x > 1)",
        aliases=("all_match",),
        lower=_forall,
        example_result="false",
    ),
    Function(
        "aggregate",
        "array<T>, A, (A, T) -> A -> A | array<T>, A, (A, T) -> A, (A) -> R -> R",
        "Folds the elements into a start value, then finishes it.",
        "aggregate(array(1, 2, 3), 0, (acc, x) -> acc + x)",
        aliases=("reduce",),
        lower=_aggregate,
        strict=False,
        example_result="6",
    ),
    Function(
        "zip_with",
        "array<T>, array<U>, (T, U) -> R -> array<R>",
        "The lambda's values for the elements at equal positions; the shorter array is filled with NULLs.",
        "zip_with(array(1, 2), array(3, 4), (x, y) -> x + y)",
        lower=_zip_with,
        example_result="[4,6]",
    ),
    Function(
        "map_filter",
        "map<K, V>, (K, V) -> boolean -> map<K, V>",
        "The entries for which the lambda is true.",
        "map_filter(map(1, 0, 2, 2), (k, v) -> k > v)",
        lower=_map_filter,
    ),
    Function(
        "map_zip_with",
        "map<K, V>, map<K, W>, (K, V, W) -> R -> fn",
        "The map of the lambda's values for each key of either map and the two values, NULL where one lacks it.",
        "map_zip_with(map(1, 2), map(1, 3), (k, a, b) -> a + b)",
        lower=_map_zip_with,
        returns=_map_zip_with_type,
    ),
    Function(
        "transform_values",
        "map<K, V>, (K, V) -> U -> fn",
        "The map with the lambda's values.",
        "transform_values(map(1, 10), (k, v) -> k + v)",
        lower=_transform_values,
        returns=_transform_values_type,
    ),
    Function(
        "transform_keys",
        "map<K, V>, (K, V) -> U -> fn",
        "The map with the lambda's values as keys.",
        "transform_keys(map(1, 10), (k, v) -> k + v)",
        lower=_transform_keys,
        fallible=True,
        returns=_transform_keys_type,
    ),
    Function(
        "array_sort",
        "array<T> -> array<T> | array<T>, (T, T) -> int -> array<T>",
        "The array sorted ascending, NULLs last, or by a comparator (negative: the first comes first).",
        "array_sort(array(2, NULL, 1))",
        lower=_array_sort,
        example_result="[1,2,null]",
    ),
)
