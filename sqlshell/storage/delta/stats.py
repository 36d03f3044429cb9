"""Per-file statistics of a snapshot: bounds that hold whoever wrote them (FACTS-storage, 2.5).

Values are as in SQL literals: ints, floats, str, Decimal, date, naive UTC datetime. A bound is None where nothing
sound is known. Foreign statistics are lossy in known ways, and widened: decimals written as JSON floats, timestamps
cut to milliseconds, NaN left out of float maxima, strings cut after a prefix (the maximum is then bumped by writers).
"""

from __future__ import annotations

import json
import math
from datetime import date, datetime, timedelta
from decimal import Decimal as PyDecimal
from decimal import InvalidOperation
from typing import TYPE_CHECKING, Any

from sqlshell.records import dataclass
from sqlshell.storage.source import ColumnStats
from sqlshell.types import (
    Boolean,
    Date,
    Decimal,
    Fractional,
    Integral,
    SqlType,
    String,
    Struct,
    Timestamp,
    TimestampNtz,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.storage.delta.actions import Add
    from sqlshell.storage.delta.schema import TableSchema

SAFE_DIGITS = 15
"""A double holds every decimal of so many digits."""
MILLISECOND = timedelta(milliseconds=1)

LeafPath = tuple[str, ...]


@dataclass(frozen=True)
class FileStats:
    """Bounds and NULLs of one leaf in one file; `rows` are physical (deleted ones included)."""

    low: Any = None
    high: Any = None
    nulls: int | None = None
    rows: int | None = None
    exact: bool = False
    """Whether `low` and `high` are values of rows, as a footer's would be."""


NOTHING = FileStats()


class StatsIndex:
    """The statistics of some files, parsed once, by leaf when asked for."""

    def __init__(self, adds: Sequence[Add], schema: TableSchema) -> None:
        self._adds = adds
        self._schema = schema
        self._parsed: list[dict[str, Any] | None] | None = None
        self._columns: dict[LeafPath, list[FileStats]] = {}

    @property
    def parsed(self) -> list[dict[str, Any] | None]:
        """The JSON objects, in the files' order; None where a file has none."""
        if self._parsed is None:
            texts = [a.stats or "null" for a in self._adds]
            try:
                # One call for all is a third faster; floats stay text, for decimals.
                self._parsed = json.loads("[" + ",".join(texts) + "]", parse_float=_Number)
                assert self._parsed is not None and len(self._parsed) == len(texts)
            except (ValueError, AssertionError):
                self._parsed = [_parse(t) for t in texts]
        return self._parsed

    def rows(self) -> list[int | None]:
        """Physical rows of each file."""
        return [None if p is None else p.get("numRecords") for p in self.parsed]

    def of(self, path: LeafPath) -> list[FileStats] | None:
        """Statistics of a leaf (logical names, structs only) for each file; None for what has none."""
        key = tuple(p.lower() for p in path)
        if key not in self._columns:
            found = self._leaf(key)
            if found is None:
                return None
            physical, sql_type = found
            self._columns[key] = [_file_stats(p, physical, sql_type) for p in self.parsed]
        return self._columns[key]

    def _leaf(self, path: LeafPath) -> tuple[tuple[str, ...], SqlType] | None:
        field = self._schema.field(path[0])
        if field is None:
            return None
        names, logical, physical = [field.physical_name], field.type, field.physical_type
        for part in path[1:]:
            index = logical.index(part) if isinstance(logical, Struct) else None
            if index is None or not isinstance(logical, Struct) or not isinstance(physical, Struct):
                return None
            names.append(physical.fields[index].name)
            logical, physical = logical.fields[index].type, physical.fields[index].type
        return tuple(names), logical


class _Number(str):
    """A JSON number with its digits."""

    __slots__ = ()


def _parse(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text, parse_float=_Number)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _below(body: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(body, dict):
            return None
        body = body.get(name)
    return body


def _file_stats(parsed: dict[str, Any] | None, path: tuple[str, ...], t: SqlType) -> FileStats:
    if parsed is None:
        return NOTHING
    rows = parsed.get("numRecords")
    nulls = _below(parsed.get("nullCount"), path)
    low = bounds(_below(parsed.get("minValues"), path), t)
    high = bounds(_below(parsed.get("maxValues"), path), t)
    return FileStats(
        None if low is None else low[0],
        None if high is None else _upper(high, t),
        nulls if isinstance(nulls, int) else None,
        rows if isinstance(rows, int) else None,
        low is not None and high is not None and low[2] and high[2],
    )


def _upper(found: tuple[Any, Any, bool], t: SqlType) -> Any:
    # A NaN is above every number and in no statistics, so a maximum of floats bounds nothing.
    return None if isinstance(t, Fractional) else found[1]


def bounds(value: Any, t: SqlType) -> tuple[Any, Any, bool] | None:
    """(at least, at most, exact): what a statistic's value says of the true one; None when nothing."""
    if value is None:
        return None
    try:
        match t:
            case Integral():
                number = int(value)
                return number, number, True
            case Fractional():
                number_ = float(value)
                return None if math.isnan(number_) else (number_, number_, False)
            case Decimal():
                return _decimal_bounds(value, t)
            case Date():
                day = date.fromisoformat(str(value)[:10])
                return day, day, True
            case Timestamp() | TimestampNtz():
                moment = _timestamp(str(value))
                # Milliseconds may have been cut: truncation goes down, so the maximum grows.
                return moment, moment + MILLISECOND, False
            case String():
                return (str(value), str(value), False) if isinstance(value, str) else None
            case Boolean():
                return (value, value, True) if isinstance(value, bool) else None
    except (ValueError, OverflowError, InvalidOperation):
        return None
    return None


def _decimal_bounds(value: Any, t: Decimal) -> tuple[Any, Any, bool] | None:
    exact = PyDecimal(str(value))
    if not exact.is_finite():
        return None
    digits = exact.as_tuple()
    if len(digits.digits) <= SAFE_DIGITS:
        return exact, exact, True
    plain = "e" not in str(value).lower()
    if (
        plain
        and isinstance(value, (int, str))
        and -int(digits.exponent) == t.scale
        and len(digits.digits) > 17
    ):
        return exact, exact, True  # more digits than a double has: written exactly
    # It may be the nearest double's shortest text: the true value is within half a unit of a double's last place.
    slack = PyDecimal(math.ulp(float(exact))) + PyDecimal(1).scaleb(-t.scale)
    return exact - slack, exact + slack, False


def _timestamp(text: str) -> datetime:
    from datetime import UTC

    moment = datetime.fromisoformat(text.replace(" ", "T", 1))
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def column_stats(
    index: StatsIndex, schema: TableSchema, partitions: frozenset[str]
) -> tuple[tuple[str, ColumnStats], ...]:
    """Low, high and NULLs per data column over all files, for the optimizer."""
    out = []
    for field in schema.fields:
        if field.name in partitions or isinstance(field.type, Struct) or not _has_bounds(field.type):
            continue
        found = index.of((field.name,))
        if found is None:
            continue
        merged = _merged(found, field.type)
        if merged is not None:
            out.append((field.name, merged))
    return tuple(out)


def _has_bounds(t: SqlType) -> bool:
    return isinstance(t, (Integral, Fractional, Decimal, Date, Timestamp, TimestampNtz, String, Boolean))


def _merged(files: list[FileStats], t: SqlType) -> ColumnStats | None:
    lows = [f.low for f in files if f.low is not None]
    highs = [f.high for f in files if f.high is not None]
    counts = [f.nulls for f in files if f.nulls is not None]
    if not counts and not lows:
        return None
    told = len(counts) == len(files)
    # Only numbers' bounds are facts to the optimizer (`infer_column_facts`); a missing one must not pass as one.
    bounded = not isinstance(t, (Integral, Decimal)) or all(
        (f.low is not None and f.high is not None) or f.nulls == f.rows for f in files
    )
    return ColumnStats(
        min(lows) if lows else None,
        max(highs) if highs else None,
        sum(counts) if told else None,
        None,
        told and bounded,
    )
