"""The engine of a session: owns scratch folders and workers, runs stage graphs, hands out results.

It starts nothing until `warm()`, `run()` or `call()`, and never imports the kernels: they live in workers.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from sqlshell.config import Controls
from sqlshell.errors import InterfaceError, WorkerLostError
from sqlshell.exec import platform
from sqlshell.exec.cluster.local import LocalCluster
from sqlshell.exec.exchange import SessionStore
from sqlshell.exec.gang import BARRIER_TIMEOUT, HEARTBEAT_TIMEOUT, MAX_FAILURES
from sqlshell.exec.memory import MemoryPlan
from sqlshell.exec.running import ResultHandle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from queue import SimpleQueue
    from typing import Self

    from sqlshell.config import Settings
    from sqlshell.exec.cluster.base import Event
    from sqlshell.exec.export import Export
    from sqlshell.exec.gang import GangEvent, GangOptions, GangResult
    from sqlshell.exec.run_state import QueryEvent
    from sqlshell.exec.stage import StageGraph
    from sqlshell.exec.task import Fault
    from sqlshell.plan.logical import Plan
    from sqlshell.storage.policy import Policy

INLINE_CELLS = 4000
"""Results up to so many values travel over the socket: the driver then needs no Arrow (160 ms to import)."""
CALL_RETRIES = 2
"""Every function of `worker_calls.py` may run twice: what it writes has a new name each time, or replaces itself."""


class Engine:
    """Runs stage graphs on this machine. `cancel` may be called from any thread or signal handler."""

    def __init__(self, settings: Settings, controls: Controls | None = None) -> None:
        self._settings = settings
        self._controls = controls or Controls()
        self._queries = itertools.count(1)
        self.secrets = ""
        """What workers get as SQLSHELL_SECRETS, when the session ever had a secret."""
        self.policy: Policy | None = None
        """What the workers of a safe session may touch."""
        self._running: dict[int, SimpleQueue[Event]] = {}
        self._lock = threading.Lock()
        self._store: SessionStore | None = None
        self._cluster: LocalCluster | None = None
        self._cluster_key: tuple[Any, ...] = ()
        self._closed = False
        self._held = _Held()
        weakref.finalize(self, _release_beside, self._held).atexit = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def warm(self) -> None:
        """Start the solo worker and return at once."""
        self.cluster.warm()

    @property
    def store_folders(self) -> SessionStore:
        """The session's scratch folders, made on first use."""
        if self._store is None:
            self._held.store = self._store = SessionStore(self._settings.get("sqlshell.spill_dir"))
            _OPEN.add(self)
        return self._store

    @property
    def cluster(self) -> LocalCluster:
        """The workers; replaced by fresh ones when the limits that processes start with were changed."""
        if self._closed:
            raise InterfaceError("the session is closed")
        workers = self._settings.get("sqlshell.workers") or platform.cpu_count()
        limit = self._settings.get("sqlshell.memory_limit")
        gang_slots = self._settings.get("sqlshell.gang_slots")
        key = (workers, limit, gang_slots, self.policy)
        if self._cluster is not None and self._cluster_key != key and not self._running:
            self._cluster.close()
            self._cluster = None
        if self._cluster is None:
            memory = MemoryPlan.of(limit, workers)
            if memory.exchange_budget is not None:
                self.store_folders.budget = memory.exchange_budget
            self.store_folders.policy = self.policy
            self._cluster = LocalCluster(self.store_folders, workers, memory, gang_slots)
            self._held.cluster = self._cluster
            self._cluster_key = key
        return self._cluster

    def call(self, name: str, *args: Any) -> Any:
        """Run a function of `worker_calls.py` in a worker, again when that dies; raises its typed error."""
        if self.secrets:
            name, args = "with_secrets", (self.secrets, name, args)
        for _ in range(CALL_RETRIES):
            with contextlib.suppress(WorkerLostError):
                return self.cluster.call(name, args)
        return self.cluster.call(name, args)

    def run(
        self,
        graph: StageGraph,
        on_event: Callable[[QueryEvent], None] | None = None,
        *,
        timeout: float | None = None,
        inline_cells: int = INLINE_CELLS,
        faults: tuple[Fault, ...] = (),
        on_disk: bool = False,
        stream: bool = False,
        export: Export | None = None,
        metered: bool = False,
    ) -> ResultHandle:
        """Run a graph to its end, or (`stream`) to its first rows. Raises the query's typed error, or
        QueryCancelled after `cancel()`.

        An interrupt (Ctrl-C) stops the query's workers and goes on as KeyboardInterrupt. Past `timeout`
        seconds (default: the session's controls) QueryTimeout is raised. Nothing of a failed query stays behind.
        """
        handle = self._start(
            graph,
            timeout,
            inline_cells=inline_cells,
            faults=faults,
            on_event=on_event,
            on_disk=on_disk,
            export=export,
            metered=metered,
        )
        if stream:
            handle.until_rows()
        else:
            handle.finish()
        if handle.rows_inline is not None:
            handle.close()
        return handle

    def _start(self, graph: StageGraph, timeout: float | None, **options: Any) -> ResultHandle:
        """Set a graph going."""
        from queue import SimpleQueue

        from sqlshell.exec import replan
        from sqlshell.exec.run_state import RunOptions
        from sqlshell.exec.scheduler import Scheduler

        cluster = self.cluster
        query = next(self._queries)
        events: SimpleQueue[Event] = SimpleQueue()
        run = RunOptions(
            replan=None if graph.settings.get("sqlshell.deterministic") else replan.after_stage,
            split_stage=replan.split_stage,
            env=(("SQLSHELL_SECRETS", self.secrets),) if self.secrets else (),
            abort=lambda: cluster.cancel(query),
            submit_gang=lambda g: cluster.run_gang(g, events.put),
            **(options | {"on_event": options.get("on_event") or self._controls.on_event}),
        )
        scheduler = Scheduler(graph, query, lambda t: cluster.submit(t, events.put), self.store_folders, run)
        with self._lock:
            self._running[query] = events

        def end(*, finished: bool, keep: bool) -> None:
            with self._lock:
                self._running.pop(query, None)
            if not finished and not self._closed:
                with contextlib.suppress(InterfaceError):
                    cluster.cancel(query)
            if not keep and not self._closed:
                self.store_folders.drop_query(query)

        return ResultHandle(scheduler, events, timeout or self._controls.timeout, end)

    def run_gang(
        self,
        plan: Plan | StageGraph,
        body: Callable[..., Any] | str,
        world_size: int = 2,
        *,
        args: tuple[Any, ...] = (),
        names: Sequence[str] | None = None,
        partitions: int | None = None,
        max_failures: int = MAX_FAILURES,
        barrier_timeout: float = BARRIER_TIMEOUT,
        heartbeat_timeout: float = HEARTBEAT_TIMEOUT,
        timeout: float | None = None,
        deterministic: bool = True,
        on_event: Callable[[QueryEvent | GangEvent], None] | None = None,
        faults: tuple[Fault, ...] = (),
    ) -> GangResult:
        """Run `body(ctx, partitions, *args)` in `world_size` ranks over the rows of an optimized plan.

        `ctx` is a `barrier.BarrierTaskContext`, `partitions` a list of `gang_input.Partition`: this rank's
        share of the rows, in order. `body` is a function or its `module:name`; `names` are the columns'
        names (default: the plan's). `partitions` fixes how many there are (default: by the data, never by
        the ranks). Events tell of the query's stages (QueryEvent) and of the gang (GangEvent).

        Raises a rank's own user or data error, BarrierError after `max_failures` restarts, QueryCancelled
        after `cancel()`, QueryTimeout past `timeout` seconds. Nothing of it stays behind.
        """
        from sqlshell.exec import ship
        from sqlshell.exec.gang import GangOptions
        from sqlshell.exec.planner_gang import plan_gang
        from sqlshell.exec.stage import StageGraph

        started = time.perf_counter()
        if world_size < 1:
            raise InterfaceError(f"a gang needs at least one rank, not {world_size}")
        options = GangOptions(
            world_size,
            ship.body_of(body),
            ship.arguments(args),
            tuple(names if names is not None else _names(plan)),
            max_failures,
            barrier_timeout,
            heartbeat_timeout,
        )
        if isinstance(plan, StageGraph):
            graph = plan
        else:
            settings = self._settings.snapshot()
            settings["sqlshell.deterministic"] = deterministic or settings["sqlshell.deterministic"]
            graph = plan_gang(plan, settings, world_size, partitions)
        self.warm_gang(world_size)
        handle = self._start(graph, timeout, on_event=on_event, faults=faults, gang=options)
        handle.finish()
        try:
            return _gang_result(handle, options, time.perf_counter() - started)
        finally:
            handle.close()

    def warm_gang(self, world_size: int) -> None:
        """Start the processes of a gang and return at once."""
        self.cluster.gangs.warm(world_size)

    def place(self, size: int) -> tuple[str, Callable[[], None]]:
        """A folder, not made yet, for rows that come from outside (`size` bytes), and what removes it again."""
        query = next(self._queries)
        store = self.store_folders
        directory, _ = store.directory(query, 0, 0, 0, estimate=size)

        def remove() -> None:
            if not self._closed:
                store.drop_query(query)

        return directory, remove

    def store(self, graph: StageGraph, level: str) -> ResultHandle:
        """Run a graph and keep its rows as files: in memory past the budget on disk, or on disk only
        (`DISK_ONLY`).
        """
        return self.run(graph, inline_cells=-1, on_disk=level == "DISK_ONLY")

    def usage(self) -> tuple[int, int]:
        """Bytes of memory that workers hold now, and bytes that are spilled to disk. For people; from any thread."""
        if self._cluster is None or self._store is None:
            return 0, 0
        held = sum(platform.resident_bytes(pid) or 0 for pid in self._cluster.pids())
        return held, platform.bytes_below(self._store.disk)

    def cancel(self) -> None:
        """Stop every running query and call; each raises QueryCancelled in the thread that runs it."""
        if self._cluster is not None:
            self._cluster.cancel_calls()
        if not self._running:
            return
        from sqlshell.exec.cluster.base import CancelQuery

        for query, events in list(self._running.items()):
            events.put(CancelQuery())
            if self._cluster is not None:
                self._cluster.cancel_soon(query)

    def close(self) -> None:
        """Kill the workers and remove every file of the session; results not read yet are gone."""
        if self._closed:
            return
        self._closed = True
        self.cancel()
        self._held.release()
        _OPEN.discard(self)


