"""Stage graphs: the choices of the planner, and that no choice ever changes the rows of a plan."""

from __future__ import annotations

from collections import Counter
from hashlib import md5
from itertools import pairwise
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlshell.config import Settings
from sqlshell.exec import replan
from sqlshell.exec.cluster.inline import InlineCluster
from sqlshell.exec.exchange import SessionStore
from sqlshell.exec.planner import plan_stages, pool_graph, solo_graph
from sqlshell.exec.run_state import RunOptions
from sqlshell.exec.scheduler import Scheduler
from sqlshell.expr.expr import AggCall, Call, Column, Expr, Frame, Literal, SortKey, WindowCall
from sqlshell.plan.logical import (
    Aggregate,
    Expand,
    Filter,
    Join,
    Limit,
    Named,
    Plan,
    Project,
    Scan,
    Shared,
    Sort,
    TopN,
    Union,
    Values,
    Window,
    fresh_column,
    fresh_id,
    named,
    passthrough,
)
from sqlshell.records import replace
from sqlshell.storage.source import FileInfo, Source
from sqlshell.types import BIGINT, BOOLEAN, STRING, Field, Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlshell.exec.stage import StageGraph

SCHEMA = Struct((Field("k", BIGINT), Field("v", BIGINT), Field("s", STRING)))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Three files; keys repeat, some are NULL; large enough that every file is cut."""
    folder = tmp_path_factory.mktemp("planner")
    infos = []
    for i in range(3):
        ids = range(i * 4000, (i + 1) * 4000)
        table = pa.table(
            {
                "k": [None if x % 97 == 0 else x % 50 for x in ids],
                "v": [x * 7919 % 12_000 for x in ids],
                "s": [md5(str(x).encode()).hexdigest() for x in ids],
            }
        )
        path = folder / f"{i}.parquet"
        pq.write_table(table, path, row_group_size=1000)
        infos.append(FileInfo(str(path), path.stat().st_size, 4000))
    return Source("t", "parquet", SCHEMA, tuple(infos))


@pytest.fixture(scope="module")
def store() -> Iterator[SessionStore]:
    store = SessionStore()
    yield store
    store.close()


def scan(source: Source) -> Scan:
    columns = tuple(Column(fresh_id(), f.name, f.type) for f in source.schema.fields)
    return Scan(source, columns, tuple(f.name for f in source.schema.fields))


def agg(fn: str, *args: Expr, **more: Any) -> Named:
    return named(fn, AggCall(fn, args, BIGINT if fn == "count" else args[0].type, **more))


def key(column: Column) -> Named:
    return Named(fresh_column(column.name, column), column)


def equal(a: Expr, b: Expr) -> Expr:
    return Call("=", (a, b), BOOLEAN)


def few(source: Source, below: int) -> Plan:
    """Rows of the source with a small v."""
    t = scan(source)
    return Filter(t, Call("<", (t.columns[1], Literal(below, BIGINT)), BOOLEAN))


def settings(**values: object) -> dict[str, Any]:
    out = Settings()
    for name, value in ({"workers": 2, "partitions": 3, "broadcast_limit": 1} | values).items():
        if value is not None:
            out.set(f"sqlshell.{name}", str(value))
    return out.snapshot()


def rows(graph: StageGraph, store: SessionStore) -> list[tuple[Any, ...]]:
    """The answer of a graph, run in this process."""
    import polars as pl

    cluster, events = InlineCluster(), SimpleQueue[Any]()
    query = fresh_id()
    options = RunOptions(inline_cells=10**7, replan=replan.after_stage)
    scheduler = Scheduler(graph, query, lambda t: cluster.submit(t, events.put), store, options)
    scheduler.start()
    while not scheduler.finished:
        scheduler.handle(events.get_nowait())
    if scheduler.error is not None:
        raise scheduler.error
    out: list[tuple[Any, ...]] = []
    for result in scheduler.results():
        out.extend(result.inline or ())
        for ref in result.outputs:
            out.extend(pl.scan_ipc(ref.path).collect().rows())
    store.drop_query(query)
    return out


# -- plans


def group(s: Source) -> Plan:
    t = scan(s)
    k, v, text = t.columns
    return Aggregate(t, (key(k),), (agg("count"), agg("sum", v), agg("min", text)))


def group_distinct_values(s: Source) -> Plan:
    t = scan(s)
    return Aggregate(t, (key(t.columns[0]),), (agg("count", t.columns[1], distinct=True),))


def group_all(s: Source) -> Plan:
    t = scan(s)
    return Aggregate(t, (), (agg("count"), agg("max", t.columns[1]), agg("min", t.columns[2])))


def group_all_distinct(s: Source) -> Plan:
    t = scan(s)
    return Aggregate(t, (), (agg("count", t.columns[0], distinct=True),))


def group_distinct_beside(s: Source) -> Plan:
    """One list of distinct values beside other aggregates, few groups."""
    t = scan(s)
    k, v, text = t.columns
    odd = equal(Call("%", (v, Literal(2, BIGINT)), BIGINT), Literal(1, BIGINT))
    by = named("odd", odd)
    aggs = (agg("count"), agg("count", k, distinct=True), agg("sum", v), agg("min", text, filter=odd))
    return Aggregate(t, (by,), (*aggs, agg("sum", k, distinct=True), agg("max", v, distinct=True)))


def group_distinct_lists(s: Source) -> Plan:
    """Several lists, one with a filter, one of two columns, beside other aggregates."""
    t = scan(s)
    k, v, text = t.columns
    odd = equal(Call("%", (v, Literal(2, BIGINT)), BIGINT), Literal(1, BIGINT))
    small = Call("%", (v, Literal(11, BIGINT)), BIGINT)
    aggs = (
        agg("count", k, distinct=True),
        agg("count", k, distinct=True, filter=odd),
        agg("count", k, small, distinct=True),
        agg("sum", small, distinct=True),
        agg("count"),
        agg("sum", v, filter=odd),
        agg("min", text),
        agg("count", v),
    )
    by = named("odd", odd)
    return Aggregate(t, (by,), aggs)


def all_distinct_lists(s: Source) -> Plan:
    node = group_distinct_lists(s)
    assert isinstance(node, Aggregate)
    return replace(node, keys=())


def nothing_distinct(s: Source) -> Plan:
    node = all_distinct_lists(s)
    assert isinstance(node, Aggregate)
    return replace(node, input=Filter(node.input, Literal(False, BOOLEAN)))


def join_distinct(s: Source) -> Plan:
    """Distinct values of the join key, whose rows the join brought together."""
    a, b = scan(s), scan(s)
    joined = Join(a, b, "inner", equal(a.columns[1], b.columns[1]))
    aggs = (agg("count", a.columns[1], distinct=True), agg("count"), agg("max", b.columns[2]))
    odd = equal(Call("%", (b.columns[1], Literal(2, BIGINT)), BIGINT), Literal(1, BIGINT))
    return Aggregate(joined, (named("odd", odd),), aggs)


def rollup(s: Source) -> Plan:
    t = scan(s)
    k, v, text = t.columns
    by_k, by_v = fresh_column("k", k), fresh_column("v", v)
    kept = fresh_column("s", text)
    none = Literal(None, BIGINT)
    small = Call("%", (v, Literal(7, BIGINT)), BIGINT)
    expand = Expand(t, (by_k, by_v, kept), ((k, small, text), (k, none, text), (none, none, text)))
    return Aggregate(expand, (Named(by_k, by_k), Named(by_v, by_v)), (agg("count"), agg("max", kept)))


def distinct(s: Source) -> Plan:
    t = scan(s)
    return Aggregate(t, (key(t.columns[0]),), ())


def group_nothing(s: Source) -> Plan:
    return Aggregate(few(s, -1), (), (agg("count"),))


def join(kind: str, *, null_aware: bool = False) -> Callable[[Source], Plan]:
    def make(s: Source) -> Plan:
        right = few(s, 12_000 if kind != "single" else 0)
        if kind != "single":
            r = few(s, 300)
            right = Aggregate(r, (key(r.output[0]),), (agg("max", r.output[1]),))
        left = few(s, 3000)
        mark = Column(fresh_id(), "mark", BOOLEAN) if kind == "mark" else None
        condition = None if kind == "cross" else equal(left.output[0], right.output[0])
        return Join(left, right, kind, condition, mark, null_aware)

    make.__name__ = f"{kind}_join{'_null_aware' if null_aware else ''}"
    return make


def join_many(s: Source) -> Plan:
    a, b = scan(s), scan(s)
    joined = Join(a, b, "inner", equal(a.columns[1], b.columns[1]))
    return Aggregate(joined, (key(a.columns[1]),), (agg("count"), agg("max", b.columns[2])))


def join_by_inequality(s: Source) -> Plan:
    a, b = few(s, 200), few(s, 100)
    return Join(a, b, "left", Call("<", (a.output[1], b.output[1]), BOOLEAN))


def windows(s: Source) -> Plan:
    t = scan(s)
    k, v, _ = t.columns
    order = (SortKey(v), SortKey(t.columns[2]))
    frame = Frame("rows", None, 0)
    calls = [
        named("by_k", WindowCall(AggCall("sum", (v,), BIGINT), (k,), order, frame)),
        named("over_all", WindowCall(AggCall("max", (v,), BIGINT), (), (), Frame("rows", None, None))),
        named("by_k_v", WindowCall(AggCall("count", (), BIGINT), (k, v), (), Frame("rows", None, None))),
    ]
    return Window(t, tuple(calls))


def union(s: Source) -> Plan:
    t = scan(s)
    left = Project(t, tuple(passthrough(c) for c in t.columns[:2]))
    constants = Values(
        (Column(fresh_id(), "a", BIGINT), Column(fresh_id(), "b", BIGINT)),
        ((Literal(1, BIGINT), Literal(2, BIGINT)), (Literal(None, BIGINT), Literal(3, BIGINT))),
    )
    top = Limit(Sort(left, (SortKey(left.output[1]),)), 5)
    renamed = Project(top, tuple(named("x", c) for c in top.output))
    columns = tuple(Column(fresh_id(), c.name, c.type) for c in left.output)
    return Union((left, constants, renamed), columns)


def shared(s: Source) -> Plan:
    base = group(s)

    def read() -> Shared:
        return Shared(7, base, tuple(Column(fresh_id(), c.name, c.type) for c in base.output))

    a, b = read(), read()
    return Join(a, b, "inner", equal(a.output[0], b.output[0]))


def union_of_files_and_groups(s: Source) -> Plan:
    """One fragment that reads pieces of files and partitions of an exchange."""
    t, groups = scan(s), group_distinct_values(s)
    left = Project(t, tuple(passthrough(c) for c in t.columns[:2]))
    return Union((left, groups), tuple(Column(fresh_id(), c.name, c.type) for c in left.output))


def shared_beside_hashed(s: Source) -> Plan:
    """A join of a shared side, read task by task, and one that arrives by hash."""
    base = group(s)
    reads = [
        Shared(7, base, tuple(Column(fresh_id(), c.name, c.type) for c in base.output)) for _ in range(2)
    ]
    other = group_distinct_values(s)
    both = Join(reads[0], other, "inner", equal(reads[0].output[0], other.output[0]))
    return Join(both, reads[1], "left", equal(both.output[0], reads[1].output[0]))


def constants_joined(s: Source) -> Plan:
    t = few(s, 500)
    k = Column(fresh_id(), "k", BIGINT)
    values = Values((k,), tuple((Literal(i, BIGINT),) for i in range(10)))
    return Join(values, t, "left", equal(k, t.output[0]))


PLANS = [
    group,
    group_distinct_values,
    group_all,
    group_all_distinct,
    group_distinct_beside,
    group_distinct_lists,
    all_distinct_lists,
    nothing_distinct,
    join_distinct,
    rollup,
    distinct,
    group_nothing,
    join("inner"),
    join("left"),
    join("right"),
    join("full"),
    join("semi"),
    join("anti"),
    join("anti", null_aware=True),
    join("mark"),
    join("cross"),
    join("single"),
    join_many,
    join_by_inequality,
    windows,
    union,
    shared,
    shared_beside_hashed,
    union_of_files_and_groups,
    constants_joined,
]


@pytest.mark.parametrize("make", PLANS, ids=lambda f: f.__name__)
def test_partitions_never_change_the_rows(
    make: Callable[[Source], Plan], source: Source, store: SessionStore
) -> None:
    plan = make(source)
    expected = Counter(rows(solo_graph(plan, settings()), store))
    for graph in (
        pool_graph(plan, settings(), 3),
        pool_graph(plan, settings(broadcast_limit="1gb"), 2),
        pool_graph(plan, settings(), 12),
        pool_graph(plan, settings(), 4, tight=True),
        pool_graph(plan, settings(partitions=None), 3),  # the files are small: most of it in every task
    ):
        assert Counter(rows(graph, store)) == expected, graph.render()


@pytest.mark.parametrize("make", PLANS, ids=lambda f: f.__name__)
def test_more_tasks_for_any_stage_never_change_the_rows(
    make: Callable[[Source], Plan], source: Source, store: SessionStore
) -> None:
    plan = make(source)
    graph = pool_graph(plan, settings(), 3)
    expected = Counter(rows(solo_graph(plan, settings()), store))
    for stage in graph.stages:
        wider = replan.split_stage(graph, stage.id)
        assert wider is not None
        assert Counter(rows(wider, store)) == expected, wider.render()


def test_out_of_memory_splits_the_stage_alone(source: Source) -> None:
    graph = pool_graph(join_many(source), settings(), 3)
    left, right, last = graph.stages
    wider = replan.split_stage(graph, last.id)
    assert wider is not None
    assert wider.stages[:2] == (left, right)
    assert [(s.tasks, s.output.kind) for s in wider.stages[2:]] == [(3, "hash"), (3, "hash"), (12, "result")]
    scans = replan.split_stage(graph, left.id)
    assert scans is not None
    assert [s.tasks for s in scans.stages] == [12, 3, 3]


def test_a_top_n_of_too_many_rows_sorts_by_ranges(source: Source, store: SessionStore) -> None:
    t = scan(source)
    plan = TopN(t, (SortKey(t.columns[2]),), 9_000, 10)
    graph = pool_graph(plan, settings(memory_limit="1mb"), 3)
    assert any(s.output.kind == "range" for s in graph.stages)
    assert rows(graph, store) == rows(solo_graph(plan, settings()), store)


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("nulls_first", [True, False])
@pytest.mark.parametrize("by", [0, 1, 2])
def test_sorting_by_ranges_keeps_the_order(
    by: int, ascending: bool, nulls_first: bool, source: Source, store: SessionStore
) -> None:
    t = scan(source)
    keys = (SortKey(t.columns[by], ascending, nulls_first), SortKey(t.columns[1]))
    plan = Sort(t, keys)
    graph = pool_graph(plan, settings(), 3, tight=True)
    assert any(s.output.kind == "range" for s in graph.stages)
    assert rows(graph, store) == rows(solo_graph(plan, settings()), store)


@pytest.mark.parametrize("partitions", [2, 3])
def test_limits(partitions: int, source: Source, store: SessionStore) -> None:
    t = scan(source)
    order = (SortKey(t.columns[2]),)
    for plan in (TopN(t, order, 7, 3), Limit(Sort(t, order), 7, 3), Limit(Sort(t, order), None, 11_990)):
        expected = rows(solo_graph(plan, settings()), store)
        assert rows(pool_graph(plan, settings(), partitions), store) == expected
        assert rows(pool_graph(plan, settings(), partitions, tight=True), store) == expected
    assert len(rows(pool_graph(Limit(t, 7, 3), settings(), partitions), store)) == 7


# -- choices


def kinds(plan: Plan, **values: object) -> list[tuple[int, str]]:
    """(tasks, output) of every stage in pool mode."""
    graph = pool_graph(plan, settings(**values), 3)
    return [(s.tasks, s.output.kind) for s in graph.stages]


def test_small_build_sides_are_sent_large_ones_hashed(source: Source) -> None:
    plan = join("inner")(source)
    assert [k for _, k in kinds(plan)].count("hash") == 2  # the aggregation already hashed its side
    assert [k for _, k in kinds(plan, broadcast_limit="1gb")] == ["hash", "whole", "result"]


def test_distinct_values_of_all_rows_are_counted_where_they_are(source: Source) -> None:
    graph = pool_graph(group_all_distinct(source), settings(), 3)
    assert [s.output.kind for s in graph.stages] == ["hash", "whole", "result"]
    assert [(s.tasks, type(s.plan).__name__) for s in graph.stages] == [
        (3, "PartialAggregate"),
        (3, "PartialAggregate"),
        (1, "FinalAggregate"),
    ]


def test_distinct_values_beside_others_are_grouped_twice(source: Source) -> None:
    for make in (group_distinct_beside, group_distinct_lists):
        assert kinds(make(source)) == [(3, "hash"), (3, "hash"), (3, "result")]
    assert kinds(all_distinct_lists(source)) == [(3, "hash"), (3, "whole"), (1, "result")]
    # the join already brought the values together
    assert kinds(join_distinct(source)) == [(3, "hash"), (3, "hash"), (3, "hash"), (3, "result")]


def test_an_aggregate_without_states_keeps_its_rows_together(source: Source) -> None:
    t = scan(source)
    k, v, _ = t.columns
    aggs = (agg("count", v, distinct=True), agg("median", v))
    assert kinds(Aggregate(t, (key(k),), aggs)) == [(3, "hash"), (3, "result")]
    assert kinds(Aggregate(t, (), aggs)) == [(3, "whole"), (1, "result")]


def test_rows_of_many_groups_are_moved_once(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlshell.exec.planner_agg.MANY_GROUPS", 1)
    plan = group_distinct_beside(source)
    assert kinds(plan) == [(3, "hash"), (3, "result")]
    assert len(pool_graph(plan, settings(), 3, tight=True).stages) == 3


def test_grouping_sets_repeat_groups_not_rows(source: Source) -> None:
    first = pool_graph(rollup(source), settings(), 3).stages[0]
    assert isinstance(first.plan, Expand)
    assert type(first.plan.input).__name__ == "PartialAggregate"


def test_hints_decide_how_rows_meet(source: Source, store: SessionStore) -> None:
    plain = join_many(source)
    expected = Counter(rows(solo_graph(plain, settings()), store))

    def outputs(hint: str, **values: object) -> list[str]:
        plan = plain.transform_down(lambda n: replace(n, hint=hint) if isinstance(n, Join) else n)
        graph = pool_graph(plan, settings(**values), 3)
        assert Counter(rows(graph, store)) == expected
        return [s.output.kind for s in graph.stages]

    assert outputs("broadcast_right") == ["whole", "hash", "result"]
    assert outputs("broadcast_left") == ["whole", "hash", "result"]
    assert outputs("shuffle", broadcast_limit="1gb") == ["hash", "hash", "result"]


def test_a_large_side_is_not_sent_to_a_smaller_one() -> None:
    big, small = (
        Source("t", "parquet", SCHEMA, (FileInfo("/nowhere/a.parquet", 10**7, n),)) for n in (10**6, 10**5)
    )
    a, b = scan(small), scan(big)
    joined = Join(a, b, "semi", equal(a.columns[0], b.columns[0]))
    assert [k for _, k in kinds(joined, broadcast_limit="1gb")] == ["hash", "hash", "result"]
    joined = Join(b, a, "semi", equal(a.columns[0], b.columns[0]))
    assert [k for _, k in kinds(joined, broadcast_limit="1gb")] == ["whole", "result"]


def test_rows_that_must_be_kept_are_never_sent_to_every_task(source: Source) -> None:
    for kind in ("left", "semi", "anti", "mark"):
        graph = pool_graph(join(kind)(source), settings(broadcast_limit="1gb"), 3)
        last = graph.stages[-1].plan
        assert isinstance(last, Join)
        assert not isinstance(last.left, type(last.right))


@pytest.mark.parametrize("kind", ["inner", "semi", "left"])
def test_keys_sent_to_all_tasks_filter_the_scan_they_meet(kind: str, source: Source, tmp_path: Path) -> None:
    """Polars hands keys of a build side to the other side's scan: also those that an exchange brought."""
    import polars as pl

    from sqlshell.exec.collect import flags
    from sqlshell.exec.lower import lower_plan
    from sqlshell.exec.task import TaskInput

    a, b = scan(source), scan(source)
    plan = Join(a, b, kind, equal(a.columns[1], b.columns[1]))
    last = pool_graph(plan, settings(broadcast_limit="1gb"), 3).stages[-1]
    sent = last.inputs[0].stage
    path = str(tmp_path / "sent.arrow")
    sent_rows = {f"c{c.id}": range(100) if c.name != "s" else ["x"] * 100 for c in b.columns}
    pl.DataFrame(sent_rows).write_ipc(path)
    task = TaskInput(splits=(None,), exchange_paths={sent: (path,)}, settings=settings())
    physical = lower_plan(last.plan, task).show_graph(
        plan_stage="physical", engine="streaming", raw_output=True, optimizations=flags()
    )
    assert ("dynamic_predicate" in str(physical)) == (kind != "left")


