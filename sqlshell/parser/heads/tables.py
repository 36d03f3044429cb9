"""CREATE TABLE, DROP TABLE, UNDROP, TRUNCATE, COMMENT ON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import ParseError
from sqlshell.parser.heads.columns import column_list
from sqlshell.parser.heads.common import parse_subquery, parse_target
from sqlshell.parser.heads.maintenance import clone
from sqlshell.parser.statement_table import (
    CommentOn,
    CreateTable,
    CreateTableLike,
    DropTable,
    Truncate,
    Undrop,
)

if TYPE_CHECKING:
    from sqlshell.parser.cursor import Cursor
    from sqlshell.parser.statement import Name, Statement


def create(c: Cursor) -> Statement:
    """After CREATE."""
    replace = c.take("OR", "REPLACE")
    if c.peek() in ("TEMPORARY", "TEMP", "GLOBAL"):
        raise c.unsupported("CREATE TEMPORARY TABLE (CREATE TEMPORARY VIEW does it)")
    external = c.take("EXTERNAL")
    c.expect("TABLE")
    return _create(c, replace=replace, must_exist=False, external=external)


def replace(c: Cursor) -> Statement:
    """After REPLACE."""
    c.expect("TABLE")
    return _create(c, replace=True, must_exist=True, external=False)


def _create(c: Cursor, *, replace: bool, must_exist: bool, external: bool) -> Statement:
    absent = c.take("IF", "NOT", "EXISTS")
    if absent and replace:
        raise c.error(hint="OR REPLACE and IF NOT EXISTS exclude each other")
    name, span = parse_target(c)
    if c.take("LIKE"):
        if replace:
            raise c.unsupported("CREATE OR REPLACE TABLE ... LIKE")
        return _like(c, name, span, absent)
    if c.peek() in ("SHALLOW", "DEEP", "CLONE"):
        target = CreateTable(
            c.text, name, replace=replace, must_exist=must_exist, if_not_exists=absent, name_span=span
        )
        return clone(c, target)
    columns, checks = column_list(c) if c.peek() == "(" else (None, ())
    found = _clauses(c)
    extra = found.pop("partition_columns", ())
    if extra:
        columns = (*(columns or ()), *extra)
    query = None
    if c.token is not None:
        c.take("AS")
        query = parse_subquery(c)
    if external and "location" not in found:
        raise ParseError(
            "CREATE EXTERNAL TABLE needs a LOCATION",
            condition="CREATE_EXTERNAL_TABLE_WITHOUT_LOCATION",
            span=span,
        )
    return CreateTable(
        c.text, name, columns, checks, query=query, replace=replace, must_exist=must_exist,
        if_not_exists=absent, name_span=span, **found,
    )  # fmt: skip


def _clauses(c: Cursor) -> dict[str, Any]:
    """The clauses between the columns and AS, in any order, each once."""
    found: dict[str, Any] = {}

    def once(key: str, value: object) -> None:
        if key in found:
            error = c.error(hint="this clause is given twice")
            error.condition = "DUPLICATE_CLAUSES"
            raise error
        found[key] = value

    while c.token is not None and c.peek() != "AS":
        if c.take("USING"):
            once("using", ".".join(c.name()))
        elif c.take("OPTIONS"):
            once("options", c.options())
        elif c.take("PARTITIONED", "BY") or c.take("PARTITION BY"):
            names, columns = partition_list(c)
            once("partition_by", names)
            found["partition_columns"] = columns
        elif c.take("CLUSTER BY"):
            once("cluster_by", cluster_list(c))
        elif c.take("LOCATION"):
            once("location", c.expect_string())
        elif c.take("COMMENT"):
            once("comment", c.expect_string())
        elif c.take("TBLPROPERTIES"):
            once("properties", c.options())
        elif c.peek() in ("CLUSTERED", "SORT BY", "STORED", "ROW", "SKEWED", "DEFAULT", "WITH"):
            if c.peek() == "WITH" and c.peek(2) != "":  # WITH starts a query
                return found
            raise c.unsupported(f"{c.peek()} in CREATE TABLE")
        elif c.peek() in ("SELECT", "FROM", "VALUES", "TABLE", "("):
            return found
        else:
            raise c.error()
    return found


def partition_list(c: Cursor) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """`(a, b)`, or Hive's `(a int, b string)`, which declares the columns too."""
    if c.peek(2) in (",", ")"):
        c.expect("(")
        names: list[str] = []
        while True:
            word = c.word()
            if word is None:
                raise c.error(hint="expected a column name")
            names.append(word)
            if c.take(")"):
                return tuple(names), ()
            c.expect(",")
    if c.peek(2) == "(":
        raise c.unsupported(f"the partition transform {c.peek(1)}() (Delta partitions by columns)")
    columns, _ = column_list(c)
    return tuple(d.name for d in columns), columns


def cluster_list(c: Cursor) -> tuple[Name, ...]:
    """`(a, s.b)`, or NONE."""
    if c.take("NONE"):
        return ()
    if c.peek() == "AUTO":
        raise c.unsupported("CLUSTER BY AUTO")
    c.expect("(")
    names: list[Name] = []
    while True:
        names.append(c.name())
        if c.take(")"):
            return tuple(names)
        c.expect(",")


def _like(c: Cursor, name: Name, span: tuple[int, int], absent: bool) -> Statement:
    source, source_span = parse_target(c)
    found = _clauses(c)
    if c.token is not None or set(found) - {"using", "location", "properties"}:
        raise c.error(hint="LIKE takes USING, LOCATION and TBLPROPERTIES")
    return CreateTableLike(
        c.text, name, source, if_not_exists=absent, name_span=span, source_span=source_span, **found
    )


def drop(c: Cursor) -> Statement:
    """After DROP."""
    c.expect("TABLE")
    exists = c.take("IF", "EXISTS")
    name, span = parse_target(c)
    purge = c.take("PURGE")
    c.end()
    return DropTable(c.text, name, exists, purge, span)


def undrop(c: Cursor) -> Statement:
    """After UNDROP."""
    kind = c.take_any("TABLE", "VIEW")
    if not kind:
        raise c.error(hint="expected TABLE or VIEW")
    name, span = parse_target(c)
    c.end()
    return Undrop(c.text, kind.lower(), name, span)


def truncate(c: Cursor) -> Statement:
    """After TRUNCATE."""
    c.expect("TABLE")
    name, span = parse_target(c)
    if c.peek() == "PARTITION":
        raise c.unsupported("TRUNCATE TABLE ... PARTITION (DELETE ... WHERE does it)")
    c.end()
    return Truncate(c.text, name, span)


def comment(c: Cursor) -> Statement:
    """After COMMENT."""
    c.expect("ON")
    kind = c.take_any("TABLE", "VIEW", "COLUMN", "SCHEMA", "DATABASE", "NAMESPACE")
    if not kind:
        raise c.error(hint="expected TABLE, VIEW, COLUMN or SCHEMA")
    name, span = parse_target(c)
    c.expect("IS")
    text = None if c.take("NULL") else c.expect_string()
    c.end()
    kind = "schema" if kind in ("DATABASE", "NAMESPACE") else kind.lower()
    return CommentOn(c.text, kind, name, text, span)
