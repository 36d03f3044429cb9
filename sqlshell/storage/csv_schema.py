"""CSV: delimiter, header and column types from a sample; and the place of a malformed record."""

from __future__ import annotations

import csv
from itertools import islice
from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError
from sqlshell.records import replace
from sqlshell.storage.inference import fits, infer
from sqlshell.storage.records import can_be_cut, lines
from sqlshell.storage.source import CUTTABLE
from sqlshell.storage.text_open import open_text
from sqlshell.types import STRING, Field, String, Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlshell.storage.source import FileRange, Source

SAMPLE_ROWS = 20_480
"""Rows looked at for types (DuckDB's number); a value that does not fit later is a malformed record."""

DELIMITERS = (",", "\t", ";", "|")
KNOWN = {
    "header", "sep", "delimiter", "quote", "escape", "nullvalue", "mode", "inferschema", "comment",
    "encoding", "charset", "multiline", "lineterminator", "samplingratio", "columnnameofcorruptrecord",
}  # fmt: skip
MODES = ("FAILFAST", "PERMISSIVE", "DROPMALFORMED")


def describe(source: Source, schema: Struct | None) -> Source:
    """The source with `sep`, `header`, `quote` and `mode` made explicit, and its schema."""
    options = dict(source.options)
    for name in options.keys() - KNOWN:
        raise AnalysisError(f"CSV has no option {name}", condition="INVALID_OPTION")
    if options.get("encoding", options.get("charset", "utf-8")).lower() not in {"utf-8", "utf8"}:
        raise AnalysisError("CSV files must be UTF-8", condition="INVALID_OPTION")
    mode = options.get("mode", "FAILFAST").upper()
    if mode not in MODES:
        raise AnalysisError(f"CSV mode is {', '.join(MODES)}, not {mode}", condition="INVALID_OPTION")
    path = next((f.path for f in source.files if f.size > 0), None)
    sample = _sample_text(path, options.get("comment")) if path else ""
    sep = _unescape(options.get("sep") or options.get("delimiter") or "") or _delimiter(sample)
    quote = options.get("quote", '"')
    explicit = {"sep": sep, "quote": quote, "mode": mode}
    if "nullvalue" in options:
        explicit["nullvalue"] = options["nullvalue"]
    if "comment" in options:
        explicit["comment"] = options["comment"]
    if "columnnameofcorruptrecord" in options:
        explicit["columnnameofcorruptrecord"] = options["columnnameofcorruptrecord"]
    rows = _sample_rows(path, explicit) if path else []
    if "header" in options:
        header = _is_true(options["header"])
    elif schema is None:
        header = _has_header(rows)
    else:
        corrupt = explicit.get("columnnameofcorruptrecord", "_corrupt_record").lower()
        named = [n for f in schema.fields if (n := f.name.lower()) != corrupt]
        header = bool(rows) and [n.lower() for n in rows[0]] == named
    explicit["header"] = "true" if header else "false"
    if "comment" not in explicit and len(quote) <= 1 and quote.isascii() and can_be_cut(source.files):
        explicit[CUTTABLE] = "true"
    if schema is None:
        schema = _schema(
            rows, header, _is_true(options.get("inferschema", "true")), explicit.get("nullvalue")
        )
    return replace(source, schema=schema, options=tuple(sorted(explicit.items())))


def _is_true(text: str) -> bool:
    return text.strip().lower() == "true"


def _unescape(text: str) -> str:
    return {"\\t": "\t", "tab": "\t"}.get(text, text)


def _sample_text(path: str, comment: str | None) -> str:
    with open_text(path) as f:
        text = f.read(65_536)
    if comment is None:
        return text
    return "".join(_without_comments(iter(text.splitlines(keepends=True)), comment))


def _without_comments(lines: Iterator[str], comment: str | None) -> Iterator[str]:
    return lines if comment is None else (line for line in lines if not line.startswith(comment))


