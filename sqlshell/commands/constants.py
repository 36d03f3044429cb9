"""One row of a query as literals: what SET VAR, DECLARE, IDENTIFIER and EXECUTE IMMEDIATE compute with."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from sqlshell import types as t
from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import Literal

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.parser.statement import Query
    from sqlshell.session import Session


def query_row(session: Session, query: Query, span: Span | None = None) -> tuple[list[str], list[Literal]]:
    """The names and values of a query's only row; NULLs when it has none, an error when it has more."""
    result = session.run_query(query)
    try:
        rows = result.rows()
        row = next(rows, None)
        if row is not None and next(rows, None) is not None:
            raise AnalysisError(
                "the query gives more than one row",
                condition="ROW_SUBQUERY_TOO_MANY_ROWS",
                span=span,
                hint="add LIMIT 1",
            )
        cells = row or (None,) * len(result.fields)
        values = [Literal(stored_value(v, f.type), f.type) for v, f in zip(cells, result.fields, strict=True)]
        return [f.name for f in result.fields], values
    finally:
        result.close()


def expression(session: Session, text: str) -> Literal:
    """The value of an expression without columns, given as text."""
    return query_row(session, select(text))[1][0]


def select(expressions: str) -> Query:
    """The query SELECT `expressions`."""
    from sqlshell.parser.parse import parse_statement
    from sqlshell.parser.statement import Query

    parsed = parse_statement(f"SELECT {expressions}")
    assert isinstance(parsed, Query)
    return parsed


def stored_value(value: Any, s: t.SqlType) -> Any:
    """A value as a result shows it, as a literal keeps it (see `result_values.python_value`)."""
    if value is None:
        return None
    match s:
        case t.Timestamp():
            return value.astimezone(UTC).replace(tzinfo=None)
        case t.DayTimeInterval():
            return value // timedelta(microseconds=1)
        case t.Array():
            return tuple(stored_value(v, s.element) for v in value)
        case t.Struct():
            return tuple(stored_value(value[f.name], f.type) for f in s.fields)
        case t.Map():
            return tuple((stored_value(k, s.key), stored_value(v, s.value)) for k, v in value.items())
    return value


def identifier_value(session: Session, text: str, span: Span) -> object:
    """The text inside IDENTIFIER(...)."""
    try:
        return expression(session, text).value
    except AnalysisError as e:
        if e.condition.startswith("UNRESOLVED_COLUMN"):
            e.condition = "NOT_A_CONSTANT_STRING.NOT_CONSTANT"
        e.span = span
        raise
