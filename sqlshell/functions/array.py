"""Arrays (polars lists) and structs."""

from __future__ import annotations

from typing import Any

from sqlshell.errors import AnalysisError
from sqlshell.functions.array_search import SEARCHES
from sqlshell.functions.array_sequence import SEQUENCES
from sqlshell.functions.common import constant, let, unsupported
from sqlshell.functions.registry import Function
from sqlshell.types import Array, Field, Fractional, Map, SqlType, Struct

Types = tuple[SqlType, ...]


def _never(_: tuple[bool, ...]) -> bool:
    return False


def _is_struct(t: SqlType) -> bool:
    return isinstance(t, (Struct, Array, Map))


# Construction


def list_of(k: Any, items: list[Any], nested: bool) -> Any:
    """One list of the given values; `concat_list` would join values that are lists themselves."""
    pl = k.pl
    if not nested:
        return pl.concat_list(items)
    boxed = pl.concat_list([pl.struct(e.alias("v")) for e in items])
    return boxed.list.eval(pl.element().struct.field("v"))


def _array(k: Any, *args: Any) -> Any:
    if not args:
        return k.pl.lit([], dtype=k.dtype(k.call.type))
    return list_of(k, list(args), isinstance(k.type(0), (Array, Map)))


def _array_type(types: Types, args: tuple[Any, ...]) -> SqlType:
    from sqlshell.types import VOID

    return Array(types[0] if types else VOID, any(a.nullable for a in args))


def _names(k: Any) -> list[str]:
    """Field names of the struct a call makes; polars has no two fields of one name."""
    names = [f.name for f in k.call.type.fields]
    if len(set(names)) < len(names):
        raise unsupported(k, f"a struct with two fields of one name: {', '.join(names)}")
    return names


def _named_struct(k: Any, *args: Any) -> Any:
    names = _names(k)
    return k.pl.struct([e.alias(n) for n, e in zip(names, args[1::2], strict=True)])


def _named_struct_type(types: Types, args: tuple[Any, ...]) -> SqlType:
    if len(args) % 2:
        raise AnalysisError(
            f"`named_struct` takes pairs of a name and a value, not {len(args)} arguments",
            condition="WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
        )
    names = [getattr(a, "value", None) for a in args[::2]]
    return Struct(tuple(Field(str(n), v.type, v.nullable) for n, v in zip(names, args[1::2], strict=True)))


def _struct(k: Any, *args: Any) -> Any:
    names = _names(k)
    return k.pl.struct([e.alias(n) for n, e in zip(names, args, strict=True)])


def _struct_type(types: Types, args: tuple[Any, ...]) -> SqlType:
    out = []
    for i, a in enumerate(args):
        name = getattr(a, "name", None)
        out.append(Field(name if isinstance(name, str) else f"col{i + 1}", a.type, a.nullable))
    return Struct(tuple(out))


def _array_repeat(k: Any, value: Any, count: Any) -> Any:
    return value.repeat_by(count.clip(0))


# Order


def _sort_array(k: Any, items: Any, *ascending: Any) -> Any:
    descending = bool(ascending) and k.literal(1) is False
    return items.list.sort(descending=descending, nulls_last=descending)


def _max(k: Any, items: Any) -> Any:
    pl, t = k.pl, k.type(0).element
    if isinstance(t, Fractional):
        return items.list.agg(pl.element().nan_max())
    if _is_struct(t):
        return items.list.drop_nulls().list.sort().list.last()
    return items.list.max()


def _min(k: Any, items: Any) -> Any:
    if _is_struct(k.type(0).element):
        return items.list.drop_nulls().list.sort().list.first()
    return items.list.min()


# Parts


def _size(k: Any, items: Any) -> Any:
    return items.list.len().cast(k.pl.Int32)


def _get(k: Any, items: Any, index: Any) -> Any:
    return items.list.get(k.pl.when(index >= 0).then(index), null_on_oob=True)


def _element_at(k: Any, items: Any, index: Any) -> Any:
    """1-based, negative from the end; out of range is an error."""
    pl = k.pl
    if isinstance(k.type(0), Map):
        return map_value(k, items, index)

    def pick(a: Any, i: Any) -> Any:
        size = a.list.len().cast(pl.Int64)
        value = a.list.get(pl.when(i > 0).then(i - 1).otherwise(i), null_on_oob=True)
        value = k.raise_if(i == 0, "INVALID_INDEX_OF_ZERO", value)
        return k.raise_if(i.cast(pl.Int64).abs() > size, "INVALID_ARRAY_INDEX_IN_ELEMENT_AT", value, i, size)

    return let(k, pick, items, k.masked(index))


