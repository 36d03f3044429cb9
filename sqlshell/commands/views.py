"""CREATE VIEW, ALTER VIEW and DROP VIEW: temporary views of the session, persistent ones of the warehouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell import relations
from sqlshell.errors import AnalysisError, NotSupportedError, did_you_mean
from sqlshell.parser import statement_table as st
from sqlshell.plan.context import ViewDefinition
from sqlshell.records import replace
from sqlshell.result import Result, command
from sqlshell.storage.catalog import RELATION
from sqlshell.storage.uri import resolve

if TYPE_CHECKING:
    from sqlshell.parser import statement as base
    from sqlshell.plan.context import BoundQuery
    from sqlshell.session import Session
    from sqlshell.storage.catalog import CatalogObject


def create_view(session: Session, s: base.CreateView) -> Result:
    """CREATE [OR REPLACE] [TEMPORARY] VIEW over a query, or over files."""
    if not s.temporary:
        return _create_persistent(session, s)
    if len(s.name) > 1:
        raise AnalysisError(
            f"a temporary view belongs to no schema: `{'.'.join(s.name)}` has {len(s.name)} parts",
            condition="INVALID_TEMP_OBJ_QUALIFIER",
            span=s.name_span,
            hint=f"CREATE TEMPORARY VIEW {s.name[-1]}, or CREATE VIEW {'.'.join(s.name)}",
        )
    name = s.name[0].lower()
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
        # A view that cannot be bound is refused when made, not when used.
        check_columns(s, session.bind(s.query))
        # Sub-statement text is already Spark SQL, whatever dialect it was written in.
        session.views[name] = ViewDefinition(name, s.query.sql, tuple(c.name for c in s.columns))
        return command("OK")
    session.views[name] = _source_view(session, s)
    return command("OK")


def check_columns(s: base.CreateView, bound: BoundQuery) -> None:
    """Whether a view's column list fits its query, and no name is there twice."""
    columns = [c.name for c in s.columns]
    if columns and len(columns) != len(bound.names):
        raise AnalysisError(
            f"the view names {len(columns)} columns, its query gives {len(bound.names)}",
            condition="CREATE_VIEW_COLUMN_ARITY_MISMATCH."
            + ("NOT_ENOUGH_DATA_COLUMNS" if len(columns) > len(bound.names) else "TOO_MANY_DATA_COLUMNS"),
            span=s.name_span,
        )
    lowered = [n.lower() for n in (columns or bound.names)]
    repeated = [n for n in lowered if lowered.count(n) > 1]
    if repeated and (not columns or not s.temporary):
        raise AnalysisError(
            f"the {'view names' if columns else 'query gives'} the column `{min(repeated)}` more than once",
            condition="COLUMN_ALREADY_EXISTS",
            span=s.name_span,
        )


def _source_view(session: Session, s: base.CreateView) -> Any:
    """CREATE TEMPORARY VIEW v [(columns)] USING format OPTIONS (path '...')."""
    from sqlshell.plan.coerce import parse_schema

    options = {k.lower(): v for k, v in s.options.items()}
    path = options.pop("path", None)
    if path is None:
        raise AnalysisError(
            "a view over files needs the option path", span=s.name_span, hint="OPTIONS (path 'data/x.csv')"
        )
    schema = parse_schema(s.schema_ddl) if s.schema_ddl else None
    if (s.using or "").lower() == "delta":  # a query, so that each use sees the latest version
        quoted = resolve(path, remote=True).replace("`", "``")
        return ViewDefinition(".".join(s.name).lower(), f"SELECT * FROM delta.`{quoted}`")
    source = session.describe_source(path, s.using, options, schema)
    return replace(source, name=".".join(s.name))


