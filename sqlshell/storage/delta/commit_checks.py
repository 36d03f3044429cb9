"""What is looked at before a commit is written: nothing that breaks the table for its readers may get in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlshell.errors import IntegrityError, InternalError, NotSupportedError, SourceNotFound
from sqlshell.storage.delta.actions import Add, Cdc, Metadata, Protocol, Remove
from sqlshell.storage.delta.protocol import check_writable, features
from sqlshell.storage.delta.schema import parse_schema
from sqlshell.storage.delta.source import absolute_path

if TYPE_CHECKING:
    from sqlshell.storage.delta.actions import Action
    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.delta.table import DeltaTable

_PROPERTY_FEATURES = {
    "delta.enabledeletionvectors": "deletionVectors",
    "delta.enablechangedatafeed": "changeDataFeed",
    "delta.enableincommittimestamps": "inCommitTimestamp",
    "delta.enabletypewidening": "typeWidening",
    "delta.appendonly": "appendOnly",
}


def check(table: DeltaTable, read: Snapshot | None, actions: list[Action]) -> None:
    """Raise when the actions do not fit the table: an InternalError for our own mistakes, else the user's error."""
    protocol = None if read is None else read.protocol
    metadata = None if read is None else read.metadata
    for a in actions:
        protocol = a if isinstance(a, Protocol) else protocol
        metadata = a if isinstance(a, Metadata) else metadata
    if protocol is None or metadata is None:
        raise InternalError("a new table needs a protocol and a metaData action")
    if read is not None:
        check_writable(read.protocol, table.location)
    check_writable(protocol, table.location)
    if any(isinstance(a, Metadata | Protocol) for a in actions):
        _check_metadata(protocol, metadata)
    _check_removes(table, read, metadata, actions)
    _check_adds(table, protocol, metadata, actions)


def _check_metadata(protocol: Protocol, metadata: Metadata) -> None:
    schema = parse_schema(metadata.schema_string)
    names = [f.name.lower() for f in schema.fields]
    repeated = sorted({n for n in names if names.count(n) > 1})
    if repeated:
        raise InternalError(f"the table's schema repeats {', '.join(repeated)}")
    for name in metadata.partition_columns:
        if schema.field(name) is None:
            raise InternalError(f"the partition column {name} is not in the schema")
    have = features(protocol)
    for key, value in metadata.configuration.items():
        feature = _PROPERTY_FEATURES.get(key.lower())
        if feature is not None and value.lower() == "true" and not any(f.startswith(feature) for f in have):
            raise InternalError(f"the property {key} needs the table feature {feature}")
    mode = metadata.configuration.get("delta.columnMapping.mode", "none")
    if mode != "none" and "columnMapping" not in have:
        raise InternalError("column mapping needs its table feature")


def _check_removes(
    table: DeltaTable, read: Snapshot | None, metadata: Metadata, actions: list[Action]
) -> None:
    removes = [a for a in actions if isinstance(a, Remove)]
    if not removes:
        return
    live = {} if read is None else read.state.files
    for r in removes:
        if r.key not in live:
            raise InternalError(f"a commit may only remove live files, not {r.path}")
    append_only = metadata.configuration.get("delta.appendOnly", "").lower() == "true"
    if append_only and any(r.data_change for r in removes):
        raise NotSupportedError(
            f"'{table.location}' only takes new rows (delta.appendOnly is true)",
            condition="DELTA_CANNOT_MODIFY_APPEND_ONLY",
            hint="ALTER TABLE ... SET TBLPROPERTIES ('delta.appendOnly' = 'false') allows changes",
        )


def _check_adds(table: DeltaTable, protocol: Protocol, metadata: Metadata, actions: list[Action]) -> None:
    adds = [a for a in actions if isinstance(a, Add)]
    if not adds and not any(isinstance(a, Cdc) for a in actions):
        return
    schema = parse_schema(metadata.schema_string)
    wanted = {f.physical_name for f in schema.fields if f.name in metadata.partition_columns}
    seen: set[str] = set()
    vectors = "deletionVectors" in features(protocol)
    for a in adds:
        if a.path in seen:
            raise InternalError(f"a commit adds {a.path} twice")
        seen.add(a.path)
        if {k for k, _ in a.partition_values} != wanted:
            raise InternalError(
                f"{a.path} has partition values {dict(a.partition_values)}, not of {sorted(wanted)}"
            )
        if a.deletion_vector is not None and not vectors:
            raise InternalError("a deletion vector needs its table feature")
        _check_stats(a)
        check_file(table, a.path, a.size)
    for c in actions:
        if isinstance(c, Cdc):
            check_file(table, c.path, c.size)


def _check_stats(add: Add) -> None:
    if add.stats is None:
        if add.deletion_vector is not None:
            raise InternalError(f"{add.path} has a deletion vector but no row count in its statistics")
        return
    try:
        rows = json.loads(add.stats)["numRecords"]
    except (ValueError, KeyError, TypeError):
        raise InternalError(f"the statistics of {add.path} are not valid") from None
    if not isinstance(rows, int) or rows < 0:
        raise InternalError(f"the statistics of {add.path} have no valid row count")


def check_file(table: DeltaTable, path: str, size: int) -> None:
    """Raise when a file that is to be committed is not there in full."""
    found = table.store.stat(absolute_path(table.location, path))
    if found is None:
        raise SourceNotFound(
            f"the data file '{path}' of '{table.location}' vanished before its commit: nothing was committed",
            hint="was VACUUM run with a short retention while this statement ran?",
        )
    if found.size != size:
        raise IntegrityError(
            f"the data file '{path}' of '{table.location}' has {found.size} bytes, not {size}: nothing was committed",
            condition="DELTA_FILE_SIZE_MISMATCH",
        )
