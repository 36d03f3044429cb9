"""Least squares with L1 and L2 penalties from one gram matrix.

Minimises  sum(w (y - b - x'c)^2) / (2 sum(w)) + l1 |s c|_1 + l2/2 |s c|^2  with s the features' sample deviations
(1 without `standardize_features`); the intercept b is not penalised.
"""

from __future__ import annotations

import math

import numpy as np

from sqlshell.ml.blocks import Array, Block, Dense
from sqlshell.ml.solvers.common import Rows, collinear, descend, moments, weights_of
from sqlshell.ml.solvers.distributions import t_two_sided
from sqlshell.records import dataclass


class Singular(Exception):
    """Features that depend on others; `columns` are their positions."""

    def __init__(self, columns: list[int]) -> None:
        super().__init__(f"collinear features {columns}")
        self.columns = columns


@dataclass
class LinearFit:
    coefficients: Array
    intercept: float
    loss: float
    statistics: dict[str, Array] | None = None


def fit_linear(
    rows: Rows,
    *,
    l1: float = 0.0,
    l2: float = 0.0,
    standardize: bool = True,
    intercept: bool = True,
    p_values: bool = False,
) -> LinearFit:
    """One pass for means, one for the centred gram; then a Cholesky, or coordinate descent when l1 > 0.

    Raises Singular when a feature is a combination of others and nothing is penalised.
    """
    d = rows.width
    m = moments(rows)

    def targets(b: Block) -> Array:
        return np.array([weights_of(b) @ b.y])

    y_mean = float(rows.sum(targets)[0]) / m.count if intercept else 0.0
    x_mean = m.mean if intercept else np.zeros(d)

    def products(b: Block) -> Array:
        w = weights_of(b)
        out = np.zeros((d + 1, d + 1))
        for start, end, part in b.x.chunks():
            values = part.values if isinstance(part, Dense) else part.dense()  # type: ignore[attr-defined]
            both = np.empty((end - start, d + 1))
            both[:, :d] = values - x_mean
            both[:, d] = b.y[start:end] - y_mean
            out += both.T @ (both * w[start:end, None])
        return out

    g = rows.sum(products) / m.count
    gram, right, variance = g[:d, :d], g[:d, d], float(g[d, d])
    scale = m.scale if standardize else np.ones(d)
    usable = m.std > 0 if intercept else np.diag(gram) > 0
    a = gram / np.outer(scale, scale)
    b = right / scale
    solved = rows.gang.broadcast(_solve(a, b, usable, l1, l2) if rows.gang.rank == 0 else None)
    if isinstance(solved, list):
        raise Singular(solved)
    c = solved / scale
    loss = 0.5 * max(variance - 2 * c @ right + c @ gram @ c, 0.0)
    b0 = y_mean - float(x_mean @ c) if intercept else 0.0
    statistics = None
    if p_values:
        statistics = _inference(gram, c, b0, x_mean, 2 * loss, m.count, usable, intercept)
    return LinearFit(c, b0, loss, statistics)


def _solve(a: Array, b: Array, usable: Array, l1: float, l2: float) -> Array | list[int]:
    """The standardised coefficients, or the positions of collinear features."""
    out = np.zeros(len(b))
    at = np.flatnonzero(usable)
    if not len(at):
        return out
    a, b = a[np.ix_(at, at)], b[at]
    if l1 > 0:
        a = a + l2 * np.eye(len(at))
        out[at] = descend(a, b, np.full(len(at), l1), np.zeros(len(at)))
        return out
    if l2 > 0:
        a = a + l2 * np.eye(len(at))
    else:
        bad = collinear(a)
        if bad:
            return [int(at[j]) for j in bad]
    out[at] = np.linalg.solve(a, b)
    return out


def _inference(
    gram: Array, c: Array, b0: float, mean: Array, mse: float, n: float, usable: Array, intercept: bool
) -> dict[str, Array]:
    """Standard errors, t values and two-sided p values; the intercept's come last."""
    d = len(c)
    at = np.flatnonzero(usable)
    freedom = n - len(at) - (1 if intercept else 0)
    if freedom <= 0:
        raise Singular([])
    sigma2 = mse * n / freedom
    errors = np.full(d + (1 if intercept else 0), math.nan)
    if len(at):
        inverse = np.linalg.inv(gram[np.ix_(at, at)]) / n
        errors[at] = np.sqrt(sigma2 * np.diag(inverse))
        spread = float(mean[at] @ inverse @ mean[at])
    else:
        spread = 0.0
    values: Array = c
    if intercept:
        errors[d] = math.sqrt(sigma2 * (1.0 / n + spread))
        values = np.append(c, b0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = values / errors
    p = np.array([t_two_sided(float(x), freedom) for x in t])
    return {"standard_error": errors, "t_value": t, "p_value": p}
