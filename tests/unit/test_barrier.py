"""The barrier context, with threads as ranks: what collective calls give, and what is said when ranks differ.

Spark's semantics are numbered S1 to S16 in our notes; those met here are S8 to S15, the others are in
`test_gang_scheduler.py` and `tests/faults/test_gangs.py`.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sqlshell.errors import BarrierError, DiskFullError
from sqlshell.exec import gang_memory, platform
from sqlshell.exec.barrier import BarrierTaskContext
from sqlshell.exec.gang import TaskInfo, ranges
from sqlshell.exec.gang_memory import GangMemory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Ranks:
    """Runs one function per rank, each in a thread of its own."""

    def __init__(self, folder: Path, world_size: int, partitions: int = 8, timeout: float = 20.0) -> None:
        self.folder = folder
        self.world_size = world_size
        self.partitions = partitions
        self.timeout = timeout
        self.errors: dict[int, BaseException] = {}
        self.attempt = 0

    def run(self, body: Callable[[BarrierTaskContext], Any]) -> list[Any]:
        """What each rank returns; the first rank's error is raised, all of them are in `errors`."""
        place = str(self.folder / f"meet{self.attempt}")
        gang_memory.create(place, self.world_size)
        values: dict[int, Any] = {}
        threads = [
            threading.Thread(target=self._rank, args=(r, place, body, values)) for r in range(self.world_size)
        ]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.attempt += 1
        if self.errors:
            raise self.errors[min(self.errors)]
        return [values[r] for r in range(self.world_size)]

    def _rank(self, rank: int, place: str, body: Callable[[Any], Any], values: dict[int, Any]) -> None:
        memory = GangMemory(place, str(self.folder / "spill"), rank, self.world_size)
        infos = tuple(
            TaskInfo(r, "here", 100 + r, owned)
            for r, owned in enumerate(ranges(self.partitions, self.world_size))
        )
        context = BarrierTaskContext(
            memory,
            infos,
            attempt=self.attempt,
            num_partitions=self.partitions,
            timeout=self.timeout,
            keep=str(self.folder / "keep"),
        )
        try:
            values[rank] = body(context)
        except BaseException as e:
            self.errors[rank] = e
        context.close()
        memory.close()


@pytest.mark.parametrize("world_size", [1, 2, 3, 5])
def test_s12_collective_calls_repeat(tmp_path: Path, world_size: int) -> None:
    def body(ctx: BarrierTaskContext) -> list[Any]:
        out: list[Any] = []
        for i in range(50):
            ctx.barrier()
            out.append(ctx.all_gather((ctx.rank, i, "x" * (i * 5000 * (ctx.rank + 1)))))
            out.append(ctx.broadcast(i * 10 + ctx.rank, root=i % ctx.world_size))
        return out

    expected: list[Any] = []
    for i in range(50):
        expected.append([(r, i, "x" * (i * 5000 * (r + 1))) for r in range(world_size)])
        expected.append(i * 10 + i % world_size)
    assert Ranks(tmp_path, world_size).run(body) == [expected] * world_size


def parts(n: int, count: int = 8) -> list[Any]:
    """Doubles of very different size: adding them in another order gives other bits."""
    rng = np.random.default_rng(1)
    return [rng.standard_normal(n) * 10.0 ** rng.integers(-8, 8, n) for _ in range(count)]


@pytest.mark.parametrize("size", [1, 400, 70_001])
@pytest.mark.parametrize("op", ["sum", "min", "max"])
def test_all_reduce_by_partition_has_the_same_bits_for_any_number_of_ranks(
    tmp_path: Path, size: int, op: str
) -> None:
    data = parts(size)
    found = set()
    for world_size in (1, 2, 3, 4, 9):
        folder = tmp_path / str(world_size)
        folder.mkdir()
        values = Ranks(folder, world_size).run(
            lambda ctx: ctx.all_reduce([data[p] for p in ctx.partitions], op).tobytes()
        )
        found.update(values)
    assert len(found) == 1
    combine = {"sum": np.add, "min": np.minimum, "max": np.maximum}[op]
    wanted = data[0]
    for d in data[1:]:
        wanted = combine(wanted, d)
    assert found == {wanted.tobytes()}


def test_all_reduce_by_rank_keeps_shape_and_type(tmp_path: Path) -> None:
    def body(ctx: BarrierTaskContext) -> Any:
        small = ctx.all_reduce(np.full((3, 4), ctx.rank + 1, dtype=np.int64))
        large = ctx.all_reduce(np.full((200, 300), 0.5 * (ctx.rank + 1)).T)
        scalar = ctx.all_reduce(np.float64(ctx.rank), "max")
        return small.dtype.str, small.tolist(), large.shape, float(large.min()), float(scalar)

    assert Ranks(tmp_path, 3).run(body) == [("<i8", [[6] * 4] * 3, (300, 200), 3.0, 2.0)] * 3


def test_all_reduce_refuses_what_it_cannot_add(tmp_path: Path) -> None:
    def refused(value: Any, op: str = "sum") -> str:
        with pytest.raises(BarrierError) as caught:
            Ranks(tmp_path / str(time.monotonic_ns()), 1).run(lambda ctx: ctx.all_reduce(value, op))
        return caught.value.condition

    assert refused(np.ones(3), "mean") == "BARRIER_BAD_ARGUMENT"
    assert refused([np.ones(3)]) == "BARRIER_BAD_ARGUMENT"
    assert refused([np.ones(3 + i) for i in range(8)]) == "BARRIER_BAD_ARGUMENT"


