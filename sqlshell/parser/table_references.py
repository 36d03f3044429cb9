"""The tables that a query's text names, so that their versions can be written into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from sqlshell.parser.parse import span_of

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.parser.statement import Query


def unversioned_tables(query: Query) -> list[tuple[tuple[str, ...], Span]]:
    """(name, span) of each table without a version, in the order of the text; WITH items are left out."""
    local = {c.alias.lower() for c in query.ast.find_all(exp.CTE)}
    found = []
    for node in query.ast.find_all(exp.Table):
        if node.args.get("version") is not None or not isinstance(node.this, exp.Identifier):
            continue
        parts = tuple(p.name for p in node.parts)
        span = span_of(node.this)
        if span is not None and not (len(parts) == 1 and parts[0].lower() in local):
            found.append((parts, span))
    return sorted(found, key=lambda f: f[1])