def _try_element_at(k: Any, items: Any, index: Any) -> Any:
    pl = k.pl
    if isinstance(k.type(0), Map):
        return map_value(k, items, index)

    def pick(a: Any, i: Any) -> Any:
        value = a.list.get(pl.when(i > 0).then(i - 1).otherwise(i), null_on_oob=True)
        return k.raise_if(i == 0, "INVALID_INDEX_OF_ZERO", value)

    return let(k, pick, items, k.masked(index))


def map_value(k: Any, entries: Any, key: Any) -> Any:
    """The value of a key in a list of entries, NULL when it is absent."""
    pl = k.pl

    if k.is_literal(1):
        hit = entries.list.filter(pl.element().struct.field("key") == key)
        return hit.list.first().struct.field("value")

    def find(m: Any, x: Any) -> Any:
        keys = m.list.eval(pl.element().struct.field("key"))
        packed = pl.struct(m.alias("m"), keys.alias("k"), x.alias("x"))
        return packed.map_batches(
            _lookup(pl, k.dtype(k.call.type)), return_dtype=k.dtype(k.call.type), is_elementwise=True
        )

    return let(k, find, entries, key)


def _lookup(pl: Any, dtype: Any) -> Any:
    def run(rows: Any) -> Any:
        frame = rows.struct.unnest().with_row_index("__row")
        flat = frame.filter(pl.col("k").list.len() > 0).explode(
            "m", "k", empty_as_null=False, keep_nulls=False
        )
        hits = flat.filter(pl.col("k") == pl.col("x")).select(
            "__row", value=pl.col("m").struct.field("value")
        )
        back = frame.join(hits, on="__row", how="left", maintain_order="left")
        return back["value"].cast(dtype)

    return run


def _element_type(types: Types, _: Any) -> SqlType:
    t = types[0]
    if isinstance(t, Map):
        return t.value
    return t.element if isinstance(t, Array) else t


def _slice(k: Any, items: Any, start: Any, length: Any) -> Any:
    pl = k.pl

    def cut(a: Any, s: Any, n: Any) -> Any:
        size = a.list.len().cast(pl.Int64)
        at = pl.when(s > 0).then(s - 1).otherwise(size + s)
        inside = (at >= 0) & (at < size)
        part = a.list.slice(
            pl.when(inside).then(at).otherwise(0), pl.when(inside & (n >= 0)).then(n).otherwise(0)
        )
        part = k.raise_if(s == 0, "INVALID_PARAMETER_VALUE.START", part)
        part = k.raise_if(n < 0, "INVALID_PARAMETER_VALUE.LENGTH", part, n)
        return pl.when(s.is_not_null() & n.is_not_null()).then(part)

    return let(k, cut, items, k.masked(start.cast(pl.Int64)), k.masked(length.cast(pl.Int64)))


def _append(k: Any, items: Any, value: Any) -> Any:
    one = list_of(k, [value], isinstance(k.type(1), (Array, Map)))
    return k.pl.when(items.is_not_null()).then(items.list.concat(one))


def _prepend(k: Any, items: Any, value: Any) -> Any:
    one = list_of(k, [value], isinstance(k.type(1), (Array, Map)))
    return k.pl.when(items.is_not_null()).then(one.list.concat(items))


def _insert(k: Any, items: Any, position: Any, value: Any) -> Any:
    """1-based; negative counts from the end (-1 appends); gaps are filled with NULLs."""
    pl = k.pl
    nested = isinstance(k.type(2), (Array, Map))

    def place(a: Any, p: Any, x: Any) -> Any:
        one = list_of(k, [x], nested)
        size = a.list.len().cast(pl.Int64)
        at = pl.when(p > 0).then(p - 1).otherwise(size + p + 1)
        null = pl.lit(None, dtype=k.dtype(k.type(2)))
        after = null.repeat_by(pl.max_horizontal(at - size, 0).fill_null(0))
        before = null.repeat_by(pl.max_horizontal(0 - at, 0).fill_null(0))
        kept = pl.max_horizontal(at, 0)
        front = a.list.head(kept).list.concat(after).list.concat(one)
        whole = front.list.concat(before).list.concat(a.list.slice(kept))
        whole = k.raise_if(p == 0, "INVALID_INDEX_OF_ZERO", whole)
        return pl.when(a.is_not_null() & p.is_not_null()).then(whole)

    return let(k, place, items, k.masked(position.cast(pl.Int64)), value)


