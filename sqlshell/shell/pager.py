"""Long results on a terminal go through $PAGER; short ones do not start it."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Held(io.StringIO):
    """Holds back as much as a screen shows; what comes after goes to the pager as it is written."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self._left = lines
        self.process: subprocess.Popen[str] | None = None

    def write(self, text: str) -> int:
        if self.process is None:
            self._left -= text.count("\n")
            if self._left >= 0:
                return super().write(text)
            self.process = _start()
            text = self.getvalue() + text
        assert self.process.stdin is not None
        return self.process.stdin.write(text)


def _start() -> subprocess.Popen[str]:
    command = os.environ.get("PAGER") or "less"
    environment = {"LESS": "SRFX", **os.environ}
    return subprocess.Popen(
        command, shell=True, stdin=subprocess.PIPE, text=True, encoding="utf-8", env=environment
    )


@contextlib.contextmanager
def paged() -> Iterator[TextIO]:
    """A stream whose text goes to the terminal, through the pager when it is longer than the screen."""
    held = _Held(shutil.get_terminal_size().lines - 2)
    try:
        with contextlib.suppress(BrokenPipeError):
            yield held
    finally:
        if held.process is None:
            sys.stdout.write(held.getvalue())
            sys.stdout.flush()
        else:
            assert held.process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                held.process.stdin.close()
            while held.process.poll() is None:
                with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C in the pager is the pager's
                    held.process.wait()
