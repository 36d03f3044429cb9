"""Statements that compute with expressions: variables, EXECUTE IMMEDIATE, SQL functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.parser.statement import Name, Query, Statement
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from sqlshell.errors import Span


@dataclass(frozen=True)
class DeclareVariables(Statement):
    """DECLARE [OR REPLACE] [VARIABLE] names [type] [DEFAULT value]; `default` selects the one value."""

    names: tuple[Name, ...]
    type_ddl: str | None
    default: Query | None
    replace: bool = False
    span: Span | None = None


@dataclass(frozen=True)
class SetVariables(Statement):
    """SET VAR a = value, b = DEFAULT (values: queries of one value, None for DEFAULT), or (a, b) = (query)."""

    names: tuple[Name, ...]
    values: tuple[Query | None, ...]
    query: Query | None = None
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True)
class DropVariable(Statement):
    """DROP TEMPORARY VARIABLE [IF EXISTS] name."""

    name: Name
    if_exists: bool = False
    span: Span | None = None


@dataclass(frozen=True)
class ExecuteImmediate(Statement):
    """EXECUTE IMMEDIATE text [INTO names] [USING values]; both queries select expressions."""

    command: Query
    into: tuple[Name, ...] = ()
    using: Query | None = None
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """A parameter of a SQL function; `default` is an expression's text."""

    name: str
    type_ddl: str
    default: str | None = None
    comment: str | None = None


@dataclass(frozen=True)
class CreateFunction(Statement):
    """CREATE [OR REPLACE] [TEMPORARY] FUNCTION name(parameters) [RETURNS ...] RETURN body.

    A scalar function's `body` selects its expression. `columns` are those of RETURNS TABLE (name, type), `table` says
    that it is one.
    """

    name: Name
    parameters: tuple[Parameter, ...]
    body: Query
    returns: str | None = None
    table: bool = False
    columns: tuple[tuple[str, str], ...] = ()
    temporary: bool = False
    replace: bool = False
    if_not_exists: bool = False
    comment: str | None = None
    span: Span | None = None


@dataclass(frozen=True)
class CreatePythonFunction(Statement):
    """CREATE [OR REPLACE] [TEMPORARY] [AGGREGATE] FUNCTION name(parameters) RETURNS ... LANGUAGE PYTHON AS $$ ... $$.

    `source` stands at `source_at` of the text. `kind` is scalar, aggregate or table; the rest as in `PythonFunction`.
    """

    name: Name
    parameters: tuple[Parameter, ...]
    source: str
    source_at: int
    returns: str | None
    kind: str = "scalar"
    columns: tuple[tuple[str, str], ...] = ()
    handler: str = ""
    arrow: bool = False
    null_call: bool = True
    deterministic: bool = True
    temporary: bool = False
    replace: bool = False
    if_not_exists: bool = False
    comment: str | None = None
    span: Span | None = None


@dataclass(frozen=True)
class DropFunction(Statement):
    """DROP [TEMPORARY] FUNCTION [IF EXISTS] name."""

    name: Name
    temporary: bool = False
    if_exists: bool = False
    span: Span | None = None


# Scripts. Expressions, queries and statements inside are text, read when they run.


class Step:
    """One statement of a script."""


@dataclass(frozen=True)
class Sql(Step):
    """A statement of SQL."""

    text: str


@dataclass(frozen=True)
class Handler:
    """DECLARE EXIT HANDLER FOR conditions: names in capitals, `SQLSTATE xxxxx`, SQLEXCEPTION or NOT FOUND."""

    conditions: tuple[str, ...]
    body: tuple[Step, ...]


@dataclass(frozen=True)
class Block(Step):
    """[label:] BEGIN ... END [label]; `conditions` are (name, SQLSTATE)."""

    label: str
    body: tuple[Step, ...]
    handlers: tuple[Handler, ...] = ()
    conditions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class If(Step):
    """IF and CASE: (condition, steps) in order, then the rest."""

    branches: tuple[tuple[str, tuple[Step, ...]], ...]
    otherwise: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Loop(Step):
    """WHILE (`before`), REPEAT (`until`) or LOOP (neither)."""

    label: str
    body: tuple[Step, ...]
    before: str | None = None
    until: str | None = None


@dataclass(frozen=True)
class For(Step):
    """FOR [row AS] query DO ... END FOR."""

    label: str
    row: str
    query: str
    body: tuple[Step, ...]


@dataclass(frozen=True)
class Jump(Step):
    """LEAVE label, ITERATE label."""

    leave: bool
    label: str


@dataclass(frozen=True)
class Script(Statement):
    """BEGIN ... END as a statement."""

    block: Block
