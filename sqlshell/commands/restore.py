"""RESTORE TABLE: an earlier version's files, schema and properties become the newest version, as one commit.

The protocol stays: what later versions switched on may be needed by their files. Nothing is copied; files that the
earlier version had and the latest does not have are added again, so they must not have been vacuumed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlshell import relations
from sqlshell.commands.dml import retried
from sqlshell.errors import Error
from sqlshell.plan.bind import Binder
from sqlshell.plan.bind_store import IDENTITY_MARK, IDENTITY_STEP, is_identity
from sqlshell.plan.bind_table import table_version
from sqlshell.records import replace
from sqlshell.result import Result
from sqlshell.statement_context import StatementContext
from sqlshell.storage.delta.actions import DomainMetadata
from sqlshell.storage.delta.commit import commit
from sqlshell.storage.delta.conflicts import WHOLE_TABLE
from sqlshell.storage.delta.properties import MAX_COLUMN_ID
from sqlshell.storage.delta.schema import TableSchema
from sqlshell.types import BIGINT, Field

if TYPE_CHECKING:
    from sqlshell.parser.statement_maintenance import RestoreTable
    from sqlshell.session import Session
    from sqlshell.storage.delta.actions import Action, Metadata
    from sqlshell.storage.delta.snapshot import Snapshot

COLUMNS = (
    "table_size_after_restore", "num_of_files_after_restore", "num_removed_files", "num_restored_files",
    "removed_files_size", "restored_files_size",
)  # fmt: skip


def restore_table(session: Session, s: RestoreTable) -> Result:
    """RESTORE TABLE t TO VERSION | TIMESTAMP AS OF e."""
    return retried(lambda: _restore(session, s))


def _restore(session: Session, s: RestoreTable) -> Result:
    target = relations.target(session, s.name, s.name_span, what="RESTORE")
    context = StatementContext(session)
    binder = Binder(context)
    binder.text = s.text
    wanted = table_version(binder, s.as_of.kind, s.as_of.value)
    latest = context.pin(target.table)
    try:
        old = context.pin(target.table, wanted)
    except Error as e:
        e.span = e.span or s.name_span
        raise
    now = time.time_ns() // 1_000_000
    before, after = latest.state.files, old.state.files
    removed = [a for k, a in before.items() if k not in after]
    added = [a for k, a in after.items() if k not in before]
    actions: list[Action] = [a.removed(now) for a in removed]
    actions += [replace(a, data_change=True) for a in added]
    metadata = _metadata(latest, old)
    if metadata != latest.metadata:
        actions.append(metadata)
    actions += _domains(latest, old)
    counts = (
        sum(a.size for a in after.values()), len(after), len(removed), len(added),
        sum(a.size for a in removed), sum(a.size for a in added),
    )  # fmt: skip
    if old.version != latest.version:
        names = (
            "tableSizeAfterRestore", "numOfFilesAfterRestore", "numRemovedFiles", "numRestoredFiles",
            "removedFilesSize", "restoredFilesSize",
        )  # fmt: skip
        stamp = str(wanted.value) if wanted.kind == "timestamp" else None
        commit(
            target.table, latest, actions, "RESTORE", {"version": old.version, "timestamp": stamp},
            reads=WHOLE_TABLE, metrics=dict(zip(names, counts, strict=True)),
        )  # fmt: skip
    return Result([Field(n, BIGINT, False) for n in COLUMNS], [counts])


def _metadata(latest: Snapshot, old: Snapshot) -> Metadata:
    """The old metadata, without going back on numbers that must never be given out twice."""
    metadata = old.metadata
    ids = [int(m.configuration.get(MAX_COLUMN_ID, 0)) for m in (latest.metadata, old.metadata)]
    if max(ids) > ids[1] and MAX_COLUMN_ID in old.metadata.configuration:
        metadata = replace(metadata, configuration=metadata.configuration | {MAX_COLUMN_ID: str(max(ids))})
    fields = list(old.schema.fields)
    changed = False
    for i, f in enumerate(fields):
        now = latest.schema.field(f.name)
        if not is_identity(f) or now is None or now.metadata.get(IDENTITY_MARK) is None:
            continue
        marks = [
            int(m) for m in (f.metadata.get(IDENTITY_MARK), now.metadata[IDENTITY_MARK]) if m is not None
        ]
        mark = max(marks) if int(f.metadata[IDENTITY_STEP]) > 0 else min(marks)
        if mark != f.metadata.get(IDENTITY_MARK):
            fields[i] = replace(f, metadata=f.metadata | {IDENTITY_MARK: mark})
            changed = True
    return replace(metadata, schema_string=TableSchema(tuple(fields)).to_string()) if changed else metadata


def _domains(latest: Snapshot, old: Snapshot) -> list[Action]:
    """Clustering and other domains as they were."""
    found: list[Action] = [d for n, d in old.domains.items() if latest.domains.get(n) != d]
    found += [DomainMetadata(n, "", removed=True) for n in latest.domains if n not in old.domains]
    return found
