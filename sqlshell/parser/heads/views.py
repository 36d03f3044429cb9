"""CREATE VIEW and DROP VIEW."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import ParseError
from sqlshell.parser.heads.common import parse_subquery
from sqlshell.parser.statement import (
    CreateView,
    DropView,
    Statement,
    ViewColumn,
)

if TYPE_CHECKING:
    from sqlshell.parser.cursor import Cursor


def create(c: Cursor) -> Statement:
    replace = c.take("OR", "REPLACE")
    if c.peek() == "GLOBAL":
        raise c.unsupported("CREATE GLOBAL TEMPORARY VIEW")
    temporary = bool(c.take_any("TEMPORARY", "TEMP"))
    if not c.take("VIEW"):
        words = [c.peek()] if c.peek() else []
        if c.peek() in ("MATERIALIZED", "EXTERNAL", "STREAMING"):
            words.append(c.peek(1))
        raise c.unsupported(" ".join(["the statement CREATE", *(["TEMPORARY"] if temporary else []), *words]))
    absent = c.take("IF", "NOT", "EXISTS")
    start = c.at
    name = c.name()
    span = c.span_from(start)
    columns_at = c.at
    columns = c.parenthesised() if c.peek() == "(" else None
    if c.take("USING"):
        if not temporary:
            raise c.unsupported("CREATE VIEW ... USING without TEMPORARY")
        if absent:
            raise ParseError("CREATE TEMPORARY VIEW ... USING takes no IF NOT EXISTS", span=span)
        using = ".".join(c.name())
        options = c.options() if c.take("OPTIONS") else {}
        c.end()
        return CreateView(c.text, name, None, temporary=True, replace=replace, using=using, options=options,
                          schema_ddl=columns, name_span=span)  # fmt: skip
    after, c.at = c.at, columns_at
    listed = _view_columns(c) if columns is not None else ()
    assert c.at == after
    comment: str | None = None
    properties: dict[str, str] = {}
    while not c.take("AS"):
        if c.take("COMMENT"):
            comment = c.expect_string()
        elif c.take("TBLPROPERTIES"):
            properties = c.options()
        elif c.peek() in ("PARTITIONED", "PARTITION BY", "SCHEMA", "WITH", "DEFAULT"):
            raise c.unsupported(f"{c.peek()} in CREATE VIEW")
        else:
            raise c.error(hint="expected AS")
    if temporary and properties:
        raise ParseError("TBLPROPERTIES can't coexist with CREATE TEMPORARY VIEW", span=span)
    query = parse_subquery(c)
    return CreateView(c.text, name, query, listed, temporary, replace, absent, comment=comment,
                      properties=properties, name_span=span)  # fmt: skip


def _view_columns(c: Cursor) -> tuple[ViewColumn, ...]:
    c.expect("(")
    columns: list[ViewColumn] = []
    while True:
        start = c.at
        word = c.word()
        if word is None:
            raise c.error(hint="expected a column name")
        span = c.span_from(start)
        columns.append(ViewColumn(word, c.expect_string() if c.take("COMMENT") else None, span))
        if c.take(")"):
            return tuple(columns)
        c.expect(",")


def drop(c: Cursor) -> Statement:
    if not c.take("VIEW"):
        words = " ".join(w for w in ("DROP", c.peek(), c.peek(1) if c.peek() == "TEMPORARY" else "") if w)
        raise c.unsupported(f"the statement {words}")
    exists = c.take("IF", "EXISTS")
    start = c.at
    name = c.name()
    span = c.span_from(start)
    c.end()
    return DropView(c.text, name, exists, span)
