"""Parquet leaves by their SQL path, and which row groups can hold rows that pass a filter on them.

A leaf path is a tuple of struct field names with `[]` for an array's element and `{}` followed by `key` or `value`
for a map's: `("items", "[]", "qty")`, `("attrs", "{}", "value", "x5")`. A path that ends early means all below it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlshell.storage import parquet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa
    import pyarrow.parquet as pq

LeafPath = tuple[str, ...]


def leaf_paths(path: str) -> dict[LeafPath, int]:
    """SQL leaf path (lower case) to the index of the Parquet column, for every leaf of a file."""
    return _leaf_paths(*parquet.version(path))


@lru_cache(maxsize=64)
def _leaf_paths(path: str, mtime: int, size: int) -> dict[LeafPath, int]:
    schema = parquet.arrow_schema(path)
    found = [p for f in schema for p in _below(f.type, (f.name.lower(),))]
    return {p: i for i, p in enumerate(found)}


def _below(t: pa.DataType, prefix: LeafPath) -> Iterator[LeafPath]:
    """Leaves in file order: depth first, as Parquet stores them."""
    import pyarrow.types as pt

    if pt.is_map(t):
        yield from _below(t.key_type, (*prefix, "{}", "key"))
        yield from _below(t.item_type, (*prefix, "{}", "value"))
    elif pt.is_struct(t):
        for f in t:
            yield from _below(f.type, (*prefix, f.name.lower()))
    elif pt.is_list(t) or pt.is_large_list(t) or pt.is_fixed_size_list(t):
        yield from _below(t.value_type, (*prefix, "[]"))
    else:
        yield prefix


def wanted_columns(path: str, wanted: Iterable[LeafPath]) -> list[str]:
    """The Parquet column paths (as pyarrow names them) of all leaves at or below the wanted paths, in file order."""
    leaves = leaf_paths(path)
    prefixes = {tuple(part.lower() for part in w) for w in wanted}
    chosen = sorted(i for leaf, i in leaves.items() if any(leaf[: len(p)] == p for p in prefixes))
    schema = parquet.footer(path).schema
    return [schema.column(i).path for i in chosen]


def leaf_bytes(path: str, columns: Iterable[str]) -> int:
    """Compressed bytes of some columns over all row groups."""
    names = set(columns)
    metadata = parquet.footer(path)
    total = 0
    for g in range(metadata.num_row_groups):
        group = metadata.row_group(g)
        for j in range(group.num_columns):
            if group.column(j).path_in_schema in names:
                total += group.column(j).total_compressed_size
    return total


Bound = tuple[LeafPath, str, Any]
"""A necessary condition of a filter: (leaf, comparison, constant), e.g. (("items","[]","qty"), ">", 2)."""


def row_groups_that_may_match(path: str, bounds: Iterable[Bound]) -> list[int]:
    """Row groups whose statistics do not rule a bound out. Repeated leaves count: no element, no match."""
    metadata = parquet.footer(path)
    leaves = leaf_paths(path)
    checks = [(leaves[b[0]], b[1], b[2]) for b in bounds if b[0] in leaves]
    return [g for g in range(metadata.num_row_groups) if all(_may_match(metadata, g, *c) for c in checks)]


def _may_match(metadata: pq.FileMetaData, group: int, column: int, comparison: str, constant: Any) -> bool:
    stats = metadata.row_group(group).column(column).statistics
    if stats is None or not stats.has_min_max:
        return True
    low, high = stats.min, stats.max
    if type(low) is not type(constant) or low != low or high != high:  # noqa: PLR0124 - NaN
        return True
    match comparison:
        case "=":
            return bool(low <= constant <= high)
        case "<":
            return bool(low < constant)
        case "<=":
            return bool(low <= constant)
        case ">":
            return bool(high > constant)
        case ">=":
            return bool(high >= constant)
    return True
