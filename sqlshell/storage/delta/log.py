"""The files of a `_delta_log` folder, and which of them make up one version (Delta protocol, "Delta Log Entries")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlshell.errors import CorruptInputError
from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.storage.delta.store import LogStore

LOG = "_delta_log"
SIDECARS = f"{LOG}/_sidecars"
LAST_CHECKPOINT = f"{LOG}/_last_checkpoint"

_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(
    r"(\d{20})\.checkpoint(?:\.(?P<part>\d{10})\.(?P<parts>\d{10})|\.(?P<uuid>[0-9a-fA-F-]{36}))?"
    r"\.(?P<kind>parquet|json)"
)


def commit_name(version: int) -> str:
    """The file of a commit, relative to the table."""
    return f"{LOG}/{version:020d}.json"


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint: its version and its files (several when it was written in parts)."""

    version: int
    files: tuple[str, ...]

    @property
    def is_v2(self) -> bool:
        """Whether its name says that it is a V2 checkpoint; a classically named one may be one, too."""
        return self.files[0].count(".") == 3 and len(self.files) == 1


@dataclass(frozen=True)
class LogListing:
    """What a log folder holds: commit versions (ascending) and complete checkpoints (ascending)."""

    commits: tuple[int, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    others: tuple[str, ...] = field(default=(), repr=False)

    @property
    def latest(self) -> int | None:
        """The newest version, or None when there is no table."""
        found = [*self.commits[-1:], *(c.version for c in self.checkpoints[-1:])]
        return max(found) if found else None

    @property
    def earliest_recreatable(self) -> int | None:
        """The oldest version that can be read: 0 while its commit is there, else the first complete checkpoint
        followed by all later commits.
        """
        if self.commits and self.commits[0] == 0:
            return 0
        for c in self.checkpoints:
            if not self.commits or c.version >= self.commits[0] - 1:
                return c.version
        return None


def list_log(store: LogStore) -> LogListing:
    """The log folder's commits and checkpoints."""
    return parse_listing(store.names(LOG))


def parse_listing(names: Iterable[str]) -> LogListing:
    """File names of a log folder, sorted out."""
    commits: list[int] = []
    whole: list[Checkpoint] = []
    parts: dict[tuple[int, int], dict[int, str]] = {}
    others: list[str] = []
    for name in names:
        if len(name) == 25 and (m := _COMMIT.fullmatch(name)):
            commits.append(int(m[1]))
        elif m := _CHECKPOINT.fullmatch(name):
            version = int(m[1])
            if m["part"]:
                parts.setdefault((version, int(m["parts"])), {})[int(m["part"])] = f"{LOG}/{name}"
            elif m["kind"] == "parquet" or m["uuid"]:
                whole.append(Checkpoint(version, (f"{LOG}/{name}",)))
        else:
            others.append(name)
    for (version, count), found in parts.items():
        if len(found) == count:
            whole.append(Checkpoint(version, tuple(found[i] for i in sorted(found))))
    return LogListing(
        tuple(sorted(commits)),
        tuple(sorted(whole, key=lambda c: (c.version, len(c.files), c.files))),
        tuple(others),
    )


@dataclass(frozen=True)
class Segment:
    """What to replay for one version: a checkpoint, if any, then commits in order."""

    version: int
    checkpoint: Checkpoint | None
    commits: tuple[int, ...]


def segments(listing: LogListing, version: int, location: str) -> list[Segment]:
    """Ways to build a version, the shortest first. Raises CORRUPT_INPUT when a commit is missing."""
    found: list[Segment] = []
    commits = set(listing.commits)
    starts = [c for c in reversed(listing.checkpoints) if c.version <= version]
    for start in [*starts, None]:
        first = 0 if start is None else start.version + 1
        needed = range(first, version + 1)
        if all(v in commits for v in needed):
            found.append(Segment(version, start, tuple(needed)))
    if not found:
        base = starts[0].version + 1 if starts else 0
        missing = [v for v in range(base, version + 1) if v not in commits]
        raise CorruptInputError(
            f"the Delta log of '{location}' has a hole: commit {missing[0]} is missing, so version {version} "
            f"cannot be read",
            condition="DELTA_VERSIONS_NOT_CONTIGUOUS",
        )
    return found
