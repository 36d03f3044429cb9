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

CHUNK = 1 << 17
"""Values per chunk of a dense pass: 1 MB, so that a chunk and its temporaries stay in the cache."""


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

    def gram(self, weights: Array) -> Array:
        """The sum over rows x of weight * x x', a (features, features) matrix."""
        ...

    def take(self, keep: Array) -> Matrix:
        """The rows where `keep` (boolean) is true."""
        ...


class Dense:
    """Float64 rows. Solvers are fastest when `values.T` is C-ordered: a feature's values side by side."""

    def __init__(self, values: Array) -> None:
        self.values = values
        self.shape = (int(values.shape[0]), int(values.shape[1]))

    @property
    def by_feature(self) -> Array:
        """(features, rows): the values, without a copy."""
        found: Array = self.values.T
        return found

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

    def gram(self, weights: Array) -> Array:
        return _gram(self.by_feature, weights)

    def take(self, keep: Array) -> Dense:
        return Dense(np.take(self.by_feature, np.flatnonzero(keep), axis=1).T)


def _gram(t: Array, weights: Array) -> Array:
    """t diag(weights) t'. With a root of the weights on both sides it is one half of the work (BLAS's syrk)."""
    if weights.min(initial=0.0) < 0:
        both: Array = (t * weights) @ t.T
        return both
    half = t * np.sqrt(weights)
    found: Array = half @ half.T
    return found


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

    def gram(self, weights: Array) -> Array:
        return _gram(self.dense().T, weights)

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


class WithOnes:
    """A matrix and one more feature that is 1 everywhere, for the intercept; never written out."""

    def __init__(self, x: Matrix) -> None:
        self.x = x
        self.shape = (x.shape[0], x.shape[1] + 1)

    def dot(self, w: Array) -> Array:
        found: Array = self.x.dot(w[:-1])
        found += w[-1]
        return found

    def t_dot(self, r: Array) -> Array:
        return np.concatenate([self.x.t_dot(r), r.sum(axis=0, keepdims=True)])

    def chunks(self) -> Iterator[tuple[int, int, WithOnes]]:
        for start, end, part in self.x.chunks():
            yield start, end, WithOnes(part)

    def gram(self, weights: Array) -> Array:
        p = self.shape[1]
        out = np.empty((p, p))
        out[:-1, :-1] = self.x.gram(weights)
        out[-1, :-1] = out[:-1, -1] = self.x.t_dot(weights)
        out[-1, -1] = weights.sum()
        return out

    def take(self, keep: Array) -> WithOnes:
        return WithOnes(self.x.take(keep))


def beside(parts: list[Matrix]) -> Matrix:
    """Matrices with the same rows, side by side; dense only when all are."""
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(p, Dense) for p in parts):
        return Dense(np.concatenate([p.by_feature for p in parts if isinstance(p, Dense)], axis=0).T)
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
