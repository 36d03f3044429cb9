"""What the binder sees of a session during one statement."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, NotSupportedError, did_you_mean
from sqlshell.plan.context import TableVersion, ViewDefinition
from sqlshell.storage.source import MemorySource, Source

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.expr.expr import Expr, Literal
    from sqlshell.session import Session
    from sqlshell.storage.delta.snapshot import Snapshot

DEFAULT_SCHEMA = "default"

Relation = Source | MemorySource | ViewDefinition


class StatementContext:
    """What the binder sees of a session during one statement: one `now`, one look at every relation."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._described: dict[tuple[str, str | None, tuple[tuple[str, str], ...]], Source] = {}
        self._pinned: dict[tuple[str, TableVersion | None], Snapshot] = {}
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
        if len(name) == 2 and name[0].lower() == "delta":
            return self.delta_source(name[1], version)
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
        if (format or "").lower() == "delta":
            return self.delta_source(uri, version_option(options))
        if format in {None, "parquet"} and has_log(uri):
            if format is None:
                return self.delta_source(uri, version_option(options))
            raise AnalysisError(
                f"'{uri}' is a Delta table: as plain Parquet files it would show deleted rows",
                condition="DELTA_INVALID_FORMAT",
                hint=f"query delta.`{uri}`",
            )
        key = (uri, format, tuple(sorted(options.items())))
        if key not in self._described:
            self._described[key] = self._session.describe_source(uri, format, options)
        return self._described[key]

    def delta_source(
        self, location: str, version: TableVersion | None = None, name: str | None = None
    ) -> Source:
        """The Delta table at a location (`/path`, `/path@v3`), each version pinned once per statement.

        `name` is what EXPLAIN and messages call it. Raises DELTA_TABLE_NOT_FOUND, and for versions what
        `time_travel.resolve` and `check_files` raise.
        """
        from sqlshell.storage.delta import time_travel
        from sqlshell.storage.delta.source import source_of

        if version is None and not has_log(location):
            location, version = split_version(location)
        key = (os.path.abspath(os.path.expanduser(location)), version)
        if key not in self._pinned:
            table = self._session.tables.open(location, os.getcwd())
            snapshot = table.latest()
            if version is not None:
                settings = self.settings
                number = table.resolve(
                    version,
                    zone=settings.get("sqlshell.timeZone"),
                    lenient=settings.get("sqlshell.timeTravel.lenient"),
                )
                snapshot = table.snapshot(number)
                time_travel.check_files(table, snapshot)
            self._pinned[key] = snapshot
        return source_of(self._pinned[key], name or f"delta.`{location}`")

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


def has_log(uri: str) -> bool:
    """Whether a local path is a Delta table."""
    return "://" not in uri and os.path.isdir(os.path.join(os.path.expanduser(uri), "_delta_log"))


def split_version(path: str) -> tuple[str, TableVersion | None]:
    """A path that ends in `@v3` as Delta's path syntax has it: the path and the version."""
    head, at, tail = path.rpartition("@")
    if at and tail[:1] in {"v", "V"} and tail[1:].isdecimal():
        return head, TableVersion("version", int(tail[1:]))
    return path, None


def version_option(options: dict[str, str]) -> TableVersion | None:
    """The reader option `versionAsOf`; raises INVALID_OPTION for any other."""
    version = None
    for key, value in options.items():
        if key.lower() != "versionasof":
            raise AnalysisError(f"delta has no option {key}", condition="INVALID_OPTION")
        if not value.strip().isdecimal():
            raise AnalysisError(f"versionAsOf takes a number, not '{value}'", condition="INVALID_OPTION")
        version = TableVersion("version", int(value))
    return version
