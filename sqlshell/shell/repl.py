"""The interactive shell: reads statements until they are complete, runs them, lives on after errors.

The prompt comes first; engine, parser and functions load behind it while the user types. Completion runs in a thread
of its own, never beside a statement: both hold `_session_in_use`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.styles import Style as Colours

from sqlshell.shell.editing import History, SqlCompleter, SqlLexer, bindings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_toolkit.history import History as Past

    from sqlshell.shell.runner import Runner

COLOURS = Colours.from_dict(
    {
        "sql.keyword": "ansiblue bold",
        "sql.string": "ansigreen",
        "sql.number": "ansicyan",
        "sql.comment": "ansibrightblack italic",
        "sql.command": "ansimagenta bold",
        "sql.open": "ansired",
        "prompt": "ansiblue bold",
    }
)
LEAVE = {"quit", "exit", "\\q", ".quit", ".exit"}


class Repl:
    """One interactive run over a session."""

    def __init__(self, runner: Runner, config: dict[str, Any]) -> None:
        self.runner = runner
        self._session_in_use = threading.Lock()
        self._warmed = False
        runner.options.interactive = runner.options.keep_last = True
        runner.editing = config.get("keys", "emacs")
        safe = runner.session.policy is not None
        if config.get("pager", True) and not safe:
            from sqlshell.shell.pager import paged

            runner.pager = paged
        path = Path(config.get("history", "~/.sqlshell_history")).expanduser()
        self.completer = SqlCompleter(runner.session, self._session_in_use)
        self.prompt: PromptSession[str] = PromptSession(
            message=[("class:prompt", "sql> ")],
            prompt_continuation=[("class:prompt", "...> ")],
            multiline=True,
            style=COLOURS,
            lexer=SqlLexer(),
            completer=self.completer,
            complete_while_typing=True,
            complete_in_thread=True,
            auto_suggest=AutoSuggestFromHistory(),
            history=InMemoryHistory() if safe else _history(path),
            enable_open_in_editor=not safe,
            tempfile_suffix=".sql",
            key_bindings=bindings(self.completer),
        )
        self.completer.past = History(self.prompt.history)

    def run(self) -> int:
        """Read and run until Ctrl-D or `.quit`; gives the exit code."""
        from sqlshell.shell.exits import Quit
        from sqlshell.version import __version__

        sys.stderr.write(
            f"sqlshell {__version__}. End statements with ; and leave with Ctrl-D; .help tells more.\n"
        )
        while True:
            vi = self.runner.editing == "vi"
            self.prompt.editing_mode = EditingMode.VI if vi else EditingMode.EMACS
            try:
                text = self.prompt.prompt(pre_run=self._warm)
            except KeyboardInterrupt:
                continue
            except EOFError:
                break
            try:
                if text.strip() and not self._run(text):
                    break
            except Quit:
                break
            except KeyboardInterrupt:  # between two statements
                sys.stderr.write("cancelled\n")
        self.runner.close()
        return 0

    def _run(self, text: str) -> bool:
        """Run what was typed; False to leave."""
        bare = text.strip().rstrip(";").strip()
        if bare.lower() in LEAVE:
            return False
        word, _, rest = bare.partition(" ")
        if word.lower() == "help" and "\n" not in bare:
            text = f".help {rest}"
        elif bare.lower() == "clear":
            sys.stdout.write("\x1b[H\x1b[2J")
            return True
        self.runner.history = self.prompt.history.get_strings()[:-1]
        self.runner.failed = 0
        with self._session_in_use:
            self.runner.run_script(text)
        self.completer.forget()
        return True

    def _warm(self) -> None:
        """Load behind the first prompt what the first statement needs."""
        if self._warmed:
            return
        self._warmed = True
        threading.Thread(target=self._load, daemon=True).start()

    def _load(self) -> None:
        with self._session_in_use, contextlib.suppress(Exception):  # what fails here shows in the statement
            self.runner.session.engine.warm()
            from sqlshell.functions.registry import load

            self.runner.session.bind_text("SELECT 1")
            load()


class _Past(FileHistory):
    """Past statements in a file, the credentials of CREATE SECRET left out."""

    def store_string(self, string: str) -> None:
        if "secret" in string.lower():
            from sqlshell.storage.secrets import redacted

            string = redacted(string)
        super().store_string(string)


def _history(path: Path) -> Past:
    """The file of past statements, for its owner's eyes only; memory where it cannot be written."""
    try:
        with _private():
            path.touch()
    except OSError:
        return InMemoryHistory()
    return _Past(str(path))


@contextlib.contextmanager
def _private() -> Iterator[None]:
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
