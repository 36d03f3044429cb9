"""Text files as one `value` column of lines; binaryFile as one row per file (path, time, length, content)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.storage.text_open import open_text
from sqlshell.storage.uri import is_remote, open_binary, scan_options

if TYPE_CHECKING:
    from sqlshell.exec.scan import FilesToRead


def read(request: FilesToRead) -> pl.LazyFrame:
    """The wanted fields."""
    if request.source.format == "binaryfile":
        return _binary(request)
    if request.source.option("wholetext") == "true":
        rows = []
        for file, _ in request.pieces:
            with open_text(file.path) as f:
                rows.append(f.read())
        return pl.DataFrame({"value": rows}, schema={"value": pl.String}).lazy()
    paths = [f.path for f, _ in request.pieces if f.size > 0]
    if not paths:
        return pl.DataFrame(schema={"value": pl.String}).lazy()
    return pl.scan_lines(paths, name="value", glob=False, **scan_options(paths))


def _binary(request: FilesToRead) -> pl.LazyFrame:
    want_content = "content" in request.fields
    rows = []
    for file, _ in request.pieces:
        content = None
        if want_content:
            with open_binary(file.path) as f:
                content = f.read()
        modified = datetime.fromtimestamp(file.modified, UTC)
        path = file.path if is_remote(file.path) else f"file:{file.path}"
        rows.append((path, modified, file.size, content))
    schema: dict[str, Any] = {
        "path": pl.String,
        "modificationTime": pl.Datetime("us", "UTC"),
        "length": pl.Int64,
        "content": pl.Binary,
    }
    return pl.DataFrame(rows, schema=schema, orient="row").lazy().select(request.fields or ["path"])
