"""Random tables, random queries: rules, partitions and copies of the plan change nothing, and DuckDB agrees."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sqlshell.errors import DataError
from sqlshell.optimizer.batches import BATCHES
from sqlshell.optimizer.driver import DISABLED
from sqlshell.parser.parse import parse_statement
from sqlshell.parser.statement import Query
from tests.support.answers import canonical, difference
from tests.support.grammar import queries, tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from sqlshell.session import Session

OPTIONAL = ",".join(sorted({rule.name for batch in BATCHES for rule in batch.rules if not rule.required}))
FAST = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=80,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
Rows = list[list[Any]]


class Bench:
    """Both sessions and DuckDB over the same tables, which stand in Parquet files with row groups of two rows."""

    def __init__(self, solo: Session, pool: Session, folder: Path) -> None:
        self.solo, self.pool, self.folder = solo, pool, folder
        self.examples = 0

    def load(self, data: dict[str, pa.Table]) -> None:
        """Put an example's tables in place, under paths of their own."""
        self.examples += 1
        self.duck = duckdb.connect()
        for name, table in data.items():
            path = self.folder / f"{name}{self.examples}.parquet"
            pq.write_table(table, path, row_group_size=2)
            self.duck.register(name, table)
            for session in (self.solo, self.pool):
                session.execute(
                    f"CREATE OR REPLACE TEMPORARY VIEW {name} USING parquet OPTIONS (path '{path}')"
                )

    def reference(self, sql: str) -> Rows | None:
        """DuckDB's rows; None where it refuses the query or means another thing: grand totals of no rows."""
        if "ROLLUP" in sql or "CUBE" in sql:
            return None
        try:
            return bag(self.duck.execute(sql).fetchall())
        except duckdb.Error:
            return None


