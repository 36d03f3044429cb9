"""Gangs for tests: ranks are threads of this process that meet at a barrier."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from sqlshell.ml.gang import in_order

if TYPE_CHECKING:
    from collections.abc import Callable


class ThreadGang:
    """One rank of an in-process gang."""

    def __init__(self, rank: int, world_size: int, shared: dict[str, Any]) -> None:
        self.rank, self.world_size, self.shared = rank, world_size, shared

    def all_gather(self, value: Any) -> list[Any]:
        self.shared["slots"][self.rank] = value
        self.shared["barrier"].wait()
        found = list(self.shared["slots"])
        self.shared["barrier"].wait()
        return found

    def broadcast(self, value: Any, root: int = 0) -> Any:
        return self.all_gather(value)[root]

    def all_reduce(self, value: Any, op: str = "sum") -> Any:
        return in_order([part for rank in self.all_gather(list(value)) for part in rank], op)

    def checkpoint(self, state: Any) -> None:
        self.shared["saved"][self.rank] = state

    def restore(self) -> Any:
        return self.shared["restored"][self.rank]

    def progress(self, **values: Any) -> None:
        self.shared["progress"].append(values)


def run_gang(
    world_size: int, body: Callable[[ThreadGang], Any], restored: Any = None
) -> tuple[list[Any], dict[str, Any]]:
    """`body` on every rank: their answers by rank, and what they shared."""
    shared: dict[str, Any] = {
        "slots": [None] * world_size,
        "barrier": threading.Barrier(world_size, timeout=60),
        "restored": restored or [None] * world_size,
        "saved": [None] * world_size,
        "progress": [],
    }
    answers: list[Any] = [None] * world_size
    failures: list[BaseException] = []

    def run(rank: int) -> None:
        try:
            answers[rank] = body(ThreadGang(rank, world_size, shared))
        except BaseException as e:
            failures.append(e)
            shared["barrier"].abort()

    threads = [threading.Thread(target=run, args=(r,)) for r in range(world_size)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        first = next((f for f in failures if not isinstance(f, threading.BrokenBarrierError)), failures[0])
        raise first
    return answers, shared
