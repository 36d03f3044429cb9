"""EXPLAIN [mode] statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.parser.heads import parse_head
from sqlshell.parser.statement import Explain, Statement

if TYPE_CHECKING:
    from sqlshell.parser.cursor import Cursor

_EXPLAIN_MODES = ("EXTENDED", "FORMATTED", "CODEGEN", "COST", "ANALYZE", "OPTIMIZER", "STAGES")


def explain(c: Cursor) -> Statement:
    mode = c.take_any(*_EXPLAIN_MODES)
    if c.token is None:
        raise c.error(hint="expected a statement")
    if c.peek() == "EXPLAIN":
        raise c.error()
    return Explain(c.text, mode.lower(), parse_head(c.rest(), c.text))