def _compact(_: Any, items: Any) -> Any:
    return items.list.drop_nulls()


def _flatten(k: Any, items: Any) -> Any:
    pl = k.pl

    def flat(a: Any) -> Any:
        inner = a.list.eval(pl.element().explode(empty_as_null=False, keep_nulls=False))
        return pl.when(~a.list.agg(pl.element().is_null().any())).then(inner)

    return let(k, flat, items)


def _flatten_type(types: Types, _: Any) -> SqlType:
    t = types[0]
    return t.element if isinstance(t, Array) else t


def _join(k: Any, items: Any, delimiter: Any, *replacement: Any) -> Any:
    pl = k.pl
    if not replacement:
        return items.list.join(delimiter, ignore_nulls=True)
    if not k.is_literal(2):
        raise unsupported(k, "array_join needs a constant replacement for NULLs")
    return items.list.eval(pl.element().fill_null(replacement[0])).list.join(delimiter)


def _shuffle(k: Any, items: Any, seed: Any = None) -> Any:
    start = None if seed is None else constant(k, 1, "seed")
    return items.list.sample(
        n=items.list.len(), shuffle=True, seed=None if start is None else start % (1 << 62)
    )


def _arrays_zip(k: Any, *args: Any) -> Any:
    """Structs of the elements at equal positions, the shorter arrays filled with NULLs."""
    pl = k.pl
    names = [f.name for f in k.call.type.element.fields]
    dtype = k.dtype(k.call.type)
    if not all(isinstance(k.type(i), Array) for i in range(len(args))):
        return pl.lit(None, dtype=dtype)

    def run(rows: Any) -> Any:
        frame = rows.struct.unnest()
        inner = frame.columns
        longest = pl.max_horizontal([pl.col(c).list.len() for c in inner])
        padded = frame.with_columns(longest.alias("__n")).with_row_index("__row")
        flat = (
            padded.filter(pl.all_horizontal([pl.col(c).is_not_null() for c in inner]) & (pl.col("__n") > 0))
            .with_columns(pl.int_ranges("__n").alias("__i"))
            .explode("__i", empty_as_null=False, keep_nulls=False)
        )
        parts = [
            pl.col(c).list.get(pl.col("__i"), null_on_oob=True).alias(n)
            for c, n in zip(inner, names, strict=True)
        ]
        zipped = (
            flat.select("__row", pl.struct(parts).alias("__z"))
            .group_by("__row", maintain_order=True)
            .agg("__z")
        )
        back = padded.join(zipped, on="__row", how="left", maintain_order="left")
        present = pl.all_horizontal([pl.col(c).is_not_null() for c in inner])
        return back.select(
            pl.when(present).then(pl.coalesce(pl.col("__z").cast(dtype), pl.lit([], dtype=dtype)))
        ).to_series()

    packed = pl.struct([a.alias(f"a{i}") for i, a in enumerate(args)])
    return packed.map_batches(run, return_dtype=dtype, is_elementwise=True)


def _zip_type(types: Types, args: tuple[Any, ...]) -> SqlType:
    out = []
    for i, (t, a) in enumerate(zip(types, args, strict=True)):
        name = getattr(a, "name", None)
        element = t.element if isinstance(t, Array) else t
        out.append(Field(name if isinstance(name, str) else str(i), element, True))
    return Array(Struct(tuple(out)), False)


