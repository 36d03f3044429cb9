"""The memory limit: how much each slot may use, and what that means for the kernels' environment.

The limit is working memory: proportional set size above idle, plus shared memory. A quarter is for
exchanges in shared memory; the rest is shared by the slots that can run at once. Polars' own spilling
overshoots its budget 2.7 to 4 times, so it is only the second net: the first is that the planner cuts state
into partitions that fit a slot's share, with all that the kernels hold around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.exec import platform
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_FRACTION = 0.7
EXCHANGE_FRACTION = 0.25
MB = 1 << 20
HELD = 3.5
"""Bytes a task holds per byte of its operator's rows: a join of 26, 51 and 258 MB held 90, 160 and 820."""

IN_FLIGHT = 64 * MB
"""What a streaming task holds whatever the size of its state: batches read ahead, output being written."""


@dataclass(frozen=True)
class MemoryPlan:
    """What one session may use. `limit` is bytes over all workers; `explicit` when the user set it."""

    limit: int
    workers: int
    explicit: bool = False

    @classmethod
    def of(cls, limit: int | None, workers: int) -> MemoryPlan:
        """The plan for a configured limit, or for 70 % of the machine."""
        if limit is None:
            return cls(int(platform.total_memory() * DEFAULT_FRACTION), workers)
        return cls(limit, workers, explicit=True)

    @property
    def exchange_budget(self) -> int | None:
        """Bytes of shared memory for exchanges; None leaves it to the store's default."""
        return int(self.limit * EXCHANGE_FRACTION) if self.explicit else None

    def share(self, kind: str) -> int:
        """Bytes one slot of a kind may use."""
        working = int(self.limit * (1 - EXCHANGE_FRACTION))
        return working if kind == "solo" else working // self.workers

    def state_target(self, kind: str = "pool") -> int:
        """Estimated operator state (bytes of its rows) one task should stay below."""
        share = self.share(kind)
        return max(1, share // 16, int((share - IN_FLIGHT) / HELD))

    def hard_limit(self, kind: str) -> int:
        """Resident bytes at which the driver kills a worker: all slots together stay within 1.5x the limit."""
        return int(self.share(kind) * 1.25) + (IN_FLIGHT if self.explicit else 4 * IN_FLIGHT)

    def environment(self, kind: str, folder: Path) -> dict[str, str]:
        """Variables a worker starts with: its spill folder, and its budget when a limit was set."""
        env = {"POLARS_OOC_SPILL_DIR": str(folder)}
        if self.explicit:
            env["POLARS_OOC_MEMORY_BUDGET_MB"] = str(max(1, int(self.share(kind) * 0.6) // MB))
        return env
