"""Parsers of our own for the statements that are not queries; what we do not run is refused by its name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlshell.errors import NotSupportedError, ParseError, did_you_mean
from sqlshell.parser.cursor import Cursor
from sqlshell.parser.dialect import words
from sqlshell.parser.parse import is_query, parse_query, syntax_error
from sqlshell.parser.statement import (
    CacheTable,
    ClearCache,
    CreateView,
    Describe,
    DropView,
    Explain,
    Query,
    Reset,
    SetVariable,
    Show,
    Statement,
    UncacheTable,
    UseSchema,
    ViewColumn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlglot.tokenizer_core import Token

    from sqlshell.errors import Span

_EXPLAIN_MODES = ("EXTENDED", "FORMATTED", "CODEGEN", "COST", "ANALYZE", "OPTIMIZER", "STAGES")
_NOT_RUN = words("""
    ADD ALTER ANALYZE BEGIN CALL CLONE COMMENT COMMIT CONVERT COPY DECLARE DELETE DFS EXECUTE EXPORT
    FSCK GRANT IMPORT INSERT LIST LOAD LOCK MAP MERGE MSCK OPTIMIZE REDUCE REFRESH REORG REPAIR REPLACE
    RESTORE REVOKE ROLLBACK START TRUNCATE UNDROP UNLOCK UPDATE VACUUM
""")

_SHOW_NOT_RUN = words("TBLPROPERTIES PARTITIONS TABLE MODELS RUNS GRANTS INDEXES TAGS STATS")


def parse_head(tokens: Sequence[Token], text: str) -> Statement:
    """A statement from its raw tokens: a query, or one of the heads below."""
    if is_query(tokens):
        return parse_query(tokens, text)
    cursor = Cursor(tokens, text)
    word = cursor.peek()
    parser = _HEADS.get(word)
    if parser is not None:
        cursor.at = 1
        return parser(cursor)
    if word in _NOT_RUN:
        raise NotSupportedError(
            f"the statement {_statement_name(cursor)} is not supported",
            span=(tokens[0].start, tokens[0].end + 1),
        )
    hint = did_you_mean(word, [*_HEADS, "SELECT", "WITH", "VALUES"], 1) if word else None
    raise syntax_error(tokens[0], text, hint)


def _statement_name(cursor: Cursor) -> str:
    """The statement's first words, enough to name it (`ALTER TABLE`, `INSERT INTO`)."""
    words = [cursor.peek()]
    for offset in (1, 2):
        word = cursor.peek(offset)
        following = {
            "TABLE",
            "INTO",
            "OVERWRITE",
            "VIEW",
            "MODEL",
            "FUNCTION",
            "SCHEMA",
            "DATABASE",
            "FROM",
            "CACHE",
        }
        if word not in following and word not in ("TEMPORARY", "MATERIALIZED"):
            break
        words.append(word)
        if word in following:
            break
    return " ".join(words)


def _explain(c: Cursor) -> Statement:
    mode = c.take_any(*_EXPLAIN_MODES)
    if c.token is None:
        raise c.error(hint="expected a statement")
    if c.peek() == "EXPLAIN":
        raise c.error()
    return Explain(c.text, mode.lower(), parse_head(c.rest(), c.text))


