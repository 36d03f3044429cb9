"""SHOW and DESCRIBE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell import relations
from sqlshell.commands.common import like, strings
from sqlshell.errors import AnalysisError, NotSupportedError, did_you_mean
from sqlshell.plan.context import ViewDefinition
from sqlshell.result import Result
from sqlshell.statement_context import StatementContext
from sqlshell.storage.catalog import CATALOG_NAME, RELATION
from sqlshell.types import BOOLEAN, Field

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.parser import statement as st
    from sqlshell.session import Session


def show(session: Session, s: st.Show) -> Result:
    """SHOW TABLES, VIEWS, COLUMNS ..."""
    match s.kind:
        case "tables" | "views":
            return _relations(session, s)
        case "databases":
            names = session.catalog.schemas()
            return Result(strings("namespace"), [(n,) for n in like(names, s.pattern)])
        case "catalogs":
            return Result(strings("catalog"), [(n,) for n in like([CATALOG_NAME], s.pattern)])
        case "functions":
            from sqlshell.functions.registry import load

            own = [] if s.scope == "system" else [*session.functions, *_stored_functions(session, s)]
            known = own if s.scope == "user" else [*load(), *own]
            return Result(strings("function"), [(n,) for n in like(known, s.pattern)])
        case "columns":
            return Result(strings("col_name"), [(n,) for n, _ in _columns(session, s.target, s.target_span)])
        case "current":
            return Result(strings("catalog", "namespace"), [(CATALOG_NAME, session.current_schema)])
        case "create":
            return Result(strings("createtab_stmt"), [(_create_text(session, s),)])
        case "tblproperties":
            from sqlshell.commands.table_show import show_properties

            return show_properties(session, s)
        case "partitions":
            from sqlshell.commands.table_show import show_partitions

            return show_partitions(session, s)
    raise NotSupportedError(f"SHOW {s.kind.upper()} is not supported", span=s.target_span)


def _stored_functions(session: Session, s: st.Show) -> list[str]:
    """The warehouse's functions in a schema, by their full names."""
    from sqlshell.plan.stored_function import KIND

    schema = relations.schema_name(s.target, s.target_span) if s.target else session.current_schema
    relations.require_schema(session, schema, s.target_span)
    return [o.full_name for o in session.catalog.list_objects(KIND, schema)]


def _relations(session: Session, s: st.Show) -> Result:
    """SHOW TABLES and SHOW VIEWS: those of a schema, then the session's temporary views."""
    if tuple(p.lower() for p in s.target) == ("system", "ml"):
        from sqlshell.ml.tracking import TABLES

        listed = [("system.ml", n, False) for n in like(list(TABLES), s.pattern)]
        second = "tableName" if s.kind == "tables" else "viewName"
        return Result((*strings("namespace", second), Field("isTemporary", BOOLEAN)), listed)
    schema = relations.schema_name(s.target, s.target_span) if s.target else session.current_schema
    relations.require_schema(session, schema, s.target_span)
    if schema == relations.INFORMATION_SCHEMA:
        from sqlshell.information_schema import SCHEMAS

        names = list(SCHEMAS)
    else:
        kind = RELATION if s.kind == "tables" else "view"
        names = [o.name for o in session.catalog.list_objects(kind, schema)]
    rows: list[tuple[Any, ...]] = [(schema, n, False) for n in like(names, s.pattern)]
    rows += [("", n, True) for n in like(session.views, s.pattern)]
    second = "tableName" if s.kind == "tables" else "viewName"
    return Result((*strings("namespace", second), Field("isTemporary", BOOLEAN)), rows)


def _create_text(session: Session, s: st.Show) -> str:
    name = ".".join(s.target).lower()
    found = session.views.get(name)
    if found is None:
        from sqlshell.commands.table_show import create_text

        return create_text(session, s.target, s.target_span)
    if not isinstance(found, ViewDefinition):
        raise NotSupportedError("SHOW CREATE TABLE needs a view over a query", span=s.target_span)
    columns = f" ({', '.join(found.columns)})" if found.columns else ""
    return f"CREATE TEMPORARY VIEW {name}{columns} AS {found.text}"


