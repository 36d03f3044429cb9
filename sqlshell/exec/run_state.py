"""What the scheduler keeps: the state of stages and tasks, what one run may vary, and the events people
see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlshell.exec.export import Export
    from sqlshell.exec.gang import GangEvent, GangOptions, GangSpec
    from sqlshell.exec.stage import Stage, StageGraph
    from sqlshell.exec.task import Fault, Fragment, PartitionRef, TaskResult, TaskSpec

Manifests = dict[int, tuple["PartitionRef", ...]]
"""What every finished stage has written."""


class Store(Protocol):
    """What the scheduler asks of the exchange store."""

    def directory(
        self, query: int, stage: int, task: int, attempt: int, *, on_disk: bool = False, estimate: int = 0
    ) -> tuple[str, bool]: ...
    def in_memory(self, directory: str) -> bool: ...
    def accept(self, query: int, directory: str, refs: Iterable[PartitionRef]) -> None: ...
    def keep_directory(self, query: int, stage: int) -> str: ...
    def drop_stage(self, query: int, stage: int) -> None: ...
    def drop_attempt(self, directory: str) -> None: ...


@dataclass(frozen=True)
class QueryEvent:
    """Progress for people: `what` is stage_planned (`bytes` are those it is estimated to read), stage_started,
    task_started, task_done (`bytes` written), task_retried, chunk or replanned.
    """

    what: str
    stage: int
    task: int = 0
    done: int = 0
    total: int = 0
    rows: int | None = None
    detail: str = ""
    bytes: int = 0


@dataclass
class TaskState:
    """One task of a stage: its attempts so far and, once done, the manifest that was accepted."""

    attempts: int = 0
    losses: int = 0
    fetch_rounds: int = 0
    running: TaskSpec | GangSpec | None = None
    result: TaskResult | None = None
    on_disk: bool = False
    alone: bool = False


@dataclass
class StageState:
    """A stage's tasks and whether its output has been removed because every reader was done."""

    stage: Stage
    fragment: Fragment
    tasks: list[TaskState] = field(default_factory=list)
    dropped: bool = False
    announced: bool = False
    splits: int = 0

    @property
    def complete(self) -> bool:
        return all(t.result is not None for t in self.tasks)


@dataclass(frozen=True)
class RunOptions:
    """What one run may vary: inline limit, deterministic mode, injected faults, hooks between stages."""

    inline_cells: int = 0
    faults: tuple[Fault, ...] = ()
    replan: Callable[[StageGraph, Manifests, frozenset[int]], StageGraph] | None = None
    split_stage: Callable[[StageGraph, int], StageGraph | None] | None = None
    abort: Callable[[], None] | None = None
    """Kills the query's running tasks (before a graph that has none of them)."""
    on_event: Callable[[QueryEvent | GangEvent], None] | None = None
    gang: GangOptions | None = None
    """What the ranks of the graph's barrier stage run."""
    submit_gang: Callable[[GangSpec], None] | None = None
    on_disk: bool = False
    export: Export | None = None
    metered: bool = False
    """Whether tasks count the rows of each operator."""
    env: tuple[tuple[str, str], ...] = ()


def range_bounds(samples: list[Any], partitions: int) -> tuple[Any, ...]:
    """Ascending cut points that split the samples evenly; fewer when values repeat."""
    ordered = sorted(samples)
    n = len(ordered)
    if n == 0:
        return ()
    cuts = [ordered[i * n // partitions] for i in range(1, partitions)]
    return tuple(dict.fromkeys(cuts))


def row_range(refs: list[PartitionRef], index: int, parts: int) -> list[tuple[PartitionRef, int, int]]:
    """The index-th of `parts` equal ranges of all rows, files one after the other: (file, offset, rows)."""
    total = sum(r.rows or 0 for r in refs)
    low, high = total * index // parts, total * (index + 1) // parts
    out: list[tuple[PartitionRef, int, int]] = []
    begin = 0
    for ref in refs:
        end = begin + (ref.rows or 0)
        a, b = max(low, begin), min(high, end)
        if a < b:
            out.append((ref, a - begin, b - a))
        begin = end
    return out
