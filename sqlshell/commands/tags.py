"""CREATE TAG, DROP TAG, SHOW TAGS: names for versions of a table, or of every table of the lake at one instant."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlshell import relations
from sqlshell.errors import AnalysisError, ConcurrentModificationError, Error
from sqlshell.plan.bind import Binder
from sqlshell.plan.bind_table import table_version
from sqlshell.plan.context import TableVersion
from sqlshell.result import Result, command
from sqlshell.statement_context import StatementContext
from sqlshell.storage.catalog import RELATION
from sqlshell.storage.delta.time_travel import to_ms, version_at
from sqlshell.storage.tags import lake_tags, table_tags
from sqlshell.types import BIGINT, STRING, TIMESTAMP, Field

if TYPE_CHECKING:
    from sqlshell.parser.statement_maintenance import CreateTag, DropTag, ShowTags
    from sqlshell.session import Session
    from sqlshell.storage.delta.table import DeltaTable
    from sqlshell.storage.tags import Tag, TagFolder

LOOKS = 50
"""How often the versions of all tables are read until two looks agree."""

_FIELDS = (
    Field("tag", STRING, False), Field("table", STRING), Field("version", BIGINT), Field("created", TIMESTAMP, False),
    Field("user", STRING), Field("comment", STRING),
)  # fmt: skip


def create_tag(session: Session, s: CreateTag) -> Result:
    """CREATE TAG: remember a version under a name, and hold it."""
    folder = _folder(session, s)
    if s.if_not_exists and folder.get(s.tag) is not None:
        return command("OK")
    context = StatementContext(session)
    wanted = None
    if s.as_of is not None:
        binder = Binder(context)
        binder.text = s.text
        wanted = table_version(binder, s.as_of.kind, s.as_of.value)
    payload: dict[str, Any] = {"user": context.current_user, "comment": s.comment}
    if s.table is None:
        payload |= _lake(session, wanted, s)
    else:
        table = relations.target(session, s.table, s.table_span, what="CREATE TAG").table
        try:
            payload["version"] = context.pin(table, wanted).version
        except Error as e:
            e.span = e.span or s.table_span
            raise
    tag = folder.put(s.tag, payload, replace=s.replace, span=s.tag_span)
    if s.table is not None:  # somebody may have removed its files before the tag held them
        try:
            StatementContext(session).pin(table, wanted)
        except Error:
            folder.drop(s.tag)
            raise
    return Result(_FIELDS, [_row(tag, ".".join(s.table) if s.table else None)])


def drop_tag(session: Session, s: DropTag) -> Result:
    """DROP TAG: what only it held, the next VACUUM may remove."""
    folder = _folder(session, s)
    if not s.if_exists or folder.get(s.tag) is not None:
        folder.drop(s.tag, s.tag_span)
    return command("OK")


def show_tags(session: Session, s: ShowTags) -> Result:
    """SHOW TAGS: the lake's tags, then those of the tables, by name."""
    rows: list[tuple[Any, ...]] = []
    if s.table is None:
        rows += [_row(t, None) for t in lake_tags(session.catalog).all()]
    if s.table is not None:
        found = relations.target(session, s.table, s.table_span, what="SHOW TAGS")
        rows += [_row(t, found.name) for t in table_tags(found.table.location).all()]
    elif not s.lake:
        for name, location in _tables(session):
            rows += [_row(t, name) for t in table_tags(location).all()]
    return Result(_FIELDS, rows)


def set_lake_tag(session: Session, name: str) -> None:
    """SET TIME TRAVEL TO TAG: every table at the version that the tag of the lake names."""
    tag = lake_tags(session.catalog).require(name)
    pins = {session.catalog.absolute(where): int(v) for where, v in tag.payload["tables"].items()}
    moment = datetime.fromtimestamp(tag.payload["at"] / 1000, UTC).replace(tzinfo=None)
    session.time_travel = TableVersion("timestamp", moment)
    session.lake_pins = pins
    session.catalog.at_ms = int(tag.payload["at"])


def _folder(session: Session, s: CreateTag | DropTag) -> TagFolder:
    if s.table is None:
        return lake_tags(session.catalog)
    return table_tags(relations.target(session, s.table, s.table_span, what="A tag").table.location)


def _tables(session: Session) -> list[tuple[str, str]]:
    """Name and location of every Delta table of the warehouse."""
    catalog = session.catalog
    objects = [o for schema in catalog.schemas() for o in catalog.list_objects(RELATION, schema)]
    return [(o.full_name, catalog.location(o)) for o in objects if relations.is_delta(o)]


def _lake(session: Session, wanted: TableVersion | None, s: CreateTag) -> dict[str, Any]:
    """The versions of all tables at an instant: now, or that of TIMESTAMP AS OF."""
    catalog = session.catalog
    if wanted is None:
        versions = _versions(session)
        return {"at": time.time_ns() // 1_000_000, "tables": versions}
    if wanted.kind != "timestamp" or not isinstance(wanted.value, datetime):
        raise AnalysisError(
            "the lake has no version numbers: a tag of it can be made TIMESTAMP AS OF an instant",
            condition="DELTA_INVALID_TAG",
            span=s.tag_span,
        )
    at = to_ms(wanted.value)
    if at > time.time_ns() // 1_000_000:
        raise AnalysisError(
            "a tag names the past, not the future",
            condition="DELTA_TIMESTAMP_GREATER_THAN_COMMIT",
            span=s.tag_span,
        )
    before, catalog.at_ms = catalog.at_ms, at
    try:
        tables = {name: _open(session, location) for name, location in _tables(session)}
    finally:
        catalog.at_ms = before
    return {
        "at": at,
        "tables": {catalog.relative(t.location): version_at(t, at, lenient=True) for t in tables.values()},
    }


def _versions(session: Session) -> dict[str, int]:
    """The latest version of every table: looked at until two looks agree, so that all held at one moment."""
    before: dict[str, int] | None = None
    for _ in range(LOOKS):
        tables = [_open(session, location) for _, location in _tables(session)]
        found = {session.catalog.relative(t.location): t.latest().version for t in tables}
        if found == before:
            return found
        before = found
    raise ConcurrentModificationError(
        f"the tables of the lake were changed all the time: no moment was found in {LOOKS} looks",
        condition="DELTA_CONCURRENT_WRITE",
        hint="run the statement again, or tag the lake TIMESTAMP AS OF an instant",
    )


def _open(session: Session, location: str) -> DeltaTable:
    return session.tables.open(location)


def _row(tag: Tag, table: str | None) -> tuple[Any, ...]:
    created = datetime.fromtimestamp(tag.created_ms / 1000, UTC).replace(tzinfo=None)
    p = tag.payload
    return tag.name, table, p.get("version"), created, p.get("user"), p.get("comment")
