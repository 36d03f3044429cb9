"""Statements that are not queries: settings, temporary views, SHOW, DESCRIBE, EXPLAIN, CACHE.

`run_command` dispatches on the statement's class; each handler gives a `Result`.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, NotSupportedError, did_you_mean
from sqlshell.parser import statement as st
from sqlshell.plan.context import ViewDefinition
from sqlshell.records import replace
from sqlshell.result import Result, command
from sqlshell.statement_context import DEFAULT_SCHEMA, StatementContext
from sqlshell.types import BOOLEAN, STRING, Field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlshell.errors import Span
    from sqlshell.session import Session


def run_command(session: Session, statement: st.Statement) -> Result:
    """Answer one command; raises NotSupportedError for statements we do not have."""
    handler = _HANDLERS.get(type(statement))
    if handler is None:
        raise NotSupportedError(f"{type(statement).__name__} is not supported")
    return handler(session, statement)


def _strings(*names: str) -> tuple[Field, ...]:
    return tuple(Field(n, STRING) for n in names)


# -- settings


def _set(session: Session, s: st.SetVariable) -> Result:
    if s.key is None:
        fields = _strings("key", "value", "meaning") if s.verbose else _strings("key", "value")
        rows = [(k, v, doc)[: len(fields)] for k, v, doc in session.settings.items()]
        return Result(fields, rows)
    if s.value is None:
        value = session.settings.text(s.key)
        return Result(_strings("key", "value"), [(s.key, "<undefined>" if value is None else value)])
    warning = session.settings.set(s.key, s.value)
    warnings = [warning] if warning else []
    return Result(_strings("key", "value"), [(s.key, s.value)], warnings=warnings)


def _reset(session: Session, s: st.Reset) -> Result:
    session.settings.reset(s.key)
    return command("OK")


# -- views


def _create_view(session: Session, s: st.CreateView) -> Result:
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


def _drop_view(session: Session, s: st.DropView) -> Result:
    name = ".".join(s.name).lower()
    if session.views.pop(name, None) is None and not s.if_exists:
        raise _no_view(session, s.name, s.name_span)
    session.uncache(name)
    return command("OK")


def _no_view(session: Session, name: tuple[str, ...], span: Span | None) -> AnalysisError:
    return AnalysisError(
        f"there is no table or view `{'.'.join(name)}`",
        condition="TABLE_OR_VIEW_NOT_FOUND",
        span=span,
        hint=did_you_mean(".".join(name), session.views),
    )


# -- SHOW and DESCRIBE


def _like(names: Iterable[str], pattern: str | None) -> list[str]:
    """SHOW's pattern: `*` and `|`, any case; `%` and `_` are not special there, as in Spark."""
    if pattern is None:
        return sorted(names)
    wanted = [p.strip().lower() for p in pattern.split("|")]
    return sorted(n for n in names if any(fnmatchcase(n.lower(), p) for p in wanted))


def _show(session: Session, s: st.Show) -> Result:
    match s.kind:
        case "tables":
            rows: list[tuple[Any, ...]] = [("", n, True) for n in _like(session.views, s.pattern)]
            return Result((*_strings("namespace", "tableName"), Field("isTemporary", BOOLEAN)), rows)
        case "views":
            rows = [("", n, True) for n in _like(session.views, s.pattern)]
            return Result((*_strings("namespace", "viewName"), Field("isTemporary", BOOLEAN)), rows)
        case "databases":
            return Result(_strings("namespace"), [(n,) for n in _like([DEFAULT_SCHEMA], s.pattern)])
        case "functions":
            from sqlshell.functions.registry import load

            return Result(_strings("function"), [(n,) for n in _like(load(), s.pattern)])
        case "columns":
            return Result(_strings("col_name"), [(n,) for n, _ in _columns(session, s.target, s.target_span)])
        case "current":
            return Result(_strings("catalog", "namespace"), [("sqlshell", DEFAULT_SCHEMA)])
        case "create":
            return Result(_strings("createtab_stmt"), [(_create_text(session, s),)])
    raise NotSupportedError(f"SHOW {s.kind.upper()} is not supported", span=s.target_span)


def _create_text(session: Session, s: st.Show) -> str:
    name = ".".join(s.target).lower()
    found = session.views.get(name)
    if not isinstance(found, ViewDefinition):
        if found is None:
            raise _no_view(session, s.target, s.target_span)
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


