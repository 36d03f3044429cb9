"""Exit codes, and errors as people and programs get them."""

from __future__ import annotations

import sys
from typing import Any

from sqlshell.errors import (
    Error,
    InternalError,
    OperationalError,
    QueryCancelled,
    QueryTimeout,
    locate,
    render_error,
)

EXIT_OK, EXIT_SQL, EXIT_USAGE, EXIT_SOURCE, EXIT_TIMEOUT, EXIT_ASSERTION = 0, 1, 2, 3, 4, 5
EXIT_BUG, EXIT_INTERRUPTED = 70, 130

EXITS = {
    EXIT_OK: "fine",
    EXIT_SQL: "a statement is wrong, or failed on a value",
    EXIT_USAGE: "the command line or a configuration file is wrong, or a statement would read more than --max-bytes",
    EXIT_SOURCE: "a source, the catalog or the machine failed (files, disk, memory); trying again may help",
    EXIT_TIMEOUT: "a statement ran longer than --timeout",
    EXIT_ASSERTION: "an .assert did not hold",
    EXIT_BUG: "a bug in sqlshell",
    EXIT_INTERRUPTED: "interrupted",
}


class AssertionFailed(Error):
    """An `.assert` of a script did not hold."""

    fault = "data"
    default_condition = "ASSERTION_FAILED"


class UsageError(Error):
    """A command, an option or a configuration file is wrong."""

    default_condition = "INVALID_USAGE"


class Quit(Exception):
    """The user wants to leave."""


def exit_code(error: Error) -> int:
    """The process's exit code for an error."""
    match error:
        case Error(condition="READ_LIMIT_EXCEEDED"):
            return EXIT_USAGE
        case QueryCancelled():
            return EXIT_INTERRUPTED
        case QueryTimeout():
            return EXIT_TIMEOUT
        case AssertionFailed():
            return EXIT_ASSERTION
        case UsageError():
            return EXIT_USAGE
        case OperationalError():
            return EXIT_SOURCE
        case InternalError():
            return EXIT_BUG
    return EXIT_SQL


def report(
    error: Error, text: str | None = None, name: str | None = None, line: int = 1, *, form: str = "text"
) -> None:
    """Write an error to stderr, with the place in the script where it stands."""
    if form == "json":
        import json

        sys.stderr.write(json.dumps(error_record(error, text, name, line), ensure_ascii=False) + "\n")
        return
    where = f"{name}:{line}: " if name else ""
    sys.stderr.write(where + render_error(error, error.statement or text) + "\n")


def error_record(
    error: Error, text: str | None = None, name: str | None = None, line: int = 1
) -> dict[str, Any]:
    """An error as a flat object. `line` and `column` count in the file, `start` and `end` in `statement`."""
    statement = error.statement or text
    record: dict[str, Any] = {
        "error": error.condition,
        "message": error.message,
        "hint": error.hint,
        "fault": error.fault,
        "retryable": error.retryable,
        "exit_code": exit_code(error),
        "file": name,
        "line": line,
        "column": None,
        "start": None,
        "end": None,
        "statement": statement,
    }
    if statement is not None and error.span is not None:
        at = locate(statement, error.span)
        record |= {"line": line + at.line - 1, "column": at.column}
        record |= {"start": error.span[0], "end": error.span[1]}
    return record
