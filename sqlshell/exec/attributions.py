"""What each feature adds to a score: xgboost's exact Shapley values of trees, and the largest of a row's parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from sqlshell.exec.trees import block_of, booster_of
from sqlshell.exec.vectors import lists

if TYPE_CHECKING:
    from collections.abc import Sequence


def contributions(booster: bytes, widths: Sequence[float], values: Sequence[pl.Expr]) -> pl.Expr:
    """For each output of an ensemble what every feature adds to its score (its columns together), then the rest."""
    sizes = [int(w) for w in widths]
    starts = np.cumsum([0, *sizes])[:-1]

    def run(s: pl.Series) -> pl.Series:
        if not len(s):
            return pl.Series("v", [], dtype=pl.List(pl.Float64))
        import xgboost

        matrix = xgboost.DMatrix(block_of(s, sizes), missing=np.nan, nthread=1)
        found = booster_of(booster).predict(matrix, pred_contribs=True, strict_shape=True).astype(np.float64)
        parts = np.add.reduceat(found[:, :, :-1], starts, axis=2)
        flat = np.concatenate([parts, found[:, :, -1:]], axis=2)
        return pl.Series("v", flat.reshape(len(s), -1)).cast(pl.List(pl.Float64))

    packed = pl.struct([v.alias(f"f{i}") for i, v in enumerate(values)])
    return packed.map_batches(run, return_dtype=pl.List(pl.Float64), is_elementwise=True)


def largest(parts: pl.Expr, sign: pl.Expr, names: Sequence[str], most: int) -> pl.Expr:
    """The features whose parts (the last is none) are farthest from 0, farthest first, as (feature, attribution)."""
    kind = pl.List(pl.Struct({"feature": pl.String, "attribution": pl.Float64}))
    width = min(most, len(names))

    def run(s: pl.Series) -> pl.Series:
        import pyarrow as pa

        _, flat = lists(s.struct.field("p"))
        table = flat.to_numpy().reshape(len(s), len(names) + 1)[:, :-1]
        table = table * s.struct.field("s").to_numpy()[:, None]
        order = np.argsort(-np.abs(table), axis=1, kind="stable")[:, :width]
        pairs = pa.StructArray.from_arrays(
            [pa.array(np.array(names, dtype=object)[order.ravel()], pa.string()),
             pa.array(np.take_along_axis(table, order, axis=1).ravel())],
            ["feature", "attribution"],
        )  # fmt: skip
        offsets = pa.array(np.arange(len(s) + 1) * width, pa.int64())
        listed: Any = pl.from_arrow(pa.LargeListArray.from_arrays(offsets, pairs))
        return pl.Series("v", listed).cast(kind)

    packed = pl.struct(parts.alias("p"), sign.alias("s"))
    return packed.map_batches(run, return_dtype=kind, is_elementwise=True)