def _delimiter(sample: str) -> str:
    """The candidate that cuts the first lines into the same number (above 1) of fields most often."""
    lines = sample.splitlines()[:50]
    if len(sample) == 65_536:
        lines = lines[:-1]
    best, best_score = ",", (0, 0)
    for candidate in DELIMITERS:
        counts = [len(row) for row in csv.reader(lines, delimiter=candidate) if row]
        if not counts:
            continue
        common = max(set(counts), key=counts.count)
        score = (counts.count(common) if common > 1 else 0, common)
        if score > best_score:
            best, best_score = candidate, score
    return best


def _reader(lines: Iterator[str], options: dict[str, str]) -> Iterator[list[str]]:
    quote = options.get("quote") or None
    return csv.reader(
        lines,
        delimiter=options["sep"],
        quotechar=quote,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
    )


def _sample_rows(path: str, options: dict[str, str]) -> list[list[str]]:
    with open_text(path) as f:
        lines = _without_comments(iter(f), options.get("comment"))
        return list(islice((r for r in _reader(lines, options) if r), SAMPLE_ROWS))


def _has_header(rows: list[list[str]]) -> bool:
    """The first row names the columns: no value in it is typed, none repeats, and it differs from the rest."""
    if not rows:
        return False
    first, rest = rows[0], rows[1:]
    if len(set(first)) != len(first) or any(not v.strip() for v in first):
        return False
    return all(isinstance(infer([v]), String) for v in first) and first not in rest


def _schema(rows: list[list[str]], header: bool, infer_types: bool, null: str | None) -> Struct:
    if not rows:
        raise AnalysisError(
            "the CSV file is empty", condition="UNABLE_TO_INFER_SCHEMA", hint="give a schema for it"
        )
    body = rows[1:] if header else rows
    width = len(rows[0])
    names = unique_names(rows[0]) if header else [f"_c{i}" for i in range(width)]
    fields = []
    for i, name in enumerate(names):
        values = [r[i] for r in body if i < len(r) and r[i] != "" and r[i] != null]
        fields.append(Field(name, infer(values) if infer_types else STRING))
    return Struct(tuple(fields))


def unique_names(names: list[str]) -> list[str]:
    """Header names, blank ones as _cN and repeated ones with their position, as Spark does."""
    lowered = [n.lower() for n in names]
    out = []
    for i, name in enumerate(names):
        if not name.strip():
            out.append(f"_c{i}")
        elif lowered.count(name.lower()) > 1:
            out.append(f"{name}{i}")
        else:
            out.append(name)
    return out


def find_malformed(source: Source, ranges: Sequence[FileRange]) -> str | None:
    """File, line and column of the first record that does not fit the schema, in words; None when all do."""
    for file, start, end in ranges:
        if start == 0 and end is None:
            with open_text(file.path) as f:
                found = _malformed(source, file.path, f, 0)
        else:
            text, before = lines(file.path, start, end, source.option("quote"))
            found = _malformed(source, file.path, text, before)
        if found is not None:
            return found
    return None


def _malformed(source: Source, path: str, text: Iterable[str], before: int) -> str | None:
    """The same in the lines of one range, `before` of which stand above it."""
    options = dict(source.options)
    corrupt = options.get("columnnameofcorruptrecord", "_corrupt_record")
    data = [f for f in source.schema.fields if f.name not in (*source.partition_columns, corrupt)]
    null, comment = options.get("nullvalue"), options.get("comment")
    reader = csv.reader(text, delimiter=options["sep"], quotechar=options.get("quote") or None)
    line = before
    for row in reader:
        start, line = line + 1, before + reader.line_num
        if not row or (start == 1 and options["header"] == "true"):
            continue
        if comment is not None and row[0].startswith(comment):
            continue
        if len(row) > len(data):
            return f"{path}, line {start}: {len(row)} values where the schema has {len(data)}"
        for field, value in zip(data, row, strict=False):
            if value not in {"", null} and not fits(value, field.type):
                return f"{path}, line {start}, column {field.name}: '{value}' is not {_a(str(field.type))}"
    return None


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
