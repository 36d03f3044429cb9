"""Statements that are no queries, and scripts."""

from __future__ import annotations

from typing import Any

import pytest

from sqlshell.errors import NotSupportedError, ParseError
from sqlshell.parser.parse import parse_statement
from sqlshell.parser.script import Chunk, is_complete, split, unterminated
from sqlshell.parser.statement import (
    CacheTable,
    ClearCache,
    CreateView,
    Describe,
    DropView,
    Explain,
    Query,
    Reset,
    SetVariable,
    Show,
    UncacheTable,
    UseSchema,
    ViewColumn,
)


def fields(text: str) -> dict[str, Any]:
    """The fields of a statement that say something, without its text and spans."""
    found = vars(parse_statement(text)).items()
    return {
        k: v for k, v in found if v not in (None, (), {}, False) and k != "text" and not k.endswith("span")
    }


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("show tables", Show, {"kind": "tables", "scope": "all"}),
        (
            "show tables in a.b like 'x*'",
            Show,
            {"kind": "tables", "pattern": "x*", "target": ("a", "b"), "scope": "all"},
        ),
        ("SHOW VIEWS FROM a", Show, {"kind": "views", "target": ("a",), "scope": "all"}),
        ("show system functions like 'a'", Show, {"kind": "functions", "pattern": "a", "scope": "system"}),
        ("show functions abs", Show, {"kind": "functions", "pattern": "abs", "scope": "all"}),
        ("show columns in t in db", Show, {"kind": "columns", "target": ("db", "t"), "scope": "all"}),
        ("show create table t", Show, {"kind": "create", "target": ("t",), "scope": "all"}),
        ("show schemas", Show, {"kind": "databases", "scope": "all"}),
        ("show databases like 'a*'", Show, {"kind": "databases", "pattern": "a*", "scope": "all"}),
        ("describe t", Describe, {"kind": "table", "target": ("t",)}),
        ("desc table extended a.t", Describe, {"kind": "table", "target": ("a", "t"), "extended": True}),
        ("describe extended", Describe, {"kind": "table", "target": ("extended",)}),
        ("describe t a.b", Describe, {"kind": "table", "target": ("t",), "column": ("a", "b")}),
        (
            "describe function extended abs",
            Describe,
            {"kind": "function", "target": ("abs",), "extended": True},
        ),
        ("describe schema x", Describe, {"kind": "database", "target": ("x",)}),
        ("set", SetVariable, {}),
        ("set -v", SetVariable, {"verbose": True}),
        ("set a.b", SetVariable, {"key": "a.b"}),
        ("set a.b = 10", SetVariable, {"key": "a.b", "value": "10"}),
        ("set a.b=x y z", SetVariable, {"key": "a.b", "value": "x y z"}),
        ("set `a b` = 'it'", SetVariable, {"key": "a b", "value": "it"}),
        ("set time zone 'UTC'", SetVariable, {"key": "spark.sql.session.timeZone", "value": "UTC"}),
        ("reset", Reset, {}),
        ("reset a.b", Reset, {"key": "a.b"}),
        ("cache table t", CacheTable, {"name": ("t",)}),
        ("clear cache", ClearCache, {}),
        ("uncache table if exists a.t", UncacheTable, {"name": ("a", "t"), "if_exists": True}),
        ("use x", UseSchema, {"name": ("x",)}),
        ("use schema `x y`", UseSchema, {"name": ("x y",)}),
        ("drop view if exists a.`b c`", DropView, {"name": ("a", "b c"), "if_exists": True}),
    ],
)
def test_commands(text: str, kind: type[Any], expected: dict[str, Any]) -> None:
    assert type(parse_statement(text)) is kind
    assert fields(text) == expected


def test_create_view_over_a_query() -> None:
    text = (
        "create or replace temp view a.v (x comment 'c', `y z`) comment 'hi' "
        "as with t as (select 1, 2) select * from t"
    )
    view = parse_statement(text)
    assert isinstance(view, CreateView)
    assert view.name == ("a", "v")
    assert (view.replace, view.temporary, view.if_not_exists, view.comment) == (True, True, False, "hi")
    assert [(c.name, c.comment) for c in view.columns] == [("x", "c"), ("y z", None)]
    assert isinstance(view.columns[0], ViewColumn)
    assert view.query is not None
    assert view.query.sql == "with t as (select 1, 2) select * from t"


