"""CREATE, DROP and DESCRIBE SCHEMA, USE, COMMENT ON, SET TIME TRAVEL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlshell import relations
from sqlshell.commands.common import strings
from sqlshell.errors import AnalysisError
from sqlshell.parser import statement_table as st
from sqlshell.plan.context import TableVersion
from sqlshell.records import replace
from sqlshell.result import Result, command
from sqlshell.storage.catalog import CATALOG_NAME, DEFAULT_SCHEMA, RELATION, SCHEMA

if TYPE_CHECKING:
    from sqlshell.parser import statement as base
    from sqlshell.session import Session


def create_schema(session: Session, s: st.CreateSchema) -> Result:
    """CREATE SCHEMA [IF NOT EXISTS]."""
    schema = relations.schema_name(s.name, s.name_span)
    catalog = session.catalog
    if schema == relations.INFORMATION_SCHEMA or catalog.has_schema(schema):
        if s.if_not_exists:
            return command("OK")
        raise AnalysisError(
            f"the schema `{schema}` exists already", condition="SCHEMA_ALREADY_EXISTS", span=s.name_span,
            hint="CREATE SCHEMA IF NOT EXISTS keeps it",
        )  # fmt: skip
    head = catalog.head(SCHEMA, (schema, ""))
    payload: dict[str, Any] = {"comment": s.comment, "properties": s.properties}
    catalog.put(SCHEMA, (schema, ""), payload, head.version if head else 0)
    return command("OK")


def drop_schema(session: Session, s: st.DropSchema) -> Result:
    """DROP SCHEMA [IF EXISTS] [CASCADE]: with CASCADE, everything in it is dropped first."""
    from sqlshell.commands.tables import drop_relation

    schema = relations.schema_name(s.name, s.name_span)
    catalog = session.catalog
    if schema in (DEFAULT_SCHEMA, relations.INFORMATION_SCHEMA):
        raise AnalysisError(
            f"the schema `{schema}` cannot be dropped",
            condition="UNSUPPORTED_FEATURE.DROP_DATABASE",
            span=s.name_span,
        )
    if s.if_exists and not catalog.has_schema(schema):
        return command("OK")
    relations.require_schema(session, schema, s.name_span)
    held = [o for kind in (RELATION, "function", "model") for o in catalog.list_objects(kind, schema)]
    if held and not s.cascade:
        names = ", ".join(o.name for o in held[:5]) + (" ..." if len(held) > 5 else "")
        raise AnalysisError(
            f"the schema `{schema}` is not empty: it holds {names}", condition="SCHEMA_NOT_EMPTY",
            span=s.name_span, hint=f"DROP SCHEMA {schema} CASCADE drops them too",
        )  # fmt: skip
    for found in held:
        if found.kind in ("table", "view"):
            drop_relation(session, found)
        else:
            catalog.drop(found.kind, (schema, found.name), found.version)
    head = catalog.head(SCHEMA, (schema, "")) or catalog.put(SCHEMA, (schema, ""), {}, 0)
    catalog.drop(SCHEMA, (schema, ""), head.version)
    if session.current_schema == schema:
        session.current_schema = DEFAULT_SCHEMA
    return command("OK")


def describe_schema(session: Session, s: base.Describe) -> Result:
    """DESCRIBE SCHEMA [EXTENDED]."""
    schema = relations.schema_name(s.target, s.target_span)
    relations.require_schema(session, schema, s.target_span)
    found = session.catalog.get(SCHEMA, (schema, ""))
    payload = found.payload if found else {}
    rows: list[tuple[Any, ...]] = [
        ("Catalog Name", CATALOG_NAME),
        ("Namespace Name", schema),
        ("Comment", payload.get("comment") or ""),
        ("Location", session.catalog.schema_directory(schema)),
    ]
    if s.extended:
        listed = ",".join(f"({k},{v})" for k, v in sorted(payload.get("properties", {}).items()))
        rows.append(("Properties", f"({listed})" if listed else ""))
    return Result(strings("info_name", "info_value"), rows)


def use_schema(session: Session, s: base.UseSchema) -> Result:
    """USE schema: where names without a schema are looked up."""
    if (
        len(s.name) == 1
        and s.name[0].lower() in relations.CATALOGS
        and not session.catalog.has_schema(s.name[0])
    ):
        session.current_schema = DEFAULT_SCHEMA  # USE of the catalog
        return command("OK")
    schema = relations.schema_name(s.name, s.name_span)
    relations.require_schema(session, schema, s.name_span)
    session.current_schema = schema
    return command("OK")


def comment_on(session: Session, s: st.CommentOn) -> Result:
    """COMMENT ON TABLE | VIEW | COLUMN | SCHEMA."""
    catalog = session.catalog
    if s.kind == "schema":
        schema = relations.schema_name(s.name, s.name_span)
        relations.require_schema(session, schema, s.name_span)
        head = catalog.head(SCHEMA, (schema, ""))
        payload = {**(head.payload if head else {}), "comment": s.comment}
        catalog.put(SCHEMA, (schema, ""), payload, head.version if head else 0)
        return command("OK")
    if s.kind == "column":
        from sqlshell.commands.alter_table import alter

        if len(s.name) < 2:
            raise AnalysisError("COMMENT ON COLUMN takes table.column", condition="PARSE_SYNTAX_ERROR",
                                span=s.name_span)  # fmt: skip
        action = st.AlterColumn(s.name[-1:], "comment", s.comment, s.name_span)
        return alter(session, st.Alter(s.text, "table", s.name[:-1], action, s.name_span))
    found = relations.require(session, s.name, s.name_span)
    if found.kind != s.kind:
        raise AnalysisError(
            f"`{found.full_name}` is a {found.kind}",
            condition=f"EXPECT_{s.kind.upper()}_NOT_{found.kind.upper()}.NO_ALTERNATIVE",
            span=s.name_span,
            hint=f"COMMENT ON {found.kind.upper()} {found.full_name} IS ...",
        )
    if relations.is_delta(found):
        from sqlshell.commands.alter_table import save

        target = relations.target(session, s.name, s.name_span, what="COMMENT ON")
        metadata = replace(target.snapshot.metadata, description=s.comment)
        save(target, metadata, "SET TBLPROPERTIES", {"properties": f'{{"comment":"{s.comment or ""}"}}'})
        return command("OK")
    catalog.put(
        found.kind, (found.schema, found.name), {**found.payload, "comment": s.comment}, found.version
    )
    return command("OK")


def set_time_travel(session: Session, s: st.SetTimeTravel) -> Result:
    """SET TIME TRAVEL {TO instant | OFF}: the whole session reads as of then, and writes nothing."""
    if s.tag is not None:
        from sqlshell.commands.tags import set_lake_tag

        set_lake_tag(session, s.tag)
        return command("OK")
    if s.moment is None:
        session.time_travel = session.catalog.at_ms = None
        session.lake_pins = {}
        return command("OK")
    from sqlshell.storage.delta.time_travel import to_ms

    moment = session.bind_instant(s.moment)
    if moment > datetime.now(UTC).replace(tzinfo=None):
        raise AnalysisError(
            "SET TIME TRAVEL goes to the past, not to the future",
            condition="DELTA_TIMESTAMP_GREATER_THAN_COMMIT",
            hint="SET TIME TRAVEL OFF is the present",
        )
    session.time_travel = TableVersion("timestamp", moment)
    session.catalog.at_ms = to_ms(moment)
    session.lake_pins = {}
    return command("OK")