class _Held:
    """What an engine has outside of Python. Others hold it, too, so that it outlives an engine that is dropped."""

    def __init__(self) -> None:
        self.store: SessionStore | None = None
        self.cluster: LocalCluster | None = None

    def release(self) -> None:
        """End the processes and remove the files, once."""
        cluster, store = self.cluster, self.store
        self.cluster = self.store = None
        if cluster is not None:
            cluster.close()
        if store is not None:
            store.close()


def _release_beside(held: _Held) -> None:
    """An engine was dropped without `close`: what it had ends beside the collector, which must not wait."""
    if held.store is not None:
        threading.Thread(target=held.release, daemon=True).start()


_OPEN: weakref.WeakSet[Engine] = weakref.WeakSet()
"""Engines that have processes or files."""


@atexit.register
def _close_all() -> None:
    for engine in list(_OPEN):
        engine.close()


def _names(plan: Plan | StageGraph) -> tuple[str, ...]:
    """The names of the rows' columns."""
    from sqlshell.exec.stage import StageGraph

    return plan.names if isinstance(plan, StageGraph) else tuple(c.name for c in plan.output)


def _gang_result(handle: ResultHandle, options: GangOptions, seconds: float) -> GangResult:
    import pickle
    from pathlib import Path

    from sqlshell.exec.gang import GangResult

    inline = handle.rows_inline
    assert inline is not None
    values = [pickle.loads(v.data if v.path is None else Path(v.path).read_bytes()) for v in inline[0]]
    failures = tuple(handle.scheduler.gang_failures)
    partitions = handle.scheduler.graph.result.tasks
    return GangResult(values, options.world_size, partitions, len(failures) + 1, failures, seconds)
