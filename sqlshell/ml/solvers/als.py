"""Alternating least squares over ratings: users' factors from items' and back, each a small system by itself.

Users and items are cut into `SHARDS` runs with about equally many ratings; a rank solves some of them and all ranks
learn all factors. What is added up together depends on the shards only, so 1, 2 and 4 ranks give the same bits.

Explicit (Zhou et al. 2008, as in Spark):  sum((r - u'v)^2) + l2 (sum n_u |u|^2 + sum n_v |v|^2)
Implicit (Hu, Koren, Volinsky 2008):       sum over all pairs of c (p - u'v)^2 + the same,
    with p = (r > 0), c = 1 + alpha |r|; n counts the ratings of a user or item (implicit: the positive ones).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlshell.ml.blocks import Array
    from sqlshell.ml.gang import Gang

SHARDS = 16
CHUNK = 1 << 17
"""Numbers in one batch of gathered factors: 1 MB, so that products find them in the cache."""
WASTE = 1.25
"""How much longer than its shortest row a batch may be: shorter rows are filled with zeros."""


@dataclass(frozen=True)
class Ratings:
    """Ratings by the codes of user and item, in one order for any number of ranks."""

    users: Array
    items: Array
    values: Array

    @property
    def count(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Settings:
    """`alpha` None is explicit feedback."""

    factors: int
    l2: float
    alpha: float | None
    max_iterations: int
    tolerance: float
    seed: int
    checkpoint_interval: int


@dataclass
class AlsFit:
    """Factors by code; `loss` is the objective by rating, `error` its first term by rating."""

    users: Array
    items: Array
    loss: float
    error: float
    log: list[dict[str, float]]


def fit_als(
    gang: Gang,
    ratings: Ratings,
    users: int,
    items: int,
    settings: Settings,
    start: Mapping[int, Array] | None = None,
) -> AlsFit:
    """`ratings` are all of them, on every rank; `start` are factors of some items to begin with."""
    by_user = _Side(gang, ratings.users, ratings.items, ratings.values, users, settings)
    by_item = _Side(gang, ratings.items, ratings.users, ratings.values, items, settings)
    saved = gang.restore()
    log: list[dict[str, float]] = list(saved["log"]) if saved is not None else []
    v = saved["items"] if saved is not None else _initial(items, settings, start or {})
    if saved is not None:
        u = saved["users"]
    loss = penalty = float("nan")
    while len(log) < settings.max_iterations:
        u, _ = by_user.solve(v)
        v, rest = by_item.solve(u)
        penalty = settings.l2 * float(by_user.counts @ np.einsum("ij,ij->i", u, u))
        loss = (rest + penalty) / ratings.count
        before = log[-1]["loss"] if log else float("inf")
        log.append({"iteration": len(log) + 1, "loss": loss, "step": before - loss if log else 0.0})
        if gang.rank == 0:
            gang.progress(**log[-1], rows=ratings.count)
        if len(log) > 1 and before - loss <= settings.tolerance * before:
            break
        if settings.checkpoint_interval and len(log) % settings.checkpoint_interval == 0:
            gang.checkpoint({"users": u, "items": v, "log": list(log)})
    loss = log[-1]["loss"]
    penalty = settings.l2 * float(
        by_user.counts @ np.einsum("ij,ij->i", u, u) + by_item.counts @ np.einsum("ij,ij->i", v, v)
    )
    return AlsFit(u, v, loss, max(loss - penalty / ratings.count, 0.0), log)


def _initial(items: int, settings: Settings, start: Mapping[int, Array]) -> Array:
    """Rows of length 1 drawn from the seed, as Spark begins."""
    rng = np.random.Generator(np.random.Philox(key=[settings.seed, 1 << 41]))
    drawn = rng.normal(size=(items, settings.factors))
    found: Array = drawn / np.sqrt(np.einsum("ij,ij->i", drawn, drawn))[:, None]
    for item, factors in start.items():
        found[item] = factors
    return found


@dataclass(frozen=True)
class _Batch:
    """Rows (users or items) of one shard with about equally many ratings.

    `others` (rows, longest) are codes of the other side, -1 where a row is shorter; the numbers are 0 there.
    """

    rows: Array
    others: Array
    target: Array
    """What the other side's factors add up by on the right: r, implicit c p."""
    root: Array | None
    """Implicit: the root of c - 1."""
    counts: Array


