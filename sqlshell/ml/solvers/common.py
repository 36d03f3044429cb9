"""Passes over a gang's blocks that several solvers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sqlshell.ml.blocks import Array, Block, Dense, Matrix, Sparse
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlshell.ml.gang import Gang


@dataclass
class Rows:
    """The training rows of one rank, a block for each of its partitions, and the number of features."""

    gang: Gang
    blocks: Sequence[Block]
    width: int
    own: bool = False
    """Whether the solver may overwrite the dense values."""

    def sum(self, partial: Callable[[Block], Array]) -> Array:
        """`partial` summed over all blocks of all ranks, in a fixed order."""
        found: Array = self.gang.all_reduce([np.asarray(partial(b)) for b in self.blocks])
        return found

    def with_blocks(self, blocks: Sequence[Block]) -> Rows:
        return Rows(self.gang, blocks, self.width, self.own)


@dataclass
class Moments:
    """Weighted mean and sample deviation of each feature; `count` is the sum of weights."""

    count: float
    mean: Array
    std: Array

    @property
    def scale(self) -> Array:
        """What to divide by: the deviation, 1 where a feature is constant."""
        return np.where(self.std > 0, self.std, 1.0)


def weights_of(block: Block) -> Array:
    """The weight of each row, 1 when there are none."""
    return np.ones(block.rows) if block.weight is None else block.weight


def moments(rows: Rows) -> Moments:
    """Two passes, so that features far from zero lose no digits."""

    def first(b: Block) -> Array:
        if b.weight is None and isinstance(b.x, Dense):
            return np.concatenate(([b.rows], b.x.by_feature.sum(axis=1)))
        w = weights_of(b)
        return np.concatenate(([w.sum()], b.x.t_dot(w)))

    sums = rows.sum(first)
    count = float(sums[0])
    mean = sums[1:] / count

    def second(b: Block) -> Array:
        return _squares(b, mean)

    squares = rows.sum(second)
    return Moments(count, mean, np.sqrt(np.maximum(squares, 0.0) / max(count - 1.0, 1.0)))


def _squares(b: Block, mean: Array) -> Array:
    """Weighted squared distances from the mean, by feature."""
    x = b.x
    if isinstance(x, Sparse):
        w = weights_of(b)
        nonzero = np.bincount(x.indices, w[x.rows], x.shape[1])
        off = np.bincount(x.indices, w[x.rows] * (x.values - mean[x.indices]) ** 2, x.shape[1])
        result: Array = off + (w.sum() - nonzero) * mean**2
        return result
    out = np.zeros(x.shape[1])
    for start, end, part in x.chunks():
        assert isinstance(part, Dense)
        centred = part.by_feature - mean[:, None]
        if b.weight is None:
            out += np.einsum("ij,ij->i", centred, centred)
        else:
            out += (centred * centred) @ b.weight[start:end]
    return out


def standardised(rows: Rows, m: Moments, *, centre: bool, scale: bool) -> Rows:
    """The rows with features centred and scaled, in place when they are the solver's; sparse ones are scaled only."""
    factors = 1.0 / m.scale
    blocks = []
    for b in rows.blocks:
        x: Matrix
        if isinstance(b.x, Sparse):
            x = b.x.scaled(factors) if scale else b.x
        else:
            assert isinstance(b.x, Dense)
            x = _shifted(b.x, m.mean if centre else None, factors if scale else None, rows.own)
        blocks.append(Block(b.index, x, b.y, b.weight))
    return rows.with_blocks(blocks)


def _shifted(x: Dense, mean: Array | None, factors: Array | None, own: bool) -> Dense:
    if mean is None and factors is None:
        return x
    out = x if own else Dense(np.empty(x.shape[::-1]).T)
    for start, end, part in x.chunks():
        target = out.by_feature[:, start:end]
        source = part.by_feature
        if mean is not None:
            source = np.subtract(source, mean[:, None], out=target)
        if factors is not None:
            np.multiply(source, factors[:, None], out=target)
    return out


def is_sparse(rows: Rows) -> bool:
    """Whether the training matrix is sparse; every block of every rank is of one kind."""
    return any(isinstance(b.x, Sparse) for b in rows.blocks)


def collinear(gram: Array, tolerance: float = 1e-10) -> list[int]:
    """Features that are linear combinations of earlier ones: positions where a Cholesky of the gram stalls."""
    width = gram.shape[0]
    scale = np.sqrt(np.diag(gram))
    safe = np.where(scale > 0, scale, 1.0)
    a = gram / np.outer(safe, safe)
    factor = np.zeros_like(a)
    kept: list[int] = []
    bad: list[int] = []
    for j in range(width):
        row = np.zeros(len(kept))
        for i, k in enumerate(kept):
            row[i] = (a[j, k] - factor[k, :i] @ row[:i]) / factor[k, i]
        rest = a[j, j] - row @ row
        if scale[j] <= 0 or rest <= tolerance:
            bad.append(j)
            continue
        factor[j, : len(kept)] = row
        factor[j, len(kept)] = np.sqrt(rest)
        kept.append(j)
    return bad


def descend(
    a: Array, b: Array, l1: Array, start: Array, tolerance: float = 1e-13, sweeps: int = 20000
) -> Array:
    """The w that minimises w'Aw/2 - b'w + sum(l1 |w|), by coordinate descent; A is positive semidefinite."""
    w = start.copy()
    left = b - a @ w
    diagonal = np.diag(a).copy()
    active = np.flatnonzero(diagonal > 0)
    everything = active
    scale = float(np.max(np.abs(b), initial=0.0)) or 1.0
    for _ in range(sweeps):
        largest = 0.0
        for j in active:
            old = w[j]
            rho = left[j] + diagonal[j] * old
            new = np.sign(rho) * max(abs(rho) - l1[j], 0.0) / diagonal[j]
            if new != old:
                left -= a[:, j] * (new - old)
                w[j] = new
                largest = max(largest, abs(new - old) * diagonal[j])
        if largest <= tolerance * scale:
            if active is everything:
                return w
            active = everything
        else:
            active = np.flatnonzero((w != 0) & (diagonal > 0))
            if not len(active):
                active = everything
    return w
