"""What a table says of itself: DESCRIBE EXTENDED, DETAIL, HISTORY; SHOW CREATE TABLE, TBLPROPERTIES, PARTITIONS."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlshell import relations
from sqlshell.commands.common import strings
from sqlshell.commands.table_schema import CLUSTERING, DEFAULT, GENERATION, translated
from sqlshell.errors import AnalysisError
from sqlshell.information_schema import columns_of
from sqlshell.parser.statement_table import Check, ColumnDef, Identity
from sqlshell.result import Result
from sqlshell.storage.catalog import CATALOG_NAME
from sqlshell.storage.delta.properties import CONSTRAINT
from sqlshell.storage.delta.source import source_of
from sqlshell.types import BIGINT, BOOLEAN, STRING, TIMESTAMP, Array, Field, Map, quote_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.errors import Span
    from sqlshell.parser import statement as st
    from sqlshell.session import Session
    from sqlshell.storage.catalog import CatalogObject
    from sqlshell.storage.delta.schema import TableField
    from sqlshell.storage.delta.snapshot import Snapshot

Row = tuple[Any, ...]
_TEXTS = Map(STRING, STRING)
_INTERNAL = ("delta.columnmapping.maxcolumnid", "delta.incommittimestampenablement")


def clustering(snapshot: Snapshot) -> tuple[tuple[str, ...], ...]:
    """The clustering columns, by logical names."""
    domain = snapshot.domains.get(CLUSTERING)
    if domain is None:
        return ()
    columns = json.loads(domain.configuration)["clusteringColumns"]
    return tuple(translated(snapshot.schema, tuple(c), to_physical=False) for c in columns)


def shown_properties(snapshot: Snapshot) -> dict[str, str]:
    """Table properties without constraints and what Delta keeps for itself."""
    return {
        k: v
        for k, v in snapshot.metadata.configuration.items()
        if not k.lower().startswith((CONSTRAINT, *_INTERNAL))
    }


def constraints(snapshot: Snapshot) -> dict[str, str]:
    """CHECK constraints by name."""
    return {
        k[len(CONSTRAINT) :]: v
        for k, v in snapshot.metadata.configuration.items()
        if k.lower().startswith(CONSTRAINT)
    }


def column_defs(
    session: Session, name: tuple[str, ...], span: Span | None
) -> tuple[
    tuple[ColumnDef, ...], tuple[str, ...], tuple[tuple[str, ...], ...], dict[str, str], str | None,
    tuple[Check, ...],
]:  # fmt: skip
    """What CREATE TABLE LIKE copies: columns, partitioning, clustering, properties, comment, constraints."""
    found = relations.find(session, name, span)
    by_path = relations.path_table(name) is not None
    if not by_path and (found is None or not relations.is_delta(found)):
        found = relations.require(session, name, span)
        plain = tuple(ColumnDef(f.name, f.type, comment=c) for f, c, _ in columns_of(session, found))
        return plain, (), (), {}, None, ()
    target = relations.target(session, name, span, what="LIKE")
    snapshot = target.snapshot
    columns = tuple(_definition(f) for f in snapshot.schema.fields)
    checks = tuple(Check(n, text) for n, text in constraints(snapshot).items())
    return (
        columns, snapshot.partition_columns, clustering(snapshot), shown_properties(snapshot),
        snapshot.metadata.description, checks,
    )  # fmt: skip


def _definition(f: TableField) -> ColumnDef:
    identity = None
    if "delta.identity.start" in f.metadata:
        identity = Identity(
            not f.metadata.get("delta.identity.allowExplicitInsert", False),
            int(f.metadata["delta.identity.start"]),
            int(f.metadata["delta.identity.step"]),
        )
    return ColumnDef(
        f.name, f.type, f.nullable, f.metadata.get(DEFAULT), f.comment, f.metadata.get(GENERATION), identity
    )


# -- SHOW


def create_text(session: Session, name: tuple[str, ...], span: Span | None) -> str:
    """SHOW CREATE TABLE: a statement that makes the table, or view, again."""
    found = None if relations.path_table(name) else relations.require(session, name, span)
    if found is not None and found.kind == "view":
        return _create_view(found)
    if found is not None and not relations.is_delta(found):
        return _create_external(found, session.catalog.location(found))
    target = relations.target(session, name, span, what="SHOW CREATE TABLE")
    snapshot = target.snapshot
    lines = [_column_text(f) for f in snapshot.schema.fields]
    lines += [f"CONSTRAINT {quote_name(n)} CHECK ({text})" for n, text in constraints(snapshot).items()]
    shown = target.name if found is None else f"{CATALOG_NAME}.{_dotted(found)}"
    out = [f"CREATE TABLE {shown} (\n  " + ",\n  ".join(lines) + ")", "USING delta"]
    if snapshot.partition_columns:
        out.append(f"PARTITIONED BY ({', '.join(map(quote_name, snapshot.partition_columns))})")
    clustered = clustering(snapshot)
    if clustered:
        out.append(f"CLUSTER BY ({', '.join('.'.join(map(quote_name, c)) for c in clustered)})")
    if snapshot.metadata.description is not None:
        out.append(f"COMMENT {_quoted(snapshot.metadata.description)}")
    if found is not None and found.payload.get("external"):
        out.append(f"LOCATION {_quoted(session.catalog.location(found))}")
    properties = shown_properties(snapshot)
    if properties:
        out.append(_properties_text(properties))
    return "\n".join(out) + "\n"


def _dotted(found: CatalogObject) -> str:
    return f"{quote_name(found.schema)}.{quote_name(found.name)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _properties_text(properties: dict[str, str]) -> str:
    listed = ",\n  ".join(f"{_quoted(k)} = {_quoted(v)}" for k, v in sorted(properties.items()))
    return f"TBLPROPERTIES (\n  {listed})"


def _column_text(f: TableField) -> str:
    d = _definition(f)
    kind = str(d.type)
    text = f"{quote_name(d.name)} {kind if 'struct<' in kind else kind.upper()}"
    if not d.nullable:
        text += " NOT NULL"
    if d.generated is not None:
        text += f" GENERATED ALWAYS AS ({d.generated})"
    if d.identity is not None:
        kind = "ALWAYS" if d.identity.always else "BY DEFAULT"
        text += (
            f" GENERATED {kind} AS IDENTITY (START WITH {d.identity.start} INCREMENT BY {d.identity.step})"
        )
    if d.default is not None:
        text += f" DEFAULT {d.default}"
    return text if d.comment is None else f"{text} COMMENT {_quoted(d.comment)}"


def _create_view(found: CatalogObject) -> str:
    payload = found.payload
    comments = payload.get("comments", {})
    listed = [
        quote_name(c) + (f" COMMENT {_quoted(comments[c.lower()])}" if c.lower() in comments else "")
        for c in payload.get("columns", ())
    ]
    columns = f" (\n  {', '.join(listed)})" if listed else ""
    lines = [f"CREATE VIEW {CATALOG_NAME}.{_dotted(found)}{columns}"]
    if payload.get("comment"):
        lines.append(f"COMMENT {_quoted(payload['comment'])}")
    if payload.get("properties"):
        lines.append(_properties_text(payload["properties"]))
    return "\n".join([*lines, f"AS {payload['text']}"]) + "\n"


def _create_external(found: CatalogObject, location: str) -> str:
    payload = found.payload
    columns = f" (\n  {payload['schema']})" if payload.get("schema") else ""
    lines = [f"CREATE TABLE {CATALOG_NAME}.{_dotted(found)}{columns}", f"USING {payload['provider']}"]
    if payload.get("options"):
        listed = ", ".join(f"{_quoted(k)} {_quoted(v)}" for k, v in payload["options"].items())
        lines.append(f"OPTIONS ({listed})")
    lines.append(f"LOCATION {_quoted(location)}")
    return "\n".join(lines) + "\n"


def show_properties(session: Session, s: st.Show) -> Result:
    """SHOW TBLPROPERTIES name [(key)]."""
    found = None if relations.path_table(s.target) else relations.require(session, s.target, s.target_span)
    if found is not None and not relations.is_delta(found):
        properties = {str(k): str(v) for k, v in found.payload.get("properties", {}).items()}
    else:
        snapshot = relations.target(session, s.target, s.target_span, what="SHOW TBLPROPERTIES").snapshot
        protocol = snapshot.protocol
        properties = {
            **snapshot.metadata.configuration,
            "delta.minReaderVersion": str(protocol.min_reader),
            "delta.minWriterVersion": str(protocol.min_writer),
        }
        if protocol.min_writer >= 7:
            properties |= {f"delta.feature.{f}": "supported" for f in sorted(snapshot.features)}
    fields = strings("key", "value")
    if s.pattern is None:
        return Result(fields, sorted(properties.items()))
    value = next((v for k, v in properties.items() if k.lower() == s.pattern.lower()), None)
    name = s.target if found is None else (CATALOG_NAME, found.schema, found.name)
    missing = f"Table {'.'.join(name)} does not have property: {s.pattern}"
    return Result(fields, [(s.pattern, missing if value is None else value)])


def show_partitions(session: Session, s: st.Show) -> Result:
    """SHOW PARTITIONS name: one column per partition column, as Delta shows them."""
    snapshot = relations.target(session, s.target, s.target_span, what="SHOW PARTITIONS").snapshot
    fields = [f for n in snapshot.partition_columns if (f := snapshot.schema.field(n)) is not None]
    if not fields:
        raise AnalysisError(
            f"`{'.'.join(s.target)}` is not partitioned",
            condition="DELTA_SHOW_PARTITION_IN_NON_PARTITIONED_TABLE",
            span=s.target_span,
        )
    found = {
        tuple(dict(a.partition_values).get(f.physical_name) or None for f in fields) for a in snapshot.files()
    }
    ordered = sorted(found, key=lambda row: [(v is not None, v or "") for v in row])
    return Result(strings(*(f.name for f in fields)), ordered)


# -- DESCRIBE


def describe_rows(session: Session, found: CatalogObject, *, extended: bool) -> list[Row]:
    """DESCRIBE TABLE [EXTENDED] of a table or view of the warehouse."""
    listed = columns_of(session, found)
    rows: list[Row] = [(f.name, str(f.type), comment) for f, comment, _ in listed]
    snapshot = None
    if relations.is_delta(found):
        snapshot = session.tables.open(session.catalog.location(found)).latest()
        types = {f.name: str(f.type) for f in snapshot.schema.fields}
        if snapshot.partition_columns:
            rows += [("# Partition Information", "", ""), ("# col_name", "data_type", "comment")]
            rows += [(n, types[n], None) for n in snapshot.partition_columns]
        clustered = clustering(snapshot)
        if clustered:
            rows += [("# Clustering Information", "", ""), ("# col_name", "data_type", "comment")]
            rows += [(".".join(c), types.get(c[0], ""), None) for c in clustered]
    if extended:
        rows += _details(session, found, snapshot, listed)
    return rows


def _details(
    session: Session,
    found: CatalogObject,
    snapshot: Snapshot | None,
    listed: Iterable[tuple[Field, str | None, str | None]],
) -> list[Row]:
    rows: list[Row] = []
    defaults = [(f.name, str(f.type), d) for f, _, d in listed if d is not None]
    if defaults:
        rows += [("", "", ""), ("# Column Default Values", "", ""), *defaults]
    if snapshot is not None and constraints(snapshot):
        rows += [("", "", ""), ("# Constraints", "", "")]
        rows += [(n, f"CHECK ({text})", "") for n, text in constraints(snapshot).items()]
    payload = found.payload
    kind = "VIEW" if found.kind == "view" else "EXTERNAL" if payload.get("external") else "MANAGED"
    detail = {
        "Catalog": CATALOG_NAME,
        "Database": found.schema,
        "Table": found.name,
        "Created Time": _moment(_created(found, snapshot)),
        "Type": kind,
        "Comment": snapshot.metadata.description if snapshot else payload.get("comment"),
        "View Text": payload.get("text"),
        "Location": session.catalog.location(found) if found.kind == "table" else None,
        "Provider": payload.get("provider"),
        "Statistics": _statistics(snapshot, payload.get("statistics")),
    }
    properties = shown_properties(snapshot) if snapshot else payload.get("properties", {})
    if properties:
        detail["Table Properties"] = "[" + ",".join(f"{k}={v}" for k, v in sorted(properties.items())) + "]"
    rows += [("", "", ""), ("# Detailed Table Information", "", "")]
    return rows + [(k, v, "") for k, v in detail.items() if v is not None]


def _statistics(snapshot: Snapshot | None, analyzed: dict[str, Any] | None) -> str | None:
    """Size and rows: of a Delta table by its log, of others by ANALYZE TABLE."""
    size, rows = (analyzed["size"], analyzed["rows"]) if analyzed else (None, None)
    if snapshot is not None:
        source = source_of(snapshot, "")
        size, rows = source.size, source.rows
    if size is None:
        return None
    return f"{size} bytes" + ("" if rows is None else f", {rows} rows")


def column_details(found: CatalogObject, column: str, row: Row) -> list[Row]:
    """DESCRIBE EXTENDED of a column: what ANALYZE TABLE ... FOR COLUMNS found of it."""
    columns = found.payload.get("statistics", {}).get("columns", {})
    told: dict[str, Any] = next((v for k, v in columns.items() if k.lower() == column.lower()), {})
    names = {"min": "min", "max": "max", "nulls": "num_nulls", "distinct": "distinct_count"}
    rows: list[Row] = [("col_name", row[0]), ("data_type", row[1]), ("comment", row[2])]
    return rows + [(shown, None if told.get(k) is None else str(told[k])) for k, shown in names.items()]


def _created(found: CatalogObject, snapshot: Snapshot | None) -> int:
    return (snapshot.metadata.created_time if snapshot else None) or found.time_ms


def _moment(ms: int) -> str | None:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if ms else None


def _instant(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)


_DETAIL = (
    Field("format", STRING), Field("id", STRING), Field("name", STRING), Field("description", STRING),
    Field("location", STRING), Field("createdAt", TIMESTAMP), Field("lastModified", TIMESTAMP),
    Field("partitionColumns", Array(STRING)), Field("clusteringColumns", Array(STRING)),
    Field("numFiles", BIGINT), Field("sizeInBytes", BIGINT), Field("properties", _TEXTS),
    Field("minReaderVersion", BIGINT), Field("minWriterVersion", BIGINT), Field("tableFeatures", Array(STRING)),
)  # fmt: skip


def detail(session: Session, s: st.Describe) -> Result:
    """DESCRIBE DETAIL: one row about the latest version."""
    target = relations.target(session, s.target, s.target_span, what="DESCRIBE DETAIL")
    snapshot, files = target.snapshot, target.snapshot.files()
    name = None if target.object is None else f"{CATALOG_NAME}.{target.object.full_name}"
    row = (
        "delta",
        snapshot.metadata.id,
        name,
        snapshot.metadata.description,
        target.table.location,
        _instant(snapshot.metadata.created_time),
        _instant(snapshot.timestamp_ms),
        list(snapshot.partition_columns),
        [".".join(c) for c in clustering(snapshot)],
        len(files),
        sum(f.size for f in files),
        snapshot.metadata.configuration,
        snapshot.protocol.min_reader,
        snapshot.protocol.min_writer,
        sorted(snapshot.features),
    )
    return Result(_DETAIL, [row])


_HISTORY = (
    Field("version", BIGINT), Field("timestamp", TIMESTAMP), Field("userId", STRING),
    Field("userName", STRING), Field("operation", STRING), Field("operationParameters", _TEXTS),
    Field("readVersion", BIGINT), Field("isolationLevel", STRING), Field("isBlindAppend", BOOLEAN),
    Field("operationMetrics", _TEXTS), Field("userMetadata", STRING), Field("engineInfo", STRING),
)  # fmt: skip


def history(session: Session, s: st.Describe) -> Result:
    """DESCRIBE HISTORY: one row per version, newest first."""
    target = relations.target(session, s.target, s.target_span, what="DESCRIBE HISTORY")
    rows: list[Row] = []
    for entry in target.table.history(s.limit):
        v: dict[str, Any] = {} if entry.info is None else entry.info.values
        rows.append((
            entry.version, _instant(entry.timestamp_ms), v.get("userId"), v.get("userName"), v.get("operation"),
            _texts(v.get("operationParameters")), v.get("readVersion"), v.get("isolationLevel"),
            v.get("isBlindAppend"), _texts(v.get("operationMetrics")), v.get("userMetadata"), v.get("engineInfo"),
        ))  # fmt: skip
    return Result(_HISTORY, rows)


def _texts(found: Any) -> dict[str, str | None] | None:
    if not isinstance(found, dict):
        return None
    return {
        str(k): v if v is None or isinstance(v, str) else json.dumps(v, separators=(",", ":"))
        for k, v in found.items()
    }
