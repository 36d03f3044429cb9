"""Gangs against a fake cluster: when they start, what a failed attempt costs, what the driver hears.

S1 to S7 and S16 of Spark's barrier semantics, as far as the scheduler decides them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.config import Settings
from sqlshell.errors import BarrierError, DataError, FetchFailedError, OutOfMemoryError, WorkerLostError
from sqlshell.exec.cluster.base import CancelQuery, Done, Progress, Started
from sqlshell.exec.gang import Body, GangEvent, GangOptions, GangSpec, about_rank
from sqlshell.exec.planner_gang import partitions_of, plan_gang
from sqlshell.exec.replan import split_stage
from sqlshell.exec.run_state import row_range
from sqlshell.exec.stage import Output, Stage, StageGraph, StageInput, TaskLayout
from sqlshell.exec.task import FailureKind, PartitionRef, TaskResult
from sqlshell.expr.expr import AggCall, Call, Column, Literal, SortKey
from sqlshell.plan.logical import ONE_ROW, Aggregate, Filter, Named, Plan, Scan, Sort, fresh_id, named
from sqlshell.storage.source import FileInfo, Source
from sqlshell.types import BIGINT, BOOLEAN, Field, Struct
from tests.unit.test_scheduler import SETTINGS, Harness, failed, stage

if TYPE_CHECKING:
    from sqlshell.exec.task import TaskSpec

OPTIONS = GangOptions(2, Body("module:function"), b"", ("a",))


def graph(*before: Stage, mode: str = "partition", ranks: int = 2) -> StageGraph:
    """Ordinary stages, then a gang over four partitions that reads the last of them."""
    layout = tuple(TaskLayout((), (p,)) for p in range(4))
    inputs = (StageInput(before[-1].id, mode),)
    gang = Stage(len(before), ONE_ROW, inputs, Output("body"), layout, "gang", mode="BARRIER", ranks=ranks)
    return StageGraph((*before, gang), ("a",), ONE_ROW, SETTINGS, 4)


class GangHarness(Harness):
    """A scheduler with a fake cluster that also runs gangs; `gangs` are the attempts, in order."""

    def __init__(self, graph: StageGraph, **options: Any) -> None:
        self.gangs: list[GangSpec] = []
        self.heard: list[Any] = []
        options.setdefault("gang", OPTIONS)
        super().__init__(graph, submit_gang=self.gangs.append, on_event=self.heard.append, **options)

    def end(self, result: TaskResult | None = None, gang: GangSpec | None = None) -> None:
        spec = gang or self.gangs[-1]
        self.scheduler.handle(Started(spec.id, 0))
        self.scheduler.handle(Done(spec.id, result or TaskResult(inline=(("r0", "r1"),))))

    def gang_events(self) -> list[tuple[str, int]]:
        return [(e.what, e.attempt) for e in self.heard if isinstance(e, GangEvent)]


def hashed() -> StageGraph:
    return graph(stage(0, 2, Output("hash", (), 4)))


def rank_failed(rank: int = 1) -> TaskResult:
    lost = about_rank(WorkerLostError("a worker process ended by signal SIGKILL"), rank, 2)
    return failed(FailureKind.RANK_FAILED, lost)


def test_s3_a_gang_waits_for_its_input_and_gets_every_partition_once() -> None:
    h = GangHarness(hashed())
    assert not h.gangs
    h.run()
    (gang,) = h.gangs
    assert gang.world_size == 2
    assert [i.exchange_paths[0] for i in gang.inputs] == [
        tuple(f"memory/q1/x0/m{t}-a0/{p}" for t in range(2)) for p in range(4)
    ]
    h.end()
    assert h.scheduler.finished
    assert h.scheduler.results()[0].inline == (("r0", "r1"),)
    assert h.store.dropped == [0]


def test_rows_are_dealt_out_in_equal_ranges_in_file_order() -> None:
    h = GangHarness(graph(stage(0, 2, Output("whole")), mode="rows"))

    def answer(spec: TaskSpec) -> TaskResult:
        rows = (7, 3)[spec.partition]
        return TaskResult(outputs=(PartitionRef(0, spec.partition, 0, f"f{spec.partition}", 10, rows),))

    h.run(answer)
    read = [(i.exchange_paths[0], i.exchange_rows[0]) for i in h.gangs[0].inputs]
    assert read == [
        (("f0",), ((0, 2),)),
        (("f0",), ((2, 3),)),
        (("f0",), ((5, 2),)),
        (("f1",), ((0, 3),)),
    ]


def test_row_ranges_cover_all_rows_once() -> None:
    refs = [PartitionRef(0, t, 0, f"f{t}", 1, rows) for t, rows in enumerate((5, 0, 13, 1))]
    for parts in (1, 2, 7, 30):
        seen = [
            (ref.path, offset + i)
            for p in range(parts)
            for ref, offset, count in row_range(refs, p, parts)
            for i in range(count)
        ]
        assert seen == [(r.path, i) for r in refs for i in range(r.rows or 0)]


def test_s5_a_failed_rank_restarts_the_whole_gang_once() -> None:
    h = GangHarness(hashed()).run()
    first = h.gangs[0]
    h.end(rank_failed(1))
    h.end(rank_failed(0), first)  # a late failure of the old attempt
    assert [g.attempt for g in h.gangs] == [0, 1]
    h.end()
    assert h.scheduler.error is None
    assert h.scheduler.gang_failures == ["a worker process ended by signal SIGKILL (rank 1 of 2)"]
    assert h.gang_events() == [
        ("gang_queued", 0),
        ("gang_started", 0),
        ("gang_restarted", 0),
        ("gang_queued", 1),
        ("gang_started", 1),
        ("gang_done", 1),
    ]


def test_s6_s7_four_attempts_then_the_stage_fails_and_names_the_rank() -> None:
    h = GangHarness(hashed()).run()
    while not h.scheduler.finished:
        h.end(rank_failed(1))
    assert len(h.gangs) == 4
    assert isinstance(h.scheduler.error, BarrierError)
    assert h.scheduler.error.message == (
        "the barrier stage failed 4 times; the last time: "
        "a worker process ended by signal SIGKILL (rank 1 of 2)"
    )


def test_max_failures_is_a_number_of_restarts() -> None:
    options = GangOptions(2, Body("module:function"), b"", ("a",), max_failures=0)
    h = GangHarness(hashed(), gang=options).run()
    h.end(rank_failed())
    assert len(h.gangs) == 1
    assert "failed: a worker process" in str(h.scheduler.error)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FailureKind.USER, DataError("Division by zero. (rank 0 of 2)", condition="DIVIDE_BY_ZERO")),
        (FailureKind.OOM, OutOfMemoryError("rank 0 of 2 ran out of memory")),
    ],
)
def test_s16_errors_that_would_come_again_end_it_at_once(kind: FailureKind, error: Any) -> None:
    h = GangHarness(hashed()).run()
    h.end(failed(kind, error))
    assert h.scheduler.error is error
    assert len(h.gangs) == 1


def test_a_lost_input_is_made_again_and_then_the_gang_starts_again() -> None:
    h = GangHarness(hashed()).run()
    h.end(failed(FailureKind.FETCH_FAILED, FetchFailedError("missing"), (0, 1)))
    assert h.history[-1] == (0, 1, 1)
    assert len(h.gangs) == 1
    h.run()
    assert [g.attempt for g in h.gangs] == [0, 1]
    assert h.gangs[1].inputs[0].exchange_paths[0][1].startswith("memory/q1/x0/m1-a1/")
    h.end()
    assert h.scheduler.finished


def test_progress_of_the_running_attempt_is_passed_on() -> None:
    h = GangHarness(hashed()).run()
    first = h.gangs[0]
    h.scheduler.handle(Progress(first.id, 1, {"iteration": 3}))
    h.end(rank_failed())
    h.scheduler.handle(Progress(first.id, 1, {"iteration": 4}))
    told = [e for e in h.heard if isinstance(e, GangEvent) and e.what == "progress"]
    assert [(e.rank, e.attempt, dict(e.values)) for e in told] == [(1, 0, {"iteration": 3})]


def test_s15_cancel_ends_a_waiting_gang() -> None:
    h = GangHarness(hashed()).run()
    h.scheduler.handle(CancelQuery())
    assert h.scheduler.finished
    assert h.scheduler.error is not None
    assert h.scheduler.error.condition == "QUERY_CANCELLED"


# -- how a gang's input is planned


def scan(files: int = 3, size: int = 50 << 20, rows: int | None = None) -> Scan:
    schema = Struct((Field("a", BIGINT), Field("b", BIGINT)))
    source = Source("t", "parquet", schema, tuple(FileInfo(f"f{i}", size, rows) for i in range(files)))
    columns = tuple(Column(fresh_id(), f.name, f.type) for f in schema.fields)
    return Scan(source, columns, ("a", "b"))


def settings(**values: object) -> dict[str, Any]:
    out = Settings()
    for key, value in values.items():
        out.set(f"sqlshell.{key}", str(value))
    return out.snapshot()


def filtered() -> Plan:
    t = scan()
    return Filter(t, Call(">", (t.columns[0], Literal(1, BIGINT)), BOOLEAN))


def counted() -> Plan:
    t = scan()
    key = Named(Column(fresh_id(), "a", BIGINT), t.columns[0])
    return Aggregate(t, (key,), (named("n", AggCall("count", (), BIGINT)),))


def shape(g: StageGraph) -> tuple[Any, ...]:
    """What must not depend on ranks, workers or partitions of the query."""
    gang = g.result
    return gang.layout, gang.inputs[0].mode, g.stages[-2].output.kind, type(gang.plan).__name__


@pytest.mark.parametrize("plan", [filtered(), counted(), Sort(filtered(), (SortKey(scan().columns[0]),))])
def test_s3_the_layout_belongs_to_the_data(plan: Plan) -> None:
    graphs = [
        plan_gang(plan, settings(**s), ranks)
        for s in ({}, {"workers": 2, "partitions": 5}, {"workers": 4, "partitions": 2})
        for ranks in (1, 2, 4)
    ]
    assert len({shape(g) for g in graphs}) == 1
    assert all(g.result.mode == "BARRIER" for g in graphs)


def test_rows_of_files_keep_their_order_and_others_get_one() -> None:
    assert shape(plan_gang(filtered(), settings(), 2))[1:] == ("rows", "whole", "ExchangeRead")
    assert shape(plan_gang(counted(), settings(), 2))[1:] == ("partition", "hash", "HashOrder")


def test_ranks_read_files_themselves_when_their_rows_are_counted() -> None:
    """Each partition is an equal range of the files' rows; no stage stands before the gang."""
    (gang,) = plan_gang(scan(rows=10), settings(), 2, 4).stages
    assert gang.mode == "BARRIER"
    read = [[(s.file, s.rows) for s in layout.splits[0] or ()] for layout in gang.layout]
    assert read == [[(0, (0, 7))], [(0, (7, 3)), (1, (0, 5))], [(1, (5, 5)), (2, (0, 2))], [(2, (2, 8))]]
    assert plan_gang(counted(), settings(), 2).stages[1:]


def test_the_number_of_partitions_follows_the_files() -> None:
    assert partitions_of(scan(1, 1000)) == 8
    assert partitions_of(scan(2, 100 << 20)) == 25
    assert partitions_of(scan(100, 1 << 30)) == 64


def test_running_out_of_memory_leaves_the_gangs_partitions_alone() -> None:
    plan = plan_gang(counted(), settings(workers=2, partitions=2), 2)
    for _ in range(3):
        again = split_stage(plan, plan.stages[-2].id)
        assert again is not None
        assert again.result.layout == plan.result.layout
        assert again.stages[-2].output.partitions == plan.stages[-2].output.partitions
        plan = again


def test_explain_names_the_gang() -> None:
    text = plan_gang(filtered(), settings(), 2).render()
    assert "Stage 1: barrier, gang of 2 ranks, 19 partitions, reads stage 0 (rows), writes body" in text
