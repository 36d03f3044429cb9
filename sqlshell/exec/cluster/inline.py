"""Tasks in this very process, one after the other: for unit tests and debugging, never for users."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from sqlshell.errors import NotSupportedError
from sqlshell.exec.cluster.base import Chunk, Done, Event, Started

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.exec.gang import GangSpec
    from sqlshell.exec.task import TaskSpec


class InlineCluster:
    """Runs each task when it is submitted; nothing can be cancelled or lost."""

    def slots(self, kind: str) -> int:
        return 1

    def submit(self, task: TaskSpec, sink: Callable[[Event], None]) -> None:
        from sqlshell.exec.worker import run_task

        sink(Started(task.id, 0))
        plan = pickle.loads(task.fragment.payload)
        sink(Done(task.id, run_task(task, plan, lambda ref: sink(Chunk(task.id, ref)))))

    def run_gang(self, gang: GangSpec, sink: Callable[[Event], None]) -> None:
        raise NotSupportedError("gangs need processes of their own")

    def cancel(self, query: int) -> None:
        return

    def call(self, name: str, args: tuple[Any, ...]) -> Any:
        from sqlshell.exec.worker_calls import call

        value, error = call(name, args)
        if error is not None:
            raise error
        return value

    def close(self) -> None:
        return
