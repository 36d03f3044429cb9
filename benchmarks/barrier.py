"""Ranks that meet, beside their peers: `python -m benchmarks.barrier --ranks 2`.

Medians of --rounds runs: a barrier's round trip, and the sum of arrays of doubles over all ranks. Peers are
multiprocessing.Barrier with shared memory, xgboost.collective and torch's gloo, where installed.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import socket
import statistics
import time
from multiprocessing import shared_memory
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (20, 400, 10_000, 1_000_000)
"""Doubles per array: 400 is a Hessian of 20 features."""


def clock(call: Callable[[], Any], times: int) -> float:
    """Seconds per call, the first ones not counted."""
    for _ in range(3):
        call()
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


def measure(meet: Callable[[], Any] | None, reduce: Callable[[Any], Any] | None) -> list[float | None]:
    """Seconds of a barrier and of a sum of each size."""
    out: list[float | None] = [None if meet is None else clock(meet, 1000)]
    for size in SIZES:
        array = np.ones(size)
        times = max(5, min(500, 2_000_000 // size))
        out.append(None if reduce is None else clock(lambda a=array: reduce(a), times))  # type: ignore[misc]
    return out


def in_gang(ctx: Any, partitions: Any) -> list[float | None]:
    """sqlshell's own: one array per rank."""
    return measure(ctx.barrier, ctx.all_reduce)


def by_partition(ctx: Any, partitions: Any) -> list[float | None]:
    """sqlshell's own, with eight partitions: the same bits for any number of ranks."""
    count = len(partitions)
    return measure(None, lambda a: ctx.all_reduce([a] * count))


def _peer(target: Callable[..., None], ranks: int, *args: Any) -> list[float | None]:
    """Run `target(rank, ranks, queue, *args)` in processes; what rank 0 reports."""
    context = mp.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=target, args=(r, ranks, queue, *args)) for r in range(ranks)]
    for p in processes:
        p.start()
    found: list[float | None] = queue.get(timeout=120)
    for p in processes:
        p.join(30)
    return found


def _stdlib(rank: int, ranks: int, queue: Any, barrier: Any, name: str) -> None:
    shared = shared_memory.SharedMemory(name, track=False) if _tracks() else shared_memory.SharedMemory(name)
    width = max(SIZES)
    rooms = np.frombuffer(shared.buf, np.float64).reshape(ranks, width)

    def reduce(array: Any) -> Any:
        rooms[rank, : len(array)] = array
        barrier.wait()
        total = rooms[:, : len(array)].sum(axis=0)
        barrier.wait()
        return total

    found = measure(barrier.wait, reduce)
    if rank == 0:
        queue.put(found)
    rooms = np.empty((0, 0))  # the memory must not be in use when it is closed
    shared.close()


def _tracks() -> bool:
    import sys

    return sys.version_info >= (3, 13)


def stdlib(ranks: int) -> list[float | None]:
    """multiprocessing.Barrier, arrays through shared memory."""
    shared = shared_memory.SharedMemory(create=True, size=ranks * max(SIZES) * 8)
    try:
        return _peer(_stdlib, ranks, mp.get_context("spawn").Barrier(ranks), shared.name)
    finally:
        shared.close()
        shared.unlink()


def _gloo(rank: int, ranks: int, queue: Any, port: int) -> None:
    import torch
    import torch.distributed as dist

    store = dist.TCPStore("127.0.0.1", port, ranks, is_master=rank == 0)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=ranks)
    found = measure(dist.barrier, lambda a: dist.all_reduce(torch.from_numpy(a.copy())))
    if rank == 0:
        queue.put(found)
    dist.barrier()
    dist.destroy_process_group()


def gloo(ranks: int) -> list[float | None]:
    """torch.distributed over gloo."""
    import torch

    assert torch.distributed.is_available()
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    return _peer(_gloo, ranks, port)


def _xgboost(rank: int, ranks: int, queue: Any, arguments: dict[str, Any]) -> None:
    from xgboost import collective

    with collective.CommunicatorContext(**arguments, dmlc_task_id=str(rank)):
        found = measure(None, lambda a: collective.allreduce(a, collective.Op.SUM))
        if rank == 0:
            queue.put(found)


def xgboost(ranks: int) -> list[float | None]:
    """xgboost.collective over its tracker."""
    from xgboost.tracker import RabitTracker

    tracker = RabitTracker(host_ip="127.0.0.1", n_workers=ranks, sortby="task")
    tracker.start()
    return _peer(_xgboost, ranks, tracker.worker_args())


def own(ranks: int, body: str) -> list[float | None]:
    """A gang over a constant query; `body` by name, since here this module is `__main__`."""
    import sqlshell

    with sqlshell.connect() as con:
        found: list[float | None] = con.barrier_map("SELECT 1 AS x", body, ranks, partitions=8)[0]
        return found


def show(name: str, found: list[list[float | None]]) -> None:
    """One line: medians in microseconds."""
    columns = []
    for values in zip(*found, strict=True):
        known = [v for v in values if v is not None]
        columns.append(f"{statistics.median(known) * 1e6:12.0f}" if known else f"{'':12}")
    print(f"{name:34}" + "".join(columns), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    here = "benchmarks.barrier:"
    print(f"{args.ranks} ranks, microseconds")
    print(f"{'':34}{'barrier':>12}" + "".join(f"{f'sum {s}':>12}" for s in SIZES))
    runs: dict[str, Callable[[], list[float | None]]] = {
        "sqlshell, an array per rank": lambda: own(args.ranks, here + "in_gang"),
        "sqlshell, by 8 partitions": lambda: own(args.ranks, here + "by_partition"),
        "multiprocessing.Barrier + memory": lambda: stdlib(args.ranks),
        "torch gloo": lambda: gloo(args.ranks),
        "xgboost.collective": lambda: xgboost(args.ranks),
    }
    for name, run in runs.items():
        try:
            show(name, [run() for _ in range(args.rounds)])
        except ImportError:
            print(f"{name:34}not installed")


if __name__ == "__main__":
    main()
