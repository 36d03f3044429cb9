"""Feed-forward networks over a batch of rows, in numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from sqlshell.exec.trees import block_of
from sqlshell.storage.safetensors import load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Array = np.ndarray[Any, np.dtype[Any]]

KEPT = 8
CHUNK = 1 << 14
"""Rows at a time, so that layers stay in the cache."""
_loaded: dict[bytes, list[tuple[Array, Array]]] = {}


def _sigmoid(x: Array) -> Array:
    out: Array = 0.5 * (np.tanh(0.5 * x) + 1.0)
    return out


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "identity": lambda x: x,
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0.0))),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
}


def scores(content: bytes, activation: str, widths: Sequence[float], values: Sequence[pl.Expr]) -> pl.Expr:
    """The outputs of a network of layers w0, b0, w1, b1 ... as a list by row."""
    sizes = [int(w) for w in widths]
    act = ACTIVATIONS[activation]

    def run(s: pl.Series) -> pl.Series:
        if not len(s):
            return pl.Series("v", [], dtype=pl.List(pl.Float64))
        block = block_of(s, sizes, np.float64)
        layers = _layers(content)
        found = []
        for start in range(0, len(block), CHUNK):
            x = block[start : start + CHUNK]
            for i, (w, b) in enumerate(layers):
                x = x @ w + b
                if i < len(layers) - 1:
                    x = act(x)
            found.append(x)
        return pl.Series("v", np.concatenate(found)).arr.to_list()

    packed = pl.struct([v.alias(f"f{i}") for i, v in enumerate(values)])
    return packed.map_batches(run, return_dtype=pl.List(pl.Float64), is_elementwise=True)


def _layers(content: bytes) -> list[tuple[Array, Array]]:
    found = _loaded.get(content)
    if found is None:
        tensors = load(content)
        found = [(tensors[f"w{i}"], tensors[f"b{i}"]) for i in range(len(tensors) // 2)]
        if len(_loaded) >= KEPT:
            _loaded.pop(next(iter(_loaded)))
        _loaded[content] = found
    return found
