"""Plans that are only constants: their rows need no worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import Literal
from sqlshell.plan.logical import Limit, Plan, Project, Values
from sqlshell.result_values import python_value

if TYPE_CHECKING:
    from sqlshell.expr.expr import Expr


def literal_rows(plan: Plan) -> list[tuple[Any, ...]] | None:
    """The rows of a plan that is only constants, so that `SELECT 1` needs no worker; else None."""
    if isinstance(plan, Limit):
        rows = literal_rows(plan.input)
        if rows is None:
            return None
        end = None if plan.count is None else plan.offset + plan.count
        return rows[plan.offset : end]
    if isinstance(plan, Values):
        return _literals(plan.rows)
    if isinstance(plan, Project) and isinstance(plan.input, Values) and not plan.input.columns:
        row = tuple(i.expr for i in plan.items)
        return _literals((row,) * len(plan.input.rows))
    return None


def _literals(rows: tuple[tuple[Expr, ...], ...]) -> list[tuple[Any, ...]] | None:
    out = []
    for row in rows:
        if not all(isinstance(e, Literal) for e in row):
            return None
        out.append(tuple(python_value(e.value, e.type) for e in row if isinstance(e, Literal)))
    return out
