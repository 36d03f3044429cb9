"""Aggregates whose last step runs in Python over a group's values: histograms, frequent values, vectors."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError
from sqlshell.functions.aggregate_row import aggregate_row, always, never
from sqlshell.functions.common import failure
from sqlshell.functions.registry import AggState, Function
from sqlshell.types import (
    BIGINT,
    DOUBLE,
    FLOAT,
    Array,
    Date,
    Field,
    Integral,
    SqlType,
    Struct,
    Temporal,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

Types = tuple[SqlType, ...]


# Histograms


class _JavaRandom:
    """java.util.Random: Spark's histogram breaks ties by it."""

    def __init__(self, seed: int) -> None:
        self.state = (seed ^ 0x5DEECE66D) & ((1 << 48) - 1)

    def _next(self, bits: int) -> int:
        self.state = (self.state * 0x5DEECE66D + 0xB) & ((1 << 48) - 1)
        return self.state >> (48 - bits)

    def double(self) -> float:
        return float(((self._next(26) << 27) + self._next(27)) * 2.0**-53)


def histogram(values: Iterable[float], bins: int) -> list[dict[str, float]]:
    """Ben-Haim and Yom-Tov's streaming histogram as Spark runs it: the two closest of too many bins are merged."""
    random = _JavaRandom(31183)
    xs: list[float] = []
    ys: list[float] = []
    for v in values:
        at = bisect_left(xs, v)
        if at < len(xs) and xs[at] == v:
            ys[at] += 1
            continue
        xs.insert(at, v)
        ys.insert(at, 1.0)
        if len(xs) > bins:
            _merge_closest(xs, ys, random)
    return [{"x": x, "y": y} for x, y in zip(xs, ys, strict=True)]


def _merge_closest(xs: list[float], ys: list[float], random: _JavaRandom) -> None:
    at, ties, least = 0, 0, float("inf")
    for i, (a, b) in enumerate(pairwise(xs)):
        if b - a < least:
            least, at, ties = b - a, i, 1
        elif b - a == least:
            ties += 1
            if random.double() <= 1.0 / ties:
                at = i
    total = ys[at] + ys[at + 1]
    xs[at] = xs[at] * (ys[at] / total) + xs[at + 1] * (ys[at + 1] / total)
    ys[at] = total
    del xs[at + 1], ys[at + 1]


def _doubles(k: Any, a: Any, *_: Any) -> Any:
    pl = k.pl
    number = (
        a.to_physical().cast(pl.Float64) if isinstance(k.type(0), Temporal) else k.cast(a, k.type(0), DOUBLE)
    )
    return number.drop_nulls().implode()


def _joined(_: Any, state: Any) -> Any:
    return state.explode().drop_nulls().implode()


def _histogram_final(k: Any, state: Any) -> Any:
    pl, t = k.pl, k.type(0)
    bins = k.count(1)
    if bins < 2:
        raise AnalysisError(
            "histogram_numeric needs at least 2 bins",
            condition="DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE",
            span=k.call.span,
        )
    raw = pl.List(pl.Struct({"x": pl.Float64, "y": pl.Float64}))

    def run(groups: Any) -> Any:
        return pl.Series("_", [histogram(g, bins) if g else None for g in groups.to_list()], dtype=raw)

    found = state.map_batches(run, return_dtype=raw, is_elementwise=True)
    x, y = (pl.element().struct.field(n) for n in "xy")
    if isinstance(t, Temporal):
        x = x.cast(pl.Int32 if isinstance(t, Date) else pl.Int64).cast(k.dtype(t))
    elif isinstance(t, Integral):
        x = x.cast(k.dtype(t))
    else:
        x = k.cast(x, DOUBLE, t)
    return found.list.eval(pl.struct(x.alias("x"), y.alias("y")))


def _histogram_type(types: Types, _: Any = None) -> SqlType:
    return Array(Struct((Field("x", types[0]), Field("y", DOUBLE))))


# Frequent values


