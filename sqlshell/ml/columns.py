"""One partition's training rows as numpy arrays, from the Arrow table that the engine hands to a rank."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlshell.ml.blocks import Array, Dense, Sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from sqlshell.ml.body import TrainingSpec
    from sqlshell.ml.gang import Gang

MEASURED = 10_000
"""Rows that metrics are taken on when none are held out."""


class Columns:
    """A partition, or the rows of it at `picked`: `index` is its number among all; columns by name."""

    def __init__(self, index: int, table: pa.Table, picked: Array | None = None) -> None:
        self.index = index
        self._table = table
        self._picked = picked

    @property
    def rows(self) -> int:
        return int(self._table.num_rows) if self._picked is None else len(self._picked)

    def _whole(self, name: str) -> Any:
        """A column of all rows, in one piece."""
        column = self._table[name]
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()

    def _column(self, name: str) -> Any:
        column = self._whole(name)
        return column if self._picked is None else column.take(self._arrow_picked())

    def _arrow_picked(self) -> Any:
        import pyarrow as pa

        return pa.array(self._picked)

    def keep(self, mask: Array) -> Columns:
        """The rows where `mask` is true."""
        return self if mask.all() else Columns(self.index, self._table, np.flatnonzero(mask))

    def table(self) -> pa.Table:
        """The rows as an Arrow table, columns called 0, 1 ..."""
        found = self._table if self._picked is None else self._table.take(self._arrow_picked())
        return found.rename_columns([str(i) for i in range(found.num_columns)])

    def fill(self, name: str, out: Array) -> Array | None:
        """Write a column's numbers (NULL as 0) into `out`; where they are NULL, None when nowhere."""
        import pyarrow.compute as pc

        column = self._whole(name)
        nulls = None
        if column.null_count:
            nulls = np.asarray(column.is_null())
            column = pc.fill_null(column, 0.0)
        values = np.asarray(column)
        if self._picked is None:
            out[:] = values
            return nulls
        np.take(values, self._picked, out=out, mode="clip")
        return None if nulls is None else nulls[self._picked]

    def numbers(self, name: str) -> tuple[Array, Array]:
        """Values (NULL as 0) and where they are NULL."""
        values = np.empty(self.rows)
        nulls = self.fill(name, values)
        return values, np.zeros(self.rows, dtype=bool) if nulls is None else nulls

    def values(self, name: str) -> tuple[Array, list[Any]]:
        """(codes, distinct values): codes[i] is -1 for NULL."""
        import pyarrow.compute as pc

        coded = pc.dictionary_encode(self._column(name))
        return np.asarray(pc.fill_null(coded.indices, -1), dtype=np.int64), coded.dictionary.to_pylist()

    def dense(self, name: str) -> tuple[Dense, int]:
        """A column of arrays as rows of one matrix (NULL as zeros), and the number of elements that are NULL.

        Raises ValueError with the two lengths when rows differ in length.
        """
        column = self._column(name)
        flat = column.flatten()
        lengths = np.diff(np.asarray(column.offsets)).astype(np.int64)
        present = ~np.asarray(column.is_null())
        sizes = np.unique(lengths[present])
        if len(sizes) > 1:
            raise ValueError(int(sizes[0]), int(sizes[-1]))
        width = int(sizes[0]) if len(sizes) else 0
        values = np.zeros((len(lengths), width))
        numbers = np.asarray(flat.cast("float64").fill_null(0.0), dtype=np.float64)
        values[present] = numbers.reshape(-1, width) if width else values[present]
        return Dense(values), int(flat.null_count)

    def sparse(self, name: str) -> tuple[Sparse, list[int]]:
        """A column of sparse vectors (NULL as zeros), and the sizes they say they have."""
        column = self._column(name)
        sizes = column.field("size").drop_null().unique().to_pylist()
        lists = column.field("indices")
        present = np.asarray(lists.is_valid()) & np.asarray(column.is_valid())
        lengths = np.where(present, np.diff(np.asarray(lists.offsets)), 0)
        starts = np.concatenate(([0], np.cumsum(lengths)))
        indices = np.asarray(lists.flatten(), dtype=np.int64)
        values = np.asarray(column.field("values").flatten(), dtype=np.float64)
        return Sparse(starts, indices, values, int(sizes[0]) if len(sizes) == 1 else 0), sizes


def set_aside(
    gang: Gang, spec: TrainingSpec, parts: Sequence[Columns], held_out: Sequence[Columns] | None
) -> tuple[str, tuple[tuple[str, int], ...]]:
    """Write the rows that metrics are taken on: those held out, else (some of) the training rows `parts`.

    What they are, in words, and the files (Arrow, for a scan of session data) with the number of rows in each.
    """
    count = sum(c for rank in gang.all_gather([p.rows for p in parts]) for c in rank)
    on, chosen = "held-out rows", held_out
    if chosen is None and count <= 2 * MEASURED:
        on, chosen = "training rows", parts
    elif chosen is None:
        on, step = f"about {MEASURED:,} of the training rows", -(-count // MEASURED)
        chosen = [p.keep(np.arange(p.rows) % step == 0) for p in parts]
    mine = None
    if spec.folder and chosen:
        mine = _write([p.table() for p in chosen], f"{spec.folder}/{gang.rank}.arrow")
    return on, tuple(m for m in gang.all_gather(mine) if m is not None)


def _write(tables: list[pa.Table], path: str) -> tuple[str, int]:
    import pyarrow as pa

    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with pa.OSFile(path, "wb") as f, pa.ipc.new_file(f, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    return path, sum(t.num_rows for t in tables)
