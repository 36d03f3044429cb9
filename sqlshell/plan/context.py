"""What the binder needs from its surroundings, as protocols and plain values.

The session implements `BindContext`; tests implement it over in-memory schemas. Nothing here knows files,
processes or sqlglot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self

from sqlshell.records import dataclass
from sqlshell.types import Field

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlshell.errors import Error, Span
    from sqlshell.expr.expr import Expr, Literal
    from sqlshell.expr.python_function import PythonFunction
    from sqlshell.plan.logical import Plan
    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.delta.table import DeltaTable
    from sqlshell.storage.source import MemorySource, Source
    from sqlshell.types import SqlType, Struct


@dataclass(frozen=True)
class TableVersion:
    """A pinned table version: `kind` is "version" (value: int or tag text) or "timestamp" (naive UTC)."""

    kind: str
    value: int | str | datetime


@dataclass(frozen=True)
class ViewDefinition:
    """A view as stored: its query text is bound anew at every use.

    `columns` renames the output when the view was created with a column list. `key` identifies the view in
    the cycle guard (its full name). `schema` is where the names in a persistent view's text start from; None is
    a temporary view, whose names mean what they mean to the session. `names` are what its query gave when the view
    was made: columns that its tables got since are not seen through it.
    """

    key: str
    text: str
    columns: tuple[str, ...] = ()
    dialect: str = "spark"
    schema: str | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class LiteralRows:
    """A relation whose rows are known when it is bound (information_schema)."""

    schema: Struct
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class SqlFunction:
    """A function written in SQL, as stored: its body is bound anew, in place, at every call.

    `parameters` are (name, type, default's text or None). A scalar function's `body` is an expression, that of a
    `table` function a query, whose columns take the names and types of `columns` when there are some. A stored
    function has the `schema` its names start from, and sees nothing of the session. With `python` it is written in
    Python, and the body is its source.
    """

    key: str
    parameters: tuple[tuple[str, SqlType, str | None], ...]
    body: str
    returns: SqlType | None = None
    table: bool = False
    columns: tuple[tuple[str, SqlType], ...] = ()
    comment: str | None = None
    schema: str | None = None
    python: PythonFunction | None = None


@dataclass(frozen=True)
class FoundVariable:
    """A variable by its value now; `shown` is how automatic names show it, `parts` how many of the name it took."""

    value: Literal
    shown: str
    parts: int


class SettingsView(Protocol):
    """The part of `config.Settings` the binder reads."""

    def get(self, key: str) -> Any:
        """The value of a setting, its default when unset."""
        ...


class BindContext(Protocol):
    """What a session hands the binder."""

    @property
    def settings(self) -> SettingsView: ...

    @property
    def now(self) -> datetime:
        """The instant of the statement (naive UTC): every `now()` of one statement is this."""
        ...

    @property
    def current_schema(self) -> str: ...

    @property
    def current_user(self) -> str: ...

    def resolve_relation(
        self, name: tuple[str, ...], span: Span | None, version: TableVersion | None
    ) -> Source | MemorySource | ViewDefinition | LiteralRows:
        """The table or view called `name`; raises TABLE_OR_VIEW_NOT_FOUND with did-you-mean."""
        ...

    def for_view(self, view: ViewDefinition, version: TableVersion | None, span: Span | None) -> Self:
        """The surroundings in which a view's text is bound, its tables read as of `version`."""
        ...

    def delta_table(self, name: tuple[str, ...], span: Span | None) -> tuple[DeltaTable, str]:
        """The Delta table called `name`, and what EXPLAIN calls it."""
        ...

    def pin(self, table: DeltaTable, version: TableVersion | None = None) -> Snapshot:
        """A version of a table, the one this statement first saw when None."""
        ...

    def resolve_variable(self, name: tuple[str, ...]) -> FoundVariable | None:
        """The variable that the first parts of `name` mean; what follows are fields."""
        ...

    def resolve_function(self, name: tuple[str, ...]) -> SqlFunction | None:
        """The SQL function called `name`."""
        ...

    def for_function(self, fn: SqlFunction) -> Self:
        """The surroundings in which a function's text is bound."""
        ...

    def describe_source(self, uri: str, format: str | None, options: dict[str, str]) -> Source:
        """The files at `uri` as a source; the format is guessed when None."""
        ...

    def evaluate(self, exprs: list[Expr]) -> list[Literal]:
        """Values of foldable expressions (LIMIT 1 + 1); plain literals never come here."""
        ...

    def parse_query(self, text: str, dialect: str) -> Any:
        """The AST of a view's stored query (`parser.parse.parse_statement(...).ast`)."""
        ...

    def parse_stored(self, owner: str, text: str, dialect: str, prefix: str = "") -> tuple[Any, str]:
        """The AST of `prefix` and a stored text, and that text; positions count as `Origins` says."""
        ...

    def model_relation(
        self,
        name: str,
        reference: str,
        span: Span | None,
        data: BoundQuery | None,
        options: dict[str, Any],
    ) -> tuple[BoundQuery, str | None]:
        """The rows of a model's table function; with a text, they are that query's `__input`."""
        ...

    def model_value(self, name: str, reference: str, span: Span | None, inputs: dict[str, Expr]) -> Expr:
        """What a model says of one row; `inputs` by lower-case name."""
        ...

    def unknown_model_function(self, name: str, span: Span | None) -> Error:
        """The error for an ml_ function that cannot stand here, or that there is none of."""
        ...


class FeatureBinder(Protocol):
    """Feature functions with statistics, while a model's TRANSFORM is bound."""

    def call(self, name: str, args: list[Any], named: dict[str, Expr], span: Span | None) -> Expr | None:
        """The expression of `name(args)`; None when there is no such function."""
        ...


@dataclass(frozen=True)
class BoundQuery:
    """A bound query: `names[i]` is what people call `plan.output[i]` (duplicates allowed)."""

    plan: Plan
    names: tuple[str, ...]

    def fields(self, plan: Plan) -> list[Field]:
        """The result's fields, as `plan`, which computes it, has them.

        File statistics may show a plan that there is no NULL: users see the schema.
        """
        return [
            Field(name, column.type, column.nullable or before.nullable)
            for name, before, column in zip(self.names, self.plan.output, plan.output, strict=True)
        ]


def names_of(columns: Iterable[Any]) -> tuple[str, ...]:
    """The display names of columns."""
    return tuple(c.name for c in columns)
