"""What a write makes of its rows: plain values that travel to the workers, and what they report back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlshell.types import SqlType

ROW_GROUP_ROWS = 122_880
"""Row groups that DuckDB writes too: 49 of them in SF1 lineitem, so that skipping has something to skip."""

FILE_BYTES = 512 << 20
"""Rows of about so many bytes in memory go to one file (some 100 MB of Parquet)."""

WRITE_FORMATS = ("parquet", "csv", "json", "arrow")


@dataclass(frozen=True)
class WriteColumn:
    """A column as files have it: its name there, and its type with the fields' names there."""

    name: str
    type: SqlType


@dataclass(frozen=True)
class WriteSpec:
    """Where files go and how they are written.

    `columns` name the input's columns by position; those at `partition_by` become directories. `folders` says
    whether those are `column=value/` (else files lie side by side). `file_rows` is the most rows of a file;
    `field_ids` are Parquet field ids by leaf path; `stats` are the leading leaf columns that get statistics, by count
    (-1 all) or by name. For csv and json the columns arrive as text. `header` is csv's first line.
    """

    location: str
    columns: tuple[WriteColumn, ...]
    format: str = "parquet"
    partition_by: tuple[int, ...] = ()
    folders: bool = True
    prefix: str = "part"
    codec: str = "zstd"
    level: int | None = None
    row_group_rows: int = ROW_GROUP_ROWS
    file_bytes: int = FILE_BYTES
    file_rows: int | None = None
    field_ids: tuple[tuple[tuple[str, ...], int], ...] = ()
    stats: int | tuple[str, ...] = 32
    header: bool = True
    separator: str = ","
    single: bool = False
    """All rows in one file, which is there even without rows."""

    @property
    def data_columns(self) -> tuple[int, ...]:
        """Positions of the columns that are in the files."""
        return tuple(i for i in range(len(self.columns)) if i not in self.partition_by)


@dataclass(frozen=True)
class FileWritten:
    """One finished file: its path below the location (not encoded), partition values as Delta texts, statistics
    as Delta's JSON."""

    path: str
    partition: tuple[str | None, ...]
    rows: int
    size: int
    stats: str | None


def files_written(rows: Iterable[Sequence[Any]]) -> list[FileWritten]:
    """The rows that a Write node gives, typed; sorted, so that commits repeat."""
    files = [FileWritten(r[0], tuple(r[1]), r[2], r[3], r[4]) for r in rows]
    return sorted(files, key=lambda f: f.path)
