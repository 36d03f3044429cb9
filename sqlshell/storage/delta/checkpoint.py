"""Checkpoints to log state: classic, in parts, and V2 (a JSON or Parquet manifest with sidecar files)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.storage.delta.actions import Add, DeletionVector, Remove, Sidecar, parse_commit
from sqlshell.storage.delta.log import SIDECARS
from sqlshell.storage.delta.snapshot import LogState

if TYPE_CHECKING:
    from sqlshell.storage.delta.log import Checkpoint
    from sqlshell.storage.delta.table import DeltaTable


def load_checkpoint(table: DeltaTable, checkpoint: Checkpoint) -> LogState:
    """The state at a checkpoint. Raises CORRUPT_INPUT or PATH_NOT_FOUND when a part cannot be read."""
    state = LogState()
    for name in checkpoint.files:
        for sidecar in _load(table, name, state):
            path = sidecar.path if "/" in sidecar.path else f"{SIDECARS}/{sidecar.path}"
            _load(table, path, state)
    return state


def _load(table: DeltaTable, name: str, state: LogState) -> list[Sidecar]:
    """Add a file's actions to the state; gives the sidecars it names."""
    if name.endswith(".json"):
        actions = parse_commit(table.store.read(name), f"{table.location}/{name}")
        state.apply(a for a in actions if not isinstance(a, Sidecar))
        return [a for a in actions if isinstance(a, Sidecar)]
    adds, removes, lines = table.call("read_checkpoint", table.location, name)
    for path, values, size, modified, changed, stats, tags, vector, *rest in zip(*adds, strict=True):
        add = Add(path, values or (), size, modified, changed, stats, tags, _vector(vector), *rest)
        state.files[add.key] = add
    for path, deleted, changed, values, size, tags, vector, *rest in zip(*removes, strict=True):
        remove = Remove(path, deleted, changed is not False, values, size, tags, _vector(vector), *rest)
        state.tombstones[remove.key] = remove
    actions = parse_commit(lines, f"{table.location}/{name}")
    state.apply(a for a in actions if not isinstance(a, Sidecar))
    return [a for a in actions if isinstance(a, Sidecar)]


def _vector(values: tuple[Any, ...] | None) -> DeletionVector | None:
    return None if values is None else DeletionVector(*values)
