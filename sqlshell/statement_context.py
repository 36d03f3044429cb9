"""What the binder sees of a session during one statement."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, NotSupportedError, did_you_mean
from sqlshell.plan.context import TableVersion, ViewDefinition
from sqlshell.storage.source import MemorySource, Source

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.expr.expr import Expr, Literal
    from sqlshell.session import Session

DEFAULT_SCHEMA = "default"

Relation = Source | MemorySource | ViewDefinition


class StatementContext:
    """What the binder sees of a session during one statement: one `now`, one look at every relation."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._described: dict[tuple[str, str | None, tuple[tuple[str, str], ...]], Source] = {}
        self.now = datetime.now(UTC).replace(tzinfo=None)
        self.settings = session.settings
        self.current_schema = DEFAULT_SCHEMA

    @property
    def current_user(self) -> str:
        """The name of the user who runs this process."""
        import getpass

        return getpass.getuser()

    def resolve_relation(
        self, name: tuple[str, ...], span: Span | None, version: TableVersion | None
    ) -> Relation:
        """A temporary view by name, case-insensitively."""
        if ".".join(name).lower() in self._session.cached:
            return self._session.cached_source(".".join(name).lower())
        found = self._session.views.get(".".join(name).lower())
        if found is None and len(name) == 1 and version is None and looks_like_path(name[0]):
            return self.describe_source(name[0], None, {})  # dialects that quote paths as identifiers
        if found is None:
            raise AnalysisError(
                f"there is no table or view `{'.'.join(name)}`",
                condition="TABLE_OR_VIEW_NOT_FOUND",
                span=span,
                hint=did_you_mean(".".join(name), self._session.views)
                or "query a file by its path: SELECT * FROM 'data/orders.parquet'",
            )
        if version is not None:
            raise NotSupportedError("only tables have versions; this is a view", span=span)
        return found

    def describe_source(self, uri: str, format: str | None, options: dict[str, str]) -> Source:
        """The files at a path; each path is looked at once per statement."""
        key = (uri, format, tuple(sorted(options.items())))
        if key not in self._described:
            self._described[key] = self._session.describe_source(uri, format, options)
        return self._described[key]

    def evaluate(self, exprs: list[Expr]) -> list[Literal]:
        """Values of constant expressions (LIMIT 1 + 1)."""
        return self._session.evaluate(exprs)

    def parse_query(self, text: str, dialect: str) -> Any:
        """The AST of a view's stored query."""
        from sqlshell.parser.parse import parse_statement
        from sqlshell.parser.statement import Query

        statement = parse_statement(text, dialect)
        if not isinstance(statement, Query):
            raise AnalysisError("a view's definition must be a query")
        return statement.ast


def looks_like_path(name: str) -> bool:
    """Whether a quoted identifier can only be meant as a file: it has a directory or a data file's extension."""
    return "/" in name or name.lower().endswith((".parquet", ".csv", ".json", ".jsonl", ".orc", ".arrow"))