def test_groups_by_the_join_key_need_no_second_exchange(source: Source) -> None:
    assert kinds(join_many(source)) == [(3, "hash"), (3, "hash"), (3, "result")]


def test_solo_is_the_default(source: Source) -> None:
    plain = Settings()
    assert plan_stages(group(source), plain).solo
    plain.set("sqlshell.workers", "2")
    assert plan_stages(group(source), plain).solo  # files this small are not worth a second process
    plain.set("sqlshell.partitions", "3")
    assert not plan_stages(group(source), plain).solo
    plain.set("sqlshell.partitions", "1")
    assert plan_stages(group(source), plain).solo


def test_state_past_the_memory_limit_goes_to_the_pool() -> None:
    big = Source("big", "parquet", SCHEMA, (FileInfo("/nowhere/big.parquet", 10**9, 10**7),))
    plain = Settings()
    t = scan(big)
    plan = Sort(t, (SortKey(t.columns[1]),))
    assert plan_stages(plan, plain).solo
    plain.set("sqlshell.memory_limit", "500MB")
    graph = plan_stages(plan, plain)
    assert not graph.solo
    assert graph.partitions > 8


def test_a_stage_graph_can_be_read(source: Source) -> None:
    text = pool_graph(group(source), settings(), 3).render()
    assert "Stage 0: 3 tasks, pool, writes hash(k#" in text
    assert "PartialAggregate" in text
    assert "Stage 1: 3 tasks, pool, reads stage 0 (partition), writes result" in text


