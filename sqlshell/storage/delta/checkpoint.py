"""Checkpoints to log state: classic, in parts, and V2 (a JSON or Parquet manifest with sidecar files)."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlshell.storage.delta.actions import Action, Add, Remove, Sidecar, parse_commit
from sqlshell.storage.delta.files import A, Columns, Files
from sqlshell.storage.delta.log import SIDECARS
from sqlshell.storage.delta.snapshot import LogState

if TYPE_CHECKING:
    from sqlshell.storage.delta.log import Checkpoint
    from sqlshell.storage.delta.table import DeltaTable

Part = tuple[list[list[Any]], list[list[Any]], list[Action]]


def load_checkpoint(table: DeltaTable, checkpoint: Checkpoint) -> LogState:
    """The state at a checkpoint. Raises CORRUPT_INPUT or PATH_NOT_FOUND when a part cannot be read."""
    parts: list[Part] = []
    for name in checkpoint.files:
        part = _load(table, name)
        parts.append(part)
        for action in part[2]:
            if isinstance(action, Sidecar):
                path = action.path if "/" in action.path else f"{SIDECARS}/{action.path}"
                parts.append(_load(table, path))
    state = LogState()
    state.files = Files(_joined(Add, [adds for adds, _, _ in parts if adds]))
    state.tombstones = Files(_joined(Remove, [removes for _, removes, _ in parts if removes]))
    for _, _, actions in parts:
        state.apply(a for a in actions if not isinstance(a, Sidecar))
    return state


def _load(table: DeltaTable, name: str) -> Part:
    """Columns of a file's adds and removes, and its other actions."""
    if name.endswith(".json"):
        return [], [], parse_commit(table.store.read(name), f"{table.location}/{name}")
    adds, removes, lines = table.call("read_checkpoint", table.location, name)
    return adds, removes, parse_commit(lines, f"{table.location}/{name}")


def _joined(kind: type[A], parts: list[list[list[Any]]]) -> Columns[A] | None:
    if not parts or not any(p[0] for p in parts):
        return None
    columns: list[list[Any]] = parts[0]
    if len(parts) > 1:
        columns = [list(chain.from_iterable(same)) for same in zip(*parts, strict=True)]
    width = len(kind.__match_args__)
    found = Columns(kind, columns[:width])
    if kind is Add:
        found.derived["rows"] = columns[width]
    return found
