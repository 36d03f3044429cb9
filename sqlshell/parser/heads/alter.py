"""ALTER TABLE and ALTER VIEW."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.parser.heads import columns as cols
from sqlshell.parser.heads.common import parse_subquery, parse_target
from sqlshell.parser.heads.tables import cluster_list
from sqlshell.parser.statement_table import (
    AddColumns,
    AddConstraint,
    AddedColumn,
    Alter,
    AlterAction,
    AlterColumn,
    ClusterBy,
    DropColumns,
    DropConstraint,
    RedefineView,
    RenameColumn,
    RenameTo,
    SetProperties,
    UnsetProperties,
)

if TYPE_CHECKING:
    from sqlshell.parser.cursor import Cursor
    from sqlshell.parser.statement import Name, Statement


def alter_table(c: Cursor) -> Statement:
    """After ALTER, before TABLE."""
    c.expect("TABLE")
    name, span = parse_target(c)
    action = _table_action(c)
    c.end()
    return Alter(c.text, "table", name, action, span)


def alter_view(c: Cursor) -> Statement:
    """After ALTER, before VIEW."""
    c.expect("VIEW")
    name, span = parse_target(c)
    action: AlterAction | None
    if c.take("AS"):
        return Alter(c.text, "view", name, RedefineView(parse_subquery(c)), span)
    action = _common(c)
    if action is None:
        raise c.error(hint="expected AS, RENAME TO, SET TBLPROPERTIES or UNSET TBLPROPERTIES")
    c.end()
    return Alter(c.text, "view", name, action, span)


def _common(c: Cursor) -> AlterAction | None:
    """What tables and views share."""
    if c.take("RENAME", "TO"):
        name, span = parse_target(c)
        return RenameTo(name, span)
    if c.take("SET", "TBLPROPERTIES"):
        return SetProperties(c.options())
    if c.take("UNSET", "TBLPROPERTIES"):
        exists = c.take("IF", "EXISTS")
        return UnsetProperties(_keys(c), exists)
    return None


def _keys(c: Cursor) -> tuple[str, ...]:
    c.expect("(")
    keys: list[str] = []
    while True:
        keys.append(c.string() or ".".join(c.name()))
        if c.take(")"):
            return tuple(keys)
        c.expect(",")


def _table_action(c: Cursor) -> AlterAction:
    shared = _common(c)
    if shared is not None:
        return shared
    if c.take("ADD", "CONSTRAINT"):
        c.at -= 1
        return AddConstraint(cols.constraint(c))
    if c.take("ADD", "COLUMNS") or c.take("ADD", "COLUMN"):
        return AddColumns(_added(c))
    start = c.at
    if c.take("DROP", "CONSTRAINT"):
        exists = c.take("IF", "EXISTS")
        name, span = parse_target(c)
        c.take_any("RESTRICT", "CASCADE")
        return DropConstraint(name[-1], exists, span)
    if c.take("DROP", "COLUMNS") or c.take("DROP", "COLUMN"):
        exists = c.take("IF", "EXISTS")
        return DropColumns(_paths(c), exists, c.span_from(start))
    if c.take("RENAME", "COLUMN"):
        path, span = parse_target(c)
        c.expect("TO")
        return RenameColumn(path, _one(c), span)
    if c.take("CLUSTER BY"):
        at = c.at
        return ClusterBy(cluster_list(c), c.span_from(at))
    if c.take("ALTER", "COLUMN") or c.take("CHANGE", "COLUMN") or c.take("ALTER") or c.take("CHANGE"):
        return _alter_column(c)
    words = " ".join(w for w in (c.peek(), c.peek(1)) if w)
    if c.peek() in ("ADD", "DROP", "RECOVER", "SET", "UNSET", "REPLACE", "PARTITION", "RENAME", "TRACK"):
        raise c.unsupported(f"the statement ALTER TABLE ... {words}")
    raise c.error()


def _one(c: Cursor) -> str:
    word = c.word()
    if word is None:
        raise c.error(hint="expected a column name")
    return word


def _paths(c: Cursor) -> tuple[Name, ...]:
    if not c.take("("):
        paths = [c.name()]
        while c.take(","):
            paths.append(c.name())
        return tuple(paths)
    paths = [c.name()]
    while not c.take(")"):
        c.expect(",")
        paths.append(c.name())
    return tuple(paths)


def _added(c: Cursor) -> tuple[AddedColumn, ...]:
    inside = c.take("(")
    found: list[AddedColumn] = []
    while True:
        start = c.at
        path = c.name()
        column = cols.column_rest(c, path[-1], start)
        position = "FIRST" if c.take("FIRST") else _one(c) if c.take("AFTER") else None
        found.append(AddedColumn(path, column, position))
        if not c.take(","):
            break
    if inside:
        c.expect(")")
    return tuple(found)


def _alter_column(c: Cursor) -> AlterAction:
    path, span = parse_target(c)
    if c.take("TYPE"):
        return AlterColumn(path, "type", cols.data_type(c), span)
    if c.take("COMMENT"):
        return AlterColumn(path, "comment", c.expect_string(), span)
    if c.take("SET", "NOT", "NULL"):
        return AlterColumn(path, "nullable", value=False, span=span)
    if c.take("DROP", "NOT", "NULL"):
        return AlterColumn(path, "nullable", value=True, span=span)
    if c.take("SET", "DEFAULT"):
        return AlterColumn(path, "default", cols.expression(c), span)
    if c.take("DROP", "DEFAULT"):
        return AlterColumn(path, "default", None, span)
    if c.take("FIRST"):
        return AlterColumn(path, "position", "FIRST", span)
    if c.take("AFTER"):
        return AlterColumn(path, "position", _one(c), span)
    if c.peek() == "SYNC":
        raise c.unsupported("ALTER COLUMN ... SYNC IDENTITY")
    raise c.error(hint="expected TYPE, COMMENT, SET, DROP, FIRST or AFTER")
