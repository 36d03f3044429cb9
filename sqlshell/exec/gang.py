"""What travels between the scheduler and the ranks of a barrier stage, and who gets which partitions.

A gang is `world_size` processes that run one body together. Its input is cut into a fixed number of
partitions, whatever the number of ranks; each rank gets a contiguous run of them, in order.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlshell.errors import Error
    from sqlshell.exec.task import Fault, Fragment, OutputSpec, TaskInput

MAX_FAILURES = 3
"""Restarts of a gang: four attempts, as Spark's barrier stages have."""

BARRIER_TIMEOUT = 600.0
"""Seconds a rank waits for the others in one collective call (Spark: 365 days)."""

HEARTBEAT_TIMEOUT = 60.0
"""Seconds without a sign of life (a thread ticks each second) after which a rank counts as hung."""


def ranges(partitions: int, world_size: int) -> tuple[tuple[int, int], ...]:
    """The partitions [low, high) of each rank: contiguous, in order, even to within one."""
    cuts = [partitions * r // world_size for r in range(world_size + 1)]
    return tuple(pairwise(cuts))


@dataclass(frozen=True)
class TaskInfo:
    """One rank of a gang: its process and the partitions [low, high) it holds."""

    rank: int
    host: str
    pid: int
    partitions: tuple[int, int]


@dataclass(frozen=True)
class Body:
    """What the ranks run: `module:function`, or a pickled function with the module path it needs."""

    name: str
    payload: bytes = field(default=b"", repr=False)
    path: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class GangSpec:
    """One attempt of a barrier stage. `inputs[p]` is what the rank that holds partition p reads for it."""

    query: int
    stage: int
    attempt: int
    world_size: int
    fragment: Fragment
    inputs: tuple[TaskInput, ...]
    names: tuple[str, ...]
    body: Body
    args: bytes
    output: OutputSpec
    keep: str
    """The folder of checkpoints, which outlives attempts."""
    barrier_timeout: float = BARRIER_TIMEOUT
    heartbeat_timeout: float = HEARTBEAT_TIMEOUT
    faults: tuple[Fault, ...] = ()
    partition: int = 0
    slot: str = "gang"

    @property
    def id(self) -> tuple[int, int, int, int]:
        return (self.query, self.stage, 0, self.attempt)


@dataclass(frozen=True)
class RankTask:
    """What one rank gets: the spec with the inputs of its own partitions only, and its place in the gang."""

    spec: GangSpec
    rank: int
    folder: str
    infos: tuple[TaskInfo, ...]
    threads: int
    partitions: int
    """Partitions over all ranks."""


@dataclass(frozen=True)
class GangOptions:
    """How `Engine.run_gang` runs a body: what each GangSpec of the run has in common."""

    world_size: int
    body: Body
    args: bytes
    names: tuple[str, ...]
    max_failures: int = MAX_FAILURES
    barrier_timeout: float = BARRIER_TIMEOUT
    heartbeat_timeout: float = HEARTBEAT_TIMEOUT


@dataclass(frozen=True)
class GangEvent:
    """Progress of a gang, for people and run histories.

    `what` is gang_queued, gang_started (all ranks run), progress (`values` as the rank gave them to
    `ctx.progress`), gang_restarted (`detail`: why the attempt failed) or gang_done.
    """

    what: str
    stage: int
    attempt: int = 0
    rank: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    detail: str = ""


@dataclass(frozen=True)
class RankValue:
    """What a rank's body returned, pickled: in `data`, or in the file `path` when large."""

    data: bytes = field(default=b"", repr=False)
    path: str | None = None


@dataclass(frozen=True)
class GangResult:
    """A finished gang: the bodies' return values by rank, and how it went.

    `attempts` counts from 1; `failures` says why each attempt before the last one failed.
    """

    values: list[Any]
    world_size: int
    partitions: int
    attempts: int
    failures: tuple[str, ...] = ()
    seconds: float = 0.0


def about_rank(error: Error, rank: int, world_size: int) -> Error:
    """The same error with the rank named in its message."""
    new = type(error)(
        f"{error.message} (rank {rank} of {world_size})",
        condition=error.condition,
        span=error.span,
        hint=error.hint,
    )
    for note in getattr(error, "__notes__", ()):
        new.add_note(note)
    return new
