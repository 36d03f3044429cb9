"""Bodies for gangs in tests: functions of a module, so that they travel by name."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sqlshell.exec.barrier import BarrierTaskContext
    from sqlshell.exec.gang_input import Partition


def sums(ctx: BarrierTaskContext, partitions: list[Partition]) -> Any:
    """Rows and a sum of every partition, over all ranks."""
    mine = [p.matrix([p.names[1]]) for p in partitions]
    total = ctx.all_reduce([m.sum(axis=0) / 7 for m in mine])
    rows = ctx.all_gather(sum(len(m) for m in mine))
    ctx.progress(rows=sum(rows))
    return total.tolist(), rows


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
