"""Commits: checked, put-if-absent, rebased on other writers' commits where Delta's rules allow it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlshell.errors import ConcurrentModificationError, Error
from sqlshell.storage.delta import commit_checks, conflicts
from sqlshell.storage.delta.actions import (
    Add,
    CommitInfo,
    DomainMetadata,
    Metadata,
    Protocol,
    Remove,
    Txn,
    to_json,
)
from sqlshell.storage.delta.conflicts import NOTHING, ReadSet, Winner
from sqlshell.storage.delta.log import commit_name
from sqlshell.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlshell.storage.delta.actions import Action
    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.delta.table import DeltaTable

MAX_ATTEMPTS = 10_000
"""Every attempt means that somebody else made progress."""


def commit(
    table: DeltaTable,
    read: Snapshot | None,
    actions: Iterable[Action],
    operation: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    reads: ReadSet = NOTHING,
    app_id: tuple[str, int] | None = None,
    metrics: Mapping[str, Any] | None = None,
    user_metadata: str | None = None,
    info: Mapping[str, Any] | None = None,
    undo: Callable[[], None] | None = None,
) -> int:
    """Make `actions` the next version and give its number.

    `read` is the snapshot the statement worked on; None creates the table (protocol and metadata among the
    actions). `reads` is what its outcome depends on. `app_id` (application, number) makes the write idempotent: when
    that application committed that number or a higher one, nothing is written and the latest version is given.
    `undo` removes files that nobody will ever refer to: it is called when nothing was committed, and only then.
    Raises ConcurrentModificationError naming the winner, and before anything is written what `commit_checks` finds.
    """
    ours = list(actions)
    if app_id is not None:
        if read is not None and already_written(read, app_id):
            _undone(undo)
            return read.version
        ours.append(Txn(app_id[0], app_id[1], _now()))
    head = {
        "operation": operation,
        "operationParameters": {k: v for k, v in (parameters or {}).items() if v is not None},
        "isolationLevel": isolation_level(read, ours),
        "isBlindAppend": reads.is_empty and _only_adds(ours),
        "engineInfo": f"sqlshell/{__version__}",
        "userName": _user(),
        "txnId": str(uuid4()),
    }
    if metrics is not None:
        head["operationMetrics"] = {k: str(v) for k, v in metrics.items()}
    user_metadata = user_metadata or table.user_metadata()
    if user_metadata is not None:
        head["userMetadata"] = user_metadata
    head.update(info or {})
    version = _undo_unless_there(
        table, head, read, undo, lambda: _checked(table, read, ours, head, reads, app_id)
    )
    table.committed(version, read, reads)
    return version


def rehearse(table: DeltaTable, read: Snapshot, actions: list[Action], reads: ReadSet) -> None:
    """Raise what `commit` would raise now."""
    commit_checks.check(table, read, actions)
    isolation, seen = isolation_level(read, actions), read.version
    while table.store.stat(commit_name(seen + 1)) is not None:
        seen += 1
        winner = Winner(seen, tuple(table.commit_actions(seen)))
        conflicts.check(winner, actions, reads, isolation, table.location)


def _checked(
    table: DeltaTable,
    read: Snapshot | None,
    ours: list[Action],
    head: dict[str, Any],
    reads: ReadSet,
    app_id: tuple[str, int] | None,
) -> int:
    commit_checks.check(table, read, ours)
    return _create(table, ours, head) if read is None else _append(table, read, ours, head, reads, app_id)


def _undo_unless_there(
    table: DeltaTable,
    head: dict[str, Any],
    read: Snapshot | None,
    undo: Callable[[], None] | None,
    attempt: Callable[[], int],
) -> int:
    """Run the attempt and `undo` it if the commit is not there afterwards, whatever happened.

    An interrupt may arrive, and a store may fail, right after the commit was written: its files must stay.
    """
    try:
        version = attempt()
    except BaseException as e:
        try:
            found = _find(table, head, 0 if read is None else read.version + 1)
        except (Error, OSError):
            raise e from None  # nobody knows: files stay, VACUUM will see
        if found is None:
            _undone(undo)
        if found is None or not isinstance(e, Error | OSError):
            raise
        return found
    if undo is not None and not _is_ours(table, version, head):
        undo()  # the application's other attempt had written the same
    return version


def _find(table: DeltaTable, head: dict[str, Any], first: int) -> int | None:
    version = first
    while table.store.stat(commit_name(version)) is not None:
        if _is_ours(table, version, head):
            return version
        version += 1
    return None


def _undone(undo: Callable[[], None] | None) -> None:
    if undo is not None:
        undo()


def already_written(snapshot: Snapshot, app_id: tuple[str, int]) -> bool:
    """Whether an application has committed this number, or a higher one."""
    txn = snapshot.txns.get(app_id[0])
    return txn is not None and txn.version >= app_id[1]


def isolation_level(read: Snapshot | None, actions: Iterable[Action]) -> str:
    """The level Delta gives a commit: rearrangements need only snapshot isolation."""
    files = [a for a in actions if isinstance(a, Add | Remove)]
    if files and not any(a.data_change for a in files):
        return "SnapshotIsolation"
    level = (read.setting("delta.isolationLevel") if read is not None else None) or "WriteSerializable"
    return "Serializable" if level.lower() == "serializable" else "WriteSerializable"


def _create(table: DeltaTable, ours: list[Action], head: dict[str, Any]) -> int:
    in_commit = any(
        isinstance(a, Metadata)
        and a.configuration.get("delta.enableInCommitTimestamps", "").lower() == "true"
        for a in ours
    )
    stamp = _now() if in_commit else None
    if table.store.put_if_absent(commit_name(0), _encoded(ours, head, stamp)):
        return 0
    if _is_ours(table, 0, head):
        return 0
    winner = Winner(0, tuple(table.commit_actions(0)))
    raise ConcurrentModificationError(
        f"'{table.location}' is a Delta table already: another writer made {winner}",
        condition="DELTA_PROTOCOL_CHANGED",
        hint="run the statement again: it will see that table",
    )


def _append(
    table: DeltaTable,
    read: Snapshot,
    ours: list[Action],
    head: dict[str, Any],
    reads: ReadSet,
    app_id: tuple[str, int] | None,
) -> int:
    isolation = head["isolationLevel"]
    head["readVersion"] = read.version
    seen = read.version
    stamps = read.in_commit_timestamps or _turns_on_stamps(ours)
    last_stamp = read.timestamp_ms
    for _ in range(MAX_ATTEMPTS):
        while table.store.stat(commit_name(seen + 1)) is not None:
            seen += 1
            winner = Winner(seen, tuple(table.commit_actions(seen)))
            if app_id is not None and _wrote(winner, app_id):
                return seen
            conflicts.check(winner, ours, reads, isolation, table.location)
            last_stamp = winner.info.in_commit_timestamp or last_stamp
        stamp = max(_now(), last_stamp + 1) if stamps else None
        if table.store.put_if_absent(commit_name(seen + 1), _encoded(ours, head, stamp)):
            return seen + 1
        if _is_ours(table, seen + 1, head):
            return seen + 1
    raise ConcurrentModificationError(
        f"'{table.location}' is changed by others all the time: gave up after {MAX_ATTEMPTS} attempts",
        condition="DELTA_MAX_COMMIT_RETRIES_EXCEEDED",
    )


def _wrote(winner: Winner, app_id: tuple[str, int]) -> bool:
    return any(
        isinstance(a, Txn) and a.app_id == app_id[0] and a.version >= app_id[1] for a in winner.actions
    )


def _is_ours(table: DeltaTable, version: int, head: dict[str, Any]) -> bool:
    """Whether the commit that is there is the one we tried: a store may fail after it wrote."""
    info = table.commit_info(version)
    return info is not None and info.txn_id == head["txnId"]


def _encoded(ours: list[Action], head: dict[str, Any], stamp: int | None) -> bytes:
    """commitInfo first (in-commit timestamps ask for it), then protocol and metadata, then the rest."""
    values: dict[str, Any] = {"timestamp": stamp or _now()}
    if stamp is not None:
        values["inCommitTimestamp"] = stamp
    values |= head
    first = [a for a in ours if isinstance(a, Protocol | Metadata)]
    rest = [a for a in ours if not isinstance(a, Protocol | Metadata | CommitInfo)]
    lines = [to_json(CommitInfo(values)), *map(to_json, first), *map(to_json, rest)]
    return ("\n".join(lines) + "\n").encode()


def _only_adds(actions: Iterable[Action]) -> bool:
    return all(isinstance(a, Add | Txn | DomainMetadata) for a in actions) and any(
        isinstance(a, Add) for a in actions
    )


def _turns_on_stamps(actions: Iterable[Action]) -> bool:
    return any(
        isinstance(a, Metadata)
        and a.configuration.get("delta.enableInCommitTimestamps", "").lower() == "true"
        for a in actions
    )


def _now() -> int:
    return time.time_ns() // 1_000_000


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
