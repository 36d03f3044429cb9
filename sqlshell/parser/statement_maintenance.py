"""Statements that tend tables and their history, frozen like those of `statement.py`. Expressions are ASTs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.parser.statement import Name, Statement
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from sqlshell.errors import Span


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
