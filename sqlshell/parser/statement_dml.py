"""Statements that change tables or export rows, frozen like those of `statement.py`. Expressions are ASTs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.parser.statement import Name, Statement
from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.parser.statement import Query


@dataclass(frozen=True)
class Target:
    """The table a statement changes, and what the statement calls it."""

    name: Name
    span: Span
    alias: str | None = None


@dataclass(frozen=True)
class Assignment:
    """`path = value` of UPDATE and MERGE; the path may end in a struct's field."""

    path: Name
    value: Any
    span: Span


@dataclass(frozen=True)
class Insert(Statement):
    """INSERT INTO, INSERT OVERWRITE, INSERT INTO ... REPLACE WHERE and REPLACE USING.

    `mode` is append, overwrite, replace_where (`condition`) or replace_using (`using`). `columns` is the column list,
    None without one; `partition` holds `PARTITION (name = value)`, the value None where it was left out.
    """

    target: Target
    query: Query
    mode: str = "append"
    columns: tuple[str, ...] | None = None
    by_name: bool = False
    partition: tuple[tuple[str, Any], ...] = ()
    if_not_exists: bool = False
    condition: Any = None
    condition_text: str = ""
    using: tuple[str, ...] = ()
    evolve: bool = False
    columns_span: Span | None = None


@dataclass(frozen=True)
class Delete(Statement):
    """DELETE FROM t [WHERE condition]."""

    target: Target
    condition: Any = None
    condition_text: str = ""


@dataclass(frozen=True)
class Update(Statement):
    """UPDATE t SET a = e, ... [WHERE condition]."""

    target: Target
    assignments: tuple[Assignment, ...]
    condition: Any = None
    condition_text: str = ""


@dataclass(frozen=True)
class MergeClause:
    """One WHEN of MERGE: `kind` is matched, not_matched or by_source; `action` update, delete or insert.

    `star` is UPDATE SET * and INSERT *; an INSERT's assignments pair its columns with its values.
    """

    kind: str
    action: str
    condition: Any = None
    condition_text: str = ""
    assignments: tuple[Assignment, ...] = ()
    star: bool = False
    span: Span | None = None


@dataclass(frozen=True)
class Merge(Statement):
    """MERGE INTO target USING source ON condition WHEN ...; `source` is the AST of `SELECT * FROM source`."""

    target: Target
    source: Any
    condition: Any
    condition_text: str
    clauses: tuple[MergeClause, ...]
    evolve: bool = False
    source_span: Span | None = None


@dataclass(frozen=True)
class CopyTo(Statement):
    """COPY (query | table) TO 'path' [options] and INSERT OVERWRITE DIRECTORY.

    `format` is None when the path's ending tells. `overwrite` allows the path to exist.
    """

    query: Query
    path: str
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    partition_by: tuple[str, ...] = ()
    overwrite: bool = False
    path_span: Span | None = None


@dataclass(frozen=True)
class CopyInto(Statement):
    """COPY INTO t FROM 'path' | (SELECT ... FROM 'path') FILEFORMAT = x and options.

    `select` is the AST of the query around the files, None when all columns are taken.
    """

    target: Target
    path: str
    format: str
    select: Any = None
    files: tuple[str, ...] = ()
    pattern: str | None = None
    format_options: dict[str, str] = field(default_factory=dict)
    copy_options: dict[str, str] = field(default_factory=dict)
    path_span: Span | None = None


@dataclass(frozen=True)
class TransactionStep(Statement):
    """BEGIN [TRANSACTION | WORK], START TRANSACTION (`kind` begin), COMMIT, ROLLBACK."""

    kind: str
