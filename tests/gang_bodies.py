"""Bodies for gangs in tests: functions of a module, so that they travel by name."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlshell.errors import DataError
from sqlshell.exec.barrier import BarrierTaskContext

if TYPE_CHECKING:
    from sqlshell.exec.gang_input import Partition


def sums(ctx: BarrierTaskContext, partitions: list[Partition]) -> Any:
    """The sum of the second column over all ranks, and the rows of each."""
    mine = [p.matrix([p.names[1]]) for p in partitions]
    total = ctx.all_reduce([m.sum(axis=0) for m in mine])
    return float(total[0]), ctx.all_gather(sum(len(m) for m in mine))


def train(ctx: BarrierTaskContext, partitions: list[Partition], iterations: int) -> Any:
    """Gradient descent on v by k with checkpoints: (the weights' bytes, the iteration it began with)."""
    data = [p.matrix(["k", "v"]) / 1000.0 for p in partitions]
    begun, weights = ctx.restore() or (0, np.zeros(2))
    for i in range(begun, iterations):
        gradients = []
        for m in data:
            error = m[:, 0] * weights[0] + weights[1] - m[:, 1]
            gradients.append(np.array([error @ m[:, 0], error.sum(), len(m)]))
        g0, g1, n = ctx.all_reduce(gradients)
        weights = weights - 0.3 * np.array([g0, g1]) / n
        ctx.progress(iteration=i, loss=float(abs(g0) + abs(g1)), rows=int(n))
        ctx.checkpoint((i + 1, weights))
    return weights.tobytes(), begun


def where(ctx: BarrierTaskContext, partitions: list[Partition]) -> Any:
    """What a rank knows of its gang."""
    assert BarrierTaskContext.get() is ctx
    return {
        "rank": ctx.rank,
        "attempt": ctx.attempt,
        "pid": os.getpid(),
        "infos": [(i.rank, i.pid, i.partitions) for i in ctx.task_infos()],
        "partitions": [p.index for p in partitions],
        "threads": ctx.threads,
    }


def rows(ctx: BarrierTaskContext, partitions: list[Partition]) -> list[tuple[int, Any]]:
    """Every partition's number and rows."""
    return [(p.index, p.arrow().to_pylist()) for p in partitions]


def unlucky(ctx: BarrierTaskContext, partitions: list[Partition], rank: int) -> None:
    """One rank raises, the others wait for it."""
    if ctx.rank == rank:
        raise ValueError("no luck")
    ctx.barrier()


def bad_data(ctx: BarrierTaskContext, partitions: list[Partition]) -> None:
    """A rank finds the data wrong."""
    if ctx.rank == 1:
        raise DataError("labels must be 0 or 1", condition="ML_BAD_LABEL")
    ctx.barrier()


def skips(ctx: BarrierTaskContext, partitions: list[Partition]) -> None:
    """Rank 1 leaves before the second call."""
    ctx.barrier()
    if ctx.rank == 0:
        ctx.barrier()


def mismatch(ctx: BarrierTaskContext, partitions: list[Partition]) -> None:
    """The ranks call different things."""
    if ctx.rank == 0:
        ctx.all_gather(1)
    else:
        ctx.barrier()


def wait_for(ctx: BarrierTaskContext, partitions: list[Partition], path: str) -> int:
    """Wait, all together, until a file is there."""
    ctx.progress(waiting=True)
    turns = 0
    while not ctx.broadcast(Path(path).exists()):
        time.sleep(0.01)
        turns += 1
    return turns


def interval(ctx: BarrierTaskContext, partitions: list[Partition], seconds: float) -> tuple[float, float]:
    """When the gang's ranks began and ended."""
    begun = min(ctx.all_gather(time.monotonic()))
    time.sleep(seconds)
    return begun, max(ctx.all_gather(time.monotonic()))


def large_value(ctx: BarrierTaskContext, partitions: list[Partition], size: int) -> bytes:
    """A value too large for the socket."""
    return bytes([ctx.rank]) * size


def unpicklable(ctx: BarrierTaskContext, partitions: list[Partition]) -> Any:
    """A value that cannot travel."""
    return lambda: None


def eats_memory(ctx: BarrierTaskContext, partitions: list[Partition]) -> None:
    """Rank 1 needs far too much."""
    held = []
    while ctx.rank == 1 and len(held) < 200:
        held.append(np.ones(4_000_000))
        time.sleep(0.01)
    ctx.barrier()


def scratch(ctx: BarrierTaskContext, partitions: list[Partition]) -> str:
    """A temporary file."""
    Path(ctx.scratch).mkdir(parents=True)
    (Path(ctx.scratch) / "file").write_text("x")
    return ctx.scratch


def ping(ctx: BarrierTaskContext, partitions: list[Partition], times: int) -> list[float]:
    """Seconds per barrier and per small all_reduce."""
    out = []
    x = np.ones((20, 20))
    for call in (ctx.barrier, lambda: ctx.all_reduce(x), lambda: ctx.all_gather({"a": x})):
        start = time.perf_counter()
        for _ in range(times):
            call()
        out.append((time.perf_counter() - start) / times)
    big = np.ones(1_000_000)
    start = time.perf_counter()
    for _ in range(5):
        ctx.all_reduce(big)
    out.append((time.perf_counter() - start) / 5)
    return out
