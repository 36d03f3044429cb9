"""Results that are read while their query still runs: early rows, errors on the fetch, nothing left behind."""

from __future__ import annotations

import gc
import os
import signal
import time
import weakref
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from sqlshell.connect.dbapi import Connection
from sqlshell.errors import InterfaceError, QueryCancelled, QueryTimeout, WorkerLostError
from sqlshell.exec.planner import plan_stages
from sqlshell.exec.task import Fault
from sqlshell.session import Session
from tests.faults.plans import ROWS, alive, query_files, scan, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.exec.engine import Engine
    from sqlshell.exec.running import ResultHandle
    from sqlshell.storage.source import Source


def start(engine: Engine, source: Source, *faults: Fault, timeout: float | None = None) -> ResultHandle:
    """`SELECT * FROM t` over three tasks."""
    graph = plan_stages(scan(source), settings())
    return engine.run(graph, faults=faults, stream=True, timeout=timeout)


def first_file(handle: ResultHandle) -> Iterator[str]:
    """The files, the first of them read already."""
    files = iter(handle)
    assert count(next(files)) == ROWS
    return files


def count(path: str) -> int:
    with pa.memory_map(path) as source, pa.ipc.open_file(source) as reader:
        rows: int = reader.read_all().num_rows
        return rows


HANG_LAST = Fault(0, 2, 0, "mid_task", "hang")
HANG_FIRST = Fault(0, 0, 0, "before_commit", "hang")
"""The first task has written and announced its rows, and goes on."""


def busy(engine: Engine, at_most: int = 1) -> list[int]:
    """Processes that run tasks, once the tasks that do not hang have ended."""
    while len(pids := [w.pid for w in engine.cluster._workers if w.job is not None]) > at_most:
        time.sleep(0.01)
    return pids


@pytest.mark.parametrize("fault", [HANG_LAST, HANG_FIRST])
def test_rows_come_before_the_query_ends_and_close_ends_it(
    engine: Engine, source: Source, fault: Fault
) -> None:
    handle = start(engine, source, fault)
    first_file(handle)
    pids = busy(engine)
    assert pids
    handle.close()
    assert not any(alive(p) for p in pids)
    assert query_files(engine) == []
    with pytest.raises(QueryCancelled):
        handle.finish()


def test_cancel_is_heard_on_the_fetch_and_ends_the_workers_before(engine: Engine, source: Source) -> None:
    handle = start(engine, source, HANG_LAST)
    files = first_file(handle)
    pids = busy(engine)
    engine.cancel()
    deadline = time.monotonic() + 10
    while any(alive(p) for p in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(alive(p) for p in pids)  # nobody fetches meanwhile
    with pytest.raises(QueryCancelled):
        list(files)
    assert query_files(engine) == []


def test_a_timeout_is_heard_on_the_fetch(engine: Engine, source: Source) -> None:
    with pytest.raises(QueryTimeout):
        list(start(engine, source, HANG_LAST, timeout=2))
    assert query_files(engine) == []


def test_a_result_nobody_holds_is_ended(engine: Engine, source: Source) -> None:
    handle = start(engine, source, HANG_LAST)
    first_file(handle)
    pids = busy(engine)
    del handle
    assert not any(alive(p) for p in pids)


def test_a_session_nobody_holds_ends_once_its_results_are_read() -> None:
    session = Session()
    engine = weakref.ref(session.engine)
    result = session.execute("SELECT id FROM range(100000)")
    pids = session.engine.cluster.pids()
    del session
    gc.collect()
    assert len(list(result.rows())) == 100_000
    del result
    gc.collect()
    assert engine() is None
    until = time.monotonic() + 20
    while any(alive(p) for p in pids):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_lost_worker_is_made_up_for_until_its_rows_are_read(engine: Engine, source: Source) -> None:
    handle = start(engine, source, HANG_LAST)
    files = first_file(handle)
    os.kill(busy(engine)[0], signal.SIGKILL)
    assert [count(f) for f in files] == [ROWS, ROWS]
    assert handle.rows == 3 * ROWS
    handle.close()
    with pytest.raises(InterfaceError):
        list(handle)


def test_a_lost_worker_whose_rows_were_read_ends_the_query(engine: Engine, source: Source) -> None:
    handle = start(engine, source, HANG_FIRST, Fault(0, 1, 0, "mid_task", "hang"))
    files = first_file(handle)
    for pid in busy(engine, at_most=2):
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerLostError):
        list(files)
    assert query_files(engine) == []


def test_cursors_read_while_the_query_runs(source: Source) -> None:
    """Record batches, then rows; another statement of the connection does not disturb them."""
    with Session(workers=2, settings={"sqlshell.partitions": 3}) as session:
        cursor = Connection(session).cursor()
        folder = os.path.dirname(source.files[0].path)
        cursor.execute(f"SELECT v FROM parquet.`{folder}`")
        batches = cursor.fetch_record_batches()
        seen = [next(batches).num_rows]
        assert Connection(session).execute("SELECT 1 + count(*) FROM range(5)").fetchall() == [(6,)]
        seen.extend(b.num_rows for b in batches)
        assert sum(seen) == cursor.rowcount == 3 * ROWS
        assert cursor.fetchone() is not None
        assert len(cursor.fetchall()) == 3 * ROWS - 1
