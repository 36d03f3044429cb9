"""Turn outer joins into narrower ones where a predicate above drops the unmatched rows anyway.

    Filter(r.x > 1) > Join[left](l, r)     ->  Filter(r.x > 1) > Join[inner](l, r)
    Filter(l.x > 1) > Join[full](l, r)     ->  Filter(l.x > 1) > Join[left](l, r)
    Join[inner](Join[left](a, b), c, b.k = c.k)  ->  Join[inner](Join[inner](a, b), c, ...)

A predicate counts when it is not true for rows whose columns of one side are all NULL (`rejects_null`). Inner joins
filter better, may be reordered, and let predicates through on both sides. Runs with PushDownFilter, which leaves the
predicates above the join and moves them once it is inner.
"""

from __future__ import annotations

from sqlshell.expr.expr import Expr, conjuncts, substitute
from sqlshell.optimizer.properties import refs, rejects_null
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.plan.logical import (
    Aggregate,
    Filter,
    Generate,
    Join,
    Plan,
    Project,
    Sort,
    Union,
    Window,
)
from sqlshell.records import replace

_OUTER = frozenset({"left", "right", "full", "single"})


class EliminateOuterJoin(Rule):
    """Outer joins -> inner joins under null-rejecting predicates."""

    name = "eliminate_outer_join"
    needs = (Join,)

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        return _visit(plan, ())


def _visit(node: Plan, above: tuple[Expr, ...]) -> Plan:
    """`above` are predicates that every row needed from `node` satisfies."""
    if not _has_outer(node):
        return node
    match node:
        case Filter():
            return _child(node, above + conjuncts(node.predicate))
        case Project() | Aggregate():
            items = node.items if isinstance(node, Project) else node.keys
            mapping = {i.column.id: i.expr for i in items}
            parts = [p for p in above if refs(p) and refs(p) <= mapping.keys()]
            return _child(node, tuple(substitute(p, mapping) for p in parts))
        case Sort():
            return _child(node, above)
        case Window() | Generate():
            # A window sees the rows that the predicate above it drops.
            return _child(node, above if isinstance(node, Generate) else ())
        case Join():
            return _join(node, above)
        case Union():
            return node.map_children(lambda c: _visit(c, _for_branch(node, c, above)))
        case _:
            return node.map_children(lambda c: _visit(c, ()))


def _has_outer(node: Plan) -> bool:
    cached: bool | None = node.__dict__.get("_outer")
    if cached is None:
        own = isinstance(node, Join) and node.kind in _OUTER - {"single"}
        cached = own or any(_has_outer(c) for c in node.children)
        node.__dict__["_outer"] = cached
    return cached


def _child(node: Plan, above: tuple[Expr, ...]) -> Plan:
    return node.map_children(lambda c: _visit(c, above))


def _for_branch(node: Union, branch: Plan, above: tuple[Expr, ...]) -> tuple[Expr, ...]:
    mapping: dict[int, Expr] = {c.id: own for c, own in zip(node.columns, branch.output, strict=True)}
    return tuple(substitute(p, mapping) for p in above)


def _join(node: Join, above: tuple[Expr, ...]) -> Plan:
    kind = _narrowed(node, above)
    on = conjuncts(node.condition)
    left_above: tuple[Expr, ...] = ()
    right_above: tuple[Expr, ...] = ()
    if kind in {"inner", "cross", "left", "semi", "anti", "mark", "single"}:
        left_above = above
    if kind in {"inner", "cross", "right"}:
        right_above = above
    if kind in {"inner", "semi", "right"}:
        left_above += on
    if kind in {"inner", "semi", "left"} or (kind in {"anti", "mark"} and not node.null_aware):
        right_above += on
    left, right = _visit(node.left, left_above), _visit(node.right, right_above)
    if kind == node.kind and left is node.left and right is node.right:
        return node
    return replace(node, left=left, right=right, kind=kind)


def _narrowed(node: Join, above: tuple[Expr, ...]) -> str:
    """The kind of join that gives all rows that can satisfy `above`."""
    if node.kind not in {"left", "right", "full"}:
        return node.kind
    left_needed = any(rejects_null(p, node.left.output_ids) for p in above)
    right_needed = any(rejects_null(p, node.right.output_ids) for p in above)
    match node.kind, left_needed, right_needed:
        case "full", True, True:
            kind = "inner"
        case "full", True, False:
            kind = "left"
        case "full", False, True:
            kind = "right"
        case ("left", _, True) | ("right", True, _):
            kind = "inner"
        case _:
            return node.kind
    return "cross" if kind == "inner" and not conjuncts(node.condition) else kind
