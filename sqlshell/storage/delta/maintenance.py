"""After a commit: a checkpoint every few versions, and old log files go. Neither can make the commit fail."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlshell.errors import Error
from sqlshell.storage.delta import time_travel
from sqlshell.storage.delta.log import LOG
from sqlshell.storage.delta.properties import duration_ms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.delta.table import DeltaTable

CHECKPOINT_INTERVAL = 10
LOG_RETENTION = "interval 30 days"
"""Delta's defaults of `delta.checkpointInterval` and `delta.logRetentionDuration`."""
DAY_MS = 86_400_000


def after_commit(table: DeltaTable, version: int, read: Snapshot | None) -> None:
    """Write the checkpoint that is due at a version and clean up the log then; problems wait for the next time."""
    if version == 0 or read is None:
        return
    try:
        interval = int(read.setting("delta.checkpointInterval") or CHECKPOINT_INTERVAL)
    except ValueError:
        interval = CHECKPOINT_INTERVAL
    if interval < 1 or version % interval:
        return
    try:
        checkpoint(table, version)
        if (read.setting("delta.enableExpiredLogCleanup") or "true").lower() != "false":
            clean_log(table)
    except (Error, OSError):
        return


def checkpoint(table: DeltaTable, version: int) -> int:
    """Write the checkpoint of a version, in a worker; the number of its actions, 0 when it was there."""
    written: int = table.call("write_checkpoint", table.location, version)
    return written


def clean_log(table: DeltaTable, now_ms: int | None = None, held: Iterable[int] = ()) -> list[str]:
    """Remove log files older than `delta.logRetentionDuration` that no readable version needs; gives their names.

    The cut is a complete checkpoint: it, its commit and all later ones stay. It is old itself, and not after any of
    the versions in `held` and in `table.held()` (tags, models), so that those stay readable.
    """
    now = int(time.time() * 1000) if now_ms is None else now_ms
    retention = duration_ms(table.latest().setting("delta.logRetentionDuration"), LOG_RETENTION)
    before = (now - retention) // DAY_MS * DAY_MS
    listing = table.listing()
    names = [n for n in listing.others if n.endswith(".tmp") and _is_older(table, n, now - DAY_MS)]
    first = listing.earliest_recreatable
    if first is not None:
        times = time_travel.commit_times(table, listing, first)
        limit = min([*held, *table.held()], default=listing.latest or 0)
        cuts = [
            c.version
            for c in listing.checkpoints
            if c.version <= limit and times.get(c.version, now) < before
        ]
        cut = max(cuts, default=-1)
        names += [n for n in _numbered(table) if int(n[:20]) < cut]
    return [n for n in sorted(names) if table.store.delete(f"{LOG}/{n}")]


def _numbered(table: DeltaTable) -> list[str]:
    """Commits, checkpoints and their checksums."""
    return [n for n in table.store.names(LOG) if n[:20].isdecimal() and n[20:21] == "."]


def _is_older(table: DeltaTable, name: str, moment_ms: int) -> bool:
    found = table.store.stat(f"{LOG}/{name}")
    return found is not None and found.modified_ms < moment_ms
