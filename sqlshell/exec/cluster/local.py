"""Worker processes on this machine: one solo slot (all cores, warm, with a warm spare) and N pool slots.

One dispatcher thread receives; whoever changes the state sends, under one lock. A dead worker costs the
task it ran and nothing else: its slot is filled again when the next task needs it. Cancel is SIGKILL.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from sqlshell.errors import Error, InterfaceError, QueryCancelled
from sqlshell.exec import platform
from sqlshell.exec.cluster.process import Call, Job, Worker, start_worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlshell.exec.cluster.base import Event
    from sqlshell.exec.cluster.gangs import LocalGangs
    from sqlshell.exec.exchange import SessionStore
    from sqlshell.exec.gang import GangSpec
    from sqlshell.exec.memory import MemoryPlan
    from sqlshell.exec.task import TaskSpec

SPARE_DELAY = 0.5
"""Seconds after the solo worker became ready before its spare starts: cold statements keep the cores."""

WATCH_EVERY = 0.1
"""Seconds between looks at busy workers' memory (20 µs each); a scan may take 1 GB in a second."""

GANG_SLOTS = 8
"""Ranks of all gangs together, on machines of up to four cores; larger ones have two per core."""

FALSE_STARTS = 8
"""Processes in a row that may die before they are ready; then whatever they were given fails."""


