"""What several command handlers need: column lists of strings, patterns, the error for a missing view."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError, did_you_mean
from sqlshell.types import STRING, Field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.errors import Span
    from sqlshell.session import Session


def strings(*names: str) -> tuple[Field, ...]:
    """Fields of type string."""
    return tuple(Field(n, STRING) for n in names)


def no_view(session: Session, name: tuple[str, ...], span: Span | None) -> AnalysisError:
    """The error for a name that is no table or view, with near names."""
    return AnalysisError(
        f"there is no table or view `{'.'.join(name)}`",
        condition="TABLE_OR_VIEW_NOT_FOUND",
        span=span,
        hint=did_you_mean(".".join(name), session.views),
    )


def like(names: Iterable[str], pattern: str | None) -> list[str]:
    """SHOW's pattern: `*` and `|`, any case; `%` and `_` are not special there, as in Spark."""
    if pattern is None:
        return sorted(names)
    wanted = [p.strip().lower() for p in pattern.split("|")]
    return sorted(n for n in names if any(fnmatchcase(n.lower(), p) for p in wanted))
