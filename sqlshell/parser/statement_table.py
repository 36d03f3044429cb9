"""Statements about tables, views and schemas of the catalog, frozen like those of `statement.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.parser.statement import Name, Statement
from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.parser.statement import Query
    from sqlshell.types import SqlType


@dataclass(frozen=True)
class Identity:
    """GENERATED {ALWAYS | BY DEFAULT} AS IDENTITY (START WITH start INCREMENT BY step)."""

    always: bool
    start: int = 1
    step: int = 1


@dataclass(frozen=True)
class Check:
    """A CHECK constraint: its name (None when left out) and its predicate's text."""

    name: str | None
    text: str
    span: Span | None = None


@dataclass(frozen=True)
class ColumnDef:
    """A column as declared. `default` and `generated` are expressions' texts."""

    name: str
    type: SqlType
    nullable: bool = True
    default: str | None = None
    comment: str | None = None
    generated: str | None = None
    identity: Identity | None = None
    checks: tuple[Check, ...] = ()
    span: Span | None = None


@dataclass(frozen=True)
class CreateTable(Statement):
    """CREATE [OR REPLACE] TABLE, REPLACE TABLE; with `query` it is CREATE TABLE AS SELECT.

    `columns` is None when there is no column list. `replace` replaces an existing table; `must_exist` says that
    there has to be one (REPLACE TABLE). `cluster_by` is None without the clause, empty for CLUSTER BY NONE.
    """

    name: Name
    columns: tuple[ColumnDef, ...] | None = None
    checks: tuple[Check, ...] = ()
    using: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    partition_by: tuple[str, ...] = ()
    cluster_by: tuple[Name, ...] | None = None
    location: str | None = None
    comment: str | None = None
    properties: dict[str, str] = field(default_factory=dict)
    query: Query | None = None
    replace: bool = False
    must_exist: bool = False
    if_not_exists: bool = False
    name_span: Span | None = None


@dataclass(frozen=True)
class CreateTableLike(Statement):
    """CREATE TABLE [IF NOT EXISTS] name LIKE source [USING ...] [LOCATION ...] [TBLPROPERTIES ...]."""

    name: Name
    source: Name
    using: str | None = None
    location: str | None = None
    properties: dict[str, str] = field(default_factory=dict)
    if_not_exists: bool = False
    name_span: Span | None = None
    source_span: Span | None = None


@dataclass(frozen=True)
class DropTable(Statement):
    """DROP TABLE [IF EXISTS] name [PURGE]."""

    name: Name
    if_exists: bool = False
    purge: bool = False
    name_span: Span | None = None


@dataclass(frozen=True)
class Undrop(Statement):
    """UNDROP {TABLE | VIEW} name."""

    kind: str
    name: Name
    name_span: Span | None = None


@dataclass(frozen=True)
class Truncate(Statement):
    """TRUNCATE TABLE name."""

    name: Name
    name_span: Span | None = None


@dataclass(frozen=True)
class CommentOn(Statement):
    """COMMENT ON {TABLE | VIEW | COLUMN | SCHEMA} name IS {'text' | NULL}."""

    kind: str
    name: Name
    comment: str | None
    name_span: Span | None = None


# What ALTER TABLE does


@dataclass(frozen=True)
class AddedColumn:
    """`path` ends in the column's name; `position` is None, "FIRST", or the column it comes after."""

    path: Name
    column: ColumnDef
    position: str | None = None


@dataclass(frozen=True)
class AddColumns:
    """ADD COLUMNS (...)."""

    columns: tuple[AddedColumn, ...]


@dataclass(frozen=True)
class RenameColumn:
    """RENAME COLUMN path TO name."""

    path: Name
    to: str
    span: Span | None = None


@dataclass(frozen=True)
class DropColumns:
    """DROP COLUMNS [IF EXISTS] (...)."""

    paths: tuple[Name, ...]
    if_exists: bool = False
    span: Span | None = None


@dataclass(frozen=True)
class AlterColumn:
    """ALTER COLUMN path: `what` is type, comment, nullable (a bool), default (text or None), position or
    sync_identity."""

    path: Name
    what: str
    value: SqlType | str | bool | None
    span: Span | None = None


@dataclass(frozen=True)
class SetProperties:
    """SET TBLPROPERTIES (...)."""

    properties: dict[str, str]


@dataclass(frozen=True)
class UnsetProperties:
    """UNSET TBLPROPERTIES [IF EXISTS] (...)."""

    keys: tuple[str, ...]
    if_exists: bool = False


@dataclass(frozen=True)
class AddConstraint:
    """ADD CONSTRAINT name CHECK (predicate)."""

    check: Check


@dataclass(frozen=True)
class DropConstraint:
    """DROP CONSTRAINT [IF EXISTS] name."""

    name: str
    if_exists: bool = False
    span: Span | None = None


@dataclass(frozen=True)
class RenameTo:
    """RENAME TO name."""

    name: Name
    span: Span | None = None


@dataclass(frozen=True)
class ClusterBy:
    """CLUSTER BY (...) or NONE."""

    columns: tuple[Name, ...]
    span: Span | None = None


@dataclass(frozen=True)
class RedefineView:
    """ALTER VIEW ... AS query."""

    query: Query


AlterAction = (
    AddColumns | RenameColumn | DropColumns | AlterColumn | SetProperties | UnsetProperties | AddConstraint
    | DropConstraint | RenameTo | ClusterBy | RedefineView
)  # fmt: skip


@dataclass(frozen=True)
class Alter(Statement):
    """ALTER {TABLE | VIEW} name action."""

    kind: str
    name: Name
    action: AlterAction
    name_span: Span | None = None


# Schemas and sessions


@dataclass(frozen=True)
class CreateSchema(Statement):
    """CREATE SCHEMA [IF NOT EXISTS] name [COMMENT ...] [WITH DBPROPERTIES (...)]."""

    name: Name
    if_not_exists: bool = False
    comment: str | None = None
    properties: dict[str, str] = field(default_factory=dict)
    name_span: Span | None = None


@dataclass(frozen=True)
class DropSchema(Statement):
    """DROP SCHEMA [IF EXISTS] name [RESTRICT | CASCADE]."""

    name: Name
    if_exists: bool = False
    cascade: bool = False
    name_span: Span | None = None


@dataclass(frozen=True)
class SetTimeTravel(Statement):
    """SET TIME TRAVEL TO expression (a query that gives the instant), TO TAG name, or OFF (neither)."""

    moment: Query | None
    tag: str | None = None


@dataclass(frozen=True)
class ConvertToDelta(Statement):
    """CONVERT TO DELTA {parquet.`path` | table} [NO STATISTICS] [PARTITIONED BY (column type, ...)]."""

    name: Name
    statistics: bool = True
    partitions: tuple[ColumnDef, ...] = ()
    name_span: Span | None = None


@dataclass(frozen=True)
class Analyze(Statement):
    """ANALYZE TABLE name [PARTITION (...)] COMPUTE STATISTICS [NOSCAN | FOR COLUMNS a, b | FOR ALL COLUMNS].

    `columns` is None without FOR, and empty for ALL.
    """

    name: Name
    columns: tuple[str, ...] | None = None
    scan: bool = True
    name_span: Span | None = None
