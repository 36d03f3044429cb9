"""Naive Bayes: per class, Gaussian moments of numbers and smoothed counts of everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sqlshell.ml.solvers.common import Rows, weights_of
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from sqlshell.ml.blocks import Array, Block


@dataclass
class GaussianFit:
    """By class: `prior` (log), `mean` and `variance` of each feature."""

    prior: Array
    mean: Array
    variance: Array


@dataclass
class CountsFit:
    """By class: `prior` (log) and the log probability of each feature; `absent` for Bernoulli features."""

    prior: Array
    log_probability: Array
    absent: Array | None = None


def _by_class(rows: Rows, classes: int, squared_from: Array | None = None, binary: bool = False) -> Array:
    """By class: rows (weighted), then each feature's sum (of squares about a mean by class; of nonzeros)."""

    def partial(b: Block) -> Array:
        out = np.zeros((classes, rows.width + 1))
        w = weights_of(b)
        out[:, 0] = np.bincount(b.y.astype(np.int64), w, classes)
        for start, end, part in b.x.chunks():
            y, weight = b.y[start:end].astype(np.int64), w[start:end]
            member = np.zeros((end - start, classes))
            member[np.arange(end - start), y] = weight
            if squared_from is not None:
                x = part.values - squared_from[y]  # type: ignore[attr-defined]
                out[:, 1:] += member.T @ (x * x)
            elif binary:
                out[:, 1:] += _ones(part).t_dot(member).T  # type: ignore[attr-defined]
            else:
                out[:, 1:] += part.t_dot(member).T
        return out

    return rows.sum(partial)


def _ones(part: object) -> object:
    """The matrix with 1 where it is not 0."""
    from sqlshell.ml.blocks import Dense, Sparse

    if isinstance(part, Sparse):
        return Sparse(part.starts, part.indices, (part.values != 0).astype(np.float64), part.shape[1])
    assert isinstance(part, Dense)
    return Dense((part.values != 0).astype(np.float64))


def fit_gaussian(rows: Rows, classes: int, smoothing: float = 1e-9) -> GaussianFit:
    """`smoothing` times the largest variance of any feature is added to all variances (scikit-learn's rule)."""
    sums = _by_class(rows, classes)
    counts = sums[:, :1]
    mean = sums[:, 1:] / np.maximum(counts, 1e-300)
    variance = _by_class(rows, classes, mean)[:, 1:] / np.maximum(counts, 1e-300)
    whole = float(counts.sum())
    grand = (counts * mean).sum(axis=0) / whole
    overall = (counts * (variance + (mean - grand) ** 2)).sum(axis=0) / whole
    variance = variance + smoothing * float(overall.max(initial=0.0))
    return GaussianFit(np.log(counts[:, 0] / whole), mean, variance)


def fit_multinomial(rows: Rows, classes: int, alpha: float = 1.0) -> CountsFit:
    """Features are counts (or TF-IDF weights): their shares within a class, with `alpha` added to each."""
    sums = _by_class(rows, classes)
    counts = sums[:, 1:] + alpha
    return CountsFit(
        np.log(sums[:, 0] / sums[:, 0].sum()), np.log(counts) - np.log(counts.sum(axis=1, keepdims=True))
    )


def fit_bernoulli(rows: Rows, classes: int, alpha: float = 1.0) -> CountsFit:
    """Features are present (not 0) or absent; both count."""
    sums = _by_class(rows, classes, binary=True)
    size = sums[:, :1] + 2 * alpha
    present = (sums[:, 1:] + alpha) / size
    return CountsFit(np.log(sums[:, 0] / sums[:, 0].sum()), np.log(present), np.log1p(-present))


def fit_categorical(rows: Rows, classes: int, groups: list[int], alpha: float = 1.0) -> CountsFit:
    """Features come one-hot, `groups` says how many columns each categorical feature has."""
    sums = _by_class(rows, classes)
    out = np.empty((classes, rows.width))
    at = 0
    for size in groups:
        counts = sums[:, 1 + at : 1 + at + size] + alpha
        out[:, at : at + size] = np.log(counts) - np.log(counts.sum(axis=1, keepdims=True))
        at += size
    return CountsFit(np.log(sums[:, 0] / sums[:, 0].sum()), out)
