"""A session: one user's settings, views and workers. All doors (REPL, scripts, connector) call `execute`.

The life of a statement:

1. `parser.script.split` cuts a script; `parser.parse.parse_statement` makes a frozen `Statement`.
2. Commands (SET, SHOW, CREATE VIEW ...) are answered by `commands.run_command`.
3. A query is bound (`plan.bind.Binder`): names become column ids and types, everything is checked. sqlglot ends.
4. `optimizer.driver.optimize` rewrites the plan, rule by rule.
5. `exec.planner.plan_stages` cuts it into a stage graph; `exec.engine.Engine` runs that on worker processes.
6. The answer is a `Result`: plain rows, or Arrow IPC files that are mapped when fetched.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from sqlshell.cached_views import CachedViews
from sqlshell.config import Controls, Settings
from sqlshell.errors import AnalysisError, Error, InterfaceError, InternalError, SafeModeError
from sqlshell.expr.expr import Literal
from sqlshell.origins import Origins
from sqlshell.plan.literal_rows import literal_rows
from sqlshell.plan.logical import Limit
from sqlshell.records import dataclass, replace
from sqlshell.result import Result, unique_names
from sqlshell.statement_context import DEFAULT_SCHEMA, StatementContext
from sqlshell.storage.policy import within
from sqlshell.storage.uri import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlshell.commands.profile import Profile
    from sqlshell.commands.variables import Frame
    from sqlshell.exec.engine import Engine
    from sqlshell.exec.export import Export
    from sqlshell.exec.gang import GangResult
    from sqlshell.exec.running import ResultHandle
    from sqlshell.exec.stage import Stage, StageGraph
    from sqlshell.exec.task import TaskResult
    from sqlshell.expr.expr import Expr
    from sqlshell.optimizer.driver import Optimized
    from sqlshell.parser.parameters import Parameters
    from sqlshell.parser.statement import Query, Statement
    from sqlshell.plan.context import BoundQuery, FoundVariable, SqlFunction, TableVersion
    from sqlshell.plan.logical import Plan
    from sqlshell.statement_context import Relation
    from sqlshell.storage.catalog import Catalog
    from sqlshell.storage.delta.staged import StagedTables
    from sqlshell.storage.delta.table import DeltaTable, DeltaTables
    from sqlshell.storage.models import Models
    from sqlshell.storage.policy import Policy
    from sqlshell.storage.secrets import Secret
    from sqlshell.storage.source import Source
    from sqlshell.types import Field, Struct

OWN = ("spark", "databricks")
_SCRIPT = re.compile(r"\s*BEGIN\b", re.IGNORECASE)
"""The statements of a script are read one by one, as they run."""


@dataclass
class Timings:
    """Seconds the last statement spent in each step."""

    parse: float = 0.0
    bind: float = 0.0
    optimize: float = 0.0
    plan: float = 0.0
    run: float = 0.0
    """Until the first rows are there."""


class Session:
    """Executes statements; owns settings, temporary views, registered data and the worker engine.

    `dialect` is how input text is read; `workers` above 1 makes the pool of worker processes the default;
    `warehouse` is the directory of its tables (default: `storage.catalog.default_warehouse`). `safe` turns safe
    mode on, which reads the paths `allow` (default: the working directory) and the warehouse, and writes there
    with `allow_writes`. `engine` is another session's, whose workers this one uses and does not end.
    Not safe for concurrent statements: use one session per thread (`cancel` may be called from any thread).
    """

    def __init__(
        self,
        *,
        dialect: str = "spark",
        workers: int | None = None,
        settings: Mapping[str, object] | None = None,
        warehouse: str | None = None,
        warm: bool = True,
        engine: Engine | None = None,
        safe: bool = False,
        allow: Sequence[str] = (),
        allow_writes: bool = False,
    ) -> None:
        self.settings = Settings()
        self.controls = Controls()
        self.dialect = dialect
        self.warehouse = warehouse
        self.current_schema = DEFAULT_SCHEMA
        self.time_travel: TableVersion | None = None
        """The instant of SET TIME TRAVEL: everything is read as of it, and nothing can be written."""
        self.transaction: StagedTables | None = None
        """The tables of the open transaction, which `tables` are then, too."""
        self.lake_pins: dict[str, int] = {}
        """The versions of tables, by location, that SET TIME TRAVEL TO TAG goes to."""
        self.views: dict[str, Relation] = {}
        self.cached = CachedViews(self)
        self.functions: dict[str, SqlFunction] = {}
        self.secrets: tuple[Secret, ...] = ()
        self.origins = Origins()
        self._frames: list[Frame] = []
        self.timings = Timings()
        self._last: ResultHandle | None = None
        self.last_profile: Profile | None = None
        """What the last EXPLAIN ANALYZE told."""
        self._sources: dict[tuple[Any, ...], tuple[tuple[Any, ...], Source]] = {}
        self.warnings: list[str] = []
        self._engine = engine
        self._borrowed = engine is not None
        self._models: Models | None = None
        self._closed = False
        self.cancelled = False
        """The running statement was cancelled: what runs no query looks here."""
        if workers is not None:
            self.settings.set("sqlshell.workers", str(workers))
        for key, value in (settings or {}).items():
            if key.lower() == "sqlshell.optimizer.disabled":
                from sqlshell.commands.settings import check_rules

                check_rules(str(value))
            self.settings.set(key, str(value))
        self.policy: Policy | None = None
        """What a safe session may touch; None is a session that trusts its statements."""
        if safe or self.settings.get("sqlshell.safe"):
            self.enter_safe_mode(allow, writes=allow_writes)
        elif allow or allow_writes:
            raise InterfaceError("`allow` and `allow_writes` say what safe mode allows", hint="add safe=True")
        if warm:
            self.engine.warm()

    def enter_safe_mode(self, allow: Sequence[str] = (), *, writes: bool = False) -> None:
        """Turn safe mode on, for good."""
        from sqlshell.safe_mode import enter

        enter(self, allow, writes=writes)

    def confine_workers(self, policy: Policy) -> None:
        """Workers from now on may touch what the policy allows; those that run end."""
        self.engine.policy = policy
        self._sources.clear()

    # -- the doors' side

    def execute(self, text: str, parameters: Parameters | None = None) -> Result:
        """Run one statement, with a sequence of values for its `?` or a dict for its `:name` markers.

        Raises an `Error` that knows the statement's text.
        """
        with within(self.policy):
            return self._answer(text, parameters)

    def _answer(self, text: str, parameters: Parameters | None) -> Result:
        if self._closed:
            raise InterfaceError("the session is closed")
        self.warnings = []
        self.cancelled = False
        used = sys.modules.get("sqlshell.storage.secrets")
        if used is not None:  # loaded by the first CREATE SECRET or s3:// path
            used.put_in_force(self.secrets)
        try:
            if parameters:
                return self._execute(*self._with_parameters(text, parameters))
            return self._execute(text, self.dialect)
        except Error as e:
            self.origins.place(e, text)
            self._hide_secrets(e)
            raise
        except RecursionError:
            error: Error = AnalysisError(
                "the statement is nested too deeply",
                condition="EXPRESSION_NESTING_LIMIT",
                hint="split it with WITH, or write long AND/OR/UNION chains without parentheses",
            )
            error.statement = text
            self._hide_secrets(error)
            raise error from None
        except Exception as e:
            error = InternalError(
                f"{type(e).__name__}: {e}", hint="this is a bug in sqlshell: please report the statement"
            )
            error.statement = text
            if self._hide_secrets(error):
                raise error from None
            raise error from e

    def _hide_secrets(self, error: Error) -> bool:
        """Take credentials out of an error; False when there are none around."""
        if not self.secrets and "secret" not in (error.statement or "").lower():
            return False
        from sqlshell.storage.secrets import hide

        hide(error, self.secrets)
        return True

    def keep_secrets(self, secrets: tuple[Secret, ...]) -> None:
        """The session's credentials for object stores, from now on."""
        from sqlshell.storage.secrets import packed, put_in_force

        self.secrets = secrets
        self.engine.secrets = packed(secrets)
        put_in_force(secrets)
        self._sources.clear()

    def script(self, text: str, parameters: Mapping[str, Any] | None = None) -> Iterator[tuple[str, Result]]:
        """Run the statements of a script one by one: (statement text, result); `:name` markers are shared."""
        from sqlshell.parser.script import split

        for chunk in split(text):
            yield chunk.text, self.execute(chunk.text, parameters)

    def cancel(self) -> None:
        """Stop the running statement, which then raises QUERY_CANCELLED. Safe from other threads and handlers."""
        self.cancelled = True
        if self._engine is not None:
            self._engine.cancel()

    def close(self) -> None:
        """Stop the workers and remove every temporary file; an open transaction is rolled back."""
        if self.transaction is not None:
            from sqlshell.commands.transactions import rollback

            with contextlib.suppress(Error, OSError):
                rollback(self)
        self._closed = True
        if self._engine is not None:
            engine, self._engine = self._engine, None
            if not self._borrowed:
                engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def engine(self) -> Engine:
        """The worker engine, made on first use."""
        if self._engine is None:
            from sqlshell.exec.engine import Engine

            self._engine = Engine(self.settings, self.controls)
        return self._engine

    @cached_property
    def catalog(self) -> Catalog:
        """The schemas, tables and views of the warehouse."""
        from sqlshell.storage.catalog import Catalog

        return Catalog(self.warehouse)

    @property
    def models(self) -> Models:
        """The models of the warehouse."""
        if self._models is None or self._models.catalog is not self.catalog:
            from sqlshell.storage.models import Models

            self._models = Models(self.catalog, lambda: self.current_schema)
        return self._models

    @cached_property
    def tables(self) -> DeltaTables:
        """The Delta tables this session has looked at: a log is replayed once, then only what is new."""
        from sqlshell.storage.delta.table import DeltaTables

        def held(table: DeltaTable) -> list[int]:
            from sqlshell.storage.tags import held_versions

            return held_versions(self.catalog, table)

        found = DeltaTables(self.engine.call, lambda: self.settings.get("sqlshell.commit.userMetadata"), held)
        if self.policy is None and os.path.isdir(os.path.join(self.catalog.warehouse, "_transactions")):
            from sqlshell.storage.delta.transaction import resume

            resume(found, self.catalog.warehouse)
        return found

    def barrier_map(
        self,
        query: str,
        fn: Callable[..., Any] | str,
        ranks: int | None = None,
        *,
        args: tuple[Any, ...] = (),
        partitions: int | None = None,
        **options: Any,
    ) -> GangResult:
        """Run `fn(ctx, partitions, *args)` in `ranks` processes that start together and share the query's rows.

        Options are those of `Engine.run_gang`, which also says what comes back and what is raised.
        """
        if self._closed:
            raise InterfaceError("the session is closed")
        if self.policy is not None:
            raise SafeModeError("safe mode runs no Python functions")
        try:
            bound = self.bind_text(query)
            plan = self.optimize(bound.plan).plan
            from sqlshell.exec.platform import cpu_count

            workers = ranks or self.settings.get("sqlshell.workers") or cpu_count()
            return self.engine.run_gang(
                plan, fn, workers, args=args, names=bound.names, partitions=partitions, **options
            )
        except Error as e:
            self.origins.place(e, query)
            raise

    # -- variables

    @property
    def frames(self) -> list[Frame]:
        """The session's variables, then those of the blocks of a running script, from the outermost."""
        if not self._frames:
            from sqlshell.commands.variables import Frame

            self._frames.append(Frame())
        return self._frames

    def variable(self, name: tuple[str, ...]) -> FoundVariable | None:
        """The variable the first parts of a name mean."""
        if not self._frames:
            return None
        from sqlshell.commands.variables import resolve

        return resolve(self, name)

    def take_state(self, other: Session) -> None:
        """Begin where another session is: its settings, views, functions, variables, schema, instant, policy."""
        from sqlshell.commands.variables import copied

        self.settings.take(other.settings)
        self.views, self.functions = dict(other.views), dict(other.functions)
        self._frames = copied(other.frames)
        self.current_schema, self.time_travel = other.current_schema, other.time_travel
        self.lake_pins, self.secrets, self.policy = other.lake_pins, other.secrets, other.policy

    # -- a statement

    def _with_parameters(self, text: str, parameters: Parameters) -> tuple[str, str]:
        """The statement with its values in it, and the dialect it then is in."""
        from sqlshell.parser.parameters import substitute

        return substitute(text, parameters, self.dialect), "spark"

    def _with_identifiers(self, text: str) -> str:
        """The statement with IDENTIFIER(...) replaced by the names they give."""
        from sqlshell.commands.constants import identifier_value
        from sqlshell.parser.identifier_clause import expand_identifiers

        return expand_identifiers(text, lambda inner, span: identifier_value(self, inner, span))

    def _execute(self, text: str, dialect: str) -> Result:
        from sqlshell.parser.parse import parse_statement
        from sqlshell.parser.statement import Query

        start = time.perf_counter()
        try:
            if "identifier" in text.lower() and dialect in OWN and not _SCRIPT.match(text):
                text = self._with_identifiers(text)
            statement: Statement = parse_statement(text, dialect)
        except Error as e:
            self.origins.place(e, text)
            raise
        self.timings = Timings(parse=time.perf_counter() - start)
        try:
            self.check_allowed(statement)
            if isinstance(statement, Query):
                return self.run_query(statement)
            from sqlshell.commands import run_command

            return run_command(self, statement)
        except Error as e:
            self.origins.place(e, statement.text)  # another dialect's text was rewritten
            raise

    def run_text(self, text: str) -> Result:
        """Run a statement of our own dialect inside another one."""
        return self._execute(text, "spark")

    def run_query(self, query: Query) -> Result:
        """Bind, optimize and run a query."""
        return self.run_bound(self.bind(query), query.text)

    def run_bound(self, bound: BoundQuery, text: str | None = None, *, metered: bool = False) -> Result:
        """Optimize and run a bound query; `text` is its statement, for errors while rows are fetched.

        `metered` counts the rows of each operator for `last_stages`.
        """
        limit = None if self.controls.cuts else self.controls.max_rows
        if limit is not None:
            bound = replace(bound, plan=Limit(bound.plan, limit + 1))
        rows = literal_rows(bound.plan)  # before the optimizer is imported: `SELECT 1` starts fast
        self._last = None
        if rows is not None:
            return Result(bound.fields(bound.plan), rows, warnings=self.warnings, limit=limit)
        optimized = self.optimize(bound.plan)
        fields = bound.fields(optimized.plan)
        start = time.perf_counter()
        graph = self.stages(optimized.plan)
        self.timings.plan = time.perf_counter() - start
        export = _export(self.controls.export, fields)
        start = time.perf_counter()
        self._last = handle = self.engine.run(graph, stream=True, export=export, metered=metered)
        self.timings.run = time.perf_counter() - start
        return Result(
            fields,
            handle.rows_inline,
            paths=handle,
            as_text=export is not None,
            row_count=lambda: handle.rows,
            warnings=self.warnings,
            limit=limit,
            blame=lambda e: self.origins.place(e, text),
            on_close=handle.close,
        )

    @property
    def last_stages(self) -> list[tuple[Stage, list[TaskResult]]]:
        """What ran for the last query, and what each task reported (EXPLAIN ANALYZE)."""
        return [] if self._last is None else self._last.stages

    def bind(self, query: Query) -> BoundQuery:
        """The bound logical plan of a query."""
        from sqlshell.plan.bind import Binder

        start = time.perf_counter()
        with within(self.policy):
            bound = Binder(StatementContext(self)).bind_query(query.ast, query.text)
        self._check_safe(bound.plan, files=False)
        self.timings.bind = time.perf_counter() - start
        return bound

    def check_allowed(self, statement: Statement) -> None:
        """Raises SAFE_MODE for statements that a safe session must not run."""
        if self.policy is not None:
            from sqlshell.safe_mode import check_statement

            check_statement(self.policy, statement)

    def _check_safe(self, plan: Plan, *, files: bool) -> None:
        """Raises SAFE_MODE for plans that a safe session must not run."""
        if self.policy is not None:
            from sqlshell.safe_mode import check_plan

            check_plan(self.policy, plan, files=files)

    def bind_instant(self, query: Query) -> datetime:
        """The value (naive UTC) of `SELECT instant`."""
        from sqlshell.plan.bind import Binder
        from sqlshell.plan.bind_table import instant

        binder = Binder(StatementContext(self))
        binder.text = query.text
        return instant(binder, query.ast.selects[0])

    def bind_text(self, text: str) -> BoundQuery:
        """The bound plan of a stored query."""
        from sqlshell.parser.parse import parse_statement
        from sqlshell.parser.statement import Query

        statement = parse_statement(text)
        assert isinstance(statement, Query)
        return self.bind(statement)

    def optimize(self, plan: Plan) -> Optimized:
        """The optimized plan and the trace of effective rules."""
        from sqlshell.optimizer.driver import optimize

        start = time.perf_counter()
        optimized = optimize(plan, self)
        self.timings.optimize = time.perf_counter() - start
        return optimized

    def check_reading(self, plan: Plan) -> None:
        """Raises READ_LIMIT_EXCEEDED and SAFE_MODE for an optimized plan that may not run."""
        self._check_safe(plan, files=True)
        if self.controls.max_bytes is not None:
            from sqlshell.commands.preflight import check_reading

            check_reading(self, plan, self.controls.max_bytes)

    def stages(self, plan: Plan, *, to_run: bool = True) -> StageGraph:
        """The stage graph of an optimized plan, which is going to run or only to be shown."""
        from sqlshell.exec.planner import plan_stages

        if to_run:
            self.check_reading(plan)
        return plan_stages(plan, self.settings)

    def evaluate(self, exprs: list[Expr]) -> list[Literal]:
        """Values of constant expressions, computed in a worker."""
        values = self.engine.call("evaluate", list(exprs), self.settings.snapshot())
        return [Literal(v, e.type) for v, e in zip(values, exprs, strict=True)]

    def describe_source(
        self, uri: str, format: str | None, options: dict[str, str], schema: Struct | None = None
    ) -> Source:
        """The files at a path, with their schema; looked up in a worker, again only when a file changed."""
        base = os.getcwd()
        key = (uri, format, tuple(sorted(options.items())), schema, base)
        with within(self.policy):
            files = fingerprint(uri, base)
        known = self._sources.get(key)
        if known is not None and known[0] == files:
            return known[1]
        source: Source = self.engine.call("describe_source", uri, format, options, schema, base)
        self._sources[key] = (files, source)
        return source


def _export(format: str | None, fields: list[Field]) -> Export | None:
    """The order to write a result as text, where its types allow that."""
    if format is None:
        return None
    from sqlshell.exec.export import Export, exportable

    if not exportable(format, [f.type for f in fields]):
        return None
    return Export(format, unique_names([f.name for f in fields]))
