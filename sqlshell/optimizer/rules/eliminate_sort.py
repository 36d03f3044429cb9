"""Drop sorts whose order nobody can see.

    Aggregate > Sort        ->  Aggregate            (unless an aggregate depends on order: first, collect_list ...)
    Join(Sort > a, b)       ->  Join(a, b)
    Sort(k) > Sort(j)       ->  Sort(k)

Order matters at the root, below a Limit, and through projections and filters to either. Views with an ORDER BY and
subqueries with one are common; sorting them costs as much as the rest of the query.
"""

from __future__ import annotations

from sqlshell.expr.expr import AggCall
from sqlshell.functions import registry
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.plan.logical import Aggregate, Filter, Generate, Limit, Plan, Project, Sort, TopN


class EliminateSort(Rule):
    """Only sorts that count."""

    name = "eliminate_sort"
    needs = (Sort,)

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        return _visit(plan, True)


def _visit(node: Plan, ordered: bool) -> Plan:
    match node:
        case Sort():
            if not ordered:
                return _visit(node.input, False)
            return node.map_children(lambda c: _visit(c, False))
        case Project() | Filter() | Generate():
            return node.map_children(lambda c: _visit(c, ordered))
        case Limit():
            return node.map_children(lambda c: _visit(c, True))
        case TopN():
            return node.map_children(lambda c: _visit(c, False))
        case Aggregate():
            seen = any(_sees_order(a.expr) for a in node.aggs)
            return node.map_children(lambda c: _visit(c, seen))
        case _:
            return node.map_children(lambda c: _visit(c, False))


def _sees_order(e: object) -> bool:
    return isinstance(e, AggCall) and not e.order_by and registry.get(e.fn).ordered
