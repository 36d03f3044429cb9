"""Gangs on this machine: processes of their own, apart from solo and pool slots.

A gang gets all of its processes or none, in the order of asking, so that two gangs never wait for each other.
All ranks must be ready before any of them hears what to run. The first rank that dies, hangs or fails ends the
attempt: the others are killed at once. After a good end the processes stay warm for the next gang.

One thread listens, started with the first gang; queries have their own (`local.py`) and run beside gangs.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from sqlshell.errors import BarrierError, Error, InterfaceError, OutOfMemoryError, QueryCancelled
from sqlshell.exec import platform
from sqlshell.exec.cluster.base import Done, Progress, Started
from sqlshell.exec.cluster.outcome import diagnose
from sqlshell.exec.cluster.process import Worker, start_worker
from sqlshell.exec.gang import RankTask, TaskInfo, about_rank, ranges
from sqlshell.exec.gang_memory import GangMemory, create
from sqlshell.exec.task import Failure, FailureKind, TaskResult
from sqlshell.records import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlshell.exec.cluster.base import Event
    from sqlshell.exec.exchange import SessionStore
    from sqlshell.exec.gang import GangSpec
    from sqlshell.exec.memory import MemoryPlan

IDLE = 120.0
"""Seconds a rank's process stays warm."""

KEEP_BYTES = 512 << 20
"""A process that holds more than this after its body is not kept."""