FUNCTIONS: tuple[Function, ...] = (
    Function(
        "array",
        "() -> fn | T... -> fn",
        "Array of the given values.",
        "array(1, 2, 3)",
        lower=_array,
        strict=False,
        returns=_array_type,
        nullable=_never,
        example_result="[1,2,3]",
    ),
    Function(
        "named_struct",
        "any... -> fn",
        "Struct of (name, value) pairs.",
        "named_struct('a', 1, 'b', 2)",
        lower=_named_struct,
        strict=False,
        returns=_named_struct_type,
        nullable=_never,
    ),
    Function(
        "struct",
        "any... -> fn",
        "Struct of the given values, named after their columns or col1, col2 ...",
        "struct(1, 2)",
        lower=_struct,
        strict=False,
        returns=_struct_type,
        nullable=_never,
    ),
    Function(
        "array_repeat",
        "T, int -> array<T>",
        "Array of n times the value.",
        "array_repeat('a', 2)",
        lower=_array_repeat,
        strict=False,
        example_result='["a","a"]',
    ),
    Function(
        "sort_array",
        "array<T>, [boolean] -> array<T>",
        "The array sorted, NULLs first; descending with NULLs last when the flag is false.",
        "sort_array(array(2, 1))",
        lower=_sort_array,
        example_result="[1,2]",
    ),
    Function(
        "array_max",
        "array<T> -> T",
        "The largest non-NULL element.",
        "array_max(array(1, 3, 2))",
        lower=_max,
        example_result="3",
    ),
    Function(
        "array_min",
        "array<T> -> T",
        "The smallest non-NULL element.",
        "array_min(array(1, 3, 2))",
        lower=_min,
        example_result="1",
    ),
    Function(
        "array_size",
        "array<T> -> int",
        "Number of elements.",
        "array_size(array(1, 3))",
        lower=_size,
        example_result="2",
    ),
    Function(
        "size",
        "array<T> -> int | map<K, V> -> int",
        "Number of elements or entries; NULL of NULL.",
        "size(array(1, 3))",
        aliases=("cardinality",),
        lower=_size,
        example_result="2",
    ),
    Function(
        "get",
        "array<T>, int -> T",
        "Element at a position from 0; NULL out of range.",
        "get(array(1, 2), 5)",
        lower=_get,
    ),
    Function(
        "element_at",
        "array<T>, int -> T | map<K, V>, K -> V",
        "Element at a position from 1 (negative from the end; out of range is an error), or a key's value.",
        "element_at(array(1, 2), -1)",
        lower=_element_at,
        fallible=True,
        example_result="2",
    ),
    Function(
        "try_element_at",
        "array<T>, int -> T | map<K, V>, K -> V",
        "Like element_at; NULL out of range.",
        "try_element_at(array(1, 2), 5)",
        lower=_try_element_at,
        fallible=True,
    ),
    Function(
        "slice",
        "array<T>, int, int -> array<T>",
        "Elements from a position (from 1, negative from the end), at most so many.",
        "slice(array(1, 2, 3), 2, 2)",
        lower=_slice,
        fallible=True,
        example_result="[2,3]",
    ),
    Function(
        "array_append",
        "array<T>, T -> array<T>",
        "The array with the value at its end.",
        "array_append(array(1), 2)",
        lower=_append,
        strict=False,
        example_result="[1,2]",
    ),
    Function(
        "array_prepend",
        "array<T>, T -> array<T>",
        "The array with the value at its start.",
        "array_prepend(array(1), 2)",
        lower=_prepend,
        strict=False,
        example_result="[2,1]",
    ),
    Function(
        "array_insert",
        "array<T>, int, T -> array<T>",
        "The array with the value put in at a position (from 1, negative from the end).",
        "array_insert(array(1, 3), 2, 2)",
        lower=_insert,
        strict=False,
        fallible=True,
        example_result="[1,2,3]",
    ),
    Function(
        "array_compact",
        "array<T> -> array<T>",
        "The array without NULLs.",
        "array_compact(array(1, NULL))",
        lower=_compact,
        example_result="[1]",
    ),
    Function(
        "flatten",
        "array<array<T>> -> fn",
        "The arrays of an array in one; NULL when one of them is NULL.",
        "flatten(array(array(1), array(2)))",
        lower=_flatten,
        returns=_flatten_type,
        example_result="[1,2]",
    ),
    Function(
        "array_join",
        "array<string>, string, [string] -> string",
        "The elements joined by a delimiter, NULLs left out or replaced.",
        "array_join(array('a', 'b'), '-')",
        lower=_join,
        example_result="a-b",
    ),
    Function(
        "arrays_zip",
        "array... -> fn",
        "Array of structs of the elements at equal positions.",
        "arrays_zip(array(1, 2), array('a', 'b'))",
        lower=_arrays_zip,
        returns=_zip_type,
    ),
    Function(
        "shuffle",
        "array<T>, [bigint] -> array<T>",
        "The array in a random order.",
        "array_sort(shuffle(array(3, 1, 2)))",
        lower=_shuffle,
        deterministic=False,
        example_result="[1,2,3]",
    ),
    *SEARCHES,
    *SEQUENCES,
)
