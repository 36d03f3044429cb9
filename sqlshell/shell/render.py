"""Results as text: a box table for people, csv, json and jsonl for programs."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, TextIO

from sqlshell.types import Numeric

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.result import Result
    from sqlshell.types import Field

MAX_BOX_ROWS = 1000
"""A box shows so many rows and says how many more there are; csv and json give all."""


def write_result(result: Result, out: TextIO, format: str) -> None:
    """Write a result's rows (or a command's message) to `out`."""
    if not result.is_query:
        if result.message and format == "box":
            out.write(result.message + "\n")
        return
    _WRITERS[format](result, out)
    out.flush()


def cell(value: Any) -> str:
    """One value as a person reads it; NULL is the word."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case float():
            return _float(value)
        case Decimal():
            return f"{value:f}"
        case datetime():
            return _timestamp(value)
        case timedelta():
            return str(value)
        case bytes():
            return value.hex().upper()
        case list() | tuple():
            return "[" + ", ".join(_nested(v) for v in value) + "]"
        case dict():
            return "{" + ", ".join(f"{_nested(k)}: {_nested(v)}" for k, v in value.items()) + "}"
    return str(value)


def _nested(value: Any) -> str:
    if not isinstance(value, str):
        return cell(value)
    import json

    return json.dumps(value, ensure_ascii=False)


def _float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def _timestamp(value: datetime) -> str:
    text = value.replace(tzinfo=None).isoformat(sep=" ")
    return text.rstrip("0") if "." in text else text


def width(text: str) -> int:
    """Terminal cells a text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import east_asian_width

    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def _box(result: Result, out: TextIO) -> None:
    values = list(islice(result.rows(), MAX_BOX_ROWS))
    if len(values) == len(result.fields) == 1 and isinstance(values[0][0], str) and "\n" in values[0][0]:
        out.write(values[0][0] + "\n")  # EXPLAIN and other texts
        return
    rows = [[_one_line(cell(v)) for v in row] for row in values]
    headers = [_one_line(f.name) for f in result.fields]
    widths = [max([width(h), *(width(r[i]) for r in rows)]) for i, h in enumerate(headers)]
    right = [isinstance(f.type, Numeric) for f in result.fields]

    def line(left: str, middle: str, end: str) -> str:
        return left + middle.join("─" * (w + 2) for w in widths) + end + "\n"

    def row_text(cells: list[str]) -> str:
        return (
            "│" + "│".join(f" {_pad(c, w, r)} " for c, w, r in zip(cells, widths, right, strict=True)) + "│\n"
        )

    out.write(line("┌", "┬", "┐"))
    out.write(row_text(headers))
    out.write(line("├", "┼", "┤"))
    out.writelines(row_text(r) for r in rows)
    out.write(line("└", "┴", "┘"))
    more = result.row_count - len(rows)
    if more > 0:
        out.write(f"{result.row_count} rows, {more} not shown (--format csv gives all)\n")
    else:
        out.write(f"{len(rows)} row{'' if len(rows) == 1 else 's'}\n")


def _pad(text: str, to: int, right: bool) -> str:
    space = " " * (to - width(text))
    return space + text if right else text + space


def _one_line(text: str) -> str:
    return text.replace("\n", "⏎").replace("\t", "→") if "\n" in text or "\t" in text else text


def _csv(result: Result, out: TextIO) -> None:
    import csv

    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(result.names)
    writer.writerows([("" if v is None else cell(v)) for v in row] for row in result.rows())


def _jsonl(result: Result, out: TextIO) -> None:
    for record in _records(result.fields, result.rows()):
        out.write(record + "\n")


def _json(result: Result, out: TextIO) -> None:
    separator = "[\n"
    for record in _records(result.fields, result.rows()):
        out.write(separator + record)
        separator = ",\n"
    out.write("[]\n" if separator == "[\n" else "\n]\n")


def _records(fields: tuple[Field, ...], rows: Iterable[tuple[Any, ...]]) -> Iterable[str]:
    import json

    names = [f.name for f in fields]
    for row in rows:
        yield json.dumps(dict(zip(names, row, strict=True)), default=_json_value, ensure_ascii=False)


def _json_value(value: Any) -> Any:
    if isinstance(value, (datetime, timedelta)):
        return cell(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value) if value == value.to_integral_value() and abs(value) < 2**53 else str(value)
    return cell(value)


_WRITERS = {"box": _box, "csv": _csv, "json": _json, "jsonl": _jsonl}
