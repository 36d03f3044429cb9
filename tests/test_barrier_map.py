"""`connection.barrier_map`: a user's function over the rows of a query, in processes that work together."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sqlshell.connect.dbapi import Connection
from sqlshell.errors import AnalysisError, BarrierError, InterfaceError
from sqlshell.exec import ship
from tests import gang_bodies as bodies

if TYPE_CHECKING:
    from pathlib import Path

    from sqlshell.exec.barrier import BarrierTaskContext
    from sqlshell.exec.gang_input import Partition
    from sqlshell.session import Session

QUERY = """
SELECT id, CAST(id AS DECIMAL(9, 2)) / 4 AS price, concat('n', id) AS name, array(id, id + 1) AS pair,
       CASE WHEN id % 3 > 0 THEN id END AS maybe
FROM range(10)
"""


def tables(ctx: BarrierTaskContext, partitions: list[Partition]) -> list[Any]:
    """Each partition as Arrow, and by batches, and as numbers."""
    return [
        (p.arrow(), sum(b.height for b in p.batches(3)), p.matrix(["ID", "maybe", "price"]))
        for p in partitions
    ]


def collectives(ctx: BarrierTaskContext, partitions: list[Partition]) -> Any:
    """Every collective call once."""
    ctx.barrier()
    rows = ctx.all_gather(sum(p.frame().height for p in partitions))
    return sum(rows), ctx.broadcast(f"from {ctx.rank}", root=1), ctx.all_reduce(np.array([1.0, ctx.rank]))


@pytest.fixture
def con(session: Session) -> Connection:
    return Connection(session)


def test_the_rows_of_a_query_come_in_every_form(con: Connection) -> None:
    found = [t for rank in con.barrier_map(QUERY, tables, 2) for t in rank]
    table = pa.concat_tables([t for t, _, _ in found]).sort_by("id")
    assert table.schema == con.execute(QUERY).fetch_arrow_table().schema
    expected = con.execute(QUERY + " ORDER BY id").fetchall()
    assert [tuple(r.values()) for r in table.to_pylist()] == expected
    assert sum(n for _, n, _ in found) == 10
    matrix = np.concatenate([m for _, _, m in found])
    matrix = matrix[np.argsort(matrix[:, 0])]
    assert matrix[:, 0].tolist() == list(range(10))
    assert matrix[:, 2].tolist() == [i / 4 for i in range(10)]
    assert [None if np.isnan(x) else x for x in matrix[:, 1]] == [i if i % 3 else None for i in range(10)]


def test_every_collective_call_works_across_processes(con: Connection) -> None:
    for rows, word, total in con.barrier_map("SELECT * FROM range(100)", collectives, 3):
        assert (rows, word, total.tolist()) == (100, "from 1", [3.0, 3.0])


def test_default_ranks_arguments_and_partitions(session: Session) -> None:
    found = session.barrier_map("SELECT * FROM range(7)", bodies.rows, 2, partitions=3)
    assert found.partitions == 3
    assert [index for rank in found.values for index, _ in rank] == [0, 1, 2]
    assert sorted(r["id"] for rank in found.values for _, rows in rank for r in rows) == list(range(7))


def test_any_query_can_be_the_input(con: Connection) -> None:
    query = "SELECT id % 5 AS k, sum(id) AS s FROM range(1000) GROUP BY id % 5"
    found = con.barrier_map(query, bodies.rows, 2)
    rows = sorted((r["k"], r["s"]) for rank in found for _, part in rank for r in part)
    assert rows == con.execute(query + " ORDER BY k").fetchall()


def test_averages_of_doubles_have_the_same_bits_for_any_number_of_workers_and_ranks(
    session: Session, pool_session: Session
) -> None:
    query = """
        SELECT a.g, avg(a.x * b.x) AS m, sum(sum(a.x)) OVER (ORDER BY a.g) AS s
        FROM (SELECT id % 5000 AS g, sin(id) * exp(id % 40) AS x FROM range(200000)) a
        LEFT JOIN (SELECT id % 5000 AS g, cos(id) AS x FROM range(20000)) b ON a.g = b.g AND a.x > b.x
        WHERE a.g NOT IN (SELECT id * 3 FROM range(1000)) GROUP BY a.g
    """
    seen = set()
    for where, ranks in ((session, 1), (pool_session, 2), (pool_session, 3)):
        found = where.barrier_map(query, bodies.rows, ranks)
        seen.add(repr([part for rank in found.values for part in rank]))
    assert len(seen) == 1


def test_a_function_of_the_session_travels_by_value(con: Connection) -> None:
    pytest.importorskip("cloudpickle")
    factor = Decimal(3)
    found = con.barrier_map("SELECT * FROM range(5)", lambda ctx, partitions: (ctx.rank, factor), 2)
    assert found == [(0, factor), (1, factor)]


def test_without_cloudpickle_functions_must_have_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(InterfaceError, match="not a function of a module") as caught:
        ship.body_of(lambda ctx, partitions: None)
    assert "cloudpickle" in (caught.value.hint or "")
    assert ship.body_of(tables).name == "tests.test_barrier_map:tables"


def test_arguments_must_be_picklable(con: Connection) -> None:
    with pytest.raises(InterfaceError, match="must be picklable"):
        con.barrier_map("SELECT 1", tables, 1, args=(lambda: None,))


def test_a_script_of_its_own_needs_no_main_guard(tmp_path: Path) -> None:
    pytest.importorskip("cloudpickle")
    script = tmp_path / "job.py"
    (tmp_path / "helper.py").write_text("def double(x):\n    return 2 * x\n")
    script.write_text(
        textwrap.dedent(
            """
            import sqlshell
            from helper import double

            def body(ctx, partitions, more):
                return double(sum(ctx.all_gather(sum(p.frame().height for p in partitions)))) + more

            with sqlshell.connect() as con:
                print(con.barrier_map("SELECT * FROM range(50)", body, 2, args=(1,)))
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.stdout, done.stderr) == ("[101, 101]\n", "")


