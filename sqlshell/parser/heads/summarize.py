"""SUMMARIZE: a relation, a file or a query, column by column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.parser.parse import is_query
from sqlshell.parser.statement import Statement, Summarize

if TYPE_CHECKING:
    from sqlshell.parser.cursor import Cursor


def summarize(c: Cursor) -> Statement:
    """`SUMMARIZE [TABLE] name | 'file' | query`."""
    rest = c.rest()
    if not rest:
        raise c.error(hint="expected a table, a file or a query")
    source = c.text[rest[0].start : rest[-1].end + 1]
    if is_query(rest) and c.peek() != "TABLE":
        return Summarize(c.text, source)
    if c.take("TABLE"):
        rest = c.rest()
        if not rest:
            raise c.error(hint="expected a table")
        source = c.text[rest[0].start : rest[-1].end + 1]
    return Summarize(c.text, f"SELECT * FROM {source}")