class LocalCluster:
    """The Cluster of one session. Nothing starts before `warm()` or the first task.

    Modules that only running tasks need are imported when the first one runs: a statement of constants pays
    for none of them.
    """

    def __init__(
        self, store: SessionStore, workers: int, memory: MemoryPlan, gang_slots: int | None = None
    ) -> None:
        self._store = store
        self._pool_size = workers
        self._memory = memory
        self._lock = threading.RLock()
        self._workers: list[Worker] = []
        self._buried: list[Worker] = []
        self._queues: dict[str, deque[Job]] = {"solo": deque(), "pool": deque()}
        self._calls: deque[Call] = deque()
        self._numbers = itertools.count()
        self._call_ids = itertools.count()
        self._to_cancel: deque[int] = deque()
        self._spare_at: float | None = None
        self._false_starts = 0
        self._closed = False
        self._wake_read, self._wake_write = os.pipe()
        self._dispatcher: threading.Thread | None = None
        self._gang_slots = gang_slots or max(GANG_SLOTS, 2 * platform.cpu_count())
        self._gangs: LocalGangs | None = None

    # -- what sessions and schedulers use

    def slots(self, kind: str) -> int:
        if kind == "gang":
            return self._gang_slots
        return 1 if kind == "solo" else self._pool_size

    def warm(self) -> None:
        """Start the solo worker in the background."""
        with self._lock:
            if not any(w.kind == "solo" for w in self._workers):
                self._start("solo")

    def submit(self, task: TaskSpec, sink: Callable[[Event], None]) -> None:
        with self._lock:
            self._check_open()
            self._queues[task.slot].append(Job(task, sink))
            self._dispatch()

    @property
    def gangs(self) -> LocalGangs:
        """The gangs of this session; the first use imports and starts what they need."""
        from sqlshell.exec.cluster.gangs import LocalGangs

        with self._lock:
            self._check_open()
            if self._gangs is None:
                number = self._numbers.__next__
                self._gangs = LocalGangs(self._store, self._gang_slots, self._memory, number)
            return self._gangs

    def run_gang(self, gang: GangSpec, sink: Callable[[Event], None]) -> None:
        self.gangs.run(gang, sink)

    def call(self, name: str, args: tuple[Any, ...]) -> Any:
        from queue import SimpleQueue

        reply: SimpleQueue[tuple[Any, Exception | None]] = SimpleQueue()
        with self._lock:
            self._check_open()
            self._calls.append(Call(next(self._call_ids), name, args, lambda v, e: reply.put((v, e))))
            self._dispatch()
        try:
            value, error = reply.get()
        except BaseException:  # Ctrl-C: nobody waits for the answer any more
            self.cancel_calls()
            raise
        if error is not None:
            raise error
        return value

    def cancel(self, query: int) -> None:
        from sqlshell.exec.cluster.outcome import cancelled

        with self._lock:
            ended: list[Job] = []
            for queue in self._queues.values():
                ended.extend(j for j in queue if j.spec.query == query)
                kept = [j for j in queue if j.spec.query != query]
                queue.clear()
                queue.extend(kept)
            victims = [w for w in self._workers if w.job is not None and w.job.spec.query == query]
            for w in victims:
                platform.kill(w.pid)
            for w in victims:
                if w.job is not None:
                    ended.append(w.job)
                    w.job = None
                self._bury(w)
            self._plan_spare()
            self._dispatch()
        for job in ended:
            job.sink(cancelled(job))
        if self._gangs is not None:
            self._gangs.cancel(query)

    def cancel_soon(self, query: int) -> None:
        """Have the dispatcher cancel a query; takes no lock, so that signal handlers may call it."""
        self._to_cancel.append(query)
        self._wake()

    def cancel_calls(self) -> None:
        """End every call, waiting or running, with QueryCancelled."""
        error = QueryCancelled("the statement was cancelled")
        with self._lock:
            waiting, self._calls = self._calls, deque()
            busy = [w for w in self._workers if w.call is not None]
            deliver = [f for w in busy for f in self._fail(w, error)]
            for w in busy:
                self._bury(w)
            if busy:
                self._plan_spare()
            self._dispatch()
        for call in waiting:
            call.finish(None, error)
        for f in deliver:
            f()

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for w in self._workers:
                platform.kill(w.pid)
            deliver: list[Callable[[], None]] = []
            for w in list(self._workers):
                deliver += self._fail(w, QueryCancelled("the session was closed"))
                self._bury(w)
            calls, self._calls = self._calls, deque()
            self._wake()
        if self._gangs is not None:
            self._gangs.close()
        for f in deliver:
            f()
        for call in calls:
            call.finish(None, InterfaceError("the session is closed"))
        if self._dispatcher is not None and self._dispatcher is not threading.current_thread():
            self._dispatcher.join()
        self._release_buried()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def pids(self, kind: str | None = None) -> list[int]:
        """Process ids of live workers (memory measurements, fault tests)."""
        with self._lock:
            found = [w.pid for w in self._workers if kind in {None, w.kind}]
        if self._gangs is not None and kind in {None, "gang"}:
            found += self._gangs.pids()
        return found

    # -- starting and feeding workers; all under the lock

    def _check_open(self) -> None:
        if self._closed:
            raise InterfaceError("the session is closed")

    def _start(self, kind: str) -> Worker:
        number = next(self._numbers)
        folder = self._store.worker_directory(number)
        threads = platform.cpu_count()
        if kind == "pool":
            threads = max(1, threads // self._pool_size)
        worker = start_worker(number, kind, threads, folder, self._environment(kind, folder))
        self._workers.append(worker)
        self._wake()
        return worker

    def _environment(self, kind: str, folder: Path) -> dict[str, str]:
        return self._memory.environment(kind, folder) | self._store.environment(folder)

    def _listen(self) -> None:
        """Start the dispatcher, when the first message is sent."""
        if self._dispatcher is None:
            self._dispatcher = threading.Thread(target=self._receive, name="sqlshell-dispatcher", daemon=True)
            self._dispatcher.start()

    def _dispatch(self) -> None:
        """Give queued work to idle workers, starting processes for slots that have none."""
        if self._closed:
            return
        while self._calls:
            worker = self._idle("solo")
            if worker is None:
                break
            self._send_call(worker, self._calls.popleft())
        for kind, queue in self._queues.items():
            while queue:
                worker = self._slot_for(kind, queue[0].spec)
                if worker is None:
                    break
                self._send_task(worker, queue.popleft())

    def _slot_for(self, kind: str, spec: TaskSpec) -> Worker | None:
        running = [w for w in self._workers if w.kind == kind and w.job is not None]
        if len(running) >= self.slots(kind):
            return None
        if running and (spec.alone or any(w.job and w.job.spec.alone for w in running)):
            return None
        return self._idle(kind, spec)

    def _idle(self, kind: str, spec: TaskSpec | None = None) -> Worker | None:
        """An idle worker, best one that is ready and knows the fragment; a new one when the slots allow."""
        idle = [w for w in self._workers if w.kind == kind and w.idle]
        if idle:
            key = spec.fragment.key if spec is not None else None
            return max(idle, key=lambda w: (w.ready, key in w.known, -w.number))
        limit = 2 if kind == "solo" else self._pool_size
        if sum(w.kind == kind for w in self._workers) >= limit:
            return None
        return self._start(kind)

    def _send_task(self, worker: Worker, job: Job) -> None:
        from sqlshell.exec.cluster.base import Started

        self._listen()
        fragment = job.spec.fragment
        payload = None if fragment.key in worker.known else fragment.payload
        worker.known.add(fragment.key)
        worker.job = job
        worker.peak = 0
        job.sink(Started(job.spec.id, worker.pid))
        with contextlib.suppress(OSError):  # a death is seen, and blamed, by the dispatcher
            worker.connection.send(("task", job.spec, payload))

    def _send_call(self, worker: Worker, call: Call) -> None:
        self._listen()
        worker.call = call
        with contextlib.suppress(OSError):
            worker.connection.send(("call", call.id, call.name, call.args))

    def _plan_spare(self) -> None:
        if self._spare_at is None:
            self._spare_at = time.monotonic() + SPARE_DELAY
            self._wake()

    # -- the dispatcher thread

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"x")

    def _receive(self) -> None:
        from multiprocessing.connection import wait

        while True:
            with self._lock:
                if self._closed:
                    return
                self._release_buried()
                by_connection = {w.connection: w for w in self._workers}
                timeout = self._timeout()
            for source in wait([*by_connection, self._wake_read], timeout):
                if source == self._wake_read:
                    os.read(self._wake_read, 4096)
                else:
                    self._read(by_connection[source])  # type: ignore[index]
            self._tick()

    def _timeout(self) -> float | None:
        waits = []
        if self._spare_at is not None:
            waits.append(max(0.0, self._spare_at - time.monotonic()))
        if any(w.job is not None for w in self._workers):
            waits.append(WATCH_EVERY)
        return min(waits) if waits else None

    def _tick(self) -> None:
        while self._to_cancel:
            self.cancel(self._to_cancel.popleft())
        with self._lock:
            if self._closed:
                return
            if self._spare_at is not None and time.monotonic() >= self._spare_at:
                self._spare_at = None
                if sum(w.kind == "solo" for w in self._workers) < 2:
                    self._start("solo")
            for w in self._workers:
                if w.job is not None:
                    self._watch_memory(w)

    def _watch_memory(self, worker: Worker) -> None:
        """Second line of defence: Polars' own threshold comes first, but knows nothing of other libraries."""
        used = platform.resident_bytes(worker.pid)
        if used is None:
            return
        worker.peak = max(worker.peak, used)
        if used > self._memory.hard_limit(worker.kind):
            worker.killed_for = "memory"
            platform.kill(worker.pid)

    def _read(self, worker: Worker) -> None:
        from sqlshell.exec.cluster.base import Chunk, Done

        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            self._lost(worker)
            return
        deliver: Callable[[], None] | None = None
        with self._lock:
            match message:
                case ("hello", _, _):
                    worker.ready = True
                    self._false_starts = 0
                    if worker.kind == "solo" and sum(w.kind == "solo" for w in self._workers) < 2:
                        self._plan_spare()
                case ("chunk", task_id, ref) if worker.job is not None:
                    sink = worker.job.sink
                    deliver = lambda: sink(Chunk(task_id, ref))  # noqa: E731
                case ("done", task_id, result) if worker.job is not None:
                    sink, worker.job = worker.job.sink, None
                    deliver = lambda: sink(Done(task_id, result))  # noqa: E731
                case ("called", _, value, error) if worker.call is not None:
                    call, worker.call = worker.call, None
                    deliver = lambda: call.finish(value, error)  # noqa: E731
                case _:
                    pass  # the job was cancelled while its answer was on the way
            self._dispatch()
        if deliver is not None:
            deliver()

    def _lost(self, worker: Worker) -> None:
        """A worker's socket closed: blame the task it ran, free the slot."""
        from sqlshell.exec.cluster.outcome import diagnose

        with self._lock:
            if worker not in self._workers:
                return  # killed by cancel, buried already
            worker.process.wait()
            error = diagnose(worker)
            if worker.ready or self._false_starts >= FALSE_STARTS:
                deliver = self._fail(worker, error)
            else:
                self._false_starts += 1
                self._give_back(worker)
                deliver = []
            self._bury(worker)
            if worker.kind == "solo":
                self._plan_spare()
            self._dispatch()
        for f in deliver:
            f()

    def _give_back(self, worker: Worker) -> None:
        """A process that died before it was ready never began its work: somebody else gets it."""
        if worker.job is not None:
            self._queues[worker.kind].appendleft(worker.job)
            worker.job = None
        if worker.call is not None:
            self._calls.appendleft(worker.call)
            worker.call = None

    def _fail(self, worker: Worker, error: Error) -> list[Callable[[], None]]:
        """Take a worker's work from it; what is returned tells whoever waits; call it without the lock."""
        from sqlshell.exec.cluster.outcome import failed

        deliver: list[Callable[[], None]] = []
        if worker.job is not None:
            job, worker.job = worker.job, None
            deliver.append(lambda: job.sink(failed(job, error)))
        if worker.call is not None:
            call, worker.call = worker.call, None
            deliver.append(lambda: call.finish(None, error))
        return deliver

    def _bury(self, worker: Worker) -> None:
        """Forget a dead or killed worker and remove what it left."""
        if worker in self._workers:
            self._workers.remove(worker)
        worker.kill()
        self._buried.append(worker)
        self._store.drop_worker(worker.number)

    def _release_buried(self) -> None:
        """Close descriptors of dead workers; only where nobody waits on them, or a reused number would
        confuse.
        """
        for worker in self._buried:
            worker.release()
        self._buried.clear()
