"""A rank's process: `python -m sqlshell.exec.rank <socket fd> <lifeline fd>`.

Runs one body at a time and waits, warm, for the next. The parent kills it to cancel; the lifeline ends it when
the parent dies.

    in   ("gang", pickled RankTask)
    out  ("hello", pid, version of the kernels)
         ("progress", gang id, rank, values)
         ("value", gang id, rank, RankValue)
         ("failed", gang id, rank, Failure, traceback text)
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from sqlshell.errors import BarrierError, Error
from sqlshell.exec import confine, ship
from sqlshell.exec.barrier import BarrierTaskContext
from sqlshell.exec.gang import RankTask, RankValue, about_rank, ranges
from sqlshell.exec.gang_memory import GangMemory, heartbeat
from sqlshell.exec.platform import hold_lifeline, remove_tree
from sqlshell.exec.task import Failure, FailureKind
from sqlshell.records import replace

if TYPE_CHECKING:
    from collections.abc import Callable

INLINE_VALUE = 1 << 20
"""Returned values above this size go through a file."""

NOT_AGAIN = frozenset({"BARRIER_CALLS_DIFFER", "BARRIER_BAD_ARGUMENT", "BARRIER_VALUE_NOT_PICKLED"})
"""Barrier errors that a second attempt would only repeat."""


def run_rank(task: RankTask, report: Callable[[dict[str, Any]], None]) -> RankValue:
    """Run one rank's body to its value; raises what it raises."""
    from sqlshell.exec.gang_input import Partition

    spec = task.spec
    plan = pickle.loads(spec.fragment.payload)
    low, high = ranges(task.partitions, spec.world_size)[task.rank]
    partitions = [
        Partition(p, plan, spec.names, i) for p, i in zip(range(low, high), spec.inputs, strict=True)
    ]
    memory = GangMemory(task.folder, spec.output.directory, task.rank, spec.world_size)
    stop = heartbeat(memory)
    scratch = f"{spec.output.directory}/scratch{task.rank}"
    context = BarrierTaskContext(
        memory,
        task.infos,
        attempt=spec.attempt,
        num_partitions=task.partitions,
        timeout=spec.barrier_timeout,
        threads=task.threads,
        keep=spec.keep,
        scratch=scratch,
        report=report,
        at=_injector(task),
    )
    BarrierTaskContext._current = context
    try:
        value = ship.load(spec.body)(context, partitions, *pickle.loads(spec.args))
        data = _pickled(value)
        path = None
        if len(data) > INLINE_VALUE:
            os.makedirs(spec.output.directory, exist_ok=True)
            path = f"{spec.output.directory}/value{task.rank}"
            with open(path, "wb") as f:
                f.write(data)
        context.close()
    finally:
        BarrierTaskContext._current = None
        stop()
        memory.close()
        remove_tree(scratch)
    return RankValue(b"" if path else data, path)


def _pickled(value: Any) -> bytes:
    try:
        return pickle.dumps(value, protocol=5)
    except Exception as e:
        raise BarrierError(
            f"the value a rank returns cannot be sent back: {e}", condition="BARRIER_VALUE_NOT_PICKLED"
        ) from e


def _injector(task: RankTask) -> Callable[[str], None] | None:
    """Where fault tests strike this rank; None in production."""
    faults = [f for f in task.spec.faults if (f.partition, f.attempt) == (task.rank, task.spec.attempt)]
    if not faults:
        return None

    def at(point: str) -> None:
        from sqlshell.exec.faults import act

        for fault in faults:
            if fault.point == point:
                act(fault, task.spec)

    return at


def failure(e: BaseException, task: RankTask) -> Failure:
    """What a body raised, as a typed failure that names the rank.

    User and data errors are the query's; anything else may go better the next time.
    """
    from sqlshell.exec.errors import translate
    from sqlshell.exec.gang_input import InputFailed

    if isinstance(e, InputFailed):
        found = e.failure
        return replace(found, error=about_rank(found.error, task.rank, task.spec.world_size))
    if isinstance(e, Error):
        again = e.fault == "environment" and e.condition not in NOT_AGAIN
        error, kind = e, FailureKind.RANK_FAILED if again else FailureKind.USER
    elif isinstance(e, MemoryError) or type(e).__module__.startswith("polars"):
        error = translate(e)
        kind = FailureKind.RANK_FAILED if error.fault == "environment" else FailureKind.USER
    else:
        error, kind = BarrierError(f"{type(e).__name__}: {e}"), FailureKind.RANK_FAILED
    if isinstance(error, BarrierError) and error.condition == "BARRIER_TIMEOUT":
        return Failure(kind, error)  # it names the ranks that are missing, not the one that waited
    return Failure(kind, about_rank(error, task.rank, task.spec.world_size))


def serve(connection: Connection) -> None:
    """Run bodies until the parent closes the socket."""
    import polars as pl

    import sqlshell.exec.gang_input

    assert sqlshell.exec.gang_input
    lock = threading.Lock()

    def send(*message: Any) -> None:
        with lock:
            connection.send(message)

    send("hello", os.getpid(), pl.__version__)
    while True:
        try:
            _, payload = connection.recv()
        except (EOFError, OSError):
            return
        task: RankTask = pickle.loads(payload)
        gang, rank = task.spec.id, task.rank

        def report(values: dict[str, Any], gang: Any = gang, rank: int = rank) -> None:
            send("progress", gang, rank, values)

        try:
            value = run_rank(task, report)
        except BaseException as e:
            text = "".join(traceback.format_exception(e))
            send("failed", gang, rank, failure(e, task), text)
        else:
            send("value", gang, rank, value)


def main() -> None:
    """Entry point of the process."""
    hold_lifeline(int(sys.argv[2]))
    confine.enter()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal belongs to the parent
    serve(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    main()
