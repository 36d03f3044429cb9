"""CREATE, SHOW, DESCRIBE, ALTER, REFRESH, RESTORE and DROP MODEL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot.tokenizer_core import TokenType

from sqlshell.parser.heads.columns import data_type
from sqlshell.parser.heads.common import parse_subquery, parse_target
from sqlshell.parser.statement_model import (
    AlterModel,
    CreateModel,
    DescribeModel,
    DropModel,
    ExportModel,
    ModelOption,
    ModelVersionRef,
    RefreshModel,
    RestoreModel,
    Search,
    ShowModels,
)

if TYPE_CHECKING:
    from sqlshell.parser.cursor import Cursor
    from sqlshell.parser.statement import Statement
    from sqlshell.types import SqlType

_CLOSERS = {"[": "]", "(": ")"}


def create(c: Cursor) -> Statement:
    replace = c.take("OR", "REPLACE")
    if not c.take("MODEL"):
        raise c.error(hint="expected MODEL")
    absent = c.take("IF", "NOT", "EXISTS")
    name, span = parse_target(c)
    transform, transform_span = None, None
    options: tuple[ModelOption, ...] = ()
    inputs: tuple[tuple[str, SqlType], ...] = ()
    while c.token is not None and c.peek() != "AS":
        if c.peek() == "TRANSFORM" and transform is None:
            c.at += 1
            start = c.at
            transform = c.parenthesised()
            transform_span = c.span_from(start)
        elif c.peek() == "OPTIONS" and not options:
            c.at += 1
            options = model_options(c)
        elif c.peek() == "INPUT" and not inputs:
            c.at += 1
            inputs = _inputs(c)
        elif c.peek() in ("OUTPUT", "REMOTE"):
            raise c.unsupported(f"{c.peek()} in CREATE MODEL")
        else:
            raise c.error(hint="expected TRANSFORM (...), OPTIONS (...) or AS and a query")
    query = parse_subquery(c) if c.take("AS") else None
    return CreateModel(c.text, name, query, options, transform, replace, absent, span, transform_span, inputs)


def _inputs(c: Cursor) -> tuple[tuple[str, SqlType], ...]:
    """`(name type, ...)`."""
    c.expect("(")
    found: list[tuple[str, SqlType]] = []
    while not c.take(")"):
        if found:
            c.expect(",")
        name = c.word()
        if name is None:
            raise c.error(hint="expected a column name and its type")
        found.append((name, data_type(c)))
    return tuple(found)


def export(c: Cursor) -> Statement:
    c.expect("MODEL")
    name, span = parse_target(c)
    version = version_ref(c)
    form: str | None = None
    path: str | None = None
    start = c.at
    if c.take("OPTIONS"):
        for option in model_options(c):
            if option.name in ("uri", "path"):
                path = str(option.value)
            elif option.name == "format":
                form = str(option.value)
            else:
                raise c.error(hint="EXPORT MODEL m OPTIONS (format = '...', uri = '...')")
    else:
        c.expect("TO")
        path = c.expect_string()
        if c.take("FORMAT") or c.take("AS"):
            form = c.string() or c.word()
    if path is None:
        raise c.error(hint="EXPORT MODEL m TO 'path'")
    path_span = c.span_from(start)
    c.end()
    return ExportModel(c.text, name, version, path, form, span, path_span)


def drop(c: Cursor) -> Statement:
    c.expect("MODEL")
    exists = c.take("IF", "EXISTS")
    name, span = parse_target(c)
    if c.peek() == "VERSION":
        raise c.unsupported("DROP MODEL ... VERSION: versions are kept, they are the model's history; this")
    c.end()
    return DropModel(c.text, name, exists, span)


def show_models(c: Cursor) -> Statement:
    c.expect("MODELS")
    schema = parse_target(c)[0] if c.take_any("FROM", "IN") else ()
    c.take("LIKE")
    pattern = c.string()
    c.end()
    return ShowModels(c.text, schema, pattern)


def show_create(c: Cursor) -> Statement:
    c.expect("CREATE", "MODEL")
    return _describe(c, "create")


def describe(c: Cursor) -> Statement:
    c.expect("MODEL")
    return _describe(c, "model")


def history(c: Cursor) -> Statement:
    c.expect("HISTORY", "MODEL")
    return _describe(c, "history")


def _describe(c: Cursor, kind: str) -> Statement:
    name, span = parse_target(c)
    version = version_ref(c)
    c.end()
    return DescribeModel(c.text, kind, name, version, span)


def alter(c: Cursor) -> Statement:
    c.expect("MODEL")
    name, span = parse_target(c)
    if c.take("RENAME", "TO"):
        new = c.name()
        c.end()
        return AlterModel(c.text, name, "rename", new_name=new, name_span=span)
    if c.take("UNSET", "ALIAS"):
        alias = ".".join(c.name())
        c.end()
        return AlterModel(c.text, name, "unalias", alias=alias, name_span=span)
    c.expect("SET")
    if c.take("ALIAS"):
        alias = c.string() or ".".join(c.name())
        c.expect("=")
        c.expect("VERSION")
        version = ModelVersionRef("version", _value(c))
        c.end()
        return AlterModel(c.text, name, "alias", alias=alias, version=version, name_span=span)
    c.expect("OPTIONS")
    options = model_options(c)
    c.end()
    return AlterModel(c.text, name, "options", options, name_span=span)


def refresh(c: Cursor) -> Statement:
    c.expect("MODEL")
    name, span = parse_target(c)
    options = model_options(c) if c.take("OPTIONS") else ()
    c.end()
    return RefreshModel(c.text, name, options, span)


def restore(c: Cursor) -> Statement:
    c.expect("MODEL")
    name, span = parse_target(c)
    c.expect("TO")
    version = version_ref(c)
    if not version.kind:
        raise c.error(hint="expected VERSION AS OF n")
    c.end()
    return RestoreModel(c.text, name, version, span)


def version_ref(c: Cursor) -> ModelVersionRef:
    """VERSION AS OF n | 'alias', TIMESTAMP AS OF '...', or nothing."""
    kind = c.take_any("VERSION", "TIMESTAMP")
    if not kind:
        return ModelVersionRef()
    c.expect("AS", "OF")
    return ModelVersionRef(kind.lower(), _value(c))


def model_options(c: Cursor) -> tuple[ModelOption, ...]:
    """`(name = value, ...)`."""
    c.expect("(")
    found: list[ModelOption] = []
    while not c.take(")"):
        if found:
            c.expect(",")
        start = c.at
        name = c.string() or ".".join(c.name())
        if not c.take("="):
            c.expect("==")
        value = _value(c)
        found.append(ModelOption(name.lower(), value, c.span_from(start)))
    return tuple(found)


def _value(c: Cursor) -> Any:
    """A literal, an array, a struct, or a search over values."""
    text = c.string()
    if text is not None:
        return text
    for word, value in (("TRUE", True), ("FALSE", False), ("NULL", None)):
        if c.take(word):
            return value
    if c.peek() in ("HPARAM_RANGE", "HPARAM_CANDIDATES"):
        kind = c.peek().removeprefix("HPARAM_").lower()
        c.at += 1
        values = _list(c)
        if kind == "candidates" and len(values) == 1 and isinstance(values[0], tuple):
            values = values[0]
        return Search(kind, values)
    if c.peek() in ("ARRAY", "STRUCT") and c.peek(1) in _CLOSERS:
        c.at += 1
    if c.peek() in _CLOSERS:
        return _list(c)
    return _number(c)


def _list(c: Cursor) -> tuple[Any, ...]:
    if c.peek() not in _CLOSERS:
        raise c.error(hint="expected a list in parentheses")
    close = _CLOSERS[c.peek()]
    c.at += 1
    values: list[Any] = []
    while not c.take(close):
        if values:
            c.expect(",")
        values.append(_value(c))
        if c.take("AS"):
            c.name()
    return tuple(values)


def _number(c: Cursor) -> int | float:
    negative = c.take("-")
    token = c.token
    if token is None or token.token_type != TokenType.NUMBER:
        raise c.error(hint="expected a number, a string, TRUE, FALSE or a list")
    start = c.at
    c.at += 1
    while (again := c.token) is not None and again.start == token.start:
        c.at += 1  # `1L` and `1.5D` arrive as several tokens
    first, last = c.span_from(start)
    digits = c.text[first:last].rstrip("LlDdBbSsYyFf")
    value: int | float = int(digits) if digits.isdigit() else float(digits)
    return -value if negative else value
