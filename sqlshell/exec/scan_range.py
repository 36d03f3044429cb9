"""Byte ranges of text files as frames: blocks of whole records, parsed one after the other as they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polars.io.plugins import register_io_source

from sqlshell.exec.collect import collect
from sqlshell.storage.records import blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import polars as pl

    from sqlshell.exec.task import Split


def read_range(
    path: str,
    split: Split,
    quote: str | None,
    parse: Callable[[bytes, int], pl.LazyFrame],
    schema: dict[str, Any],
) -> pl.LazyFrame:
    """The records that start in the split; `parse` gets a block and the split's start, 0 only for a file's head."""

    def frames() -> Iterator[pl.LazyFrame]:
        start = split.start
        for block in blocks(path, split.start, split.end, quote):
            yield parse(block, start)
            start = -1

    return stream(frames, schema)


def stream(frames: Callable[[], Iterable[pl.LazyFrame]], schema: dict[str, Any]) -> pl.LazyFrame:
    """One frame of many that are made one by one, each when those before it were read."""

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        for lf in frames():
            part = lf if columns is None else lf.select(columns)
            if n_rows is not None:  # counted before the filter
                taken = collect(part.head(n_rows))
                n_rows -= taken.height
                part = taken.lazy()
            yield collect(part if predicate is None else part.filter(predicate))
            if n_rows == 0:
                return

    return register_io_source(source, schema=schema, is_pure=True)
