"""RESTORE TABLE, CLONE, VACUUM, OPTIMIZE, REORG TABLE, and DIFF as a statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot.tokenizer_core import TokenType

from sqlshell.parser.heads.common import parse_target
from sqlshell.parser.heads.row_expressions import expression
from sqlshell.parser.history_clauses import is_diff
from sqlshell.parser.parse import parse_query
from sqlshell.parser.statement_maintenance import AsOf, CloneTable, Optimize, RestoreTable, Vacuum
from sqlshell.parser.tokens import T, like
from sqlshell.records import replace

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.parser.cursor import Cursor
    from sqlshell.parser.statement import Name, Statement
    from sqlshell.parser.statement_table import CreateTable


def restore(c: Cursor) -> Statement:
    """After RESTORE."""
    name, span = _table(c)
    c.take("TO")
    as_of = as_of_clause(c)
    if as_of is None:
        raise c.error(hint="expected TO VERSION AS OF n or TO TIMESTAMP AS OF time")
    c.end()
    return RestoreTable(c.text, name, as_of, span)


def as_of_clause(c: Cursor, *stops: str) -> AsOf | None:
    """`VERSION AS OF e` or `TIMESTAMP AS OF e`, if it comes next."""
    for kind in ("VERSION", "TIMESTAMP"):
        if c.take(f"{kind} AS OF") or c.take(kind, "AS", "OF"):
            return AsOf(kind.lower(), expression(c, *stops, what="a version or a time")[0])
    return None


def diff(c: Cursor) -> Statement:
    """After DIFF: the statement is `SELECT * FROM DIFF ...`."""
    if not is_diff(c.tokens):
        raise c.error(hint="expected DIFF table VERSION AS OF a [WITH VERSION AS OF b] [ON key]")
    first = c.tokens[0]
    head = [like(first, T.SELECT, "SELECT"), like(first, T.STAR, "*"), like(first, T.FROM, "FROM")]
    return parse_query([*head, *c.tokens], c.text)


def clone(c: Cursor, target: CreateTable) -> Statement:
    """`[SHALLOW | DEEP] CLONE source [VERSION | TIMESTAMP AS OF e] [TBLPROPERTIES (...)] [LOCATION '...']`."""
    shallow = c.take_any("SHALLOW", "DEEP") == "SHALLOW"
    c.expect("CLONE")
    source, span = parse_target(c)
    as_of = as_of_clause(c, "TBLPROPERTIES", "LOCATION")
    properties = c.options() if c.take("TBLPROPERTIES") else {}
    location = c.expect_string() if c.take("LOCATION") else None
    c.end()
    target = replace(target, location=location, properties=properties)
    return CloneTable(c.text, target, source, as_of, shallow, span)


def vacuum(c: Cursor) -> Statement:
    """After VACUUM."""
    name, span = _table(c)
    kind = hours = None
    dry_run = False
    while c.token is not None:
        if kind is None and c.peek() in ("LITE", "FULL"):
            kind = c.take_any("LITE", "FULL")
        elif hours is None and c.take("RETAIN"):
            hours = _number(c)
            if not c.take_any("HOURS", "HOUR"):
                raise c.error(hint="expected HOURS")
        elif not dry_run and c.take("DRY", "RUN"):
            dry_run = True
        elif c.peek() == "USING":
            raise c.unsupported("VACUUM ... USING INVENTORY")
        else:
            raise c.error(hint="expected LITE, FULL, RETAIN n HOURS or DRY RUN")
    return Vacuum(c.text, name, hours, dry_run, kind == "LITE", span)


def optimize(c: Cursor) -> Statement:
    """After OPTIMIZE."""
    name, span = _table(c)
    full = c.take("FULL")
    condition, text = (None, "")
    if c.take("WHERE"):
        condition, text = expression(c, "ZORDER", what="a condition")
    columns: list[Name] = []
    if c.take("ZORDER", "BY"):
        wrapped = c.take("(")
        columns.append(c.name())
        while c.take(","):
            columns.append(c.name())
        if wrapped:
            c.expect(")")
    c.end()
    return Optimize(c.text, name, condition, text, tuple(columns), full, name_span=span)


def reorg(c: Cursor) -> Statement:
    """After REORG: `TABLE t [WHERE condition] APPLY (PURGE)`."""
    c.expect("TABLE")
    name, span = parse_target(c)
    condition, text = expression(c, "APPLY", what="a condition") if c.take("WHERE") else (None, "")
    c.expect("APPLY", "(")
    if c.peek() != "PURGE":
        raise c.unsupported(f"REORG TABLE ... APPLY ({c.peek()})")
    c.expect("PURGE", ")")
    c.end()
    return Optimize(c.text, name, condition, text, purge=True, name_span=span)


def _table(c: Cursor) -> tuple[Name, Span]:
    """`[TABLE] name`, or a path as a string."""
    if c.peek() == "TABLE" and c.followed():
        c.at += 1
    start = c.at
    path = c.string()
    return (("delta", path), c.span_from(start)) if path is not None else parse_target(c)


def _number(c: Cursor) -> float:
    token = c.token
    if token is None or token.token_type != TokenType.NUMBER:
        raise c.error(hint="expected a number")
    c.at += 1
    return float(token.text)
