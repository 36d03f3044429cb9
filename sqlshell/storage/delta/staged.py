"""Tables as a transaction sees them: as they were when it began, with its own commits, which only it knows.

Everything that reads or writes a table works on a `StagedTable` as on any other: its log is the real one up to the
pinned version, then commits kept in memory. `transaction.py` makes one commit of them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlshell.storage.delta.actions import (
    Add,
    Cdc,
    CommitInfo,
    DomainMetadata,
    Metadata,
    Protocol,
    Remove,
    Txn,
    parse_commit,
)
from sqlshell.storage.delta.conflicts import NOTHING, WHOLE_TABLE, ReadSet
from sqlshell.storage.delta.deletion_vectors import file_of
from sqlshell.storage.delta.log import LOG
from sqlshell.storage.delta.source import absolute_path
from sqlshell.storage.delta.store import LogFile
from sqlshell.storage.delta.table import DeltaTable, DeltaTables
from sqlshell.storage.uri import resolve

if TYPE_CHECKING:
    from sqlshell.storage.delta.actions import Action
    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.delta.store import LogStore


class StagedStore:
    """A table's files; of its log, what was there up to `version` and the commits put since, which stay in memory."""

    def __init__(self, real: LogStore, version: int) -> None:
        self._real = real
        self._version = version
        self.commits: dict[str, tuple[LogFile, bytes]] = {}

    def _is_later(self, name: str) -> bool:
        """Whether a name is that of a log file after the pinned version."""
        number = name.removeprefix(f"{LOG}/")[:20]
        return name.startswith(f"{LOG}/") and number.isdecimal() and int(number) > self._version

    def path(self, name: str) -> str:
        return self._real.path(name)

    def names(self, folder: str) -> list[str]:
        found = self._real.names(folder)
        if folder != LOG:
            return found
        return [n for n in found if not self._is_later(f"{LOG}/{n}")] + [
            n[len(LOG) + 1 :] for n in self.commits
        ]

    def stat(self, name: str) -> LogFile | None:
        if self._is_later(name):
            return self.commits[name][0] if name in self.commits else None
        return self._real.stat(name)

    def read(self, name: str) -> bytes:
        return self.commits[name][1] if name in self.commits else self._real.read(name)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        if not self._is_later(name):
            return self._real.put_if_absent(name, data)
        if name in self.commits:
            return False
        self.commits[name] = LogFile(name, time.time_ns() // 1_000_000, len(data)), data
        return True

    def put(self, name: str, data: bytes) -> None:
        self._real.put(name, data)

    def delete(self, name: str) -> bool:
        return self._real.delete(name)


class StagedTable(DeltaTable):
    """A table in a transaction: `base` is the version it was pinned at, `reads` what its outcome depends on."""

    def __init__(self, real: DeltaTable, base: Snapshot) -> None:
        self.staged = StagedStore(real.store, base.version)
        super().__init__(real.location, real.call, self.staged, real.held, real.user_metadata)
        self.real = real
        self.base = base
        self.reads: list[ReadSet] = []
        self.start_from(base)

    def committed(self, version: int, read: Snapshot | None, reads: ReadSet) -> None:
        """Take a staged commit's reads down; it is checkpointed when it is real."""
        self.reads.append(reads)

    def was_queried(self) -> None:
        """A query of the transaction read the table."""
        if WHOLE_TABLE not in self.reads:
            self.reads.append(WHOLE_TABLE)

    def staged_commits(self) -> list[list[Action]]:
        """The actions of every staged commit."""
        return [parse_commit(data, name) for name, (_, data) in self.staged.commits.items()]

    def read_set(self) -> ReadSet:
        """What all statements depend on."""
        tests = [r.might_hold for r in self.reads if r.might_hold is not None]
        files = frozenset[str]().union(*(r.files for r in self.reads))
        if not tests:
            return NOTHING if not files else ReadSet(None, files)
        return ReadSet(lambda add: any(t(add) for t in tests), files)

    def net(self) -> list[Action]:
        """One commit's actions for all staged ones. Files that came and went are not in it, nor are change data files
        of several statements: readers then work changes out from the files."""
        commits = self.staged_commits()
        if len(commits) == 1:
            return [a for a in commits[0] if not isinstance(a, CommitInfo)]
        files: dict[str, Add] = {}
        gone: dict[str, Remove] = {}
        others: dict[tuple[type, str], Action] = {}
        for commit in commits:
            for a in commit:
                if isinstance(a, Remove) and files.pop(a.key, None) is None:
                    gone[a.key] = a
                elif isinstance(a, Metadata | Protocol):
                    others[type(a), ""] = a
                elif isinstance(a, Txn):
                    others[Txn, a.app_id] = a
                elif isinstance(a, DomainMetadata):
                    others[DomainMetadata, a.domain] = a
            files |= {a.key: a for a in commit if isinstance(a, Add)}
        return [*others.values(), *gone.values(), *files.values()]

    def operations(self) -> list[CommitInfo]:
        """What each staged commit says of itself."""
        return [a for c in self.staged_commits() for a in c if isinstance(a, CommitInfo)]

    def new_files(self, kept: list[Action]) -> set[str]:
        """Paths of the files that staged commits brought and that neither `kept` nor the pinned version refers to."""
        every = self._paths([a for c in self.staged_commits() for a in c])
        return every - self._paths(kept) - self._paths([*self.base.files()]) if every else every

    def _paths(self, actions: list[Action]) -> set[str]:
        found = set()
        for a in actions:
            if isinstance(a, Add | Cdc):
                found.add(absolute_path(self.location, a.path))
            vector = a.deletion_vector if isinstance(a, Add) else None
            if vector is not None and vector.storage_type != "i":
                found.add(file_of(self.location, vector))
        return found


class StagedTables(DeltaTables):
    """The tables of a transaction, each pinned at its last version when the transaction began, whenever it is first
    looked at."""

    def __init__(self, real: DeltaTables, begun_ms: int) -> None:
        super().__init__()
        self.real = real
        self._begun = begun_ms
        self._known = real.known_versions()
        self._staged: dict[str, StagedTable] = {}

    def open(self, location: str, base: str | None = None) -> DeltaTable:
        """The staged table at a location; a table that is not there yet as it is."""
        path = resolve(location, base, remote=True)
        found = self._staged.get(path)
        if found is not None:
            return found
        real = self.real.open(path)
        if not real.exists():
            return real
        self._staged[path] = found = StagedTable(real, self._pinned(real))
        return found

    def _pinned(self, real: DeltaTable) -> Snapshot:
        from sqlshell.storage.delta import time_travel

        latest = real.latest()
        if latest.timestamp_ms <= self._begun or latest.version == self._known.get(real.location):
            return latest
        version = time_travel.version_at(real, self._begun, lenient=True, early=True)
        # What the session itself has seen before BEGIN is seen, whatever the store's clock says.
        return real.snapshot(max(version, self._known.get(real.location, 0)))

    def written(self) -> list[StagedTable]:
        """The tables with staged commits, in the order of their locations."""
        return [t for _, t in sorted(self._staged.items()) if t.staged.commits]
