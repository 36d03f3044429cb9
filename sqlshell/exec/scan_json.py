"""JSON files to frames: newline-delimited records stream through Polars; whole documents are read at once.

FAILFAST (default) raises with file, line and column. PERMISSIVE and DROPMALFORMED read lines as text first, so
that one bad line cannot stop the file.
"""

from __future__ import annotations

import io
import json
from itertools import groupby
from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.errors import CorruptInputError
from sqlshell.exec.lower_types import dtype
from sqlshell.exec.scan_range import read_range, stream
from sqlshell.storage.json_schema import misfit
from sqlshell.storage.records import lines
from sqlshell.storage.text_open import open_text
from sqlshell.storage.uri import scan_options
from sqlshell.types import (
    Array,
    Boolean,
    Double,
    Float,
    Integral,
    SqlType,
    String,
    Struct,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlshell.exec.scan import FilesToRead, Piece
    from sqlshell.storage.source import Source

BATCH = 20_000
"""Records that are looked at one by one are handed on in frames of this many."""


def read(request: FilesToRead) -> pl.LazyFrame:
    """The wanted fields, typed."""
    source = request.source
    pieces = [p for p in request.pieces if p[0].size > 0]
    data = [f for f in source.schema.fields if f.name not in source.partition_columns]
    schema = {f.name: json_dtype(f.type) for f in data}
    if not pieces:
        lf = pl.DataFrame(schema=schema).lazy()
    elif source.option("multiline") == "true":
        lf = _documents([f.path for f, _ in pieces], schema)
    elif source.option("mode") == "FAILFAST":
        lf = _lines(pieces, schema)
    else:
        lf = _tolerant(source, pieces, schema)
    columns = []
    for name in request.fields:
        sql_type = request.field_type(name)
        e = pl.col(name)
        if not _native(sql_type):
            e = request.kernel.cast(e, String(), sql_type)
        columns.append(e.alias(name))
    return lf.select(columns) if columns else lf


def _native(t: SqlType) -> bool:
    return isinstance(t, (Integral, Double, Float, Boolean, String, Array, Struct))


def json_dtype(t: SqlType) -> Any:
    """What the JSON reader makes of a field: JSON's own types; others arrive as text and are cast."""
    if isinstance(t, Array):
        return pl.List(json_dtype(t.element))
    if isinstance(t, Struct):
        return pl.Struct({f.name: json_dtype(f.type) for f in t.fields})
    return dtype(t) if _native(t) else pl.String


def _documents(files: list[str], schema: dict[str, Any]) -> pl.LazyFrame:
    frames = []
    for path in files:
        with open_text(path) as f:
            try:
                document = json.load(f)
            except json.JSONDecodeError as e:
                raise CorruptInputError(f"{path}, line {e.lineno}, column {e.colno}: {e.msg}") from None
        records = document if isinstance(document, list) else [document]
        frames.append(frame_of(records, schema))
    return pl.concat(frames).lazy()


def frame_of(records: list[Any], schema: dict[str, Any]) -> pl.DataFrame:
    """Parsed records as a frame; missing fields are NULL, objects in text fields become JSON text."""
    text = "\n".join(json.dumps({k: r.get(k) for k in schema}, ensure_ascii=False) for r in records)
    if not text:
        return pl.DataFrame(schema=schema)
    return pl.read_ndjson(text.encode(), schema=schema)


def _lines(pieces: list[Piece], schema: dict[str, Any]) -> pl.LazyFrame:
    """Whole files by one scan, ranges of files block by block, in order."""
    frames = []
    for cut, group in groupby(pieces, lambda p: p[1] is not None):
        if not cut:
            files = [f.path for f, _ in group]
            frames.append(pl.scan_ndjson(files, schema=schema, **scan_options(files)))
            continue
        for file, split in group:
            assert split is not None
            frames.append(
                read_range(
                    file.path,
                    split,
                    None,
                    lambda block, _: pl.scan_ndjson(io.BytesIO(block), schema=schema),
                    schema,
                )
            )
    return frames[0] if len(frames) == 1 else pl.concat(frames)


def _tolerant(source: Source, pieces: list[Piece], schema: dict[str, Any]) -> pl.LazyFrame:
    """Records line by line: one that does not fit is left out, or gives what fits and its text."""

    def frames() -> Iterator[pl.LazyFrame]:
        for file, split in pieces:
            if split is None:
                with open_text(file.path) as f:
                    yield from _fitting(source, f, schema)
            else:
                text, _ = lines(file.path, split.start, split.end, None)
                yield from _fitting(source, text, schema)

    return stream(frames, schema)


def _fitting(source: Source, text: Iterable[str], schema: dict[str, Any]) -> Iterator[pl.LazyFrame]:
    """The records of some lines, `BATCH` at a time."""
    drop = source.option("mode") == "DROPMALFORMED"
    corrupt = source.option("columnnameofcorruptrecord", "_corrupt_record")
    records: list[str] = []
    for line in filter(str.strip, text):
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            record = None
        fits = isinstance(record, dict) and misfit(record, source.schema) is None
        if not fits and drop:
            continue
        if not isinstance(record, dict):
            record = {}
        if corrupt in schema:
            record[corrupt] = None if fits else line.rstrip("\r\n")
        records.append(json.dumps(record, ensure_ascii=False))
        if len(records) == BATCH:
            yield _parsed(records, schema)
            records = []
    if records:
        yield _parsed(records, schema)


def _parsed(records: list[str], schema: dict[str, Any]) -> pl.LazyFrame:
    return pl.read_ndjson("\n".join(records).encode(), schema=schema, ignore_errors=True).lazy()
