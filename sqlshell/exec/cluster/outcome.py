"""What a worker's end means: its exit code and last words as a typed failure of the task it ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import Error, OutOfMemoryError, QueryCancelled, WorkerLostError
from sqlshell.exec import platform
from sqlshell.exec.cluster.base import Done
from sqlshell.exec.task import Failure, FailureKind, TaskResult

if TYPE_CHECKING:
    from sqlshell.exec.cluster.process import Job, Worker

OOM_TEXT = ("memory allocation of", "out of memory", "OOM", "oomkill")

_KINDS: dict[type[Error], FailureKind] = {
    OutOfMemoryError: FailureKind.OOM,
    QueryCancelled: FailureKind.CANCELLED,
    WorkerLostError: FailureKind.WORKER_LOST,
}


def diagnose(worker: Worker) -> Error:
    """Why a dead process died."""
    how = platform.describe_exit(worker.process.returncode)
    output = worker.error_output()
    if worker.killed_for == "memory" or any(t in output for t in OOM_TEXT):
        peak = f" (it held {worker.peak >> 20} MB)" if worker.peak else ""
        return OutOfMemoryError(f"a task ran out of memory{peak}")
    said = output.strip().rpartition("\n")[2]
    return WorkerLostError(f"a worker process ended by {how}", hint=f"it said: {said}" if said else None)


def failed(job: Job, error: Error) -> Done:
    """The event that ends a job with an error."""
    return Done(job.spec.id, TaskResult(failure=Failure(_KINDS[type(error)], error)))


def cancelled(job: Job) -> Done:
    """The event that ends a job because its query was cancelled."""
    return failed(job, QueryCancelled("the query was cancelled"))
