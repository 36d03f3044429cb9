"""A snapshot as a scan's source: absolute paths, partition values, deletion vectors, statistics."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from sqlshell.storage import policy
from sqlshell.storage.delta.stats import StatsIndex
from sqlshell.storage.source import DriverOnly, FileInfo, FileList, Source, TableRead

if TYPE_CHECKING:
    from sqlshell.storage.delta.actions import Add, DeletionVector
    from sqlshell.storage.delta.snapshot import Snapshot


def source_of(snapshot: Snapshot, name: str) -> Source:
    """The scan source of a snapshot; `name` is what EXPLAIN and messages call it."""
    if "source" not in snapshot.derived:
        snapshot.derived["source"] = _source(snapshot)
    table, files = snapshot.derived["source"]
    return Source(
        name,
        "delta",
        snapshot.schema.struct,
        files,
        _partition_names(snapshot),
        (("version", str(snapshot.version)),),
        table=table,
    )


def _source(snapshot: Snapshot) -> tuple[TableRead, FileList]:
    index = stats_index(snapshot)
    adds = snapshot.files()
    names = _partition_names(snapshot)
    physical = [f.physical_name for n in names if (f := snapshot.schema.field(n)) is not None]
    location = snapshot.location

    @cache
    def rows() -> list[int | None]:
        vectors = adds.column("deletion_vector", lambda a: a.deletion_vector)
        if not any(vectors):
            return index.rows
        return [_left(n, adds.vector(i)) for i, n in enumerate(index.rows)]

    def make(i: int) -> FileInfo:
        return _file(location, adds[i], physical, index.rows[i])

    files = FileList(adds.column("size", lambda a: a.size), rows, make)
    read = TableRead(
        location, snapshot.version, snapshot.schema, snapshot.mapping_mode, len(files), DriverOnly(index)
    )
    return read, files


def _left(rows: int | None, vector: DeletionVector | None) -> int | None:
    """Rows that a deletion vector leaves."""
    return rows if rows is None or vector is None else rows - vector.cardinality


def stats_index(snapshot: Snapshot) -> StatsIndex:
    """The parsed statistics of a snapshot's files (in the order of `files()`), kept with it."""
    if "stats" not in snapshot.derived:
        snapshot.derived["stats"] = StatsIndex(snapshot.files(), snapshot.schema, snapshot.partition_columns)
    found: StatsIndex = snapshot.derived["stats"]
    return found


def _partition_names(snapshot: Snapshot) -> tuple[str, ...]:
    """Partition columns as the schema spells them."""
    fields = (snapshot.schema.field(n) for n in snapshot.partition_columns)
    return tuple(f.name for f in fields if f is not None)


def absolute_path(location: str, path: str) -> str:
    """A file's path from the log: percent-encoded, relative to the table unless absolute (shallow clones).

    Raises SAFE_MODE for one that may not be read.
    """
    found = _absolute_path(location, path)
    if policy.active():
        policy.check(found)
    return found


def _absolute_path(location: str, path: str) -> str:
    if "%" not in path and ":" not in path:
        return path if path.startswith("/") else f"{location}/{path}"
    parsed = urlparse(path)
    if parsed.scheme == "file":
        return os.path.abspath(unquote(parsed.path))
    if parsed.scheme and "/" in path.partition(":")[2][:2]:
        return path
    return os.path.join(location, unquote(path))


def adds_by_path(snapshot: Snapshot) -> dict[str, Add]:
    """Live files by the path that `_metadata.file_path` shows."""
    if "paths" not in snapshot.derived:
        snapshot.derived["paths"] = {absolute_path(snapshot.location, a.path): a for a in snapshot.files()}
    found: dict[str, Add] = snapshot.derived["paths"]
    return found


def _file(location: str, add: Add, partitions: list[str], rows: int | None) -> FileInfo:
    values: tuple[str | None, ...] = ()
    if partitions:
        given = dict(add.partition_values)
        values = tuple([given.get(p) or None for p in partitions])
    vector = add.deletion_vector
    path = absolute_path(location, add.path)
    return FileInfo(path, add.size, _left(rows, vector), values, add.modification_time / 1000, vector)
