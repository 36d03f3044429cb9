"""A real terminal around the interactive shell: what a user types goes in, what the screen shows comes out."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pexpect
import pyte

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).parents[2] / "sample_data"
PATIENCE = 60
"""Generous: tests check what happens, not how fast."""


class Terminal:
    """The shell on a pseudo terminal; `screen` is what a person sees."""

    def __init__(self, home: Path, *arguments: str, columns: int = 80, rows: int = 30) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        environment = {**os.environ, "HOME": str(home), "TERM": "xterm-256color", "PAGER": "cat"}
        environment |= {"XDG_CONFIG_HOME": str(home), "PROMPT_TOOLKIT_NO_CPR": "1"}
        self.process = pexpect.spawn(
            sys.executable,
            ["-m", "sqlshell.shell.cli", *arguments],
            cwd=str(SAMPLES),
            env=environment,  # type: ignore[arg-type]
            dimensions=(rows, columns),
            timeout=PATIENCE,
        )
        self.process.delaybeforesend = None

    def __enter__(self) -> Self:
        self.wait_for("sql>")
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.close(force=True)

    def type(self, text: str) -> None:
        """Keys, as the terminal sends them."""
        self.process.send(text)

    def paste(self, text: str) -> None:
        """A bracketed paste, in pieces that the pseudo terminal takes."""
        data = f"\x1b[200~{text}\x1b[201~".encode()
        for at in range(0, len(data), 1024):
            self.process.send(data[at : at + 1024])
            self.read(0)

    def read(self, seconds: float = 0.05) -> None:
        """Take in what the shell has written."""
        while True:
            try:
                self.stream.feed(self.process.read_nonblocking(65536, timeout=seconds))
            except pexpect.TIMEOUT:
                return
            except pexpect.EOF:
                return

    @property
    def text(self) -> str:
        """The screen, line by line."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def wait_for(self, wanted: str | Callable[[str], bool]) -> str:
        """Read until the screen shows a text (or a test of it holds); gives the screen."""
        test = wanted if callable(wanted) else lambda text: wanted in text
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.read()
            if test(self.text):
                return self.text
            if not self.process.isalive():
                self.read()
                break
        assert test(self.text), f"waited for {wanted!r}; the screen:\n{self.text}"
        return self.text
