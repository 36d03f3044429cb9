"""What a scan reads: frozen descriptions, made by `describe_source` and pinned at bind time.

A Source is small and picklable: file lists travel with the plan, file contents never do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from sqlshell.records import dataclass, field, replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.storage.delta.actions import DeletionVector
    from sqlshell.storage.delta.schema import TableSchema
    from sqlshell.storage.zones import FileZones
    from sqlshell.types import Struct

FORMATS = ("parquet", "csv", "json", "text", "binaryfile", "orc", "arrow", "delta")

FILE_PATH, ROW_INDEX = "_metadata.file_path", "_metadata.row_index"
"""Fields that a scan of a Delta table gives beside those of the schema: the file's path as in `FileInfo.path`, and the
row's position in it (deleted rows count), which Parquet files have, too. String and bigint, never NULL."""


FILE_FIELDS = tuple(
    f"_metadata:{name}"
    for name in (
        "file_path",
        "file_name",
        "file_size",
        "file_block_start",
        "file_block_length",
        "file_modification_time",
    )
)
"""Fields that a scan of any files gives beside those of the schema: the parts of Spark's `_metadata` that are the same
for all rows of a file, or of the piece of it that a task reads. The path is a URI."""


@dataclass(frozen=True)
class ColumnStats:
    """Estimates for one flat column over a whole source; None is unknown. `low`/`high` are Literal values.

    `exact` says that `low`, `high` and `nulls` were told for every row of every file.
    """

    low: Any = None
    high: Any = None
    nulls: int | None = None
    distinct: int | None = None
    exact: bool = False


@dataclass(frozen=True)
class FileInfo:
    """One file: its size in bytes, its rows when a footer tells, and its `key=value` directory values (text).

    `rows` leaves out what the deletion vector `vector` deletes. `zones` are those of its clustered columns.
    """

    path: str
    size: int
    rows: int | None = None
    partition: tuple[str | None, ...] = ()
    modified: float = 0.0
    vector: DeletionVector | None = None
    zones: tuple[tuple[str, FileZones], ...] = field(default=(), compare=False, repr=False)


class FileList(Sequence[FileInfo]):
    """Files that become records when asked for, by their place; a tuple on the other side of a pickle."""

    def __init__(
        self, sizes: list[int], rows: Callable[[], list[int | None]], make: Callable[[int], FileInfo]
    ) -> None:
        self._sizes = sizes
        self._rows = rows
        self._make = make
        self._made: dict[int, FileInfo] = {}

    def totals(self) -> tuple[int, int | None]:
        """Bytes and, when every file tells, rows of all files."""
        rows = self._rows()
        return sum(self._sizes), None if None in rows else sum(rows)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self._sizes)

    @overload
    def __getitem__(self, index: int) -> FileInfo: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[FileInfo, ...]: ...
    def __getitem__(self, index: int | slice) -> FileInfo | tuple[FileInfo, ...]:
        if isinstance(index, slice):
            return tuple([self[i] for i in range(*index.indices(len(self)))])
        at = index + len(self) if index < 0 else index
        found = self._made.get(at)
        if found is None:
            if not 0 <= at < len(self):
                raise IndexError(index)
            found = self._made[at] = self._make(at)
        return found

    def __reduce__(self) -> tuple[type, tuple[list[FileInfo]]]:
        return tuple, ([*self],)


class DriverOnly:
    """A value that stays in the session's process: it is None on the other side of a pickle."""

    def __init__(self, value: Any = None) -> None:
        self.value = value

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return (DriverOnly, ())


@dataclass(frozen=True)
class TableRead:
    """What reading a Delta table needs beside files: the version, its columns, and how files name them.

    `mapping` is the column mapping mode (none, name, id); `files` the number of files before any were skipped;
    `stats` holds the `StatsIndex` of those files, in the driver only.
    """

    location: str
    version: int
    columns: TableSchema = field(compare=False, repr=False)
    mapping: str = field(compare=False)
    files: int = field(compare=False)
    stats: DriverOnly = field(default_factory=DriverOnly, compare=False, repr=False)


CUTTABLE = "cuttable"
"""The option that says that text files of a source may be read by byte ranges."""

FileRange = tuple[FileInfo, int, int | None]
"""The records of a file that start in [start, end); None is the end of the file."""


@dataclass(frozen=True)
class Source:
    """Files of one format read as one table.

    `schema` holds the data columns, then the partition columns named in `partition_columns`. `options` are the
    reader's, lower-cased, as given (`header`, `sep`, `mode` ...), with what inference settled made explicit, so
    that every task reads alike. `name` is what EXPLAIN and error messages call it. `stats` of a Delta table add
    numbers of distinct values to what its log tells. `table` is set for Delta tables,
    whose schema has the partition columns in their own places.
    """

    name: str
    format: str
    schema: Struct
    files: Sequence[FileInfo] = ()
    partition_columns: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    stats: tuple[tuple[str, ColumnStats], ...] = field(default=(), compare=False, repr=False)
    table: TableRead | None = None

    @property
    def rows(self) -> int | None:
        """Rows in all files, when every file tells."""
        if isinstance(self.files, FileList):
            return self.files.totals()[1]
        total = 0
        for f in self.files:
            if f.rows is None:
                return None
            total += f.rows
        return total

    @property
    def size(self) -> int:
        """Bytes in all files."""
        if isinstance(self.files, FileList):
            return self.files.totals()[0]
        return sum(f.size for f in self.files)

    def column_stats(self, name: str) -> ColumnStats | None:
        """What is known of a flat column."""
        known = dict(self.stats).get(name)
        if self.table is None or self.table.stats.value is None:
            return known
        found: ColumnStats | None = self.table.stats.value.column_stats(name)
        if known is None or found is None:
            return found or known
        return replace(found, distinct=known.distinct)

    def column_facts(self, name: str) -> ColumnStats | None:
        """What is known of a column's NULLs, and of a number's bounds."""
        if self.table is not None and self.table.stats.value is not None:
            found: ColumnStats | None = self.table.stats.value.column_facts(name)
            return found
        return dict(self.stats).get(name)

    def option(self, name: str, default: str | None = None) -> str | None:
        """The reader option called `name` (lower case)."""
        for key, value in self.options:
            if key == name:
                return value
        return default


@dataclass(frozen=True)
class MemorySource:
    """Rows registered by the connector or cached by CACHE TABLE: Arrow IPC files owned by the session."""

    name: str
    schema: Struct
    paths: tuple[str, ...]
    rows: int
    size: int
    stats: tuple[tuple[str, ColumnStats], ...] = field(default=(), compare=False, repr=False)

    def column_stats(self, name: str) -> ColumnStats | None:
        """What is known of a flat column."""
        return dict(self.stats).get(name)

    def column_facts(self, name: str) -> ColumnStats | None:
        """What is known of a column's NULLs, and of a number's bounds."""
        return dict(self.stats).get(name)
