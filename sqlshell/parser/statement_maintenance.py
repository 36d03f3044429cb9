"""Statements that tend tables and their history, frozen like those of `statement.py`. Expressions are ASTs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.parser.statement import Name, Statement
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.parser.statement_table import CreateTable


@dataclass(frozen=True)
class AsOf:
    """VERSION AS OF or TIMESTAMP AS OF (`kind` is version or timestamp) an expression, by its AST."""

    kind: str
    value: Any


@dataclass(frozen=True)
class RestoreTable(Statement):
    """RESTORE [TABLE] name [TO] VERSION | TIMESTAMP AS OF e."""

    name: Name
    as_of: AsOf
    name_span: Span | None = None


@dataclass(frozen=True)
class CloneTable(Statement):
    """CREATE TABLE target [SHALLOW | DEEP] CLONE source [AS OF]: `target` says where and whether to replace."""

    target: CreateTable
    source: Name
    as_of: AsOf | None = None
    shallow: bool = False
    source_span: Span | None = None


@dataclass(frozen=True)
class Vacuum(Statement):
    """VACUUM [TABLE] name [LITE | FULL] [RETAIN n HOURS] [DRY RUN]; `hours` is None without RETAIN."""

    name: Name
    hours: float | None = None
    dry_run: bool = False
    lite: bool = False
    name_span: Span | None = None


@dataclass(frozen=True)
class Optimize(Statement):
    """OPTIMIZE name [FULL] [WHERE condition] [ZORDER BY (columns)]; `purge` is REORG TABLE ... APPLY (PURGE)."""

    name: Name
    condition: Any = None
    condition_text: str = ""
    zorder_by: tuple[Name, ...] = ()
    full: bool = False
    purge: bool = False
    name_span: Span | None = None


@dataclass(frozen=True)
class CreateTag(Statement):
    """CREATE [OR REPLACE] TAG [IF NOT EXISTS] tag FOR {TABLE name | LAKE} [VERSION | TIMESTAMP AS OF e] [COMMENT 'c'].

    `table` is None for the lake.
    """

    tag: str
    table: Name | None
    as_of: AsOf | None = None
    replace: bool = False
    if_not_exists: bool = False
    comment: str | None = None
    tag_span: Span | None = None
    table_span: Span | None = None


@dataclass(frozen=True)
class DropTag(Statement):
    """DROP TAG [IF EXISTS] tag FOR {TABLE name | LAKE}."""

    tag: str
    table: Name | None
    if_exists: bool = False
    tag_span: Span | None = None
    table_span: Span | None = None


@dataclass(frozen=True)
class ShowTags(Statement):
    """SHOW TAGS [FOR {TABLE name | LAKE}]; without either, all."""

    table: Name | None = None
    lake: bool = False
    table_span: Span | None = None


@dataclass(frozen=True)
class CreateBranch(Statement):
    """CREATE BRANCH branch FOR [TABLE] name [VERSION | TIMESTAMP AS OF e] [COMMENT 'c']."""

    branch: str
    table: Name
    as_of: AsOf | None = None
    comment: str | None = None
    branch_span: Span | None = None
    table_span: Span | None = None


@dataclass(frozen=True)
class EndBranch(Statement):
    """DROP BRANCH [IF EXISTS] or PUBLISH BRANCH branch FOR [TABLE] name."""

    branch: str
    table: Name
    publish: bool
    if_exists: bool = False
    branch_span: Span | None = None
    table_span: Span | None = None


@dataclass(frozen=True)
class ShowBranches(Statement):
    """SHOW BRANCHES FOR [TABLE] name."""

    table: Name
    table_span: Span | None = None