# -- replanning


def test_many_small_partitions_are_read_by_few_tasks(source: Source, store: SessionStore) -> None:
    graph = pool_graph(group(source), settings(), 40)
    after = replan.after_stage(graph, {0: refs(0, 40, 1000)}, frozenset({0}))
    assert after.stages[-1].tasks == 2
    assert sorted(p for t in after.stages[-1].layout for p in t.partitions) == list(range(40))
    assert replan.after_stage(graph, {}, frozenset({0})) is graph


def test_a_side_that_came_out_small_is_sent_instead(source: Source, store: SessionStore) -> None:
    plan = join_filtered(source)
    graph = pool_graph(plan, settings(), 3)
    small = graph.stages[0]
    relaxed = pool_graph(plan, settings(), 3)
    object.__setattr__(relaxed, "settings", settings(broadcast_limit="1mb"))
    after = replan.after_stage(relaxed, {small.id: refs(small.id, 3, 1000)}, frozenset({small.id}))
    assert len(after.stages) == len(graph.stages) - 1
    assert rows(after, store) == rows(solo_graph(plan, settings()), store)


def join_filtered(s: Source) -> Plan:
    a, b = scan(s), few(s, 300)
    return Aggregate(Join(a, b, "inner", equal(a.columns[1], b.output[1])), (), (agg("count"),))


