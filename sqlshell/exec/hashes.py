"""Spark's hash (Murmur3, 32 bits) and xxhash64 over columns, by numpy a word at a time for all rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from sqlshell.types import (
    Array,
    BigInt,
    Binary,
    Date,
    DayTimeInterval,
    Decimal,
    Double,
    Float,
    Map,
    SqlType,
    String,
    Struct,
    Time,
    Timestamp,
    TimestampNtz,
    Void,
)

_P1, _P2, _P3, _P4, _P5 = (
    np.uint64(n)
    for n in (
        0x9E3779B185EBCA87,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )
)


def _rotl(x: Any, bits: int, width: int) -> Any:
    kind = x.dtype.type
    return (x << kind(bits)) | (x >> kind(width - bits))


class _Murmur3:
    kind = np.uint32

    @staticmethod
    def _mix(h: Any, k: Any) -> Any:
        k = _rotl(k * np.uint32(0xCC9E2D51), 15, 32) * np.uint32(0x1B873593)
        return _rotl(h ^ k, 13, 32) * np.uint32(5) + np.uint32(0xE6546B64)

    @staticmethod
    def _end(h: Any, length: Any) -> Any:
        h = h ^ length
        h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
        h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
        return h ^ (h >> np.uint32(16))

    def of_ints(self, values: Any, seed: Any) -> Any:
        return self._end(self._mix(seed, values), np.uint32(4))

    def of_longs(self, values: Any, seed: Any) -> Any:
        low = values.astype(np.uint32)
        high = (values >> np.uint64(32)).astype(np.uint32)
        return self._end(self._mix(self._mix(seed, low), high), np.uint32(8))

    def of_bytes(self, data: Any, starts: Any, sizes: Any, seed: Any) -> Any:
        h = seed.copy()
        words = sizes // 4
        for i in range(int(words.max(initial=0))):
            rows = np.flatnonzero(words > i)
            h[rows] = self._mix(h[rows], _words(data, starts[rows] + 4 * i, 4, np.uint32))
        for i in range(3):  # Spark mixes each byte of the rest by itself, as a signed number
            rows = np.flatnonzero(sizes % 4 > i)
            byte = data[starts[rows] + 4 * words[rows] + i].view(np.int8).astype(np.int32).view(np.uint32)
            h[rows] = self._mix(h[rows], byte)
        return self._end(h, sizes.astype(np.uint32))


class _XxHash64:
    kind = np.uint64

    @staticmethod
    def _end(h: Any) -> Any:
        h = (h ^ (h >> np.uint64(33))) * _P2
        h = (h ^ (h >> np.uint64(29))) * _P3
        return h ^ (h >> np.uint64(32))

    @staticmethod
    def _four(h: Any, word: Any) -> Any:
        return _rotl(h ^ (word * _P1), 23, 64) * _P2 + _P3

    @staticmethod
    def _eight(h: Any, word: Any) -> Any:
        return _rotl(h ^ (_rotl(word * _P2, 31, 64) * _P1), 27, 64) * _P1 + _P4

    def of_ints(self, values: Any, seed: Any) -> Any:
        return self._end(self._four(seed + _P5 + np.uint64(4), values.astype(np.uint64)))

    def of_longs(self, values: Any, seed: Any) -> Any:
        return self._end(self._eight(seed + _P5 + np.uint64(8), values))

    def of_bytes(self, data: Any, starts: Any, sizes: Any, seed: Any) -> Any:
        blocks = sizes // 32
        h = seed + _P5
        long = np.flatnonzero(blocks > 0)
        if len(long):
            h[long] = self._blocks(data, starts[long], blocks[long], seed[long])
        h = h + sizes.astype(np.uint64)
        at = starts + 32 * blocks
        rest = sizes % 32
        for i in range(3):
            rows = np.flatnonzero(rest // 8 > i)
            h[rows] = self._eight(h[rows], _words(data, at[rows] + 8 * i, 8, np.uint64))
        at, rest = at + rest // 8 * 8, rest % 8
        rows = np.flatnonzero(rest >= 4)
        h[rows] = self._four(h[rows], _words(data, at[rows], 4, np.uint32).astype(np.uint64))
        at, rest = at + rest // 4 * 4, rest % 4
        for i in range(3):
            rows = np.flatnonzero(rest > i)
            byte = data[at[rows] + i].astype(np.uint64)
            h[rows] = _rotl(h[rows] ^ (byte * _P5), 11, 64) * _P1
        return self._end(h)

    @staticmethod
    def _blocks(data: Any, starts: Any, blocks: Any, seed: Any) -> Any:
        lanes = [seed + _P1 + _P2, seed + _P2, seed.copy(), seed - _P1]
        for i in range(int(blocks.max())):
            rows = np.flatnonzero(blocks > i)
            for n, lane in enumerate(lanes):
                word = _words(data, starts[rows] + 32 * i + 8 * n, 8, np.uint64)
                lane[rows] = _rotl(lane[rows] + word * _P2, 31, 64) * _P1
        h = sum(_rotl(lane, bits, 64) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True))
        for lane in lanes:
            h = (h ^ (_rotl(lane * _P2, 31, 64) * _P1)) * _P1 + _P4
        return h


def _words(data: Any, starts: Any, size: int, kind: Any) -> Any:
    """Little-endian words at byte positions."""
    return data[starts[:, None] + np.arange(size)].view(kind).reshape(len(starts))


def _bytes(values: pl.Series) -> tuple[Any, Any, Any]:
    """Bytes of a column without NULLs as one buffer, with each value's start and size."""
    blob = values if values.dtype == pl.Binary else values.cast(pl.Binary)
    sizes = blob.bin.size().to_numpy().astype(np.int64)
    data = np.frombuffer(b"".join(blob), dtype=np.uint8)
    return data, np.cumsum(sizes) - sizes, sizes