def _create(c: Cursor) -> Statement:
    replace = c.take("OR", "REPLACE")
    if c.peek() == "GLOBAL":
        raise c.unsupported("CREATE GLOBAL TEMPORARY VIEW")
    temporary = bool(c.take_any("TEMPORARY", "TEMP"))
    if not c.take("VIEW"):
        words = [c.peek()] if c.peek() else []
        if c.peek() in ("MATERIALIZED", "EXTERNAL", "STREAMING"):
            words.append(c.peek(1))
        raise c.unsupported(" ".join(["the statement CREATE", *(["TEMPORARY"] if temporary else []), *words]))
    absent = c.take("IF", "NOT", "EXISTS")
    start = c.at
    name = c.name()
    span = c.span_from(start)
    columns_at = c.at
    columns = c.parenthesised() if c.peek() == "(" else None
    if c.take("USING"):
        if not temporary:
            raise c.unsupported("CREATE VIEW ... USING without TEMPORARY")
        if absent:
            raise ParseError("CREATE TEMPORARY VIEW ... USING takes no IF NOT EXISTS", span=span)
        using = ".".join(c.name())
        options = c.options() if c.take("OPTIONS") else {}
        c.end()
        return CreateView(c.text, name, None, temporary=True, replace=replace, using=using, options=options,
                          schema_ddl=columns, name_span=span)  # fmt: skip
    after, c.at = c.at, columns_at
    listed = _view_columns(c) if columns is not None else ()
    assert c.at == after
    comment: str | None = None
    properties: dict[str, str] = {}
    while not c.take("AS"):
        if c.take("COMMENT"):
            comment = c.expect_string()
        elif c.take("TBLPROPERTIES"):
            properties = c.options()
        elif c.peek() in ("PARTITIONED", "PARTITION BY", "SCHEMA", "WITH", "DEFAULT"):
            raise c.unsupported(f"{c.peek()} in CREATE VIEW")
        else:
            raise c.error(hint="expected AS")
    if temporary and properties:
        raise ParseError("TBLPROPERTIES can't coexist with CREATE TEMPORARY VIEW", span=span)
    query = _query(c)
    return CreateView(c.text, name, query, listed, temporary, replace, absent, comment=comment,
                      properties=properties, name_span=span)  # fmt: skip


def _view_columns(c: Cursor) -> tuple[ViewColumn, ...]:
    c.expect("(")
    columns: list[ViewColumn] = []
    while True:
        start = c.at
        word = c.word()
        if word is None:
            raise c.error(hint="expected a column name")
        span = c.span_from(start)
        columns.append(ViewColumn(word, c.expect_string() if c.take("COMMENT") else None, span))
        if c.take(")"):
            return tuple(columns)
        c.expect(",")


def _query(c: Cursor) -> Query:
    if not is_query(c.rest()):
        raise c.error(hint="expected a query")
    return parse_query(c.rest(), c.text)


def _drop(c: Cursor) -> Statement:
    if not c.take("VIEW"):
        words = " ".join(w for w in ("DROP", c.peek(), c.peek(1) if c.peek() == "TEMPORARY" else "") if w)
        raise c.unsupported(f"the statement {words}")
    exists = c.take("IF", "EXISTS")
    start = c.at
    name = c.name()
    span = c.span_from(start)
    c.end()
    return DropView(c.text, name, exists, span)


def _show(c: Cursor) -> Statement:
    scope = "all"
    if c.peek(1) == "FUNCTIONS":
        scope = c.take_any("USER", "SYSTEM", "ALL").lower() or scope
    if c.take("CREATE", "TABLE"):
        target, target_span = _target(c)
        if c.take("AS", "SERDE"):
            raise c.unsupported("SHOW CREATE TABLE ... AS SERDE")
        c.end()
        return Show(c.text, "create", None, target, scope, target_span)
    if c.take("CURRENT"):
        if not c.take_any("SCHEMA", "DATABASE", "NAMESPACE"):
            raise c.error(hint="expected SCHEMA")
        c.end()
        return Show(c.text, "current")
    if c.take("COLUMNS"):
        return _show_columns(c)
    kinds = {"TABLES": "tables", "VIEWS": "views", "FUNCTIONS": "functions", "CATALOGS": "catalogs",
             "SCHEMAS": "databases", "DATABASES": "databases", "NAMESPACES": "databases"}  # fmt: skip
    word = c.take_any(*kinds)
    if not word:
        if c.peek() in _SHOW_NOT_RUN:
            raise c.unsupported(f"the statement SHOW {c.peek()}")
        known = [*kinds, "COLUMNS", "CREATE TABLE"]
        hint = did_you_mean(c.peek(), known, 1) if c.peek() else None
        raise c.error(hint=hint or "expected one of " + ", ".join(known))
    schema: tuple[str, ...] = ()
    span: Span | None = None
    if c.take_any("FROM", "IN"):
        schema, span = _target(c)
    c.take("LIKE")
    pattern = c.string()
    if pattern is None and c.token is not None:
        pattern = ".".join(c.name()) if kinds[word] == "functions" else c.expect_string()
    c.end()
    return Show(c.text, kinds[word], pattern, schema, scope, span)


def _target(c: Cursor) -> tuple[tuple[str, ...], tuple[int, int]]:
    start = c.at
    return c.name(), c.span_from(start)


