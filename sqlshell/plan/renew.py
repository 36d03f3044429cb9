"""Copies of bound plans under fresh column ids: a CTE or view used twice must not produce one id twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import AggCall, Call, Column, PythonCall, SubqueryExpr
from sqlshell.functions import registry
from sqlshell.plan.logical import Apply, Join, Named, Plan, Values, fresh_id
from sqlshell.records import replace

if TYPE_CHECKING:
    from collections.abc import Iterator


def renew(plan: Plan) -> Plan:
    """`plan` with a fresh id for every column it produces, also in subqueries; free columns stay."""
    free = {c.id for c in plan.free_columns}
    fresh: dict[int, int] = {}

    def column(c: Any) -> Any:
        if c.id in free:
            return c
        new = fresh.get(c.id)
        if new is None:
            new = fresh[c.id] = fresh_id()
        return replace(c, id=new)

    def leaf(n: Any) -> Any:
        if isinstance(n, Column):
            return column(n)
        if isinstance(n, Named):
            return replace(n, column=column(n.column))
        if isinstance(n, SubqueryExpr):
            return replace(n, plan=node(n.plan))  # type: ignore[type-var]
        return n

    def node(p: Plan) -> Plan:
        p = p.map_children(node).map_exprs(lambda e: e.transform_up(leaf))
        changes: dict[str, Any] = {}
        if isinstance(p, Values):
            changes["rows"] = tuple(tuple(e.transform_up(leaf) for e in row) for row in p.rows)
        if "columns" in p.__dataclass_fields__:  # type: ignore[attr-defined]
            changes["columns"] = tuple(column(c) for c in p.columns)  # type: ignore[attr-defined]
        if isinstance(p, Join | Apply) and p.mark is not None:
            changes["mark"] = column(p.mark)
        return replace(p, **changes) if changes else p  # type: ignore[type-var]

    return node(plan)


def is_repeatable(plan: Plan) -> bool:
    """Whether running the plan twice gives the same rows (no rand(), uuid() ...)."""
    return all(is_deterministic(e) for e in _expressions(plan))


def is_deterministic(e: Any) -> bool:
    """Whether no call in `e` changes from one evaluation to the next."""
    return not any(_random(n) for n in e.walk())


def _random(n: Any) -> bool:
    if isinstance(n, SubqueryExpr):
        return not is_repeatable(n.plan)
    if isinstance(n, Call | AggCall):
        row = registry.lookup(n.fn)
        return row is not None and not row.deterministic
    return isinstance(n, PythonCall) and not n.function.deterministic


def _expressions(plan: Plan) -> Iterator[Any]:
    for p in plan.walk():
        yield from p.exprs
