"""Principal components from one covariance matrix."""

from __future__ import annotations

import numpy as np

from sqlshell.ml.blocks import Array, Block, Dense, Sparse
from sqlshell.ml.solvers.common import Rows, moments, weights_of
from sqlshell.records import dataclass


@dataclass
class PcaFit:
    """`components` (components, features), orthonormal; `scale` is what centred features are divided by."""

    components: Array
    variance: Array
    ratio: Array
    mean: Array
    scale: Array


def fit_pca(
    rows: Rows, components: int | None = None, *, ratio: float | None = None, scale_features: bool = True
) -> PcaFit:
    """The leading eigenvectors of the covariance; each one's largest weight is positive (scikit-learn's sign)."""
    m = moments(rows)
    scale = m.scale if scale_features else np.ones(rows.width)

    def products(b: Block) -> Array:
        w = weights_of(b)
        out = np.zeros((rows.width, rows.width))
        for start, end, part in b.x.chunks():
            values = part.dense() if isinstance(part, Sparse) else part.values  # type: ignore[attr-defined]
            centred = Dense((values - m.mean) / scale).values
            out += centred.T @ (centred * w[start:end, None])
        return out

    covariance = rows.sum(products) / max(m.count - 1.0, 1.0)
    answer = None
    if rows.gang.rank == 0:
        variance, vectors = np.linalg.eigh(covariance)
        order = np.argsort(variance, kind="stable")[::-1]
        variance, vectors = np.maximum(variance[order], 0.0), vectors[:, order].T
        signs = np.sign(vectors[np.arange(len(vectors)), np.argmax(np.abs(vectors), axis=1)])
        answer = (variance, vectors * signs[:, None])
    variance, vectors = rows.gang.broadcast(answer)
    whole = float(variance.sum()) or 1.0
    shares = variance / whole
    if components is None:
        wanted = ratio if ratio is not None else 1.0
        components = int(np.searchsorted(np.cumsum(shares), wanted - 1e-12) + 1)
    k = min(components, rows.width)
    return PcaFit(vectors[:k].copy(), variance[:k].copy(), shares[:k].copy(), m.mean, scale)
