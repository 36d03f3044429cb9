"""JSON files to frames: newline-delimited records stream through Polars; whole documents are read at once.

FAILFAST (default) raises with file, line and column. PERMISSIVE and DROPMALFORMED read lines as text first, so
that one bad line cannot stop the file.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.errors import CorruptInputError
from sqlshell.exec.lower_types import dtype
from sqlshell.storage.json_schema import misfit
from sqlshell.storage.text_open import open_text
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
    from sqlshell.exec.scan import FilesToRead


def read(request: FilesToRead) -> pl.LazyFrame:
    """The wanted fields, typed."""
    source = request.source
    files = [f.path for f, _ in request.pieces if f.size > 0]
    data = [f for f in source.schema.fields if f.name not in source.partition_columns]
    schema = {f.name: json_dtype(f.type) for f in data}
    if not files:
        lf = pl.DataFrame(schema=schema).lazy()
    elif source.option("multiline") == "true":
        lf = _documents(files, schema)
    elif source.option("mode") == "FAILFAST":
        lf = pl.scan_ndjson(files, schema=schema)
    else:
        lf = _tolerant(request, files, schema)
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


def _tolerant(request: FilesToRead, files: list[str], schema: dict[str, Any]) -> pl.LazyFrame:
    """Records line by line: one that does not fit is left out, or gives what fits and its text."""
    source = request.source
    drop = source.option("mode") == "DROPMALFORMED"
    corrupt = source.option("columnnameofcorruptrecord", "_corrupt_record")
    frames = []
    for path in files:
        records: list[dict[str, Any]] = []
        with open_text(path) as f:
            for line in filter(str.strip, f):
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
                records.append(record)
        text = "\n".join(json.dumps(r, ensure_ascii=False) for r in records)
        if text:
            frames.append(pl.read_ndjson(text.encode(), schema=schema, ignore_errors=True))
        else:
            frames.append(pl.DataFrame(schema=schema))
    return pl.concat(frames).lazy()
