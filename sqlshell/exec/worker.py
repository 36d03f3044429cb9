"""The worker process: `python -m sqlshell.exec.worker <socket fd> <lifeline fd>`.

Runs one task at a time; `run_task` is the entry point every cluster shares and sets nothing global. The
parent kills the process to cancel; the lifeline ends it when the parent dies. Bulk data never crosses the
socket.

    in   ("task", TaskSpec, payload of the fragment or None when this worker has it)
         ("call", id, function name, arguments)
    out  ("hello", pid, version of the kernels)
         ("chunk", task id, PartitionRef)            a piece of a large result, readable now
         ("done", task id, TaskResult)
         ("called", id, value or None, Error or None)
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import time
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from sqlshell.errors import (
    CorruptInputError,
    DiskFullError,
    Error,
    FetchFailedError,
    InternalError,
    OutOfMemoryError,
)
from sqlshell.exec import confine, exchange
from sqlshell.exec.platform import hold_lifeline
from sqlshell.exec.task import Failure, FailureKind, Fragment, TaskResult, TaskSpec
from sqlshell.records import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.exec.task import PartitionRef

KINDS: dict[type[Error], FailureKind] = {
    CorruptInputError: FailureKind.INPUT_CORRUPT,
    OutOfMemoryError: FailureKind.OOM,
    DiskFullError: FailureKind.DISK_FULL,
    FetchFailedError: FailureKind.FETCH_FAILED,
    InternalError: FailureKind.INTERNAL,
}
KEPT_FRAGMENTS = 64
IDLE = 0.3
"""Seconds without work after which a new worker makes itself ready for any."""
MALFORMED = "MALFORMED_RECORD_IN_PARSING"


class Fragments:
    """The plan fragments this worker holds, the oldest dropped first."""

    def __init__(self) -> None:
        self._plans: dict[tuple[int, int, int], Any] = {}

    def get(self, fragment: Fragment, payload: bytes | None) -> Any:
        """The unpickled plan; `payload` is None when it was sent before."""
        if payload is not None:
            while len(self._plans) >= KEPT_FRAGMENTS:
                self._plans.pop(next(iter(self._plans)))
            self._plans[fragment.key] = pickle.loads(payload)
        return self._plans[fragment.key]


def run_task(spec: TaskSpec, plan: Any, emit: Callable[[PartitionRef], None]) -> TaskResult:
    """Run one task to its manifest; every error becomes a typed Failure."""
    from sqlshell.exec.output import execute

    started = time.perf_counter()
    try:
        inject(spec, "before_read")
        lost = exchange.lost_input(spec)
        if lost is not None:
            raise FetchFailedError(f"the output of stage {lost[0]}, task {lost[1]} is missing or damaged")
        result = execute(spec, plan, emit, lambda point: inject(spec, point))
    except BaseException as e:
        failure = failure_of(e, spec, plan)
        exchange.discard(spec.output)
        return TaskResult(failure=failure, seconds=time.perf_counter() - started)
    now = time.perf_counter()
    return replace(result, seconds=now - started, started=time.monotonic() - (now - started))


def failure_of(exc: BaseException, spec: exchange.Reads, plan: Any) -> Failure:
    """The typed failure of an exception; missing exchange files take precedence over what they led to."""
    from sqlshell.exec.blame import name_corrupt_file
    from sqlshell.exec.errors import translate
    from sqlshell.exec.malformed import locate

    error = locate(plan, exc if isinstance(exc, Error) else translate(exc), spec.input.splits)
    if isinstance(error, CorruptInputError) and error.condition != MALFORMED:
        error = name_corrupt_file(error, plan, spec.input)
    lost = exchange.lost_input(spec)
    if lost is not None and not isinstance(error, FetchFailedError):
        error = FetchFailedError(f"the output of stage {lost[0]}, task {lost[1]} is missing or damaged")
    kind = next((k for cls, k in KINDS.items() if isinstance(error, cls)), FailureKind.USER)
    if kind is FailureKind.FETCH_FAILED and lost is None:
        kind = FailureKind.INTERNAL
    return Failure(kind, error, lost)


def inject(spec: TaskSpec, point: str) -> None:
    """Do what a test asked for at this point of this attempt (nothing, in production)."""
    for fault in spec.faults:
        if (fault.stage, fault.partition, fault.attempt, fault.point) == (
            spec.stage,
            spec.partition,
            spec.attempt,
            point,
        ):
            from sqlshell.exec.faults import act

            act(fault, spec)


def set_environment(env: tuple[tuple[str, str], ...]) -> None:
    """Apply changed kernel settings (memory budget, spill folder) to this process."""
    changed = {k: v for k, v in env if os.environ.get(k) != v}
    if changed:
        import polars as pl

        os.environ.update(changed)
        pl.Config.reload_env_vars()


def preload() -> None:
    """Import what nearly every task needs while the parent is still planning; errors show when it is used."""
    with contextlib.suppress(ImportError):
        import_module("sqlshell.exec.output")


def preload_functions() -> None:
    """Import what only some tasks need, and run the kernels once: a spare's first answer comes 100 ms sooner."""
    import polars as pl

    from sqlshell.functions import registry

    registry.load()
    pl.LazyFrame({"a": [1]}).select(pl.col("a").sum()).collect(engine="streaming")


def send_chunk(connection: Connection, spec: TaskSpec, ref: PartitionRef) -> None:
    """Tell the parent of a finished piece of a result."""
    connection.send(("chunk", spec.id, ref))


def serve(connection: Connection) -> None:
    """Answer messages until the parent closes the socket."""
    import polars as pl

    from sqlshell.exec.worker_calls import call

    preload()
    connection.send(("hello", os.getpid(), pl.__version__))
    fragments = Fragments()
    if not connection.poll(IDLE):
        preload_functions()
    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            return
        if message[0] == "task":
            _, spec, payload = message
            set_environment(spec.env)
            plan = fragments.get(spec.fragment, payload)
            result = run_task(spec, plan, partial(send_chunk, connection, spec))
            if result.failure is None:
                inject(spec, "after_commit")
            connection.send(("done", spec.id, result))
        else:
            _, call_id, name, args = message
            connection.send(("called", call_id, *call(name, args)))


def main() -> None:
    """Entry point of the process."""
    hold_lifeline(int(sys.argv[2]))
    confine.enter()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal belongs to the parent
    serve(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    main()
