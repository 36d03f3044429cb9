"""Kernels over vectors and text for models: numpy over the flat values of list columns.

A dense vector is array<double>; a sparse one is Spark's struct<size int, indices array<int>, values array<double>>
with ascending indices. NULL vectors count as zeros where a number is wanted, and stay NULL where a vector is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from sqlshell.exec.equi import stable_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlshell.types import SqlType

    Array = np.ndarray[Any, np.dtype[Any]]

SPARSE = pl.Struct({"size": pl.Int32, "indices": pl.List(pl.Int32), "values": pl.List(pl.Float64)})


def _elementwise(e: pl.Expr, run: Callable[[pl.Series], pl.Series], dtype: Any) -> pl.Expr:
    return e.map_batches(run, return_dtype=dtype, is_elementwise=True)


def lists(s: pl.Series) -> tuple[Array, pl.Series]:
    """The lengths (0 for NULL) and the flat elements of a list column."""
    lengths = s.list.len().fill_null(0)
    flat = s.filter(lengths > 0).explode()
    return lengths.to_numpy().astype(np.int64), flat


def as_lists(flat: Array, lengths: Array, dtype: Any) -> pl.Series:
    """A list column from flat elements and lengths."""
    import pyarrow as pa

    offsets = np.concatenate(([0], np.cumsum(lengths)))
    array = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(flat))
    found: Any = pl.from_arrow(array)
    return pl.Series("v", found).cast(pl.List(dtype))


def dot(vector: pl.Expr, weights: Sequence[float], *, sparse: bool) -> pl.Expr:
    """The inner product of each row's vector with constant weights; elements beyond them count as 0."""
    w = np.asarray(weights, dtype=np.float64)

    def run(s: pl.Series) -> pl.Series:
        values = s.struct.field("values") if sparse else s
        lengths, flat = lists(values)
        numbers = flat.cast(pl.Float64).fill_null(0.0).to_numpy()
        rows = np.repeat(np.arange(len(lengths)), lengths)
        if sparse:
            at = lists(s.struct.field("indices"))[1].to_numpy()
        else:
            at = np.arange(len(numbers)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        inside = at < len(w)
        products = np.where(inside, numbers * w[np.where(inside, at, 0)], 0.0) if len(w) else 0.0 * numbers
        return pl.Series("v", np.bincount(rows, products, len(lengths)), dtype=pl.Float64)

    return _elementwise(vector, run, pl.Float64)


def lookup(value: pl.Expr, keys: Sequence[str], results: Sequence[float], default: float) -> pl.Expr:
    """A number for each known text, the default for the others and NULL."""
    if not keys:
        return value.is_null().cast(pl.Float64) * 0.0 + default
    return value.replace_strict(
        pl.Series(keys, dtype=pl.String),
        pl.Series(results, dtype=pl.Float64),
        default=default,
        return_dtype=pl.Float64,
    )


def softmax(scores: pl.Expr) -> pl.Expr:
    """Shares that add up to 1, from a list of logarithms."""

    def run(s: pl.Series) -> pl.Series:
        lengths, flat = lists(s)
        width = int(lengths.max()) if len(lengths) else 0
        if width == 0:
            return s
        known = lengths > 0
        table = flat.to_numpy().reshape(int(known.sum()), width).copy()
        table -= table.max(axis=1, keepdims=True)
        np.exp(table, out=table)
        table /= table.sum(axis=1, keepdims=True)
        return as_lists(table.ravel(), lengths, pl.Float64)

    return _elementwise(scores, run, pl.List(pl.Float64))


def one_hot(value: pl.Expr, keys: Sequence[str]) -> pl.Expr:
    """A sparse vector with a 1 where the text stands in `keys`; all zeros for other texts and NULL."""
    table = {k: i for i, k in enumerate(keys)}

    def run(s: pl.Series) -> pl.Series:
        if not table:
            none = np.zeros(0, dtype=np.int64)
            return vectors(0, none, none.astype(np.float64), np.zeros(len(s), dtype=np.int64))
        at = s.replace_strict(table, default=None, return_dtype=pl.Int32)
        known = at.is_not_null().to_numpy().astype(np.int64)
        found = at.drop_nulls().to_numpy()
        return vectors(len(keys), found, np.ones(len(found)), known)

    return _elementwise(value, run, SPARSE)


def vectors(size: int, indices: Array, values: Array, lengths: Array) -> pl.Series:
    """A column of sparse vectors from flat indices and values."""
    columns = [
        pl.Series("size", np.full(len(lengths), size, dtype=np.int32)),
        as_lists(indices, lengths, pl.Int32).alias("indices"),
        as_lists(values, lengths, pl.Float64).alias("values"),
    ]
    return pl.DataFrame(columns).to_struct("v")


def hashing_tf(terms: pl.Expr, size: int) -> pl.Expr:
    """Term counts by hash bucket: Spark's HashingTF (Murmur3 of the term's bytes, seed 42)."""

    def run(s: pl.Series) -> pl.Series:
        lengths, flat = lists(s)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        known = flat.is_not_null()
        if not known.all():
            rows, flat = rows[known.to_numpy()], flat.drop_nulls()
        buckets = _buckets(flat, size)
        keys, counts = np.unique(rows * size + buckets, return_counts=True)
        found = np.bincount(keys // size, minlength=len(lengths)).astype(np.int64)
        out = vectors(size, keys % size, counts.astype(np.float64), found)
        return out if not s.has_nulls() else _null_where(out, s.is_null())

    return _elementwise(terms, run, SPARSE)


def _null_where(s: pl.Series, absent: pl.Series) -> pl.Series:
    frame = pl.DataFrame({"v": s, "absent": absent})
    return frame.select(pl.when("absent").then(None).otherwise(pl.col("v")).alias("v"))["v"]


def hash_bucket(value: pl.Expr, size: int) -> pl.Expr:
    """The hash bucket of a text."""

    def run(s: pl.Series) -> pl.Series:
        known = s.drop_nulls()
        out = pl.DataFrame({"t": s}).with_row_index("r")
        table = pl.DataFrame({"r": out.filter(pl.col("t").is_not_null())["r"], "b": _buckets(known, size)})
        return out.join(table, on="r", how="left", maintain_order="left")["b"].cast(pl.Int32)

    return _elementwise(value, run, pl.Int32)


def scale_values(vector: pl.Expr, factors: Sequence[float]) -> pl.Expr:
    """A sparse vector with each value times the factor of its index."""
    w = np.asarray(factors, dtype=np.float64)

    def run(s: pl.Series) -> pl.Series:
        indices, values = s.struct.field("indices"), s.struct.field("values")
        lengths, at = lists(indices)
        scaled = lists(values)[1].to_numpy() * w[at.to_numpy()]
        out = pl.DataFrame([
            s.struct.field("size").alias("size"), indices.alias("indices"),
            as_lists(scaled, lengths, pl.Float64).alias("values"),
        ]).to_struct("v")  # fmt: skip
        return out if not s.has_nulls() else _null_where(out, s.is_null())

    return _elementwise(vector, run, SPARSE)


def _buckets(terms: pl.Series, size: int) -> Array:
    """The bucket of each (not NULL) term, hashing distinct terms once."""
    distinct = terms.unique()
    table = pl.DataFrame({"t": distinct, "b": murmur3(distinct.to_list(), 42) % size})
    found = pl.DataFrame({"t": terms}).join(table, on="t", how="left", maintain_order="left")
    return found["b"].to_numpy()


def murmur3(texts: list[str], seed: int) -> Array:
    """Murmur3_x86_32 of each text's UTF-8 bytes as Spark's HashingTF computes it, as a non-negative number
    congruent to Spark's (signed) hash modulo any bucket count: the signed value is wrapped by the caller's `%`."""
    data = [t.encode() for t in texts]
    out = np.empty(len(data), dtype=np.int64)
    by_length: dict[int, list[int]] = {}
    for i, b in enumerate(data):
        by_length.setdefault(len(b), []).append(i)
    with np.errstate(over="ignore"):
        for length, positions in by_length.items():
            joined = np.frombuffer(b"".join(data[i] for i in positions), dtype=np.uint8)
            out[positions] = _murmur3(joined.reshape(len(positions), length), seed)
    return out


def _rotate(x: Array, bits: int) -> Array:
    turned: Array = (x << np.uint32(bits)) | (x >> np.uint32(32 - bits))
    return turned


def _murmur3(block: Array, seed: int) -> Array:
    """Rows of equally many bytes to signed 32-bit hashes."""
    rows, length = block.shape
    c1, c2 = np.uint32(0xCC9E2D51), np.uint32(0x1B873593)
    h = np.full(rows, seed, dtype=np.uint32)
    words = length // 4
    if words:
        for k in np.ascontiguousarray(block[:, : words * 4]).view("<u4").T:
            h = _rotate(h ^ (_rotate(k * c1, 15) * c2), 13) * np.uint32(5) + np.uint32(0xE6546B64)
    tail = np.zeros(rows, dtype=np.uint32)
    for i in range(length - words * 4 - 1, -1, -1):
        tail = (tail << np.uint32(8)) | block[:, words * 4 + i].astype(np.uint32)
    if length % 4:
        h ^= _rotate(tail * c1, 15) * c2
    h ^= np.uint32(length)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return h.view(np.int32).astype(np.int64)


def row_fraction(values: Sequence[tuple[pl.Expr, SqlType]], seed: int) -> pl.Expr:
    """A number in [0, 1) from a hash of the values: the same for equal rows, wherever they stand.

    A hash per value, mixed by XOR under different seeds, is 6x faster than hashing a struct of all.
    """
    hashed = pl.lit(0, dtype=pl.UInt64)
    for i, (v, t) in enumerate(values, 1):
        own = v if stable_hash(t) else pl.struct(v.alias("v"))
        hashed = hashed.xor(own.hash((seed + i * 0x9E3779B97F4A7C15) % 2**64))
    return (hashed // 2048).cast(pl.Float64) * 2.0**-53
