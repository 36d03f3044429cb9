"""The interactive shell: reads statements until they are complete, runs them, lives on after errors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sqlshell.shell.runner import Runner

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

    from sqlshell.session import Session

HISTORY = Path("~/.sqlshell_history")


class Repl:
    """One interactive run over a session."""

    def __init__(self, session: Session, format: str) -> None:
        self.runner = Runner(session, format)

    def run(self) -> int:
        """Read and run until Ctrl-D or `.quit`; gives the exit code."""
        from sqlshell.parser.script import is_complete
        from sqlshell.version import __version__

        prompt = _prompt_session()
        sys.stderr.write(f"sqlshell {__version__}. End statements with ; and leave with Ctrl-D.\n")
        pending = ""
        while True:
            try:
                line = prompt.prompt("sql> " if not pending else "...> ")
            except KeyboardInterrupt:
                pending = ""
                continue
            except EOFError:
                return 0
            if not pending and line.strip().lower() in {".quit", ".exit", "quit", "exit"}:
                return 0
            pending = f"{pending}\n{line}" if pending else line
            if pending.strip() and is_complete(pending):
                text, pending = pending, ""
                self.runner.run_script(text)
            elif not pending.strip():
                pending = ""


def _prompt_session() -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory

    return PromptSession(history=FileHistory(str(HISTORY.expanduser())))
