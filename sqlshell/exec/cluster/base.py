"""What the scheduler needs from whoever runs tasks. It never sees processes, pipes or Ray.

A Cluster runs attempts and reports; it never retries. Events of a task reach the sink given at submission, in
order, from any thread: started, then chunks, then done exactly once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.exec.gang import GangSpec
    from sqlshell.exec.task import PartitionRef, TaskResult, TaskSpec

TaskId = tuple[int, int, int, int]
"""(query, stage, partition, attempt)."""


@dataclass(frozen=True)
class Started:
    """A worker took the task."""

    task: TaskId
    pid: int


@dataclass(frozen=True)
class Chunk:
    """A piece of a result can be read."""

    task: TaskId
    ref: PartitionRef


@dataclass(frozen=True)
class Done:
    """The attempt is over, well or not."""

    task: TaskId
    result: TaskResult


@dataclass(frozen=True)
class Progress:
    """How far a rank of a gang is, in its own words."""

    task: TaskId
    rank: int
    values: dict[str, Any]


@dataclass(frozen=True)
class CancelQuery:
    """The user wants the query to end."""


Event = Started | Chunk | Done | Progress | CancelQuery
Sink = "Callable[[Event], None]"


class Cluster(Protocol):
    """Runs tasks in slots: `solo` (one process, all cores) and `pool`."""

    def slots(self, kind: str) -> int:
        """How many tasks of a kind run at once."""
        ...

    def submit(self, task: TaskSpec, sink: Callable[[Event], None]) -> None:
        """Queue one attempt."""
        ...

    def run_gang(self, gang: GangSpec, sink: Callable[[Event], None]) -> None:
        """Queue one attempt of a gang, which starts with all of its ranks or not at all: started, progress,
        then done, whose `inline` is one row of the ranks' RankValues.
        """
        ...

    def cancel(self, query: int) -> None:
        """Drop the query's queued tasks and kill its running ones; returns when nothing of it runs any
        more.
        """
        ...

    def call(self, name: str, args: tuple[Any, ...]) -> Any:
        """Run a named function of `worker_calls.py` and give its value; raises its typed error."""
        ...

    def close(self) -> None:
        """End every process."""
        ...
