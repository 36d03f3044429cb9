"""Exact statistics of a Parquet file just written, in Delta's JSON, from its footer: no second pass over the rows.

The footer has what is needed except one thing: whether a floating column holds NaN, which Parquet's minimum and
maximum leave out and SQL orders last. Such columns are looked through again, and lose their maximum when there is one.
Decimals keep all digits, timestamps their microseconds; texts are cut to 32 characters, a cut maximum gets a last
character that no text can exceed.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Context
from decimal import Decimal as PyDecimal
from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.types import (
    Array,
    Binary,
    Boolean,
    Date,
    Decimal,
    Fractional,
    Integral,
    Map,
    SqlType,
    String,
    Struct,
    Timestamp,
    TimestampNtz,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TEXT_LENGTH = 32
LAST_CHARACTER = "\U0010ffff"
_EPOCH = dt.datetime(1970, 1, 1)
_EXACT = Context(prec=60)
_MICROS = 253_402_300_800_000_000
"""Microseconds from 1970 to the end of 9999."""

Leaf = tuple[tuple[str, ...], SqlType]


class FileStats:
    """What one footer says, put together over its row groups."""

    def __init__(
        self, path: str, columns: Sequence[tuple[str, SqlType]], wanted: int | tuple[str, ...]
    ) -> None:
        import pyarrow.parquet as pq

        self.path = path
        self.footer = pq.read_metadata(path)
        self.rows: int = self.footer.num_rows
        self._leaves = list(_chosen(columns, wanted))

    def json(self) -> str:
        """Delta's statistics text."""
        nan = self._with_nan()
        low: dict[str, Any] = {}
        high: dict[str, Any] = {}
        nulls: dict[str, Any] = {}
        for index, (path, t) in self._leaves:
            found = self._column(index)
            if found is None:
                continue
            least, greatest, missing = found
            if missing is not None:
                _put(nulls, path, str(missing))
            text = None if least is None else _text(least, t, top=False)
            if text is not None:
                _put(low, path, text)
            text = None if greatest is None or path in nan else _text(greatest, t, top=True)
            if text is not None:
                _put(high, path, text)
        parts = {"numRecords": str(self.rows), "minValues": low, "maxValues": high, "nullCount": nulls}
        return _render(parts)

    def _column(self, index: int) -> tuple[Any, Any, int | None] | None:
        """(least, greatest, NULLs) of a Parquet column in physical values; None where it says nothing."""
        least: list[Any] = []
        greatest: list[Any] = []
        nulls = 0
        complete = True
        for g in range(self.footer.num_row_groups):
            stats = self.footer.row_group(g).column(index).statistics
            if stats is None or not stats.has_null_count:
                return None
            nulls += stats.null_count
            if stats.has_min_max:
                least.append(_value(stats, "min"))
                greatest.append(_value(stats, "max"))
            elif stats.num_values:
                complete = False
        if not complete or not least:
            return None, None, nulls
        return min(least), max(greatest), nulls

    def _with_nan(self) -> set[tuple[str, ...]]:
        """Floating leaves that hold a NaN."""
        floats = [path for _, (path, t) in self._leaves if isinstance(t, Fractional)]
        if not floats or not self.rows:
            return set()
        found = pl.scan_parquet(self.path, hive_partitioning=False).select(
            _at(path).is_nan().any().alias(str(i)) for i, path in enumerate(floats)
        )
        row = found.collect().row(0)
        return {path for path, has in zip(floats, row, strict=True) if has}


def _at(path: tuple[str, ...]) -> pl.Expr:
    e = pl.col(path[0])
    for name in path[1:]:
        e = e.struct.field(name)
    return e


def _chosen(
    columns: Sequence[tuple[str, SqlType]], wanted: int | tuple[str, ...]
) -> Iterator[tuple[int, Leaf]]:
    """Parquet column numbers of the leaves that get statistics; lists, maps and binaries count, but get none."""
    number = seen = 0
    for name, t in columns:
        for path, leaf in _leaves(t, (name,)):
            width = _width(leaf)
            counted = seen < wanted or wanted < 0 if isinstance(wanted, int) else _named(path, wanted)
            if counted and width == 1 and not isinstance(leaf, (Array, Map)):
                yield number, (path, leaf)
            number += width
            seen += 1


def _named(path: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    full = ".".join(path).lower()
    return any(full == w.lower() or full.startswith(w.lower() + ".") for w in wanted)


def _leaves(t: SqlType, path: tuple[str, ...]) -> Iterator[Leaf]:
    if isinstance(t, Struct):
        for f in t.fields:
            yield from _leaves(f.type, (*path, f.name))
    else:
        yield path, t


def _width(t: SqlType) -> int:
    """How many Parquet columns a type takes."""
    match t:
        case Array():
            return _width(t.element)
        case Map():
            return _width(t.key) + _width(t.value)
        case Struct():
            return sum(_width(f.type) for f in t.fields)
    return 1


def _value(stats: Any, side: str) -> Any:
    """A bound as Parquet stores it, except text and decimals, whose order is that of their own values."""
    kind = stats.logical_type.type if stats.logical_type is not None else ""
    return getattr(stats, side if kind in {"STRING", "DECIMAL"} else f"{side}_raw")


def _text(value: Any, t: SqlType, *, top: bool) -> str | None:
    """A bound as JSON text; None where Delta's statistics have no such value."""
    match t:
        case Integral():
            return str(value)
        case Decimal():
            exact = value if isinstance(value, PyDecimal) else PyDecimal(value).scaleb(-t.scale, _EXACT)
            return f"{exact:f}"
        case Fractional():
            return repr(float(value)) if math.isfinite(value) else None
        case String():
            return json.dumps(_cut(value, top=top), ensure_ascii=False)
        case Date():
            return _date(value)
        case Timestamp() | TimestampNtz():
            return _moment(value, "Z" if isinstance(t, Timestamp) else "")
        case Boolean() | Binary():
            return None
    return None


def _cut(text: str, *, top: bool) -> str:
    if len(text) <= TEXT_LENGTH:
        return text
    return text[:TEXT_LENGTH] + LAST_CHARACTER if top else text[:TEXT_LENGTH]


def _date(days: int) -> str | None:
    if not -719_162 <= days < 2_932_897:
        return None
    return f'"{dt.date.fromordinal(days + 719_163).isoformat()}"'


def _moment(micros: int, zone: str) -> str | None:
    if not -62_135_596_800_000_000 <= micros < _MICROS:
        return None
    moment = _EPOCH + dt.timedelta(microseconds=micros)
    return f'"{moment.isoformat(timespec="microseconds")}{zone}"'


def _put(tree: dict[str, Any], path: tuple[str, ...], text: str) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = text


def _render(tree: dict[str, Any]) -> str:
    """JSON of a tree whose leaves are JSON texts already."""
    parts = (f"{json.dumps(k)}:{v if isinstance(v, str) else _render(v)}" for k, v in tree.items())
    return "{" + ",".join(parts) + "}"
