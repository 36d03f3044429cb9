"""Aggregates over window frames given as row ranges [lo, hi) of the sorted rows.

Exact sums and counts are differences of running totals. Everything else that merges (min, max, sums of
doubles, moments) is folded over blocks of 1, 2, 4 ... rows, which is right for any frame and loses no
digits; a frame that starts at its partition's first row is a running aggregate. Aggregates that do not
merge collect each frame's rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.errors import InternalError
from sqlshell.exec.lower_agg import function_of
from sqlshell.functions import aggregate, aggregate_stats, aggregate_values
from sqlshell.types import Fractional

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.exec.lower_agg import AggView
    from sqlshell.expr.expr import Frame

FRAME_BOUND = pl.Int64
START = pl.col("__start")


def aggregate_over_frame(
    lf: pl.LazyFrame, view: AggView, frame: Frame, bounds: tuple[pl.Expr, pl.Expr], name: str
) -> pl.LazyFrame:
    """The rows with the aggregate over [lo, hi) as column `name`."""
    lo, hi = bounds
    row = function_of(view.call)
    methods = [_METHODS.get(s.update) for s in row.states]
    if not row.states or row.final is None or None in methods:
        return _collected(lf, view, lo, hi, name)
    running = frame.start is None
    states = [m(view, lo, hi, running) for m in methods if m is not None]
    names = [f"{name}__{i}" for i in range(len(states))]
    lf = lf.with_columns([s.alias(n) for s, n in zip(states, names, strict=True)])
    return lf.with_columns(row.final(view, *(pl.col(n) for n in names)).alias(name))


def _collected(lf: pl.LazyFrame, view: AggView, lo: pl.Expr, hi: pl.Expr, name: str) -> pl.LazyFrame:
    """Any aggregate: every frame's rows, gathered and grouped. Costs the sum of all frames' sizes."""
    row = function_of(view.call)
    lf = lf.cache()
    pairs = lf.select(
        pl.col("__row").alias("__at"), pl.int_ranges(lo, hi, dtype=FRAME_BOUND).alias("__row")
    ).explode("__row", empty_as_null=True, keep_nulls=True)
    values = pairs.join(lf, on="__row", how="left", maintain_order="left")
    if row.lower is not None:
        result = row.lower(view, *view.args)
    elif row.final is not None:
        result = row.final(view, *(s.update(view, *view.args) for s in row.states))
    else:
        raise InternalError(f"{row.name} has neither a lowering nor states")
    grouped = values.group_by("__at", maintain_order=True).agg(result.alias(name))
    return lf.join(grouped, left_on="__row", right_on="__at", how="left", maintain_order="left")


# Running totals


def _total(e: pl.Expr, lo: pl.Expr, hi: pl.Expr) -> pl.Expr:
    """The sum of an exact column without NULLs over [lo, hi): two gathers from its running total."""
    running = e.cum_sum()

    def before(position: pl.Expr) -> pl.Expr:
        return running.gather(pl.when(position > 0).then(position - 1)).fill_null(0)

    return before(hi) - before(lo)


def _count(view: AggView, lo: pl.Expr, hi: pl.Expr, _: bool) -> pl.Expr:
    parts = [
        a.is_not_null()
        for a, e in zip(view.args, view.call.args, strict=True)
        if e.nullable or view.keep is not None
    ]
    if view.keep is not None:
        parts.append(view.keep)
    if not parts:
        return hi - lo
    return _total(pl.all_horizontal(parts).cast(pl.Int64), lo, hi)


def _present(view: AggView, lo: pl.Expr, hi: pl.Expr, i: int = 0) -> pl.Expr:
    """Whether the frame has a value of argument i."""
    if view.keep is None and not view.call.args[i].nullable:
        return hi > lo
    return _total(view.args[i].is_not_null().cast(pl.Int64), lo, hi) > 0


def _count_if(view: AggView, lo: pl.Expr, hi: pl.Expr, _: bool) -> pl.Expr:
    return _total(view.args[0].fill_null(False).cast(pl.Int64), lo, hi)


def _sum(view: AggView, lo: pl.Expr, hi: pl.Expr, running: bool) -> pl.Expr:
    wide_type = view.dtype(aggregate.sum_state((view.type(0),)))
    wide = view.args[0].cast(wide_type)
    if isinstance(view.type(0), Fractional):
        if running:
            # A running total per partition: a NaN or an infinity must not reach the next one.
            total = wide.fill_null(0.0).cum_sum().over(START).gather(pl.when(hi > lo).then(hi - 1))
            return pl.when(_present(view, lo, hi)).then(total)
        return _fold_value(wide, wide_type, lo, hi, _add)
    if wide_type == pl.Duration:
        wide = wide.cast(pl.Int64)
    total = _total(wide.fill_null(0), lo, hi)
    return pl.when(_present(view, lo, hi)).then(total).cast(wide_type)


# Folds over blocks


def _add(a: list[pl.Expr], b: list[pl.Expr]) -> list[pl.Expr]:
    return [pl.coalesce(a[0] + b[0], a[0], b[0])]


def _largest(a: list[pl.Expr], b: list[pl.Expr]) -> list[pl.Expr]:
    return [pl.max_horizontal(a[0], b[0])]


def _smallest(a: list[pl.Expr], b: list[pl.Expr]) -> list[pl.Expr]:
    return [pl.min_horizontal(a[0], b[0])]


def _bits(op: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Callable[..., list[pl.Expr]]:
    def combine(a: list[pl.Expr], b: list[pl.Expr]) -> list[pl.Expr]:
        return [pl.coalesce(op(a[0], b[0]), a[0], b[0])]

    return combine


def _merge_moments(a: list[pl.Expr], b: list[pl.Expr]) -> list[pl.Expr]:
    """Chan's formula on (n, mean, m2)."""
    n = a[0] + b[0]
    shift = b[1] - a[1]
    mean = a[1] + shift * b[0] / n
    m2 = a[2] + b[2] + shift * shift * a[0] * b[0] / n
    return [pl.coalesce(x, y, z) for x, y, z in zip((n, mean, m2), a, b, strict=True)]