def _columns(session: Session, name: tuple[str, ...], span: Span | None) -> list[tuple[str, str]]:
    ctx = StatementContext(session)
    found = ctx.resolve_relation(name, span, None)
    if not isinstance(found, ViewDefinition):
        return [(f.name, str(f.type)) for f in found.schema.fields]
    from sqlshell.plan.bind import Binder

    binder = Binder(ctx).for_view(found, None, span)
    bound = binder.bind_query(ctx.parse_query(found.text, found.dialect), found.text)
    names = found.columns or bound.names
    return [(n, str(c.type)) for n, c in zip(names, bound.plan.output, strict=True)]


def describe(session: Session, s: st.Describe) -> Result:
    """DESCRIBE a relation, a query or a function."""
    fields = strings("col_name", "data_type", "comment")
    match s.kind:
        case "query":
            assert s.query is not None
            bound = session.bind(s.query)
            columns = zip(bound.names, bound.plan.output, strict=True)
            return Result(fields, [(n, str(c.type), None) for n, c in columns])
        case "table":
            rows = _table_rows(session, s)
            found = relations.find(session, s.target, s.target_span) if s.column and s.extended else None
            if found is None or found.kind != "table":
                return Result(fields, rows)
            from sqlshell.commands.table_show import column_details

            return Result(strings("info_name", "info_value"), column_details(found, s.column[-1], rows[0]))
        case "database":
            from sqlshell.commands.schemas import describe_schema

            return describe_schema(session, s)
        case "detail" | "history":
            from sqlshell.commands import table_show

            return (table_show.detail if s.kind == "detail" else table_show.history)(session, s)
        case "function":
            return Result(strings("function_desc"), [(line,) for line in _function_text(session, s)])
    raise NotSupportedError(f"DESCRIBE {s.kind.upper()} is not supported", span=s.target_span)


def _table_rows(session: Session, s: st.Describe) -> list[tuple[Any, ...]]:
    """DESCRIBE TABLE [EXTENDED] name [column]."""
    temporary = ".".join(s.target).lower() in session.views
    found = None if temporary else relations.find(session, s.target, s.target_span)
    if found is None or session.time_travel is not None:
        rows: list[tuple[Any, ...]] = [(n, t, None) for n, t in _columns(session, s.target, s.target_span)]
    else:
        from sqlshell.commands.table_show import describe_rows

        rows = describe_rows(session, found, extended=s.extended and not s.column)
    if not s.column:
        return rows
    wanted = [r for r in rows if r[0].lower() == s.column[-1].lower()]
    if not wanted:
        raise AnalysisError(
            f"`{'.'.join(s.target)}` has no column `{'.'.join(s.column)}`",
            condition="COLUMN_NOT_FOUND",
            span=s.target_span,
            hint=did_you_mean(s.column[-1], [r[0] for r in rows]),
        )
    return wanted[:1]


def _function_text(session: Session, s: st.Describe) -> list[str]:
    from sqlshell.functions.registry import load, lookup

    name = ".".join(s.target)
    row = lookup(name)
    written = StatementContext(session).resolve_function(s.target) if row is None else None
    if written is not None:
        from sqlshell.commands.functions import described

        return described(written, extended=s.extended)
    if row is None:
        raise AnalysisError(
            f"there is no function `{name}`",
            condition="UNRESOLVED_ROUTINE",
            span=s.target_span,
            hint=did_you_mean(name, load()),
        )
    lines = [f"Function: {row.name}", f"Usage: {row.name}: {row.sig}", row.doc]
    if row.aliases:
        lines.append("Aliases: " + ", ".join(row.aliases))
    if s.extended and row.example:
        lines.append(f"Example: SELECT {row.example}")
    return lines
