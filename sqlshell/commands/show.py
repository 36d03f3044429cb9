"""SHOW and DESCRIBE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.commands.common import like, no_view, strings
from sqlshell.errors import AnalysisError, NotSupportedError, did_you_mean
from sqlshell.plan.context import ViewDefinition
from sqlshell.result import Result
from sqlshell.statement_context import DEFAULT_SCHEMA, StatementContext
from sqlshell.types import BOOLEAN, Field

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.parser import statement as st
    from sqlshell.session import Session


def show(session: Session, s: st.Show) -> Result:
    """SHOW TABLES, VIEWS, COLUMNS ..."""
    match s.kind:
        case "tables":
            rows: list[tuple[Any, ...]] = [("", n, True) for n in like(session.views, s.pattern)]
            return Result((*strings("namespace", "tableName"), Field("isTemporary", BOOLEAN)), rows)
        case "views":
            rows = [("", n, True) for n in like(session.views, s.pattern)]
            return Result((*strings("namespace", "viewName"), Field("isTemporary", BOOLEAN)), rows)
        case "databases":
            return Result(strings("namespace"), [(n,) for n in like([DEFAULT_SCHEMA], s.pattern)])
        case "functions":
            from sqlshell.functions.registry import load

            return Result(strings("function"), [(n,) for n in like(load(), s.pattern)])
        case "columns":
            return Result(strings("col_name"), [(n,) for n, _ in _columns(session, s.target, s.target_span)])
        case "current":
            return Result(strings("catalog", "namespace"), [("sqlshell", DEFAULT_SCHEMA)])
        case "create":
            return Result(strings("createtab_stmt"), [(_create_text(session, s),)])
    raise NotSupportedError(f"SHOW {s.kind.upper()} is not supported", span=s.target_span)


def _create_text(session: Session, s: st.Show) -> str:
    name = ".".join(s.target).lower()
    found = session.views.get(name)
    if not isinstance(found, ViewDefinition):
        if found is None:
            raise no_view(session, s.target, s.target_span)
        raise NotSupportedError("SHOW CREATE TABLE needs a view over a query", span=s.target_span)
    columns = f" ({', '.join(found.columns)})" if found.columns else ""
    return f"CREATE TEMPORARY VIEW {name}{columns} AS {found.text}"


def _columns(session: Session, name: tuple[str, ...], span: Span | None) -> list[tuple[str, str]]:
    found = StatementContext(session).resolve_relation(name, span, None)
    if not isinstance(found, ViewDefinition):
        return [(f.name, str(f.type)) for f in found.schema.fields]
    bound = session.bind_text(found.text)
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
            listed = _columns(session, s.target, s.target_span)
            rows: list[tuple[Any, ...]] = [(n, t, None) for n, t in listed]
            if s.column:
                rows = [r for r in rows if r[0].lower() == s.column[-1].lower()]
            return Result(fields, rows)
        case "function":
            return Result(strings("function_desc"), [(line,) for line in _function_text(s)])
    raise NotSupportedError(f"DESCRIBE {s.kind.upper()} is not supported", span=s.target_span)


def _function_text(s: st.Describe) -> list[str]:
    from sqlshell.functions.registry import load, lookup

    name = ".".join(s.target)
    row = lookup(name)
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
