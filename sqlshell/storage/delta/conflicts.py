"""Whether a commit may go on top of commits that came first: the conflict matrix of Delta's documentation.

A statement read version r and wants to commit at r + 1; another commit is there already. It may be rebased on it
unless the other one

- changed the protocol or the metadata, or wrote the same application id or metadata domain;
- removed a file that we remove (two deletes, a delete after an OPTIMIZE);
- removed, with a change of data, a file that we read;
- added rows that we should have read. Under WriteSerializable, Delta's default, blind appends are exempt (we count
  as committed before them); under Serializable (`delta.isolationLevel`) they are not.

Rearrangements (OPTIMIZE: `dataChange` false) add and remove no rows: they never conflict with what was read, only
with removes of the same files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import ConcurrentModificationError
from sqlshell.records import dataclass
from sqlshell.storage.delta.actions import Add, CommitInfo, DomainMetadata, Metadata, Protocol, Remove, Txn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlshell.storage.delta.actions import Action


@dataclass(frozen=True)
class ReadSet:
    """What of the table a statement's outcome depends on.

    `might_hold(add)` says whether a file could hold rows that the statement reads (its filters against partition
    values and statistics); None is that nothing was read. `files` are keys of further files that were read.
    """

    might_hold: Callable[[Add], bool] | None = None
    files: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        return self.might_hold is None and not self.files


NOTHING = ReadSet()
"""A blind append: INSERT of rows that come from elsewhere."""


def _every_file(add: Add) -> bool:
    return True


WHOLE_TABLE = ReadSet(_every_file)
"""Anything that another writer changes matters."""


@dataclass(frozen=True)
class Winner:
    """A commit that was there first."""

    version: int
    actions: tuple[Action, ...]

    @property
    def info(self) -> CommitInfo:
        return next((a for a in self.actions if isinstance(a, CommitInfo)), CommitInfo({}))

    @property
    def is_blind_append(self) -> bool:
        return self.info.is_blind_append and not any(isinstance(a, Remove) for a in self.actions)

    def __str__(self) -> str:
        by = f" by {self.info.user}" if self.info.user else ""
        return f"version {self.version} ({self.info.operation}{by})"


def check(winner: Winner, ours: Iterable[Action], reads: ReadSet, isolation: str, location: str) -> None:
    """Raise a ConcurrentModificationError, naming the winner, when our actions cannot go on top of it."""
    mine = list(ours)

    def fail(condition: str, what: str) -> ConcurrentModificationError:
        return ConcurrentModificationError(
            f"another writer changed '{location}' first: {winner} {what}",
            condition=condition,
            hint="run the statement again: it will see that version",
        )

    if any(isinstance(a, Protocol) for a in winner.actions):
        raise fail("DELTA_PROTOCOL_CHANGED", "changed the table's protocol")
    if any(isinstance(a, Metadata) for a in winner.actions):
        raise fail("DELTA_METADATA_CHANGED", "changed the table's schema or properties")
    _check_names(winner, mine, fail)
    removed = [a for a in winner.actions if isinstance(a, Remove)]
    gone = {r.path for r in removed}
    twice = next((a.path for a in mine if isinstance(a, Remove) and a.path in gone), None)
    if twice is not None:
        raise fail(
            "DELTA_CONCURRENT_DELETE_DELETE",
            f"rewrote or removed a file that this statement changes ({twice})",
        )
    if not any(getattr(a, "data_change", False) for a in mine if isinstance(a, Add | Remove)) and any(
        isinstance(a, Add | Remove) for a in mine
    ):
        return  # we only rearrange: what others add or delete elsewhere does not matter
    for r in removed:
        if r.data_change and _was_read(r, reads):
            raise fail("DELTA_CONCURRENT_DELETE_READ", f"deleted rows that this statement read ({r.path})")
    exempt = isolation != "Serializable" and winner.is_blind_append
    if exempt and not any(isinstance(a, Metadata) for a in mine):
        return
    for add in winner.actions:
        if (
            isinstance(add, Add)
            and add.data_change
            and reads.might_hold is not None
            and reads.might_hold(add)
        ):
            raise fail(
                "DELTA_CONCURRENT_APPEND", f"added rows that this statement should have read ({add.path})"
            )


def _check_names(
    winner: Winner, mine: list[Action], fail: Callable[[str, str], ConcurrentModificationError]
) -> None:
    apps = {a.app_id for a in mine if isinstance(a, Txn)}
    domains = {a.domain for a in mine if isinstance(a, DomainMetadata)}
    for a in winner.actions:
        if isinstance(a, Txn) and a.app_id in apps:
            raise fail("DELTA_CONCURRENT_TRANSACTION", f"was written by the same application ({a.app_id})")
        if isinstance(a, DomainMetadata) and a.domain in domains:
            raise fail("DELTA_CONCURRENT_WRITE", f"changed the same metadata domain ({a.domain})")


def _was_read(removed: Remove, reads: ReadSet) -> bool:
    if removed.key in reads.files:
        return True
    if reads.might_hold is None:
        return False
    # A tombstone tells no statistics: its partition values may still rule it out.
    probe = Add(removed.path, removed.partition_values or (), removed.size or 0, 0)
    return removed.partition_values is None or reads.might_hold(probe)
