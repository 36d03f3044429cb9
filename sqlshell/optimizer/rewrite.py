"""Expression rewriting over whole plans: each expression once, results remembered on the expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.expr.tree import map_tuple
from sqlshell.plan.logical import Plan, Values
from sqlshell.records import replace

if TYPE_CHECKING:
    from collections.abc import Callable


def rewrite_exprs(plan: Plan, f: Callable[[Any], Any], done: str) -> Plan:
    """`plan` with `f` applied to every expression node, bottom-up, until `f` changes nothing.

    `done` names the mark that is left on settled expressions, so that the next run passes them by.
    """

    def settle(e: Any) -> Any:
        while done not in e.__dict__:
            new = e.map_children(settle)
            new = f(new)
            if new is e:
                e.__dict__[done] = True
            e = new
        return e

    def visit(node: Plan) -> Plan:
        if done in node.__dict__:
            return node
        node = node.map_children(visit).map_exprs(settle)
        if isinstance(node, Values):
            rows = map_tuple(node.rows, lambda row: map_tuple(row, settle))
            node = node if rows is node.rows else replace(node, rows=rows)
        node.__dict__[done] = True
        return node

    return visit(plan)
