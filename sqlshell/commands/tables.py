"""CREATE TABLE, DROP TABLE, UNDROP, TRUNCATE. Making or replacing a table is one commit of its log."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from sqlshell import relations
from sqlshell.commands.table_schema import TableDefinition, define
from sqlshell.errors import AnalysisError, NotSupportedError
from sqlshell.parser.statement_table import ColumnDef, CreateTable
from sqlshell.records import dataclass
from sqlshell.result import Result, command
from sqlshell.statement_context import StatementContext
from sqlshell.storage import object_files
from sqlshell.storage.catalog import RELATION, TOMBSTONE, CatalogConflict
from sqlshell.storage.delta.actions import DomainMetadata
from sqlshell.storage.delta.commit import commit
from sqlshell.storage.delta.conflicts import NOTHING, WHOLE_TABLE
from sqlshell.storage.source import FORMATS
from sqlshell.storage.uri import resolve

if TYPE_CHECKING:
    from sqlshell.parser import statement_table as st
    from sqlshell.session import Session
    from sqlshell.storage.catalog import CatalogObject, QualifiedName
    from sqlshell.storage.delta.actions import Action, Remove
    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.delta.table import DeltaTable

UNDROP_DAYS = 7
"""How long UNDROP can bring a table back; afterwards the next DROP in its schema removes its files."""


@dataclass(frozen=True)
class Creation:
    """A table about to be made: commit `actions` (with the rows' files, for CTAS), then `register` it.

    `read` is the snapshot that is replaced, None for a new table. `head` is the version of the catalog object
    that the registration follows; None when the catalog knows the table already.
    """

    name: QualifiedName
    table: DeltaTable
    read: Snapshot | None
    definition: TableDefinition
    actions: tuple[Action, ...]
    operation: str
    parameters: dict[str, Any]
    external: bool
    head: int | None


def create_table(session: Session, s: st.CreateTable) -> Result:
    """CREATE [OR REPLACE] TABLE [IF NOT EXISTS], REPLACE TABLE; with a query, CREATE TABLE AS."""
    path = relations.path_table(s.name)
    existing = None
    if path is not None:
        name = ("delta", path[0])
        there = relations.has_log(path[0])
    else:
        name = relations.qualify(s.name, session.current_schema, s.name_span)
        relations.require_schema(session, name[0], s.name_span)
        existing = session.catalog.get(RELATION, name)
        there = existing is not None
    if not may_create(s, existing, there=there):
        return command("OK")
    if (s.using or "delta").lower() != "delta":
        return _create_external(session, s, name, existing)
    if s.query is not None:
        from sqlshell.commands.ctas import create_table_as

        return create_table_as(session, s, name, existing)
    creation = prepare(session, s, s.columns, name, existing)
    if creation is None:
        return command("OK")
    commit(
        creation.table,
        creation.read,
        creation.actions,
        creation.operation,
        creation.parameters,
        reads=WHOLE_TABLE if creation.read is not None else NOTHING,
    )
    register(session, creation)
    return command("OK")


def may_create(s: st.CreateTable, existing: CatalogObject | None, *, there: bool) -> bool:
    """Whether there is something to do. Raises when the name is taken, or has to be."""
    written = ".".join(s.name)
    if not there:
        if s.must_exist:
            raise AnalysisError(
                f"there is no table `{written}` to replace",
                condition="TABLE_OR_VIEW_NOT_FOUND",
                span=s.name_span,
                hint="CREATE OR REPLACE TABLE makes it when it is missing",
            )
        return True
    if s.if_not_exists:
        return False
    if existing is not None and existing.kind == "view" and s.replace:
        raise AnalysisError(
            f"`{written}` is a view: a table cannot replace it",
            condition="EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE",
            span=s.name_span,
            hint=f"DROP VIEW {written} first",
        )
    if not s.replace:
        raise AnalysisError(
            f"the {existing.kind if existing else 'table'} `{written}` exists already",
            condition="TABLE_OR_VIEW_ALREADY_EXISTS",
            span=s.name_span,
            hint="CREATE TABLE IF NOT EXISTS keeps it, CREATE OR REPLACE TABLE replaces it",
        )
    return True


def prepare(
    session: Session,
    s: st.CreateTable,
    columns: tuple[ColumnDef, ...] | None,
    name: QualifiedName,
    existing: CatalogObject | None,
    context: StatementContext | None = None,
) -> Creation | None:
    """Everything of CREATE TABLE before its commit. None: an existing log was only registered under the name.

    `context` is the statement's when it has looked at tables already (CTAS): what it saw is what is replaced.
    """
    path = relations.path_table(s.name)
    head = session.catalog.head(RELATION, name) if path is None else None
    table, read, managed = place(session, s, name, existing, context or StatementContext(session))
    if read is not None and not s.replace and path is None:
        if s.query is not None:
            raise AnalysisError(
                f"there is a Delta table at '{table.location}' already", condition="DELTA_PATH_EXISTS",
                span=s.name_span, hint="CREATE OR REPLACE TABLE replaces it",
            )  # fmt: skip
        _register_log(session, s, name, read, head)
        return None
    if not columns and s.query is None:
        raise AnalysisError(
            f"the table `{'.'.join(name)}` has no columns", condition="DELTA_EMPTY_SCHEMA", span=s.name_span
        )
    if read is None and _holds_files(table.location):
        raise AnalysisError(
            f"'{table.location}' is not empty, and holds no Delta table",
            condition="DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION",
            span=s.name_span,
        )
    definition = define(
        session, columns or (), partition_by=s.partition_by, cluster_by=s.cluster_by or (),
        properties=s.properties, comment=s.comment, checks=s.checks, replaced=read, span=s.name_span,
    )  # fmt: skip
    actions = [*definition.actions(), *replaced_files(read)]
    if read is not None:
        gone = set(read.domains) - {a.domain for a in actions if isinstance(a, DomainMetadata)}
        actions += [DomainMetadata(d, "", removed=True) for d in sorted(gone) if d.startswith("delta.")]
    as_select = " AS SELECT" if s.query is not None else ""
    operation = ("CREATE OR REPLACE TABLE" if s.replace and not s.must_exist else
                 "REPLACE TABLE" if s.must_exist else "CREATE TABLE") + as_select  # fmt: skip
    return Creation(
        name, table, read, definition, tuple(actions), operation, _parameters(s, definition, managed),
        external=not managed,
        head=None if existing is not None or path is not None else head.version if head else 0,
    )  # fmt: skip


def place(
    session: Session,
    s: st.CreateTable,
    name: QualifiedName,
    existing: CatalogObject | None,
    context: StatementContext,
) -> tuple[DeltaTable, Snapshot | None, bool]:
    """Where the table is to be: its log, what is there now, and whether the warehouse owns the files."""
    catalog = session.catalog
    location = s.location or s.options.get("path")
    path = relations.path_table(s.name)
    if path is not None:
        if location is not None or path[1] is not None:
            raise AnalysisError(
                "a table by its path takes no LOCATION and no version", condition="PARSE_SYNTAX_ERROR",
                span=s.name_span,
            )  # fmt: skip
        location = path[0]
    if existing is not None:
        there = catalog.location(existing)
        if location is not None and resolve(location, os.getcwd(), remote=True) != there:
            raise AnalysisError(
                f"`{existing.full_name}` lives at '{there}': replacing does not move it",
                condition="DELTA_CREATE_TABLE_WITH_DIFFERENT_LOCATION", span=s.name_span,
            )  # fmt: skip
        if not relations.is_delta(existing):
            raise AnalysisError(
                f"`{existing.full_name}` stands for {existing.payload['provider']} files",
                condition="DELTA_CANNOT_REPLACE_OTHER_FORMAT",
                span=s.name_span,
                hint=f"DROP TABLE {existing.full_name} first: its files stay",
            )
        table = session.tables.open(there)
        return table, context.pin(table), not existing.payload.get("external")
    place = resolve(location, os.getcwd(), remote=True) if location else catalog.new_location(name)
    table = session.tables.open(place)
    return table, context.pin(table) if location and table.exists() else None, location is None


def _holds_files(location: str) -> bool:
    return any(not n.startswith(("_", ".")) for n in object_files.names_in(location))


def _parameters(s: st.CreateTable, definition: TableDefinition, managed: bool) -> dict[str, Any]:
    """operationParameters as Delta on Spark writes them: values are JSON texts."""
    metadata = definition.metadata
    shown = json.dumps(metadata.configuration, separators=(",", ":"))
    clustered = [".".join(p) for p in definition.clustering]
    return {
        "isManaged": "true" if managed else "false",
        "description": s.comment,
        "partitionBy": json.dumps(list(metadata.partition_columns), separators=(",", ":")),
        "clusterBy": json.dumps(clustered, separators=(",", ":")),
        "properties": shown,
    }


def replaced_files(read: Snapshot | None) -> list[Remove]:
    """Removes of every live file: a replaced table starts empty."""
    now = int(time.time() * 1000)
    return [] if read is None else [f.removed(now) for f in read.files()]


def register(session: Session, creation: Creation) -> None:
    """Make the catalog know a table whose first commit is made."""
    if creation.head is None:
        return
    catalog = session.catalog
    payload: dict[str, Any] = {"provider": "delta", "location": catalog.relative(creation.table.location)}
    if creation.external:
        payload["external"] = True
    try:
        catalog.put("table", creation.name, payload, creation.head)
    except CatalogConflict:
        if not creation.external:  # another session took the name: nobody will ever find these files
            _remove_files(creation.table.location)
        raise


def _register_log(
    session: Session, s: st.CreateTable, name: QualifiedName, found: Snapshot, head: CatalogObject | None
) -> None:
    """CREATE TABLE ... LOCATION where a Delta table is: what is declared must be what is there."""
    declared = [(c.name.lower(), c.type) for c in s.columns or ()]
    there = [(f.name.lower(), f.type) for f in found.schema.fields]
    if declared and declared != there:
        raise AnalysisError(
            f"the Delta table at '{found.location}' has other columns: "
            + ", ".join(f"{n} {t}" for n, t in there),
            condition="DELTA_CREATE_TABLE_SCHEME_MISMATCH",
            span=s.name_span,
            hint="leave the columns out to take those of the table",
        )
    if s.partition_by and [p.lower() for p in s.partition_by] != [p.lower() for p in found.partition_columns]:
        raise AnalysisError(
            f"the Delta table at '{found.location}' is partitioned by {list(found.partition_columns)}",
            condition="DELTA_CREATE_TABLE_WITH_DIFFERENT_PARTITIONING",
            span=s.name_span,
        )
    payload = {"provider": "delta", "location": session.catalog.relative(found.location), "external": True}
    session.catalog.put("table", name, payload, head.version if head else 0)


def _create_external(
    session: Session, s: st.CreateTable, name: QualifiedName, existing: CatalogObject | None
) -> Result:
    """CREATE TABLE ... USING parquet|csv|json ... LOCATION: files as they are, looked at when they are read."""
    provider = str(s.using).lower()
    if provider not in FORMATS:
        raise AnalysisError(
            f"unknown format {s.using}", condition="DATA_SOURCE_NOT_FOUND", span=s.name_span,
            hint="formats are " + ", ".join(FORMATS),
        )  # fmt: skip
    options = {k.lower(): v for k, v in s.options.items()}
    location = s.location or options.pop("path", None)
    if s.query is not None or location is None:
        raise NotSupportedError(
            f"tables over {provider} files only read what is at their LOCATION: "
            + ("CREATE TABLE ... AS SELECT writes Delta tables" if s.query is not None else "give one"),
            span=s.name_span,
        )
    if s.partition_by or s.cluster_by or s.checks or any(_is_constrained(c) for c in s.columns or ()):
        raise NotSupportedError(
            f"partitions, constraints and generated columns are for Delta tables, not {provider}",
            span=s.name_span,
        )
    payload: dict[str, Any] = {
        "provider": provider,
        "location": session.catalog.relative(resolve(location, os.getcwd(), remote=True)),
        "external": True,
        "options": options,
        "properties": s.properties,
    }
    if s.columns:
        payload["schema"] = ", ".join(f"`{c.name.replace('`', '``')}` {c.type}" for c in s.columns)
    if s.comment:
        payload["comment"] = s.comment
    if existing is not None and not existing.payload.get("external"):
        raise NotSupportedError(
            f"`{existing.full_name}` is a managed table: drop it before its name stands for files",
            span=s.name_span,
        )
    head = session.catalog.head(RELATION, name)
    session.catalog.put("table", name, payload, head.version if head else 0)
    return command("OK")


def _is_constrained(c: ColumnDef) -> bool:
    return bool(c.default or c.generated or c.identity or c.checks) or not c.nullable


def create_like(session: Session, s: st.CreateTableLike) -> Result:
    """CREATE TABLE name LIKE source: its columns and properties, none of its rows."""
    from sqlshell.commands.table_show import column_defs

    if s.using is not None and s.using.lower() != "delta":
        raise NotSupportedError("CREATE TABLE ... LIKE makes Delta tables only", span=s.name_span)
    columns, partition_by, cluster_by, properties, comment, checks = column_defs(
        session, s.source, s.source_span
    )
    return create_table(
        session,
        CreateTable(
            s.text, s.name, columns, checks, partition_by=partition_by, cluster_by=cluster_by or None,
            location=s.location, comment=comment, properties={**properties, **s.properties},
            if_not_exists=s.if_not_exists, name_span=s.name_span,
        ),
    )  # fmt: skip


# -- ends and beginnings again


def drop_table(session: Session, s: st.DropTable) -> Result:
    """DROP TABLE [IF EXISTS] name [PURGE]: a tombstone; the files of a managed table stay for UNDROP.

    A view of that name is dropped too, as in Spark.
    """
    if len(s.name) == 1 and session.views.pop(s.name[0].lower(), None) is not None:
        session.cached.forget(s.name[0].lower())
        return command("OK")
    found = relations.find(session, s.name, s.name_span)
    if found is None:
        if s.if_exists:
            return command("OK")
        raise relations.not_found(session, s.name, s.name_span)
    drop_relation(session, found, purge=s.purge)
    purge_expired(session, found.schema)
    return command("OK")


def drop_relation(session: Session, found: CatalogObject, *, purge: bool = False) -> None:
    """Drop a table or view."""
    name = (found.schema, found.name)
    managed = found.kind == "table" and not found.payload.get("external")
    facts = {"gone": "dropped with PURGE"} if purge and managed else {}
    session.catalog.drop(found.kind, name, found.version, **facts)
    if purge and managed:
        _remove_files(session.catalog.location(found))


def _remove_files(location: str) -> None:
    """Remove a managed table's files, but not the catalog's, which may be among them."""
    for entry in object_files.names_in(location):
        if entry == "_objects" or entry.startswith("_table"):
            continue
        path = os.path.join(location, entry)
        if object_files.is_directory(path) and not os.path.islink(path):
            object_files.remove_tree(path)
        else:
            object_files.remove(path)


def purge_expired(session: Session, schema: str) -> None:
    """Remove the files of tables that were dropped too long ago for UNDROP."""
    catalog = session.catalog
    limit = int(time.time() * 1000) - UNDROP_DAYS * 86_400_000
    for tombstone in catalog.dropped(schema):
        name = (tombstone.schema, tombstone.name)
        if tombstone.time_ms > limit or tombstone.payload.get("gone"):
            continue
        last = next(v for v in catalog.versions(RELATION, name) if v.version == tombstone.payload["dropped"])
        if last.kind == "table" and not last.payload.get("external"):
            catalog.bury(name, tombstone, "removed for good after its retention")
            _remove_files(catalog.location(last))


def undrop(session: Session, s: st.Undrop) -> Result:
    """UNDROP TABLE | VIEW name."""
    name = relations.qualify(s.name, session.current_schema, s.name_span)
    head = session.catalog.head(RELATION, name)
    if head is not None and head.kind != TOMBSTONE:
        raise AnalysisError(
            f"the {head.kind} `{head.full_name}` exists already",
            condition="TABLE_OR_VIEW_ALREADY_EXISTS", span=s.name_span,
        )  # fmt: skip
    if head is not None and time.time() * 1000 - head.time_ms > UNDROP_DAYS * 86_400_000:
        raise AnalysisError(
            f"`{head.full_name}` was dropped more than {UNDROP_DAYS} days ago",
            condition="UNDROP_NOT_POSSIBLE",
            span=s.name_span,
        )
    try:
        session.catalog.undrop(s.kind, name)
    except AnalysisError as e:
        e.span = s.name_span
        raise
    return command("OK")


def truncate(session: Session, s: st.Truncate) -> Result:
    """TRUNCATE TABLE: one commit that removes every file."""
    target = relations.target(session, s.name, s.name_span, what="TRUNCATE")
    removes = replaced_files(target.snapshot)
    if removes:
        commit(
            target.table, target.snapshot, removes, "TRUNCATE", {}, reads=WHOLE_TABLE,
            metrics={"numRemovedFiles": len(removes)},
        )  # fmt: skip
    return command("OK")
