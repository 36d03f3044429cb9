"""Per-file statistics of a snapshot: bounds that hold whoever wrote them (FACTS-storage, 2.5).

Values are as in SQL literals: ints, floats, str, Decimal, date, naive UTC datetime. A bound is None where nothing
sound is known. Foreign statistics are lossy in known ways, and widened: decimals written as JSON floats, timestamps
cut to milliseconds, NaN left out of float maxima, strings cut after a prefix (the maximum is then bumped by writers).
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, InvalidOperation
from decimal import Decimal as PyDecimal
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlshell.records import dataclass
from sqlshell.storage.delta.bulk import uncollected
from sqlshell.storage.delta.files import FIELD_AT, AddList
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
    from collections.abc import Callable, Sequence

    from sqlshell.storage.delta.actions import Add
    from sqlshell.storage.delta.schema import TableSchema

SAFE_DIGITS = 15
"""A double holds every decimal of so many digits."""
DOUBLE_DIGITS = 17
"""No double is written with more."""
_WIDE = Context(prec=100)
MILLISECOND = timedelta(milliseconds=1)
PARSED = "parsed statistics"
"""Where a checkpoint's columns keep them."""

PARTS = ("minValues", "maxValues", "nullCount")

LeafPath = tuple[str, ...]


@dataclass(frozen=True)
class LeafStats:
    """Statistics of one leaf, an item per file: bounds (None: unknown) and numbers of NULLs (None: unknown)."""

    lows: list[Any]
    highs: list[Any]
    nulls: list[int | None]


class Parsed:
    """Parsed statistics of some files by part and (physical) top-level name, as JSON has the values."""

    def __init__(self, texts: Sequence[str | None]) -> None:
        self._count = len(texts)
        self._columns: dict[tuple[str, str], list[Any]] = {}
        with uncollected():
            self._spread(_parse([t or "{}" for t in texts]))

    def _spread(self, bodies: list[dict[str, Any]]) -> None:
        """Columns instead of three objects per file: those cost the garbage collector more than parsing them."""
        rows = [b.get("numRecords") for b in bodies]
        self.rows: list[int | None] = [n if type(n) is int else None for n in rows]
        for part in PARTS:
            values: list[dict[str, Any]] = [b.get(part, {}) for b in bodies]
            if not {*map(type, values)} <= {dict}:
                values = [v if type(v) is dict else {} for v in values]
            shapes = dict.fromkeys(tuple(v) for v in values)
            if len(shapes) == 1:  # as writers leave them; a look-up per value takes four times as long
                columns = zip(*[v.values() for v in values], strict=True)
                self._columns.update(
                    ((part, name), list(column)) for name, column in zip(*shapes, columns, strict=True)
                )
                continue
            for name in dict.fromkeys(chain.from_iterable(shapes)):
                self._columns[part, name] = [v.get(name) for v in values]

    def column(self, part: str, name: str) -> list[Any]:
        """One value per file; None where it has none."""
        return self._columns.get((part, name)) or [None] * self._count


