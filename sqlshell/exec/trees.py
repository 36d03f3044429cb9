"""Ensembles of trees over a batch of rows: xgboost's in-place prediction on one float32 block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from sqlshell.exec.vectors import lists

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray[Any, np.dtype[Any]]

_loaded: dict[bytes, Any] = {}
KEPT = 8
"""Boosters a worker keeps unpacked."""


def margins(booster: bytes, widths: Sequence[float], values: Sequence[pl.Expr]) -> pl.Expr:
    """What each output's trees add up to, before the objective's transformation, as a list by row.

    `values` are features: numbers (NULL is missing), arrays or sparse vectors of the given widths (NULL is zeros).
    """
    sizes = [int(w) for w in widths]

    def run(s: pl.Series) -> pl.Series:
        if not len(s):
            return pl.Series("v", [], dtype=pl.List(pl.Float64))
        block = block_of(s, sizes)
        found = booster_of(booster).inplace_predict(block, predict_type="margin").astype(np.float64)
        listed = pl.Series("v", found.reshape(len(s), -1))
        return listed.cast(pl.List(pl.Float64))

    packed = pl.struct([v.alias(f"f{i}") for i, v in enumerate(values)])
    return packed.map_batches(run, return_dtype=pl.List(pl.Float64), is_elementwise=True)


def block_of(s: pl.Series, sizes: Sequence[int], dtype: Any = np.float32) -> Array:
    """Features f0, f1 ... of a struct column side by side; single precision is what xgboost takes."""
    block = np.empty((len(s), sum(sizes)), dtype=dtype)
    at = 0
    for i, width in enumerate(sizes):
        block[:, at : at + width] = _columns(s.struct.field(f"f{i}"), width, dtype)
        at += width
    return block


def _columns(s: pl.Series, width: int, dtype: Any) -> Array:
    if s.dtype.is_numeric():
        kind = pl.Float32 if dtype is np.float32 else pl.Float64
        return s.cast(kind).fill_null(float("nan")).to_numpy()[:, None]
    sparse = isinstance(s.dtype, pl.Struct)
    lengths, flat = lists(s.struct.field("values") if sparse else s)
    out = np.zeros((len(s), width), dtype=dtype)
    rows = np.repeat(np.arange(len(s)), lengths)
    if sparse:
        at = lists(s.struct.field("indices"))[1].to_numpy()
    else:
        at = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    inside = at < width
    out[rows[inside], at[inside]] = flat.cast(pl.Float64).fill_null(0.0).to_numpy()[inside]
    return out


def booster_of(data: bytes) -> Any:
    """A model, unpacked; kept for the next batch."""
    found = _loaded.get(data)
    if found is None:
        import xgboost

        found = xgboost.Booster({"nthread": 1, "verbosity": 0})
        found.load_model(bytearray(data))
        found.set_param({"nthread": 1})
        if len(_loaded) >= KEPT:
            _loaded.pop(next(iter(_loaded)))
        _loaded[data] = found
    return found
