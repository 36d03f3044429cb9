"""`executemany` of a plain INSERT as one statement: the rows go as Arrow data, and are one commit."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

_NAME = r"(?:`(?:[^`]|``)+`|[^\W\d]\w*)"
_MARK = r"(?:\?|:\w+)"
_INSERT = re.compile(
    rf"(?P<head>\s*INSERT\s+INTO\s+(?:TABLE\s+)?{_NAME}(?:\.{_NAME})*\s*(?:\(\s*{_NAME}(?:\s*,\s*{_NAME})*\s*\)\s*)?)"
    rf"VALUES\s*\((?P<marks>\s*{_MARK}(?:\s*,\s*{_MARK})*)\s*\)\s*;?\s*",
    re.IGNORECASE,
)
_PLAIN = frozenset({bool, int, float, str, bytes, Decimal, date, datetime, type(None)})
"""Types whose Arrow form is what their literal would be."""


def bulk_insert(sql: str, rows: Sequence[Any]) -> tuple[str, pa.Table] | None:
    """The INSERT up to its VALUES, and the rows as a table of columns in order; None where it has to go row by row.

    It has to when VALUES holds more than markers, or a column holds values of several types or other ones than
    numbers, texts, bytes, dates and timestamps.
    """
    found = _INSERT.fullmatch(sql)
    if found is None or len(rows) < 2:
        return None
    marks = [m.strip() for m in found["marks"].split(",")]
    by_name = hasattr(rows[0], "keys")
    if any((mark == "?") == by_name for mark in marks):
        return None
    try:
        names = [mark[1:] for mark in marks]
        columns = _by_name(rows, names) if by_name else list(zip(*rows, strict=True))
    except (KeyError, TypeError, ValueError):
        return None  # row by row says which row is wrong
    if len(columns) != len(marks):
        return None
    return _table(found["head"], columns)


def _by_name(rows: Sequence[Mapping[str, Any]], names: list[str]) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for row in rows) for name in names]


def _table(head: str, columns: Sequence[Sequence[Any]]) -> tuple[str, pa.Table] | None:
    import pyarrow as pa

    arrays = []
    for values in columns:
        kinds = set(map(type, values))
        if not kinds <= _PLAIN or len(kinds - {type(None)}) > 1:
            return None
        try:
            arrays.append(pa.array(values))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            return None  # such as integers past 64 bits, times with and without zone
    return head, pa.table(arrays, names=[f"c{i}" for i in range(len(arrays))])
