"""Delta tables for tests, written by our own log code around pyarrow's Parquet writer."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sqlshell.storage.delta.actions import Add, Metadata
from sqlshell.storage.delta.commit import commit
from sqlshell.storage.delta.protocol import new_protocol
from sqlshell.storage.delta.schema import from_struct, with_column_ids
from sqlshell.storage.delta.table import DeltaTable
from sqlshell.types import Struct
from sqlshell.types_ddl import parse_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.storage.delta.actions import Action


def create(
    location: str,
    ddl: str,
    *,
    partitions: tuple[str, ...] = (),
    features: Iterable[str] = (),
    properties: dict[str, str] | None = None,
) -> DeltaTable:
    """An empty table; `delta.columnMapping.mode` among the properties gives every column a physical name."""
    table = DeltaTable(location)
    schema = from_struct(Struct(parse_schema(ddl).fields))
    configuration = dict(properties or {})
    if configuration.get("delta.columnMapping.mode", "none") != "none":
        schema, last = with_column_ids(schema, 0, keep_names=False)
        configuration["delta.columnMapping.maxColumnId"] = str(last)
    metadata = Metadata(str(uuid4()), schema.to_string(), partitions, configuration, created_time=0)
    commit(table, None, [new_protocol(features), metadata], "CREATE TABLE")
    return table


def data_file(
    table: DeltaTable,
    columns: dict[str, Any],
    partition: dict[str, str | None] | None = None,
    *,
    row_group_size: int | None = None,
    stats: bool = True,
    name: str | None = None,
) -> Add:
    """A Parquet file of the table's data columns under their physical names, and the action that adds it."""
    schema = table.latest().schema
    by_name = {f.name: f for f in schema.fields}
    data = pa.table({by_name[n].physical_name: v for n, v in columns.items()})
    name = name or f"part-{uuid4()}.parquet"
    path = os.path.join(table.location, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pq.write_table(data, path, row_group_size=row_group_size)
    values = tuple((by_name[n].physical_name, v) for n, v in (partition or {}).items())
    now = int(time.time() * 1000)
    return Add(name, values, os.path.getsize(path), now, stats=_stats(data) if stats else None)


def _stats(data: pa.Table) -> str:
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    for name, column in zip(data.column_names, data.columns, strict=True):
        if pa.types.is_nested(column.type) or column.null_count == len(column):
            continue
        found = pc.min_max(column)
        low[name], high[name] = (_json(found[k].as_py()) for k in ("min", "max"))
    nulls = {n: c.null_count for n, c in zip(data.column_names, data.columns, strict=True)}
    return json.dumps({"numRecords": len(data), "minValues": low, "maxValues": high, "nullCount": nulls})


def _json(value: Any) -> Any:
    return value if isinstance(value, (int, float, str)) else str(value)


def append(table: DeltaTable, *actions: Action, operation: str = "WRITE", **options: Any) -> int:
    """Commit actions on the latest version."""
    return commit(table, table.latest(), actions, operation, **options)
