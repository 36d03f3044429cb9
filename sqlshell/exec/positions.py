"""From affected rows (file, position) to deletion vectors. Runs in a worker: `worker_calls.py` names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.errors import DataError
from sqlshell.records import dataclass
from sqlshell.storage.delta import deletion_vectors
from sqlshell.storage.uri import open_input, resolve

if TYPE_CHECKING:
    from sqlshell.storage.delta.actions import DeletionVector


@dataclass(frozen=True)
class Touched:
    """A data file with rows to delete: how many of its rows there are in all and will be deleted, and which
    (None when none stays)."""

    path: str
    rows: int
    deleted: int
    new: int
    vector: DeletionVector | None


def mark_deleted(
    paths: tuple[str, ...],
    columns: tuple[str, str],
    location: str,
    known: dict[str, tuple[DeletionVector | None, int | None]],
    unique: bool,
) -> list[Touched]:
    """Deletion vectors for the rows that the Arrow files at `paths` name, on top of what is deleted already.

    `columns` are the names of file and position there; rows without a file are inserts. `known` gives each data
    file's present vector and row count. With `unique` a repeated row is MERGE's error. Vectors too big for the log
    go to one file below `location`, on disk when this returns.
    """
    import numpy as np

    file, row = columns
    found = (
        pl.scan_ipc(list(paths))
        .select(pl.col(file).alias("file"), pl.col(row).alias("row"))
        .filter(pl.col("file").is_not_null())
        .group_by("file")
        .agg(pl.col("row"))
        .sort("file")
        .collect()
    )
    out: list[Touched] = []
    vectors = deletion_vectors.VectorFile(location)
    for path, rows in zip(found["file"], found["row"], strict=True):
        given = rows.to_numpy()
        new = np.unique(given)
        if unique and len(new) < len(given):
            raise DataError(
                "two rows of the source match the same row of the target: MERGE cannot tell which one counts",
                condition="DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE",
                hint="make the source's rows unique in the columns of ON, or the conditions of WHEN MATCHED exclusive",
            )
        before, count = known[path]
        total = count if count is not None else _rows_of(path)
        every = new if before is None else np.union1d(new, deletion_vectors.read(location, before))
        if len(every) >= total:
            out.append(Touched(path, total, len(every), len(new), None))
            continue
        vector = deletion_vectors.inline(every) or vectors.add(every)
        out.append(Touched(path, total, len(every), len(new), vector))
    vectors.close()
    return out


def count_values(paths: tuple[str, ...], column: str) -> dict[Any, int]:
    """How many rows of the Arrow files each value of a column has."""
    found = pl.scan_ipc(list(paths)).group_by(column).agg(pl.len().alias("n")).collect()
    return dict(zip(found[column].to_list(), found["n"].to_list(), strict=True))


def _rows_of(path: str) -> int:
    import pyarrow.parquet as pq

    rows: Any = pq.read_metadata(open_input(resolve(path, remote=True))).num_rows
    return int(rows)