def _fold(parts: dict[str, tuple[pl.Expr, Any]], lo: pl.Expr, hi: pl.Expr, combine: Any) -> pl.Expr:
    """The state (a struct of the parts, expressions with dtypes) of the rows [lo, hi); NULLs for none."""
    packed = pl.struct(*(e.alias(n) for n, (e, _) in parts.items()), lo.alias("__lo"), hi.alias("__hi"))
    names = list(parts)

    def run(rows: pl.Series) -> pl.Series:
        return _fold_rows(rows.struct.unnest(), names, combine)

    return packed.map_batches(run, return_dtype=pl.Struct({n: t for n, (_, t) in parts.items()}))


def _fold_value(e: pl.Expr, dtype: Any, lo: pl.Expr, hi: pl.Expr, combine: Any) -> pl.Expr:
    """A fold whose state is one column."""
    return _fold({"v": (e, dtype)}, lo, hi, combine).struct.field("v")


def _fold_rows(frame: pl.DataFrame, names: list[str], combine: Any) -> pl.Series:
    level = frame.select(names)
    result = level.clear(frame.height)
    position, left = frame["__lo"], frame["__hi"] - frame["__lo"]
    size = 1
    longest: Any = left.max() or 0
    while size <= longest:
        taken = left.to_frame("n").select((pl.col("n") // size) % 2 == 1).to_series()
        block = level.select(pl.all().gather(pl.when(pl.lit(taken)).then(pl.lit(position))))
        result = _combined(result, block, combine)
        position = position + taken.cast(FRAME_BOUND) * size
        level = _combined(level, level.select(pl.all().shift(-size)), combine)
        size *= 2
    return result.to_struct("s")


def _combined(a: pl.DataFrame, b: pl.DataFrame, combine: Any) -> pl.DataFrame:
    both = a.with_columns(b.rename({n: f"r{n}" for n in b.columns}))
    merged = combine([pl.col(n) for n in a.columns], [pl.col(f"r{n}") for n in a.columns])
    return both.select([e.alias(n) for n, e in zip(a.columns, merged, strict=True)])


def _extreme(combine: Any) -> Callable[..., pl.Expr]:
    def method(view: AggView, lo: pl.Expr, hi: pl.Expr, running: bool) -> pl.Expr:
        value, dtype = view.args[0], view.dtype(view.type(0))
        if not isinstance(view.type(0), Fractional):
            return _fold_value(value, dtype, lo, hi, combine)
        # Polars' min and max skip NaN; SQL has it above all numbers.
        number = _fold_value(value.fill_nan(None), dtype, lo, hi, combine)
        nans = _total(value.is_nan().fill_null(False).cast(pl.Int64), lo, hi)
        nan = pl.when(nans > 0).then(pl.lit(float("nan")))
        if combine is _largest:
            return pl.coalesce(nan, number)
        return pl.coalesce(number, nan)

    return method


def _folded(combine: Any) -> Callable[..., pl.Expr]:
    def method(view: AggView, lo: pl.Expr, hi: pl.Expr, _: bool) -> pl.Expr:
        return _fold_value(view.args[0], view.dtype(view.type(0)), lo, hi, combine)

    return method


def _moments(view: AggView, lo: pl.Expr, hi: pl.Expr, _: bool) -> pl.Expr:
    value = view.args[0]
    parts = {
        "n": (pl.when(value.is_not_null()).then(1.0), pl.Float64),
        "mean": (value, pl.Float64),
        "m2": (value - value, pl.Float64),
    }
    state = _fold(parts, lo, hi, _merge_moments)
    return state.struct.with_fields(pl.field("n").fill_null(0.0))


_METHODS: dict[Any, Callable[[Any, pl.Expr, pl.Expr, bool], pl.Expr]] = {
    aggregate.SUM.update: _sum,
    aggregate.COUNT.update: _count,
    aggregate.COUNT_IF.update: _count_if,
    aggregate_values.MIN.update: _extreme(_smallest),
    aggregate_values.MAX.update: _extreme(_largest),
    aggregate_values.ALL.update: _folded(_smallest),
    aggregate_values.ANY.update: _folded(_largest),
    aggregate_stats.MOMENTS.update: _moments,
}


# RANGE offsets


def search(*, after: bool) -> Callable[[pl.Series], pl.Series]:
    """For structs (key, target, lo, hi): the first row of [lo, hi) with a key not below (above) the target.

    A binary search of all rows at once; keys ascend within [lo, hi).
    """

    def run(rows: pl.Series) -> pl.Series:
        frame = rows.struct.unnest()
        key = frame["key"]
        bounds = frame.select("target", "lo", "hi")
        for _ in range(max(1, len(rows)).bit_length() + 1):
            middle = bounds.select((pl.col("lo") + pl.col("hi")) // 2).to_series().rename("middle")
            inside = bounds.select(pl.col("lo") < pl.col("hi")).to_series()
            if not inside.any():
                break
            at = key.gather(middle.zip_with(inside, pl.repeat(0, len(rows), dtype=FRAME_BOUND, eager=True)))
            passed = bounds.with_columns(at.alias("at")).select(
                (pl.col("at") <= pl.col("target")) if after else (pl.col("at") < pl.col("target"))
            )
            further = passed.to_series().fill_null(False)
            bounds = bounds.with_columns(middle, inside.alias("in"), further.alias("far")).select(
                "target",
                pl.when(pl.col("in") & pl.col("far")).then(pl.col("middle") + 1).otherwise("lo").alias("lo"),
                pl.when(pl.col("in") & ~pl.col("far")).then(pl.col("middle")).otherwise("hi").alias("hi"),
            )
        return bounds["lo"]

    return run
