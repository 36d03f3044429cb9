"""A table's past as data: over which versions each file was in the table, and sources that read chosen files.

A file with its deletion vector is the same rows in every version that has it, so what is computed from it once holds
for all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import NotSupportedError
from sqlshell.records import dataclass, replace
from sqlshell.storage.delta.actions import Add, Metadata, Remove
from sqlshell.storage.delta.schema import TableSchema, parse_schema
from sqlshell.storage.delta.source import absolute_path, source_of
from sqlshell.storage.delta.stats import StatsIndex
from sqlshell.storage.delta.widening import widens
from sqlshell.storage.source import DriverOnly, FileInfo, Source
from sqlshell.types import INT, Field, Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlshell.storage.delta.schema import TableField
    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.delta.table import DeltaTable

LIFE = "(file)"
"""A field of sources made here: the number of the file, NULL never."""


@dataclass(frozen=True)
class Life:
    """A file (with one deletion vector) and the versions that have it, as inclusive ranges."""

    add: Add
    ranges: tuple[tuple[int, int], ...]


def lives(table: DeltaTable, first: Snapshot, last: Snapshot) -> tuple[Life, ...]:
    """The files of versions `first` to `last`. Raises when the table changed in a way that `last` cannot read."""
    known = last.derived.setdefault("lives", {})
    if first.version in known:
        found: tuple[Life, ...] = known[first.version]
        return found
    adds: dict[str, Add] = dict(first.state.files)
    since = dict.fromkeys(adds, first.version)
    ranges: dict[str, list[tuple[int, int]]] = {k: [] for k in adds}
    check_schema(first.metadata, last)
    for version in range(first.version + 1, last.version + 1):
        actions = table.commit_actions(version)
        for a in actions:
            if isinstance(a, Remove) and a.key in since:
                ranges[a.key].append((since.pop(a.key), version - 1))
            elif isinstance(a, Metadata):
                check_schema(a, last)
        for a in actions:
            if isinstance(a, Add) and a.key not in since:
                adds[a.key] = a
                since[a.key] = version
                ranges.setdefault(a.key, [])
    for key, begin in since.items():
        ranges[key].append((begin, last.version))
    made = tuple(Life(adds[k], tuple(_joined(r))) for k, r in ranges.items() if r)
    known[first.version] = made
    return made


def _joined(ranges: list[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """Ranges without gaps as one; those of files removed and added again by one commit are empty."""
    out: list[tuple[int, int]] = []
    for low, high in ranges:
        if high < low:
            continue
        if out and out[-1][1] + 1 >= low:
            out[-1] = (out[-1][0], high)
        else:
            out.append((low, high))
    return out


def check_schema(old: Metadata, last: Snapshot) -> None:
    """Raise when files written under `old` cannot be read with the columns of `last`."""
    if old.schema_string == last.metadata.schema_string and old.partition_columns == last.partition_columns:
        return
    physical = {f.physical_name: f for f in parse_schema(old.schema_string).fields}
    for f in last.schema.fields:
        before = physical.get(f.physical_name)
        if before is None or before.physical_type == f.physical_type:
            continue
        if not widens(before.physical_type, f.physical_type):
            raise _changed(last, f"`{f.name}` was {before.type} and is {f.type}")
    if len(old.partition_columns) != len(last.partition_columns):
        raise _changed(last, "it was partitioned by other columns")


def _changed(last: Snapshot, what: str) -> NotSupportedError:
    return NotSupportedError(
        f"the versions of '{last.location}' up to {last.version} cannot be read as one table: {what}",
        condition="DELTA_BLOCK_HISTORY_SCHEMA_CHANGE",
        hint="ask for versions after that change",
    )


def sources(snapshot: Snapshot, name: str, adds: Sequence[Add]) -> list[Source]:
    """Sources of files numbered as in `adds`, with the columns of `snapshot` and LIFE."""
    items = [(a, (str(i),)) for i, a in enumerate(adds)]
    return labelled(snapshot, name, items, (Field(LIFE, INT, False),))


def labelled(
    snapshot: Snapshot,
    name: str,
    items: Sequence[tuple[Add, tuple[str | None, ...]]],
    labels: tuple[Field, ...],
    more: tuple[TableField, ...] = (),
) -> list[Source]:
    """Sources of files that have constants of their own (texts, for the fields `labels`), with the columns of
    `snapshot` and `more` columns in the files. No two files of a source are of one path, so that a file's deletion
    vectors do not meet.
    """
    layers: list[list[tuple[Add, tuple[str | None, ...]]]] = []
    used: dict[str, int] = {}
    for add, values in items:
        layer = used[add.path] = used.get(add.path, -1) + 1
        if layer == len(layers):
            layers.append([])
        layers[layer].append((add, values))
    return [_source(snapshot, name, layer, labels, more) for layer in layers or [[]]]


def _source(
    snapshot: Snapshot,
    name: str,
    items: list[tuple[Add, tuple[str | None, ...]]],
    labels: tuple[Field, ...],
    more: tuple[TableField, ...],
) -> Source:
    base = source_of(snapshot, name)
    assert base.table is not None
    index = StatsIndex(tuple(a for a, _ in items), snapshot.schema, snapshot.partition_columns)
    physical = [
        f.physical_name for n in base.partition_columns if (f := snapshot.schema.field(n)) is not None
    ]
    files = []
    for (add, values), rows in zip(items, index.rows, strict=True):
        given = dict(add.partition_values)
        vector = add.deletion_vector
        count = rows - vector.cardinality if rows is not None and vector is not None else rows
        path = absolute_path(snapshot.location, add.path)
        constants = (*(given.get(p) or None for p in physical), *values)
        files.append(FileInfo(path, add.size, count, constants, add.modification_time / 1000, vector))
    columns = TableSchema((*base.table.columns.fields, *more))
    return replace(
        base,
        schema=Struct((*base.schema.fields, *(Field(f.name, f.type) for f in more), *labels)),
        files=tuple(files),
        partition_columns=(*base.partition_columns, *(f.name for f in labels)),
        table=replace(base.table, columns=columns, files=len(files), stats=DriverOnly(index)),
    )
