"""Gangs of real processes that die, hang, fail or compete: F7 to F9 of the fault list, and Spark's S1 to S16.

Spark's barrier semantics, and where each is tested (unit = tests/unit/test_barrier.py, scheduler =
tests/unit/test_gang_scheduler.py); differences on purpose are marked D:

    S1  D refused at once with the counts, no waiting for slots that never come   here
    S2  D no dynamic allocation on one machine
    S3  input is an exchange with the gang's own partitions                       scheduler
    S4  all ranks start together or none                                          here
    S5  a failed rank fails the attempt, once                                     scheduler, here
    S6  four attempts                                                             scheduler, here
    S7  D retried although it gives the result                                    scheduler, here
    S8  D ctx.attempt counts attempts of the gang                                 unit, here
    S9  D 10 minutes, missing ranks named                                         unit, here
    S10, S11 different calls                                                      unit, here
    S12 several calls; a rank that leaves early is named at once (D)              unit, here
    S13 infos by rank (D with the process id)                                     unit, here
    S14 no context outside                                                        unit
    S15 a waiting rank can be killed                                              here
    S16 D user and data errors are tried once                                     scheduler, here
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.errors import BarrierError, DataError, OutOfMemoryError, QueryCancelled, QueryTimeout
from sqlshell.exec.engine import Engine
from sqlshell.exec.gang import GangEvent
from sqlshell.exec.planner import plan_stages
from sqlshell.exec.task import Fault
from tests import gang_bodies as bodies
from tests.faults.plans import (
    ROWS,
    alive,
    grouped,
    grouped_rows,
    scan,
    session_folders,
    settings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.storage.source import Source

TOTAL = float(sum(range(3 * ROWS)))
ITERATIONS = 6


@pytest.fixture
def gangs(shared_engine: Engine) -> Iterator[Engine]:
    """The shared engine; afterwards no folder of a query may be left, and no gang may run."""
    yield shared_engine
    store = shared_engine.store_folders
    assert [q for root in (store.memory, store.disk) if root is not None for q in root.glob("q*")] == []
    assert not shared_engine.cluster.gangs._running


@pytest.fixture(scope="module")
def undisturbed(shared_engine: Engine, source: Source) -> bytes:
    """The weights when nothing goes wrong."""
    found = shared_engine.run_gang(scan(source), bodies.train, 2, args=(ITERATIONS,))
    assert found.attempts == 1
    slope, intercept = struct.unpack("dd", found.values[0][0])
    assert 20 < intercept < 60
    assert abs(slope) < 20
    return bytes(found.values[0][0])


def strike(rank: int, point: str, action: str, attempts: int = 1) -> tuple[Fault, ...]:
    """The gang is stage 0, or 1 behind a query; points are `before` or `inside` the n-th collective call."""
    return tuple(Fault(stage, rank, a, point, action) for stage in (0, 1) for a in range(attempts))


# -- F7: ranks that die


@pytest.mark.parametrize("world_size", [1, 4])
def test_f7_the_same_bits_for_any_number_of_ranks(
    gangs: Engine, source: Source, undisturbed: bytes, world_size: int
) -> None:
    found = gangs.run_gang(scan(source), bodies.train, world_size, args=(ITERATIONS,))
    assert {v[0] for v in found.values} == {undisturbed}


@pytest.mark.parametrize("workers", [{"partitions": 5}, {"partitions": None, "workers": None}])
def test_the_same_rows_in_the_same_order_for_any_layout(
    gangs: Engine, source: Source, workers: dict[str, Any]
) -> None:
    from sqlshell.exec.planner_gang import plan_gang

    for plan in (scan(source), grouped(source)):
        seen = []
        for ranks, values in ((1, settings()), (3, settings(**workers))):
            graph = plan_gang(plan, values.snapshot(), ranks, 5)
            found = gangs.run_gang(graph, bodies.rows, ranks)
            seen.append([p for v in found.values for p in v])
        assert seen[0] == seen[1]
        assert [index for index, _ in seen[0]] == list(range(5))


@pytest.mark.parametrize("point", ["before1", "inside5", "inside6", "before9"])
@pytest.mark.parametrize("rank", [0, 1])
def test_f7_a_killed_rank_restarts_the_gang_from_its_checkpoint(
    gangs: Engine, source: Source, undisturbed: bytes, point: str, rank: int
) -> None:
    found = gangs.run_gang(
        scan(source), bodies.train, 2, args=(ITERATIONS,), faults=strike(rank, point, "kill")
    )
    assert found.attempts == 2
    assert found.failures == (f"a worker process ended by signal SIGKILL (rank {rank} of 2)",)
    assert {v[0] for v in found.values} == {undisturbed}
    expected = {"before1": 0, "inside5": 2, "inside6": 2, "before9": 4}[point]
    assert {v[1] for v in found.values} <= {expected, expected + (point == "inside6")}


def test_f7_killed_from_outside_in_the_middle_of_an_iteration(
    gangs: Engine, source: Source, undisturbed: bytes
) -> None:
    struck: list[int] = []

    def hear(event: Any) -> None:
        if isinstance(event, GangEvent) and event.what == "progress" and not struck and event.rank == 1:
            struck.append(gangs.cluster.gangs._running[0].workers[0].pid)
            os.kill(struck[0], signal.SIGKILL)

    found = gangs.run_gang(scan(source), bodies.train, 2, args=(ITERATIONS,), on_event=hear)
    assert struck
    assert {v[0] for v in found.values} == {undisturbed}


def test_f7_every_attempt_killed(gangs: Engine, source: Source) -> None:
    with pytest.raises(BarrierError) as caught:
        gangs.run_gang(scan(source), bodies.sums, 2, faults=strike(1, "before1", "kill", 9), max_failures=1)
    assert caught.value.message == (
        "the barrier stage failed 2 times; the last time: "
        "a worker process ended by signal SIGKILL (rank 1 of 2)"
    )
    assert gangs.run_gang(scan(source), bodies.sums, 2).values[0][0] == TOTAL


# -- F8: ranks that hang, raise or do something else than the others


def test_f8_a_hung_rank_is_named_and_the_gang_starts_again(gangs: Engine, source: Source) -> None:
    found = gangs.run_gang(
        scan(source), bodies.sums, 2, faults=strike(1, "before2", "hang"), barrier_timeout=0.5
    )
    assert found.values[0][0] == TOTAL
    (failure,) = found.failures
    assert failure == (
        "rank 1 (its last call: 1, all_reduce(<f8 1 sum per partition)) did not reach call 2, "
        "all_gather(), within 0.5 seconds"
    )


def test_f8_a_rank_that_always_hangs_is_an_error(gangs: Engine, source: Source) -> None:
    faults = strike(0, "before1", "hang", 9)
    with pytest.raises(BarrierError, match=r"failed 2 times.*rank 0 \(its last call: none\)") as caught:
        gangs.run_gang(scan(source), bodies.sums, 2, faults=faults, barrier_timeout=0.3, max_failures=1)
    assert caught.value.condition == "BARRIER_TIMEOUT"


def test_f8_a_stopped_process_shows_no_sign_of_life(gangs: Engine, source: Source) -> None:
    found = gangs.run_gang(
        scan(source), bodies.sums, 1, faults=strike(0, "before1", "stop"), heartbeat_timeout=1.5
    )
    assert found.values[0][0] == TOTAL
    assert "rank 0 of 1 gave no sign of life for 1.5 seconds" in found.failures[0]


def test_f8_s6_a_raising_rank_names_itself_with_its_traceback_after_four_attempts(
    gangs: Engine, source: Source
) -> None:
    events: list[Any] = []
    with pytest.raises(BarrierError) as caught:
        gangs.run_gang(scan(source), bodies.unlucky, 2, args=(1,), on_event=events.append)
    assert "failed 4 times; the last time: ValueError: no luck (rank 1 of 2)" in caught.value.message
    assert 'raise ValueError("no luck")' in "\n".join(caught.value.__notes__)
    assert sum(isinstance(e, GangEvent) and e.what == "gang_started" for e in events) == 4


def test_s16_a_data_error_is_tried_once_and_keeps_its_type(gangs: Engine, source: Source) -> None:
    events: list[Any] = []
    with pytest.raises(DataError) as caught:
        gangs.run_gang(scan(source), bodies.bad_data, 2, on_event=events.append)
    assert caught.value.condition == "ML_BAD_LABEL"
    assert caught.value.message == "labels must be 0 or 1 (rank 1 of 2)"
    assert sum(isinstance(e, GangEvent) and e.what == "gang_started" for e in events) == 1


@pytest.mark.parametrize("body", [bodies.skips, bodies.mismatch])
def test_f8_different_calls_are_told_at_once(gangs: Engine, source: Source, body: Any) -> None:
    with pytest.raises(BarrierError) as caught:
        gangs.run_gang(scan(source), body, 2)
    assert caught.value.condition == "BARRIER_CALLS_DIFFER"


def test_a_value_that_cannot_travel_is_told_at_once(gangs: Engine, source: Source) -> None:
    with pytest.raises(BarrierError) as caught:
        gangs.run_gang(scan(source), bodies.unpicklable, 2)
    assert caught.value.condition == "BARRIER_VALUE_NOT_PICKLED"


def test_a_rank_out_of_memory_is_named_and_closing_ends_idle_ranks(source: Source) -> None:
    with Engine(settings(memory_limit="700MB")) as engine:
        with pytest.raises(OutOfMemoryError, match=r"rank 1 of 2"):
            engine.run_gang(scan(source), bodies.eats_memory, 2)
        assert engine.run_gang(scan(source), bodies.sums, 2).values[0][0] == TOTAL
        pids = engine.cluster.pids("gang")
        assert len(pids) == 2
    assert not [p for p in pids if alive(p)]


def test_lost_input_is_made_again(gangs: Engine, source: Source) -> None:
    graph_faults = (Fault(0, 0, 0, "after_commit", "delete_output"),)
    undisturbed = gangs.run_gang(grouped(source), bodies.sums, 2)
    assert gangs.run_gang(grouped(source), bodies.sums, 2, faults=graph_faults).values == undisturbed.values


# -- F9: gangs that compete, and queries beside them


def test_f9_s1_a_gang_larger_than_the_slots_is_refused_at_once(gangs: Engine, source: Source) -> None:
    slots = gangs.cluster.slots("gang")
    with pytest.raises(BarrierError) as caught:
        gangs.run_gang(scan(source), bodies.sums, slots + 1)
    assert caught.value.condition == "BARRIER_GANG_TOO_LARGE"
    assert f"needs {slots + 1} slots; there are {slots}" in caught.value.message


def test_f9_gangs_that_do_not_fit_together_take_turns(source: Source) -> None:
    """Each takes all slots or none: with three slots, gangs of two never hold one each and wait."""
    with Engine(settings(gang_slots=3)) as engine:
        found: list[tuple[float, float]] = []

        def one(seconds: float) -> None:
            result = engine.run_gang(scan(source), bodies.interval, 2, args=(seconds,))
            found.append(result.values[0])

        threads = [threading.Thread(target=one, args=(0.05,)) for _ in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert len(found) == 3
        found.sort()
        assert all(a[1] <= b[0] for a, b in pairwise(found)), found
        assert len(engine.cluster.pids("gang")) <= 3


def test_f9_queries_run_beside_a_gang(gangs: Engine, source: Source, tmp_path: Path) -> None:
    go = tmp_path / "go"
    answers: list[Any] = []

    def hear(event: Any) -> None:
        if isinstance(event, GangEvent) and event.what == "progress" and event.rank == 0:
            threading.Thread(target=query).start()

    def query() -> None:
        handle = gangs.run(plan_stages(grouped(source), settings()), inline_cells=10**6)
        handle.finish()
        answers.append(handle.rows_inline)
        handle.close()
        go.touch()

    gangs.run_gang(scan(source), bodies.wait_for, 2, args=(str(go),), on_event=hear)
    assert answers == [grouped_rows()]


def test_s4_processes_that_die_before_the_start_are_replaced(gangs: Engine, source: Source) -> None:
    gangs.run_gang(scan(source), bodies.sums, 2)
    idle = [w.pid for w, _ in gangs.cluster.gangs._idle]
    assert idle
    for pid in idle:
        os.kill(pid, signal.SIGKILL)
    found = gangs.run_gang(scan(source), bodies.where, 2)
    assert found.values[0]["attempt"] == found.attempts - 1


# -- what ranks know, and ends


def test_s8_s13_ranks_know_their_gang(gangs: Engine, source: Source) -> None:
    found = gangs.run_gang(scan(source), bodies.where, 3, partitions=7)
    assert [v["rank"] for v in found.values] == [0, 1, 2]
    assert [v["partitions"] for v in found.values] == [[0, 1], [2, 3], [4, 5, 6]]
    infos = [(v["rank"], v["pid"], (v["partitions"][0], v["partitions"][-1] + 1)) for v in found.values]
    assert all(v["infos"] == infos for v in found.values)
    assert len({v["pid"] for v in found.values}) == 3
    assert found.partitions == 7


def test_progress_reaches_the_driver_in_order(gangs: Engine, source: Source) -> None:
    events: list[Any] = []
    gangs.run_gang(scan(source), bodies.train, 2, args=(4,), on_event=events.append)
    told = [e for e in events if isinstance(e, GangEvent)]
    assert [e.what for e in told if e.what != "progress"] == ["gang_queued", "gang_started", "gang_done"]
    for rank in range(2):
        mine = [e.values for e in told if e.what == "progress" and e.rank == rank]
        assert [m["iteration"] for m in mine] == [0, 1, 2, 3]
        assert mine[-1]["rows"] == 3 * ROWS
        assert mine[-1]["loss"] < mine[0]["loss"]


def test_large_values_and_scratch_files(gangs: Engine, source: Source) -> None:
    found = gangs.run_gang(scan(source), bodies.large_value, 2, args=(3_000_000,))
    assert found.values == [bytes([r]) * 3_000_000 for r in range(2)]
    folder = gangs.run_gang(scan(source), bodies.scratch, 1).values[0]
    assert not Path(folder).exists()


def test_s15_cancel_kills_waiting_ranks(gangs: Engine, source: Source, tmp_path: Path) -> None:
    pids: list[int] = []

    def hear(event: Any) -> None:
        if isinstance(event, GangEvent) and event.what == "progress" and not pids:
            pids.extend(w.pid for w in gangs.cluster.gangs._running[0].workers)
            gangs.cancel()

    with pytest.raises(QueryCancelled):
        gangs.run_gang(scan(source), bodies.wait_for, 2, args=(str(tmp_path / "never"),), on_event=hear)
    assert len(pids) == 2
    assert not [p for p in pids if alive(p)]


def test_a_gang_past_its_time_is_ended(gangs: Engine, source: Source, tmp_path: Path) -> None:
    with pytest.raises(QueryTimeout):
        gangs.run_gang(scan(source), bodies.wait_for, 2, args=(str(tmp_path / "never"),), timeout=0.5)


DRIVER = """
import sys
from pathlib import Path
from sqlshell.exec.engine import Engine
from tests import gang_bodies
from tests.faults.plans import scan, settings, write_files

source = write_files(Path(sys.argv[1]))
engine = Engine(settings())
def note(event):
    if event.what == "progress" and event.rank == 0:
        print(*engine.cluster.pids(), flush=True)
engine.run_gang(scan(source), gang_bodies.wait_for, 2, args=(sys.argv[1] + "/never",), on_event=note)
"""


def test_a_killed_driver_leaves_no_rank_and_no_file(tmp_path: Path) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert driver.stdout is not None
    pids = [int(p) for p in driver.stdout.readline().split()]
    assert len(pids) >= 2
    assert session_folders(driver.pid)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    driver.stdout.close()
    deadline = time.monotonic() + 5
    while any(alive(p) for p in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not [p for p in pids if alive(p)]
    with Engine(settings()) as engine:
        assert engine.store_folders
        assert session_folders(driver.pid) == []
