"""Change data files: what a statement did to each row, written beside the table when its feed is on.

A commit with such files tells its changes by them alone, so everything that it inserts, updates and deletes is there:
the table's columns and `_change_type` (insert, delete, update_preimage, update_postimage). Commits that only add files,
or only remove whole ones, need none.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqlshell.commands import delta_write
from sqlshell.expr.expr import Expr, In, Literal
from sqlshell.plan.coerce import cast_to
from sqlshell.plan.logical import Filter, Plan, Project, Union, fresh_id, named
from sqlshell.records import dataclass, replace
from sqlshell.storage.delta.actions import Cdc
from sqlshell.storage.write_spec import WriteColumn
from sqlshell.types import STRING

if TYPE_CHECKING:
    from sqlshell.commands.changes import Affected, Outcome
    from sqlshell.expr.expr import Column
    from sqlshell.session import Session
    from sqlshell.storage.delta.snapshot import Snapshot

FOLDER = "_change_data"
CHANGE_TYPE = "_change_type"


@dataclass(frozen=True)
class Change:
    """Stored rows that mean one kind of change: their columns, and which clauses of MERGE they come from."""

    kind: str
    columns: tuple[Column, ...]
    where: tuple[Column, tuple[int, ...]] | None = None


def is_on(snapshot: Snapshot) -> bool:
    """Whether the table keeps a change data feed."""
    return snapshot.is_enabled("delta.enableChangeDataFeed")


def record(
    session: Session, snapshot: Snapshot, affected: Affected, changes: list[Change], outcome: Outcome
) -> None:
    """Write the changes and put their files into the commit."""
    wanted = [c for c in changes if c.where is None or c.where[1]]
    if not wanted:
        return
    spec = delta_write.write_spec(session, snapshot.location, snapshot.schema, snapshot.metadata)
    folder = os.path.join(snapshot.location, FOLDER)
    columns = (*spec.columns, WriteColumn(CHANGE_TYPE, STRING))
    spec = replace(spec, location=folder, columns=columns, prefix="cdc", stats=0)
    branches = tuple(_rows(snapshot, affected, c) for c in wanted)
    plan: Plan = branches[0]
    if len(branches) > 1:
        plan = Union(branches, tuple(replace(c, id=fresh_id(), nullable=True) for c in plan.output))
    try:
        files = delta_write.run_write(session, plan, (), spec)
    except BaseException:
        outcome.discard()
        raise
    outcome.undo = (*outcome.undo, lambda: delta_write.discard(folder, files))
    for add in delta_write.adds(files, spec):
        outcome.actions.append(Cdc(f"{FOLDER}/{add.path}", add.partition_values, add.size))


def _rows(snapshot: Snapshot, affected: Affected, change: Change) -> Project:
    """One kind of change, under ids of its own."""
    scan = affected.scan()
    fresh = {c.id: replace(c, id=fresh_id()) for c in scan.columns}
    plan: Plan = replace(scan, columns=tuple(fresh.values()))
    if change.where is not None:
        column, numbers = change.where
        options = tuple(Literal(n, column.type) for n in numbers)
        plan = Filter(plan, In(fresh[column.id], options))
    values: list[Expr] = [
        cast_to(fresh[c.id], f.type) for c, f in zip(change.columns, snapshot.schema.fields, strict=True)
    ]
    names = [f.name for f in snapshot.schema.fields]
    items = [named(n, e) for n, e in zip(names, values, strict=True)]
    return Project(plan, (*items, named(CHANGE_TYPE, Literal(change.kind, STRING))))
