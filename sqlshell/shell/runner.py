"""Runs statements for a person or a pipe: prints results, reports errors, turns them into exit codes."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

from sqlshell.errors import Error, InternalError, OperationalError, QueryCancelled, render_error
from sqlshell.shell.cli import EXIT_BUG, EXIT_INTERRUPTED, EXIT_OK, EXIT_SOURCE, EXIT_SQL
from sqlshell.shell.render import write_result

if TYPE_CHECKING:
    from sqlshell.session import Session


class Runner:
    """Runs scripts on one session and writes their results to `out`."""

    def __init__(
        self, session: Session, format: str = "box", *, timer: bool = False, out: TextIO | None = None
    ) -> None:
        self.session = session
        self.format = format
        self.timer = timer
        self.out = out or sys.stdout

    def run_script(self, text: str, name: str | None = None) -> int:
        """Run every statement, stopping at the first error; gives the exit code."""
        from sqlshell.parser.script import split

        try:
            chunks = split(text)
        except Error as e:
            report(e, text, name)
            return EXIT_SQL
        for chunk in chunks:
            code = self.run_statement(chunk.text, name, chunk.line)
            if code != EXIT_OK:
                return code
        return EXIT_OK

    def run_statement(self, text: str, name: str | None = None, line: int = 1) -> int:
        """Run and print one statement; errors are reported on stderr. Ctrl-C cancels it."""
        start = time.perf_counter()
        try:
            result = self.session.execute(text)
            try:
                for warning in result.warnings:
                    sys.stderr.write(f"warning: {warning}\n")
                write_result(result, self.out, self.format)
            finally:
                result.close()
        except KeyboardInterrupt:
            self.session.cancel()
            sys.stderr.write("cancelled\n")
            return EXIT_INTERRUPTED
        except Error as e:
            report(e, text, name, line)
            return exit_code(e)
        if self.timer:
            sys.stderr.write(f"time: {time.perf_counter() - start:.3f} s\n")
        return EXIT_OK


def report(error: Error, text: str | None = None, name: str | None = None, line: int = 1) -> None:
    """Write an error to stderr, with the place in the script where it stands."""
    where = f"{name}:{line}: " if name else ""
    sys.stderr.write(where + render_error(error, error.statement or text) + "\n")


def exit_code(error: Error) -> int:
    """The process's exit code for an error."""
    if isinstance(error, QueryCancelled):
        return EXIT_INTERRUPTED
    if isinstance(error, OperationalError):
        return EXIT_SOURCE
    return EXIT_BUG if isinstance(error, InternalError) else EXIT_SQL
