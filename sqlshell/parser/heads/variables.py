"""DECLARE, SET VARIABLE, DROP VARIABLE and EXECUTE IMMEDIATE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.parser.heads.common import parse_target
from sqlshell.parser.heads.expressions import expressions, parenthesised_query, take_until, text_of
from sqlshell.parser.statement_script import (
    DeclareVariables,
    DropVariable,
    ExecuteImmediate,
    SetVariables,
)

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.parser.cursor import Cursor
    from sqlshell.parser.statement import Name, Query, Statement


def declare(c: Cursor) -> Statement:
    """DECLARE [OR REPLACE] [VARIABLE] a, b [type] [{DEFAULT | =} value]."""
    replace = c.take("OR", "REPLACE")
    if c.peek() in ("VARIABLE", "VAR") and c.followed() and c.peek(1) not in ("=", "DEFAULT", ","):
        c.at += 1
    start = c.at
    names = [c.name()]
    while c.take(","):
        names.append(c.name())
    span = c.span_from(start)
    written = take_until(c, lambda: c.peek() in ("DEFAULT", "="))
    default: Query | None = None
    if c.take("DEFAULT") or c.take("="):
        default = expressions(c, c.rest())
        c.at = len(c.tokens)
    if not written and default is None:
        error = c.error(hint="expected a type or DEFAULT and a value")
        error.condition = "INVALID_SQL_SYNTAX.VARIABLE_TYPE_OR_DEFAULT_REQUIRED"
        raise error
    return DeclareVariables(
        c.text, tuple(names), text_of(c, written) if written else None, default, replace, span
    )


def set_variables(c: Cursor) -> Statement:
    """SET {VAR | VARIABLE} a = value, ... | (a, b) = (query); the words SET VAR have been read."""
    names: list[Name] = []
    spans: list[Span] = []
    if c.take("("):
        while True:
            start = c.at
            names.append(c.name())
            spans.append(c.span_from(start))
            if not c.take(","):
                break
        c.expect(")")
        c.expect("=")
        query = parenthesised_query(c)
        c.end()
        return SetVariables(c.text, tuple(names), (), query, tuple(spans))
    values: list[Query | None] = []
    while True:
        start = c.at
        names.append(c.name())
        spans.append(c.span_from(start))
        c.expect("=")
        tokens = take_until(c, lambda: c.peek() == ",")
        alone = len(tokens) == 1 and tokens[0].text.upper() == "DEFAULT"
        values.append(None if alone else expressions(c, tokens))
        if not c.take(","):
            break
    c.end()
    return SetVariables(c.text, tuple(names), tuple(values), None, tuple(spans))


def drop(c: Cursor) -> Statement:
    """DROP TEMPORARY VARIABLE [IF EXISTS] name."""
    if not c.take("TEMPORARY"):
        raise c.error(hint="write DROP TEMPORARY VARIABLE")
    c.expect("VARIABLE")
    exists = c.take("IF", "EXISTS")
    name, span = parse_target(c)
    c.end()
    return DropVariable(c.text, name, exists, span)


def execute(c: Cursor) -> Statement:
    """EXECUTE IMMEDIATE text [INTO a, b] [USING value [AS name], ...]."""
    if not c.take("IMMEDIATE"):
        raise c.unsupported("the statement EXECUTE without IMMEDIATE")
    command = expressions(c, take_until(c, lambda: c.peek() in ("INTO", "USING")))
    into: list[Name] = []
    spans: list[Span] = []
    if c.take("INTO"):
        while True:
            start = c.at
            into.append(c.name())
            spans.append(c.span_from(start))
            if not c.take(","):
                break
    using: Query | None = None
    if c.take("USING"):
        values = list(c.rest())
        if c.peek() == "(" and values[-1].text == ")":
            values = values[1:-1]
        using = expressions(c, values, aliases=True, single=False)
        c.at = len(c.tokens)
    c.end()
    return ExecuteImmediate(c.text, command, tuple(into), using, tuple(spans))