def _create_persistent(session: Session, s: base.CreateView) -> Result:
    """A view of the warehouse: its text, with the schema that names in it start from."""
    name = relations.qualify(s.name, session.current_schema, s.name_span)
    relations.require_schema(session, name[0], s.name_span)
    catalog = session.catalog
    head = catalog.head(RELATION, name)
    existing = catalog.get(RELATION, name)
    if existing is not None and s.if_not_exists:
        return command("OK")
    if existing is not None and (existing.kind != "view" or not s.replace):
        if existing.kind != "view" and s.replace:
            raise AnalysisError(
                f"`{existing.full_name}` is a table: a view cannot replace it",
                condition="EXPECT_VIEW_NOT_TABLE.NO_ALTERNATIVE",
                span=s.name_span,
            )
        raise AnalysisError(
            f"the {existing.kind} `{'.'.join(s.name)}` exists already",
            condition="TABLE_OR_VIEW_ALREADY_EXISTS",
            span=s.name_span,
            hint="CREATE OR REPLACE VIEW replaces a view",
        )
    assert s.query is not None
    bound = _bind(session, s.query, name)
    check_columns(s, bound)
    payload: dict[str, Any] = {
        "text": s.query.sql, "schema": session.current_schema, "names": list(bound.names),
    }  # fmt: skip
    if s.columns:
        payload["columns"] = [c.name for c in s.columns]
        payload["comments"] = {c.name.lower(): c.comment for c in s.columns if c.comment is not None}
    if s.comment is not None:
        payload["comment"] = s.comment
    if s.properties:
        payload["properties"] = s.properties
    catalog.put("view", name, payload, head.version if head else 0)
    return command("OK")


def _bind(session: Session, query: base.Query, name: tuple[str, str]) -> BoundQuery:
    """The bound query of a persistent view, which must stand without this session."""
    from sqlshell.plan.bind import Binder
    from sqlshell.statement_context import StatementContext

    key = ".".join(name)
    view = ViewDefinition(key, query.sql, schema=session.current_schema)
    ctx = StatementContext(session).for_view(view, None, None)
    binder = Binder(ctx)
    binder.views = (key,)
    try:
        return binder.bind_query(query.ast, query.text)
    except AnalysisError as e:
        if e.condition == "TABLE_OR_VIEW_NOT_FOUND" and session.views:
            explain_temporary(session, e)
        raise


def explain_temporary(session: Session, error: AnalysisError) -> None:
    """Say so when the missing name is a temporary view, which outlives no session."""
    for name in session.views:
        if f"`{name}`" in error.message.lower():
            error.condition = "INVALID_TEMP_OBJ_REFERENCE"
            error.hint = f"`{name}` is a temporary view: what the warehouse stores cannot use it"


def alter_view(session: Session, s: st.Alter) -> Result:
    """ALTER VIEW name AS query | RENAME TO | SET/UNSET TBLPROPERTIES."""
    if isinstance(s.action, st.RenameTo):
        from sqlshell.commands.alter_table import rename

        rename(session, relations.require(session, s.name, s.name_span), s.action, "view")
        return command("OK")
    found = _require_view(session, s.name, s.name_span)
    name = (found.schema, found.name)
    payload = dict(found.payload)
    match s.action:
        case st.RedefineView():
            names = list(_bind(session, s.action.query, name).names)
            payload = {k: v for k, v in payload.items() if k not in ("columns", "comments")}
            payload |= {"text": s.action.query.sql, "schema": session.current_schema, "names": names}
        case st.SetProperties():
            payload["properties"] = {**payload.get("properties", {}), **s.action.properties}
        case st.UnsetProperties():
            gone = {k.lower() for k in s.action.keys}
            payload["properties"] = {
                k: v for k, v in payload.get("properties", {}).items() if k.lower() not in gone
            }
        case _:
            raise NotSupportedError(f"ALTER VIEW ... {type(s.action).__name__}")
    session.catalog.put("view", name, payload, found.version)
    return command("OK")


def _require_view(session: Session, name: tuple[str, ...], span: tuple[int, int] | None) -> CatalogObject:
    found = relations.require(session, name, span)
    if found.kind != "view":
        raise AnalysisError(
            f"`{found.full_name}` is a table", condition="EXPECT_VIEW_NOT_TABLE.NO_ALTERNATIVE", span=span
        )
    return found


def drop_view(session: Session, s: base.DropView) -> Result:
    """DROP VIEW [IF EXISTS]: the temporary view of that name, else the persistent one."""
    name = ".".join(s.name).lower()
    if session.views.pop(name, None) is not None:
        session.cached.forget(name)
        return command("OK")
    from sqlshell.commands.tables import drop_relation

    found = relations.find(session, s.name, s.name_span)
    if found is None:
        if s.if_exists:
            return command("OK")
        error = relations.not_found(session, s.name, s.name_span)
        error.hint = did_you_mean(s.name[-1], session.views) or error.hint
        raise error
    if found.kind != "view":
        raise AnalysisError(
            f"`{found.full_name}` is a table: DROP TABLE drops it",
            condition="WRONG_COMMAND_FOR_OBJECT_TYPE",
            span=s.name_span,
        )
    drop_relation(session, found)
    return command("OK")
