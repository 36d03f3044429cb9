"""CACHE TABLE, UNCACHE TABLE and CLEAR CACHE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.parser.heads.common import parse_subquery, parse_target
from sqlshell.parser.statement import (
    CacheTable,
    ClearCache,
    Statement,
    UncacheTable,
)

if TYPE_CHECKING:
    from sqlshell.parser.cursor import Cursor


def cache(c: Cursor) -> Statement:
    lazy = c.take("LAZY")
    c.expect("TABLE")
    name, span = parse_target(c)
    options = c.options() if c.take("OPTIONS") else {}
    c.take("AS")
    query = parse_subquery(c) if c.token is not None else None
    return CacheTable(c.text, name, query, options, lazy, span)


def uncache(c: Cursor) -> Statement:
    c.expect("TABLE")
    exists = c.take("IF", "EXISTS")
    name, span = parse_target(c)
    c.end()
    return UncacheTable(c.text, name, exists, span)


def clear(c: Cursor) -> Statement:
    c.expect("CACHE")
    c.end()
    return ClearCache(c.text)
