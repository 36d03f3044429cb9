"""Lambdas over the elements of lists.

A body that uses only its own parameters runs in `list.eval` / `list.filter`. Those cannot see anything
else, so a body with outer columns or outer parameters runs over the exploded elements, each beside its
row's values, and the results are grouped back to lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.expr.expr import Column, Lambda, LambdaVar
from sqlshell.functions.fallible import can_fail

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlshell.exec.lower_expr import Kernel

ROW, INDEX, RESULT = "__row", "__index", "__result"


def over_elements(k: Kernel, i: int, lists: Sequence[pl.Expr], params: Any, *, keep: bool = False) -> pl.Expr:
    """The list of values of lambda argument `i` over the elements of `lists`, or (`keep`) the first list's
    elements for which it is true.

    The lists are equally long where the first is not NULL. `params(index, *elements)` gives the lambda's
    parameter values from a position and the elements there.
    """
    fn = k.lambda_of(i)
    if len(lists) == 1 and is_closed(fn):
        element = pl.element()
        position = pl.int_range(pl.len(), dtype=pl.Int32)
        body = _body(k, fn, params(position, element))

        def run(items: pl.Expr) -> pl.Expr:
            return items.list.filter(body) if keep else items.list.eval(body)

        return _without_hidden(k, lists[0], run, k.dtype(k.type(0))) if can_fail(fn.body) else run(lists[0])
    return _exploded(k, fn, lists, params, keep)


def _without_hidden(k: Kernel, items: pl.Expr, run: Callable[[pl.Expr], pl.Expr], dtype: Any) -> pl.Expr:
    """`run(items)`, sure to see no values that lie hidden below NULL lists: the body must not fail on those."""

    def shown(e: pl.Expr) -> pl.Expr:
        present = e.is_not_null()
        return pl.when(present).then(run(pl.when(present).then(e).otherwise(pl.lit([], dtype=dtype))))

    return k.let([items], shown)


def is_closed(fn: Lambda) -> bool:
    """Whether no part of the body uses anything but parameters of the innermost lambda around it."""
    if fn.collect(Column):
        return False
    own = {p.id for p in fn.params}
    inner = {p.id for n in fn.body.collect(Lambda) for p in n.params}
    if any(v.id not in own | inner for v in fn.body.collect(LambdaVar)):
        return False
    return all(is_closed(n) for n in fn.body.collect(Lambda))


def _body(k: Kernel, fn: Lambda, values: Sequence[pl.Expr]) -> pl.Expr:
    env = {p.id: e for p, e in zip(fn.params, values, strict=False)}
    return k.bind(env).lower(fn.body)


def outer_values(k: Kernel, *fns: Lambda) -> tuple[list[pl.Expr], dict[int, pl.Expr]]:
    """What lambdas take from outside: named expressions to pack, and the variables bound to their names."""
    packed: dict[str, pl.Expr] = {}
    env: dict[int, pl.Expr] = {}
    for fn in fns:
        for c in fn.body.collect(Column):
            packed[f"c{c.id}"] = k.lower(c).alias(f"c{c.id}")
        own = {p.id for n in fn.collect(Lambda) for p in n.params}
        for v in fn.body.collect(LambdaVar):
            if v.id not in own:
                packed[f"__v{v.id}"] = k.lower(v).alias(f"__v{v.id}")
                env[v.id] = pl.col(f"__v{v.id}")
    return list(packed.values()), env


def _exploded(k: Kernel, fn: Lambda, lists: Sequence[pl.Expr], params: Any, keep: bool) -> pl.Expr:
    outer, env = outer_values(k, fn)
    names = [f"__l{n}" for n in range(len(lists))]
    body = _body(k.bind(env), fn, params(pl.col(INDEX), *(pl.col(n) for n in names)))
    element = pl.Unknown() if keep else k.dtype(fn.body.type)
    kept = pl.col(names[0]) if keep else pl.col(RESULT)

    def run(rows: pl.Series) -> pl.Series:
        frame = rows.struct.unnest().with_row_index(ROW)
        filled = frame.filter(pl.col(names[0]).list.len() > 0)
        flat = filled.with_columns(
            pl.int_ranges(pl.col(names[0]).list.len(), dtype=pl.Int32).alias(INDEX)
        ).explode([*names, INDEX], empty_as_null=False, keep_nulls=False)
        flat = flat.with_columns(body.alias(RESULT))
        if keep:
            flat = flat.filter(pl.col(RESULT))
        grouped = flat.group_by(ROW, maintain_order=True).agg(kept.alias(RESULT))
        back = frame.select(ROW, present=pl.col(names[0]).is_not_null()).join(
            grouped, on=ROW, how="left", maintain_order="left"
        )
        empty = pl.lit([], dtype=back.schema[RESULT])
        full = pl.when("present").then(pl.coalesce(pl.col(RESULT), empty)).alias(RESULT)
        return back.select(full if keep else full.cast(pl.List(element))).to_series()

    packed = pl.struct([*(e.alias(n) for n, e in zip(names, lists, strict=True)), *outer])
    # the elements may have lost leaves that nobody reads, so their own type is taken
    result = pl.dtype_of(lists[0]) if keep else pl.List(element)
    return packed.map_batches(run, return_dtype=result, is_elementwise=True)


def sorted_by(k: Kernel, i: int, items: pl.Expr) -> pl.Expr:
    """Each list sorted by the comparator at argument `i`: an element's place is how many go before it.

    Every pair of a list's elements is compared, so long lists are slow; equal elements keep their order.
    """
    fn = k.lambda_of(i)
    outer, env = outer_values(k, fn)
    order = _body(k.bind(env), fn, [pl.col("__x"), pl.col("__y")])
    order = k.raise_if(order.is_null(), "COMPARATOR_RETURNS_NULL", order)

    def run(rows: pl.Series) -> pl.Series:
        frame = rows.struct.unnest().with_row_index(ROW)
        size = pl.col("__list").list.len()
        flat = frame.filter(size > 0).with_columns(pl.int_ranges(size).alias("__i"))
        firsts = flat.with_columns(pl.col("__list").alias("__x")).explode("__x", "__i")
        pairs = firsts.with_columns(
            pl.int_ranges(pl.col("__list").list.len()).alias("__j"), pl.col("__list").alias("__y")
        ).explode("__y", "__j")
        before = (pl.col("__o") > 0) | ((pl.col("__o") == 0) & (pl.col("__j") < pl.col("__i")))
        places = (
            pairs.with_columns(order.alias("__o"))
            .group_by(ROW, "__i")
            .agg(before.sum().alias("__place"), pl.col("__x").first())
        )
        lists = (
            places.sort(ROW, "__place").group_by(ROW, maintain_order=True).agg(pl.col("__x").alias(RESULT))
        )
        back = frame.join(lists, on=ROW, how="left", maintain_order="left")
        result = pl.col(RESULT).cast(frame.schema["__list"])
        return back.select(pl.coalesce(result, pl.col("__list")).alias(RESULT)).to_series()

    packed = pl.struct([items.alias("__list"), *outer])
    return packed.map_batches(run, return_dtype=pl.dtype_of(items), is_elementwise=True)


def fold(k: Kernel, items: pl.Expr, start: pl.Expr, merge: int, finish: int | None) -> pl.Expr:
    """aggregate(): `merge` over each list's elements from `start`, then `finish`; both are argument numbers.

    All rows take a step together, so the cost is the longest list's length times the rows.
    """
    fn = k.lambda_of(merge)
    end = None if finish is None else k.lambda_of(finish)
    outer, env = outer_values(k, fn, *([] if end is None else [end]))
    state, element = pl.col("__state"), pl.col("__element")
    step = _body(k.bind(env), fn, [state, element])
    last = state if end is None else _body(k.bind(env), end, [state])
    state_type = k.dtype(fn.body.type)

    def run(rows: pl.Series) -> pl.Series:
        frame = rows.struct.unnest()
        longest: Any = frame["__list"].list.len().max() or 0
        for at in range(longest):
            # Rows that are done are kept out of the step, so that it cannot fail on them.
            todo = frame["__list"].list.len() > at
            moving = frame.filter(todo).with_columns(pl.col("__list").list.get(at).alias("__element"))
            stepped = moving.select(step.cast(state_type)).to_series()
            frame = frame.with_columns(
                frame["__state"].scatter(todo.arg_true(), stepped).alias("__state")
                if not state_type.is_nested()
                else _replaced(frame["__state"], todo, stepped)
            )
        return frame.select(pl.when(pl.col("__list").is_not_null()).then(last)).to_series()

    packed = pl.struct([items.alias("__list"), start.cast(state_type).alias("__state"), *outer])
    result = state_type if end is None else k.dtype(end.body.type)
    return packed.map_batches(run, return_dtype=result, is_elementwise=True)


def _replaced(old: pl.Series, where: pl.Series, new: pl.Series) -> pl.Series:
    """`old` with the rows `where` holds taken from `new`, in order."""
    position = where.cast(pl.Int64).cum_sum() - 1
    spread = new.gather(position.clip(0)) if len(new) else old
    return spread.zip_with(where, old).alias("__state")