class StatsIndex:
    """The statistics of some files, parsed once, by leaf when asked for."""

    def __init__(self, adds: Sequence[Add], schema: TableSchema, partitions: tuple[str, ...] = ()) -> None:
        self._adds = adds if isinstance(adds, AddList) else AddList.of(adds)
        self._schema = schema
        self._partitions = {p.lower() for p in partitions}
        self._parsed: tuple[Parsed | None, Parsed] | None = None
        self._rows: list[int | None] | None = None
        self._leaves: dict[LeafPath, LeafStats | None] = {}
        self._facts: dict[str, ColumnStats | None] = {}

    @property
    def parsed(self) -> tuple[Parsed | None, Parsed]:
        """Of the checkpoint's files, shared by all versions on top of it, and of the later ones, in order."""
        if self._parsed is None:
            base = self._adds.base
            if base is not None and PARSED not in base.derived:
                base.derived[PARSED] = Parsed(base.columns[FIELD_AT["stats"]])
            old = None if base is None else base.derived[PARSED]
            self._parsed = old, Parsed([a.stats for a in self._adds.later])
        return self._parsed

    @property
    def paths(self) -> list[str]:
        """Each file's path as the log has it."""
        return self._adds.column("path", lambda a: a.path)

    @property
    def rows(self) -> list[int | None]:
        """Physical rows of each file."""
        if self._rows is None:
            base = self._adds.base
            if base is not None and "all rows" not in base.derived:
                texts = base.columns[FIELD_AT["stats"]]
                known = base.derived.get("rows") or [None] * len(texts)
                base.derived["all rows"] = [
                    physical_rows(t) if n is None else n for n, t in zip(known, texts, strict=True)
                ]
            old = None if base is None else base.derived["all rows"]
            self._rows = self._adds.merged(old, [physical_rows(a.stats) for a in self._adds.later])
        return self._rows

    def of(self, path: LeafPath) -> LeafStats | None:
        """Statistics of a leaf (logical names, through structs only); None for what has none."""
        key = tuple(p.lower() for p in path)
        if key not in self._leaves:
            self._leaves[key] = self._partition(key[0]) if key[0] in self._partitions else self._leaf(key)
        return self._leaves[key]

    def column_stats(self, name: str) -> ColumnStats | None:
        """Low, high and NULLs of a column over all files, for the optimizer."""
        field = self._schema.field(name)
        found = None if field is None or not has_bounds(field.type) else self.of((name,))
        return None if found is None or field is None else _merged(found, self.rows, field.type)

    def column_facts(self, name: str) -> ColumnStats | None:
        """As `column_stats`, with low and high of whole numbers and decimals only: others' bounds are no facts to
        the optimizer, and cost most (a timestamp in 10,000 files 20 ms).
        """
        if name not in self._facts:
            self._facts[name] = self._column_facts(name)
        return self._facts[name]

    def _column_facts(self, name: str) -> ColumnStats | None:
        """Without a list of bounds per file: every column of a table is asked for, most for nothing."""
        field = self._schema.field(name)
        if field is None or name.lower() in self._partitions or not has_bounds(field.type):
            return self.column_stats(name)
        lows, highs, nulls = (self._raw(part, field.physical_name) for part in PARTS)
        if not {*map(type, nulls)} <= {int}:
            return None
        low = high = None
        if isinstance(field.type, (Integral, Decimal)):
            unknown = [i for i, v in enumerate(lows) if v is None or highs[i] is None]
            if any(nulls[i] != self.rows[i] for i in unknown):
                return None
            low, high = _hull(lows, field.type, min), _hull(highs, field.type, max)
        return ColumnStats(low, high, sum(nulls), None, True)

    def _raw(self, part: str, name: str) -> list[Any]:
        """A column's values in `minValues`, `maxValues` or `nullCount`, as JSON has them."""
        old, later = self.parsed
        return self._adds.merged(None if old is None else old.column(part, name), later.column(part, name))

    def _leaf(self, path: LeafPath) -> LeafStats | None:
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
        if not has_bounds(logical):
            return None
        lows, highs, nulls = (_below(self._raw(part, names[0]), names[1:]) for part in PARTS)
        if not (isinstance(logical, Integral) and _are_ints(lows) and _are_ints(highs)):
            lows, highs = [_low(v, logical) for v in lows], [_high(v, logical) for v in highs]
        return LeafStats(lows, highs, [n if type(n) is int else None for n in nulls])

    def _partition(self, name: str) -> LeafStats | None:
        field = self._schema.field(name)
        if field is None:
            return None
        physical = field.physical_name
        given = self._adds.column("partition_values", lambda a: a.partition_values)
        texts = [dict(v).get(physical) or None for v in given]
        known = {t: _partition_value(t, field.type) for t in set(texts) if t is not None}
        values = [None if t is None else known[t] for t in texts]
        nulls = [0 if t is not None else n for t, n in zip(texts, self.rows, strict=True)]
        return LeafStats(values, values, nulls)


class _Number(str):
    """A JSON number with its digits."""

    __slots__ = ()


def _parse(texts: list[str]) -> list[dict[str, Any]]:
    """All at once, which is a third faster; one by one when one of them is not JSON. Fractions stay text."""
    try:
        found = json.loads("[" + ",".join(texts) + "]", parse_float=_Number)
        if len(found) == len(texts) and {*map(type, found)} <= {dict}:
            return found  # type: ignore[no-any-return]
    except ValueError:
        pass
    return [_parse_one(t) for t in texts]


def _parse_one(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_float=_Number)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


_ROWS = re.compile(r'\{"numRecords":\s*(\d+)[,}]')


def physical_rows(stats: str | None) -> int | None:
    """A file's rows, deleted ones included; without parsing the rest where they come first, as writers have it."""
    if stats is None:
        return None
    first = _ROWS.match(stats)
    if first is not None:
        return int(first[1])
    rows = _parse_one(stats).get("numRecords")
    return rows if type(rows) is int else None


def _are_ints(values: list[Any]) -> bool:
    return {*map(type, values)} <= {int, type(None)}


def _below(bodies: list[Any], path: list[str]) -> list[Any]:
    for name in path:
        bodies = [b.get(name) if type(b) is dict else None for b in bodies]
    return bodies


