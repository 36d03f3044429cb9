"""information_schema: what the warehouse holds, as relations. Rows are made when a query names them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, Error, did_you_mean
from sqlshell.plan.context import LiteralRows
from sqlshell.relations import CATALOGS, INFORMATION_SCHEMA, is_delta
from sqlshell.storage.catalog import CATALOG_NAME, RELATION, SCHEMA
from sqlshell.types import BIGINT, BOOLEAN, STRING, TIMESTAMP, Field, SqlType, Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlshell.errors import Span
    from sqlshell.session import Session
    from sqlshell.storage.catalog import CatalogObject

Row = tuple[Any, ...]


def _struct(*fields: tuple[str, SqlType]) -> Struct:
    return Struct(tuple(Field(n, t) for n, t in fields))


SCHEMAS = {
    "schemata": _struct(
        ("catalog_name", STRING), ("schema_name", STRING), ("comment", STRING), ("created", TIMESTAMP)
    ),
    "tables": _struct(
        ("table_catalog", STRING),
        ("table_schema", STRING),
        ("table_name", STRING),
        ("table_type", STRING),
        ("is_insertable_into", BOOLEAN),
        ("data_source_format", STRING),
        ("comment", STRING),
        ("created", TIMESTAMP),
        ("storage_path", STRING),
    ),
    "columns": _struct(
        ("table_catalog", STRING),
        ("table_schema", STRING),
        ("table_name", STRING),
        ("column_name", STRING),
        ("ordinal_position", BIGINT),
        ("column_default", STRING),
        ("is_nullable", BOOLEAN),
        ("data_type", STRING),
        ("full_data_type", STRING),
        ("comment", STRING),
    ),
    "views": _struct(
        ("table_catalog", STRING),
        ("table_schema", STRING),
        ("table_name", STRING),
        ("view_definition", STRING),
    ),
}


def rows_of(session: Session, name: tuple[str, ...], span: Span | None) -> LiteralRows:
    """The relation information_schema.<name>. Raises TABLE_OR_VIEW_NOT_FOUND."""
    own = name[-1].lower()
    schema = SCHEMAS.get(own)
    if schema is None or (len(name) == 3 and name[0].lower() not in CATALOGS):
        raise AnalysisError(
            f"there is no table or view `{'.'.join(name)}`",
            condition="TABLE_OR_VIEW_NOT_FOUND",
            span=span,
            hint=did_you_mean(own, SCHEMAS) or "it has " + ", ".join(SCHEMAS),
        )
    return LiteralRows(schema, tuple(_ROWS[own](session)))


def _objects(session: Session) -> Iterator[CatalogObject]:
    for schema in session.catalog.schemas():
        yield from session.catalog.list_objects(RELATION, schema)


def _time(found: CatalogObject | None) -> datetime | None:
    if found is None or found.time_ms == 0:
        return None
    return datetime.fromtimestamp(found.time_ms / 1000, UTC).replace(tzinfo=None)


def _schemata(session: Session) -> Iterator[Row]:
    for name in session.catalog.schemas():
        found = session.catalog.get(SCHEMA, (name, ""))
        yield CATALOG_NAME, name, found.payload.get("comment") if found else None, _time(found)
    yield CATALOG_NAME, INFORMATION_SCHEMA, "What the warehouse holds", None


def _tables(session: Session) -> Iterator[Row]:
    for found in _objects(session):
        payload = found.payload
        comment = payload.get("comment")
        if found.kind == "view":
            kind, insertable, form, place = "VIEW", False, None, None
        else:
            kind = "EXTERNAL" if payload.get("external") else "MANAGED"
            insertable, form = is_delta(found), payload["provider"].upper()
            place = session.catalog.location(found)
            if is_delta(found):
                comment = _description(session, found)
        yield CATALOG_NAME, found.schema, found.name, kind, insertable, form, comment, _time(found), place
    for name in sorted(SCHEMAS):
        yield CATALOG_NAME, INFORMATION_SCHEMA, name, "VIEW", False, None, None, None, None


def _description(session: Session, found: CatalogObject) -> str | None:
    try:
        return session.tables.open(session.catalog.location(found)).latest().metadata.description
    except Error:
        return None  # one damaged table must not hide the others


def _columns(session: Session) -> Iterator[Row]:
    for found in _objects(session):
        try:
            listed = columns_of(session, found)
        except Error:
            continue  # a view whose table is gone has no columns
        for position, (field, comment, default) in enumerate(listed, 1):
            kind = str(field.type)
            short = kind.partition("<")[0].partition("(")[0].upper()
            yield (CATALOG_NAME, found.schema, found.name, field.name, position, default, field.nullable, short,
                   kind, comment)  # fmt: skip
    for name, schema in sorted(SCHEMAS.items()):
        for position, field in enumerate(schema.fields, 1):
            kind = str(field.type)
            yield (CATALOG_NAME, INFORMATION_SCHEMA, name, field.name, position, None, True, kind.upper(), kind,
                   None)  # fmt: skip


def columns_of(session: Session, found: CatalogObject) -> list[tuple[Field, str | None, str | None]]:
    """(field, comment, default) of every column of a table or view of the warehouse."""
    if is_delta(found) and session.time_travel is None:
        schema = session.tables.open(session.catalog.location(found)).latest().schema
        return [
            (Field(f.name, f.type, f.nullable), f.comment, f.metadata.get("CURRENT_DEFAULT"))
            for f in schema.fields
        ]
    from sqlshell.types import quote_name

    bound = session.bind_text(f"SELECT * FROM {quote_name(found.schema)}.{quote_name(found.name)}")
    comments = found.payload.get("comments", {})
    return [
        (Field(n, c.type, c.nullable), comments.get(n.lower()), None)
        for n, c in zip(bound.names, bound.plan.output, strict=True)
    ]


def _views(session: Session) -> Iterator[Row]:
    for found in _objects(session):
        if found.kind == "view":
            yield CATALOG_NAME, found.schema, found.name, found.payload["text"]


_ROWS: dict[str, Callable[[Session], Iterator[Row]]] = {
    "schemata": _schemata,
    "tables": _tables,
    "columns": _columns,
    "views": _views,
}