def _wide(values: pl.Series) -> pl.Series:
    """Decimals beyond 18 digits as Java's BigInteger writes them: shortest two's complement, big end first."""
    numbers = values.to_list()
    width = [(n if n >= 0 else ~n).bit_length() // 8 + 1 for n in numbers]
    return pl.Series([n.to_bytes(w, "big", signed=True) for n, w in zip(numbers, width, strict=True)])


def _plain(method: Any, values: pl.Series, t: SqlType, seed: Any) -> Any:
    """The hashes of a column without NULLs."""
    if isinstance(t, (String, Binary)):
        return method.of_bytes(*_bytes(values), seed)
    if isinstance(t, (Float, Double)):
        plain = values.to_numpy()
        found = plain + plain.dtype.type(0)  # -0.0 + 0.0 is 0.0
        found = np.where(np.isnan(found), np.nan, found).astype(found.dtype)
        if isinstance(t, Float):
            return method.of_ints(found.view(np.uint32), seed)
        return method.of_longs(found.view(np.uint64), seed)
    if isinstance(t, Decimal) and t.precision > 18:
        return method.of_bytes(*_bytes(_wide(values)), seed)
    if isinstance(t, (BigInt, Timestamp, TimestampNtz, DayTimeInterval, Decimal, Time)):
        raw = values.cast(pl.Int64) if isinstance(t, Decimal) else values.to_physical()
        return method.of_longs(raw.to_numpy().astype(np.int64).view(np.uint64), seed)
    raw = values.to_physical() if isinstance(t, Date) else values
    return method.of_ints(raw.cast(pl.Int32).to_numpy().astype(np.int32).view(np.uint32), seed)


def _fold_lists(method: Any, values: pl.Series, parts: list[tuple[SqlType, str]], seed: Any) -> Any:
    """Elements of lists from first to last; each hash is the next one's seed."""
    sizes = values.list.len().to_numpy().astype(np.int64)
    starts = np.cumsum(sizes) - sizes
    items = values.filter(values.list.len() > 0).explode() if sizes.any() else None
    h = seed.copy()
    for i in range(int(sizes.max(initial=0))):
        rows = np.flatnonzero(sizes > i)
        chosen = items.gather(starts[rows] + i) if items is not None else pl.Series()
        for t, name in parts:
            part = chosen.struct.field(name) if name else chosen
            h[rows] = _fold(method, part, t, h[rows])
    return h


def _fold(method: Any, values: pl.Series, t: SqlType, seed: Any) -> Any:
    """The hashes of a column over the seeds; NULL keeps the seed."""
    if isinstance(t, Void):
        return seed
    here = values.is_not_null().to_numpy()
    if not here.all():
        rows = np.flatnonzero(here)
        h = seed.copy()
        h[rows] = _fold(method, values.drop_nulls(), t, seed[rows])
        return h
    if isinstance(t, Struct):
        for f in t.fields:
            seed = _fold(method, values.struct.field(f.name), f.type, seed)
        return seed
    if isinstance(t, Array):
        return _fold_lists(method, values, [(t.element, "")], seed)
    if isinstance(t, Map):
        return _fold_lists(method, values, [(t.key, "key"), (t.value, "value")], seed)
    return _plain(method, values, t, seed)


def hashed(columns: list[pl.Expr], types: list[SqlType], bits: int) -> pl.Expr:
    """hash(...) (32 bits) or xxhash64(...) (64) of some columns, from Spark's seed 42."""
    method = _Murmur3() if bits == 32 else _XxHash64()
    dtype = pl.Int32 if bits == 32 else pl.Int64

    def run(rows: pl.Series) -> pl.Series:
        h = np.full(len(rows), 42, dtype=method.kind)
        with np.errstate(over="ignore"):
            for i, t in enumerate(types):
                h = _fold(method, rows.struct.field(f"a{i}"), t, h)
        return pl.Series(h.view(np.int32 if bits == 32 else np.int64), dtype=dtype)

    packed = pl.struct(*(c.alias(f"a{i}") for i, c in enumerate(columns)))
    return packed.map_batches(run, return_dtype=dtype, is_elementwise=True)