class _Side:
    """Users, or items, whose factors are solved for from the other side's."""

    def __init__(
        self, gang: Gang, own: Array, other: Array, values: Array, size: int, settings: Settings
    ) -> None:
        self.gang, self.size, self.settings = gang, size, settings
        given = np.bincount(own, minlength=size)
        positive = given if settings.alpha is None else np.bincount(own, values > 0, size)
        self.counts = np.maximum(positive, 1).astype(np.float64)
        ends = np.searchsorted(np.cumsum(given), np.arange(1, SHARDS + 1) * (len(own) / SHARDS))
        bounds = np.maximum.accumulate(np.concatenate(([0], np.minimum(ends + 1, size))))
        bounds[-1] = size
        shards = range(SHARDS * gang.rank // gang.world_size, SHARDS * (gang.rank + 1) // gang.world_size)
        self.first, self.last = int(bounds[shards.start]), int(bounds[shards.stop])
        mine = np.flatnonzero((own >= self.first) & (own < self.last))
        keys = own[mine] - self.first
        if self.last - self.first <= 1 << 16:
            keys = keys.astype(np.uint16)  # numpy sorts those by radix, 5 times as fast
        mine = mine[np.argsort(keys, kind="stable")]
        sorted_own, sorted_other = own[mine], other[mine]
        sorted_values = values[mine]
        self.shards: list[list[_Batch]] = []
        for s in shards:
            low, high = np.searchsorted(sorted_own, (bounds[s], bounds[s + 1]))
            self.shards.append(
                self._batches(sorted_own[low:high], sorted_other[low:high], sorted_values[low:high])
            )

    def _batches(self, own: Array, other: Array, values: Array) -> list[_Batch]:
        """One shard's rows, shortest first, in batches that fit the cache."""
        rows, starts, lengths = np.unique(own, return_index=True, return_counts=True)
        order = np.argsort(lengths, kind="stable")
        found: list[_Batch] = []
        at = 0
        while at < len(order):
            shortest = int(lengths[order[at]])
            longest = max(int(shortest * WASTE), shortest + 1)
            end = int(np.searchsorted(lengths[order], longest, side="right"))
            end = max(at + 1, min(end, at + CHUNK // (longest * self.settings.factors)))
            chosen = order[at:end]
            width = int(lengths[order[end - 1]])
            places = starts[chosen][:, None] + np.arange(width)
            inside = np.arange(width) < lengths[chosen][:, None]
            places = np.where(inside, places, 0)
            numbers = np.where(inside, values[places], 0.0)
            alpha = self.settings.alpha
            strength = None if alpha is None else alpha * np.abs(numbers)
            if strength is not None:
                numbers = np.where(numbers > 0, 1.0 + strength, 0.0)
            found.append(_Batch(
                rows[chosen], np.where(inside, other[places], -1).astype(np.intp), numbers,
                None if strength is None else np.sqrt(strength), self.counts[rows[chosen]],
            ))  # fmt: skip
            at = end
        return found

    def solve(self, other: Array) -> tuple[Array, float]:
        """This side's factors, and the objective without the other side's penalty."""
        padded = np.concatenate([other, np.zeros((1, other.shape[1]))])
        whole = other.T @ other if self.settings.alpha is not None else None
        own = np.zeros((self.last - self.first, other.shape[1]))
        rests = []
        for shard in self.shards:
            rest = 0.0
            for batch in shard:
                found, left = self._solve_batch(batch, padded, whole)
                own[batch.rows - self.first] = found
                rest += left
            rests.append(rest)
        gathered: Sequence[tuple[Array, list[float]]] = self.gang.all_gather((own, rests))
        total = 0.0
        for _, parts in gathered:
            for part in parts:
                total += part
        return np.concatenate([g[0] for g in gathered]), total

    def _solve_batch(self, b: _Batch, padded: Array, whole: Any) -> tuple[Array, float]:
        f = padded.take(b.others, axis=0, mode="wrap")
        g = f if b.root is None else f * b.root[:, :, None]
        gram = np.matmul(g.transpose(0, 2, 1), g)
        if b.root is None:
            squares = float(np.einsum("ij,ij->", b.target, b.target))
        else:
            gram += whole
            squares = float(b.target.sum())  # c p^2 = c p
        diagonal = np.arange(gram.shape[1])
        gram[:, diagonal, diagonal] += self.settings.l2 * b.counts[:, None]
        right = np.matmul(b.target[:, None, :], f)[:, 0, :]
        found: Array = np.linalg.solve(gram, right[:, :, None])[:, :, 0]
        return found, squares - float(np.einsum("ij,ij->", right, found))
