"""SET, RESET and USE."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlshell.parser.heads.common import parse_target
from sqlshell.parser.parse import syntax_error
from sqlshell.parser.statement import (
    Reset,
    SetVariable,
    Statement,
    UseSchema,
)

if TYPE_CHECKING:
    from sqlshell.parser.cursor import Cursor


def set_variable(c: Cursor) -> Statement:
    word = c.peek()
    if c.token is None:
        return SetVariable(c.text)
    if c.take("TIME", "ZONE"):
        zone = c.string()
        if zone is None:
            raise c.unsupported("SET TIME ZONE without a zone name in quotes")
        c.end()
        return SetVariable(c.text, "spark.sql.session.timeZone", zone)
    if c.take("TIME", "TRAVEL"):
        return _time_travel(c)
    if word in ("VAR", "VARIABLE") and c.followed() and c.peek(1) != "=":
        from sqlshell.parser.heads.variables import set_variables

        c.at += 1
        return set_variables(c)
    if word in ("CATALOG", "ROLE", "TIME", "SESSION") and c.followed() and c.peek(1) != "=":
        raise c.unsupported(f"the statement SET {word}")
    raw = c.text[c.tokens[0].end + 1 : c.tokens[-1].end + 1].strip()
    if raw.upper() == "-V":
        return SetVariable(c.text, verbose=True)
    key, equals, value = (part.strip() for part in raw.partition("="))
    if not re.fullmatch(r"`[^`]+`|[\w.:-]+", key):
        raise syntax_error(
            c.token, c.text, hint="write SET key = value; put a key with other characters in backquotes"
        )
    return SetVariable(c.text, key.strip("`"), _unquote(value) if equals else None)


def _time_travel(c: Cursor) -> Statement:
    """SET TIME TRAVEL {TO expression | TO TAG name | OFF}."""
    from sqlshell.parser.parse import parse_statement
    from sqlshell.parser.statement import Query
    from sqlshell.parser.statement_table import SetTimeTravel

    if c.take("OFF"):
        c.end()
        return SetTimeTravel(c.text, None)
    c.expect("TO")
    if c.peek() == "TAG":
        c.at += 1
        tag = c.string() or c.word()
        if tag is None:
            raise c.error(hint="expected the name of a tag of the lake")
        c.end()
        return SetTimeTravel(c.text, None, tag)
    if c.token is None:
        raise c.error(hint="expected a timestamp, or write SET TIME TRAVEL OFF")
    head = "SELECT "  # as long as the words it stands for, so that positions stay right
    text = head.rjust(c.token.start) + c.text[c.token.start : c.tokens[-1].end + 1]
    query = parse_statement(text)
    assert isinstance(query, Query)
    return SetTimeTravel(c.text, query)


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"`":
        return value[1:-1]
    return value


def reset(c: Cursor) -> Statement:
    if c.token is None:
        return Reset(c.text)
    raw = c.text[c.tokens[0].end + 1 : c.tokens[-1].end + 1].strip()
    if not re.fullmatch(r"`[^`]+`|[\w.:-]+", raw):
        raise c.error(hint="write RESET or RESET key")
    return Reset(c.text, raw.strip("`"))


def use(c: Cursor) -> Statement:
    if c.peek() == "CATALOG" and c.followed():
        raise c.unsupported("the statement USE CATALOG")
    if c.followed():
        c.take_any("SCHEMA", "DATABASE", "NAMESPACE")
    name, span = parse_target(c)
    c.end()
    return UseSchema(c.text, name, span)
