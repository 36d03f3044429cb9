"""What an estimator needs of a barrier stage, and sums that come out the same for any number of ranks.

`Gang` is the part of `exec.barrier.BarrierTaskContext` that estimators use. Partition `p` of a training set is
always the same rows in the same order; which rank holds it is not part of a model's definition. So partials are
added along one fixed binary tree over partition ids: each rank adds up the whole subtrees it owns, all ranks
exchange those and finish the tree alike. Sums are then bit-identical for 1, 2, 4 ... ranks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

Partials = dict[tuple[int, int], Any]
"""(level, position) in the tree to the sum below that node."""


class Gang(Protocol):
    """One rank's view of its gang; every rank must make the same calls in the same order."""

    @property
    def rank(self) -> int: ...

    @property
    def world_size(self) -> int: ...

    def all_gather(self, value: Any) -> list[Any]:
        """Every rank's value, by rank."""
        ...

    def broadcast(self, value: Any, root: int = 0) -> Any:
        """The root's value, on every rank."""
        ...

    def checkpoint(self, state: Any) -> None:
        """Keep `state` for the next attempt, should this one fail."""
        ...

    def restore(self) -> Any:
        """The last state kept by an earlier attempt, or None."""
        ...


class Solo:
    """A gang of one in this process: small models, trials of a search, tests."""

    rank = 0
    world_size = 1

    def __init__(self) -> None:
        self.state: Any = None

    def all_gather(self, value: Any) -> list[Any]:
        return [value]

    def broadcast(self, value: Any, root: int = 0) -> Any:
        return value

    def checkpoint(self, state: Any) -> None:
        self.state = state

    def restore(self) -> Any:
        return self.state


def _fold(found: Partials, count: int) -> Partials:
    """Add sibling nodes until none is left; a node whose sibling lies past the last partition rises alone."""
    waiting = dict(found)
    level, width = 0, count
    while width > 1:
        for position in sorted(p for at, p in waiting if at == level):
            left, right = (level, position & ~1), (level, position | 1)
            if left not in waiting:
                continue
            if right[1] >= width:
                waiting[level + 1, position >> 1] = waiting.pop(left)
            elif right in waiting:
                waiting[level + 1, position >> 1] = waiting.pop(left) + waiting.pop(right)
        level, width = level + 1, (width + 1) // 2
    return waiting


def total(gang: Gang, partials: Mapping[int, np.ndarray], partitions: int) -> Any:
    """The sum over all partitions of all ranks, the same bits whoever holds which partition.

    `partials` maps the ids of this rank's partitions to arrays of one shape.
    """
    mine = _fold({(0, p): value for p, value in partials.items()}, partitions)
    if gang.world_size > 1:
        merged: Partials = {}
        for part in gang.all_gather(mine):
            merged.update(part)
        mine = _fold(merged, partitions)
    (value,) = mine.values()
    return value
