"""A Delta table by its location: snapshots, history, versions by number or time.

`latest()` costs two `stat` calls while nothing was committed; new commits are replayed on top of what is known.
Parquet checkpoints are read through `call`, which the session points at a worker: the driver imports no pyarrow.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlshell.errors import CorruptInputError, Error, SourceNotFound
from sqlshell.records import dataclass
from sqlshell.storage.delta import log
from sqlshell.storage.delta.actions import CommitInfo, parse_commit
from sqlshell.storage.delta.bulk import uncollected
from sqlshell.storage.delta.log import LOG, LogListing, Segment, commit_name, list_log
from sqlshell.storage.delta.snapshot import LogState, Snapshot
from sqlshell.storage.delta.store import LogFile, LogStore, open_store
from sqlshell.storage.uri import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlshell.storage.delta.actions import Action
    from sqlshell.storage.delta.conflicts import ReadSet
    from sqlshell.storage.delta.time_travel import VersionLike

if TYPE_CHECKING:
    Call = Callable[..., Any]
"""`call(name, *args)`: one of the functions of `exec/worker_calls.py`, run somewhere with pyarrow."""

KEPT_VERSIONS = 8
"""Old versions kept per table: time travel joins a few of them, again and again."""

KEPT_TABLES = 256

WORTH_A_CHECKPOINT = 100
"""Reading a checkpoint is dearer than replaying fewer commits on top of a known version."""


@dataclass(frozen=True)
class HistoryEntry:
    """A commit: its version, its time for time travel (ms), and its commitInfo (None when it has none)."""

    version: int
    timestamp_ms: int
    info: CommitInfo | None


def call_here(name: str, *args: Any) -> Any:
    """Run a function for `Call` in this process (tests, workers)."""
    from sqlshell.storage.delta import checkpoint_read

    if name == "write_checkpoint":
        from sqlshell.storage.delta.checkpoint_write import write_checkpoint

        return write_checkpoint(*args)
    return {"read_checkpoint": checkpoint_read.read_checkpoint}[name](*args)


class DeltaTable:
    """A table's log. Not safe for use by several threads at once.

    `held()` gives versions that the cleanup of the log and VACUUM must leave readable (tags, models);
    `user_metadata()` is what commits say under `userMetadata`.
    """

    def __init__(
        self,
        location: str,
        call: Call = call_here,
        store: LogStore | None = None,
        held: Callable[[], Iterable[int]] = tuple,
        user_metadata: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.location = resolve(location, remote=True)
        self.store: LogStore = store or open_store(self.location)
        self.call = call
        self.held = held
        self.user_metadata = user_metadata
        self._latest: Snapshot | None = None
        self._mark: LogFile | None = None
        self._old: OrderedDict[int, Snapshot] = OrderedDict()

    @property
    def seen(self) -> Snapshot | None:
        """The newest version known, without a look."""
        return self._latest

    def exists(self) -> bool:
        """Whether there is a Delta log."""
        return self._latest is not None or list_log(self.store).latest is not None

    def latest(self) -> Snapshot:
        """The newest version. Raises DELTA_TABLE_NOT_FOUND, or what keeps it from being read."""
        known = self._latest
        if known is not None:
            if self.store.stat(commit_name(known.version)) != self._mark:
                self._forget()  # dropped and made anew, or cleaned up
            elif self.store.stat(commit_name(known.version + 1)) is None:
                return known
        listing = self.listing()
        version = listing.latest
        assert version is not None
        with uncollected():
            snapshot = self._build(version, listing)
        if self._latest is not None:
            self._keep(self._latest)
        self.start_from(snapshot)
        return snapshot

    def snapshot(self, version: int) -> Snapshot:
        """One version. Raises DELTA_VERSION_NOT_FOUND, naming the readable range with its times."""
        latest = self.latest()
        if latest.version == version:
            return latest
        found = self._old.get(version)
        if found is not None:
            self._old.move_to_end(version)
            return found
        from sqlshell.storage.delta import time_travel

        listing = self.listing()
        time_travel.check_version(self, listing, version)
        with uncollected():
            snapshot = self._build(version, listing)
        self._keep(snapshot)
        return snapshot

    def knows(self, version: int) -> bool:
        """Whether a version is at hand, so that the log need not be looked through."""
        return version == self.latest().version or version in self._old

    def resolve(self, version: VersionLike, *, zone: str = "UTC", lenient: bool = False) -> int:
        """The version a VERSION AS OF or TIMESTAMP AS OF means (`time_travel.resolve`)."""
        from sqlshell.storage.delta import time_travel

        return time_travel.resolve(self, version, zone=zone, lenient=lenient)

    def history(self, limit: int | None = None) -> list[HistoryEntry]:
        """Commits, newest first."""
        from sqlshell.storage.delta import time_travel

        listing = self.listing()
        versions = listing.commits[::-1][:limit]
        if not versions:
            return []
        times = time_travel.commit_times(self, listing, first=versions[-1])
        return [HistoryEntry(v, times[v], self.commit_info(v)) for v in versions]

    def listing(self) -> LogListing:
        """The log folder's contents. Raises DELTA_TABLE_NOT_FOUND when there is no log."""
        listing = list_log(self.store)
        if listing.latest is None:
            self._forget()
            raise SourceNotFound(
                f"there is no Delta table at '{self.location}'",
                condition="DELTA_TABLE_NOT_FOUND",
                hint=f"a Delta table is a folder with a {LOG} folder in it",
            )
        return listing

    def commit_actions(self, version: int) -> list[Action]:
        """All actions of one commit."""
        name = commit_name(version)
        return parse_commit(self.store.read(name), f"{self.location}/{name}")

    def commit_info(self, version: int) -> CommitInfo | None:
        """The commitInfo of one commit."""
        for line in self.store.read(commit_name(version)).splitlines():
            if line.startswith(b'{"commitInfo"'):
                return next(
                    (a for a in parse_commit(line, commit_name(version)) if isinstance(a, CommitInfo)), None
                )
        return next((a for a in self.commit_actions(version) if isinstance(a, CommitInfo)), None)

    def start_from(self, snapshot: Snapshot) -> None:
        """Take a snapshot for the newest version."""
        self._latest, self._mark = snapshot, self.store.stat(commit_name(snapshot.version))

    def was_queried(self) -> None:
        """A query reads the newest version: of interest in a transaction."""

    def committed(self, version: int, read: Snapshot | None, reads: ReadSet) -> None:
        """What follows a commit, of a statement that worked on `read` and depends on `reads`."""
        from sqlshell.storage.delta import maintenance

        if read is not None:
            maintenance.after_commit(self, version, read)

    # -- building

    def _forget(self) -> None:
        self._latest = self._mark = None
        self._old.clear()

    def _keep(self, snapshot: Snapshot) -> None:
        self._old[snapshot.version] = snapshot
        self._old.move_to_end(snapshot.version)
        while len(self._old) > KEPT_VERSIONS:
            self._old.popitem(last=False)

    def _build(self, version: int, listing: LogListing) -> Snapshot:
        base = self._base(version, listing)
        if base is not None:
            return self._replayed(base.state.copy(), version, range(base.version + 1, version + 1))
        problem: Error | None = None
        for segment in log.segments(listing, version, self.location):
            try:
                state = self._checkpointed(segment)
            except (
                CorruptInputError,
                SourceNotFound,
            ) as e:  # an older checkpoint, or all commits, still tell
                problem = problem or e
                continue
            return self._replayed(state, version, segment.commits)
        assert problem is not None
        raise problem

    def _base(self, version: int, listing: LogListing) -> Snapshot | None:
        """The newest known version below `version` that beats every checkpoint and has all commits after it."""
        known = [s for s in (self._latest, *self._old.values()) if s is not None and s.version <= version]
        base = max(known, key=lambda s: s.version, default=None)
        if base is None:
            return None
        shorter = any(base.version < c.version <= version for c in listing.checkpoints)
        if shorter and version - base.version > WORTH_A_CHECKPOINT:
            return None
        commits = set(listing.commits)
        return base if all(v in commits for v in range(base.version + 1, version + 1)) else None

    def _checkpointed(self, segment: Segment) -> LogState:
        from sqlshell.storage.delta.checkpoint import load_checkpoint

        return LogState() if segment.checkpoint is None else load_checkpoint(self, segment.checkpoint)

    def _replayed(self, state: LogState, version: int, commits: range | tuple[int, ...]) -> Snapshot:
        info = None
        for v in commits:
            info = state.apply(self.commit_actions(v))
        return Snapshot(self.location, version, self._time(version, state, info), state)

    def _time(self, version: int, state: LogState, info: CommitInfo | None) -> int:
        if info is not None and info.in_commit_timestamp is not None:
            return info.in_commit_timestamp
        found = self.store.stat(commit_name(version))
        return found.modified_ms if found is not None else 0


class DeltaTables:
    """The tables a session has opened, by location."""

    def __init__(
        self,
        call: Call = call_here,
        user_metadata: Callable[[], str | None] = lambda: None,
        held: Callable[[DeltaTable], Iterable[int]] = lambda table: (),
    ) -> None:
        self._call = call
        self._user_metadata = user_metadata
        self._held = held
        self._open: OrderedDict[str, DeltaTable] = OrderedDict()

    def open(self, location: str, base: str | None = None) -> DeltaTable:
        """The table at a location (relative ones below `base`), with what is known of its log."""
        path = resolve(location, base, remote=True)
        table = self._open.get(path)
        if table is None:
            table = DeltaTable(path, self._call, user_metadata=self._user_metadata)
            table.held = partial(self._held, table)
            self._open[path] = table
        self._open.move_to_end(path)
        while len(self._open) > KEPT_TABLES:
            self._open.popitem(last=False)
        return table

    def known_versions(self) -> dict[str, int]:
        """The newest versions seen so far, by location."""
        return {k: t.seen.version for k, t in self._open.items() if t.seen is not None}