def test_a_skewed_partition_is_shared(source: Source) -> None:
    a, b = scan(source), scan(source)
    graph = pool_graph(Join(a, b, "left", equal(a.columns[0], b.columns[0])), settings(), 3)
    left = next(s for s in graph.stages if s.id == graph.stages[-1].inputs[0].stage)
    other = next(i.stage for i in graph.stages[-1].inputs if i.stage != left.id)
    skewed = tuple(r for t in range(4) for r in refs(left.id, 3, 10**6, task=t, large={1: 10**8}))
    done = {left.id: skewed, other: refs(other, 3, 10**6)}
    after = replan.after_stage(graph, done, frozenset({left.id, other}))
    shares = [t for t in after.stages[-1].layout if t.partitions == (1,)]
    assert len(shares) > 1
    assert {s.maps[0] for s in shares if s.maps} == {left.id}
    assert sorted(m for s in shares if s.maps for m in s.maps[1]) == [0, 1, 2, 3]


def refs(
    stage: int, partitions: int, size: int, task: int = 0, large: dict[int, int] | None = None
) -> tuple[Any, ...]:
    from sqlshell.exec.task import PartitionRef

    return tuple(
        PartitionRef(stage, task, p, f"/nowhere/{p}", (large or {}).get(p, size)) for p in range(partitions)
    )


def test_splits_cover_every_byte_once() -> None:
    from sqlshell.exec.splits import assign

    sizes = [10**9, 5, 70_000, 0, 3 * 10**8, 123_456]
    files = tuple(FileInfo(f"/{i}.parquet", s) for i, s in enumerate(sizes))
    tasks = assign(Source("t", "parquet", SCHEMA, files), 7)
    covered: dict[int, list[tuple[int, int]]] = {}
    for task in tasks:
        for split in task:
            end = sizes[split.file] if split.end is None else split.end
            covered.setdefault(split.file, []).append((split.start, end))
    for i, size in enumerate(sizes):
        pieces = sorted(covered[i])
        assert pieces[0][0] == 0
        assert pieces[-1][1] == size
        assert all(a[1] == b[0] for a, b in pairwise(pieces))
    weights = [sum((sizes[s.file] if s.end is None else s.end) - s.start for s in t) for t in tasks]
    assert max(weights) < 1.01 * sum(sizes) / 7
    csv = assign(Source("t", "csv", SCHEMA, files), 3)
    assert sorted(s.file for t in csv for s in t) == list(range(6))
    assert all(s.whole for t in csv for s in t)
