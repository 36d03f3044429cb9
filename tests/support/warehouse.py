"""A session made as new: no views, an empty warehouse, the present time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.statement_context import DEFAULT_SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

    from sqlshell.session import Session


def renew(session: Session, warehouse: Path) -> None:
    """Point a session at another warehouse and forget everything but its settings."""
    for name in session.cached:
        session.cached.forget(name)
    session.views.clear()
    session.functions.clear()
    session.time_travel = None
    session.lake_pins = {}
    session.current_schema = DEFAULT_SCHEMA
    session.warehouse = str(warehouse)
    session.__dict__.pop("catalog", None)
