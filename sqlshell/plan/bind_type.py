"""Type names in the AST, as types."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlglot import exp

from sqlshell.parser.parse import type_ddl
from sqlshell.plan.bind_util import unsupported
from sqlshell.plan.coerce import parse_type
from sqlshell.types import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    SMALLINT,
    STRING,
    TIME,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    TINYINT,
    VARIANT,
    SqlType,
)

_T = exp.DataType.Type
_PLAIN: dict[Any, SqlType] = {
    _T.BOOLEAN: BOOLEAN,
    _T.TINYINT: TINYINT,
    _T.SMALLINT: SMALLINT,
    _T.INT: INT,
    _T.BIGINT: BIGINT,
    _T.FLOAT: FLOAT,
    _T.DOUBLE: DOUBLE,
    _T.TEXT: STRING,
    _T.BINARY: BINARY,
    _T.DATE: DATE,
    _T.TIMESTAMPTZ: TIMESTAMP,
    _T.TIMESTAMPLTZ: TIMESTAMP,
    _T.TIMESTAMP: TIMESTAMP,
    _T.TIME: TIME,
    _T.TIMESTAMPNTZ: TIMESTAMP_NTZ,
    _T.VARIANT: VARIANT,
}


def sql_type(node: Any) -> SqlType:
    """The type a DataType node names."""
    if not isinstance(node, exp.DataType):
        raise unsupported(node, "a type given by an expression")
    if not node.expressions:
        plain = _PLAIN.get(node.this)
        if plain is not None:
            return plain
    return _parsed(type_ddl(node))


@lru_cache(maxsize=512)
def _parsed(ddl: str) -> SqlType:
    return parse_type(ddl)
