"""CREATE, DROP and SHOW of tags and branches; PUBLISH BRANCH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.parser.heads.common import parse_target
from sqlshell.parser.heads.maintenance import as_of_clause
from sqlshell.parser.heads.row_expressions import expression
from sqlshell.parser.statement_maintenance import (
    AsOf,
    CreateBranch,
    CreateTag,
    DropTag,
    EndBranch,
    ShowBranches,
    ShowTags,
)

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.parser.cursor import Cursor
    from sqlshell.parser.statement import Name, Statement


def create(c: Cursor) -> Statement:
    """After CREATE."""
    replace = c.take("OR", "REPLACE")
    c.expect("TAG")
    absent = c.take("IF", "NOT", "EXISTS")
    tag, tag_span = _tag(c)
    c.expect("FOR")
    table, span = _of(c)
    as_of = _as_of(c)
    comment = c.expect_string() if c.take("COMMENT") else None
    c.end()
    return CreateTag(c.text, tag, table, as_of, replace, absent, comment, tag_span, span)


def drop(c: Cursor) -> Statement:
    """After DROP."""
    c.expect("TAG")
    exists = c.take("IF", "EXISTS")
    tag, tag_span = _tag(c)
    c.expect("FOR")
    table, span = _of(c)
    c.end()
    return DropTag(c.text, tag, table, exists, tag_span, span)


def show(c: Cursor) -> Statement:
    """After SHOW."""
    c.expect("TAGS")
    table: Name | None = None
    span: Span | None = None
    lake = False
    if c.take_any("FOR", "IN", "FROM"):
        table, span = _of(c)
        lake = table is None
    c.end()
    return ShowTags(c.text, table, lake, span)


def create_branch(c: Cursor) -> Statement:
    """After CREATE."""
    if c.peek() == "OR":
        raise c.unsupported("CREATE OR REPLACE BRANCH (DROP BRANCH first)")
    c.expect("BRANCH")
    branch, branch_span = _tag(c)
    c.expect("FOR")
    table, span = _table(c)
    as_of = _as_of(c)
    comment = c.expect_string() if c.take("COMMENT") else None
    c.end()
    return CreateBranch(c.text, branch, table, as_of, comment, branch_span, span)


def drop_branch(c: Cursor) -> Statement:
    """After DROP."""
    return _end_branch(c, publish=False)


def publish(c: Cursor) -> Statement:
    """After PUBLISH."""
    return _end_branch(c, publish=True)


def _end_branch(c: Cursor, *, publish: bool) -> Statement:
    c.expect("BRANCH")
    exists = not publish and c.take("IF", "EXISTS")
    branch, branch_span = _tag(c)
    c.expect("FOR")
    table, span = _table(c)
    c.end()
    return EndBranch(c.text, branch, table, publish, exists, branch_span, span)


def show_branches(c: Cursor) -> Statement:
    """After SHOW."""
    c.expect("BRANCHES")
    if not c.take_any("FOR", "IN", "FROM"):
        raise c.error(hint="expected FOR table")
    table, span = _table(c)
    c.end()
    return ShowBranches(c.text, table, span)


def _table(c: Cursor) -> tuple[Name, Span]:
    if c.peek() == "TABLE" and c.followed():
        c.at += 1
    return parse_target(c)


def _tag(c: Cursor) -> tuple[str, Span]:
    start = c.at
    name = c.string() or c.word()
    if name is None:
        raise c.error(hint="expected the name of a tag or branch")
    return name, c.span_from(start)


def _of(c: Cursor) -> tuple[Name | None, Span]:
    """`[TABLE] name`, or `LAKE` (None)."""
    if c.peek() == "LAKE" and c.peek(1) != ".":
        c.at += 1
        return None, c.span_from(c.at - 1)
    return _table(c)


def _as_of(c: Cursor) -> AsOf | None:
    """`VERSION AS OF e`, or with the words the other way round, as others write it: `AS OF VERSION e`."""
    if c.take("AS", "OF"):
        kind = c.take_any("VERSION", "TIMESTAMP")
        if not kind:
            raise c.error(hint="expected VERSION or TIMESTAMP")
        return AsOf(kind.lower(), expression(c, "COMMENT", what="a version or a time")[0])
    return as_of_clause(c, "COMMENT")
