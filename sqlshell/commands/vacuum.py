"""VACUUM: removes files that no version within the retention, and no held version, needs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlshell import relations
from sqlshell.errors import AnalysisError, ConcurrentModificationError
from sqlshell.result import Result
from sqlshell.storage.delta import vacuum as files
from sqlshell.storage.delta.commit import commit
from sqlshell.storage.delta.properties import duration_ms
from sqlshell.storage.tags import holders
from sqlshell.types import BIGINT, STRING, Array, Field

if TYPE_CHECKING:
    from sqlshell.parser.statement_maintenance import Vacuum
    from sqlshell.session import Session
    from sqlshell.storage.delta.table import DeltaTable

RETENTION = "interval 1 week"
"""Delta's default of `delta.deletedFileRetentionDuration`."""
HOUR_MS = 3_600_000


def vacuum(session: Session, s: Vacuum) -> Result:
    """VACUUM t [LITE | FULL] [RETAIN n HOURS] [DRY RUN]."""
    target = relations.target(session, s.name, s.name_span, what="VACUUM")
    table = target.table
    default = duration_ms(target.snapshot.setting("delta.deletedFileRetentionDuration"), RETENTION)
    retention = default if s.hours is None else int(s.hours * HOUR_MS)
    checked = bool(session.settings.get("sqlshell.vacuum.retentionCheck"))
    if retention < default and checked:
        hours = default / HOUR_MS
        raise AnalysisError(
            f"files of '{target.name}' are kept for {hours:g} hours after they left the table, so that older "
            f"versions stay readable and running statements find their files: RETAIN {s.hours:g} HOURS is less",
            condition="DELTA_VACUUM_RETENTION_PERIOD_TOO_SHORT",
            span=s.name_span,
            hint="SET sqlshell.vacuum.retentionCheck = false allows it, when nobody else uses the table; "
            "the table property delta.deletedFileRetentionDuration is the rule",
        )
    cutoff = time.time_ns() // 1_000_000 - retention
    gone, kept = files.unneeded(table, cutoff, lite=s.lite)
    warnings = _kept(session, table, kept)
    if s.dry_run:
        fields = [Field("path", STRING, False), Field("size", BIGINT, False)]
        return Result(fields, gone, warnings=warnings)
    if gone:
        size = sum(n for _, n in gone)
        parameters: dict[str, Any] = {
            "retentionCheckEnabled": str(checked).lower(),
            "defaultRetentionMillis": default,
            "specifiedRetentionMillis": None if s.hours is None else retention,
        }
        _note(table, "VACUUM START", parameters, {"numFilesToDelete": len(gone), "sizeOfDataToDelete": size})
        removed = files.remove(p for p, _ in gone)
        _note(
            table, "VACUUM END", {"status": "COMPLETED"},
            {"numDeletedFiles": removed, "numVacuumedDirectories": 0},
        )  # fmt: skip
    fields = [
        Field("path", STRING, False),
        Field("num_deleted_files", BIGINT, False),
        Field("deleted_bytes", BIGINT, False),
        Field("num_held_files", BIGINT, False),
        Field("held_versions", Array(BIGINT, False), False),
    ]
    held = sorted(set(table.held()))
    row = (table.location, len(gone), sum(n for _, n in gone), len(kept), held)
    return Result(fields, [row], warnings=warnings)


def _kept(session: Session, table: DeltaTable, kept: list[str]) -> list[str]:
    if not kept:
        return []
    held = set(table.held())
    named = [str(h) for h in holders(session.catalog, table.location) if h.version in held]
    more = f" and {len(named) - 10} more" if len(named) > 10 else ""
    return [f"{len(kept)} files stay: they are held by {', '.join(named[:10])}{more}"]


def _note(table: DeltaTable, operation: str, parameters: dict[str, Any], metrics: dict[str, int]) -> None:
    """A commit that changes nothing and tells who removed files; it may go on top of anything."""
    while True:
        try:
            commit(table, table.latest(), [], operation, parameters, metrics=metrics)
        except ConcurrentModificationError:
            continue
        return
