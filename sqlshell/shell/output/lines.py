"""A line per row, for programs: csv, tsv, json, jsonl.

csv: NULL is an empty field, the empty text is `""`; nested values are JSON. json: NaN and infinities are null,
decimals of up to 15 digits and integers are numbers, longer decimals are texts. `exec/export.py` writes the same
bytes for large results; `copy_exported` passes them on.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, TextIO

from sqlshell import types as t
from sqlshell.result import unique_names
from sqlshell.shell.output.values import EXACT_DIGITS, float32, formatter, plain, shortest, zone_info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import tzinfo

    from sqlshell.result import Result
    from sqlshell.shell.output import Style

SEPARATORS = {"csv": ",", "tsv": "\t"}


def csv(result: Result, out: TextIO, style: Style) -> None:
    """RFC 4180, with LF."""
    _separated(result, out, style, ",")


def tsv(result: Result, out: TextIO, style: Style) -> None:
    """As csv, tabs between the fields."""
    _separated(result, out, style, "\t")


def _separated(result: Result, out: TextIO, style: Style, separator: str) -> None:
    out.write(header(result, separator, style))
    if not result.fields:
        return
    zone = zone_info(style.zone)
    fields = [_field(f.type, zone, separator) for f in result.fields]
    out.writelines(
        separator.join(["" if v is None else f(v) for f, v in zip(fields, row, strict=True)]) + "\n"
        for row in islice(result.rows(), style.limit)
    )


def header(result: Result, separator: str, style: Style) -> str:
    """The line of column names."""
    if not style.header:
        return ""
    quoted = quoter(separator)
    return separator.join(quoted(n) for n in result.names) + "\n"


def quoter(separator: str) -> Callable[[str], str]:
    """Puts a text in quotes where it is needed."""
    special = re.compile(f'["\n\r{separator}]').search

    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if not text or special(text) else text

    return quoted


def _field(s: t.SqlType, zone: tzinfo, separator: str) -> Callable[[Any], str]:
    match s:
        case t.Integral():
            return str
        case t.Double():
            return _double
        case t.Float():
            return lambda v: float32(v) if v - v == 0 else _double(v)
        case t.Array() | t.Struct() | t.Map():
            quoted = quoter(separator)
            return lambda v: quoted(_dumps(plain(v, s, zone)))
        case t.String() | t.Variant():
            return quoter(separator)
    quoted, text = quoter(separator), formatter(s, zone)
    return lambda v: quoted(text(v))


def _double(value: float) -> str:
    if value != value:  # noqa: PLR0124 (NaN)
        return "NaN"
    return shortest(repr(value))


def _dumps(value: Any) -> str:
    import json as encoder

    return encoder.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def jsonl(result: Result, out: TextIO, style: Style) -> None:
    """One JSON object per line."""
    out.writelines(record + "\n" for record in records(result, style))


def json(result: Result, out: TextIO, style: Style) -> None:
    """One JSON array of objects."""
    before = "[\n"
    for record in records(result, style):
        out.write(before + record)
        before = ",\n"
    out.write("[]\n" if before == "[\n" else "\n]\n")


def records(result: Result, style: Style) -> Iterator[str]:
    """Each row as a JSON object; the names of columns that repeat get a number."""
    zone = zone_info(style.zone)
    names = unique_names(result.names)
    encoders = [_encoder(f.type, zone) for f in result.fields]
    keys = [_dumps(n) + ":" for n in names]
    for row in islice(result.rows(), style.limit):
        yield "{" + ",".join([k + f(v) for k, f, v in zip(keys, encoders, row, strict=True)]) + "}"


def _encoder(s: t.SqlType, zone: tzinfo) -> Callable[[Any], str]:
    match s:
        case t.Integral():
            return lambda v: "null" if v is None else str(v)
        case t.Double():
            return lambda v: "null" if v is None or v - v != 0 else shortest(repr(v))
        case t.Float():
            return lambda v: "null" if v is None or v - v != 0 else float32(v)
        case t.Decimal() if s.precision <= EXACT_DIGITS:
            return lambda v: "null" if v is None else shortest(repr(float(v)))
    return lambda v: _dumps(plain(v, s, zone))


def copy_exported(result: Result, out: TextIO, format: str, style: Style) -> None:
    """Pass on what workers have written, the header first."""
    from shutil import copyfileobj

    if format in SEPARATORS:
        out.write(header(result, SEPARATORS[format], style))
    out.flush()
    raw = getattr(out, "buffer", None)
    for path in result.paths():
        if raw is not None:
            with open(path, "rb") as source:
                copyfileobj(source, raw, 1 << 20)
        else:
            with open(path, encoding="utf-8", newline="") as text:
                copyfileobj(text, out, 1 << 20)
