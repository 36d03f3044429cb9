"""Choose the order of inner joins by estimated cost.

    Join(Join(lineitem, orders), Filter(customer))  ->  Join(lineitem, Join(orders, Filter(customer)))

A region of inner and cross joins becomes a graph (`join_graph.py`), the cheapest tree is found (`join_order.py`) and
built. **The build side is `right`**: of two inputs the one with fewer estimated rows. Semi and anti joins inside the
region are filters on their left columns: those that drop most rows go directly on their relation, the others on top.
Joins with a hint and outer joins are leaves. Runs once, when filters are where they belong: they decide the sizes.
"""

from __future__ import annotations

from sqlshell.expr.expr import Expr, conjoin, conjuncts
from sqlshell.optimizer import stats
from sqlshell.optimizer.build import filtered, keep
from sqlshell.optimizer.join_graph import JoinGraph
from sqlshell.optimizer.join_order import Tree, best_order
from sqlshell.optimizer.properties import refs
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.plan.logical import (
    Filter,
    Generate,
    Join,
    Limit,
    Plan,
    RecursiveCte,
    Sort,
    TopN,
    Union,
    Window,
)
from sqlshell.records import dataclass, replace

_INNER = frozenset({"inner", "cross"})
_FILTERING = frozenset({"semi", "anti"})
EARLY = 0.5
"""A semi join that keeps a smaller part than this goes below the inner joins."""


class ReorderJoins(Rule):
    """Cheap join orders."""

    name = "reorder_joins"
    needs = (Join,)

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        return _visit(plan, True)


def reorder(plan: Plan) -> Plan:
    """A plan whose columns are read by id, with its joins in a good order."""
    return _visit(plan, False)


def _visit(node: Plan, ordered: bool) -> Plan:
    """`ordered`: somebody above reads the columns by position."""
    if isinstance(node, Join) and _in_region(node):
        return _region(node, ordered)
    match node:
        case Union() | RecursiveCte():
            return node.map_children(lambda c: _visit(c, True))
        case Filter() | Sort() | Limit() | TopN() | Window() | Generate() | Join():
            return node.map_children(lambda c: _visit(c, ordered))
        case _:
            return node.map_children(lambda c: _visit(c, False))


def _in_region(node: Plan) -> bool:
    if not isinstance(node, Join) or node.hint is not None:
        return False
    return node.kind in _INNER or (node.kind in _FILTERING and _in_region(node.left))


@dataclass
class _Parts:
    """What a region consists of."""

    relations: list[Plan]
    conditions: list[Expr]
    semis: list[Join]

    def collect(self, node: Plan) -> None:
        if isinstance(node, Join) and node.hint is None and node.kind in _INNER:
            self.collect(node.left)
            self.collect(node.right)
            self.conditions += conjuncts(node.condition)
        elif isinstance(node, Join) and node.hint is None and node.kind in _FILTERING:
            self.collect(node.left)
            self.semis.append(replace(node, right=_visit(node.right, False)))
        else:
            self.relations.append(_visit(node, False))


def _region(node: Join, ordered: bool) -> Plan:
    parts = _Parts([], [], [])
    parts.collect(node)
    late = _place_early(parts)
    graph = JoinGraph(parts.relations)
    graph.add(parts.conditions)
    tree, _ = best_order(graph)
    joined, _ = _built(graph, tree)
    joined = filtered(joined, graph.late)
    for semi in late:
        joined = replace(semi, left=joined)
    result = keep(joined, node.output) if ordered else joined
    return node if result == node else result


def _place_early(parts: _Parts) -> list[Join]:
    """Put selective semi joins on the relation they look at; the others are returned, most selective first."""
    late: list[tuple[float, Join]] = []
    for semi in parts.semis:
        at = _only_relation(semi, parts.relations)
        if at is None:
            late.append((1.0, semi))
            continue
        placed = replace(semi, left=parts.relations[at])
        part = stats.rows(placed) / stats.rows(parts.relations[at])
        if part < EARLY or len(parts.relations) == 1:
            parts.relations[at] = placed
        else:
            late.append((part, semi))
    return [semi for _, semi in sorted(late, key=lambda s: s[0])]


def _only_relation(semi: Join, relations: list[Plan]) -> int | None:
    used = refs(semi.condition) if semi.condition is not None else frozenset()
    used -= semi.right.output_ids
    if not used:
        return None
    return next((i for i, r in enumerate(relations) if used <= r.output_ids), None)


def _built(graph: JoinGraph, tree: Tree) -> tuple[Plan, int]:
    """The plan of a tree, and its mask."""
    if isinstance(tree, int):
        return graph.relations[tree], 1 << tree
    left, s1 = _built(graph, tree[0])
    right, s2 = _built(graph, tree[1])
    parts = graph.condition(s1, s2)
    kind = "inner" if parts else "cross"
    plan = Join(left, right, kind, conjoin(parts) if parts else None)
    plan.__dict__["_rows"] = graph.joined_rows(s1, s2)
    return plan, s1 | s2
