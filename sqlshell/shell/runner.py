"""Runs statements and commands for a person or a pipe: prints results, reports errors, gives exit codes."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from sqlshell.errors import Error, InterfaceError
from sqlshell.records import dataclass, field, replace
from sqlshell.shell.exits import EXIT_INTERRUPTED, EXIT_OK, UsageError, exit_code, report
from sqlshell.shell.output import BINARY, EXPORTED, FOR_PEOPLE, Style, format_of, write_result
from sqlshell.shell.script import SOURCE, Branches, Loop, Node, Step, nodes, steps
from sqlshell.storage.policy import within
from sqlshell.storage.uri import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlshell.result import Result
    from sqlshell.session import Session
    from sqlshell.shell.checkpoint import Checkpoint

_LAST = re.compile(r"(?<![\w`.'\"])_(?![\w`'\"(])|^\s*[.\\]chart\b", re.MULTILINE)
_DEFINED = re.compile(r"\$\{(\w+)\}")


@dataclass
class Options:
    """What the command line or commands set for a run."""

    format: str = "box"
    style: Style = field(default_factory=Style)
    timer: bool = False
    stop: bool = True
    """Whether the first error ends a script."""
    errors: str = "text"
    variables: dict[str, Any] = field(default_factory=dict)
    """Values of `:name` markers."""
    defines: dict[str, str] = field(default_factory=dict)
    """Texts that replace `${name}` before anything is parsed."""
    interactive: bool = False
    auto_width: bool = False
    """Tables take the terminal's width, whatever it is now."""
    keep_last: bool = False
    """Results stay readable as `_`, so workers must not write them as text."""


