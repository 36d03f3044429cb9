"""What several heads need: a query, a dotted name with its span."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.parser.parse import is_query, parse_query

if TYPE_CHECKING:
    from sqlshell.parser.cursor import Cursor
    from sqlshell.parser.statement import Query


def parse_subquery(c: Cursor) -> Query:
    """The query that is the rest of the statement."""
    if not is_query(c.rest()):
        raise c.error(hint="expected a query")
    return parse_query(c.rest(), c.text)


def parse_target(c: Cursor) -> tuple[tuple[str, ...], tuple[int, int]]:
    """A dotted name and its span."""
    start = c.at
    return c.name(), c.span_from(start)
