"""Variables and conditions of scripts: .param, .set, .assert, .if, .foreach, \\gset, \\gexec."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError
from sqlshell.records import replace
from sqlshell.shell.dots import usage
from sqlshell.shell.exits import EXIT_OK, AssertionFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.shell.runner import Runner
    from sqlshell.shell.script import Step

_NAME = re.compile(r"[A-Za-z_]\w*")
LOOP = re.compile(r"(?P<names>[A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)*)\s+in\s+(?P<query>.+)", re.I | re.S)
_QUERY = re.compile(r"\s*(select|with|from|values|table)\b", re.IGNORECASE)


def as_query(expression: str) -> str:
    """An SQL expression as a query; a query stays what it is."""
    return expression if _QUERY.match(expression) else f"SELECT {expression}"


def value_of(runner: Runner, expression: str) -> Any:
    """The one value of an SQL expression or query."""
    result = runner.query(as_query(expression), export=False)
    try:
        rows = list(result.rows())
    finally:
        result.close()
    if len(result.fields) != 1 or len(rows) > 1:
        raise AnalysisError(
            f"one value is needed, not {len(rows)} rows of {len(result.fields)} columns",
            condition="SCALAR_SUBQUERY_TOO_MANY_ROWS",
        )
    return rows[0][0] if rows else None


def holds(runner: Runner, condition: str) -> bool:
    """Whether an SQL condition is true; NULL is not, a number is unless it is 0."""
    if not condition:
        raise UsageError("a condition is missing")
    return bool(value_of(runner, condition))


def check_assertion(runner: Runner, argument: str) -> None:
    """`.assert CONDITION [, MESSAGE]`."""
    if not argument:
        raise usage("assert")
    condition, message = with_message(argument)
    value = value_of(runner, condition)
    if not value:
        shown = "NULL" if value is None else str(value).lower() if isinstance(value, bool) else value
        raise AssertionFailed(message or f"`{condition}` is {shown}")


_MESSAGE = re.compile(r"(?P<condition>.+),\s*'(?P<message>(?:[^']|'')*)'\s*", re.DOTALL)


def with_message(argument: str) -> tuple[str, str | None]:
    """A text behind the last comma is the message, unless the comma is inside parentheses."""
    found = _MESSAGE.fullmatch(argument)
    if found is None or found["condition"].count("(") != found["condition"].count(")"):
        return argument, None
    return found["condition"], found["message"].replace("''", "'")


def set_variable(runner: Runner, argument: str) -> None:
    """`.set NAME = EXPRESSION`."""
    name, equals, expression = argument.partition("=")
    if not equals or not _NAME.fullmatch(name.strip()) or not expression.strip():
        raise usage("set")
    runner.options.variables[name.strip()] = value_of(runner, expression)


def param(runner: Runner, argument: str) -> None:
    """`.param set NAME[:TYPE] VALUE`, `.param list`, `.param unset NAME`."""
    from sqlshell.shell.parameters import typed

    variables = runner.options.variables
    match argument.split(None, 2):
        case ["set", name, value]:
            variables.update([typed(f"{name}={value}")])
        case ["unset", name]:
            variables.pop(name, None)
        case ["list"] | []:
            for name, value in variables.items():
                runner.out.write(f"{name} = {value!r}\n")
        case _:
            raise usage("param")


def loop_rows(runner: Runner, argument: str) -> Iterator[dict[str, Any]]:
    """The values of each row of `.foreach a, b in QUERY`."""
    found = LOOP.fullmatch(argument)
    if found is None:
        raise usage("foreach")
    names = re.split(r"\s*,\s*", found["names"])
    result = runner.query(found["query"], export=False)
    try:
        if len(result.fields) != len(names):
            raise UsageError(f".foreach names {len(names)} columns, the query has {len(result.fields)}")
        rows = list(result.rows())
    finally:
        result.close()
    for row in rows:
        yield dict(zip(names, row, strict=True))


def ended_by(runner: Runner, step: Step) -> int:
    """A statement that ends in \\gset, \\gexec, \\gx, \\G or \\g."""
    match step.name:
        case "gset":
            return _store(runner, step)
        case "gexec":
            return _execute_cells(runner, step)
        case "gx" | "G":
            before, runner.options.format = runner.options.format, "vertical"
            try:
                return runner.execute(step.text)
            finally:
                runner.options.format = before
    if step.argument:
        from sqlshell.shell.dots.output import send_once

        send_once(runner, step.argument)
    return runner.execute(step.text)


def _store(runner: Runner, step: Step) -> int:
    """Columns of the one row become variables, their names behind a prefix."""
    result = runner.query(step.text, export=False)
    try:
        rows = list(result.rows())
    finally:
        result.close()
    if len(rows) != 1:
        raise AnalysisError(f"\\gset needs one row, not {len(rows)}", condition="GSET_NOT_ONE_ROW")
    names = [step.argument + n for n in result.names]
    for name in names:
        if not _NAME.fullmatch(name):
            raise UsageError(f"`{name}` is no name of a variable", hint="name the column with AS")
    runner.options.variables.update(zip(names, rows[0], strict=True))
    return EXIT_OK


def _execute_cells(runner: Runner, step: Step) -> int:
    """Every text of the result is a statement."""
    result = runner.query(step.text, export=False)
    try:
        cells = [cell for row in result.rows() for cell in row if cell is not None]
    finally:
        result.close()
    for cell in cells:
        code = runner.run_step(replace(step, text=str(cell), name="", argument=""))
        if code != EXIT_OK and runner.options.stop:
            return code
    return EXIT_OK
