"""Splits of a scan, even by bytes: a 10 GB file and a thousand small ones both spread over all tasks.

The files are laid end to end and the whole is cut into equal ranges. A Parquet file is cut where the ranges
are, and so is uncompressed text whose records are lines; any other file belongs, whole, to the range that holds
its middle. Task order is file order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.exec.task import Split
from sqlshell.storage.source import CUTTABLE, MemorySource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.storage.source import Source

MIN_BYTES = 1 << 16
"""A task for less is all overhead."""

WORTH_BYTES = 1 << 20
"""A second task for less costs more than it saves (a task takes 5 ms to set up and report)."""


def file_sizes(source: Source | MemorySource) -> list[int]:
    """Bytes of each file; a memory source's files share its size evenly."""
    if isinstance(source, MemorySource):
        return [max(1, source.size // max(1, len(source.paths)))] * len(source.paths)
    return [f.size for f in source.files]


def useful_tasks(source: Source | MemorySource, at_most: int, at_least: int = MIN_BYTES) -> int:
    """How many tasks of `at_least` bytes this source can keep busy."""
    sizes = file_sizes(source)
    pieces = max(1, sum(sizes) // at_least)
    if not _cuttable(source):
        pieces = min(pieces, len(sizes))
    return max(1, min(at_most, pieces))


def assign(source: Source | MemorySource, tasks: int) -> list[tuple[Split, ...]]:
    """The splits of each task; together they cover every file exactly once."""
    sizes = file_sizes(source)
    total = sum(sizes)
    cuts = [total * i // tasks for i in range(tasks + 1)]
    out: list[list[Split]] = [[] for _ in range(tasks)]
    begin = 0
    for index, size in enumerate(sizes):
        end = begin + size
        if not _cuttable(source) or size < MIN_BYTES:
            out[_range_of(cuts, begin + size // 2)].append(Split(index))
        else:
            for task in range(_range_of(cuts, begin), _range_of(cuts, end - 1) + 1):
                low, high = max(cuts[task], begin), min(cuts[task + 1], end)
                out[task].append(Split(index, low - begin, None if high == end else high - begin))
        begin = end
    return [tuple(splits) for splits in out]


def assign_all(
    sources: Sequence[Source | MemorySource | None], tasks: int
) -> list[tuple[tuple[Split, ...] | None, ...]]:
    """The splits of each task for several scans; a source that is None is read whole by every task."""
    by_scan = [None if s is None else assign(s, tasks) for s in sources]
    return [tuple(None if s is None else s[i] for s in by_scan) for i in range(tasks)]


def _cuttable(source: Source | MemorySource) -> bool:
    if isinstance(source, MemorySource):
        return False
    return source.format in {"parquet", "delta"} or source.option(CUTTABLE) == "true"


def _range_of(cuts: list[int], position: int) -> int:
    """The range [cuts[i], cuts[i+1]) that holds a byte position."""
    low, high = 0, len(cuts) - 2
    while low < high:
        middle = (low + high) // 2
        if position >= cuts[middle + 1]:
            low = middle + 1
        else:
            high = middle
    return low
