"""Workers that die, hang or poison: F1 to F5, F12, F14 of the fault list."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.errors import FetchFailedError, QueryCancelled, QueryTimeout, WorkerLostError
from sqlshell.exec.planner import plan_stages
from sqlshell.exec.task import Fault
from tests.faults.plans import alive, grouped, grouped_rows, joined, settings, write_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlshell.exec.engine import Engine
    from sqlshell.exec.run_state import QueryEvent
    from sqlshell.plan.logical import Plan
    from sqlshell.storage.source import Source


class Log:
    """The events of one run."""

    def __init__(self, then: Callable[[QueryEvent], None] | None = None) -> None:
        self.events: list[QueryEvent] = []
        self._then = then

    def __call__(self, event: QueryEvent) -> None:
        self.events.append(event)
        if self._then is not None:
            self._then(event)

    def started(self, stage: int, task: int) -> int:
        return sum(e.what == "task_started" and (e.stage, e.task) == (stage, task) for e in self.events)


def run(
    engine: Engine, plan: Plan, *faults: Fault, log: Log | None = None, **more: Any
) -> list[tuple[Any, ...]]:
    handle = engine.run(plan_stages(plan, settings()), log, faults=faults, inline_cells=10**6, **more)
    assert handle.rows_inline is not None
    return handle.rows_inline


@pytest.mark.parametrize("point", ["before_read", "mid_task", "before_commit"])
def test_f1_f3_a_killed_task_runs_again_alone(engine: Engine, source: Source, point: str) -> None:
    log = Log()
    assert run(engine, grouped(source), Fault(0, 1, 0, point, "kill"), log=log) == grouped_rows()
    assert log.started(0, 1) == 2
    assert (log.started(0, 0), log.started(0, 2)) == (1, 1)


def test_f1_killed_while_native_code_runs(engine: Engine, source: Source) -> None:
    faults = (Fault(0, 0, 0, "mid_task", "kill_later"), Fault(2, 0, 0, "mid_task", "kill_later"))
    assert run(engine, joined(source), *faults) == [(90_000, 89_999)]


def test_f2_all_workers_killed_at_once(engine: Engine, source: Source) -> None:
    struck = []

    def strike(event: QueryEvent) -> None:
        if event.what == "task_started" and not struck:
            struck.extend(engine.cluster.pids("pool"))
            for pid in struck:
                os.kill(pid, signal.SIGKILL)

    assert run(engine, grouped(source), log=Log(strike)) == grouped_rows()
    assert struck
    assert not set(struck) & set(engine.cluster.pids())


@pytest.mark.parametrize("action", ["delete_output", "truncate_output"])
def test_f4_a_lost_exchange_file_reruns_its_producer_only(
    engine: Engine, source: Source, action: str
) -> None:
    log = Log()
    fault = Fault(0, 2, 0, "after_commit", action)
    assert run(engine, grouped(source), fault, log=log) == grouped_rows()
    assert log.started(0, 2) == 2
    assert (log.started(0, 0), log.started(0, 1)) == (1, 1)


def test_f4_a_file_that_always_vanishes_is_an_error(engine: Engine, source: Source) -> None:
    faults = [Fault(0, 2, a, "after_commit", "delete_output") for a in range(10)]
    with pytest.raises(FetchFailedError):
        run(engine, grouped(source), *faults)


def test_f5_a_poison_task_is_named(engine: Engine, source: Source) -> None:
    faults = [Fault(0, 1, a, "mid_task", "kill") for a in range(10)]
    log = Log()
    with pytest.raises(WorkerLostError, match=r"stage 0, partition 1 .* 4 times.*SIGKILL"):
        run(engine, grouped(source), *faults, log=log)
    assert log.started(0, 1) == 4
    assert run(engine, grouped(source)) == grouped_rows()


def test_a_silent_exit_is_a_lost_worker(engine: Engine, source: Source) -> None:
    assert run(engine, grouped(source), Fault(0, 0, 0, "mid_task", "exit")) == grouped_rows()


@pytest.mark.parametrize("partitions", [1, 3])
def test_f12_cancel_stops_busy_workers_at_once(engine: Engine, source: Source, partitions: int) -> None:
    """Solo and pool: the next answer comes soon, the killed processes are gone, and so are their files."""
    busy = threading.Event()
    pids: list[int] = []

    def note(event: QueryEvent) -> None:
        if event.what == "task_started":
            pids.extend(engine.cluster.pids())
            busy.set()

    graph = plan_stages(grouped(source), settings(partitions=partitions))
    hang = [Fault(0, p, 0, "mid_task", "hang") for p in range(3)]
    outcome: list[BaseException] = []

    def work() -> None:
        try:
            engine.run(graph, note, faults=tuple(hang))
        except BaseException as e:
            outcome.append(e)

    thread = threading.Thread(target=work)
    thread.start()
    assert busy.wait(10)
    engine.cancel()
    thread.join(10)
    assert not thread.is_alive()
    assert isinstance(outcome[0], QueryCancelled)
    assert any(not alive(p) for p in pids)
    assert run(engine, grouped(source)) == grouped_rows()


def test_f12_cancel_ends_a_call(engine: Engine) -> None:
    outcome: list[BaseException] = []

    def work() -> None:
        try:
            engine.call("sleep", 3600)
        except BaseException as e:
            outcome.append(e)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.2)
    engine.cancel()
    thread.join(10)
    assert isinstance(outcome[0], QueryCancelled)
    assert engine.call("ping", 7) == 7


def test_a_time_limit_ends_a_hanging_query(engine: Engine, source: Source) -> None:
    with pytest.raises(QueryTimeout):
        run(engine, grouped(source), Fault(0, 0, 0, "mid_task", "hang"), timeout=0.3)
    assert run(engine, grouped(source)) == grouped_rows()


def storm(engine: Engine, folder: Path, partitions: int, kills: int) -> None:
    """Random kills while many tasks run: every task resolves, and the answer is right."""
    chance = random.Random(7)
    done = threading.Event()
    killed = 0

    def strike() -> None:
        nonlocal killed
        while not done.is_set() and killed < kills:
            time.sleep(chance.uniform(0.05, 0.25))
            pids = engine.cluster.pids("pool")
            if pids:
                os.kill(chance.choice(pids), signal.SIGKILL)
                killed += 1

    many = write_files(folder, files=partitions, rows=8_000)
    graph = plan_stages(grouped(many), settings(partitions=partitions))
    thread = threading.Thread(target=strike)
    thread.start()
    try:
        for _ in range(100):
            handle = engine.run(graph, inline_cells=10**6)
            assert handle.rows_inline == grouped_rows(partitions, 8_000)
            if killed >= kills:
                break
    finally:
        done.set()
        thread.join()
    assert killed == kills


def test_f14_a_kill_storm(engine: Engine, tmp_path: Path) -> None:
    storm(engine, tmp_path, partitions=20, kills=6)


@pytest.mark.long
def test_f14_a_long_kill_storm(engine: Engine, tmp_path: Path) -> None:
    storm(engine, tmp_path, partitions=100, kills=40)
