"""Frozen statements: what `parse_statement` hands to the session.

Every statement keeps its text; offsets in spans and in sqlglot's `meta` count from the start of that text.
Names are tuples of parts as written, without quotes. `ast` fields hold sqlglot nodes (see `parse.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from sqlglot import exp

    from sqlshell.errors import Span

Name = tuple[str, ...]


@dataclass(frozen=True)
class Statement:
    """Any statement; `text` is its source (after transpilation when it came from another dialect)."""

    text: str


@dataclass(frozen=True)
class Query(Statement):
    """SELECT, VALUES, set operation, parenthesised query, with or without WITH.

    As a part of another statement (CREATE VIEW ... AS query) `text` is the whole statement, so that offsets
    stay right, and `span` says where the query lies in it.
    """

    ast: exp.Query
    span: Span = (0, 0)

    @property
    def sql(self) -> str:
        """The text of the query alone."""
        return self.text[self.span[0] : self.span[1]]


@dataclass(frozen=True)
class Explain(Statement):
    """EXPLAIN; `mode` is "", extended, formatted, codegen, cost, analyze, optimizer or stages."""

    mode: str
    statement: Statement


@dataclass(frozen=True)
class ViewColumn:
    """One entry of a view's column list."""

    name: str
    comment: str | None = None
    span: Span | None = None


@dataclass(frozen=True)
class CreateView(Statement):
    """CREATE [OR REPLACE] [[GLOBAL] TEMPORARY] VIEW: over a query, or over files (`using`, `options`).

    `schema_ddl` is the text between the parentheses of a `USING` view's column list.
    """

    name: Name
    query: Query | None
    columns: tuple[ViewColumn, ...] = ()
    temporary: bool = False
    replace: bool = False
    if_not_exists: bool = False
    using: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    comment: str | None = None
    schema_ddl: str | None = None
    properties: dict[str, str] = field(default_factory=dict)
    name_span: Span | None = None


@dataclass(frozen=True)
class DropView(Statement):
    """DROP VIEW."""

    name: Name
    if_exists: bool = False
    name_span: Span | None = None


@dataclass(frozen=True)
class SetVariable(Statement):
    """SET (all settings), SET key (one), SET key = value."""

    key: str | None = None
    value: str | None = None
    verbose: bool = False


@dataclass(frozen=True)
class Reset(Statement):
    """RESET or RESET key."""

    key: str | None = None


@dataclass(frozen=True)
class Show(Statement):
    """SHOW ...; `kind` is tables, views, functions, columns, databases, create, catalogs, current, tblproperties
    or partitions.

    `target` is the schema (tables, views) or the relation (the others); `pattern` the LIKE text, or the property;
    `scope` is all, user or system for functions.
    """

    kind: str
    pattern: str | None = None
    target: Name = ()
    scope: str = "all"
    target_span: Span | None = None


@dataclass(frozen=True)
class Describe(Statement):
    """DESCRIBE; `kind` is table, query, function, database, detail or history (the newest `limit` versions)."""

    kind: str
    target: Name = ()
    extended: bool = False
    query: Query | None = None
    column: Name = ()
    target_span: Span | None = None
    limit: int | None = None


@dataclass(frozen=True)
class CacheTable(Statement):
    """CACHE [LAZY] TABLE name [OPTIONS (...)] [AS query]."""

    name: Name
    query: Query | None = None
    options: dict[str, str] = field(default_factory=dict)
    lazy: bool = False
    name_span: Span | None = None


@dataclass(frozen=True)
class UncacheTable(Statement):
    """UNCACHE TABLE [IF EXISTS] name."""

    name: Name
    if_exists: bool = False
    name_span: Span | None = None


@dataclass(frozen=True)
class ClearCache(Statement):
    """CLEAR CACHE."""


@dataclass(frozen=True)
class UseSchema(Statement):
    """USE [SCHEMA | DATABASE | NAMESPACE] name."""

    name: Name
    name_span: Span | None = None


@dataclass(frozen=True)
class Summarize(Statement):
    """SUMMARIZE; `source` is the query whose columns are summarized."""

    source: str
