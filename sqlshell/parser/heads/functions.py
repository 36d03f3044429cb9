"""CREATE FUNCTION and DROP FUNCTION."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import ParseError
from sqlshell.parser.heads.common import parse_target
from sqlshell.parser.heads.expressions import expressions, take_until, text_of
from sqlshell.parser.parse import is_query, parse_query
from sqlshell.parser.statement_script import CreateFunction, DropFunction, Parameter

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.parser.cursor import Cursor
    from sqlshell.parser.statement import Statement

_CHARACTERISTICS = (
    "LANGUAGE",
    "DETERMINISTIC",
    "NOT",
    "COMMENT",
    "CONTAINS",
    "READS",
    "SQL",
    "RETURN",
    "DEFAULT",
)


def create(c: Cursor) -> Statement:
    """CREATE [OR REPLACE] [TEMPORARY] FUNCTION [IF NOT EXISTS] f(a type [DEFAULT v], ...) [RETURNS ...] RETURN ..."""
    replace = c.take("OR", "REPLACE")
    temporary = bool(c.take_any("TEMPORARY", "TEMP"))
    c.expect("FUNCTION")
    absent = c.take("IF", "NOT", "EXISTS")
    if absent and (temporary or replace):
        raise ParseError(
            "CREATE FUNCTION takes IF NOT EXISTS only without OR REPLACE and TEMPORARY",
            condition="INVALID_SQL_SYNTAX.CREATE_TEMP_FUNC_WITH_IF_NOT_EXISTS" if temporary
            else "INVALID_SQL_SYNTAX.CREATE_ROUTINE_WITH_IF_NOT_EXISTS_AND_REPLACE",
            span=(c.tokens[0].start, c.tokens[c.at - 1].end + 1),
        )  # fmt: skip
    name, span = parse_target(c)
    if c.peek() != "(":
        raise c.unsupported("CREATE FUNCTION AS a class name")
    parameters = _parameters(c)
    returns: str | None = None
    table = False
    columns: tuple[tuple[str, str], ...] = ()
    if c.take("RETURNS"):
        if c.peek() == "TABLE":
            c.at += 1
            table = True
            listed = _parameters(c) if c.peek() == "(" else ()
            columns = tuple((p.name, p.type_ddl) for p in listed)
        else:
            returns = _type(c, lambda: c.peek() in _CHARACTERISTICS)
    comment = _characteristics(c)
    if c.token is None:
        raise c.error(hint="expected an expression or a query")
    rest = list(c.rest())
    if table:
        while rest[0].text == "(" and rest[-1].text == ")" and is_query(rest[1:]):
            rest = rest[1:-1]
        if not is_query(rest):
            raise c.error(hint="a table function returns a query")
        body = parse_query(rest, c.text)
    else:
        body = expressions(c, rest)
    return CreateFunction(c.text, name, parameters, body, returns, table, columns, temporary, replace, absent,
                          comment, span)  # fmt: skip


def _type(c: Cursor, stop: Callable[[], bool]) -> str:
    tokens = take_until(c, stop)
    if not tokens:
        raise c.error(hint="expected a type")
    return text_of(c, tokens)


def _parameters(c: Cursor) -> tuple[Parameter, ...]:
    c.expect("(")
    found: list[Parameter] = []
    while not c.take(")"):
        if found:
            c.expect(",")
        name = c.word()
        if name is None:
            raise c.error(hint="expected a parameter's name")
        ddl = _type(c, lambda: c.peek() in (",", "DEFAULT", "COMMENT", "NOT"))
        default = comment = None
        if c.take("DEFAULT"):
            tokens = take_until(c, lambda: c.peek() in (",", "COMMENT"))
            expressions(c, tokens)
            default = text_of(c, tokens)
        if c.take("COMMENT"):
            comment = c.expect_string()
        found.append(Parameter(name, ddl, default, comment))
    return tuple(found)


def _characteristics(c: Cursor) -> str | None:
    """What stands before RETURN; gives the comment."""
    comment: str | None = None
    while not c.take("RETURN"):
        if c.take("LANGUAGE"):
            if not c.take("SQL"):
                raise c.unsupported(f"CREATE FUNCTION in the language {c.peek()}")
        elif c.take("COMMENT"):
            comment = c.expect_string()
        elif c.take("NOT"):
            c.expect("DETERMINISTIC")
        elif c.take("SQL"):
            c.expect("SECURITY")
            if not c.take_any("INVOKER", "DEFINER"):
                raise c.error(hint="expected INVOKER or DEFINER")
        elif not (c.take("DETERMINISTIC") or c.take("CONTAINS", "SQL") or c.take("READS", "SQL", "DATA")):
            raise c.error(hint="expected RETURN")
    return comment


def drop(c: Cursor) -> Statement:
    """DROP [TEMPORARY] FUNCTION [IF EXISTS] name."""
    temporary = bool(c.take_any("TEMPORARY", "TEMP"))
    c.expect("FUNCTION")
    exists = c.take("IF", "EXISTS")
    name, span = parse_target(c)
    c.end()
    return DropFunction(c.text, name, temporary, exists, span)