def _top_k_final(k: Any, state: Any) -> Any:
    """Exact counts, the most frequent first; of equally frequent values the one that came first."""
    pl = k.pl
    wanted = k.count(1) if len(k.call.args) > 1 else 5
    item = k.dtype(k.type(0))
    dtype = pl.List(pl.Struct({"item": item, "count": pl.Int64}))
    entry = pl.struct(pl.col("g").cast(item).alias("item"), pl.col("len").cast(pl.Int64).alias("count"))

    def run(groups: Any) -> Any:
        rows = pl.DataFrame({"g": groups}).with_row_index("__row")
        flat = rows.filter(pl.col("g").list.len() > 0).explode("g")
        top = (
            flat.group_by("__row", "g", maintain_order=True)
            .len()
            .sort("__row", "len", descending=[False, True], maintain_order=True)
            .group_by("__row", maintain_order=True)
            .agg(entry.head(wanted).alias("t"))
        )
        back = rows.select("__row").join(top, on="__row", how="left", maintain_order="left")
        return back.select(pl.coalesce(pl.col("t").cast(dtype), pl.lit([], dtype=dtype))).to_series()

    return state.map_batches(run, return_dtype=dtype, is_elementwise=True)


def _kept(k: Any, a: Any, *_: Any) -> Any:
    return (a.filter(k.keep) if k.keep is not None else a).implode()


def _concatenated(_: Any, state: Any) -> Any:
    return state.drop_nulls().explode(empty_as_null=False, keep_nulls=False).implode()


def _top_k_type(types: Types, _: Any = None) -> SqlType:
    return Array(Struct((Field("item", types[0]), Field("count", BIGINT))), False)


# Vectors


def _vectors(_: Any, a: Any) -> Any:
    return a.drop_nulls().implode()


def _vector(mean: bool) -> Any:
    def final(k: Any, state: Any) -> Any:
        pl = k.pl
        dtype = pl.List(pl.Float32)

        def one(group: list[list[float | None]]) -> Any:
            import numpy as np

            width = len(group[0])
            other = next((len(v) for v in group if len(v) != width), None)
            if other is not None:
                raise failure(k, "VECTOR_DIMENSION_MISMATCH", f"vectors of {width} and of {other} elements")
            whole = [v for v in group if None not in v]
            if not whole:
                return None
            total = np.array(whole, dtype=np.float32).sum(axis=0, dtype=np.float32)
            return (total / np.float32(len(whole)) if mean else total).tolist()

        def run(groups: Any) -> Any:
            return pl.Series("_", [one(g) if g else None for g in groups.to_list()], dtype=dtype)

        return state.map_batches(run, return_dtype=dtype, is_elementwise=True)

    return final


def _vector_row(name: str, doc: str, mean: bool) -> Function:
    return aggregate_row(
        name, "array<float> -> array<float>", doc,
        f"{name}(x) FROM VALUES (array(1.0F, 2.0F)), (array(3.0F, 4.0F)) AS t(x)",
        states=(AggState("vectors", lambda _: Array(Array(FLOAT)), _vectors, _joined),),
        final=_vector(mean), nullable=always, fallible=True,
    )  # fmt: skip


SKETCHES: tuple[Function, ...] = (
    aggregate_row(
        "histogram_numeric",
        "num, int -> fn | datetime, int -> fn",
        "A histogram of at most so many bins, each a centre and a height; bins that lie closest are merged.",
        "histogram_numeric(x, 5) FROM VALUES (0), (1), (2), (10) AS t(x)",
        returns=_histogram_type,
        states=(AggState("values", lambda _: Array(DOUBLE), _doubles, _joined),),
        final=_histogram_final,
        ordered=True,
    ),
    aggregate_row(
        "approx_top_k",
        "any, [int, int] -> fn",
        "The most frequent values and how often they occur (counted exactly; the third argument is accepted).",
        "approx_top_k(x, 2) FROM VALUES ('a'), ('b'), ('b'), ('b'), ('a') AS t(x)",
        returns=_top_k_type,
        nullable=never,
        states=(AggState("values", lambda types: Array(types[0]), _kept, _concatenated),),
        final=_top_k_final,
        strict=False,
        ordered=True,
    ),
    _vector_row("vector_sum", "The sum of vectors, element by element.", False),
    _vector_row("vector_avg", "The mean of vectors, element by element.", True),
)
