"""CACHE TABLE, UNCACHE TABLE and CLEAR CACHE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell import relations
from sqlshell.errors import AnalysisError, DatabaseError, NotSupportedError
from sqlshell.plan.context import ViewDefinition
from sqlshell.result import Result, command

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.parser import statement as st
    from sqlshell.session import Session


def cache(session: Session, s: st.CacheTable) -> Result:
    """CACHE [LAZY] TABLE name [AS query]."""
    name = ".".join(s.name).lower()
    level = {k.lower(): v for k, v in s.options.items()}.get("storagelevel", "MEMORY_AND_DISK").upper()
    if s.query is not None:
        if name in session.views:
            raise AnalysisError(
                f"the view `{name}` exists already",
                condition="TEMP_TABLE_OR_VIEW_ALREADY_EXISTS",
                span=s.name_span,
            )
        session.views[name] = ViewDefinition(name, s.query.sql)
    elif name not in session.views:
        raise _missing(session, s.name, s.name_span)
    session.cached.keep(name, level, lazy=s.lazy)
    return command("OK")


def uncache(session: Session, s: st.UncacheTable) -> Result:
    """UNCACHE TABLE [IF EXISTS] name."""
    name = ".".join(s.name).lower()
    if not session.cached.forget(name) and name not in session.views and not s.if_exists:
        raise _missing(session, s.name, s.name_span)
    return command("OK")


def clear_cache(session: Session, s: st.ClearCache) -> Result:
    """CLEAR CACHE."""
    for name in session.cached:
        session.cached.forget(name)
    return command("OK")


def _missing(session: Session, name: tuple[str, ...], span: Span | None) -> DatabaseError:
    """The error for what is no temporary view."""
    if relations.find(session, name, span) is not None:
        return NotSupportedError(
            "only temporary views can be cached: tables change", span=span,
            hint=f"CACHE TABLE c AS SELECT * FROM {'.'.join(name)} keeps what is there now",
        )  # fmt: skip
    return relations.not_found(session, name, span)
