"""`--check`: parse and bind a script without running it, going on after errors.

Views, settings, variables, `_` and the columns of tables that the script itself makes are known to the statements
after them; the session's own views and settings are put back in the end. Variables whose value only a run can tell
are NULL.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from sqlshell.errors import Error
from sqlshell.parser.parse import parse_statement
from sqlshell.parser.statement import CreateView, DropView, Explain, Query, Reset, SetVariable, Statement
from sqlshell.shell.exits import EXIT_OK, EXIT_SQL, exit_code, report
from sqlshell.shell.script import Step, steps
from sqlshell.storage.source import MemorySource
from sqlshell.types import Field, Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlshell.plan.context import BoundQuery
    from sqlshell.session import Session

_RUN = (CreateView, DropView, SetVariable, Reset)
"""These change nothing but the session, and later statements need them."""
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
    views, settings = dict(session.views), session.settings.state()
    checker = Checker(session, dict(variables or {}))
    code = EXIT_OK
    count = 0
    try:
        for step in steps(text):
            count += 1
            try:
                checker.step(step)
            except Error as e:
                report(e, step.text or None, name, step.line, form=errors)
                code = code or exit_code(e) or EXIT_SQL
    finally:
        session.views.clear()
        session.views.update(views)
        session.settings.restore(settings)
    if code == EXIT_OK and errors == "text":
        sys.stderr.write(f"{name or 'statements'}: {count} checked, nothing wrong\n")
    return code


class Checker:
    """Checks the steps of a script one by one; `variables` are the values of `:name`."""

    def __init__(self, session: Session, variables: dict[str, Any]) -> None:
        self.session = session
        self.variables = variables

    def step(self, step: Step) -> None:
        """Raise what is wrong with one step."""
        if step.is_command:
            self._command(step)
            return
        bound = self.statement(step.text)
        if bound is not None and step.name == "gset":
            self.variables.update({step.argument + n: None for n in bound.names})

    def _command(self, step: Step) -> None:
        from sqlshell.shell.dots import find
        from sqlshell.shell.dots.control import LOOP, as_query, with_message

        find(step.name)
        if step.name in _EXPRESSIONS:
            self.statement(as_query(with_message(step.argument)[0]))
        elif step.name == "set":
            name, _, expression = step.argument.partition("=")
            self.statement(as_query(expression))
            self.variables[name.strip()] = None
        elif step.name == "foreach" and (loop := LOOP.fullmatch(step.argument)):
            self.statement(loop["query"])
            self.variables.update(dict.fromkeys(re.split(r"\s*,\s*", loop["names"])))

    def statement(self, text: str) -> BoundQuery | None:
        """Raise what is wrong with one statement; gives its bound query where it has one."""
        session = self.session
        try:
            ready, dialect = text, session.dialect
            if self.variables:
                from sqlshell.parser.parameters import substitute

                ready, dialect = substitute(text, self.variables, dialect), "spark"
            statement: Statement = parse_statement(ready, dialect)
            if isinstance(statement, Explain):
                statement = statement.statement
            if isinstance(statement, _RUN):
                session.execute(ready).close()
                return None
            query = statement if isinstance(statement, Query) else getattr(statement, "query", None)
            if not isinstance(query, Query):
                return None
            bound = session.bind(query)
            target: Any = ("_",) if query is statement else getattr(statement, "name", None)
            if target and (query is statement or type(statement).__name__.startswith("Create")):
                columns = zip(bound.names, bound.plan.output, strict=True)
                schema = Struct(tuple(Field(n, c.type, c.nullable) for n, c in columns))
                session.views[".".join(target).lower()] = MemorySource(target[-1], schema, (), 0, 0)
        except Error as e:
            session.origins.place(e, text)
            raise
        return bound