def _hull(values: list[Any], t: SqlType, pick: Callable[..., Any]) -> Any:
    """The least or greatest of raw statistics of numbers, widened where they may be doubles' texts."""
    known = [v for v in values if v is not None]
    try:
        if not known:
            return None
        if isinstance(t, Integral):
            return int(pick(known)) if all(type(v) is int for v in known) else int(pick(map(int, known)))
        edge = pick(map(float, known))
        assert isinstance(t, Decimal)
        unit = PyDecimal(1).scaleb(-t.scale)
        slack = _WIDE.add(PyDecimal(2 * math.ulp(edge)), unit)
        if pick is min:
            return _WIDE.subtract(PyDecimal(edge), slack).quantize(unit, ROUND_FLOOR, _WIDE)
        return _WIDE.add(PyDecimal(edge), slack).quantize(unit, ROUND_CEILING, _WIDE)
    except (ValueError, TypeError, OverflowError, InvalidOperation):
        return None


def _low(value: Any, t: SqlType) -> Any:
    if type(value) is int and isinstance(t, Integral):
        return value
    found = bounds(value, t)
    return None if found is None else found[0]


def _high(value: Any, t: SqlType) -> Any:
    if type(value) is int and isinstance(t, Integral):
        return value
    # A NaN is above every number and in no statistics, so a maximum of floats bounds nothing.
    found = None if isinstance(t, Fractional) else bounds(value, t)
    return None if found is None else found[1]


def _partition_value(text: str, t: SqlType) -> Any:
    """A partition value, where its text means one thing in every session (a timestamp's may not)."""
    match t:
        case String():
            return text if t.length is None else None
        case Integral() | Date():
            found = bounds(text, t)
            return None if found is None else found[0]
        case Boolean():
            return {"true": True, "false": False}.get(text.lower())
        case Decimal():
            return None if bounds(text, t) is None else PyDecimal(text)
    return None


def bounds(value: Any, t: SqlType) -> tuple[Any, Any] | None:
    """(at least, at most): what a statistic's value says of the true one; None when nothing."""
    if value is None:
        return None
    try:
        match t:
            case Integral():
                return int(value), int(value)
            case Fractional():
                number = float(value)
                return None if math.isnan(number) else (number, number)
            case Decimal():
                return _decimal_bounds(value, t)
            case Date():
                day = date.fromisoformat(str(value)[:10])
                return day, day
            case Timestamp() | TimestampNtz():
                moment = _timestamp(str(value))
                # Milliseconds may have been cut: truncation goes down, so the maximum grows.
                return moment, moment + MILLISECOND
            case String():
                return (str(value), str(value)) if isinstance(value, str) and t.length is None else None
            case Boolean():
                return (value, value) if isinstance(value, bool) else None
    except (ValueError, OverflowError, InvalidOperation):
        return None
    return None


def _decimal_bounds(value: Any, t: Decimal) -> tuple[Any, Any] | None:
    exact = PyDecimal(str(value))
    if not exact.is_finite():
        return None
    parts = exact.as_tuple()
    if len(parts.digits) <= SAFE_DIGITS:
        return exact, exact
    if (
        len(parts.digits) > DOUBLE_DIGITS
        and -int(parts.exponent) == t.scale
        and "e" not in str(value).lower()
    ):
        return exact, exact
    # It may be a double's shortest text: the true value is within a double's last place of it.
    slack = PyDecimal(math.ulp(float(exact))) + PyDecimal(1).scaleb(-t.scale)
    return exact - slack, exact + slack


def _timestamp(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace(" ", "T", 1))
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def has_bounds(t: SqlType) -> bool:
    """Whether values of the type have an order that statistics keep."""
    return isinstance(t, (Integral, Fractional, Decimal, Date, Timestamp, TimestampNtz, String, Boolean))


def _merged(found: LeafStats, rows: list[int | None], t: SqlType) -> ColumnStats | None:
    lows = [v for v in found.lows if v is not None]
    highs = [v for v in found.highs if v is not None]
    counts = [n for n in found.nulls if n is not None]
    if not counts and not lows:
        return None
    told = len(counts) == len(rows)
    # Only numbers' bounds are facts to the optimizer (`infer_column_facts`); a missing one must not pass as one.
    bounded = not isinstance(t, (Integral, Decimal)) or all(
        (low is not None and high is not None) or n == r
        for low, high, n, r in zip(found.lows, found.highs, found.nulls, rows, strict=True)
    )
    return ColumnStats(
        min(lows) if lows else None,
        max(highs) if highs else None,
        sum(counts) if told else None,
        None,
        told and bounded,
    )