KEEP_PAGES = {"MALLOC_MMAP_THRESHOLD_": str(64 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}
"""For glibc: memory of arrays is used again instead of mapped anew, a third of the time of numpy's loops."""

WATCH_EVERY = 0.5
FALSE_STARTS = 8


class Gang:
    """One attempt: who runs it and what its ranks have answered."""

    def __init__(self, spec: GangSpec, sink: Callable[[Event], None], folder: str) -> None:
        self.spec = spec
        self.sink = sink
        self.folder = folder
        self.workers: list[Worker] = []
        self.started = False
        self.values: dict[int, Any] = {}
        self.memory: GangMemory | None = None
        self.beats: list[tuple[int, float]] = []
        self.gone: set[int] = set()
        """Ranks whose process died after it had answered."""

    @property
    def size(self) -> int:
        return self.spec.world_size


class LocalGangs:
    """The gangs of one session. `events` reach a gang's sink in order, from any thread, Done last."""

    def __init__(
        self,
        store: SessionStore,
        slots: int,
        memory: MemoryPlan,
        number: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.slots = slots
        self._store = store
        self._memory = memory
        self._number = number
        self._clock = clock
        self._lock = threading.RLock()
        self._queue: deque[Gang] = deque()
        self._running: list[Gang] = []
        self._idle: list[tuple[Worker, float]] = []
        self._buried: list[Worker] = []
        self._false_starts = 0
        self._closed = False
        self._wake_read, self._wake_write = os.pipe()
        self._listener = threading.Thread(target=self._listen, name="sqlshell-gangs", daemon=True)
        self._listener.start()

    # -- what LocalCluster uses

    def warm(self, world_size: int) -> None:
        """Start the processes of a gang that is about to be asked for."""
        with self._lock:
            missing = world_size - sum(w.kind == _kind(world_size) for w, _ in self._idle)
            if self._closed or self._busy() + len(self._idle) + missing > self.slots:
                return
            for _ in range(missing):
                self._idle.append((self._start(world_size), self._clock()))

    def run(self, spec: GangSpec, sink: Callable[[Event], None]) -> None:
        """Queue one attempt. A gang that can never fit fails at once."""
        if spec.world_size > self.slots:
            error = BarrierError(
                f"a gang of {spec.world_size} ranks needs {spec.world_size} slots; there are {self.slots}",
                condition="BARRIER_GANG_TOO_LARGE",
                hint="ask for fewer ranks, or raise sqlshell.gang_slots",
            )
            sink(_ended(spec, Failure(FailureKind.USER, error)))
            return
        folder = self._store.gang_directory(spec.query, spec.stage, spec.attempt)
        with self._lock:
            if self._closed:
                raise InterfaceError("the session is closed")
            self._queue.append(Gang(spec, sink, folder))
            tell = self._dispatch()
        for f in tell:
            f()

    def cancel(self, query: int | None = None) -> None:
        """End the gangs of a query (or all of them); afterwards nothing of them runs."""
        error = QueryCancelled("the query was cancelled")
        with self._lock:
            waiting = [g for g in self._queue if query in {None, g.spec.query}]
            for g in waiting:
                self._queue.remove(g)
            running = [g for g in self._running if query in {None, g.spec.query}]
            tell = [f for g in running for f in self._end(g, Failure(FailureKind.CANCELLED, error))]
            tell += self._dispatch()
        for g in waiting:
            g.sink(_ended(g.spec, Failure(FailureKind.CANCELLED, error)))
        for f in tell:
            f()

    def close(self) -> None:
        """End every process."""
        self.cancel()
        with self._lock:
            self._closed = True
            for w, _ in self._idle:
                self._bury(w)
            self._idle.clear()
            self._wake()
        if self._listener is not threading.current_thread():
            self._listener.join()
        self._release_buried()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def pids(self) -> list[int]:
        """Process ids of all ranks, idle ones too."""
        with self._lock:
            return [w.pid for w in self._workers()]

    # -- starting; under the lock

    def _workers(self) -> Iterator[Worker]:
        for g in self._running:
            yield from (w for r, w in enumerate(g.workers) if r not in g.gone)
        for w, _ in self._idle:
            yield w

    def _busy(self) -> int:
        return sum(g.size for g in self._running)

    def _dispatch(self) -> list[Callable[[], None]]:
        """Start gangs in order while there is room; one that waits holds back those behind it."""
        tell: list[Callable[[], None]] = []
        while self._queue and self._busy() + self._queue[0].size <= self.slots:
            gang = self._queue.popleft()
            self._running.append(gang)
            gang.workers = [self._take(gang.size) for _ in range(gang.size)]
            tell += self._start_ready(gang)
        self._wake()
        return tell

    def _take(self, world_size: int) -> Worker:
        """A warm process with the right share of the machine, or a new one in the place of a wrong one."""
        for i, (w, _) in enumerate(self._idle):
            if w.kind == _kind(world_size):
                del self._idle[i]
                return w
        if self._idle and self._busy() + len(self._idle) > self.slots:
            self._bury(self._idle.pop(0)[0])
        return self._start(world_size)

    def _start(self, world_size: int) -> Worker:
        number = self._number()
        folder = self._store.worker_directory(number)
        env = {**replace(self._memory, workers=world_size).environment("pool", folder), **KEEP_PAGES}
        env |= self._store.environment(folder)
        worker = start_worker(
            number, _kind(world_size), _threads(world_size), folder, env, "sqlshell.exec.rank"
        )
        self._wake()
        return worker

    def _start_ready(self, gang: Gang) -> list[Callable[[], None]]:
        """Tell all ranks what to run, once all of them are ready."""
        if gang.started or not all(w.ready for w in gang.workers):
            return []
        gang.started = True
        try:
            create(gang.folder, gang.size)
            gang.memory = GangMemory(gang.folder, gang.spec.output.directory, -1, gang.size)
        except Error as e:
            return self._end(gang, Failure(FailureKind.USER, e))
        spec, inputs = gang.spec, gang.spec.inputs
        owned = ranges(len(inputs), gang.size)
        host = socket.gethostname()
        infos = tuple(TaskInfo(r, host, w.pid, owned[r]) for r, w in enumerate(gang.workers))
        gang.beats = [(0, self._clock())] * gang.size
        tell: list[Callable[[], None]] = [lambda: gang.sink(Started(spec.id, 0))]
        for r, w in enumerate(gang.workers):
            mine = replace(spec, inputs=inputs[owned[r][0] : owned[r][1]])
            task = RankTask(mine, r, gang.folder, infos, _threads(gang.size), len(inputs))
            w.peak = 0
            with contextlib.suppress(OSError):  # a death is seen, and blamed, by the listener
                w.connection.send(("gang", pickle.dumps(task, protocol=5)))
        return tell

    # -- ends; under the lock

    def _end(self, gang: Gang, failure: Failure | None) -> list[Callable[[], None]]:
        """Finish an attempt: kill its ranks after a failure, keep them warm after a good end."""
        if gang not in self._running:
            return []
        self._running.remove(gang)
        if gang.memory is not None:
            gang.memory.close()
        if failure is not None:
            for w in gang.workers:
                platform.kill(w.pid)
        for r, w in enumerate(gang.workers):
            if (
                failure is None
                and r not in gang.gone
                and (platform.resident_bytes(w.pid) or KEEP_BYTES) < KEEP_BYTES
            ):
                self._idle.append((w, self._clock()))
            else:
                self._bury(w)
        platform.remove_tree(gang.folder)
        values = tuple(gang.values[r] for r in range(gang.size)) if failure is None else ()
        return [lambda: gang.sink(_ended(gang.spec, failure, values))]

    def _bury(self, worker: Worker) -> None:
        worker.kill()
        self._buried.append(worker)
        self._store.drop_worker(worker.number)
        self._wake()

    def _release_buried(self) -> None:
        for worker in self._buried:
            worker.release()
        self._buried.clear()

    # -- the listening thread

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"x")

    def _listen(self) -> None:
        from multiprocessing.connection import wait

        while True:
            with self._lock:
                if self._closed:
                    return
                self._release_buried()
                by_connection = {w.connection: w for w in self._workers()}
                timeout = WATCH_EVERY if self._running else IDLE if self._idle else None
            for source in wait([*by_connection, self._wake_read], timeout):
                if source == self._wake_read:
                    os.read(self._wake_read, 4096)
                else:
                    self._read(by_connection[source])  # type: ignore[index]
            self._tick()

    def _read(self, worker: Worker) -> None:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            message = None
        with self._lock:
            gang = next((g for g in self._running if worker in g.workers), None)
            tell: list[Callable[[], None]] = []
            match message:
                case None:
                    tell = self._lost(worker, gang)
                case ("hello", _, _):
                    worker.ready = True
                    self._false_starts = 0
                    tell = self._start_ready(gang) if gang is not None else []
                case (what, gang_id, rank, *rest) if gang is not None and gang_id == gang.spec.id:
                    tell = self._heard(gang, what, rank, rest)
            tell += self._dispatch() if self._queue else []
        for f in tell:
            f()

    def _heard(self, gang: Gang, what: str, rank: int, rest: list[Any]) -> list[Callable[[], None]]:
        if what == "progress":
            return [lambda: gang.sink(Progress(gang.spec.id, rank, rest[0]))]
        if what == "failed":
            failure, text = rest
            failure.error.add_note(f"rank {rank} said:\n{text}")
            return self._end(gang, failure)
        gang.values[rank] = rest[0]
        return self._end(gang, None) if len(gang.values) == gang.size else []

    def _lost(self, worker: Worker, gang: Gang | None) -> list[Callable[[], None]]:
        """A process is gone: idle ones are forgotten, a rank fails its gang."""
        if gang is None:
            if any(w is worker for w, _ in self._idle):
                self._idle = [(w, t) for w, t in self._idle if w is not worker]
                self._bury(worker)
            return []
        rank = gang.workers.index(worker)
        if rank in gang.values:  # it had done its part: the gang ends when the others have
            gang.gone.add(rank)
            return []
        worker.process.wait()
        if not gang.started and self._false_starts < FALSE_STARTS:
            self._false_starts += 1
            gang.workers[rank] = self._start(gang.size)
            self._bury(worker)
            return []
        error = diagnose(worker)
        kind = FailureKind.OOM if isinstance(error, OutOfMemoryError) else FailureKind.RANK_FAILED
        return self._end(gang, Failure(kind, about_rank(error, rank, gang.size)))

    def _tick(self) -> None:
        with self._lock:
            if self._closed:
                return
            now = self._clock()
            for w, since in list(self._idle):
                if now - since > IDLE:
                    self._idle.remove((w, since))
                    self._bury(w)
            tell = [f for g in list(self._running) if g.started for f in self._watch(g, now)]
            tell += self._dispatch() if self._queue else []
        for f in tell:
            f()

    def _watch(self, gang: Gang, now: float) -> list[Callable[[], None]]:
        """Memory and signs of life of a gang's ranks."""
        limit = replace(self._memory, workers=gang.size).hard_limit("pool")
        assert gang.memory is not None
        for rank, w in enumerate(gang.workers):
            if rank in gang.values:
                continue
            used = platform.resident_bytes(w.pid)
            w.peak = max(w.peak, used or 0)
            if used is not None and used > limit:
                error: Error = OutOfMemoryError(
                    f"rank {rank} of {gang.size} ran out of memory (it held {used >> 20} MB)",
                    hint="use fewer ranks, raise sqlshell.memory_limit, or read partitions in batches",
                )
                return self._end(gang, Failure(FailureKind.OOM, error))
            ticks, since = gang.beats[rank]
            if gang.memory.ticks(rank) != ticks:
                gang.beats[rank] = (gang.memory.ticks(rank), now)
            elif now - since > gang.spec.heartbeat_timeout:
                error = BarrierError(
                    f"rank {rank} of {gang.size} gave no sign of life for "
                    f"{gang.spec.heartbeat_timeout:g} seconds (its last call: {gang.memory.last_call(rank)})",
                    condition="BARRIER_TIMEOUT",
                )
                return self._end(gang, Failure(FailureKind.RANK_FAILED, error))
        return []


def _kind(world_size: int) -> str:
    """Processes are alike when they were started with the same share of the machine."""
    return f"gang of {world_size}"


def _threads(world_size: int) -> int:
    return max(1, platform.cpu_count() // world_size)


def _ended(spec: GangSpec, failure: Failure | None, values: tuple[Any, ...] = ()) -> Done:
    return Done(spec.id, TaskResult(failure=failure, inline=(values,)))