def test_errors_are_told_as_everywhere(con: Connection) -> None:
    with pytest.raises(AnalysisError) as caught:
        con.barrier_map("SELECT nope FROM range(3)", tables, 2)
    assert caught.value.statement == "SELECT nope FROM range(3)"
    with pytest.raises(BarrierError, match=r"KeyError: 'x' \(rank 0 of 1\)"):
        con.barrier_map("SELECT 1 AS x", missing_key, 1, max_failures=0)
    with pytest.raises(AnalysisError, match="no column nope") as wrong:
        con.barrier_map("SELECT 1 AS nopes", missing_column, 1)
    assert "nopes" in (wrong.value.hint or "")


def missing_key(ctx: BarrierTaskContext, partitions: list[Partition]) -> Any:
    """A mistake of the user's."""
    return {}["x"]


def missing_column(ctx: BarrierTaskContext, partitions: list[Partition]) -> Any:
    """A column that is not there."""
    return partitions[0].matrix(["nope"])


# -- other libraries' own collectives, started inside a gang


def boosted(ctx: BarrierTaskContext, partitions: list[Partition]) -> bytes:
    """XGBoost trains over all ranks with its own tracker on rank 0."""
    import xgboost as xgb
    from xgboost.collective import CommunicatorContext
    from xgboost.tracker import RabitTracker

    tracker = None
    if ctx.rank == 0:
        tracker = RabitTracker(host_ip="127.0.0.1", n_workers=ctx.world_size, sortby="task")
        tracker.start()
    arguments = ctx.broadcast(tracker.worker_args() if tracker is not None else None)
    with CommunicatorContext(**arguments, dmlc_task_id=str(ctx.rank)):
        rows = np.concatenate([p.matrix() for p in partitions])
        data = xgb.DMatrix(rows[:, :-1], rows[:, -1])
        model = xgb.train({"max_depth": 3, "nthread": ctx.threads, "tree_method": "hist"}, data, 5)
        saved = bytes(model.save_raw("ubj"))
    if tracker is not None:
        tracker.wait_for(30)
    return saved


@pytest.mark.parametrize("ranks", [1, 2])
def test_xgboosts_tracker_runs_inside_a_gang(con: Connection, ranks: int) -> None:
    xgb = pytest.importorskip("xgboost")
    query = "SELECT id % 7 AS a, id % 11 AS b, id % 7 * 2 + id % 11 AS y FROM range(2000)"
    models = con.barrier_map(query, boosted, ranks)
    assert len(set(models)) == 1
    model = xgb.Booster(model_file=bytearray(models[0]))
    table = con.execute(query).fetch_arrow_table()
    features = np.column_stack([table["a"].to_numpy(), table["b"].to_numpy()])
    error = model.predict(xgb.DMatrix(features)) - table["y"].to_numpy()
    assert float(np.abs(error).mean()) < 0.35 * pc.stddev(table["y"]).as_py()


def gloo(ctx: BarrierTaskContext, partitions: list[Partition]) -> list[float]:
    """torch.distributed's gloo over a store on rank 0."""
    import torch
    import torch.distributed as dist

    port = ctx.open_port() if ctx.rank == 0 else None
    host, number = ctx.broadcast((port.host, port.port) if port is not None else None)
    if port is not None:
        port.close()
    store = dist.TCPStore(host, number, ctx.world_size, is_master=ctx.rank == 0)
    dist.init_process_group("gloo", store=store, rank=ctx.rank, world_size=ctx.world_size)
    value = torch.tensor([float(ctx.rank + 1), 1.0])
    dist.all_reduce(value)
    dist.destroy_process_group()
    return [float(v) for v in value]


def test_torchs_gloo_runs_inside_a_gang(con: Connection) -> None:
    pytest.importorskip("torch")
    assert con.barrier_map("SELECT 1", gloo, 2) == [[3.0, 2.0]] * 2
