"""Writes a classic checkpoint: one Parquet file with all actions that still count. Runs where pyarrow is."""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING, Any

from sqlshell.storage.delta.actions import to_body
from sqlshell.storage.delta.log import LAST_CHECKPOINT, LOG
from sqlshell.storage.delta.properties import duration_ms
from sqlshell.storage.delta.table import DeltaTable

if TYPE_CHECKING:
    import pyarrow as pa

    from sqlshell.storage.delta.actions import Action
    from sqlshell.storage.delta.snapshot import Snapshot

TOMBSTONES = "interval 1 week"
"""Delta's default of `delta.deletedFileRetentionDuration`."""


def write_checkpoint(location: str, version: int) -> int:
    """Write the checkpoint of a version, unless there is one; gives the number of its actions (0: there was)."""
    table = DeltaTable(location)
    if any(c.version == version for c in table.listing().checkpoints):
        return 0
    snapshot = table.snapshot(version)
    rows = _rows(snapshot, int(time.time() * 1000))
    data = _parquet(rows)
    name = f"{LOG}/{version:020d}.checkpoint.parquet"
    if not table.store.put_if_absent(name, data):
        return 0
    told = {
        "version": version,
        "size": len(rows),
        "sizeInBytes": len(data),
        "numOfAddFiles": len(snapshot.state.files),
    }
    table.store.put(LAST_CHECKPOINT, json.dumps(told, separators=(",", ":")).encode())
    return len(rows)


def _rows(snapshot: Snapshot, now_ms: int) -> list[tuple[str, dict[str, Any]]]:
    """(kind, JSON body) of every action: protocol and metadata first; tombstones past their retention left out."""
    state = snapshot.state
    oldest = now_ms - duration_ms(snapshot.setting("delta.deletedFileRetentionDuration"), TOMBSTONES)
    kept = [r for r in state.tombstones.values() if (r.deletion_timestamp or 0) > oldest]
    others: list[Action] = [
        snapshot.protocol,
        snapshot.metadata,
        *state.txns.values(),
        *state.domains.values(),
    ]
    rows = [to_body(a) for a in (*others, *kept, *state.files.values())]
    for kind, body in rows:
        if kind in {"add", "remove"}:
            body["dataChange"] = False  # a checkpoint changes nothing
    return rows


def _schema() -> pa.Schema:
    import pyarrow as pa

    text, long, flag = pa.string(), pa.int64(), pa.bool_()
    pairs = pa.map_(text, text)
    vector = pa.struct(
        [
            ("storageType", text),
            ("pathOrInlineDv", text),
            ("offset", pa.int32()),
            ("sizeInBytes", pa.int32()),
            ("cardinality", long),
        ]
    )
    file = [
        ("path", text),
        ("partitionValues", pairs),
        ("size", long),
        ("dataChange", flag),
        ("tags", pairs),
        ("deletionVector", vector),
        ("baseRowId", long),
        ("defaultRowCommitVersion", long),
    ]
    kinds = {
        "txn": [("appId", text), ("version", long), ("lastUpdated", long)],
        "add": [*file, ("modificationTime", long), ("stats", text), ("clusteringProvider", text)],
        "remove": [*file, ("deletionTimestamp", long), ("extendedFileMetadata", flag)],
        "metaData": [
            ("id", text),
            ("name", text),
            ("description", text),
            ("format", pa.struct([("provider", text), ("options", pairs)])),
            ("schemaString", text),
            ("partitionColumns", pa.list_(text)),
            ("configuration", pairs),
            ("createdTime", long),
        ],
        "protocol": [
            ("minReaderVersion", pa.int32()),
            ("minWriterVersion", pa.int32()),
            ("readerFeatures", pa.list_(text)),
            ("writerFeatures", pa.list_(text)),
        ],
        "domainMetadata": [("domain", text), ("configuration", text), ("removed", flag)],
    }
    return pa.schema([(kind, pa.struct(fields)) for kind, fields in kinds.items()])


def _parquet(rows: list[tuple[str, dict[str, Any]]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema()
    columns = []
    for field in schema:
        maps = [f.name for f in field.type if pa.types.is_map(f.type)]
        values = [_with_pairs(body, maps) if kind == field.name else None for kind, body in rows]
        columns.append(pa.array(values, field.type))
    target = io.BytesIO()
    # Statistics of log actions help nobody; dictionaries do not pay for paths.
    pq.write_table(
        pa.table(columns, schema=schema),
        target,
        compression="zstd",
        write_statistics=False,
        use_dictionary=False,
    )
    return target.getvalue()


def _with_pairs(body: dict[str, Any], maps: list[str]) -> dict[str, Any]:
    """Arrow takes maps as lists of pairs."""
    changed: dict[str, Any] = {m: list(body[m].items()) for m in maps if body.get(m) is not None}
    if "format" in body:
        changed["format"] = {"provider": body["format"]["provider"], "options": []}
    return body | changed
