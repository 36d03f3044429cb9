"""Rows into data files of a Delta table, and files into the actions of its commit."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlshell.errors import DiskFullError
from sqlshell.plan.bind_store import IDENTITY_MARK, IDENTITY_START, IDENTITY_STEP, is_identity
from sqlshell.plan.logical import Plan, Project, passthrough
from sqlshell.plan.logical_write import Assert, Write
from sqlshell.records import replace
from sqlshell.result import Result
from sqlshell.storage import object_files
from sqlshell.storage.delta.actions import Add
from sqlshell.storage.delta.schema import TableSchema
from sqlshell.storage.write_spec import FILE_BYTES, WriteColumn, WriteSpec, files_written
from sqlshell.types import Field

if TYPE_CHECKING:
    from sqlshell.plan.bind_store import StoredRows
    from sqlshell.plan.logical_write import Check
    from sqlshell.session import Session
    from sqlshell.storage.delta.actions import Metadata
    from sqlshell.storage.write_spec import FileWritten

CODECS = {"snappy", "zstd", "gzip", "lz4", "uncompressed", "none", "brotli"}
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


def write_spec(session: Session, location: str, schema: TableSchema, metadata: Metadata) -> WriteSpec:
    """How files of a table are written: its partitioning, mapping, properties and the session's settings."""
    properties = {k.lower(): v for k, v in metadata.configuration.items()}
    names = {n.lower() for n in metadata.partition_columns}
    order = {n.lower(): i for i, n in enumerate(metadata.partition_columns)}
    parts = [i for i, f in enumerate(schema.fields) if f.name.lower() in names]
    parts.sort(key=lambda i: order[schema.fields[i].name.lower()])
    mapped = properties.get("delta.columnmapping.mode", "none") != "none"
    codec = properties.get("delta.parquet.compression.codec") or session.settings.get("sqlshell.write.codec")
    named_stats = properties.get("delta.dataskippingstatscolumns")
    stats: int | tuple[str, ...] = int(properties.get("delta.dataskippingnumindexedcols") or 32)
    if named_stats:
        stats = tuple(n.strip().strip("`") for n in named_stats.split(","))
    size = size_bytes(properties.get("delta.targetfilesize"))
    return WriteSpec(
        location,
        tuple(WriteColumn(f.physical_name, f.physical_type) for f in schema.fields),
        partition_by=tuple(parts),
        folders=not mapped,
        codec=codec.lower(),
        level=session.settings.get("sqlshell.write.level"),
        row_group_rows=session.settings.get("sqlshell.write.rowGroupRows"),
        file_bytes=4 * size if size else FILE_BYTES,  # rows in memory are about that much bigger
        field_ids=tuple(schema.column_ids().items()) if mapped else (),
        stats=stats,
    )


def size_bytes(text: str | None) -> int | None:
    """Bytes of `100mb`; None for other texts."""
    found = re.fullmatch(r"\s*(\d+)\s*([kmgt]?)i?b?\s*", (text or "").lower())
    return None if found is None else int(found[1]) << _UNITS[found[2]]


def run_write(session: Session, plan: Plan, checks: tuple[Check, ...], spec: WriteSpec) -> list[FileWritten]:
    """Optimize a plan, check its rows, write them. Nothing but orphaned files is left behind by a failure."""
    optimized = session.optimize(plan).plan
    if optimized.output != plan.output:
        optimized = Project(optimized, tuple(passthrough(c) for c in plan.output))
    checked: Plan = Assert(optimized, checks) if checks else optimized
    try:
        handle = session.engine.run(session.stages(Write(checked, spec)))
    except DiskFullError as e:
        e.message = f"no space is left on the disk of '{spec.location}': nothing was committed"
        e.args = (e.message,)
        raise
    fields = [Field(c.name, c.type) for c in Write(checked, spec).output]
    result = Result(fields, handle.rows_inline, paths=handle.paths, row_count=lambda: handle.rows)
    try:
        return files_written(result.rows())
    finally:
        handle.close()


def write_rows(session: Session, rows: StoredRows, spec: WriteSpec) -> list[FileWritten]:
    """Write what a statement stores."""
    plan: Plan = rows.plan
    if plan.output != rows.columns:
        plan = Project(plan, tuple(passthrough(c) for c in rows.columns))
    return run_write(session, plan, rows.checks, spec)


def adds(files: list[FileWritten], spec: WriteSpec, *, data_change: bool = True) -> list[Add]:
    """The add actions of files just written."""
    names = [spec.columns[i].name for i in spec.partition_by]
    now = time.time_ns() // 1_000_000
    return [
        Add(
            quote(f.path, safe="/=!$&'()*+,;@-._~"),
            tuple(zip(names, f.partition, strict=True)),
            f.size,
            now,
            data_change,
            f.stats,
        )
        for f in files
    ]


def discard(location: str, files: list[FileWritten]) -> None:
    """Remove files whose commit failed; what cannot be removed is left to VACUUM."""
    for f in files:
        object_files.discard(os.path.join(location, f.path))


def metrics_of(files: list[FileWritten]) -> dict[str, int]:
    """operationMetrics that every write has."""
    return {
        "numFiles": len(files),
        "numOutputRows": sum(f.rows for f in files),
        "numOutputBytes": sum(f.size for f in files),
    }


def with_marks(schema: TableSchema, metadata: Metadata, files: list[FileWritten]) -> Metadata | None:
    """The metadata with the identity columns' new high water marks; None when there is nothing to keep."""
    fields = list(schema.fields)
    changed = False
    for i, f in enumerate(fields):
        if not is_identity(f):
            continue
        up = int(f.metadata[IDENTITY_STEP]) > 0
        found = [v for w in files if (v := _bound(w.stats, f.physical_name, top=up)) is not None]
        if not found:
            continue
        mark = max(found) if up else min(found)
        old = f.metadata.get(IDENTITY_MARK)
        start = int(f.metadata[IDENTITY_START])
        if (mark < start if up else mark > start) or (
            old is not None and (mark <= int(old) if up else mark >= int(old))
        ):
            continue
        fields[i] = replace(f, metadata=f.metadata | {IDENTITY_MARK: mark})
        changed = True
    return replace(metadata, schema_string=TableSchema(tuple(fields)).to_string()) if changed else None


def _bound(stats: str | None, name: str, *, top: bool) -> int | None:
    import json

    found: Any = json.loads(stats or "{}").get("maxValues" if top else "minValues", {}).get(name)
    return found if isinstance(found, int) else None
