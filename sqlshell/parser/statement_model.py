"""Frozen statements about models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.parser.statement import Name, Query, Statement
from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.types import SqlType


@dataclass(frozen=True)
class Search:
    """HPARAM_RANGE(low, high) or HPARAM_CANDIDATES([...]) as an option's value."""

    kind: str  # range, candidates
    values: tuple[Any, ...]


@dataclass(frozen=True)
class ModelOption:
    """`name = value`: None, bool, int, float, str, a tuple of such (arrays, structs), or a Search."""

    name: str
    value: Any
    span: Span


@dataclass(frozen=True)
class CreateModel(Statement):
    """CREATE [OR REPLACE] MODEL [IF NOT EXISTS] name [TRANSFORM (...)] [OPTIONS (...)] AS query.

    `transform` is the text between TRANSFORM's parentheses, as a select list.
    """

    name: Name
    query: Query | None
    options: tuple[ModelOption, ...] = ()
    transform: str | None = None
    replace: bool = False
    if_not_exists: bool = False
    name_span: Span | None = None
    transform_span: Span | None = None
    inputs: tuple[tuple[str, SqlType], ...] = ()
    """INPUT (name type, ...) of an import."""


@dataclass(frozen=True)
class ModelVersionRef:
    """Which version of a model: a number, an alias or a timestamp text; neither is the current one."""

    kind: str = ""  # version, timestamp
    value: Any = None


@dataclass(frozen=True)
class DropModel(Statement):
    """DROP MODEL [IF EXISTS] name."""

    name: Name
    if_exists: bool = False
    name_span: Span | None = None


@dataclass(frozen=True)
class ShowModels(Statement):
    """SHOW MODELS [IN schema] [LIKE pattern]."""

    schema: Name = ()
    pattern: str | None = None


@dataclass(frozen=True)
class DescribeModel(Statement):
    """DESCRIBE MODEL, DESCRIBE HISTORY MODEL, SHOW CREATE MODEL; `kind` is model, history or create."""

    kind: str
    name: Name
    version: ModelVersionRef = field(default_factory=ModelVersionRef)
    name_span: Span | None = None


@dataclass(frozen=True)
class AlterModel(Statement):
    """ALTER MODEL: SET OPTIONS (...), SET ALIAS a = VERSION n, UNSET ALIAS a, RENAME TO n."""

    name: Name
    action: str  # options, alias, unalias, rename
    options: tuple[ModelOption, ...] = ()
    alias: str = ""
    version: ModelVersionRef = field(default_factory=ModelVersionRef)
    new_name: Name = ()
    name_span: Span | None = None


@dataclass(frozen=True)
class ExportModel(Statement):
    """EXPORT MODEL name [VERSION AS OF n] TO 'path' [FORMAT format]."""

    name: Name
    version: ModelVersionRef
    path: str
    format: str | None = None
    name_span: Span | None = None
    path_span: Span | None = None


@dataclass(frozen=True)
class RefreshModel(Statement):
    """REFRESH MODEL name [OPTIONS (...)]: train the stored statement again on today's data."""

    name: Name
    options: tuple[ModelOption, ...] = ()
    name_span: Span | None = None


@dataclass(frozen=True)
class RestoreModel(Statement):
    """RESTORE MODEL name TO VERSION AS OF n: an earlier version becomes the current one."""

    name: Name
    version: ModelVersionRef = field(default_factory=ModelVersionRef)
    name_span: Span | None = None
