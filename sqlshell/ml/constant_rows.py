"""Rows that a model function knows without reading anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import Column, Literal
from sqlshell.plan.context import BoundQuery
from sqlshell.plan.logical import Values, fresh_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.types import SqlType


def constant_rows(columns: Iterable[tuple[str, SqlType]], rows: Iterable[tuple[Any, ...]]) -> BoundQuery:
    """Constant rows as a query."""
    made = tuple(Column(fresh_id(), n, t) for n, t in columns)
    cells = tuple(tuple(Literal(v, c.type) for v, c in zip(row, made, strict=True)) for row in rows)
    return BoundQuery(Values(made, cells), tuple(c.name for c in made))
