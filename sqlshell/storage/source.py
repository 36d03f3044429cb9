"""What a scan reads: frozen descriptions, made by `describe_source` and pinned at bind time.

A Source is small and picklable: file lists travel with the plan, file contents never do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from sqlshell.types import Struct

FORMATS = ("parquet", "csv", "json", "text", "binaryfile", "orc", "arrow")


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
    """One file: its size in bytes, its rows when a footer tells, and its `key=value` directory values (text)."""

    path: str
    size: int
    rows: int | None = None
    partition: tuple[str | None, ...] = ()
    modified: float = 0.0


@dataclass(frozen=True)
class Source:
    """Files of one format read as one table.

    `schema` holds the data columns, then the partition columns named in `partition_columns`. `options` are the
    reader's, lower-cased, as given (`header`, `sep`, `mode` ...), with what inference settled made explicit, so
    that every task reads alike. `name` is what EXPLAIN and error messages call it.
    """

    name: str
    format: str
    schema: Struct
    files: tuple[FileInfo, ...] = ()
    partition_columns: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    stats: tuple[tuple[str, ColumnStats], ...] = field(default=(), compare=False, repr=False)

    @property
    def rows(self) -> int | None:
        """Rows in all files, when every file tells."""
        total = 0
        for f in self.files:
            if f.rows is None:
                return None
            total += f.rows
        return total

    @property
    def size(self) -> int:
        """Bytes in all files."""
        return sum(f.size for f in self.files)

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