def test_create_view_over_files() -> None:
    view = parse_statement(
        "create temporary view v (a int, b struct<c: decimal(10, 2)>) using csv "
        "options (path 'a/b', header true, 'sep' ';', a.b = -1.5, quote = 'it''s')"
    )
    assert isinstance(view, CreateView)
    assert (view.query, view.using, view.schema_ddl) == (None, "csv", "a int, b struct<c: decimal(10, 2)>")
    assert view.options == {"path": "a/b", "header": "true", "sep": ";", "a.b": "-1.5", "quote": "it's"}


def test_statements_around_queries() -> None:
    explain = parse_statement("explain formatted select 1")
    assert isinstance(explain, Explain)
    assert (explain.mode, type(explain.statement)) == ("formatted", Query)
    assert parse_statement("explain create view v as select 1").statement.name == ("v",)  # type: ignore[attr-defined]
    for mode in ("extended", "analyze", "optimizer", "stages"):
        assert parse_statement(f"EXPLAIN {mode} (select 1)").mode == mode  # type: ignore[attr-defined]
    described = parse_statement("describe query select 1")
    assert isinstance(described, Describe)
    assert described.query is not None
    assert fields("desc select 1")["kind"] == "query"
    cached = parse_statement("cache lazy table t options ('storageLevel' = 'DISK_ONLY') as select 1")
    assert isinstance(cached, CacheTable)
    assert cached.query is not None
    assert (cached.lazy, cached.options) == (True, {"storageLevel": "DISK_ONLY"})


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("create materialized view v as select 1", "CREATE MATERIALIZED VIEW"),
        ("create view v using csv", "USING without TEMPORARY"),
        ("use catalog x", "USE CATALOG"),
    ],
)
def test_other_statements_are_refused_by_name(text: str, name: str) -> None:
    with pytest.raises(NotSupportedError, match=name):
        parse_statement(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", None),
        ("-- nothing", None),
        ("show tbls", "did you mean `TABLES`?"),
        ("show", "expected one of"),
        ("drop view", "expected a name"),
        ("create view v select 1", "expected AS"),
        ("create view v as", "expected a query"),
        ("create view v (a as b) as select 1", "expected ,"),
        ("explain", "expected a statement"),
        ("cache t", "expected TABLE"),
        ("describe", "expected a name"),
        ("selct 1", "did you mean `SELECT`?"),
        ("drop view v w", None),
        ("set a b = 1", "backquotes"),
    ],
)
def test_broken_statements(text: str, hint: str | None) -> None:
    with pytest.raises(ParseError) as caught:
        parse_statement(text)
    assert caught.value.span is not None
    if hint is not None:
        assert hint in (caught.value.hint or "")


def texts(script: str) -> list[str]:
    return [chunk.text for chunk in split(script)]


def test_split_keeps_positions() -> None:
    script = "select 1;\n\n-- c;\n/* ; /* nested; */ */ select ';', \";\", `;`, r'\\';\n;select 2 -- end;"
    assert split(script) == [
        Chunk("select 1", 0, 1),
        Chunk("select ';', \";\", `;`, r'\\'", script.index("select ';'"), 4),
        Chunk("select 2", script.index("select 2"), 5),
    ]


@pytest.mark.parametrize(
    ("script", "count"),
    [
        ("begin select 1; select 2; end; select 3", 2),
        ("begin if a then select 1; end if; while b do select 2; end while; end; select 3", 2),
        ("begin select case when a then 1 end; begin select 2; end; end; select 3", 2),
        ("l: begin select 1; end l; select 3", 2),
        ("begin; select 1; commit", 3),
        ("begin transaction; select 1", 2),
        ("select begin from t; select case when a then 1 end; select end", 3),
        ("create procedure p() as begin select 1; end; select 2", 2),
        ("create function f() returns int language python as $$ a; b; $$; select 2", 2),
        ("select 'it''s; ok'; select 'a\\';b'", 2),
        (";;  ; -- only\n", 0),
    ],
)
def test_split_knows_blocks_and_bodies(script: str, count: int) -> None:
    assert len(split(script)) == count


def test_what_does_not_end_runs_to_the_end() -> None:
    assert texts("select 1; select 'a; b") == ["select 1", "select 'a; b"]
    assert unterminated("select 1; select 'a; b") == 17
    assert unterminated("select 'a' /* x */") is None


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("", True),
        ("-- note", True),
        ("select 1", False),
        ("select 1;", True),
        ("select 1; -- note", True),
        ("select 1; select 2", False),
        ("select ';", False),
        ("select 1; /* x", False),
        ("select $$ ;", False),
        ("begin select 1;", False),
        ("begin select 1; end", False),
        ("begin select 1; end;", True),
        ("begin;", True),
    ],
)
def test_is_complete(text: str, complete: bool) -> None:
    assert is_complete(text) is complete
