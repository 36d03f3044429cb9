"""CREATE VIEW and DROP VIEW."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.commands.common import no_view
from sqlshell.errors import AnalysisError, NotSupportedError
from sqlshell.plan.context import ViewDefinition
from sqlshell.records import replace
from sqlshell.result import Result, command

if TYPE_CHECKING:
    from sqlshell.parser import statement as st
    from sqlshell.session import Session


def create_view(session: Session, s: st.CreateView) -> Result:
    """CREATE [OR REPLACE] TEMPORARY VIEW over a query or over files."""
    name = ".".join(s.name).lower()
    if not s.temporary:
        raise NotSupportedError(
            "only temporary views are supported so far",
            span=s.name_span,
            hint=f"CREATE TEMPORARY VIEW {'.'.join(s.name)} AS ...",
        )
    if name in session.views and not s.replace:
        if s.if_not_exists:
            return command("OK")
        raise AnalysisError(
            f"the view `{'.'.join(s.name)}` exists already",
            condition="TEMP_TABLE_OR_VIEW_ALREADY_EXISTS",
            span=s.name_span,
            hint="CREATE OR REPLACE TEMPORARY VIEW replaces it",
        )
    if s.query is not None:
        columns = tuple(c.name for c in s.columns)
        bound = session.bind(s.query)  # a view that cannot be bound is refused when made, not when used
        if columns and len(columns) != len(bound.names):
            raise AnalysisError(
                f"the view names {len(columns)} columns, its query gives {len(bound.names)}",
                condition="CREATE_VIEW_COLUMN_ARITY_MISMATCH",
                span=s.name_span,
            )
        duplicates = {n for n in bound.names if [x.lower() for x in bound.names].count(n.lower()) > 1}
        if duplicates and not columns:
            raise AnalysisError(
                f"the query gives the column `{min(duplicates)}` more than once",
                condition="COLUMN_ALREADY_EXISTS",
                span=s.name_span,
            )
        # Sub-statement text is already Spark SQL, whatever dialect it was written in.
        session.views[name] = ViewDefinition(name, s.query.sql, columns)
        return command("OK")
    session.views[name] = _source_view(session, s)
    return command("OK")


def _source_view(session: Session, s: st.CreateView) -> Any:
    """CREATE TEMPORARY VIEW v [(columns)] USING format OPTIONS (path '...')."""
    from sqlshell.plan.coerce import parse_schema

    options = {k.lower(): v for k, v in s.options.items()}
    path = options.pop("path", None)
    if path is None:
        raise AnalysisError(
            "a view over files needs the option path", span=s.name_span, hint="OPTIONS (path 'data/x.csv')"
        )
    schema = parse_schema(s.schema_ddl) if s.schema_ddl else None
    source = session.describe_source(path, s.using, options, schema)
    return replace(source, name=".".join(s.name))


def drop_view(session: Session, s: st.DropView) -> Result:
    """DROP VIEW [IF EXISTS]."""
    name = ".".join(s.name).lower()
    if session.views.pop(name, None) is None and not s.if_exists:
        raise no_view(session, s.name, s.name_span)
    session.uncache(name)
    return command("OK")
