"""CREATE [OR REPLACE] TABLE ... AS SELECT: the query's rows and the table's definition are one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.commands import delta_write
from sqlshell.commands.dml import affected_rows
from sqlshell.commands.tables import prepare, register
from sqlshell.errors import AnalysisError
from sqlshell.parser.statement_table import ColumnDef
from sqlshell.plan.bind import Binder
from sqlshell.plan.bind_insert import Arrangement, store_query
from sqlshell.plan.coerce import as_nullable_inside
from sqlshell.statement_context import StatementContext
from sqlshell.storage.delta.actions import Metadata
from sqlshell.storage.delta.commit import commit
from sqlshell.storage.delta.conflicts import NOTHING, WHOLE_TABLE
from sqlshell.types import Array, Map, SqlType, Struct, Void

if TYPE_CHECKING:
    from sqlshell.parser.statement_table import CreateTable
    from sqlshell.plan.context import BoundQuery
    from sqlshell.result import Result
    from sqlshell.session import Session
    from sqlshell.storage.catalog import CatalogObject, QualifiedName
    from sqlshell.storage.delta.actions import Action


def create_table_as(
    session: Session, s: CreateTable, name: QualifiedName, existing: CatalogObject | None
) -> Result:
    """Make the table with the query's columns and rows; nothing is there if any of it fails."""
    assert s.query is not None
    context = StatementContext(session)
    binder = Binder(context)
    bound = binder.bind_query(s.query.ast, s.query.text)
    # A table that is replaced by a query over itself is replaced as the query saw it.
    creation = prepare(session, s, _columns(s, bound), name, existing, context)
    assert creation is not None  # an existing log at the location was refused
    definition, location = creation.definition, creation.table.location
    how = Arrangement(table=".".join(s.name), span=s.name_span)
    rows = store_query(binder, bound, definition.schema, definition.metadata.configuration, how)
    spec = delta_write.write_spec(session, location, definition.schema, definition.metadata)
    files = delta_write.write_rows(session, rows, spec)
    marks = delta_write.with_marks(definition.schema, definition.metadata, files)
    made: list[Action] = [
        marks if marks is not None and isinstance(a, Metadata) else a for a in creation.actions
    ]
    commit(
        creation.table,
        creation.read,
        [*made, *delta_write.adds(files, spec)],
        creation.operation,
        creation.parameters,
        reads=WHOLE_TABLE if creation.read is not None else NOTHING,
        metrics=delta_write.metrics_of(files),
        undo=lambda: delta_write.discard(location, files),
    )
    register(session, creation)
    count = sum(f.rows for f in files)
    return affected_rows(num_affected_rows=count, num_inserted_rows=count)


def _columns(s: CreateTable, bound: BoundQuery) -> tuple[ColumnDef, ...]:
    """The query's columns, all of them nullable, as in Spark."""
    if s.columns:
        raise AnalysisError(
            "CREATE TABLE ... AS takes its columns from the query",
            condition="_LEGACY_ERROR_TEMP_0035",
            span=s.name_span,
            hint="cast and name them there, or CREATE TABLE first and INSERT INTO it",
        )
    for column, name in zip(bound.plan.output, bound.names, strict=True):
        if _holds_void(column.type):
            raise AnalysisError(
                f"the column `{name}` of the query has no type: it is always NULL",
                condition="UNSUPPORTED_DATATYPE",
                span=s.name_span,
                hint=f"CAST(NULL AS string) AS {name}",
            )
    return tuple(
        ColumnDef(n, as_nullable_inside(c.type)) for n, c in zip(bound.names, bound.plan.output, strict=True)
    )


def _holds_void(t: SqlType) -> bool:
    match t:
        case Array():
            return _holds_void(t.element)
        case Map():
            return _holds_void(t.key) or _holds_void(t.value)
        case Struct():
            return any(_holds_void(f.type) for f in t.fields)
    return isinstance(t, Void)