class Runner:
    """Runs scripts on one session and writes their results to `out`."""

    def __init__(self, session: Session, options: Options | None = None, out: TextIO | None = None) -> None:
        self.session = session
        self.options = options or Options()
        self.out = out or sys.stdout
        self.once: str | None = None
        """A file, or `| command`, that the next result goes to."""
        self.tee: TextIO | None = None
        self.pager: Callable[[], contextlib.AbstractContextManager[TextIO]] | None = None
        self.last: Result | None = None
        self.last_text: str | None = None
        """The last query that was printed."""
        self.failed = EXIT_OK
        """The exit code of the first failure."""
        self.files: contextlib.ExitStack = contextlib.ExitStack()
        self.history: list[str] = []
        self.editing = "emacs"
        self.checkpoint: Checkpoint | None = None
        self._noted: list[tuple[tuple[int, ...], Step, Any]] = []
        """Steps of an open transaction that the checkpoint is still to be told of."""
        self._at: list[int] = []
        """The place of the step that runs, for the checkpoint."""
        self._depth = 0
        self._results = 0

    # -- scripts

    def run_script(self, text: str, name: str | None = None, number: int = 0) -> int:
        """Run every step, up to the first error unless told to go on; gives the exit code.

        `number` tells the scripts of one run apart.
        """
        text = self.define(text)
        if not self.options.interactive:
            self.options.keep_last = _LAST.search(text) is not None
        try:
            tree = nodes(list(steps(text)))
        except Error as e:
            report(e, None, name, form=self.options.errors)
            return self._fail(exit_code(e))
        with self._in(number):
            return self._run(tree, name)

    @contextlib.contextmanager
    def _in(self, place: int) -> Iterator[None]:
        self._at.append(place)
        try:
            yield
        finally:
            self._at.pop()

    def read(self, path: str) -> int:
        """Run a file's script (`.read`, `SOURCE`)."""
        if self._depth >= 16:
            raise UsageError(f"scripts read each other without end: {path}")
        resolve(path)
        try:
            with open(path, encoding="utf-8") as f:
                text = f.read()
        except (OSError, UnicodeDecodeError) as e:
            raise UsageError(f"cannot read {path}: {e}") from None
        self._depth += 1
        try:
            return self.run_script(text, path)
        finally:
            self._depth -= 1

    def define(self, text: str) -> str:
        """A script with `${name}` replaced."""
        defines = self.options.defines
        if not defines:
            return text
        return _DEFINED.sub(lambda m: defines.get(m[1], m[0]), text)

    def _run(self, tree: tuple[Node, ...], name: str | None) -> int:
        for number, node in enumerate(tree):
            with self._in(number):
                match node:
                    case Step():
                        code = self._recorded(node, name)
                    case Branches():
                        code = self._guarded(lambda n=node: self._branch(n, name), node.arms[0][0], name)  # type: ignore[misc]
                    case Loop():
                        code = self._guarded(lambda n=node: self._loop(n, name), node.head, name)  # type: ignore[misc]
            if code == EXIT_INTERRUPTED or (code != EXIT_OK and self.options.stop):
                return code
        return self.failed if not self.options.interactive else EXIT_OK

    def _branch(self, node: Branches, name: str | None) -> int:
        from sqlshell.shell.dots.control import holds

        decided = self._remembered(node.arms[0][0])
        for number, (condition, body) in enumerate(node.arms):
            if (
                condition.name == "else" or holds(self, condition.argument)
                if decided is None
                else decided["arm"] == number
            ):
                if self.checkpoint is not None and decided is None:
                    self.checkpoint.note(self._at, node.arms[0][0], arm=number)
                with self._in(number):
                    return self._run(body, name)
        return EXIT_OK

    def _remembered(self, head: Step) -> dict[str, Any] | None:
        """What a block decided in the run that is resumed."""
        return None if self.checkpoint is None else self.checkpoint.known(self._at, head)

    def _loop(self, node: Loop, name: str | None) -> int:
        for number, values in enumerate(self._turns(node)):
            self.options.variables.update(values)
            with self._in(number):
                code = self._run(node.body, name)
            if code == EXIT_INTERRUPTED or (code != EXIT_OK and self.options.stop):
                return code
        return EXIT_OK

    def _turns(self, node: Loop) -> Iterable[dict[str, Any]]:
        """The values of each turn: with a checkpoint those of the first run."""
        from sqlshell.shell.dots.control import loop_rows

        if self.checkpoint is None:
            return loop_rows(self, node.head.argument)
        from sqlshell.shell.checkpoint import decoded, encoded

        decided = self._remembered(node.head)
        if decided is not None:
            return [dict(decoded(turn)) for turn in decided["turns"]]
        turns = list(loop_rows(self, node.head.argument))
        self.checkpoint.note(self._at, node.head, turns=[encoded(t) for t in turns])
        return turns

    def _recorded(self, step: Step, name: str | None) -> int:
        """Run a step, unless an earlier run has done it; then only what changes the session."""
        checkpoint = self.checkpoint
        if checkpoint is None:
            return self.run_step(step, name)
        from sqlshell.shell.checkpoint import decoded, encoded

        try:
            entry = checkpoint.known(self._at, step)
        except Error as e:
            report(e, None, name, step.line, form=self.options.errors)
            return self._fail(exit_code(e))
        if entry is None:
            code = self.run_step(step, name)
            if code == EXIT_OK:
                self._noted.append((tuple(self._at), step, encoded(self.options.variables)))
            if self.session.transaction is None:  # else it may still be rolled back
                for at, done, variables in self._noted:
                    checkpoint.note(at, done, variables=variables)
                self._noted.clear()
            return code
        code = EXIT_OK
        if self._runs_again(step):
            if step.is_command or SOURCE.fullmatch(step.text) is not None:
                code = self.run_step(step, name)
            else:
                code = self._guarded(lambda: self.query(step.text).close(), step, name)
        self.options.variables.clear()
        self.options.variables.update(decoded(entry["variables"]))
        return code

    def _runs_again(self, step: Step) -> bool:
        """Whether a step that is done changed nothing but its session, which is gone."""
        from sqlshell.parser.parse import parse_statement
        from sqlshell.shell.checkpoint import AGAIN, COMMANDS, TEMPORARY
        from sqlshell.shell.dots import find

        if step.is_command:
            return find(step.name).name in COMMANDS
        if SOURCE.fullmatch(step.text):
            return True  # its steps are looked at one by one
        if step.name:
            return False
        try:
            statement = parse_statement(step.text, self.session.dialect)
        except Error:  # markers stand where no value can: it is no statement of these
            return False
        kind = type(statement).__name__
        if kind == "DropView":
            return ".".join(getattr(statement, "name", ())).lower() in self.session.views
        return kind in AGAIN or (kind in TEMPORARY and bool(getattr(statement, "temporary", False)))

    def run_step(self, step: Step, name: str | None = None) -> int:
        """Run one statement or command."""
        if step.is_command:
            from sqlshell.shell.dots import run_command

            return self._guarded(lambda: run_command(self, step.name, step.argument), step, name)
        source = SOURCE.fullmatch(step.text)
        if source is not None:
            return self._guarded(lambda: self.read(source["path"].strip("'")), step, name)
        if step.name:
            from sqlshell.shell.dots.control import ended_by

            return self._guarded(lambda: ended_by(self, step), step, name)
        return self._guarded(lambda: self.execute(step.text), step, name)

    def _guarded(self, action: Callable[[], int | None], step: Step, name: str | None) -> int:
        """Run an action; its errors are reported on stderr. Ctrl-C cancels it."""
        try:
            with within(self.session.policy):
                code = action() or EXIT_OK
        except KeyboardInterrupt:
            self.session.cancel()
            sys.stderr.write("cancelled\n")
            return self._fail(EXIT_INTERRUPTED)
        except Error as e:
            report(e, step.text or None, name, step.line, form=self.options.errors)
            return self._fail(exit_code(e))
        return code if code == EXIT_OK else self._fail(code)

    def _fail(self, code: int) -> int:
        self.failed = self.failed or code
        return code

    # -- statements

    def execute(self, text: str) -> int:
        """Run and print one statement; raises its error."""
        start = time.perf_counter()
        result = self.query(text)
        if result.is_query:
            self.last_text = text
        self.show(result)
        if self.options.timer:
            sys.stderr.write(f"time: {time.perf_counter() - start:.3f} s\n")
        return EXIT_OK

    def query(self, text: str, *, export: bool = True) -> Result:
        """Run one statement with the variables' values; warnings go to stderr, rows stay to be read."""
        options = self.options
        if _LAST.search(text) and self.last is not None:
            from sqlshell.shell.last import define_last

            define_last(self.session, self.last)
        plain = self.format in EXPORTED and export and not options.keep_last
        wanted = plain and options.style.limit is None and self.tee is None
        self.session.controls.export = self.format if wanted else None
        with self._progress():
            result = self.session.execute(text, options.variables or None)
            if self.format in FOR_PEOPLE or not export:
                result.row_count  # noqa: B018 (it waits for the end, which progress should show)
        for warning in result.warnings:
            sys.stderr.write(f"warning: {warning}\n")
        return result

    def show(self, result: Result) -> None:
        """Print a result where results go; it becomes `_`, or is closed."""
        options = self.options
        try:
            style = replace(options.style, zone=self.session.settings.get("sqlshell.timeZone"))
            if options.auto_width:
                style = replace(style, width=os.get_terminal_size(sys.stdout.fileno()).columns or None)
            name = self.format
            if name in BINARY and result.is_query:
                self._results += 1
                if self._results > 1 and self.once is None:
                    raise InterfaceError(f"a {name} file holds one result", hint="use .once FILE for each")
            with self._target() as out:
                left = write_result(result, out, name, style)
            if left:
                sys.stderr.write(f"{left} rows not shown: --max-rows is {style.limit}\n")
            if self.tee is not None:
                write_result(result, self.tee, name, replace(style, colour=False))
        except BaseException:
            result.close()
            raise
        self.remember(result)

    def remember(self, result: Result) -> None:
        """Keep a query's result as `_`; the one before goes."""
        if not result.is_query or not self.options.keep_last:
            result.close()
            return
        if self.last is not None:
            self.session.views.pop("_", None)
            self.last.close()
        self.last = result

    @property
    def format(self) -> str:
        """The format of the next result: a file's extension decides for `.once`."""
        if self.once is None or self.once.startswith("|"):
            return self.options.format
        return format_of(self.once, self.options.format)

    @contextlib.contextmanager
    def _target(self) -> Iterator[TextIO]:
        once, self.once = self.once, None
        if once is not None:
            from sqlshell.shell.dots.output import destination

            with destination(once) as out:
                yield out
        elif self.pager is not None and self.out is sys.stdout:
            with self.pager() as out:
                yield out
        else:
            yield self.out

    def _progress(self) -> contextlib.AbstractContextManager[None]:
        if not sys.stderr.isatty():
            return contextlib.nullcontext()
        from sqlshell.shell.progress import shown

        return shown(self.session)

    def close(self) -> None:
        """Finish the files that results went to."""
        if self.last is not None:
            self.last.close()
        self.files.close()
        if self.checkpoint is not None:
            self.checkpoint.close(complete=self.failed == EXIT_OK)
            self.checkpoint = None
