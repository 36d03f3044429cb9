"""Which files of a table's folder nobody needs any more, and removing them.

Needed are the files (and deletion vectors, and change data) of every version since the retention began: the latest
version's, those removed since, and anything written since, which may be part of a commit to come. Needed, too, is what
the versions have that tags, models and branches hold (`DeltaTable.held`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqlshell.storage import object_files
from sqlshell.storage.delta.actions import Add, Cdc, Remove
from sqlshell.storage.delta.deletion_vectors import file_of
from sqlshell.storage.delta.log import LOG
from sqlshell.storage.delta.source import absolute_path
from sqlshell.storage.delta.time_travel import commit_times
from sqlshell.storage.uri import is_remote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.delta.table import DeltaTable

CHANGE_DATA = "_change_data"


def unneeded(
    table: DeltaTable, cutoff_ms: int, *, lite: bool = False
) -> tuple[list[tuple[str, int]], list[str]]:
    """(path, size) of files to remove; and files kept only because a held version needs them.

    `lite` looks at the files that the log says were removed, instead of the whole folder.
    """
    snapshot = table.latest()
    needed = set(_files(snapshot))
    for r in snapshot.tombstones:
        if (r.deletion_timestamp or 0) >= cutoff_ms:
            needed.update(_paths(table.location, r))
    needed.update(_since(table, cutoff_ms))
    held: set[str] = set()
    for version in sorted(set(table.held())):
        if version != snapshot.version:
            held.update(_files(table.snapshot(version)))
    candidates = _removed(table) if lite else _walk(table.location, snapshot)
    gone: list[tuple[str, int]] = []
    kept: list[str] = []
    for path in sorted(candidates):
        if path in needed:
            continue
        found = table.store.stat(path)
        if found is None or (found.modified_ms >= cutoff_ms and not lite):
            continue
        if path in held:
            kept.append(path)
        else:
            gone.append((path, found.size))
    return gone, kept


def remove(paths: Iterable[str]) -> int:
    """Remove files; the number of those that were there."""
    count = 0
    for path in paths:
        count += object_files.remove(path)
    return count


def _files(snapshot: Snapshot) -> Iterator[str]:
    for a in snapshot.files():
        yield from _paths(snapshot.location, a)


def _paths(location: str, action: Add | Remove) -> Iterator[str]:
    """The data file, and the file of its deletion vector."""
    yield absolute_path(location, action.path)
    vector = action.deletion_vector
    if vector is not None and vector.storage_type != "i":
        yield file_of(location, vector)


def _since(table: DeltaTable, cutoff_ms: int) -> Iterator[str]:
    """Files of the version that was the latest at the cutoff, and of all commits since."""
    listing = table.listing()
    first = listing.earliest_recreatable
    if first is None:
        return
    times = commit_times(table, listing, first)
    start = max((v for v, t in times.items() if t <= cutoff_ms), default=None)
    since = [v for v in listing.commits if start is None or v > start]
    if start is not None and since:
        yield from _files(table.snapshot(start))
    for version in since:
        for a in table.commit_actions(version):
            if isinstance(a, Add | Remove):
                yield from _paths(table.location, a)
            elif isinstance(a, Cdc):
                yield absolute_path(table.location, a.path)


def _removed(table: DeltaTable) -> set[str]:
    """Files that the commits at hand removed."""
    return {
        path
        for version in table.listing().commits
        for a in table.commit_actions(version)
        if isinstance(a, Remove)
        for path in _paths(table.location, a)
        if path.startswith(table.location + os.sep)
    }


def _walk(location: str, snapshot: Snapshot) -> Iterator[str]:
    """All files but hidden ones; other tables' folders below are theirs."""
    if is_remote(location):
        yield from _walk_store(location, snapshot)
        return
    for folder, folders, files in os.walk(location):
        if folder != location and LOG in folders:
            folders.clear()
            continue
        folders[:] = [f for f in folders if not _is_hidden(f, snapshot)]
        for name in files:
            if not _is_hidden(name, snapshot):
                yield os.path.join(folder, name)


def _walk_store(location: str, snapshot: Snapshot) -> Iterator[str]:
    """As `_walk`, from one listing of an object store."""
    paths = [p[len(location) + 1 :] for p in object_files.below(location)]
    others = {p.partition(f"/{LOG}/")[0] + "/" for p in paths if f"/{LOG}/" in p}
    for path in paths:
        parts = path.split("/")
        inside = any("/".join(parts[:n]) + "/" in others for n in range(1, len(parts)))
        if not inside and not any(_is_hidden(p, snapshot) for p in parts):
            yield f"{location}/{path}"


def _is_hidden(name: str, snapshot: Snapshot) -> bool:
    partitions = tuple(f"{n}=" for n in snapshot.partition_columns)
    return name.startswith(("_", ".")) and name != CHANGE_DATA and not name.startswith(partitions)
