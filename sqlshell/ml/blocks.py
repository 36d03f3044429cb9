"""Feature matrices of one partition, dense or sparse, with the few products that solvers need.

A solver sees rows only through `Matrix`; text stays sparse (CSR) from the tokenizer to the coefficients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

Array = np.ndarray[Any, np.dtype[Any]]

CHUNK = 1 << 18
"""Values per chunk of a dense pass: 2 MB, so that a chunk's temporaries stay in the cache."""


class Matrix(Protocol):
    """Rows of features."""

    @property
    def shape(self) -> tuple[int, int]: ...

    def dot(self, w: Array) -> Array:
        """rows @ w, for a vector or a (features, outputs) matrix."""
        ...

    def t_dot(self, r: Array) -> Array:
        """rows.T @ r, for a vector or a (rows, outputs) matrix."""
        ...

    def chunks(self) -> Iterator[tuple[int, int, Matrix]]:
        """Consecutive row ranges (start, end, rows) small enough to work on in one go."""
        ...

    def take(self, keep: Array) -> Matrix:
        """The rows where `keep` (boolean) is true."""
        ...


class Dense:
    """A C-ordered float64 array."""

    def __init__(self, values: Array) -> None:
        self.values = values
        self.shape = (int(values.shape[0]), int(values.shape[1]))

    def dot(self, w: Array) -> Array:
        return self.values @ w

    def t_dot(self, r: Array) -> Array:
        return self.values.T @ r

    def chunks(self) -> Iterator[tuple[int, int, Dense]]:
        rows, width = self.shape
        step = max(64, CHUNK // max(width, 1))
        for start in range(0, rows, step):
            end = min(start + step, rows)
            yield start, end, Dense(self.values[start:end])

    def take(self, keep: Array) -> Dense:
        return Dense(np.ascontiguousarray(self.values[keep]))


class Sparse:
    """Compressed sparse rows: `indices[starts[i]:starts[i+1]]` are row i's columns, without repeats."""

    def __init__(self, starts: Array, indices: Array, values: Array, width: int) -> None:
        self.starts, self.indices, self.values = starts, indices, values
        self.shape = (len(starts) - 1, width)
        self._rows: Array | None = None

    @property
    def rows(self) -> Array:
        """The row of each stored value."""
        if self._rows is None:
            self._rows = np.repeat(np.arange(self.shape[0]), np.diff(self.starts))
        return self._rows

    def dot(self, w: Array) -> Array:
        if w.ndim == 2:
            return np.stack([self.dot(np.ascontiguousarray(w[:, j])) for j in range(w.shape[1])], axis=1)
        return np.bincount(self.rows, self.values * w[self.indices], self.shape[0])

    def t_dot(self, r: Array) -> Array:
        if r.ndim == 2:
            return np.stack([self.t_dot(np.ascontiguousarray(r[:, j])) for j in range(r.shape[1])], axis=1)
        return np.bincount(self.indices, self.values * r[self.rows], self.shape[1])

    def chunks(self) -> Iterator[tuple[int, int, Sparse]]:
        yield 0, self.shape[0], self

    def take(self, keep: Array) -> Sparse:
        sizes = np.diff(self.starts)[keep]
        inside = np.repeat(keep, np.diff(self.starts))
        starts = np.concatenate(([0], np.cumsum(sizes)))
        return Sparse(starts, self.indices[inside], self.values[inside], self.shape[1])

    def scaled(self, factors: Array) -> Sparse:
        """Each column times its factor."""
        return Sparse(self.starts, self.indices, self.values * factors[self.indices], self.shape[1])

    def dense(self) -> Array:
        """The rows as a dense array (narrow matrices only)."""
        out = np.zeros(self.shape)
        out[self.rows, self.indices] = self.values
        return out


def beside(parts: list[Matrix]) -> Matrix:
    """Matrices with the same rows, side by side; dense only when all are."""
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(p, Dense) for p in parts):
        return Dense(np.concatenate([p.values for p in parts if isinstance(p, Dense)], axis=1))
    sparse = [p if isinstance(p, Sparse) else _sparse(p) for p in parts]
    offsets = np.cumsum([0, *(p.shape[1] for p in sparse)])
    sizes = np.sum([np.diff(p.starts) for p in sparse], axis=0)
    starts = np.concatenate(([0], np.cumsum(sizes)))
    rows = np.concatenate([p.rows for p in sparse])
    order = np.argsort(rows, kind="stable")
    indices = np.concatenate([p.indices + o for p, o in zip(sparse, offsets, strict=False)])[order]
    values = np.concatenate([p.values for p in sparse])[order]
    return Sparse(starts, indices, values, int(offsets[-1]))


def _sparse(part: Any) -> Sparse:
    rows, indices = np.nonzero(part.values)
    starts = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=part.shape[0]))))
    return Sparse(starts, indices, part.values[rows, indices], part.shape[1])


@dataclass
class Block:
    """One partition's training rows: features, target (class codes for classifiers) and row weights."""

    index: int
    x: Matrix
    y: Array
    weight: Array | None = None

    @property
    def rows(self) -> int:
        return self.x.shape[0]

    def take(self, keep: Array) -> Block:
        """The rows where `keep` (boolean) is true."""
        weight = None if self.weight is None else self.weight[keep]
        return Block(self.index, self.x.take(keep), self.y[keep], weight)
