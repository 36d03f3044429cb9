"""Where positions count: views and SQL functions bring texts of their own into a statement.

The n-th such text of a session owns the offsets from n * STEP on. A position thus says by itself which text it
belongs to, through binding, optimizing and workers; `Origins.place` turns it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlshell.errors import Error, Span

STEP = 1 << 32
"""More characters than any text has."""


def local(span: Span) -> Span:
    """The position within its own text."""
    return span[0] % STEP, span[1] % STEP


class Origins:
    """The stored texts that a session's statements have used."""

    def __init__(self) -> None:
        self._texts: list[tuple[str, str]] = []
        self._bases: dict[tuple[str, str], int] = {}

    def base(self, owner: str, text: str) -> int:
        """The offset at which the positions of a text start; `owner` is what errors call it (`view v`)."""
        key = (owner, text)
        if key not in self._bases:
            self._texts.append(key)
            self._bases[key] = len(self._texts) * STEP
        return self._bases[key]

    def place(self, error: Error, statement: str | None) -> None:
        """Give the error the text its position counts in, and that text's owner; else the statement."""
        if error.span is not None and 0 < error.span[0] // STEP <= len(self._texts):
            owner, error.statement = self._texts[error.span[0] // STEP - 1]
            error.span = local(error.span)
            if f"in {owner}: " not in error.message:
                error.message = f"in {owner}: {error.message}"
                error.args = (error.message,)
        error.statement = error.statement or statement
