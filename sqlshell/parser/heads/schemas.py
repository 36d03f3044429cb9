"""CREATE SCHEMA and DROP SCHEMA, also spelled DATABASE and NAMESPACE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.parser.heads.common import parse_target
from sqlshell.parser.statement_table import CreateSchema, DropSchema

if TYPE_CHECKING:
    from sqlshell.parser.cursor import Cursor
    from sqlshell.parser.statement import Statement

_WORDS = ("SCHEMA", "DATABASE", "NAMESPACE")


def create(c: Cursor) -> Statement:
    """After CREATE."""
    if not c.take_any(*_WORDS):
        raise c.error(hint="expected SCHEMA")
    absent = c.take("IF", "NOT", "EXISTS")
    name, span = parse_target(c)
    comment: str | None = None
    properties: dict[str, str] = {}
    while c.token is not None:
        if c.take("COMMENT"):
            comment = c.expect_string()
        elif c.take("WITH", "DBPROPERTIES") or c.take("WITH", "PROPERTIES"):
            properties = c.options()
        elif c.peek() in ("LOCATION", "MANAGED"):
            raise c.unsupported("a schema's LOCATION")
        else:
            raise c.error()
    return CreateSchema(c.text, name, absent, comment, properties, span)


def drop(c: Cursor) -> Statement:
    """After DROP."""
    if not c.take_any(*_WORDS):
        raise c.error(hint="expected SCHEMA")
    exists = c.take("IF", "EXISTS")
    name, span = parse_target(c)
    cascade = c.take_any("RESTRICT", "CASCADE") == "CASCADE"
    c.end()
    return DropSchema(c.text, name, exists, cascade, span)
