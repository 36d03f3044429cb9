"""SHOW and DESCRIBE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import did_you_mean
from sqlshell.parser.dialect import words
from sqlshell.parser.heads.common import parse_subquery, parse_target
from sqlshell.parser.parse import is_query
from sqlshell.parser.statement import (
    Describe,
    Show,
    Statement,
)

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.parser.cursor import Cursor


_SHOW_NOT_RUN = words("TABLE RUNS GRANTS INDEXES STATS")


def show(c: Cursor) -> Statement:
    if c.peek() == "CREATE" and c.peek(1) == "MODEL":
        from sqlshell.parser.heads.models import show_create

        return show_create(c)
    scope = "all"
    if c.peek(1) == "FUNCTIONS":
        scope = c.take_any("USER", "SYSTEM", "ALL").lower() or scope
    if c.take("CREATE", "TABLE"):
        target, target_span = parse_target(c)
        if c.take("AS", "SERDE"):
            raise c.unsupported("SHOW CREATE TABLE ... AS SERDE")
        c.end()
        return Show(c.text, "create", None, target, scope, target_span)
    if c.take("CURRENT"):
        if not c.take_any("SCHEMA", "DATABASE", "NAMESPACE"):
            raise c.error(hint="expected SCHEMA")
        c.end()
        return Show(c.text, "current")
    if c.take("COLUMNS"):
        return _show_columns(c)
    if c.take("TBLPROPERTIES"):
        target, target_span = parse_target(c)
        key = None
        if c.take("("):
            key = c.string() or ".".join(c.name())
            c.expect(")")
        c.end()
        return Show(c.text, "tblproperties", key, target, scope, target_span)
    if c.take("PARTITIONS"):
        target, target_span = parse_target(c)
        if c.peek() == "PARTITION":
            raise c.unsupported("SHOW PARTITIONS ... PARTITION")
        c.end()
        return Show(c.text, "partitions", None, target, scope, target_span)
    kinds = {"TABLES": "tables", "VIEWS": "views", "FUNCTIONS": "functions", "CATALOGS": "catalogs",
             "SCHEMAS": "databases", "DATABASES": "databases", "NAMESPACES": "databases"}  # fmt: skip
    word = c.take_any(*kinds)
    if not word:
        if c.peek() in _SHOW_NOT_RUN:
            raise c.unsupported(f"the statement SHOW {c.peek()}")
        known = [*kinds, "COLUMNS", "CREATE TABLE"]
        hint = did_you_mean(c.peek(), known, 1) if c.peek() else None
        raise c.error(hint=hint or "expected one of " + ", ".join(known))
    schema: tuple[str, ...] = ()
    span: Span | None = None
    if c.take_any("FROM", "IN"):
        schema, span = parse_target(c)
    c.take("LIKE")
    pattern = c.string()
    if pattern is None and c.token is not None:
        pattern = ".".join(c.name()) if kinds[word] == "functions" else c.expect_string()
    c.end()
    return Show(c.text, kinds[word], pattern, schema, scope, span)


def _show_columns(c: Cursor) -> Statement:
    if not c.take_any("FROM", "IN"):
        raise c.error(hint="expected FROM or IN")
    target, span = parse_target(c)
    if c.take_any("FROM", "IN"):
        schema = c.name()
        target = (*schema, target[-1])
    c.end()
    return Show(c.text, "columns", None, target, target_span=span)


def describe(c: Cursor) -> Statement:
    if c.take("FUNCTION"):
        extended = c.take("EXTENDED")
        name = c.string()
        target = (name,) if name is not None else c.name()
        c.end()
        return Describe(c.text, "function", target, extended)
    if c.peek() in ("SCHEMA", "DATABASE", "NAMESPACE") and c.followed():
        c.at += 1
        extended = c.take("EXTENDED")
        target, span = parse_target(c)
        c.end()
        return Describe(c.text, "database", target, extended, target_span=span)
    if c.take("QUERY") or (is_query(c.rest()) and not _names_table(c)):
        return Describe(c.text, "query", query=parse_subquery(c))
    if c.peek() == "HISTORY" and c.peek(1) == "MODEL":
        from sqlshell.parser.heads.models import history

        return history(c)
    if c.peek() in ("DETAIL", "HISTORY") and c.followed():
        return _describe_delta(c)
    if c.peek() in ("MODEL", "CATALOG", "CONNECTION") and c.followed():
        raise c.unsupported(f"the statement DESCRIBE {c.peek()}")
    c.take("TABLE")
    extended = c.followed() and bool(c.take_any("EXTENDED", "FORMATTED"))
    target, span = parse_target(c)
    if c.peek() == "PARTITION" or c.take("AS", "JSON"):
        raise c.unsupported("this form of DESCRIBE TABLE")
    column = c.name() if c.token is not None else ()
    c.end()
    return Describe(c.text, "table", target, extended, None, column, span)


def _describe_delta(c: Cursor) -> Statement:
    """DESCRIBE DETAIL and DESCRIBE HISTORY of a table or a path."""
    kind = c.take_any("DETAIL", "HISTORY").lower()
    start = c.at
    path = c.string()
    target = ("delta", path) if path is not None else c.name()
    span = c.span_from(start)
    limit = None
    if kind == "history" and c.take("LIMIT"):
        token = c.token
        if token is None or not token.text.isdigit():
            raise c.error(hint="expected a number")
        limit = int(token.text)
        c.at += 1
    c.end()
    return Describe(c.text, kind, target, target_span=span, limit=limit)


def _names_table(c: Cursor) -> bool:
    """DESCRIBE TABLE t describes the table, it is not the query `TABLE t`."""
    return c.peek() == "TABLE"
