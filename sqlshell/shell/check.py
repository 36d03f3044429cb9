"""`--check`: a script gone through without running it, on after errors.

Every statement is parsed and bound. Statements that make, change or drop objects run in a rehearsal
(`storage/rehearsal.py`) on a session of its own, so that later statements see their tables, views, columns and schemas,
and nothing of it stays. What only a run can tell (values of variables, rows, models) is NULL or unknown.
"""

from __future__ import annotations

import contextlib
import re
import sys
from typing import TYPE_CHECKING, Any

from sqlshell.errors import Error
from sqlshell.parser import statement as st
from sqlshell.parser.parse import parse_statement
from sqlshell.parser.statement_dml import CopyInto, CopyTo
from sqlshell.parser.statement_maintenance import CloneTable
from sqlshell.parser.statement_model import CreateModel
from sqlshell.parser.statement_script import SetVariables
from sqlshell.parser.statement_table import AddConstraint, Alter, ColumnDef, CreateTable
from sqlshell.records import replace
from sqlshell.session import Session
from sqlshell.shell.exits import EXIT_OK, EXIT_SQL, UsageError, exit_code, report
from sqlshell.shell.script import SOURCE, Step, nodes, steps
from sqlshell.storage import rehearsal
from sqlshell.storage.source import MemorySource
from sqlshell.storage.uri import resolve
from sqlshell.types import Field, Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlshell.plan.context import BoundQuery
    from sqlshell.plan.logical import Plan

_REHEARSED = frozenset({
    "CreateView", "DropView", "SetVariable", "Reset", "UseSchema", "CreateTableLike", "DropTable", "Undrop", "Truncate",
    "CommentOn", "CreateSchema", "DropSchema", "SetTimeTravel", "Show", "Describe", "ShowModels", "DescribeModel",
    "DropModel", "AlterModel", "RestoreModel", "DeclareVariables", "DropVariable", "CreateFunction",
    "CreatePythonFunction", "DropFunction",
    "CreateSecret", "DropSecret", "ShowSecrets", "UncacheTable", "ClearCache", "CreateTag", "DropTag", "ShowTags",
    "CreateBranch", "ShowBranches", "RestoreTable", "TransactionStep",
})  # fmt: skip
"""These read and write logs and catalogs alone."""
_PLANNED = frozenset({"Insert", "Delete", "Update", "Merge", "CreateModel"})
_EXPRESSIONS = {"if", "elif", "assert"}


def check_script(
    session: Session,
    text: str,
    name: str | None = None,
    *,
    errors: str = "text",
    variables: Mapping[str, Any] | None = None,
) -> int:
    """Report everything that is wrong; gives the exit code."""
    with rehearsing(session) as other:
        checker = Checker(other, dict(variables or {}), errors)
        checker.script(text, name)
    if checker.code == EXIT_OK and errors == "text":
        unknown = f", {checker.unknown} of them only parsed" if checker.unknown else ""
        sys.stderr.write(f"{name or 'statements'}: {checker.count} checked{unknown}, nothing wrong\n")
    return checker.code


@contextlib.contextmanager
def rehearsing(session: Session) -> Iterator[Session]:
    """A session like this one, on the same workers, whose changes stay nowhere."""
    other = Session(
        dialect=session.dialect, warehouse=session.catalog.warehouse, warm=False, engine=session.engine
    )
    other.take_state(session)
    with rehearsal.begin(), other:
        yield other


