"""Column definitions and table constraints, of CREATE TABLE and ALTER TABLE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import ParseError
from sqlshell.parser.dialect import words
from sqlshell.parser.statement_table import Check, ColumnDef, Identity
from sqlshell.types_ddl import parse_type

if TYPE_CHECKING:
    from sqlshell.parser.cursor import Cursor
    from sqlshell.types import SqlType

_AFTER_TYPE = words("""
    NOT NULL DEFAULT COMMENT GENERATED CHECK CONSTRAINT PRIMARY UNIQUE REFERENCES FOREIGN FIRST AFTER MASK
""")
_AFTER_EXPRESSION = words("COMMENT GENERATED CHECK CONSTRAINT PRIMARY UNIQUE REFERENCES FOREIGN FIRST AFTER")
_KEYS = ("PRIMARY", "UNIQUE", "REFERENCES", "FOREIGN")


def column_list(c: Cursor) -> tuple[tuple[ColumnDef, ...], tuple[Check, ...]]:
    """`(column, ..., CONSTRAINT ...)`: the columns, and the constraints of the table."""
    c.expect("(")
    columns: list[ColumnDef] = []
    checks: list[Check] = []
    while True:
        named = c.peek() == "CONSTRAINT" and c.peek(2) in ("CHECK", *_KEYS)
        if named or (c.peek() == "CHECK" and c.peek(1) == "(") or (c.peek() in _KEYS and c.peek(1) == "KEY"):
            checks.append(constraint(c))
        else:
            columns.append(column(c))
        if c.take(")"):
            return tuple(columns), tuple(checks)
        c.expect(",")


def constraint(c: Cursor) -> Check:
    """`[CONSTRAINT name] CHECK (predicate) [ENFORCED]`."""
    start = c.at
    name = c.word() if c.take("CONSTRAINT") else None
    if c.peek() in _KEYS:
        raise c.unsupported(
            f"{c.peek()} {'KEY ' if c.peek(1) == 'KEY' else ''}constraints: none is enforced, so it"
        )
    c.expect("CHECK")
    text = c.parenthesised()
    if c.take("NOT", "ENFORCED"):
        raise c.unsupported("NOT ENFORCED")
    c.take("ENFORCED")
    return Check(name, text, c.span_from(start))


def data_type(c: Cursor) -> SqlType:
    """A type: everything up to a word that cannot belong to one."""
    start, depth, angles = c.at, 0, 0
    while (token := c.token) is not None:
        word = c.peek()
        if depth == 0 and angles == 0 and (word in _AFTER_TYPE or word in (",", ")")):
            break
        depth += {"(": 1, ")": -1}.get(word, 0)
        if set(token.text) <= {"<", ">"}:
            angles += token.text.count("<") - token.text.count(">")
        c.at += 1
    if c.at == start:
        raise c.error(hint="expected a type")
    first, last = c.span_from(start)
    try:
        return parse_type(c.text[first:last])
    except ParseError as error:
        if error.span is not None:
            error.span = (error.span[0] + first, error.span[1] + first)
        raise


def expression(c: Cursor) -> str:
    """The text of an expression, up to a word that starts the next part of a column definition."""
    start, depth = c.at, 0
    while c.token is not None:
        word = c.peek()
        if depth == 0 and (word in _AFTER_EXPRESSION or word in (",", ")")):
            break
        if depth == 0 and word == "NOT" and c.peek(1) == "NULL" and c.at > start and c.peek(-1) != "IS":
            break
        depth += {"(": 1, ")": -1, "[": 1, "]": -1}.get(word, 0)
        c.at += 1
    if c.at == start:
        raise c.error(hint="expected an expression")
    first, last = c.span_from(start)
    return c.text[first:last]


def column(c: Cursor) -> ColumnDef:
    """`name type [NOT NULL] [DEFAULT e] [COMMENT s] [GENERATED ...] [CHECK (e)]`."""
    start = c.at
    name = c.word()
    if name is None:
        raise c.error(hint="expected a column name")
    return column_rest(c, name, start)


def column_rest(c: Cursor, name: str, start: int) -> ColumnDef:
    """A column definition after its name."""
    span = c.span_from(start)
    c.take(":")
    kind = data_type(c)
    nullable = True
    default = comment = generated = None
    identity: Identity | None = None
    checks: list[Check] = []
    while c.token is not None and c.peek() not in (",", ")", "FIRST", "AFTER"):
        if c.take("NOT", "NULL"):
            nullable = False
        elif c.take("DEFAULT"):
            default = expression(c)
        elif c.take("COMMENT"):
            comment = c.expect_string()
        elif c.take("GENERATED"):
            generated, identity = _generated(c)
        elif c.peek() in ("CHECK", "CONSTRAINT"):
            checks.append(constraint(c))
        elif c.peek() in (*_KEYS, "MASK"):
            raise c.unsupported(f"{c.peek()} in a column definition")
        else:
            raise c.error()
    return ColumnDef(name, kind, nullable, default, comment, generated, identity, tuple(checks), span)


def _generated(c: Cursor) -> tuple[str | None, Identity | None]:
    always = c.take("ALWAYS")
    if not always:
        c.expect("BY", "DEFAULT")
    c.expect("AS")
    if not c.take("IDENTITY"):
        if not always:
            raise c.error(hint="write GENERATED ALWAYS AS (expression)")
        return c.parenthesised(), None
    start = step = 1
    if c.take("("):
        while not c.take(")"):
            if c.take("START", "WITH"):
                start = _integer(c)
            elif c.take("INCREMENT", "BY"):
                step = _integer(c)
            elif not c.take(","):
                raise c.error(hint="expected START WITH n or INCREMENT BY n")
    if step == 0:
        raise c.error(hint="an identity column cannot step by 0")
    return None, Identity(always, start, step)


def _integer(c: Cursor) -> int:
    sign = -1 if c.take("-") else 1
    token = c.token
    if token is None or not token.text.isdigit():
        raise c.error(hint="expected a whole number")
    c.at += 1
    return sign * int(token.text)
