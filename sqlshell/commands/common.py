"""What several command handlers need: column lists of strings, patterns, queries of our own."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sqlshell.types import STRING, Field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.result import Result
    from sqlshell.session import Session


def strings(*names: str) -> tuple[Field, ...]:
    """Fields of type string."""
    return tuple(Field(n, STRING) for n in names)


def run_text(session: Session, text: str) -> Result:
    """Run a query of our own."""
    from sqlshell.parser.parse import parse_statement
    from sqlshell.parser.statement import Query

    query = parse_statement(text)
    assert isinstance(query, Query)
    return session.run_query(query)


def like(names: Iterable[str], pattern: str | None) -> list[str]:
    """SHOW's pattern: `*` and `|`, any case; `%` and `_` are not special there, as in Spark."""
    if pattern is None:
        return sorted(names)
    wanted = [p.strip().lower() for p in pattern.split("|")]
    return sorted(n for n in names if any(fnmatchcase(n.lower(), p) for p in wanted))
