"""PEP 249's type objects and constructors."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

Date = date
Time = time
Timestamp = datetime
Binary = bytes


def DateFromTicks(ticks: float) -> date:  # noqa: N802 - PEP 249's name
    """The local date at `ticks` seconds since the epoch."""
    return date.fromtimestamp(ticks)


def TimeFromTicks(ticks: float) -> time:  # noqa: N802
    """The local time of day at `ticks` seconds since the epoch."""
    return datetime.fromtimestamp(ticks).time()


def TimestampFromTicks(ticks: float) -> datetime:  # noqa: N802
    """The local time at `ticks` seconds since the epoch."""
    return datetime.fromtimestamp(ticks)


class TypeObject:
    """Equal to the type codes of `Cursor.description` (Spark type names) of its kind."""

    def __init__(self, name: str, *kinds: str) -> None:
        self.name = name
        self.kinds = frozenset(kinds)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return other.partition("(")[0].partition("<")[0].partition(" ")[0] in self.kinds
        return self is other

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return self.name


STRING = TypeObject("STRING", "string", "varchar", "char")
BINARY = TypeObject("BINARY", "binary")
NUMBER = TypeObject("NUMBER", "boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "decimal")
DATETIME = TypeObject("DATETIME", "date", "timestamp", "timestamp_ntz", "time", "interval")
ROWID: Any = TypeObject("ROWID")
