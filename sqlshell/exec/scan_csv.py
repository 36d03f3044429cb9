"""CSV files to frames: Polars splits the text, Spark's casts make the values.

Every column is read as text, plus one column too many: a record is malformed when that one is filled or when a
value does not fit its type. `mode` says what happens then: FAILFAST (default) raises with file, line and column;
PERMISSIVE gives NULL for what does not fit; DROPMALFORMED drops the record. Values missing at the end of a record
are NULL in every mode: Polars cannot tell them from empty ones.
"""

from __future__ import annotations

import io
from itertools import groupby
from typing import TYPE_CHECKING

import polars as pl

from sqlshell.exec.scan_range import read_range
from sqlshell.storage.uri import scan_options
from sqlshell.types import STRING, String

if TYPE_CHECKING:
    from sqlshell.exec.scan import FilesToRead, Piece
    from sqlshell.storage.source import Source

EXTRA = "__extra"


def read(request: FilesToRead) -> pl.LazyFrame:
    """The wanted fields, typed."""
    source = request.source
    data = [f for f in source.schema.fields if f.name not in source.partition_columns]
    corrupt = source.option("columnnameofcorruptrecord", "_corrupt_record")
    mode = source.option("mode", "FAILFAST")
    texts = [f.name for f in data if f.name != corrupt]
    pieces = [p for p in request.pieces if p[0].size > 0]
    if not pieces:
        return pl.DataFrame(
            schema={f: request.kernel.dtype(request.field_type(f)) for f in request.fields}
        ).lazy()
    lf = _together(request, pieces, texts)
    checks = [pl.col(EXTRA).is_not_null()]
    values = {}
    for field in data:
        if field.name == corrupt:
            continue
        raw = pl.col(field.name)
        if isinstance(field.type, String):
            values[field.name] = raw
            continue
        value = request.kernel.cast(raw, STRING, field.type, safe=True)
        values[field.name] = value
        checks.append(raw.is_not_null() & value.is_null())
    malformed = pl.any_horizontal(checks)
    if mode == "DROPMALFORMED":
        lf = lf.filter(~malformed)
    if mode == "FAILFAST":
        # One guard, carried by the first wanted field; every record is checked, also in columns nobody asked for.
        first = request.fields[0] if request.fields else texts[0]
        values[first] = request.kernel.raise_if(malformed, "MALFORMED_RECORD_IN_PARSING", values[first])
        if not request.fields:
            return lf.select(values[first].alias(first))
    if corrupt in request.fields:
        parts = [*(pl.col(t).fill_null("") for t in texts), pl.col(EXTRA)]
        record = pl.concat_str(parts, separator=source.option("sep") or ",", ignore_nulls=True)
        values[corrupt] = pl.when(malformed).then(record)
    return lf.select([values[f].alias(f) for f in request.fields] or [pl.col(texts[0])])


def _together(request: FilesToRead, pieces: list[Piece], texts: list[str]) -> pl.LazyFrame:
    """Every column as text: whole files by one scan, ranges of files block by block, in order."""
    source, header = request.source, request.source.option("header") == "true"
    frames = []
    for cut, group in groupby(pieces, lambda p: p[1] is not None):
        if not cut:
            frames.append(_scan(source, [f.path for f, _ in group], texts, header))
            continue
        for file, split in group:
            assert split is not None

            def parse(block: bytes, start: int) -> pl.LazyFrame:
                return _scan(source, io.BytesIO(block), texts, header and start == 0)

            schema = dict.fromkeys([*texts, EXTRA], pl.String)
            frames.append(read_range(file.path, split, source.option("quote", '"') or None, parse, schema))
    return frames[0] if len(frames) == 1 else pl.concat(frames)


def _scan(source: Source, files: list[str] | io.BytesIO, texts: list[str], header: bool) -> pl.LazyFrame:
    null = source.option("nullvalue")
    return pl.scan_csv(
        files,
        glob=False,
        has_header=header,
        separator=source.option("sep") or ",",
        quote_char=source.option("quote", '"') or None,
        comment_prefix=source.option("comment"),
        schema=dict.fromkeys([*texts, EXTRA], pl.String),
        null_values=None if null is None else [null],
        truncate_ragged_lines=None,
        extra_columns="ignore",
        missing_columns="insert",
        encoding="utf8-lossy",
        raise_if_empty=False,
        **({} if isinstance(files, io.BytesIO) else scan_options(files)),
    )
