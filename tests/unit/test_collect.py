"""Frames of a running query: in order, with its errors and panics, and free to be left early."""

from __future__ import annotations

import threading

import polars as pl
import pytest

from sqlshell.exec.collect import batches


def test_rows_arrive_in_order() -> None:
    frames = list(batches(pl.LazyFrame({"a": range(1000)}), 100))
    assert pl.concat(frames)["a"].to_list() == list(range(1000))


def test_a_panic_is_raised_and_not_an_empty_answer() -> None:
    def panic(frame: pl.DataFrame) -> pl.DataFrame:
        raise pl.exceptions.PanicException("kernel")

    with pytest.raises(BaseException, match="kernel"):
        list(batches(pl.LazyFrame({"a": [1]}).map_batches(panic), 10))


def test_an_error_is_raised_after_the_frames_before_it() -> None:
    lf = pl.LazyFrame({"a": ["1", "x"]}).select(pl.col("a").cast(pl.Int64))
    with pytest.raises(pl.exceptions.InvalidOperationError):
        list(batches(lf, 1))


def test_a_reader_may_stop_early() -> None:
    before = threading.active_count()
    stream = batches(pl.LazyFrame({"a": range(100_000)}), 10)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
