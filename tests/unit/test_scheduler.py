"""The scheduler against a fake cluster: what is submitted when, and what each kind of failure costs."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.errors import (
    DataError,
    DiskFullError,
    Error,
    FetchFailedError,
    OutOfMemoryError,
    QueryCancelled,
    WorkerLostError,
)
from sqlshell.exec.cluster.base import CancelQuery, Done, Started
from sqlshell.exec.run_state import RunOptions, range_bounds
from sqlshell.exec.scheduler import Scheduler
from sqlshell.exec.stage import Output, Stage, StageGraph, StageInput, TaskLayout
from sqlshell.exec.task import Failure, FailureKind, PartitionRef, TaskResult
from sqlshell.plan.logical import ONE_ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlshell.exec.task import TaskSpec

SETTINGS = {"sqlshell.deterministic": False}


class FakeStore:
    """Remembers what was accepted and dropped; directories are names only."""

    def __init__(self) -> None:
        self.dropped: list[int] = []
        self.attempts_dropped: list[str] = []
        self.accepted: list[PartitionRef] = []

    def directory(
        self, query: int, stage: int, task: int, attempt: int, *, on_disk: bool = False, estimate: int = 0
    ) -> tuple[str, bool]:
        root = "disk" if on_disk else "memory"
        return f"{root}/q{query}/x{stage}/m{task}-a{attempt}", on_disk

    def keep_directory(self, query: int, stage: int) -> str:
        return f"disk/q{query}/k{stage}"

    def in_memory(self, directory: str) -> bool:
        return directory.startswith("memory")

    def accept(self, query: int, directory: str, refs: Iterable[PartitionRef]) -> None:
        self.accepted.extend(refs)

    def drop_stage(self, query: int, stage: int) -> None:
        self.dropped.append(stage)

    def drop_attempt(self, directory: str) -> None:
        self.attempts_dropped.append(directory)


class Harness:
    """A scheduler whose tasks are finished by hand, or by `answer` until nothing is left."""

    def __init__(self, graph: StageGraph, **options: Any) -> None:
        self.queue: deque[TaskSpec] = deque()
        self.history: list[tuple[int, int, int]] = []
        self.store = FakeStore()
        self.events: list[str] = []
        options.setdefault("on_event", lambda e: self.events.append(e.what))
        self.scheduler = Scheduler(graph, 1, self.submit, self.store, RunOptions(**options))
        self.scheduler.start()

    def submit(self, spec: TaskSpec) -> None:
        self.queue.append(spec)
        self.history.append((spec.stage, spec.partition, spec.attempt))

    def finish(self, spec: TaskSpec, result: TaskResult | None = None) -> None:
        self.scheduler.handle(Started(spec.id, 1))
        self.scheduler.handle(Done(spec.id, result or written(spec)))

    def run(self, answer: Callable[[TaskSpec], TaskResult | None] = lambda s: None) -> Harness:
        for _ in range(1000):
            if self.scheduler.finished or not self.queue:
                return self
            spec = self.queue.popleft()
            self.finish(spec, answer(spec))
        raise AssertionError("the scheduler never ends")


def written(spec: TaskSpec) -> TaskResult:
    """What a healthy worker answers: a file per partition."""
    count = spec.output.partitions if spec.output.kind == "hash" else 1
    return TaskResult(
        rows=1,
        outputs=tuple(
            PartitionRef(spec.stage, spec.partition, p, f"{spec.output.directory}/{p}", 10)
            for p in range(count)
        ),
    )


def failed(kind: FailureKind, error: Error, lost: tuple[int, int] | None = None) -> TaskResult:
    return TaskResult(failure=Failure(kind, error, lost))


def lost() -> TaskResult:
    return failed(FailureKind.WORKER_LOST, WorkerLostError("a worker process ended by signal SIGKILL"))


def stage(
    number: int, tasks: int, output: Output, *inputs: StageInput, slot: str = "pool", **more: Any
) -> Stage:
    layout = tuple(TaskLayout((), (i,)) for i in range(tasks))
    return Stage(number, ONE_ROW, inputs, output, layout, slot, **more)


def shuffle() -> StageGraph:
    """Two scans hash into three partitions; three tasks join them; one gathers the result."""
    return StageGraph(
        (
            stage(0, 2, Output("hash", (), 3)),
            stage(1, 2, Output("hash", (), 3)),
            stage(2, 3, Output("whole"), StageInput(0, "partition"), StageInput(1, "partition")),
            stage(3, 1, Output("result"), StageInput(2, "first"), slot="solo"),
        ),
        ("a",),
        ONE_ROW,
        SETTINGS,
        3,
    )


def test_stages_wait_for_their_inputs_and_drop_them_afterwards() -> None:
    h = Harness(shuffle())
    assert h.history == [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0)]
    h.run()
    assert h.scheduler.finished
    assert h.scheduler.error is None
    assert len(h.history) == 8
    assert h.store.dropped == [0, 1, 2]


def test_a_reader_gets_its_partition_of_every_producer() -> None:
    h = Harness(shuffle())
    seen: dict[int, dict[int, tuple[str, ...]]] = {}

    def note(spec: TaskSpec) -> None:
        if spec.stage == 2:
            seen[spec.partition] = dict(spec.input.exchange_paths)

    h.run(note)
    assert seen[1] == {
        0: ("memory/q1/x0/m0-a0/1", "memory/q1/x0/m1-a0/1"),
        1: ("memory/q1/x1/m0-a0/1", "memory/q1/x1/m1-a0/1"),
    }


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("broadcast", [{0, 1}, {0, 1}]),
        ("first", [{0, 1}, set()]),
        ("aligned", [{0}, {1}]),
    ],
)
def test_modes_of_reading(mode: str, expected: list[set[int]]) -> None:
    graph = StageGraph(
        (stage(0, 2, Output("whole")), stage(1, 2, Output("result"), StageInput(0, mode))),
        (),
        ONE_ROW,
        SETTINGS,
    )
    h = Harness(graph)
    got: dict[int, set[int]] = {}

    def note(spec: TaskSpec) -> None:
        if spec.stage == 1:
            got[spec.partition] = {int(p.split("/m")[1][0]) for p in spec.input.exchange_paths[0]}

    h.run(note)
    assert [got[0], got[1]] == expected


def test_a_lost_worker_costs_only_its_task() -> None:
    h = Harness(shuffle())
    h.run(lambda s: lost() if (s.stage, s.partition, s.attempt) == (0, 1, 0) else None)
    assert h.scheduler.error is None
    assert [t for t in h.history if t[:2] == (0, 1)] == [(0, 1, 0), (0, 1, 1)]
    assert len(h.history) == 9
    assert h.store.attempts_dropped == ["memory/q1/x0/m1-a0"]


def test_a_poison_task_stops_after_four_attempts_by_name() -> None:
    h = Harness(shuffle())
    alone: list[bool] = []

    def answer(spec: TaskSpec) -> TaskResult | None:
        if (spec.stage, spec.partition) != (1, 1):
            return None
        alone.append(spec.alone)
        return lost()

    h.run(answer)
    assert isinstance(h.scheduler.error, WorkerLostError)
    assert "stage 1, partition 1" in h.scheduler.error.message
    assert "SIGKILL" in h.scheduler.error.message
    assert alone == [False, False, True, True]


def test_a_users_error_is_never_retried() -> None:
    h = Harness(shuffle())
    error = DataError("Division by zero.", condition="DIVIDE_BY_ZERO")
    h.run(lambda s: failed(FailureKind.USER, error))
    assert h.scheduler.error is error
    assert len(h.history) == 4  # only what was submitted before it was known


def test_a_lost_file_reruns_its_producer_then_the_reader() -> None:
    h = Harness(shuffle())
    gone = failed(FailureKind.FETCH_FAILED, FetchFailedError("gone"), (1, 0))
    h.run(lambda s: gone if (s.stage, s.partition, s.attempt) == (2, 2, 0) else None)
    assert h.scheduler.error is None
    assert (1, 0, 1) in h.history
    assert (1, 1, 1) not in h.history
    assert h.history.index((1, 0, 1)) < h.history.index((2, 2, 1))
    assert [t for t in h.history if t[:2] == (2, 0)] == [(2, 0, 0)]


def test_a_reader_that_began_before_the_file_was_made_again_does_not_rerun_it() -> None:
    h = Harness(shuffle())
    gone = failed(FailureKind.FETCH_FAILED, FetchFailedError("gone"), (1, 0))
    while h.queue[0].stage < 2:
        h.finish(h.queue.popleft())
    first, late, other = (h.queue.popleft() for _ in range(3))
    h.finish(first, gone)
    h.finish(h.queue.popleft())
    h.finish(late, gone)
    h.finish(other)
    h.run()
    assert h.scheduler.error is None
    assert [t for t in h.history if t[:2] == (1, 0)] == [(1, 0, 0), (1, 0, 1)]


def test_inputs_removed_meanwhile_are_made_again() -> None:
    h = Harness(shuffle())
    gone = failed(FailureKind.FETCH_FAILED, FetchFailedError("gone"), (2, 1))
    h.run(lambda s: gone if (s.stage, s.attempt) == (3, 0) else None)
    assert h.scheduler.error is None
    rerun = [t for t in h.history if t[2] == 1]
    assert {(0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 1), (2, 1, 1), (3, 0, 1)} == set(rerun)


def test_a_file_that_keeps_vanishing_ends_the_query() -> None:
    h = Harness(shuffle())
    gone = failed(FailureKind.FETCH_FAILED, FetchFailedError("gone"), (1, 0))
    h.run(lambda s: gone if s.stage == 2 else None)
    assert isinstance(h.scheduler.error, FetchFailedError)


def test_full_memory_goes_to_disk_and_a_full_disk_ends_the_query() -> None:
    full = failed(FailureKind.DISK_FULL, DiskFullError("no space"))
    h = Harness(shuffle())
    h.run(lambda s: full if s.output.directory.startswith("memory/q1/x0") else None)
    assert h.scheduler.error is None
    h = Harness(shuffle())
    h.run(lambda s: full if s.stage == 0 else None)
    assert isinstance(h.scheduler.error, DiskFullError)


def test_out_of_memory_replans_with_more_partitions() -> None:
    calls: list[int] = []

    def split(graph: StageGraph, number: int) -> StageGraph:
        calls.append(number)
        wide = stage(2, 6, Output("whole"), StageInput(0, "partition"), version=1)
        return StageGraph(
            (stage(0, 2, Output("hash", (), 6), version=1), wide, graph.stages[-1]), (), ONE_ROW, SETTINGS, 6
        )

    h = Harness(shuffle(), split_stage=split)
    oom = failed(FailureKind.OOM, OutOfMemoryError("boom"))
    h.run(lambda s: oom if s.stage == 2 and len(h.scheduler.graph.stages) == 4 else None)
    assert h.scheduler.error is None
    assert calls == [2]
    assert sum(t[0] == 2 for t in h.history) == 3 + 6
    assert (0, 0, 1) in h.history


def test_out_of_memory_alone_then_an_error() -> None:
    h = Harness(shuffle())
    alone: list[bool] = []

    def answer(spec: TaskSpec) -> TaskResult | None:
        if (spec.stage, spec.partition) != (2, 1):
            return None
        alone.append(spec.alone)
        return failed(FailureKind.OOM, OutOfMemoryError("boom"))

    h.run(answer)
    assert isinstance(h.scheduler.error, OutOfMemoryError)
    assert alone == [False, True]


def test_cancel_and_late_events() -> None:
    h = Harness(shuffle())
    spec = h.queue.popleft()
    h.scheduler.handle(CancelQuery())
    assert isinstance(h.scheduler.error, QueryCancelled)
    h.finish(spec)
    assert h.store.accepted == []


def test_a_done_of_an_old_attempt_is_ignored() -> None:
    h = Harness(shuffle())
    first = h.queue[0]
    h.finish(h.queue.popleft(), lost())
    h.finish(first)
    assert not h.store.accepted
    h.run()
    assert h.scheduler.error is None


def test_a_stage_waits_for_the_sizes_it_may_change_with() -> None:
    graph = StageGraph(
        (stage(0, 1, Output("whole")), stage(1, 1, Output("result"), after=(0,))), (), ONE_ROW, SETTINGS
    )
    h = Harness(graph)
    assert h.history == [(0, 0, 0)]
    h.run()
    assert h.scheduler.finished


def test_range_bounds_split_samples_evenly() -> None:
    assert range_bounds(list(range(100)), 4) == (25, 50, 75)
    assert range_bounds([7] * 100, 4) == (7,)
    assert range_bounds([], 4) == ()