def test_s10_s11_different_calls_are_told_at_once_with_every_ranks_call(tmp_path: Path) -> None:
    ranks = Ranks(tmp_path, 2)
    with pytest.raises(BarrierError) as caught:
        ranks.run(lambda ctx: ctx.barrier() if ctx.rank else ctx.all_gather(1))
    assert caught.value.condition == "BARRIER_CALLS_DIFFER"
    assert "rank 0: all_gather(); rank 1: barrier()" in caught.value.message
    assert len(ranks.errors) == 2


def test_different_shapes_are_different_calls(tmp_path: Path) -> None:
    with pytest.raises(BarrierError, match=r"<f8 3 sum per rank.*<f8 4 sum per rank"):
        Ranks(tmp_path, 2).run(lambda ctx: ctx.all_reduce(np.ones(3 + ctx.rank)))


def test_s9_a_late_rank_is_named_with_its_last_call(tmp_path: Path) -> None:
    release = threading.Event()

    def body(ctx: BarrierTaskContext) -> None:
        ctx.all_gather(1)
        if ctx.rank == 1:
            release.wait(20)
            return
        try:
            ctx.barrier(timeout=0.2)
        finally:
            release.set()

    ranks = Ranks(tmp_path, 2)
    with pytest.raises(BarrierError) as caught:
        ranks.run(body)
    assert caught.value.condition == "BARRIER_TIMEOUT"
    assert caught.value.message == (
        "rank 1 (its last call: 1, all_gather()) did not reach call 2, barrier(), within 0.2 seconds"
    )


def test_s12_a_rank_that_finishes_while_others_wait_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(BarrierError, match="rank 1 finished after 0 collective calls, while rank 0 waits"):
        Ranks(tmp_path, 2).run(lambda ctx: None if ctx.rank else ctx.barrier())


def test_s13_infos_name_ranks_in_order_and_s8_the_attempt_counts(tmp_path: Path) -> None:
    ranks = Ranks(tmp_path, 3)
    for attempt in range(2):
        found = ranks.run(lambda ctx: (ctx.attempt, [(i.rank, i.pid) for i in ctx.task_infos()]))
        assert found == [(attempt, [(0, 100), (1, 101), (2, 102)])] * 3


def test_s14_outside_a_barrier_stage_there_is_no_context() -> None:
    with pytest.raises(BarrierError) as caught:
        BarrierTaskContext.get()
    assert caught.value.condition == "NOT_IN_BARRIER_STAGE"


def test_ports_are_held_and_differ(tmp_path: Path) -> None:
    def body(ctx: BarrierTaskContext) -> Any:
        port = ctx.open_port()
        ports = ctx.all_gather((port.host, port.port))
        ctx.barrier()
        return ports

    first, *rest = Ranks(tmp_path, 3).run(body)
    assert len(set(first)) == 3
    assert all(r == first for r in rest)


def test_checkpoints_count_when_all_ranks_have_written(tmp_path: Path) -> None:
    ranks = Ranks(tmp_path, 2)

    def crash(ctx: BarrierTaskContext) -> Any:
        assert ctx.restore() is None
        for i in range(5):
            ctx.checkpoint((ctx.rank, i))
        if ctx.rank == 0:
            (tmp_path / "keep" / "c6-r0").write_bytes(b"half a checkpoint")

    ranks.run(crash)
    restored = ranks.run(lambda ctx: (ctx.restore(), ctx.checkpoint("next"), ctx.barrier()))
    assert [r[0] for r in restored] == [(0, 4), (1, 4)]
    assert ranks.run(lambda ctx: ctx.restore()) == ["next", "next"]
    assert sorted(p.name for p in (tmp_path / "keep").iterdir()) == sorted(
        ["last", *(f"c{n}-r{r}" for n in (5, 6) for r in (0, 1))]
    )


def test_full_shared_memory_uses_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = platform.allocate

    def allocate(fd: int, size: int) -> None:
        if size >= 1 << 20 and not _in_spill(fd, tmp_path):
            raise OSError(28, "No space left on device")
        real(fd, size)

    monkeypatch.setattr(platform, "allocate", allocate)
    big = np.arange(200_000.0)
    values = Ranks(tmp_path, 2).run(lambda ctx: ctx.all_reduce(big + ctx.rank).sum())
    assert values == [float((big * 2 + 1).sum())] * 2
    assert [p.name for p in (tmp_path / "spill").iterdir()]


def _in_spill(fd: int, folder: Path) -> bool:
    import os

    return any(os.stat(p).st_ino == os.fstat(fd).st_ino for p in (folder / "spill").glob("*"))


def test_no_room_to_meet_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(platform, "allocate", full)
    with pytest.raises(DiskFullError):
        gang_memory.create(str(tmp_path / "meet"), 2)


@pytest.mark.parametrize(("partitions", "ranks"), [(8, 1), (8, 3), (2, 5), (64, 7)])
def test_partitions_are_dealt_out_in_order_and_evenly(partitions: int, ranks: int) -> None:
    owned = ranges(partitions, ranks)
    assert [p for low, high in owned for p in range(low, high)] == list(range(partitions))
    sizes = [high - low for low, high in owned]
    assert max(sizes) - min(sizes) <= 1
