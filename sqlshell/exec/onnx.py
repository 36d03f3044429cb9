"""ONNX graphs over a batch of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from sqlshell.exec.vectors import lists

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray[Any, np.dtype[Any]]

KEPT = 8
_loaded: dict[bytes, Any] = {}
_DTYPES: dict[str, Any] = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64, "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_, "tensor(string)": np.object_,
}  # fmt: skip


def run(content: bytes, graph: dict[str, Any], values: Sequence[pl.Expr], kind: Any) -> pl.Expr:
    """The graph's outputs as a struct; NULL for rows where a text, a whole number or a truth value is missing.

    A missing number of a floating type is NaN.
    """
    fields = list(kind.fields)

    def batch(s: pl.Series) -> pl.Series:
        if not len(s):
            return pl.Series("v", [], dtype=kind)
        feed, known, at = {}, np.ones(len(s), dtype=bool), 0
        for i in graph["inputs"]:
            columns = [s.struct.field(f"f{at + k}") for k in range(len(i["columns"]))]
            at += len(columns)
            feed[i["name"]], present = _tensor(columns, i["tensor"], i["rank"])
            known &= present
        found = _session(content).run([o["name"] for o in graph["outputs"]], feed)
        made = [_column(v, f).alias(f.name) for v, f in zip(found, fields, strict=True)]
        frame = pl.DataFrame(made).to_struct("v")
        return pl.DataFrame({"v": frame}).select(pl.when(pl.Series(known)).then("v").alias("v"))["v"]

    packed = pl.struct([v.alias(f"f{i}") for i, v in enumerate(values)])
    return packed.map_batches(batch, return_dtype=kind, is_elementwise=True)


def _tensor(columns: list[pl.Series], tensor: str, rank: int) -> tuple[Array, Array]:
    """An input's rows, and which of them are known."""
    dtype = _DTYPES[tensor]
    floating = dtype in (np.float32, np.float64)
    if isinstance(columns[0].dtype, pl.List):
        lengths, flat = lists(columns[0])
        widths = np.unique(lengths[lengths > 0])
        if len(widths) > 1:
            raise ValueError(f"vectors of one length are needed, not of {widths[0]} and {widths[-1]}")
        width = int(widths[0]) if len(widths) else 1
        known = lengths > 0
        out = np.zeros((len(lengths), width), dtype=dtype)
        out[known] = flat.fill_null(float("nan")).to_numpy().reshape(-1, width) if floating else (
            flat.to_numpy().reshape(-1, width))  # fmt: skip
        return out, known
    known = np.ones(len(columns[0]), dtype=bool)
    parts = []
    for c in columns:
        if floating:
            parts.append(c.cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(dtype))
            continue
        known &= c.is_not_null().to_numpy()
        filled = c.fill_null("" if dtype is np.object_ else False if dtype is np.bool_ else 0)
        parts.append(filled.to_numpy().astype(dtype))
    return (parts[0] if rank < 2 else np.stack(parts, axis=1)), known


def _column(value: Array, field: pl.Field) -> pl.Series:
    if isinstance(field.dtype, pl.List):
        return pl.Series(field.name, value.reshape(len(value), -1)).arr.to_list().cast(field.dtype)
    flat = value.reshape(len(value), -1)[:, 0]
    return pl.Series(field.name, flat.tolist() if flat.dtype == object else flat).cast(field.dtype)


def _session(content: bytes) -> Any:
    found = _loaded.get(content)
    if found is None:
        from sqlshell.functions.onnx import session_of

        found = session_of(content)
        if len(_loaded) >= KEPT:
            _loaded.pop(next(iter(_loaded)))
        _loaded[content] = found
    return found
