"""A Parquet checkpoint file as plain columns. Runs where pyarrow is: in a worker, for a session."""

from __future__ import annotations

import datetime
import decimal
import json
import re
from typing import TYPE_CHECKING, Any

from sqlshell.errors import CorruptInputError, SourceNotFound
from sqlshell.storage.delta.store import open_store
from sqlshell.storage.uri import open_input

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ADD_COLUMNS = (
    "path", "partitionValues", "size", "modificationTime", "dataChange", "stats", "tags", "deletionVector",
    "baseRowId", "defaultRowCommitVersion", "clusteringProvider",
)  # fmt: skip
"""In the order of `actions.Add`."""

REMOVE_COLUMNS = (
    "path", "deletionTimestamp", "dataChange", "partitionValues", "size", "tags", "deletionVector", "baseRowId",
    "defaultRowCommitVersion",
)  # fmt: skip
"""In the order of `actions.Remove`."""

OTHERS = ("protocol", "metaData", "txn", "domainMetadata", "sidecar", "checkpointMetadata")
MAPS = frozenset({"partitionValues", "tags"})
FIRST_ROWS = r'^\{"numRecords":\s*(?P<rows>\d{1,18})[,}]'
"""The row count where it comes first, as writers have it."""
VECTOR = ("storageType", "pathOrInlineDv", "sizeInBytes", "cardinality", "offset")

Columns = list[list[Any]]


def read_checkpoint(location: str, name: str) -> tuple[Columns, Columns, bytes]:
    """Columns of the adds, columns of the removes, and JSON lines of the other actions of a checkpoint file.

    The columns of the adds end with the files' physical rows (None where that takes parsing statistics); a kind that
    is not there has no columns. Raises CORRUPT_INPUT or PATH_NOT_FOUND naming the file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = open_store(location).path(name)
    try:
        with pq.ParquetFile(open_input(path)) as file:
            adds = _columns(file, "add", ADD_COLUMNS)
            removes = _columns(file, "remove", REMOVE_COLUMNS)
            lines = [line for kind in OTHERS for line in _lines(file, kind)]
    except FileNotFoundError:
        raise SourceNotFound(f"the checkpoint '{path}' is gone") from None
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as e:
        raise CorruptInputError(f"the checkpoint '{path}' cannot be read: {e}") from None
    return adds, removes, "\n".join(lines).encode()


def _columns(file: pq.ParquetFile, kind: str, names: tuple[str, ...]) -> Columns:
    schema = file.schema_arrow
    if kind not in schema.names:
        return []
    have = {f.name for f in schema.field(kind).type}
    wanted = [f"{kind}.{n}" for n in names if n in have]
    rows = _rows(file, kind, wanted)
    found = {f.name: column for f, column in zip(rows.type, rows.flatten(), strict=True)}
    out = [_values(n, found.get(n), len(rows)) for n in names]
    if kind == "add":
        at = names.index("stats")
        if "stats_parsed" in have and None in out[at]:
            out[at] = _parsed_stats(file, out[at])
        values = names.index("partitionValues")
        out[values] = [v or () for v in out[values]]
        out.append(_row_counts(found.get("stats"), len(rows)))
    at = names.index("dataChange")
    out[at] = [v is not False for v in out[at]]
    return out


def _rows(file: pq.ParquetFile, kind: str, wanted: list[str]) -> pa.StructArray:
    """The rows that hold an action of a kind, as one struct array."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = file.read(columns=wanted).column(kind)
    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    first = column.type.field(0).name
    # A row of another kind has no path (or other required first field), whatever the struct's own validity says.
    return array.filter(pc.and_(array.is_valid(), pc.struct_field(array, first).is_valid()))


def _values(name: str, column: pa.Array | None, count: int) -> list[Any]:
    if column is None or column.null_count == count:
        return [() if name == "tags" else None] * count
    if name in MAPS:
        if not len(column.items):
            return [()] * count
        empty = () if name == "tags" else None
        return [empty if v is None else tuple(v) for v in column.to_pylist()]
    if name == "deletionVector":
        return [_vector(v) for v in column.to_pylist()]
    return column.to_pylist()  # type: ignore[no-any-return]


def _row_counts(stats: pa.Array | None, count: int) -> list[int | None]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if stats is None:
        return [None] * count
    # (An array made of a list would have pyarrow load pandas.)
    found = pc.extract_regex(stats, FIRST_ROWS).field("rows")
    return found.cast(pa.int64()).to_pylist()  # type: ignore[no-any-return]


def _vector(body: dict[str, Any] | None) -> tuple[Any, ...] | None:
    if body is None or body.get("storageType") is None:
        return None
    storage, path, size, cardinality, offset = (body.get(n) for n in VECTOR)
    return storage, path, size, cardinality, offset


def _parsed_stats(file: pq.ParquetFile, stats: list[str | None]) -> list[str | None]:
    """Statistics that a writer kept as structs only (`delta.checkpoint.writeStatsAsJson` = false), as JSON."""
    leaves = [f"add.{n}" for n in ("path", "stats_parsed")]
    rows = _rows(file, "add", leaves).field("stats_parsed").to_pylist()
    return [own or (None if row is None else stats_text(row)) for own, row in zip(stats, rows, strict=True)]


_EXACT = re.compile(r'"\\u0000([^"]*)"')


def stats_text(row: dict[str, Any]) -> str:
    """A struct of statistics as Delta's JSON; decimals keep their digits."""
    return _EXACT.sub(r"\1", json.dumps(_without_nulls(row), separators=(",", ":"), default=_json_value))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return value


def _json_value(value: Any) -> Any:
    if isinstance(value, decimal.Decimal):
        return f"\0{value:f}"
    if isinstance(value, datetime.datetime):
        text = value.astimezone(datetime.UTC).replace(tzinfo=None) if value.tzinfo else value
        return text.isoformat(timespec="microseconds") + ("Z" if value.tzinfo else "")
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value)


def _lines(file: pq.ParquetFile, kind: str) -> list[str]:
    schema = file.schema_arrow
    if kind not in schema.names:
        return []
    first = {
        "metaData": "id",
        "protocol": "minReaderVersion",
        "txn": "appId",
        "domainMetadata": "domain",
    }.get(kind)
    rows = _rows(file, kind, [kind]).to_pylist()
    return [_line(kind, r) for r in rows if first is None or r.get(first) is not None]


def _line(kind: str, row: dict[str, Any]) -> str:
    body = {k: _maps(k, v) for k, v in row.items() if v is not None}
    return json.dumps({kind: body}, default=str)


def _maps(name: str, value: Any) -> Any:
    if name in {"configuration", "tags"} and isinstance(value, list):
        return dict(value)
    if name == "format":
        return {"provider": value.get("provider"), "options": dict(value.get("options") or ())}
    return value
