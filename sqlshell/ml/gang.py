"""What an estimator needs of a barrier stage.

`Gang` is the part of `exec.barrier.BarrierTaskContext` that estimators use. Partition `p` of a training set is
always the same rows in the same order; which rank holds it is no part of a model's definition. `all_reduce` adds
up partials in the order of partitions, so sums have the same bits for any number of ranks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Gang(Protocol):
    """One rank's view of its gang; every rank must make the same calls in the same order."""

    rank: int
    world_size: int

    def all_gather(self, value: Any) -> list[Any]:
        """Every rank's value, by rank."""
        ...

    def broadcast(self, value: Any = None, root: int = 0) -> Any:
        """The root's value, on every rank."""
        ...

    def all_reduce(self, value: Any, op: str = "sum") -> Any:
        """The sum of one array per partition, in the order of partitions; `value` lists this rank's."""
        ...

    def checkpoint(self, state: Any) -> None:
        """Keep each rank's `state` for the next attempt, should this one fail."""
        ...

    def restore(self) -> Any:
        """This rank's state at the last checkpoint of an earlier attempt, or None."""
        ...

    def progress(self, **values: Any) -> None:
        """Tell the driver how far the work is."""
        ...


class Solo:
    """A gang of one in this process: small models, trials of a search, tests."""

    rank = 0
    world_size = 1

    def __init__(self, restored: Any = None) -> None:
        self.saved: Any = None
        self._restored = restored

    def all_gather(self, value: Any) -> list[Any]:
        return [value]

    def broadcast(self, value: Any = None, root: int = 0) -> Any:
        return value

    def all_reduce(self, value: Any, op: str = "sum") -> Any:
        return in_order(value, op)

    def checkpoint(self, state: Any) -> None:
        self.saved = state

    def restore(self) -> Any:
        return self._restored

    def progress(self, **values: Any) -> None:
        """Nobody is watching."""


def in_order(parts: Sequence[Any], op: str = "sum") -> Any:
    """Arrays combined from the first to the last."""
    import numpy as np

    combine = {"sum": np.add, "min": np.minimum, "max": np.maximum}[op]
    out = np.array(parts[0])
    for part in parts[1:]:
        combine(out, part, out=out)
    return out
