"""Zones: the ranges of values that pieces of files hold, where statistics tell (whole numbers and dates).

A column is *clustered* when its zones hardly overlap, as the key has it that a file was written in order of. Ranges
of such a column can be read apart at little more than their share of the bytes (`exec/ranges.py`).
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from sqlshell.records import dataclass
from sqlshell.storage.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.storage.source import FileInfo

MOST = 64
"""Zones kept per file and column: adjacent row groups are told together past that."""
OVERLAP = 1.25
"""Widths of all zones, to the width they cover together, up to which a column counts as clustered."""


@dataclass(frozen=True)
class Zone:
    """Least and greatest value (dates as days, as `position` has them) of so many rows."""

    low: int
    high: int
    rows: int


@dataclass(frozen=True)
class FileZones:
    """The zones of one column in one file. `nulls`: rows without a value may be in it, too."""

    zones: tuple[Zone, ...]
    nulls: bool


def position(value: Any) -> int | None:
    """A whole number or a date on a line of whole numbers; None for anything else."""
    if type(value) is int:
        return value
    return value.toordinal() if type(value) is datetime.date else None


def coarse(zones: list[Zone]) -> tuple[Zone, ...]:
    """At most MOST zones, neighbours told together."""
    step = -(-len(zones) // MOST)
    groups = [zones[i : i + step] for i in range(0, len(zones), step)]
    return tuple(Zone(min(z.low for z in g), max(z.high for z in g), sum(z.rows for z in g)) for g in groups)


def is_clustered(zones: Iterable[Zone]) -> bool:
    """Whether zones overlap so little that a range of values is in few of them."""
    zones = list(zones)
    if not zones:
        return False
    span = max(z.high for z in zones) - min(z.low for z in zones) + 1
    return sum(z.high - z.low + 1 for z in zones) <= OVERLAP * span + len(zones)


def file_zones(source: object, field: str) -> list[FileZones] | None:
    """The zones of a column in each file of a source; None where a file does not tell them."""
    if not isinstance(source, Source):
        return None
    found = _of_table(source, field) if source.table is not None else [_kept(f, field) for f in source.files]
    if not found or any(f is None for f in found):
        return None
    return [f for f in found if f is not None]


def _kept(file: FileInfo, field: str) -> FileZones | None:
    return next((zones for name, zones in file.zones if name == field), None)


def _of_table(source: Source, field: str) -> list[FileZones | None]:
    """A Delta table's: a zone per file, from the log."""
    from sqlshell.storage.delta.source import absolute_path

    assert source.table is not None
    index = source.table.stats.value
    found = None if index is None else index.of((field,))
    if found is None:
        return []
    told = [_told(*of) for of in zip(found.lows, found.highs, found.nulls, index.rows, strict=True)]
    if len(source.files) == source.table.files:
        return told
    place = {absolute_path(source.table.location, path): i for i, path in enumerate(index.paths)}
    return [told[place[f.path]] if f.path in place else None for f in source.files]


def _told(low: Any, high: Any, nulls: int | None, rows: int | None) -> FileZones | None:
    if rows is not None and nulls == rows:
        return FileZones((), rows > 0)
    first, last = position(low), position(high)
    if first is None or last is None or rows is None:
        return None
    return FileZones((Zone(first, last, rows),), nulls != 0)
