"""What a scan is going to read, told by logs and footers alone: files, row groups and bytes that filters leave.

Runs in workers. Row groups are those whose statistics do not rule a filter out; bytes are those of the wanted
columns (leaves, where the query needs no more) in them, as they are in the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.records import dataclass
from sqlshell.storage import parquet, parquet_leaves
from sqlshell.storage.source import MemorySource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.plan.logical import Scan
    from sqlshell.storage.parquet_leaves import Bound, LeafPath
    from sqlshell.storage.source import Source


@dataclass(frozen=True)
class ScanFacts:
    """One scan: what it reads of what there is. Row groups and leaves are None for formats without them."""

    name: str
    files: int
    all_files: int
    bytes: int
    all_bytes: int
    groups: int | None = None
    all_groups: int | None = None
    leaves: int | None = None
    all_leaves: int | None = None


def scan_facts(scans: list[Scan]) -> list[ScanFacts]:
    """The facts of each scan."""
    return [_facts(s) for s in scans]


def _facts(scan: Scan) -> ScanFacts:
    source: Any = scan.source
    if isinstance(source, MemorySource):
        return ScanFacts(source.name, len(source.paths), len(source.paths), source.size, source.size)
    everything = source.table.files if source.table is not None else len(source.files)
    if source.format not in {"parquet", "delta"}:
        return ScanFacts(source.name, len(source.files), everything, source.size, source.size)
    wanted, bounds = _wanted(scan, source), list(_bounds(scan, source))
    read = groups = all_groups = 0
    leaves = all_leaves = None
    for file in source.files:
        found = parquet_leaves.leaf_paths(file.path)
        chosen = [i for leaf, i in found.items() if any(leaf[: len(w)] == w for w in wanted)]
        kept = parquet_leaves.row_groups_that_may_match(file.path, bounds)
        metadata = parquet.footer(file.path)
        for g in kept:
            group = metadata.row_group(g)
            read += sum(group.column(i).total_compressed_size for i in chosen)
        groups += len(kept)
        all_groups += metadata.num_row_groups
        leaves, all_leaves = max(leaves or 0, len(chosen)), max(all_leaves or 0, len(found))
    return ScanFacts(
        source.name, len(source.files), everything, read, source.size, groups, all_groups, leaves, all_leaves
    )


def _names(source: Source) -> dict[str, str]:
    """The names that fields have in files, where they are other ones."""
    if source.table is None or source.table.mapping == "none":
        return {}
    known = source.table.columns
    found = ((f.name, known.field(f.name)) for f in source.schema.fields)
    return {name.lower(): field.physical_name.lower() for name, field in found if field is not None}


def _wanted(scan: Scan, source: Source) -> list[LeafPath]:
    names = _names(source)
    if names:  # leaves of mapped tables have other names on every level: whole columns are counted
        return [(names.get(f.lower(), f.lower()),) for f in scan.fields]
    below = [tuple(p.lower() for p in path) for path in scan.leaves or ()]
    whole = [(f.lower(),) for f in scan.fields if not any(p[0] == f.lower() for p in below)]
    return [*below, *whole]


def _bounds(scan: Scan, source: Source) -> Iterator[Bound]:
    from sqlshell.exec.scan_leaves import scan_bounds

    names = _names(source)
    for predicate in scan.filters:
        for path, comparison, value in scan_bounds(predicate, scan):
            if not names:
                yield path, comparison, value
            elif len(path) == 1:
                yield (names.get(path[0], path[0]),), comparison, value