class Checker:
    """Checks the steps of scripts one by one; `variables` are the values of `:name`."""

    def __init__(self, session: Session, variables: dict[str, Any], errors: str = "text") -> None:
        self.session = session
        self.variables = variables
        self.errors = errors
        self.code = EXIT_OK
        self.count = 0
        self.unknown = 0
        """Statements of which nothing can be known without running them."""
        self.name: str | None = None
        """The script that is gone through."""
        self._models: set[str] = set()
        self._blocks = self._depth = 0

    def script(self, text: str, name: str | None = None) -> None:
        """Check a script to its end, reporting what is wrong."""
        outer, self.name = self.name, name
        found = list(steps(text))
        try:
            nodes(found)
        except Error as e:
            self._report(e, None, name)
        for step in found:
            self.count += 1
            try:
                self.step(step)
            except Error as e:
                if not self._may_be_fine(e):
                    self._report(e, step, name)
        self.name = outer

    def _report(self, error: Error, step: Step | None, name: str | None) -> None:
        text, line = (None, 1) if step is None else (step.text or None, step.line)
        report(error, text, name, line, form=self.errors)
        self.code = self.code or exit_code(error) or EXIT_SQL

    def _may_be_fine(self, error: Error) -> bool:
        """Whether it only looks wrong: both branches of an .if were gone through, models were not trained."""
        if error.condition == "MODEL_NOT_FOUND" and any(
            f"`{m}`" in error.message.lower() for m in self._models
        ):
            self.unknown += 1
            return True
        return self._blocks > 0 and error.condition.endswith(("ALREADY_EXISTS", "NOT_FOUND"))

    def step(self, step: Step) -> None:
        """Raise what is wrong with one step."""
        source = SOURCE.fullmatch(step.text)
        if step.is_command:
            self._command(step)
        elif source is not None:
            self._read(source["path"])
        else:
            bound = self.statement(step.text)
            if bound is not None and step.name == "gset":
                self.variables.update({step.argument + n: None for n in bound.names})

    def _command(self, step: Step) -> None:
        from sqlshell.shell.dots import find
        from sqlshell.shell.dots.control import LOOP, as_query, with_message

        name = find(step.name).name
        self._blocks += (name in ("if", "foreach")) - (name == "end")
        if name in _EXPRESSIONS:
            self.statement(as_query(with_message(step.argument)[0]))
        elif name == "set":
            variable, _, expression = step.argument.partition("=")
            self.statement(as_query(expression))
            self.variables[variable.strip()] = None
        elif name == "foreach" and (loop := LOOP.fullmatch(step.argument)):
            self.statement(loop["query"])
            self.variables.update(dict.fromkeys(re.split(r"\s*,\s*", loop["names"])))
        elif name == "read":
            self._read(step.argument)

    def _read(self, path: str) -> None:
        path = path.strip("'\"")
        if self._depth >= 16:
            raise UsageError(f"scripts read each other without end: {path}")
        try:
            with open(resolve(path), encoding="utf-8") as f:
                text = f.read()
        except (OSError, UnicodeDecodeError) as e:
            raise UsageError(f"cannot read {path}: {e}") from None
        self._depth += 1
        self.script(text, path)
        self._depth -= 1

    def statement(self, text: str) -> BoundQuery | None:
        """Raise what is wrong with one statement; gives its bound query where it is one."""
        session = self.session
        ready, dialect = text, session.dialect
        try:
            if self.variables:
                from sqlshell.parser.parameters import substitute

                ready, dialect = substitute(text, self.variables, dialect), "spark"
            return self._checked(parse_statement(ready, dialect), ready)
        except Error as e:
            session.origins.place(e, ready)
            raise

    def _checked(self, statement: st.Statement, text: str) -> BoundQuery | None:
        session = self.session
        session.check_allowed(statement)
        kind = type(statement).__name__
        match statement:
            case st.Query():
                return self._result(session.bind(statement))
            case st.Explain():
                self._checked(statement.statement, text)
            case CreateTable(query=st.Query() as query):
                bound = session.bind(query)
                self.reads(bound.plan)
                self._run(_without_rows(statement, bound))
            case Alter(action=AddConstraint()):  # which looks at the rows
                self._target(statement.name)
            case CloneTable():
                self._run(replace(statement, shallow=True))
            case CopyTo():
                self.reads(session.bind(statement.query).plan)
            case CopyInto():
                self._target(statement.target.name)
            case st.CacheTable():
                if statement.query is not None:
                    self._run(replace(statement, lazy=True))
                else:
                    session.bind_text("SELECT * FROM " + ".".join(f"`{p}`" for p in statement.name))
            case st.Summarize():
                self.reads(session.bind_text(statement.source).plan)
            case SetVariables():
                for value in (statement.query, *statement.values):
                    if isinstance(value, st.Query):
                        session.bind(value)
            case _ if kind in _PLANNED:
                self._planned(statement)
            case _ if kind in _REHEARSED or kind in ("CreateTable", "Alter"):
                session.execute(text).close()
            case _:
                self.unknown += 1
        return None

    def _result(self, bound: BoundQuery) -> BoundQuery:
        """A query's columns, which `_` has from now on."""
        self.reads(bound.plan)
        columns = zip(bound.names, bound.plan.output, strict=True)
        schema = Struct(tuple(Field(n, c.type, c.nullable) for n, c in columns))
        self.session.views["_"] = MemorySource("_", schema, (), 0, 0)
        return bound

    def _planned(self, statement: st.Statement) -> None:
        from sqlshell.commands.explain_write import planned

        if isinstance(statement, CreateModel):
            self._models.add(statement.name[-1].lower())
        self.reads(planned(self.session, statement).plan)

    def _run(self, statement: st.Statement) -> None:
        from sqlshell.commands import run_command

        run_command(self.session, statement).close()

    def _target(self, name: tuple[str, ...]) -> None:
        from sqlshell.relations import target

        target(self.session, name, None)

    def reads(self, plan: Plan) -> None:
        """What a statement would read: a bound plan (`--estimate` looks at it)."""


def _without_rows(statement: CreateTable, bound: BoundQuery) -> CreateTable:
    """CREATE TABLE AS as the CREATE TABLE of its columns."""
    found = zip(bound.names, bound.plan.output, strict=True)
    columns = tuple(ColumnDef(n, c.type, c.nullable, span=statement.name_span) for n, c in found)
    return replace(statement, query=None, columns=statement.columns or columns)