def _show_columns(c: Cursor) -> Statement:
    if not c.take_any("FROM", "IN"):
        raise c.error(hint="expected FROM or IN")
    target, span = _target(c)
    if c.take_any("FROM", "IN"):
        schema = c.name()
        target = (*schema, target[-1])
    c.end()
    return Show(c.text, "columns", None, target, target_span=span)


def _describe(c: Cursor) -> Statement:
    if c.take("FUNCTION"):
        extended = c.take("EXTENDED")
        name = c.string()
        target = (name,) if name is not None else c.name()
        c.end()
        return Describe(c.text, "function", target, extended)
    if c.peek() in ("SCHEMA", "DATABASE", "NAMESPACE") and c.followed():
        c.at += 1
        extended = c.take("EXTENDED")
        target, span = _target(c)
        c.end()
        return Describe(c.text, "database", target, extended, target_span=span)
    if c.take("QUERY") or (is_query(c.rest()) and not _names_table(c)):
        return Describe(c.text, "query", query=_query(c))
    if c.peek() in ("DETAIL", "HISTORY", "MODEL", "CATALOG", "CONNECTION") and c.followed():
        raise c.unsupported(f"the statement DESCRIBE {c.peek()}")
    c.take("TABLE")
    extended = c.followed() and bool(c.take_any("EXTENDED", "FORMATTED"))
    target, span = _target(c)
    if c.peek() == "PARTITION" or c.take("AS", "JSON"):
        raise c.unsupported("this form of DESCRIBE TABLE")
    column = c.name() if c.token is not None else ()
    c.end()
    return Describe(c.text, "table", target, extended, None, column, span)


def _names_table(c: Cursor) -> bool:
    """DESCRIBE TABLE t describes the table, it is not the query `TABLE t`."""
    return c.peek() == "TABLE"


def _set(c: Cursor) -> Statement:
    word = c.peek()
    if c.token is None:
        return SetVariable(c.text)
    if c.take("TIME", "ZONE"):
        zone = c.string()
        if zone is None:
            raise c.unsupported("SET TIME ZONE without a zone name in quotes")
        c.end()
        return SetVariable(c.text, "spark.sql.session.timeZone", zone)
    if (
        word in ("VAR", "VARIABLE", "CATALOG", "ROLE", "TIME", "SESSION")
        and c.followed()
        and c.peek(1) != "="
    ):
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


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"`":
        return value[1:-1]
    return value


def _reset(c: Cursor) -> Statement:
    if c.token is None:
        return Reset(c.text)
    raw = c.text[c.tokens[0].end + 1 : c.tokens[-1].end + 1].strip()
    if not re.fullmatch(r"`[^`]+`|[\w.:-]+", raw):
        raise c.error(hint="write RESET or RESET key")
    return Reset(c.text, raw.strip("`"))


def _cache(c: Cursor) -> Statement:
    lazy = c.take("LAZY")
    c.expect("TABLE")
    name, span = _target(c)
    options = c.options() if c.take("OPTIONS") else {}
    c.take("AS")
    query = _query(c) if c.token is not None else None
    return CacheTable(c.text, name, query, options, lazy, span)


def _uncache(c: Cursor) -> Statement:
    c.expect("TABLE")
    exists = c.take("IF", "EXISTS")
    name, span = _target(c)
    c.end()
    return UncacheTable(c.text, name, exists, span)


def _clear(c: Cursor) -> Statement:
    c.expect("CACHE")
    c.end()
    return ClearCache(c.text)


def _use(c: Cursor) -> Statement:
    if c.peek() == "CATALOG" and c.followed():
        raise c.unsupported("the statement USE CATALOG")
    if c.followed():
        c.take_any("SCHEMA", "DATABASE", "NAMESPACE")
    name, span = _target(c)
    c.end()
    return UseSchema(c.text, name, span)


_HEADS: dict[str, Callable[[Cursor], Statement]] = {
    "EXPLAIN": _explain,
    "CREATE": _create,
    "DROP": _drop,
    "SHOW": _show,
    "DESCRIBE": _describe,
    "DESC": _describe,
    "SET": _set,
    "RESET": _reset,
    "CACHE": _cache,
    "UNCACHE": _uncache,
    "CLEAR": _clear,
    "USE": _use,
}
