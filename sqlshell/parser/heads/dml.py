"""INSERT, DELETE, UPDATE and MERGE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import ParseError
from sqlshell.parser.heads.common import parse_target
from sqlshell.parser.heads.row_expressions import expression, relation
from sqlshell.parser.parse import is_query, parse_query
from sqlshell.parser.statement_dml import (
    Assignment,
    Delete,
    Insert,
    Merge,
    MergeClause,
    Target,
    Update,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot.tokenizer_core import Token

    from sqlshell.parser.cursor import Cursor
    from sqlshell.parser.statement import Query, Statement

_AFTER_TARGET = ("SET", "WHERE", "USING", "VALUES", "SELECT", "PARTITION", "BY", "REPLACE", "IF")


def insert(c: Cursor, prefix: Sequence[Token] = ()) -> Statement:
    """INSERT ...; `prefix` are the tokens of a WITH that stood before it and belongs to its query."""
    evolve = c.take("WITH", "SCHEMA", "EVOLUTION")
    word = c.take_any("INTO", "OVERWRITE")
    if not word:
        raise c.error(hint="expected INTO or OVERWRITE")
    if word == "OVERWRITE" and (
        c.peek() == "DIRECTORY" or (c.peek() == "LOCAL" and c.peek(1) == "DIRECTORY")
    ):
        from sqlshell.parser.heads.export import insert_directory

        return insert_directory(c, prefix)
    if c.peek() == "TABLE" and c.followed():
        c.at += 1
    name, span = parse_target(c)
    partition = _partition(c) if c.take("PARTITION") else ()
    absent = c.take("IF", "NOT", "EXISTS")
    if absent and (word != "OVERWRITE" or not partition):
        raise ParseError("IF NOT EXISTS belongs to INSERT OVERWRITE ... PARTITION", span=span)
    mode = "append" if word == "INTO" else "overwrite"
    columns: tuple[str, ...] | None = None
    columns_span = None
    by_name = c.take("BY", "NAME")
    if not by_name and c.peek() == "(" and not is_query(c.rest()):
        start = c.at
        columns = _names(c)
        columns_span = c.span_from(start)
    condition: Any = None
    text = ""
    using: tuple[str, ...] = ()
    if mode == "append" and c.take("REPLACE"):
        by_name = by_name or c.take("BY", "NAME")
        if c.take("USING"):
            mode, using = "replace_using", _names(c)
        elif c.take("WHERE"):
            mode = "replace_where"
            condition, text = expression(c, "SELECT", "VALUES", "TABLE", "WITH", "FROM", what="a condition")
        else:
            raise c.error(hint="expected WHERE or USING")
    query = _query(c, prefix)
    return Insert(c.text, Target(name, span), query, mode, columns, by_name, partition, absent, condition, text,
                  using, evolve, columns_span)  # fmt: skip


def _query(c: Cursor, prefix: Sequence[Token]) -> Query:
    if not is_query(c.rest()):
        raise c.error(hint="expected a query or VALUES")
    if c.peek() == "FROM":
        raise c.unsupported("INSERT ... FROM table")
    return parse_query([*prefix, *c.rest()], c.text)


def _names(c: Cursor) -> tuple[str, ...]:
    """`(a, b, c)`."""
    c.expect("(")
    found: list[str] = []
    while True:
        word = c.word()
        if word is None:
            raise c.error(hint="expected a column name")
        found.append(word)
        if c.take(")"):
            return tuple(found)
        c.expect(",")


def _partition(c: Cursor) -> tuple[tuple[str, Any], ...]:
    """`(a = 1, b)`."""
    c.expect("(")
    found: list[tuple[str, Any]] = []
    while True:
        word = c.word()
        if word is None:
            raise c.error(hint="expected a partition column")
        value = expression(c, ",", what="a value")[0] if c.take("=") or c.take("==") else None
        found.append((word, value))
        if c.take(")"):
            return tuple(found)
        c.expect(",")


def _target(c: Cursor) -> Target:
    """`table [[AS] alias]`."""
    name, span = parse_target(c)
    if c.peek() in ("VERSION", "TIMESTAMP", "FOR") and c.peek(1) in ("AS", "SYSTEM_TIME", "SYSTEM_VERSION"):
        raise ParseError("only the latest version of a table can be changed", span=span)
    alias = None
    if c.take("AS"):
        alias = c.word()
        if alias is None:
            raise c.error(hint="expected an alias")
    elif c.token is not None and c.peek() not in _AFTER_TARGET:
        alias = c.word()
    return Target(name, span, alias)


def delete(c: Cursor) -> Statement:
    c.expect("FROM")
    target = _target(c)
    condition, text = expression(c, what="a condition") if c.take("WHERE") else (None, "")
    c.end()
    return Delete(c.text, target, condition, text)


def update(c: Cursor) -> Statement:
    target = _target(c)
    c.expect("SET")
    assignments = _assignments(c, "WHERE")
    condition, text = expression(c, what="a condition") if c.take("WHERE") else (None, "")
    c.end()
    return Update(c.text, target, assignments, condition, text)


def _assignments(c: Cursor, *stops: str) -> tuple[Assignment, ...]:
    found: list[Assignment] = []
    while True:
        start = c.at
        path = c.name()
        span = c.span_from(start)
        if not c.take("=") and not c.take("=="):
            raise c.error(hint="expected =")
        found.append(Assignment(path, expression(c, ",", *stops)[0], span))
        if not c.take(","):
            return tuple(found)


def merge(c: Cursor) -> Statement:
    evolve = c.take("WITH", "SCHEMA", "EVOLUTION")
    c.expect("INTO")
    target = _target(c)
    c.expect("USING")
    start = c.at
    source = relation(c, "ON")
    source_span = c.span_from(start)
    c.expect("ON")
    condition, text = expression(c, "WHEN", what="a condition")
    clauses: list[MergeClause] = []
    while c.take("WHEN"):
        clauses.append(_clause(c))
    c.end()
    if not clauses:
        raise c.error(hint="expected WHEN MATCHED or WHEN NOT MATCHED")
    _check_order(c, clauses)
    return Merge(c.text, target, source, condition, text, tuple(clauses), evolve, source_span)


def _clause(c: Cursor) -> MergeClause:
    start = c.at - 1
    kind = "matched"
    if c.take("NOT"):
        kind = "not_matched"
    c.expect("MATCHED")
    if kind == "not_matched" and c.take("BY"):
        kind = {"SOURCE": "by_source", "TARGET": "not_matched"}.get(c.take_any("SOURCE", "TARGET"), "")
        if not kind:
            raise c.error(hint="expected SOURCE or TARGET")
    condition, text = expression(c, "THEN", what="a condition") if c.take("AND") else (None, "")
    c.expect("THEN")
    span = c.span_from(start)
    action = c.take_any("UPDATE", "DELETE", "INSERT").lower()
    if not action or (action == "insert") != (kind == "not_matched"):
        raise c.error(hint="expected INSERT" if kind == "not_matched" else "expected UPDATE or DELETE")
    if action == "delete":
        return MergeClause(kind, action, condition, text, span=span)
    if action == "update":
        c.expect("SET")
    if c.take("*"):
        if kind == "by_source":
            raise ParseError("UPDATE SET * needs a source row: there is none here", span=span)
        return MergeClause(kind, action, condition, text, star=True, span=span)
    found = _assignments(c, "WHEN") if action == "update" else _insert_values(c)
    return MergeClause(kind, action, condition, text, found, span=span)


def _insert_values(c: Cursor) -> tuple[Assignment, ...]:
    """`(a, b) VALUES (e1, e2)`."""
    c.expect("(")
    paths: list[tuple[tuple[str, ...], tuple[int, int]]] = []
    while True:
        paths.append(parse_target(c))
        if c.take(")"):
            break
        c.expect(",")
    c.expect("VALUES")
    c.expect("(")
    values: list[Any] = []
    while True:
        values.append(expression(c, ",")[0])
        if c.take(")"):
            break
        c.expect(",")
    if len(paths) != len(values):
        raise ParseError(
            f"INSERT names {len(paths)} columns and gives {len(values)} values", span=c.span_from(c.at - 1)
        )
    return tuple(Assignment(p, v, s) for (p, s), v in zip(paths, values, strict=True))


def _check_order(c: Cursor, clauses: list[MergeClause]) -> None:
    """Only the last clause of a kind may have no condition: later ones could never apply."""
    conditions = {
        "matched": "NON_LAST_MATCHED_CLAUSE_OMIT_CONDITION",
        "not_matched": "NON_LAST_NOT_MATCHED_BY_TARGET_CLAUSE_OMIT_CONDITION",
        "by_source": "NON_LAST_NOT_MATCHED_BY_SOURCE_CLAUSE_OMIT_CONDITION",
    }
    for kind, name in conditions.items():
        of_kind = [m for m in clauses if m.kind == kind]
        if any(m.condition is None for m in of_kind[:-1]):
            raise ParseError(
                "only the last clause of its kind may come without a condition: later ones could never apply",
                condition=name,
                span=next(m.span for m in of_kind if m.condition is None),
            )
