"""Rows to and from files: COPY ... TO, INSERT OVERWRITE DIRECTORY, COPY INTO."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import ParseError
from sqlshell.parser.heads.common import parse_target
from sqlshell.parser.heads.row_expressions import cut
from sqlshell.parser.parse import is_query, parse_query
from sqlshell.parser.statement_dml import CopyInto, CopyTo, Target
from sqlshell.parser.tokens import T, like

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot.tokenizer_core import Token

    from sqlshell.parser.cursor import Cursor
    from sqlshell.parser.statement import Query, Statement

_FORMATS = ("PARQUET", "CSV", "JSON", "ARROW")


def copy(c: Cursor) -> Statement:
    """COPY INTO t FROM ..., or COPY {table | (query)} TO 'path'."""
    if c.take("INTO"):
        return _copy_into(c)
    query = _source(c)
    c.expect("TO")
    start = c.at
    path = c.expect_string()
    span = c.span_from(start)
    form: str | None = None
    options: dict[str, str] = {}
    partition: tuple[str, ...] = ()
    overwrite = False
    c.take("WITH")
    if c.peek() == "(":
        form, options, partition, overwrite = _copy_options(c)
    c.end()
    return CopyTo(c.text, query, path, form, options, partition, overwrite, span)


def _source(c: Cursor) -> Query:
    """`(query)` or a table's name."""
    if c.peek() == "(":
        tokens = cut(c, "TO")
        if not is_query(tokens):
            raise c.error(hint="expected a query")
        return parse_query(tokens, c.text)
    tokens = cut(c, "TO", "(")
    if not tokens:
        raise c.error(hint="expected a table or a query in parentheses")
    first = tokens[0]
    return parse_query([like(first, T.TABLE, "TABLE"), *tokens], c.text)


def _copy_options(c: Cursor) -> tuple[str | None, dict[str, str], tuple[str, ...], bool]:
    """`(FORMAT parquet, PARTITION_BY (a, b), OVERWRITE, HEADER true ...)`, values after a space or `=`."""
    c.expect("(")
    form: str | None = None
    options: dict[str, str] = {}
    partition: tuple[str, ...] = ()
    overwrite = False
    while True:
        key = (c.word() or "").lower()
        if not key:
            raise c.error(hint="expected an option")
        c.take("=")
        if key == "partition_by":
            partition = _columns(c)
        else:
            value = "true" if c.peek() in (",", ")") else _value(c)
            if key == "format":
                form = _format(c, value)
            elif key in ("overwrite", "overwrite_or_ignore"):
                overwrite = value.lower() in ("true", "1")
            else:
                options[key] = value
        if c.take(")"):
            return form, options, partition, overwrite
        c.expect(",")


def _value(c: Cursor) -> str:
    text = c.string()
    if text is not None:
        return text
    token = c.token
    if token is None:
        raise c.error(hint="expected a value")
    c.at += 1
    return token.text


def _columns(c: Cursor) -> tuple[str, ...]:
    many = c.take("(")
    found: list[str] = []
    while True:
        word = c.word()
        if word is None:
            raise c.error(hint="expected a column name")
        found.append(word)
        if not many or c.take(")"):
            return tuple(found)
        c.expect(",")


def _format(c: Cursor, name: str) -> str:
    if name.upper() not in _FORMATS:
        raise c.unsupported(f"writing files of format {name}")
    return name.lower()


def insert_directory(c: Cursor, prefix: Sequence[Token] = ()) -> Statement:
    """INSERT OVERWRITE [LOCAL] DIRECTORY ['path'] USING format [OPTIONS (...)] query."""
    c.take("LOCAL")
    c.expect("DIRECTORY")
    start = c.at
    path = c.string()
    span = c.span_from(start) if path is not None else c.span_from(start - 1)
    if not c.take("USING"):
        raise c.unsupported("INSERT OVERWRITE DIRECTORY without USING")
    form = _format(c, c.word() or "")
    options = {k.lower(): v for k, v in c.options().items()} if c.take("OPTIONS") else {}
    path = path or options.pop("path", None)
    if path is None:
        raise ParseError("INSERT OVERWRITE DIRECTORY needs a path", span=span)
    partition: tuple[str, ...] = ()
    if c.take("PARTITIONED", "BY"):
        partition = _columns(c)
    if not is_query(c.rest()):
        raise c.error(hint="expected a query")
    query = parse_query([*prefix, *c.rest()], c.text)
    return CopyTo(c.text, query, path, form, options, partition, True, span)


def _copy_into(c: Cursor) -> Statement:
    name, target_span = parse_target(c)
    c.expect("FROM")
    select = None
    start = c.at
    if c.take("("):
        tokens = cut(c)
        c.expect(")")
        select, path = _select_from_files(c, tokens)
    else:
        path = c.expect_string()
    span = c.span_from(start)
    c.expect("FILEFORMAT")
    c.expect("=")
    form = (c.word() or "").lower()
    files: tuple[str, ...] = ()
    pattern = None
    format_options: dict[str, str] = {}
    copy_options: dict[str, str] = {}
    while c.token is not None:
        if c.take("FILES"):
            c.expect("=")
            files = _strings(c)
        elif c.take("PATTERN"):
            c.expect("=")
            pattern = c.expect_string()
        elif c.take("FORMAT_OPTIONS"):
            format_options = {k.lower(): v for k, v in c.options().items()}
        elif c.take("COPY_OPTIONS"):
            copy_options = {k.lower(): v for k, v in c.options().items()}
        else:
            raise c.error(hint="expected FILES, PATTERN, FORMAT_OPTIONS or COPY_OPTIONS")
    if files and pattern is not None:
        raise ParseError("COPY INTO takes FILES or PATTERN, not both", span=span)
    return CopyInto(c.text, Target(name, target_span), path, form, select, files, pattern, format_options,
                    copy_options, span)  # fmt: skip


def _select_from_files(c: Cursor, tokens: Sequence[Token]) -> tuple[object, str]:
    """`SELECT ... FROM 'path'`: its AST, and the path."""
    ast = parse_query(tokens, c.text).ast
    source = ast.args.get("from_")
    node = source.this if source is not None else None
    if node is None or not getattr(node, "this", None) or not node.this.meta.get("path"):
        raise ParseError("COPY INTO reads SELECT ... FROM 'path'", span=(tokens[0].start, tokens[-1].end + 1))
    return ast, node.name


def _strings(c: Cursor) -> tuple[str, ...]:
    c.expect("(")
    found: list[str] = []
    while True:
        found.append(c.expect_string())
        if c.take(")"):
            return tuple(found)
        c.expect(",")