def _describe(session: Session, s: st.Describe) -> Result:
    fields = _strings("col_name", "data_type", "comment")
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
            return Result(_strings("function_desc"), [(line,) for line in _function_text(s)])
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


# -- EXPLAIN


def _explain(session: Session, s: st.Explain) -> Result:
    if not isinstance(s.statement, st.Query):
        raise NotSupportedError("EXPLAIN takes a query")
    return Result(_strings("plan"), [(explain_text(session, s.statement, s.mode),)])


def explain_text(session: Session, query: st.Query, mode: str) -> str:
    """The text of EXPLAIN: the optimized plan; EXTENDED adds the bound one, OPTIMIZER every effective rule."""
    from sqlshell.plan.explain import format_plan

    bound = session.bind(query)
    optimized = session.optimize(bound.plan)
    sections: list[tuple[str, str]] = []
    match mode:
        case "extended" | "formatted":
            sections.append(("Bound plan", format_plan(bound.plan)))
            sections.append(("Optimized plan", format_plan(optimized.plan)))
            sections.append(("Stages", session.stages(optimized.plan).render()))
        case "optimizer":
            sections.append(("Initial", format_plan(bound.plan)))
            sections.extend((step.rule, format_plan(step.plan)) for step in optimized.trace)
        case "stages":
            return session.stages(optimized.plan).render()
        case "analyze":
            sections.append(("Optimized plan", format_plan(optimized.plan)))
            sections.append(("Run", _analyze(session, query)))
        case "":
            return format_plan(optimized.plan)
        case _:
            raise NotSupportedError(f"EXPLAIN {mode.upper()} is not supported")
    return "\n\n".join(f"== {title} ==\n{text}" for title, text in sections)


def _analyze(session: Session, query: st.Query) -> str:
    result = session.run_query(query)
    rows = result.row_count
    result.close()
    t = session.timings
    steps = [("bind", t.bind), ("optimize", t.optimize), ("plan", t.plan), ("run", t.run)]
    lines = [f"{rows} rows", *(f"{name}: {seconds * 1000:.1f} ms" for name, seconds in steps)]
    for stage, results in session.last_stages:
        seconds = sorted(r.seconds for r in results)
        sent = sum(ref.bytes for r in results for ref in r.outputs)
        line = f"stage {stage.id}: {len(results)} task{'s' if len(results) != 1 else ''} on {stage.slot}"
        if seconds:
            line += f", {seconds[0] * 1000:.1f} to {seconds[-1] * 1000:.1f} ms each"
        lines.append(f"{line}, {sent:,} bytes written to {stage.output}")
    return "\n".join(lines)


# -- CACHE


def _cache(session: Session, s: st.CacheTable) -> Result:
    name = ".".join(s.name).lower()
    level = {k.lower(): v for k, v in s.options.items()}.get("storagelevel", "MEMORY_AND_DISK").upper()
    if s.query is not None:
        if name in session.views:
            raise AnalysisError(
                f"the view `{name}` exists already",
                condition="TEMP_TABLE_OR_VIEW_ALREADY_EXISTS",
                span=s.name_span,
            )
        session.views[name] = ViewDefinition(name, s.query.sql)
    elif name not in session.views:
        raise _no_view(session, s.name, s.name_span)
    session.cache(name, level, lazy=s.lazy)
    return command("OK")


def _uncache(session: Session, s: st.UncacheTable) -> Result:
    name = ".".join(s.name).lower()
    if not session.uncache(name) and name not in session.views and not s.if_exists:
        raise _no_view(session, s.name, s.name_span)
    return command("OK")


def _clear_cache(session: Session, s: st.ClearCache) -> Result:
    for name in list(session.cached):
        session.uncache(name)
    return command("OK")


def _use(session: Session, s: st.UseSchema) -> Result:
    if ".".join(s.name).lower() != DEFAULT_SCHEMA:
        raise AnalysisError(
            f"there is no schema `{'.'.join(s.name)}`", condition="SCHEMA_NOT_FOUND", span=s.name_span
        )
    return command("OK")


_HANDLERS: dict[type[st.Statement], Callable[[Session, Any], Result]] = {
    st.SetVariable: _set,
    st.Reset: _reset,
    st.CreateView: _create_view,
    st.DropView: _drop_view,
    st.Show: _show,
    st.Describe: _describe,
    st.Explain: _explain,
    st.CacheTable: _cache,
    st.UncacheTable: _uncache,
    st.ClearCache: _clear_cache,
    st.UseSchema: _use,
}
