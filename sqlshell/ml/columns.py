"""One partition's training rows as numpy arrays, from the Arrow table that the engine hands to a rank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sqlshell.ml.blocks import Array, Dense, Sparse

if TYPE_CHECKING:
    import pyarrow as pa


class Columns:
    """A partition: `index` is its number among all; columns by name."""

    def __init__(self, index: int, table: pa.Table) -> None:
        self.index = index
        self._table = table.combine_chunks()

    @property
    def rows(self) -> int:
        return int(self._table.num_rows)

    def _column(self, name: str) -> Any:
        column = self._table[name]
        return column.chunk(0) if column.num_chunks else column.combine_chunks()

    def keep(self, mask: Array) -> Columns:
        """The rows where `mask` is true."""
        import pyarrow as pa

        return Columns(self.index, self._table.filter(pa.array(mask)))

    def numbers(self, name: str) -> tuple[Array, Array]:
        """Values (NULL as 0) and where they are NULL."""
        import pyarrow.compute as pc

        column = self._column(name)
        nulls = np.asarray(column.is_null())
        if nulls.any():
            column = pc.fill_null(column, 0.0)
        return np.asarray(column, dtype=np.float64), nulls

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
