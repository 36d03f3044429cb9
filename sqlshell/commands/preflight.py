"""What a plan is going to read, before it does: `--estimate`, `--max-bytes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.commands.profile_text import size
from sqlshell.errors import AnalysisError
from sqlshell.plan.logical import Scan

if TYPE_CHECKING:
    from sqlshell.exec.scan_facts import ScanFacts
    from sqlshell.plan.logical import Plan
    from sqlshell.session import Session


def facts_of(session: Session, plan: Plan) -> list[ScanFacts]:
    """The facts of an optimized plan's scans, from logs and footers."""
    scans = plan.collect(Scan)
    found: list[ScanFacts] = session.engine.call("scan_facts", scans) if scans else []
    return found


def check_reading(session: Session, plan: Plan, limit: int) -> None:
    """Raises READ_LIMIT_EXCEEDED when an optimized plan would read more than `limit` bytes."""
    total = sum(f.bytes for f in facts_of(session, plan))
    if total > limit:
        raise AnalysisError(
            f"the statement would read {size(total)}, --max-bytes is {size(limit)}",
            condition="READ_LIMIT_EXCEEDED",
            hint="read fewer columns, or filter by columns that files and row groups are sorted by; nothing was run",
        )
