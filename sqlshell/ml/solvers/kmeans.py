"""k-means: k-means++ on a sample drawn by hash, then Lloyd's iterations over all ranks."""

from __future__ import annotations

import numpy as np

from sqlshell.ml.blocks import Array, Block, Dense, Sparse
from sqlshell.ml.solvers.common import Moments, Rows, moments, standardised
from sqlshell.records import dataclass

SAMPLE = 10_000
"""Rows that k-means++ looks at."""


@dataclass
class KmeansFit:
    """`centroids` (clusters, features) and `counts` in units of the features; `loss` is the mean squared distance."""

    centroids: Array
    counts: Array
    loss: float
    log: list[dict[str, float]]
    moments: Moments


def fit_kmeans(
    rows: Rows,
    clusters: int,
    *,
    init: str = "kmeans++",
    start: Array | None = None,
    max_iterations: int = 20,
    tolerance: float = 1e-4,
    standardize: bool = True,
    cosine: bool = False,
    seed: int = 0,
    checkpoint_interval: int = 10,
) -> KmeansFit:
    """Stops when the centroids moved less than `tolerance` times the mean variance (scikit-learn's rule)."""
    gang = rows.gang
    m = moments(rows)
    scale = m.scale if standardize else np.ones(rows.width)
    work = _ready(rows, m, standardize, cosine)
    spread = float(np.mean(np.where(m.std > 0, (m.std / scale) ** 2, 0.0))) if not cosine else 1.0
    saved = gang.restore()
    log: list[dict[str, float]] = []
    if saved is not None:
        centres, log = saved["centres"], list(saved["log"])
    elif start is not None:
        centres = (start - m.mean) / scale if not cosine else _unit(start)
    else:
        centres = _initial(work, clusters, init, seed)
    counts = np.zeros(clusters)
    while True:
        sums = work.sum(lambda b, at=centres: _assign(b, at))  # type: ignore[misc]
        counts, loss = sums[:, -2], float(sums[:, -1].sum()) / m.count
        done = len(log) >= max_iterations
        moved = 0.0
        if not done:
            fresh = np.where(counts[:, None] > 0, sums[:, :-2] / np.maximum(counts, 1.0)[:, None], centres)
            if cosine:
                fresh = _unit(fresh)
            moved = float(np.sum((fresh - centres) ** 2))
            centres = gang.broadcast(fresh)
        log.append({"iteration": len(log), "loss": loss, "step": moved})
        if done or moved <= tolerance * spread * (moved > 0):
            break
        if gang.rank == 0:
            gang.progress(**log[-1])
        if checkpoint_interval and len(log) % checkpoint_interval == 0:
            gang.checkpoint({"centres": centres, "log": list(log)})
    if not done:
        sums = work.sum(lambda b: _assign(b, centres))
        counts, loss = sums[:, -2], float(sums[:, -1].sum()) / m.count
    original = centres if cosine else centres * scale + m.mean
    return KmeansFit(original, counts, loss, log, m)


def _ready(rows: Rows, m: Moments, standardize: bool, cosine: bool) -> Rows:
    """Centred and scaled rows, or rows of length 1, dense; `y` are their squared lengths."""
    dense = [Block(b.index, Dense(b.x.dense()), b.y) if isinstance(b.x, Sparse) else b for b in rows.blocks]
    if cosine:
        ready = rows.with_blocks([Block(b.index, Dense(_unit(b.x.values)), b.y) for b in dense])  # type: ignore[attr-defined]
    else:
        ready = standardised(rows.with_blocks(dense), m, centre=True, scale=standardize)
    return ready.with_blocks([
        Block(b.index, b.x, np.einsum("ij,ij->j", b.x.by_feature, b.x.by_feature))  # type: ignore[attr-defined]
        for b in ready.blocks
    ])  # fmt: skip


def _unit(x: Array) -> Array:
    norm = np.sqrt(np.einsum("ij,ij->i", x, x))
    out: Array = x / np.where(norm > 0, norm, 1.0)[:, None]
    return out


def _assign(b: Block, centres: Array) -> Array:
    """By cluster: the sum of its rows, their number, their squared distances (columns in that order)."""
    k, d = centres.shape
    out = np.zeros((k, d + 2))
    norms = np.einsum("ij,ij->i", centres, centres)[:, None]
    twice = -2.0 * centres
    for start, end, part in b.x.chunks():
        assert isinstance(part, Dense)
        distance = twice @ part.by_feature
        distance += norms
        best = distance.min(axis=0)
        member = np.equal(distance, best, out=np.empty(distance.shape))
        counts = member.sum(axis=1)
        if counts.sum() != end - start:  # rows as far from one centre as from another go to the first
            member = np.equal(np.arange(k)[:, None], distance.argmin(axis=0), out=member)
            counts = member.sum(axis=1)
        squared = np.maximum(best + b.y[start:end], 0.0)
        out[:, :d] += member @ part.values
        out[:, d] += counts
        out[:, d + 1] += member @ squared
    return out


def _initial(rows: Rows, clusters: int, init: str, seed: int) -> Array:
    """The first centroids, chosen by rank 0 among sampled rows."""
    keys, values = [], []
    count = sum(c for rank in rows.gang.all_gather([b.rows for b in rows.blocks]) for c in rank)
    share = 2 * SAMPLE / count  # so that SAMPLE rows are below it but for a chance of 1e-800
    for b in rows.blocks:
        assert isinstance(b.x, Dense)
        priority = np.random.Generator(np.random.Philox(key=[seed, b.index])).random(b.rows)
        chosen = np.flatnonzero(priority < share)
        chosen = chosen[np.argsort(priority[chosen], kind="stable")[:SAMPLE]]
        keys.append(np.stack([priority[chosen], np.full(len(chosen), float(b.index))], axis=1))
        values.append(b.x.values[chosen])
    width = rows.width
    mine = (
        np.concatenate(keys) if keys else np.zeros((0, 2)),
        np.concatenate(values) if values else np.zeros((0, width)),
    )
    gathered = rows.gang.all_gather(mine)
    centres = None
    if rows.gang.rank == 0:
        key, sample = np.concatenate([g[0] for g in gathered]), np.concatenate([g[1] for g in gathered])
        sample = sample[np.lexsort((key[:, 1], key[:, 0]))[:SAMPLE]]
        centres = sample[:clusters].copy() if init == "random" else _plus_plus(sample, clusters, seed)
    found: Array = rows.gang.broadcast(centres)
    return found


def _plus_plus(x: Array, clusters: int, seed: int) -> Array:
    """Greedy k-means++: each next centre is the best of a few rows drawn by squared distance."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 1 << 40]))
    tries = 2 + int(np.log(clusters))
    centres = [x[int(rng.integers(len(x)))]]
    nearest = np.sum((x - centres[0]) ** 2, axis=1)
    while len(centres) < clusters:
        mass = np.cumsum(nearest)
        if mass[-1] <= 0:
            centres.append(x[len(centres) % len(x)])
            continue
        at = np.minimum(np.searchsorted(mass, rng.random(tries) * mass[-1]), len(x) - 1)
        candidates = np.minimum(nearest, ((x[None, :, :] - x[at][:, None, :]) ** 2).sum(axis=2))
        best = int(np.argmin(candidates.sum(axis=1)))
        centres.append(x[at[best]])
        nearest = candidates[best]
    return np.array(centres)
