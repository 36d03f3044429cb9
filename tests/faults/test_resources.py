"""Bad input, full disks, too little memory, and drivers that die: F6, F10, F11, F13."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.errors import CorruptInputError, DataError, DiskFullError, OutOfMemoryError, SourceNotFound
from sqlshell.exec.engine import Engine
from sqlshell.exec.planner import plan_stages
from sqlshell.exec.task import Fault
from sqlshell.expr.expr import Cast
from sqlshell.plan.logical import Plan, Project, named
from sqlshell.types import INT
from tests.faults.plans import (
    alive,
    grouped,
    grouped_rows,
    joined,
    query_files,
    scan,
    session_folders,
    settings,
    write_files,
)

if TYPE_CHECKING:
    from sqlshell.exec.run_state import QueryEvent
    from sqlshell.storage.source import Source


def run(engine: Engine, plan: Plan, *faults: Fault, **more: Any) -> list[tuple[Any, ...]]:
    handle = engine.run(plan_stages(plan, settings()), faults=faults, inline_cells=10**6, **more)
    assert handle.rows_inline is not None
    return handle.rows_inline


def attempts(engine: Engine, plan: Plan) -> int:
    """How often the busiest task of a failing plan was started."""
    counts: dict[tuple[int, int], int] = {}

    def note(event: QueryEvent) -> None:
        if event.what == "task_started":
            counts[event.stage, event.task] = counts.get((event.stage, event.task), 0) + 1

    with pytest.raises(Exception):  # noqa: B017 (which one is the caller's business)
        engine.run(plan_stages(plan, settings()), note)
    return max(counts.values())


def test_f6_a_users_error_is_tried_once(engine: Engine, source: Source) -> None:
    t = scan(source)
    plan = Project(t, (named("bad", Cast(t.columns[2], INT)),))
    with pytest.raises(DataError) as caught:
        run(engine, plan)
    assert caught.value.condition == "CAST_INVALID_INPUT"
    assert attempts(engine, plan) == 1


def test_f6_a_truncated_file_is_named(engine: Engine, tmp_path: Path) -> None:
    bad = write_files(tmp_path, files=3, rows=8_000)
    path = Path(bad.files[1].path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(CorruptInputError, match=r"part-1\.parquet"):
        run(engine, grouped(bad))
    assert attempts(engine, grouped(bad)) == 1


def test_f6_flipped_bytes_are_found_and_the_file_is_named(engine: Engine, tmp_path: Path) -> None:
    bad = write_files(tmp_path, files=1, rows=8_000)
    path = Path(bad.files[0].path)
    data = bytearray(path.read_bytes())
    data[4:400] = bytes(b ^ 0xFF for b in data[4:400])
    path.write_bytes(data)
    with pytest.raises(CorruptInputError, match=r"part-0\.parquet"):
        run(engine, grouped(bad))


def test_f6_a_vanished_file_is_named(engine: Engine, tmp_path: Path) -> None:
    gone = write_files(tmp_path, files=2, rows=8_000)
    Path(gone.files[1].path).unlink()
    with pytest.raises(SourceNotFound, match=r"part-1\.parquet"):
        run(engine, grouped(gone))


def test_f10_full_shared_memory_falls_back_to_disk(engine: Engine, source: Source) -> None:
    assert run(engine, grouped(source), Fault(0, 1, 0, "before_commit", "disk_full")) == grouped_rows()


def test_f10_a_small_budget_uses_the_disk(engine: Engine, source: Source) -> None:
    store = engine.store_folders
    budget, store.budget = store.budget, 0
    try:
        assert run(engine, joined(source)) == [(90_000, 89_999)]
        handle = engine.run(plan_stages(scan(source), settings()))
        assert handle.paths
        assert all(p.startswith(str(store.disk)) for p in handle.paths)
        handle.close()
    finally:
        store.budget = budget


def test_f10_a_full_disk_is_a_clear_error(engine: Engine, source: Source) -> None:
    """Writes really fail: the output file is a link to /dev/full."""
    faults = [Fault(1, p, a, "mid_task", "fill_disk") for p in range(3) for a in range(2)]
    with pytest.raises(DiskFullError):
        run(engine, grouped(source), *faults)
    assert query_files(engine) == []
    assert run(engine, grouped(source)) == grouped_rows()


def test_f11_out_of_memory_gives_the_stage_more_tasks(engine: Engine, source: Source) -> None:
    seen: list[str] = []
    graph = plan_stages(joined(source), settings())
    handle = engine.run(graph, lambda e: seen.append(e.what), faults=(Fault(2, 1, 0, "mid_task", "oom"),))
    assert handle.rows_inline == [(90_000, 89_999)]
    assert "replanned" in seen


def test_f11_a_task_that_never_fits_is_an_error(engine: Engine, source: Source) -> None:
    graph = plan_stages(grouped(source), settings())
    faults = tuple(Fault(0, 1, a, "mid_task", "oom") for a in range(5))  # three splits, then alone
    with pytest.raises(OutOfMemoryError, match="stage 0, partition 1"):
        engine.run(graph, faults=faults)
    assert run(engine, grouped(source)) == grouped_rows()


DRIVER = """
import sys, time
from pathlib import Path
from sqlshell.exec.engine import Engine
from sqlshell.exec.planner import plan_stages
from sqlshell.exec.task import Fault
from tests.faults.plans import grouped, settings, write_files

source = write_files(Path(sys.argv[1]))
engine = Engine(settings())
def note(event):
    if event.what == "task_started":
        print(*engine.cluster.pids(), flush=True)
engine.run(plan_stages(grouped(source), settings()), note,
           faults=tuple(Fault(0, p, 0, "mid_task", "hang") for p in range(3)))
"""


def test_f13_a_killed_driver_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert driver.stdout is not None
    pids = [int(p) for _ in range(2) for p in driver.stdout.readline().split()]
    assert len(set(pids)) >= 2
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


def test_closing_removes_everything(source: Source) -> None:
    before = set(session_folders())
    engine = Engine(settings())
    handle = engine.run(plan_stages(scan(source), settings()))
    assert handle.paths
    pids = engine.cluster.pids()
    assert pids
    engine.close()
    assert set(session_folders()) <= before
    assert not [p for p in pids if alive(p)]
