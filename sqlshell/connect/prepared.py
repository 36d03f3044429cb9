"""Prepared statements: parameters and result columns, known before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import Error

if TYPE_CHECKING:
    import pyarrow as pa

    from sqlshell.connect.cursor import Cursor
    from sqlshell.connect.dbapi import Connection
    from sqlshell.parser.parameters import Parameters
    from sqlshell.session import Session
    from sqlshell.types import Field

_STAND_INS: tuple[Any, ...] = (None, 1, "1")
"""What markers are bound to while no values are known: LIMIT takes no NULL, LIKE no number."""


class Prepared:
    """A statement that was read and bound, and can be run with values for its markers.

    `parameters` has one field a marker (named `?1`, `?2`, ... or as written) of type null: any value can be given.
    `schema` is that of the rows, None where there are none. With `sample` values the columns have the types
    that such values give them.
    """

    def __init__(self, connection: Connection, sql: str, sample: Parameters | None = None) -> None:
        import pyarrow as pa

        self._connection = connection
        self.sql = sql
        session = connection.session
        self.names = _marker_names(sql, session.dialect)
        self.parameters = pa.schema([pa.field(n, pa.null()) for n in self.names])
        with connection.lock:
            found = _fields(session, sql, sample, self.names)
        self.fields: tuple[Field, ...] | None = found
        self.schema: pa.Schema | None = None if found is None else _arrow(found)

    def execute(self, parameters: Parameters | None = None, *, timeout: float | None = None) -> Cursor:
        """A new cursor with the statement run on it."""
        return self._connection.cursor().execute(self.sql, parameters, timeout=timeout)


def _arrow(fields: tuple[Field, ...]) -> pa.Schema:
    from sqlshell.result import Result

    return Result(fields).arrow_schema()


def _marker_names(sql: str, dialect: str) -> list[str]:
    from sqlshell.parser.parameters import marker_names

    return marker_names(sql, dialect)


def _fields(
    session: Session, sql: str, sample: Parameters | None, names: list[str]
) -> tuple[Field, ...] | None:
    """Columns of the statement under the sample, or under the first stand-in that can be bound."""
    if sample or not names:
        return describe(session, sql, sample)
    first: Error | None = None
    for value in _STAND_INS:
        try:
            positional = names[0].startswith("?")
            values: Parameters = [value] * len(names) if positional else dict.fromkeys(names, value)
            return describe(session, sql, values)
        except Error as e:
            first = first or e
    assert first is not None
    raise first


def describe(session: Session, sql: str, parameters: Parameters | None = None) -> tuple[Field, ...] | None:
    """The columns of a query without running it; None for other statements, which are only read."""
    from sqlshell.parser.parse import parse_statement
    from sqlshell.parser.statement import Query
    from sqlshell.types import Field as Column

    text, dialect = sql, session.dialect
    try:
        if parameters:
            from sqlshell.parser.parameters import substitute

            text, dialect = substitute(text, parameters, dialect), "spark"
        statement = parse_statement(text, dialect)
        if not isinstance(statement, Query):
            return None
        bound = session.bind(statement)
    except Error as e:
        e.statement = e.statement or sql
        raise
    return tuple(Column(n, c.type, c.nullable) for n, c in zip(bound.names, bound.plan.output, strict=True))