@pytest.fixture(scope="module")
def bench(
    shared_session: Session, shared_pool: Session, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    yield Bench(shared_session, shared_pool, tmp_path_factory.mktemp("random"))
    shared_session.views.clear()
    shared_pool.views.clear()


def plain(value: Any) -> Any:
    """Numbers by value alone: engines differ in the types of sums and in trailing zeros."""
    if isinstance(value, Decimal):
        value = value.normalize()
        return int(value) if value == value.to_integral_value() else f"{value:f}"
    return canonical(value)


def bag(rows: Any) -> Rows:
    return [[plain(v) for v in row] for row in rows]


def run(session: Session, sql: str, disabled: str = "") -> Rows:
    session.settings.set(DISABLED, disabled)
    try:
        result = session.execute(sql)
        rows = bag(result.rows())
        result.close()
        return rows
    finally:
        session.settings.set(DISABLED, "")


def agree(one: Rows, two: Rows, what: str, sql: str) -> None:
    wrong = difference(one, two)
    assert wrong is None, f"{what}: {wrong}\n{sql}"


@FAST
@given(data=tables(), sql=queries())
def test_rules_partitions_and_duckdb_agree(bench: Bench, data: dict[str, pa.Table], sql: str) -> None:
    bench.load(data)
    answer = run(bench.solo, sql)
    agree(run(bench.solo, sql, OPTIONAL), answer, "with every optional rule off", sql)
    agree(answer, run(bench.pool, sql), "on three partitions", sql)
    reference = bench.reference(sql)
    if reference is not None:
        agree(reference, answer, "DuckDB", sql)


@FAST
@given(data=tables(), sql=queries(2), rule=st.sampled_from(OPTIONAL.split(",")))
def test_no_rule_is_needed(bench: Bench, data: dict[str, pa.Table], sql: str, rule: str) -> None:
    bench.load(data)
    agree(run(bench.solo, sql), run(bench.solo, sql, rule), f"without {rule}", sql)


@FAST
@given(data=tables(), sql=queries())
def test_plans_survive_pickling(bench: Bench, data: dict[str, pa.Table], sql: str) -> None:
    bench.load(data)
    statement = parse_statement(sql)
    assert isinstance(statement, Query)
    bound = bench.solo.bind(statement)
    plan = bench.solo.optimize(bound.plan).plan
    for one in (bound.plan, plan, bench.pool.stages(plan)):
        copy = pickle.loads(pickle.dumps(one))
        assert copy == one
        assert pickle.loads(pickle.dumps(copy)) == one


NESTED = (
    "SELECT id, transform(xs, v -> v + id) AS r FROM n",
    "SELECT id, filter(ss, e -> e.q > id).q AS r FROM n",
    "SELECT id, exists(xs, v -> v > 1) AS r, forall(ss, e -> e.w IS NOT NULL) AS f FROM n WHERE id IS NOT NULL",
    "SELECT id, x FROM n LATERAL VIEW explode(xs) g AS x WHERE x > 0",
    "SELECT id, x FROM n LATERAL VIEW OUTER explode(xs) g AS x",
    "SELECT e.w, count(*), sum(e.q) FROM n LATERAL VIEW explode(ss) g AS e GROUP BY e.w",
    "SELECT k, sum(v) FROM n LATERAL VIEW explode(m) g AS k, v GROUP BY k",
    "SELECT id, s.y.z, s.x FROM n WHERE s.y.z > 0 OR s.x IS NULL",
    "SELECT id, m['a'], size(m), size(xs), array_contains(xs, 1) FROM n",
    "SELECT id, aggregate(xs, 0, (a, v) -> a + coalesce(v, 0)) AS r FROM n WHERE xs IS NOT NULL",
    "SELECT a.id, b.id FROM n a JOIN n b ON a.s.x = b.s.x AND a.xs <=> b.xs",
    "SELECT s, count(*) FROM n GROUP BY s",
    "SELECT id, inline(ss) FROM n",
    "SELECT id, (SELECT max(x) FROM (SELECT explode(n2.xs) AS x FROM n n2 WHERE n2.id = n.id)) AS r FROM n",
    "SELECT max(struct(s.x, id)), min(xs), count(DISTINCT xs) FROM n",
    "SELECT id, sort_array(collect_set(x)) FROM (SELECT id, explode(xs) AS x FROM n) GROUP BY id",
)


@st.composite
def nested_tables(draw: Any) -> pa.Table:
    """A table of structs, lists and maps, any part of which may be NULL or empty."""
    import pyarrow as pa

    small = st.one_of(st.none(), st.integers(-1, 3))
    word = st.sampled_from([None, "a", "b"])
    pair = st.one_of(st.none(), st.fixed_dictionaries({"q": small, "w": word}))
    struct = st.fixed_dictionaries(
        {"x": small, "y": st.one_of(st.none(), st.fixed_dictionaries({"z": small}))}
    )
    row = st.fixed_dictionaries(
        {
            "id": small,
            "xs": st.one_of(st.none(), st.lists(small, max_size=3)),
            "ss": st.one_of(st.none(), st.lists(pair, max_size=3)),
            "m": st.one_of(
                st.none(),
                st.dictionaries(st.sampled_from("ab"), small, max_size=2).map(lambda d: [*d.items()]),
            ),
            "s": st.one_of(st.none(), struct),
        }
    )
    schema = pa.schema(
        {
            "id": pa.int32(),
            "xs": pa.list_(pa.int32()),
            "ss": pa.list_(pa.struct({"q": pa.int32(), "w": pa.string()})),
            "m": pa.map_(pa.string(), pa.int32()),
            "s": pa.struct({"x": pa.int32(), "y": pa.struct({"z": pa.int32()})}),
        }
    )
    return pa.Table.from_pylist(draw(st.lists(row, max_size=6)), schema=schema)


@FAST
@given(table=nested_tables(), sql=st.sampled_from(NESTED))
def test_nested_data(bench: Bench, table: pa.Table, sql: str) -> None:
    bench.load({"n": table})
    try:
        answer = run(bench.solo, sql, OPTIONAL)
    except DataError:
        return  # the table has two rows where the query wants one
    agree(answer, run(bench.solo, sql), "with rules", sql)
    agree(answer, run(bench.pool, sql), "on three partitions", sql)
