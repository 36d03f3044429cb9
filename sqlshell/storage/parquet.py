"""Parquet footers: schema, rows and column statistics. Footers are parsed once per file and process."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlshell.errors import CorruptInputError, SourceNotFound
from sqlshell.storage.parquet_distinct import chunk_values, combined
from sqlshell.storage.source import ColumnStats
from sqlshell.types import Struct
from sqlshell.types_arrow import from_arrow

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def footer(path: str) -> pq.FileMetaData:
    """The file's footer; cached until the file changes. Raises CORRUPT_INPUT or PATH_NOT_FOUND naming the file."""
    return _footer(*version(path))


Version = tuple[str, int, int]


def version(path: str) -> Version:
    """(path, modification time, size): what caches of a file's contents are keyed by."""
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        raise SourceNotFound(f"the file '{path}' is gone") from None
    return path, stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=4096)
def _footer(path: str, mtime: int, size: int) -> pq.FileMetaData:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_metadata(path)
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
    lows: dict[str, Any] = {}
    highs: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    values: dict[str, list[tuple[float, int]]] = {}
    for path in sample:
        metadata = footer(path)
        for i in range(metadata.num_row_groups):
            group = metadata.row_group(i)
            for j in range(group.num_columns):
                chunk = group.column(j)
                name = chunk.path_in_schema
                stats = chunk.statistics
                if "." in name or stats is None:
                    continue
                values.setdefault(name, []).append((chunk_values(chunk, group.num_rows), group.num_rows))
                if stats.has_null_count:
                    nulls[name] = nulls.get(name, 0) + stats.null_count
                if stats.has_min_max:
                    lows[name] = stats.min if name not in lows else min(lows[name], stats.min)
                    highs[name] = stats.max if name not in highs else max(highs[name], stats.max)
    names = lows.keys() | nulls.keys()
    # Past the sample, what differs from file to file goes on doing so; what recurs does not grow.
    distinct = {n: combined(parts * (len(paths) // len(sample))) for n, parts in values.items()}
    return tuple(
        (n, ColumnStats(lows.get(n), highs.get(n), nulls.get(n), distinct.get(n))) for n in sorted(names)
    )
