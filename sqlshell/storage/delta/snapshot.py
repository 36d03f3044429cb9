"""One version of a table: its protocol, schema, live files, tombstones and application transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import CorruptInputError
from sqlshell.expr.tree import cached_property
from sqlshell.storage.delta.actions import (
    Action,
    Add,
    CommitInfo,
    DomainMetadata,
    Metadata,
    Protocol,
    Remove,
    Txn,
)
from sqlshell.storage.delta.files import AddList, Files
from sqlshell.storage.delta.protocol import check_readable, features
from sqlshell.storage.delta.schema import TableSchema, parse_schema

if TYPE_CHECKING:
    from collections.abc import Iterable


class LogState:
    """The result of replaying actions in order; later actions win."""

    __slots__ = ("domains", "files", "metadata", "protocol", "tombstones", "txns")

    def __init__(self) -> None:
        self.protocol: Protocol | None = None
        self.metadata: Metadata | None = None
        self.files: Files[Add] = Files()
        self.tombstones: Files[Remove] = Files()
        self.txns: dict[str, Txn] = {}
        self.domains: dict[str, DomainMetadata] = {}

    def copy(self) -> LogState:
        """An independent copy (actions are shared)."""
        other = LogState()
        other.protocol, other.metadata = self.protocol, self.metadata
        other.files, other.tombstones = self.files.copy(), self.tombstones.copy()
        other.txns, other.domains = self.txns.copy(), self.domains.copy()
        return other

    def apply(self, actions: Iterable[Action]) -> CommitInfo | None:
        """Replay a commit; gives its commitInfo."""
        info = None
        added: list[Add] = []
        for a in actions:
            if isinstance(a, Add):
                added.append(a)
            elif isinstance(a, Remove):
                key = a.key
                self.files.discard(key)
                self.tombstones[key] = a
            elif isinstance(a, CommitInfo):
                info = a
            elif isinstance(a, Metadata):
                self.metadata = a
            elif isinstance(a, Protocol):
                self.protocol = a
            elif isinstance(a, Txn):
                self.txns[a.app_id] = a
            elif isinstance(a, DomainMetadata):
                if a.removed:
                    self.domains.pop(a.domain, None)
                else:
                    self.domains[a.domain] = a
        # A file removed and added by one commit (its deletion vector changed) is there afterwards.
        for add in added:
            key = add.key
            self.files[key] = add
            self.tombstones.discard(key)
        return info


class Snapshot:
    """A version of a table, immutable. Made by `DeltaTable`; raises when the table needs a newer reader."""

    def __init__(self, location: str, version: int, timestamp_ms: int, state: LogState) -> None:
        if state.protocol is None or state.metadata is None:
            missing = "protocol" if state.protocol is None else "metaData"
            raise CorruptInputError(
                f"the Delta log of '{location}' has no {missing} action up to version {version}",
                condition="DELTA_STATE_RECOVER_ERROR",
            )
        check_readable(state.protocol, location)
        self.location = location
        self.version = version
        self.timestamp_ms = timestamp_ms
        self.state = state
        self.protocol: Protocol = state.protocol
        self.metadata: Metadata = state.metadata
        self.derived: dict[str, Any] = {}
        """What others keep per snapshot (scan file lists, statistics), computed once."""

    def __repr__(self) -> str:
        return f"Snapshot({self.location!r}, version={self.version}, files={len(self.state.files)})"

    @cached_property
    def schema(self) -> TableSchema:
        """The table's columns."""
        return parse_schema(self.metadata.schema_string)

    @cached_property
    def _files(self) -> AddList:
        return AddList(self.state.files)

    def files(self) -> AddList:
        """The live data files, in log order."""
        return self._files

    @property
    def tombstones(self) -> tuple[Remove, ...]:
        """Files removed and still remembered."""
        return tuple(self.state.tombstones.values())

    @property
    def txns(self) -> dict[str, Txn]:
        return self.state.txns

    @property
    def domains(self) -> dict[str, DomainMetadata]:
        return self.state.domains

    @property
    def partition_columns(self) -> tuple[str, ...]:
        """Logical names of the partition columns."""
        return self.metadata.partition_columns

    @property
    def features(self) -> frozenset[str]:
        """Names of the table's features."""
        return features(self.protocol)

    @property
    def mapping_mode(self) -> str:
        """Column mapping: none, name or id; only in force where the protocol has it."""
        if "columnMapping" not in self.features:
            return "none"
        return self.setting("delta.columnMapping.mode") or "none"

    def setting(self, key: str) -> str | None:
        """A table property (case-insensitive)."""
        found = self.metadata.configuration.get(key)
        if found is not None:
            return found
        lowered = key.lower()
        return next((v for k, v in self.metadata.configuration.items() if k.lower() == lowered), None)

    def is_enabled(self, key: str) -> bool:
        """Whether a boolean table property is true."""
        return (self.setting(key) or "").strip().lower() == "true"

    @property
    def in_commit_timestamps(self) -> bool:
        """Whether commits carry their own time."""
        return "inCommitTimestamp" in self.features and self.is_enabled("delta.enableInCommitTimestamps")

    def in_commit_since(self) -> int | None:
        """The first version whose commit carries its own time; None when none does."""
        if not self.in_commit_timestamps:
            return None
        return int(self.setting("delta.inCommitTimestampEnablementVersion") or 0)
