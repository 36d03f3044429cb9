"""Names, types and error conditions of whole queries, replayed from Spark (tests/record/record_binder.py)."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sqlshell.config import Settings
from sqlshell.errors import AnalysisError, Error, NotSupportedError, ProgrammingError
from sqlshell.expr.expr import Call, Literal
from sqlshell.parser.parse import parse_statement
from sqlshell.parser.statement import Query
from sqlshell.plan.bind import Binder
from sqlshell.plan.coerce import parse_schema
from sqlshell.plan.context import BoundQuery, TableVersion, ViewDefinition
from sqlshell.plan.logical import Join
from sqlshell.storage.source import Source
from tests.record.record_binder import TABLES

ANSWERS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "answers" / "binder.json").read_text())

DATABRICKS = "as Databricks does"
TAKEN = {
    "select a from t where a = any (select a from u)": "quantified comparisons are our extension",
    "select a from t where a > all (select a from u)": "quantified comparisons are our extension",
    "select t1.a from t t1 where exists (select 1 from t t2 where t2.a = t1.a and exists "
    "(select 1 from t t3 where t3.a = t1.a))": "we correlate to any depth",
    "select b, (select max(f) from u where u.e = t.b) from t group by b": "correlated by a key: fine",
    "select b, count(*) from t group by b qualify row_number() over (order by count(*)) = 1": DATABRICKS,
    "select b, sum(a) from t group by b qualify sum(a) > 1 and rank() over (order by b) = 1": DATABRICKS,
    "select a, b from t union by name select 'x' as b, 1 as a": "our extension, as in DuckDB",
    "select sum(a) + b from t group by b having sum(a) > avg(c) order by sum(a) * 2": "Spark bug",
}
REFUSED = {
    "select a from t union select a from u order by t.a": "a set operation's columns have no table",
    "select b from t group by b having exists (select 1 from u where u.f = sum(t.a))": "an outer aggregate",
    "select rand() as r, r from t": "an alias of something random",
}
OTHER_CONDITION = {
    "select a from t having nosuch > 1": "UNRESOLVED_COLUMN.WITH_SUGGESTION",
    "select explode(xs) as x, count(*) from t group by x": "MISSING_AGGREGATION",
    "select interval 1 month 1 day": "INVALID_INTERVAL_FORMAT",
    "select row_number() over (order by a rows between 1 preceding and current row) from t": (
        "WINDOW_FUNCTION_AND_FRAME_MISMATCH"
    ),
    "select sum(row_number() over (order by a)) from t": "NESTED_AGGREGATE_FUNCTION",
}
OTHER_NAME = {
    "select substring(b from 1 for 2), position('a' in b), trim(both 'x' from b), "
    "overlay(b placing 'q' from 2) from t": "the parser rewrites position",
}


class Context:
    """A session over empty tables (and views) held in memory."""

    now = datetime(2026, 11, 21, 3, 4, 5)
    current_schema = "default"
    current_user = "someone"

    def __init__(self, views: dict[str, str] | None = None) -> None:
        self.settings = Settings()
        self.tables = {name: parse_schema(ddl) for name, ddl in TABLES.items()}
        self.views = views or {}

    def for_view(self, view: Any, version: Any, span: Any) -> Any:
        return self

    def resolve_variable(self, name: Any) -> Any:
        return None

    def resolve_function(self, name: Any) -> Any:
        return None

    def resolve_relation(
        self, name: tuple[str, ...], span: Any, version: TableVersion | None
    ) -> Source | ViewDefinition:
        key = name[-1].lower()
        if name[0].lower() in {key, "default"}:
            if key in self.views:
                return ViewDefinition(key, self.views[key])
            if key in self.tables:
                label = f"{key}@{version.value}" if version is not None else key
                return Source(label, "parquet", self.tables[key])
        raise AnalysisError(f"no table {key}", condition="TABLE_OR_VIEW_NOT_FOUND", span=span)

    def describe_source(self, uri: str, format: str | None, options: dict[str, str]) -> Source:
        shown = ",".join(f"{k}={v}" for k, v in options.items())
        return Source(f"{format or '?'}:{uri}{shown}", format or "parquet", parse_schema("a int, b string"))

    def evaluate(self, exprs: list[Any]) -> list[Literal]:
        [e] = exprs
        assert isinstance(e, Call) and e.fn == "+", "only sums are folded in these tests"
        return [Literal(sum(a.value for a in e.args if isinstance(a, Literal)), e.type)]

    def parse_query(self, text: str, dialect: str) -> Any:
        parsed = parse_statement(text, dialect)
        assert isinstance(parsed, Query)
        return parsed.ast

    def parse_stored(self, owner: str, text: str, dialect: str, prefix: str = "") -> tuple[Any, str]:
        return self.parse_query(prefix + text, dialect), prefix + text


def bind(text: str, context: Context | None = None) -> BoundQuery:
    """The bound form of a query."""
    parsed = parse_statement(text)
    assert isinstance(parsed, Query)
    return Binder(context or Context()).bind_query(parsed.ast, text)


def outcome(text: str) -> Any:
    """Names and types, or the condition of the error."""
    try:
        bound = bind(text)
    except Error as e:
        return e.condition
    columns = zip(bound.names, bound.plan.output, strict=True)
    return [[name, str(c.type).replace("`", "")] for name, c in columns]


@pytest.mark.parametrize("query", ANSWERS)
def test_names_types_and_conditions_are_sparks(query: str) -> None:
    want, got = ANSWERS[query], outcome(query)
    if query in TAKEN:
        assert isinstance(got, list)
    elif query in REFUSED:
        assert isinstance(got, str)
    elif query in OTHER_NAME:
        assert [t for _, t in got] == [t for _, t in want]
    else:
        assert got == OTHER_CONDITION.get(query, want)


def failure(text: str, context: Context | None = None) -> Error:
    with pytest.raises(Error) as caught:
        bind(text, context)
    return caught.value


def test_an_unknown_column_is_underlined_with_a_suggestion() -> None:
    e = failure("select nam from emp")
    assert (e.span, e.hint) == ((7, 10), "did you mean `name`?")


def test_a_limit_may_be_an_expression() -> None:
    assert outcome("select a from t limit 1 + 1") == [["a", "int"]]


def test_views_are_bound_anew_and_may_not_use_themselves() -> None:
    views = {
        "v": "select a + 1 as b from t",
        "w": "select b from v",
        "r": "select * from s",
        "s": "select * from r",
    }
    bound = bind("select w.b from w join v on w.b = v.b", Context(views))
    assert bound.names == ("b",)
    assert failure("select * from r", Context(views)).condition == "RECURSIVE_VIEW"
    broken = failure("select * from x", Context({"x": "select nosuch from t"}))
    assert (broken.condition, broken.span) == ("UNRESOLVED_COLUMN.WITH_SUGGESTION", (7, 13))
    assert broken.message.startswith("in view x: ")


def test_a_view_sees_nothing_of_the_query_around_it() -> None:
    text = "with t as (select 1 as z) select * from v"
    assert bind(text, Context({"v": "select * from t"})).names[0] == "a"


def test_each_use_of_a_cte_has_ids_of_its_own() -> None:
    plan = bind("with c as (select a, (select max(f) from u) m from t) select * from c x, c y").plan
    assert len({c.id for c in plan.output}) == 4


@pytest.mark.parametrize(
    "text",
    [
        "select * from t, u pivot (sum(a) for e in ('x', 'y'))",
        "select * from t match_recognize (pattern (a))",
        "select * from t for update",
        "select a from t group by cube(a) with totals",
    ],
)
def test_clauses_we_do_not_know_are_refused(text: str) -> None:
    with pytest.raises((NotSupportedError, ProgrammingError)):
        bind(text)


def test_deep_nesting_is_refused_clearly() -> None:
    deep = "select " + "(" * 400 + "a" + ")" * 400 + " from t"
    assert failure(deep).condition in {"FAILED_TO_PARSE_TOO_COMPLEX", "UNSUPPORTED_FEATURE"}
    inside = "select 1"
    for _ in range(60):
        inside = f"select * from ({inside})"
    assert failure(inside).condition in {"FAILED_TO_PARSE_TOO_COMPLEX", "UNSUPPORTED_FEATURE"}


def test_long_chains_are_not_deep() -> None:
    text = "select a from t where " + " or ".join(f"a = {i}" for i in range(2000))
    assert len(bind(text).plan.children) == 1
    many = " union all ".join(f"select {i} as n" for i in range(300))
    assert len(bind(many).plan.children) == 300


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ("BROADCAST(b)", "broadcast_right"),
        ("MAPJOIN(a)", "broadcast_left"),
        ("MERGE(b)", "shuffle"),
        ("SHUFFLE_HASH(a, b)", "shuffle"),
    ],
)
def test_join_hints_reach_the_plan(hint: str, expected: str | None) -> None:
    plan = bind(f"SELECT /*+ {hint} */ a.a FROM t AS a JOIN t AS b ON a.a = b.a").plan
    assert [n.hint for n in plan.walk() if isinstance(n, Join)] == [expected]
