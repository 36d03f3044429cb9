"""Parquet footers: schema, rows and column statistics. Footers are parsed once per file and process."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlshell.errors import CorruptInputError
from sqlshell.storage import uri
from sqlshell.storage.parquet_distinct import chunk_values, combined
from sqlshell.storage.source import ColumnStats
from sqlshell.storage.uri import open_input
from sqlshell.storage.zones import FileZones, Zone, coarse, is_clustered, position
from sqlshell.types import Struct
from sqlshell.types_arrow import from_arrow

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def footer(path: str) -> pq.FileMetaData:
    """The file's footer; cached until the file changes. Raises CORRUPT_INPUT or PATH_NOT_FOUND naming the file."""
    return _footer(*version(path))


Version = tuple[str, int, int]
"""(path, modification time, size): what caches of a file's contents are keyed by."""
version = uri.version


@lru_cache(maxsize=4096)
def _footer(path: str, mtime: int, size: int) -> pq.FileMetaData:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_metadata(open_input(path))
    except (pa.ArrowInvalid, OSError) as e:
        raise CorruptInputError(f"'{path}' is not a readable Parquet file: {e}") from None


def arrow_schema(path: str) -> pa.Schema:
    """The Arrow schema of a file."""
    return footer(path).schema.to_arrow_schema()


def sql_schema(path: str) -> Struct:
    """The SQL schema of a file. Spark reads every column of a file as nullable."""
    from sqlshell.types import Field

    return Struct(tuple(Field(f.name, from_arrow(f.type)) for f in arrow_schema(path)))


def row_groups_between(path: str, start: int, end: int | None) -> tuple[int, int] | None:
    """(first row, rows) of the row groups whose middle byte is in [start, end); None when there are none."""
    inside = row_group_indexes(path, start, end)
    if not inside:
        return None
    metadata = footer(path)
    rows = [metadata.row_group(i).num_rows for i in range(inside[-1] + 1)]
    return sum(rows[: inside[0]]), sum(rows[inside[0] :])


def row_group_indexes(path: str, start: int, end: int | None) -> list[int]:
    """Row groups whose middle byte is in [start, end)."""
    metadata = footer(path)
    groups = [(i, _middle(metadata.row_group(i))) for i in range(metadata.num_row_groups)]
    return [i for i, middle in groups if start <= middle and (end is None or middle < end)]


def _middle(group: Any) -> int:
    column = group.column(0)
    begin = column.dictionary_page_offset or column.data_page_offset
    size = sum(group.column(j).total_compressed_size for j in range(group.num_columns))
    return int(begin + size // 2)


def column_stats(paths: list[str], max_footers: int = 64) -> tuple[tuple[str, ColumnStats], ...]:
    """Low, high, nulls and a distinct estimate per flat column, over all files (a sample of them past 64)."""
    sample = paths if len(paths) <= max_footers else paths[:: len(paths) // max_footers + 1]
    return _stats_of(tuple(map(version, sample)), len(paths))


class _Told:
    """What the row groups of one file, or of several, tell about a column."""

    def __init__(self) -> None:
        self.low: Any = None
        self.high: Any = None
        self.nulls: int | None = None
        self.complete = 0
        """Row groups that told of all their rows."""
        self.values: list[tuple[float, int]] = []
        self.zones: list[Zone] | None = []
        """What the row groups hold, empty ones left out; None when one does not tell."""

    def add(self, low: Any, high: Any, nulls: int | None) -> None:
        """Widen to further bounds and NULLs; None tells nothing."""
        if low is not None:
            self.low = low if self.low is None else min(self.low, low)
            self.high = high if self.high is None else max(self.high, high)
        if nulls is not None:
            self.nulls = (self.nulls or 0) + nulls


@lru_cache(maxsize=4096)
def _file_stats(path: str, mtime: int, size: int) -> dict[str, _Told]:
    found: dict[str, _Told] = {}
    metadata = _footer(path, mtime, size)
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        for j in range(group.num_columns):
            chunk = group.column(j)
            name, stats = chunk.path_in_schema, chunk.statistics
            if "." in name or stats is None:
                continue
            told = found.setdefault(name, _Told())
            told.values.append((chunk_values(chunk, group.num_rows), group.num_rows))
            nulls = stats.null_count if stats.has_null_count else None
            bounded = stats.has_min_max
            low, high = (stats.min, stats.max) if bounded else (None, None)
            told.add(low, high, nulls)
            told.complete += nulls is not None and (bounded or nulls == group.num_rows)
            first, last = position(low), position(high)
            if first is None or last is None:
                told.zones = told.zones if nulls == group.num_rows else None
            elif told.zones is not None:
                told.zones.append(Zone(first, last, group.num_rows))
    return found


def clustered(paths: list[str], max_footers: int = 64) -> list[tuple[tuple[str, FileZones], ...]]:
    """For each file the zones of the columns that are clustered over all files; nothing past 64 files."""
    if len(paths) > max_footers:
        return [() for _ in paths]
    files = [(_footer(*v).num_row_groups, _file_stats(*v)) for v in map(version, paths)]
    names = [n for n in files[0][1] if all(_tells(groups, told.get(n)) for groups, told in files)]
    kept = [n for n in names if is_clustered(z for _, told in files for z in told[n].zones or ())]
    return [
        tuple((n, FileZones(coarse(told[n].zones or []), _may_be_null(groups, told[n]))) for n in kept)
        for groups, told in files
    ]


def _may_be_null(groups: int, told: _Told) -> bool:
    return told.complete < groups or told.nulls != 0


def _tells(groups: int, told: _Told | None) -> bool:
    """Whether every row group of a file has a zone, or no value at all."""
    return told is not None and told.zones is not None and len(told.values) == groups


@lru_cache(maxsize=256)
def _stats_of(sample: tuple[Version, ...], files: int) -> tuple[tuple[str, ColumnStats], ...]:
    merged: dict[str, _Told] = {}
    for file in sample:
        for name, told in _file_stats(*file).items():
            all_told = merged.setdefault(name, _Told())
            all_told.add(told.low, told.high, told.nulls)
            all_told.values += told.values
            all_told.complete += told.complete
    groups = sum(_footer(*file).num_row_groups for file in sample) if files == len(sample) else -1
    # Past the sample, what differs from file to file goes on doing so; what recurs does not grow.
    repeat = max(1, files // max(1, len(sample)))
    return tuple(
        (n, ColumnStats(t.low, t.high, t.nulls, combined(t.values * repeat), t.complete == groups))
        for n, t in sorted(merged.items())
        if t.low is not None or t.nulls is not None
    )
