"""How many distinct values a Parquet column has, from the footer alone.

A dictionary-encoded chunk stores each value as an index of just enough bits, so bytes per row tell the number of
values to a factor of two; long runs make it look smaller. Some writers state the count. Estimates, never bounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow.parquet as pq

NO_DICTIONARY = 0.5
"""Values per row where the writer found a dictionary not worth it."""


def chunk_values(chunk: pq.ColumnChunkMetaData, rows: int) -> float:
    """Distinct values of one column chunk of `rows` rows."""
    stats = chunk.statistics
    if stats is not None and stats.has_distinct_count:
        return float(stats.distinct_count)
    if not chunk.has_dictionary_page or rows == 0:
        return NO_DICTIONARY * rows
    dictionary: int = chunk.data_page_offset - chunk.dictionary_page_offset
    if dictionary > 0.3 * chunk.total_compressed_size:
        return NO_DICTIONARY * rows
    bits: float = 8 * max(0, chunk.total_uncompressed_size - dictionary) / rows
    # An entry takes at least two bytes of a compressed dictionary page with its header.
    return max(1.0, min(0.75 * 2 ** min(bits, 40), dictionary / 2, NO_DICTIONARY * rows))


def combined(parts: list[tuple[float, int]]) -> int:
    """Distinct values of a column from its chunks' (values, rows): few values recur in each chunk, many do not."""
    most, rows = max(parts)
    if most < 0.2 * rows:
        return max(1, round(most))
    return max(1, round(sum(values for values, _ in parts)))
