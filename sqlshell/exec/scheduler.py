"""Runs a stage graph: which task is submitted when, and what a failure means. A pure state machine.

It hears events and submits attempts; it never sees processes, files or clocks, so that unit tests drive it
with a fake cluster. What each kind of failure costs:

    USER, INPUT_CORRUPT, INTERNAL, TIMEOUT   the query fails, after one attempt
    WORKER_LOST     the task runs again, alone after its second loss; after 4 attempts the query fails by name
    FETCH_FAILED    the producing task runs again, then this one; at most 4 rounds per producer
    RANK_FAILED     the whole gang starts again from its last checkpoint, up to `max_failures` times
    DISK_FULL       once more on disk when the attempt wrote to memory, else the query fails
    OOM             planned again with 4x the partitions, or run once more alone, else the query fails
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, cast

from sqlshell.errors import (
    BarrierError,
    Error,
    InternalError,
    OutOfMemoryError,
    QueryCancelled,
    WorkerLostError,
)
from sqlshell.exec.cluster.base import CancelQuery, Chunk, Done, Progress, Started
from sqlshell.exec.estimate import scanned
from sqlshell.exec.gang import GangEvent, GangSpec
from sqlshell.exec.run_state import QueryEvent, StageState, TaskState, range_bounds, row_range
from sqlshell.exec.task import FailureKind, Fragment, OutputSpec, TaskInput, TaskSpec
from sqlshell.records import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.exec.cluster.base import Event, TaskId
    from sqlshell.exec.run_state import RunOptions, Store
    from sqlshell.exec.stage import Stage, StageGraph
    from sqlshell.exec.task import Failure, PartitionRef, TaskResult
    from sqlshell.expr.expr import Column, SortKey

MAX_ATTEMPTS = 4
MAX_SPLITS = 3
"""How often one stage may be split after running out of memory: 64 times its partitions."""


class Scheduler:
    """One query's run. `submit` hands attempts to a cluster; `handle` hears what became of them."""

    def __init__(
        self,
        graph: StageGraph,
        query: int,
        submit: Callable[[TaskSpec], None],
        store: Store,
        options: RunOptions,
    ) -> None:
        self.graph = graph
        self.query = query
        self.error: Error | None = None
        self.chunks: dict[int, list[PartitionRef]] = {}
        self.gang_failures: list[str] = []
        self._taken: set[int] = set()
        """Unfinished tasks of the result stage of whose files some were read."""
        self._submit = submit
        self._store = store
        self._options = options
        self._states = {s.id: self._new_state(s) for s in graph.stages}

    # -- outside

    @property
    def finished(self) -> bool:
        return self.error is not None or self._states[self.graph.result.id].complete

    def start(self) -> None:
        """Submit every task whose inputs are ready."""
        if self._options.on_event is not None:
            for stage in self.graph.stages:
                reads = sum(self.graph.stage(i.stage).size for i in stage.inputs) + scanned(stage.plan)
                self._tell("stage_planned", stage.id, total=stage.tasks, bytes=reads)
        self._advance()

    def handle(self, event: Event) -> None:
        """React to one event; late events of attempts that no longer count are ignored."""
        if self.error is not None:
            return
        match event:
            case Started(task):
                if self._states[task[1]].stage.mode == "BARRIER":
                    if self._current(task) is not None:
                        self._tell_gang("gang_started", task[1], task[3])
                else:
                    self._tell("task_started", task[1], task[2])
            case Progress(task, rank, values):
                if self._current(task) is not None:
                    self._tell_gang("progress", task[1], task[3], rank=rank, values=values)
            case Chunk(task, ref):
                if self._current(task) is not None:
                    self.chunks.setdefault(task[2], []).append(ref)
                    self._tell("chunk", task[1], task[2], rows=ref.rows)
            case Done(task, result):
                self._done(task, result)
            case CancelQuery():
                self.error = QueryCancelled("the query was cancelled")

    def results(self) -> list[TaskResult]:
        """The result stage's manifests, in task order."""
        state = self._states[self.graph.result.id]
        return [t.result for t in state.tasks if t.result is not None]

    def result_file(self, position: int, *, take: bool = False) -> PartitionRef | None:
        """The result's file at a position, when it is there and all before it are. `take` says that it will be
        read: its task cannot run again.
        """
        for index, task in enumerate(self._states[self.graph.result.id].tasks):
            found = task.result.outputs if task.result is not None else self.chunks.get(index, ())
            if position < len(found):
                if take and task.result is None:
                    self._taken.add(index)
                return found[position]
            if task.result is None:
                return None
            position -= len(found)
        return None

    def stage_summaries(self) -> list[tuple[Stage, list[TaskResult]]]:
        """Every stage with its accepted manifests (EXPLAIN ANALYZE)."""
        return [(s.stage, [t.result for t in s.tasks if t.result is not None]) for s in self._states.values()]

    # -- moving on

    def _new_state(self, stage: Stage) -> StageState:
        payload = pickle.dumps(stage.plan, protocol=5)
        fragment = Fragment((self.query, stage.id, stage.version), payload)
        tasks = 1 if stage.mode == "BARRIER" else stage.tasks  # a gang runs and fails as one
        return StageState(stage, fragment, [TaskState() for _ in range(tasks)])

    def _advance(self) -> None:
        """Submit what can run; a stage waits for all of its inputs."""
        for state in list(self._states.values()):
            if self.error is not None or state.complete:
                continue
            waits = {i.stage for i in state.stage.inputs} | set(state.stage.after)
            if not all(self._states[i].complete for i in waits):
                continue
            if not state.announced:
                state.announced = True
                self._tell("stage_started", state.stage.id, total=state.stage.tasks)
            for index, task in enumerate(state.tasks):
                if task.result is None and task.running is None:
                    self._attempt(state, index)

    def _attempt(self, state: StageState, index: int) -> None:
        stage, task = state.stage, state.tasks[index]
        if stage.mode == "BARRIER":
            self._gang_attempt(state, task)
            return
        on_disk = task.on_disk or self._options.on_disk
        directory, compress = self._store.directory(
            self.query, stage.id, index, task.attempts, on_disk=on_disk, estimate=stage.size // stage.tasks
        )
        spec = TaskSpec(
            query=self.query,
            stage=stage.id,
            partition=index,
            attempt=task.attempts,
            slot=stage.slot,
            fragment=state.fragment,
            input=self._input(state, index),
            output=self._output(stage, directory, compress),
            env=self._options.env,
            alone=task.alone,
            metered=self._options.metered,
            faults=tuple(f for f in self._options.faults if (f.stage, f.partition) == (stage.id, index)),
        )
        task.attempts += 1
        task.running = spec
        self._submit(spec)

    def _gang_attempt(self, state: StageState, task: TaskState) -> None:
        stage, gang = state.stage, self._options.gang
        if gang is None or self._options.submit_gang is None:
            raise InternalError("a barrier stage needs a body")
        directory, compress = self._store.directory(self.query, stage.id, 0, task.attempts, on_disk=True)
        spec = GangSpec(
            query=self.query,
            stage=stage.id,
            attempt=task.attempts,
            world_size=stage.ranks,
            fragment=state.fragment,
            inputs=tuple(self._input(state, i) for i in range(stage.tasks)),
            names=gang.names,
            body=gang.body,
            args=gang.args,
            output=OutputSpec("body", directory, compress=compress),
            keep=self._store.keep_directory(self.query, stage.id),
            barrier_timeout=gang.barrier_timeout,
            heartbeat_timeout=gang.heartbeat_timeout,
            faults=tuple(f for f in self._options.faults if f.stage == stage.id),
        )
        task.attempts += 1
        task.running = spec
        self._tell_gang("gang_queued", stage.id, spec.attempt)
        self._options.submit_gang(spec)

    def _input(self, state: StageState, index: int) -> TaskInput:
        stage = state.stage
        layout = stage.layout[index]
        paths: dict[int, tuple[str, ...]] = {}
        rows: dict[int, tuple[tuple[int, int], ...]] = {}
        for edge in stage.inputs:
            refs = self._refs(edge.stage)
            match edge.mode:
                case "broadcast":
                    chosen = refs
                case "first":
                    chosen = refs if index == 0 else []
                case "rows":
                    pieces = row_range(refs, index, stage.tasks)
                    chosen = [r for r, _, _ in pieces]
                    rows[edge.stage] = tuple((offset, count) for _, offset, count in pieces)
                case "aligned":
                    chosen = [r for r in refs if r.task % stage.tasks == index]
                case _:
                    wanted = set(layout.partitions)
                    chosen = [r for r in refs if r.partition in wanted]
                    if layout.maps is not None and layout.maps[0] == edge.stage:
                        maps = set(layout.maps[1])
                        chosen = [r for r in chosen if r.task in maps]
            paths[edge.stage] = tuple(r.path for r in chosen)
        settings: Any = self.graph.settings
        return TaskInput(
            splits=layout.splits,
            filters=layout.filters,
            exchange_paths=paths,
            exchange_rows=rows,
            partition=index,
            num_partitions=stage.tasks,
            settings=settings,
            deterministic=bool(settings.get("sqlshell.deterministic")),
        )

    def _output(self, stage: Stage, directory: str, compress: bool) -> OutputSpec:
        out = stage.output
        base = OutputSpec(
            kind=out.kind,
            directory=directory,
            partitions=out.partitions,
            keys=tuple(k.id for k in out.keys),
            compress=compress,
            sample=key_id(stage.sample) if stage.sample is not None else None,
            bounded=stage.bounded,
            inline_cells=self._options.inline_cells if stage.tasks == 1 else 0,
            export=self._options.export if out.kind == "result" else None,
        )
        if out.kind != "range":
            return base
        key = out.order[0]
        bounds = range_bounds(self._samples(out.bounds_from), out.partitions)
        return replace(
            base,
            bounds=bounds,
            descending=not key.ascending,
            nulls_first=key.nulls_first,
            keys=(key_id(key),),
        )

    def _samples(self, stage: int | None) -> list[Any]:
        if stage is None:
            raise InternalError("a range exchange needs samples")
        return [v for t in self._states[stage].tasks if t.result is not None for v in t.result.sample]

    def _refs(self, stage: int) -> list[PartitionRef]:
        return [r for t in self._states[stage].tasks if t.result is not None for r in t.result.outputs]

    # -- outcomes

    def _current(self, task: TaskId) -> TaskState | None:
        """The state of the task an event is about, if that attempt is the one that counts."""
        _, stage, partition, _ = task
        state = self._states.get(stage)
        if state is None or partition >= len(state.tasks):
            return None
        found = state.tasks[partition]
        return found if found.running is not None and found.running.id == task else None

    def _done(self, task_id: TaskId, result: TaskResult) -> None:
        task = self._current(task_id)
        if task is None or task.running is None:
            return
        state = self._states[task_id[1]]
        spec, task.running = task.running, None
        if result.failure is not None:
            self._store.drop_attempt(spec.output.directory)
            self.chunks.pop(spec.partition, None)
            self._failed(state, task, spec, result.failure)
            self._advance()
            return
        task.result = result
        self._store.accept(self.query, spec.output.directory, result.outputs)
        if state.stage.mode == "BARRIER":
            self._tell_gang("gang_done", spec.stage, spec.attempt)
        else:
            done, total = sum(t.result is not None for t in state.tasks), len(state.tasks)
            written = sum(ref.bytes for ref in result.outputs)
            self._tell(
                "task_done",
                spec.stage,
                spec.partition,
                done=done,
                total=total,
                rows=result.rows,
                bytes=written,
            )
        if state.complete:
            self._stage_done(state)
        self._advance()

    def _stage_done(self, state: StageState) -> None:
        for edge in state.stage.inputs:
            readers = self.graph.consumers(edge.stage)
            if all(self._states[r.id].complete for r in readers):
                self._store.drop_stage(self.query, edge.stage)
                self._states[edge.stage].dropped = True
        if self._options.replan is not None:
            complete = {i: tuple(self._refs(i)) for i, s in self._states.items() if s.complete}
            begun = frozenset(i for i, s in self._states.items() if s.announced)
            self._adopt(self._options.replan(self.graph, complete, begun))

    def _adopt(self, graph: StageGraph) -> None:
        """Take over a changed graph: stages that differ start afresh, new ones are added, others keep their
        state.
        """
        if graph is self.graph:
            return
        kept = {s.id for s in graph.stages if s.id in self._states and self._states[s.id].stage is s}
        if self._options.abort is not None and any(
            t.running for i, s in self._states.items() if i not in kept for t in s.tasks
        ):
            self._options.abort()
            for i in kept:
                for t in self._states[i].tasks:
                    t.running = None
        self.graph = graph
        states: dict[int, StageState] = {}
        for stage in graph.stages:
            old = self._states.get(stage.id)
            if old is not None and old.stage is stage:
                states[stage.id] = old
                continue
            if old is not None and any(t.attempts for t in old.tasks):
                self._store.drop_stage(self.query, stage.id)
            states[stage.id] = self._new_state(stage)
            if old is not None:
                states[stage.id].splits = old.splits
                # Attempt numbers go on, so that directories and late events of the old tasks stay distinct.
                start = max((t.attempts for t in old.tasks), default=0)
                for t in states[stage.id].tasks:
                    t.attempts = start
            self._tell("replanned", stage.id, total=stage.tasks)
        for gone in self._states.keys() - states.keys():
            self._store.drop_stage(self.query, gone)
        self._states = states
        for state in states.values():
            if not state.complete:
                self._restore_inputs(state)

    def _failed(
        self, state: StageState, task: TaskState, spec: TaskSpec | GangSpec, failure: Failure
    ) -> None:
        if spec.stage == self.graph.result.id and spec.partition in self._taken:
            self.error = failure.error  # rows of another attempt might repeat or lack what was read already
            return
        match failure.kind:
            case FailureKind.RANK_FAILED:
                self._rank_failed(task, spec, failure.error)
            case FailureKind.WORKER_LOST:
                task.losses += 1
                if task.losses >= MAX_ATTEMPTS:
                    self.error = WorkerLostError(
                        f"stage {spec.stage}, partition {spec.partition} lost its worker "
                        f"{MAX_ATTEMPTS} times; "
                        f"the last time {failure.error.message}",
                        condition="TASK_FAILED",
                        hint="the task kills its process, most likely by needing too much memory",
                    )
                    return
                task.alone = task.losses >= 2 and spec.slot == "pool"
                self._tell("task_retried", spec.stage, spec.partition, detail=failure.error.message)
            case FailureKind.FETCH_FAILED if failure.lost is not None:
                self._lost_output(spec, failure)
                self._tell("task_retried", spec.stage, spec.partition, detail=failure.error.message)
            case FailureKind.DISK_FULL if self._store.in_memory(spec.output.directory):
                task.on_disk = True
                self._tell("task_retried", spec.stage, spec.partition, detail="shared memory is full")
            case FailureKind.OOM if isinstance(spec, TaskSpec):
                self._out_of_memory(state, task, spec, failure)
            case FailureKind.CANCELLED:
                self.error = QueryCancelled("the query was cancelled")
            case _:
                self.error = failure.error

    def _rank_failed(self, task: TaskState, spec: TaskSpec | GangSpec, error: Error) -> None:
        """Start the whole gang again, unless it failed too often."""
        assert self._options.gang is not None
        task.losses += 1
        if task.losses <= self._options.gang.max_failures:
            self.gang_failures.append(error.message)
            self._tell_gang("gang_restarted", spec.stage, spec.attempt, detail=error.message)
            return
        times = ": " if task.losses == 1 else f" {task.losses} times; the last time: "
        self.error = BarrierError(
            f"the barrier stage failed{times}{error.message}",
            condition=error.condition,
            hint=error.hint,
        )
        for note in getattr(error, "__notes__", ()):
            self.error.add_note(note)

    def _lost_output(self, spec: TaskSpec | GangSpec, failure: Failure) -> None:
        """Have a task's output made again, unless that happened since the reader that misses it began."""
        assert failure.lost is not None
        stage, index = failure.lost
        state = self._states.get(stage)
        if state is None or index >= len(state.tasks):
            self.error = failure.error
            return
        task = state.tasks[index]
        if task.running is None and task.result is not None:
            if isinstance(spec, TaskSpec):
                read = {path for paths in spec.input.exchange_paths.values() for path in paths}
                if read.isdisjoint(ref.path for ref in task.result.outputs):
                    return
            task.fetch_rounds += 1
            if task.fetch_rounds > MAX_ATTEMPTS:
                self.error = failure.error
                return
            self._invalidate(state, index)

    def _invalidate(self, state: StageState, index: int) -> None:
        """Forget a task's output; inputs that were removed meanwhile are made again, all the way up."""
        task = state.tasks[index]
        if task.result is not None and task.running is None:
            task.result = None
        self._restore_inputs(state)

    def _restore_inputs(self, state: StageState) -> None:
        """Have the removed inputs of a stage that must run (again) made once more."""
        for edge in state.stage.inputs:
            source = self._states[edge.stage]
            if source.dropped:
                source.dropped = False
                for i in range(len(source.tasks)):
                    self._invalidate(source, i)

    def _out_of_memory(self, state: StageState, task: TaskState, spec: TaskSpec, failure: Failure) -> None:
        kept = state.stage is self.graph.result and self.result_file(0) is not None  # may have been read
        if self._options.split_stage is not None and state.splits < MAX_SPLITS and not kept:
            graph = self._options.split_stage(self.graph, spec.stage)
            if graph is not None:
                state.splits += 1
                self._adopt(graph)
                return
        if not task.alone and spec.slot == "pool":
            task.alone = True
            self._tell("task_retried", spec.stage, spec.partition, detail="out of memory; now alone")
            return
        self.error = OutOfMemoryError(
            f"stage {spec.stage}, partition {spec.partition} does not fit its share of memory: "
            f"{failure.error.message}",
            hint="raise sqlshell.memory_limit, or use fewer workers",
        )

    def _tell_gang(self, what: str, stage: int, attempt: int, **more: Any) -> None:
        if self._options.on_event is not None:
            self._options.on_event(GangEvent(what, stage, attempt, **more))

    def _tell(self, what: str, stage: int, task: int = 0, **more: Any) -> None:
        if self._options.on_event is not None:
            self._options.on_event(QueryEvent(what, stage, task, **more))


def key_id(key: SortKey) -> int:
    """The column a range exchange is cut by; the planner sees to it that the first sort key is one."""
    return cast("Column", key.expr).id
