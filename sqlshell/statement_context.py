"""What the binder sees of a session during one statement."""

from __future__ import annotations

import os
from copy import copy
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from sqlshell.errors import AnalysisError, Error
from sqlshell.plan.context import LiteralRows, TableVersion, ViewDefinition
from sqlshell.records import replace
from sqlshell.storage.source import ColumnStats, MemorySource, Source

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.expr.expr import Expr, Literal
    from sqlshell.ml.relations import ModelFunctions
    from sqlshell.plan.context import BoundQuery, FoundVariable, SqlFunction
    from sqlshell.session import Session
    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.delta.table import DeltaTable

DEFAULT_SCHEMA = "default"


def with_distinct(source: Source, payload: dict[str, Any]) -> Source:
    """A table's source with the numbers of distinct values that ANALYZE TABLE counted."""
    columns = payload.get("statistics", {}).get("columns", {})
    if not columns:
        return source
    known = dict(source.stats)
    for name, told in columns.items():
        known[name] = replace(known.get(name, ColumnStats()), distinct=told["distinct"])
    return replace(source, stats=tuple(known.items()))


Relation = Source | MemorySource | ViewDefinition | LiteralRows


class StatementContext:
    """What the binder sees of a session during one statement: one `now`, one look at every relation.

    `as_of` is the instant at which tables are read that have no version of their own: of a view that is read
    TIMESTAMP AS OF, or of a session under SET TIME TRAVEL.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._described: dict[tuple[str, str | None, tuple[tuple[str, str], ...]], Source] = {}
        self._pinned: dict[tuple[str, TableVersion | None], Snapshot] = {}
        self._temporary = True
        self.cached = session.transaction is None
        """Whether CACHE TABLE's copies stand for their tables; in a transaction they are of other versions."""
        self.now = datetime.now(UTC).replace(tzinfo=None)
        self.settings = session.settings
        self.current_schema = session.current_schema
        self.as_of = session.time_travel

    @property
    def session(self) -> Session:
        """Whose statement this is."""
        return self._session

    @property
    def temporary(self) -> bool:
        """Whether the session's temporary views, variables and functions can be seen."""
        return self._temporary

    @property
    def current_user(self) -> str:
        """The name of the user who runs this process."""
        import getpass

        return getpass.getuser()

    def for_view(self, view: ViewDefinition, version: TableVersion | None, span: Span | None) -> Self:
        """What the text of a view sees: the schema it was made in, and the tables as of `version`."""
        if version is not None and version.kind != "timestamp":
            raise AnalysisError(
                f"`{view.key}` is a view: it has no versions of its own",
                condition="UNSUPPORTED_FEATURE.TIME_TRAVEL",
                span=span,
                hint="read it TIMESTAMP AS OF an instant: every table below is then read as of that instant",
            )
        inner = copy(self)
        if view.schema is not None:
            inner.current_schema, inner._temporary = view.schema, False
        inner.as_of = version or self.as_of
        return inner

    def resolve_relation(
        self, name: tuple[str, ...], span: Span | None, version: TableVersion | None
    ) -> Relation:
        """A temporary view, a table or a view of the warehouse, a Delta table by its path; in any case."""
        from sqlshell import relations

        session = self._session
        lowered = ".".join(name).lower()
        if self._temporary:
            if self.cached and lowered in session.cached and version is None and self.as_of is None:
                return session.cached.source(lowered)
            temporary = session.views.get(lowered)
            if isinstance(temporary, ViewDefinition):
                return temporary
            if temporary is not None:
                self._plain(version or self.as_of, f"`{lowered}` is a view over files", span)
                return temporary
        if len(name) == 1 and version is None and looks_like_path(name[0]):
            return self.describe_source(name[0], None, {})  # dialects that quote paths as identifiers
        by_path = relations.path_table(name, str(self.settings.get("sqlshell.timeZone")))
        if by_path is not None:
            path, own = by_path
            if own is not None and version is not None:
                raise AnalysisError(
                    "the version is given twice", condition="DELTA_UNSUPPORTED_TIME_TRAVEL_MULTIPLE_FORMATS",
                    span=span,
                )  # fmt: skip
            return self._delta(path, f"delta.`{path}`", span, own or version)
        if len(name) > 1 and name[-2].lower() == relations.INFORMATION_SCHEMA:
            from sqlshell.information_schema import rows_of

            self._plain(version, f"`{lowered}` describes the present", span)
            return rows_of(session, name, span)
        if len(name) == 3 and name[0].lower() == "system":
            from sqlshell.ml import tracking

            if tracking.is_system(name):
                self._plain(version, f"`{lowered}` describes the present", span)
                return tracking.rows_of(session.models, name, span)
        return self._from_catalog(name, span, version)

    def _from_catalog(
        self, name: tuple[str, ...], span: Span | None, version: TableVersion | None
    ) -> Relation:
        from sqlshell import relations
        from sqlshell.storage.catalog import RELATION
        from sqlshell.types_ddl import parse_schema

        session = self._session
        found = None
        if len(name) < 3 or name[0].lower() in relations.CATALOGS:
            qualified = relations.qualify(name, self.current_schema, span)
            found = session.catalog.get(RELATION, qualified)
        if found is None:
            branch = relations.branch_location(session, name)
            if branch is not None:
                return self._delta(branch[1], branch[0], span, version)
            raise relations.not_found(session, name, span)
        payload = found.payload
        if found.kind == "view":
            return ViewDefinition(
                found.full_name,
                payload["text"],
                tuple(payload.get("columns", ())),
                schema=payload["schema"],
                names=tuple(payload.get("names", ())),
            )
        location = session.catalog.location(found)
        if relations.is_delta(found):
            return with_distinct(self._delta(location, found.full_name, span, version), payload)
        self._plain(
            version or self.as_of, f"`{found.full_name}` is a table over {payload['provider']} files", span
        )
        schema = parse_schema(payload["schema"]) if payload.get("schema") else None
        source = session.describe_source(location, payload["provider"], payload.get("options", {}), schema)
        return with_distinct(replace(source, name=found.full_name), payload)

    def _delta(self, location: str, name: str, span: Span | None, version: TableVersion | None) -> Source:
        try:
            return self.delta_source(location, version, name)
        except Error as e:
            e.span = e.span or span
            raise

    def delta_source(
        self, location: str, version: TableVersion | None = None, name: str | None = None
    ) -> Source:
        """The Delta table at a location, at a version, at `as_of`, or at the version this statement first saw.

        `name` is what EXPLAIN and messages call it. Raises DELTA_TABLE_NOT_FOUND, and for versions what
        `time_travel.resolve` and `check_files` raise.
        """
        from sqlshell.storage.delta.source import source_of

        table = self._session.tables.open(location, os.getcwd())
        snapshot = self.pin(table, version)
        if version is None:
            table.was_queried()
        return source_of(snapshot, name or f"delta.`{location}`")

    def delta_table(self, name: tuple[str, ...], span: Span | None) -> tuple[DeltaTable, str]:
        """The Delta table called `name`, and what EXPLAIN calls it. Raises for views, other formats, missing names."""
        from sqlshell import relations

        qualified = name
        if len(name) == 1 and name[0].lower() not in self._session.views:
            qualified = (self.current_schema, *name)
        found = relations.target(self._session, qualified, span, what="looking through a table's versions")
        return found.table, found.name

    def pin(self, table: DeltaTable, version: TableVersion | None = None) -> Snapshot:
        """The snapshot that this statement reads of a table: looked up once per statement."""
        from sqlshell.storage.delta.time_travel import check_files

        wanted = version or self.as_of
        key = (table.location, wanted)
        if key in self._pinned:
            return self._pinned[key]
        snapshot = table.latest()
        named = self._named(table, version)
        if named is not None:
            snapshot = table.snapshot(named)
            check_files(table, snapshot)
        elif wanted is not None:
            # An instant that a whole view or session is read at lies after the last commit of most tables.
            pushed = version is None and isinstance(wanted.value, datetime) and wanted.value <= self.now
            lenient = pushed or bool(self.settings.get("sqlshell.timeTravel.lenient"))
            zone = str(self.settings.get("sqlshell.timeZone"))
            snapshot = table.snapshot(table.resolve(wanted, zone=zone, lenient=lenient))
            check_files(table, snapshot)
        self._pinned[key] = snapshot
        return snapshot

    def _named(self, table: DeltaTable, version: TableVersion | None) -> int | None:
        """The version that a tag names: that of VERSION AS OF 'tag', or of SET TIME TRAVEL TO TAG."""
        if version is None and self.as_of is self._session.time_travel:
            return self._session.lake_pins.get(table.location)
        if version is None or not isinstance(version.value, str):
            return None
        from sqlshell.storage.tags import tagged_version

        return tagged_version(self._session.catalog, table.location, version.value)

    def resolve_variable(self, name: tuple[str, ...]) -> FoundVariable | None:
        """A variable of the running script or of the session; what the warehouse stores sees none."""
        return self._session.variable(name) if self._temporary else None

    def resolve_function(self, name: tuple[str, ...]) -> SqlFunction | None:
        """A temporary function of the session, else one that the warehouse stores."""
        from sqlshell import relations
        from sqlshell.plan.stored_function import KIND, function_of

        parts = tuple(p.lower() for p in name)
        if parts[:-1] in ((), ("session",), ("system", "session")):
            temporary = self._session.functions.get(parts[-1]) if self._temporary else None
            if temporary is not None or len(parts) > 1:
                return temporary
        if len(parts) > 3 or (len(parts) == 3 and parts[0] not in relations.CATALOGS):
            return None
        found = self._session.catalog.get(KIND, relations.qualify(parts, self.current_schema))
        return None if found is None else function_of(found)

    def for_function(self, fn: SqlFunction) -> Self:
        """What the text of a function sees: of a stored one, the schema it was made in and nothing of the session."""
        if fn.schema is None:
            return self
        inner = copy(self)
        inner.current_schema, inner._temporary = fn.schema, False
        return inner

    def describe_source(self, uri: str, format: str | None, options: dict[str, str]) -> Source:
        """The files at a path; each path is looked at once per statement."""
        from sqlshell.relations import has_log

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
        self._plain(self.as_of, f"'{uri}' is plain files", None)
        key = (uri, format, tuple(sorted(options.items())))
        if key not in self._described:
            self._described[key] = self._session.describe_source(uri, format, options)
        return self._described[key]

    def _plain(self, version: TableVersion | None, what: str, span: Span | None) -> None:
        """Refuse to look back in time at what keeps no history."""
        if version is not None:
            raise AnalysisError(
                f"{what}: there is no history to travel in",
                condition="UNSUPPORTED_FEATURE.TIME_TRAVEL",
                span=span,
                hint="only Delta tables keep their history",
            )

    @cached_property
    def _model_functions(self) -> ModelFunctions:
        from sqlshell.ml.relations import ModelFunctions

        return ModelFunctions(self, self._session.models)

    def model_relation(
        self,
        name: str,
        reference: str,
        span: Span | None,
        data: BoundQuery | None,
        options: dict[str, Any],
    ) -> tuple[BoundQuery, str | None]:
        """The rows of a model's table function; with a text, they are that query's `__input`."""
        return self._model_functions.relation(name, reference, span, data, options)

    def model_value(self, name: str, reference: str, span: Span | None, inputs: dict[str, Expr]) -> Expr:
        """What a model says of one row."""
        return self._model_functions.value(name, reference, span, inputs)

    def unknown_model_function(self, name: str, span: Span | None) -> Error:
        """The error for an ml_ function that cannot stand here."""
        from sqlshell.ml.features import unknown

        return unknown(name, span)

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

    def parse_stored(self, owner: str, text: str, dialect: str, prefix: str = "") -> tuple[Any, str]:
        """The AST of `prefix` and a stored text, and that text in our dialect; errors know whose it is."""
        from sqlshell.parser.parse import parse_statement
        from sqlshell.parser.statement import Query

        base = self._session.origins.base
        try:
            statement = parse_statement(prefix + text, dialect)
        except Error as e:
            if e.span is not None:
                shift = base(owner, text) - len(prefix)
                e.span = (e.span[0] + shift, e.span[1] + shift)
            raise
        if not isinstance(statement, Query):
            raise AnalysisError("a view's definition must be a query")
        stored = statement.text.removeprefix(prefix)
        shift = base(owner, stored) - len(prefix)
        for node in statement.ast.walk():
            if "start" in node.meta:
                node.meta["start"] += shift
                node.meta["end"] += shift
        return statement.ast, stored


def looks_like_path(name: str) -> bool:
    """Whether a quoted identifier can only be meant as a file: it has a directory or a data file's extension."""
    return "/" in name or name.lower().endswith((".parquet", ".csv", ".json", ".jsonl", ".orc", ".arrow"))


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
