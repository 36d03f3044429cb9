"""Finding values in arrays, and arrays as sets. Part of the array table."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.common import let
from sqlshell.functions.registry import Function

# Search


def _three_valued(k: Any, items: Any, wanted: Any, found: Any) -> Any:
    """`found`, or NULL when it is false and a NULL among the items leaves the question open."""
    pl = k.pl
    open_question = items.list.agg(pl.element().is_null().any())
    known = pl.when(found).then(True).when(~open_question).then(False)
    return pl.when(wanted.is_not_null()).then(known)


def _contains(k: Any, items: Any, wanted: Any) -> Any:
    return let(k, lambda a, x: _three_valued(k, a, x, a.list.contains(x)), items, wanted)


def _position(k: Any, items: Any, wanted: Any) -> Any:
    pl = k.pl

    def find(a: Any, x: Any) -> Any:
        at = (
            _match_list(k, a, wanted if k.is_literal(1) else x)
            .list.eval(pl.element().index_of(True))
            .list.first()
        )
        return pl.when(a.is_not_null() & x.is_not_null()).then((at + 1).fill_null(0).cast(pl.Int64))

    return let(k, find, items, wanted)


def _match_list(k: Any, items: Any, wanted: Any) -> Any:
    """For each element, whether it equals `wanted` (NULLs equal nothing)."""
    pl = k.pl
    if k.is_literal(1):
        return items.list.eval(pl.element() == wanted)
    pairs = _zip(k, items, wanted)
    return pairs.list.eval(pl.element().struct.field("e") == pl.element().struct.field("x"))


def _zip(k: Any, items: Any, wanted: Any) -> Any:
    """Each element `e` beside the row's value `x`: list.eval sees nothing outside the list."""
    pl = k.pl
    packed = pl.struct(items.alias("e"), wanted.alias("x"))
    dtype = pl.List(pl.Struct({"e": k.dtype(k.type(0).element), "x": k.dtype(k.type(1))}))

    def run(rows: Any) -> Any:
        frame = rows.struct.unnest().with_row_index("__row")
        flat = frame.filter(pl.col("e").list.len() > 0).explode("e", empty_as_null=False, keep_nulls=False)
        grouped = flat.group_by("__row", maintain_order=True).agg(pl.struct("e", "x").alias("pairs"))
        back = frame.join(grouped, on="__row", how="left", maintain_order="left")
        empty = pl.lit([], dtype=dtype)
        return back.select(
            pl.when(pl.col("e").is_not_null()).then(pl.coalesce(pl.col("pairs").cast(dtype), empty))
        ).to_series()

    return packed.map_batches(run, return_dtype=dtype, is_elementwise=True)


def _remove(k: Any, items: Any, wanted: Any) -> Any:
    pl = k.pl

    def strip(a: Any, x: Any) -> Any:
        if k.is_literal(1):
            # The constant itself: a bound field is out of sight inside a list.
            element = pl.element()
            kept = a.list.filter((element != wanted) | element.is_null())
        else:
            e, v = pl.element().struct.field("e"), pl.element().struct.field("x")
            kept = _zip(k, a, x).list.filter((e != v) | e.is_null()).list.eval(e)
        return pl.when(x.is_not_null()).then(kept)

    return let(k, strip, items, wanted)


def _overlap(k: Any, a: Any, b: Any) -> Any:
    pl = k.pl

    def test(x: Any, y: Any) -> Any:
        both = x.list.drop_nulls().list.unique().list.concat(y.list.drop_nulls().list.unique())
        common = both.list.n_unique() < both.list.len()
        missing = x.list.agg(pl.element().is_null().any()) | y.list.agg(pl.element().is_null().any())
        unsure = missing & (x.list.len() > 0) & (y.list.len() > 0)
        return pl.when(x.is_not_null() & y.is_not_null()).then(
            pl.when(common).then(True).when(~unsure).then(False)
        )

    return let(k, test, a, b)


# Sets


def _distinct(_: Any, items: Any) -> Any:
    return items.list.unique(maintain_order=True)


def _union(_: Any, a: Any, b: Any) -> Any:
    return a.list.concat(b).list.unique(maintain_order=True)


def _intersect(k: Any, a: Any, b: Any) -> Any:
    pl = k.pl

    def common(x: Any, y: Any) -> Any:
        both = x.list.unique(maintain_order=True).list.concat(y.list.unique(maintain_order=True))
        return both.list.filter(pl.element().is_duplicated()).list.unique(maintain_order=True)

    return let(k, common, a, b)


def _except(k: Any, a: Any, b: Any) -> Any:
    pl = k.pl

    def rest(x: Any, y: Any) -> Any:
        # The second array twice: what is left single stands in the first one only.
        once = x.list.unique(maintain_order=True)
        others = y.list.unique(maintain_order=True)
        return once.list.concat(others).list.concat(others).list.filter(~pl.element().is_duplicated())

    return let(k, rest, a, b)


SEARCHES: tuple[Function, ...] = (
    Function(
        "array_contains",
        "array<T>, T -> boolean",
        "Whether the array has the value; NULL when only a NULL element could be it.",
        "array_contains(array(1, 2), 2)",
        lower=_contains,
        example_result="true",
    ),
    Function(
        "array_position",
        "array<T>, T -> bigint",
        "Position (from 1) of the first element equal to the value, 0 when there is none.",
        "array_position(array(5, 7), 7)",
        lower=_position,
        example_result="2",
    ),
    Function(
        "array_remove",
        "array<T>, T -> array<T>",
        "The array without the elements equal to the value.",
        "array_remove(array(1, 2, 1), 1)",
        lower=_remove,
        example_result="[2]",
    ),
    Function(
        "arrays_overlap",
        "array<T>, array<T> -> boolean",
        "Whether the arrays share a non-NULL element; NULL when only NULLs could be shared.",
        "arrays_overlap(array(1, 2), array(2, 3))",
        lower=_overlap,
        example_result="true",
    ),
    Function(
        "array_distinct",
        "array<T> -> array<T>",
        "The array without repeats.",
        "array_distinct(array(1, 2, 1))",
        lower=_distinct,
        example_result="[1,2]",
    ),
    Function(
        "array_union",
        "array<T>, array<T> -> array<T>",
        "Elements of either array, without repeats.",
        "array_union(array(1, 2), array(2, 3))",
        lower=_union,
        example_result="[1,2,3]",
    ),
    Function(
        "array_intersect",
        "array<T>, array<T> -> array<T>",
        "Elements of both arrays, without repeats.",
        "array_intersect(array(1, 2), array(2, 3))",
        lower=_intersect,
        example_result="[2]",
    ),
    Function(
        "array_except",
        "array<T>, array<T> -> array<T>",
        "Elements of the first array that are not in the second, without repeats.",
        "array_except(array(1, 2), array(2, 3))",
        lower=_except,
        example_result="[1]",
    ),
)
