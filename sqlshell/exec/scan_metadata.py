"""Scans that give parts of `_metadata`: one frame per file, or per piece of one, with its constants."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.exec.scan import FilesToRead, read_group
from sqlshell.records import replace
from sqlshell.storage.source import FILE_FIELDS, ROW_INDEX
from sqlshell.storage.uri import file_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.exec.lower_expr import Kernel
    from sqlshell.exec.scan import Piece
    from sqlshell.plan.logical import Scan
    from sqlshell.storage.source import Source


def file_by_file(
    k: Kernel, node: Scan, source: Source, pieces: list[Piece]
) -> Iterator[tuple[pl.LazyFrame, bool]]:
    """Frames with all fields of the scan, and whether each has the declared types."""
    index = source.format == "parquet" and ROW_INDEX in node.fields
    inner = [f for f in node.fields if f not in FILE_FIELDS and not (index and f == ROW_INDEX)]
    columns = [c for c, f in zip(node.columns, node.fields, strict=True) if f in inner]
    reading = replace(node, columns=tuple(columns), fields=tuple(inner), filters=(), limit=None)
    for piece in pieces:
        constants = _constants(piece)
        for frame, exact in _frames(k, reading, source, piece):
            lf = frame.with_row_index(ROW_INDEX, _first_row(piece)) if index else frame
            lf = lf.with_columns(pl.col(ROW_INDEX).cast(pl.Int64)) if index else lf
            wanted = [v.alias(f) for f, v in constants.items() if f in node.fields]
            yield lf.with_columns(wanted).select(node.fields), exact


def _frames(k: Kernel, node: Scan, source: Source, piece: Piece) -> Iterator[tuple[pl.LazyFrame, bool]]:
    if source.format == "delta":
        from sqlshell.exec import scan_delta

        yield from scan_delta.frames(FilesToRead(k, node, source, list(node.fields), [piece]))
    else:
        yield read_group(k, node, source, [piece]), True


def _first_row(piece: Piece) -> int:
    """The position in its file of the first row of a piece of a Parquet file."""
    from sqlshell.storage.parquet import row_groups_between

    file, split = piece
    if split is None:
        return 0
    rows = split.rows or row_groups_between(file.path, split.start, split.end)
    return 0 if rows is None else rows[0]


def _constants(piece: Piece) -> dict[str, Any]:
    """The values of `FILE_FIELDS` for a piece, as files have them."""
    file, split = piece
    start = 0 if split is None else split.start
    end = file.size if split is None or split.end is None else split.end
    modified = datetime.fromtimestamp(round(file.modified * 1000) / 1000, UTC)
    values = (
        pl.lit(file_uri(file.path), dtype=pl.String),
        pl.lit(os.path.basename(file.path), dtype=pl.String),
        pl.lit(file.size, dtype=pl.Int64),
        pl.lit(start, dtype=pl.Int64),
        pl.lit(end - start, dtype=pl.Int64),
        pl.lit(modified, dtype=pl.Datetime("us", "UTC")),
    )
    return dict(zip(FILE_FIELDS, values, strict=True))
