"""CONVERT TO DELTA: a log over Parquet files that stay where they are.

Statistics come from the rows, by one query over all files: what foreign footers say is not always so. Rows are counted
in the footers. Texts of partition values are those of the directories' names.
"""

from __future__ import annotations

import json
import math
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlshell import relations
from sqlshell.commands.table_schema import define
from sqlshell.errors import AnalysisError
from sqlshell.parser.statement_table import ColumnDef
from sqlshell.plan.coerce import as_nullable_inside
from sqlshell.result import Result, command
from sqlshell.storage.delta.actions import Add
from sqlshell.storage.delta.commit import commit
from sqlshell.storage.uri import file_uri, resolve
from sqlshell.types import (
    Date,
    Decimal,
    Fractional,
    Integral,
    SqlType,
    String,
    quote_name,
)

if TYPE_CHECKING:
    from sqlshell.parser.statement_table import ConvertToDelta
    from sqlshell.session import Session
    from sqlshell.storage.catalog import CatalogObject
    from sqlshell.storage.source import FileInfo, Source

MOST_COLUMNS = 32
LONGEST = 32
"""Delta's defaults: the columns with statistics, and the characters of a text that they keep."""


def convert(session: Session, s: ConvertToDelta) -> Result:
    """One commit that adds every file; nothing is done where there is a log already."""
    found, location = _place(session, s)
    table = session.tables.open(location)
    if not table.exists():
        source = session.describe_source(location, "parquet", {})
        columns = _columns(s, source, found)
        definition = define(session, columns, partition_by=source.partition_columns, span=s.name_span)
        texts = _statistics(session, source, location) if s.statistics else {}
        adds = [_add(location, f, source.partition_columns, texts.get(f.path)) for f in source.files]
        parameters = {
            "numFiles": len(adds),
            "partitionedBy": json.dumps(list(source.partition_columns)),
            "collectStats": s.statistics,
            "sourceFormat": "parquet",
        }
        commit(table, None, [*definition.actions(), *adds], "CONVERT", parameters)
    if found is not None:
        payload = {k: v for k, v in found.payload.items() if k in {"location", "external"}} | {
            "provider": "delta"
        }
        session.catalog.put("table", (found.schema, found.name), payload, found.version)
    return command("OK")


def _place(session: Session, s: ConvertToDelta) -> tuple[CatalogObject | None, str]:
    """The table in the catalog, if it is one, and where its files are."""
    if len(s.name) == 2 and s.name[0].lower() == "parquet":
        return None, resolve(s.name[1], os.getcwd(), remote=True)
    found = relations.require(session, s.name, s.name_span)
    provider = found.payload.get("provider") if found.kind == "table" else "view"
    location = session.catalog.location(found) if found.kind == "table" else ""
    if provider == "delta":
        return None, location
    if provider != "parquet":
        raise AnalysisError(
            f"CONVERT TO DELTA takes a directory or a table of Parquet files; `{found.full_name}` is "
            + ("a view" if provider == "view" else f"one of {provider} files"),
            condition="DELTA_CONVERT_NON_PARQUET_TABLE",
            span=s.name_span,
        )
    return found, location


def _columns(s: ConvertToDelta, source: Source, found: CatalogObject | None) -> list[ColumnDef]:
    """The files' columns, those of directories with the types that PARTITIONED BY declares."""
    declared = {c.name.lower(): c for c in s.partitions}
    have = {p.lower() for p in source.partition_columns}
    if set(declared) != have and (declared or found is None):
        shown = ", ".join(f"{f.name} {f.type}" for f in source.schema.fields if f.name.lower() in have)
        raise AnalysisError(
            f"PARTITIONED BY names {len(declared)} columns, the directories have {len(have)}"
            + (f": {shown}" if shown else ""),
            condition="DELTA_UNEXPECTED_NUM_PARTITION_COLUMNS_FROM_FILE_NAME",
            span=s.name_span,
            hint=f"CONVERT TO DELTA ... PARTITIONED BY ({shown})" if shown else "leave PARTITIONED BY out",
        )
    return [
        ColumnDef(
            f.name,
            declared[f.name.lower()].type if f.name.lower() in declared else as_nullable_inside(f.type),
        )
        for f in source.schema.fields
    ]


def _add(location: str, f: FileInfo, partitions: tuple[str, ...], stats: str | None) -> Add:
    below = f.path[len(location.rstrip("/")) + 1 :]
    if stats is None and f.rows is not None:
        stats = json.dumps({"numRecords": f.rows}, separators=(",", ":"))
    return Add(
        quote(below, safe="/=!$&'()*+,;@-._~"),
        tuple(zip(partitions, f.partition, strict=True)),
        f.size,
        int(f.modified * 1000),
        True,
        stats,
    )


def _statistics(session: Session, source: Source, location: str) -> dict[str, str]:
    """Delta's statistics by path: bounds and NULLs of the first columns whose values have texts in JSON."""
    fields = [f for f in source.schema.fields if f.name not in source.partition_columns][:MOST_COLUMNS]
    wanted = [f for f in fields if isinstance(f.type, (Integral, Fractional, Decimal, Date, String))]
    items = ["_metadata.file_path", "count(*)"]
    for f in wanted:
        name = quote_name(f.name)
        items += [f"min({name})", f"max({name})", f"count({name})"]
    place = location.replace("\\", "\\\\").replace("'", "\\'")
    files = f"read_files('{place}', format => 'parquet')"
    result = session.run_text(f"SELECT {', '.join(items)} FROM {files} GROUP BY 1")
    paths = {file_uri(f.path): f.path for f in source.files}
    found = {}
    for uri, rows, *values in result.rows():
        low: dict[str, str] = {}
        high: dict[str, str] = {}
        nulls: dict[str, str] = {}
        for i, f in enumerate(wanted):
            least, greatest, count = values[3 * i : 3 * i + 3]
            nulls[f.name] = str(rows - count)
            _put(low, f.name, _text(least, f.type, top=False))
            _put(high, f.name, _text(greatest, f.type, top=True))
        parts = {"minValues": low, "maxValues": high, "nullCount": nulls}
        found[paths[uri]] = (
            f'{{"numRecords":{rows},' + ",".join(f'"{k}":{_object(v)}' for k, v in parts.items()) + "}"
        )
    return found


def _put(parts: dict[str, str], name: str, text: str | None) -> None:
    if text is not None:
        parts[name] = text


def _object(parts: dict[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(k)}:{v}" for k, v in parts.items()) + "}"


def _text(value: Any, t: SqlType, *, top: bool) -> str | None:
    """A bound as JSON; None where there is none: a NaN, or a text that is cut at its end."""
    if value is None or (isinstance(t, Fractional) and not math.isfinite(value)):
        return None
    if isinstance(t, String):
        return None if top and len(value) > LONGEST else json.dumps(value[:LONGEST], ensure_ascii=False)
    if isinstance(t, Date):
        return json.dumps(value.isoformat())
    return f"{value:f}" if isinstance(t, Decimal) else json.dumps(value)
