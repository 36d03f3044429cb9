"""What travels between scheduler and workers: frozen, small, picklable values.

A task is idempotent: it can be run again anywhere. A plan fragment is shipped once per stage and worker; a
TaskSpec carries only what differs between the tasks of a stage. Failure kinds stay typed end to end.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlshell.errors import Error
    from sqlshell.exec.export import Export
    from sqlshell.expr.expr import Expr


@dataclass(frozen=True)
class Split:
    """A piece of one file of a scan: `file` indexes `Source.files` (or `MemorySource.paths`).

    `start` and `end` are byte offsets into the file, `end` None for its end. A Parquet row group belongs to
    the split that holds its middle byte, a record of CSV or JSON lines to the one that holds its first; other
    formats are only ever split into whole files. `rows` (first, how many) says exactly which rows of a Parquet
    file instead.
    """

    file: int
    start: int = 0
    end: int | None = None
    rows: tuple[int, int] | None = None

    @property
    def whole(self) -> bool:
        return self.start == 0 and self.end is None and self.rows is None


@dataclass(frozen=True)
class TaskInput:
    """What one task reads.

    `splits[i]` belongs to the i-th Scan met by `plan.walk()` (parents first, left to right); None is every
    file of it. `splits` is empty when every scan reads everything (solo). `exchange_paths[stage]` are Arrow
    IPC files holding this task's rows of that stage, columns `c{id}` in the stage's output order; no path
    means no rows. A Values node is read by every task: the planner keeps it where that is right.
    """

    splits: tuple[tuple[Split, ...] | None, ...] = ()
    exchange_paths: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    exchange_rows: Mapping[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    """For a stage read in mode `rows`: which rows (offset, count) of each of its paths."""
    partition: int = 0
    num_partitions: int = 1
    filters: tuple[Expr | None, ...] = ()
    """Like `splits`: what this task reads of a scan whose tasks read ranges of values."""
    settings: Any = None
    deterministic: bool = False


class FailureKind(Enum):
    """Why a task failed; the value says whether the scheduler may run the task again."""

    USER = "user"
    INPUT_CORRUPT = "input_corrupt"
    OOM = "oom"
    DISK_FULL = "disk_full"
    WORKER_LOST = "worker_lost"
    FETCH_FAILED = "fetch_failed"
    RANK_FAILED = "rank_failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    INTERNAL = "internal"

    @property
    def retryable(self) -> bool:
        return self in {FailureKind.WORKER_LOST, FailureKind.FETCH_FAILED, FailureKind.RANK_FAILED}


@dataclass(frozen=True)
class PartitionRef:
    """One file of a stage's output: rows of `task` meant for `partition`. `rows` is None where nobody
    counted.
    """

    stage: int
    task: int
    partition: int
    path: str
    bytes: int
    rows: int | None = None


@dataclass(frozen=True)
class OutputSpec:
    """Where and how a task writes.

    `kind`: `result` (final rows in edge form, inline when small), `hash` (file per partition of `keys`),
    `range` (file per partition of the first of `keys` cut at `bounds`), `whole` (one file). `directory`
    belongs to this attempt alone. `bounded` says that a result surely fits in memory; `sample` names the
    column whose values a `whole` output reports; a `result` with `export` is text
    when it is not inline. `result` and `whole` keep the order of rows.
    """

    kind: str
    directory: str
    partitions: int = 1
    keys: tuple[int, ...] = ()
    compress: bool = False
    bounds: tuple[Any, ...] = ()
    descending: bool = False
    nulls_first: bool = True
    sample: int | None = None
    bounded: bool = False
    inline_cells: int = 0
    export: Export | None = None


@dataclass(frozen=True)
class Fault:
    """A failure to inject, in tests: at `point` of that attempt do `action`."""

    stage: int
    partition: int
    attempt: int
    point: str
    action: str


@dataclass(frozen=True)
class Fragment:
    """A pickled (plan, output columns) pair, known to workers by `key`."""

    key: tuple[int, int, int]
    payload: bytes = field(repr=False, compare=False)


@dataclass(frozen=True)
class TaskSpec:
    """One attempt of one task. `slot` is `solo` (one process, all cores) or `pool`."""

    query: int
    stage: int
    partition: int
    attempt: int
    slot: str
    fragment: Fragment
    input: TaskInput
    output: OutputSpec
    env: tuple[tuple[str, str], ...] = ()
    alone: bool = False
    faults: tuple[Fault, ...] = ()
    metered: bool = False
    """Whether to count the rows of each operator."""

    @property
    def id(self) -> tuple[int, int, int, int]:
        return (self.query, self.stage, self.partition, self.attempt)


@dataclass(frozen=True)
class Failure:
    """A typed failure; `lost` is the (stage, task) whose output was missing, for FETCH_FAILED."""

    kind: FailureKind
    error: Error
    lost: tuple[int, int] | None = None


@dataclass(frozen=True)
class Metrics:
    """What a metered task counted: by the operators of `plan.walk()` the rows they gave (None: not on its own) and
    the second, from the task's start, when the last one came; most memory held and most spilled, in bytes.
    """

    rows: tuple[int | None, ...]
    last: tuple[float, ...]
    memory: int
    spilled: int


@dataclass(frozen=True)
class TaskResult:
    """What a worker answers: the manifest of its outputs, or a failure. Never bulk data."""

    outputs: tuple[PartitionRef, ...] = ()
    rows: int | None = None
    inline: tuple[tuple[Any, ...], ...] | None = None
    sample: tuple[Any, ...] = ()
    seconds: float = 0.0
    failure: Failure | None = None
    metrics: Metrics | None = None
    started: float = 0.0
    """When it began to run, in seconds of the machine's monotonic clock."""
