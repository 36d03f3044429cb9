"""CREATE FUNCTION and DROP FUNCTION."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import ParseError
from sqlshell.parser.heads.common import parse_target
from sqlshell.parser.heads.expressions import expressions, take_until, text_of
from sqlshell.parser.parse import is_query, parse_query
from sqlshell.parser.statement_script import CreateFunction, CreatePythonFunction, DropFunction, Parameter
from sqlshell.parser.tokens import STRINGS, T
from sqlshell.records import dataclass

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
    "RETURNS",
    "DEFAULT",
    "HANDLER",
    "PARAMETER",
    "CALLED",
    "AS",
)


@dataclass
class _Said:
    """What stands between RETURNS and the body."""

    language: str = "SQL"
    comment: str | None = None
    handler: str = ""
    arrow: bool = False
    null_call: bool = True
    deterministic: bool = True


def create(c: Cursor) -> Statement:
    """CREATE [OR REPLACE] [TEMPORARY] FUNCTION [IF NOT EXISTS] f(a type [DEFAULT v], ...) [RETURNS ...] RETURN ...

    or `[AGGREGATE] FUNCTION ... RETURNS ... LANGUAGE PYTHON ... AS $$ source $$`.
    """
    replace = c.take("OR", "REPLACE")
    temporary = bool(c.take_any("TEMPORARY", "TEMP"))
    aggregate = c.take("AGGREGATE")
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
    said = _characteristics(c)
    if said.language == "PYTHON":
        source, at = _source(c)
        if not table and returns is None:
            raise c.error(hint="a Python function says what it RETURNS")
        if table and not columns:
            raise c.error(hint="a Python table function names its columns: RETURNS TABLE (a INT, ...)")
        kind = "table" if table else "aggregate" if aggregate else "scalar"
        return CreatePythonFunction(c.text, name, parameters, source, at, returns, kind, columns, said.handler,
                                    said.arrow, said.null_call, said.deterministic, temporary, replace, absent,
                                    said.comment, span)  # fmt: skip
    if aggregate:
        raise c.unsupported("CREATE AGGREGATE FUNCTION in SQL")
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
                          said.comment, span)  # fmt: skip


def _type(c: Cursor, stop: Callable[[], bool]) -> str:
    start = c.at

    def closed() -> bool:
        return sum({T.LT: 1, T.GT: -1}.get(t.token_type, 0) for t in c.tokens[start : c.at]) == 0

    tokens = take_until(c, lambda: stop() and closed())
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


def _characteristics(c: Cursor) -> _Said:
    """What stands before RETURN (SQL), or before AS (Python)."""
    said = _Said()
    while not c.take("RETURN"):
        if said.language == "PYTHON" and c.take("AS"):
            break
        if c.take("LANGUAGE"):
            said.language = c.take_any("SQL", "PYTHON")
            if not said.language:
                raise c.unsupported(f"CREATE FUNCTION in the language {c.peek()}")
        elif c.take("COMMENT"):
            said.comment = c.expect_string()
        elif c.take("NOT"):
            c.expect("DETERMINISTIC")
            said.deterministic = False
        elif c.take("SQL"):
            c.expect("SECURITY")
            if not c.take_any("INVOKER", "DEFINER"):
                raise c.error(hint="expected INVOKER or DEFINER")
        elif c.take("HANDLER"):
            said.handler = c.expect_string()
        elif c.take("PARAMETER", "STYLE"):
            if not c.take("ARROW"):
                raise c.unsupported(f"PARAMETER STYLE {c.peek()} (ARROW gives pyarrow arrays)")
            said.arrow = True
        elif c.take("RETURNS", "NULL", "ON", "NULL", "INPUT"):
            said.null_call = False
        elif not (
            c.take("CALLED", "ON", "NULL", "INPUT")
            or c.take("DETERMINISTIC")
            or c.take("CONTAINS", "SQL")
            or c.take("READS", "SQL", "DATA")
        ):
            raise c.error(hint="expected AS $$ ... $$" if said.language == "PYTHON" else "expected RETURN")
    return said


def _source(c: Cursor) -> tuple[str, int]:
    """The text between the dollars (or of a string), and where it starts."""
    token = c.token
    if token is None or token.token_type not in STRINGS:
        raise c.error(hint="expected the source: AS $$ ... $$")
    c.at += 1
    c.end()
    if c.text[token.start] != "$":
        return token.text, token.start + 1
    return c.text[token.start + 2 : token.end - 1], token.start + 2


def drop(c: Cursor) -> Statement:
    """DROP [TEMPORARY] FUNCTION [IF EXISTS] name."""
    temporary = bool(c.take_any("TEMPORARY", "TEMP"))
    c.expect("FUNCTION")
    exists = c.take("IF", "EXISTS")
    name, span = parse_target(c)
    c.end()
    return DropFunction(c.text, name, temporary, exists, span)
