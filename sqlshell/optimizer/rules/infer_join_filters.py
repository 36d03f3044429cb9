"""Hand predicates on one join key over to the other.

    Join[inner](Filter(a.k in (1, 2)), b, a.k = b.k)  ->  Join[inner](.., Filter(b.k in (1, 2)), a.k = b.k)
    Join[inner](a, b, (a.x = 1 and b.y = 2) or (a.x = 3 and b.y = 4))
                                                      ->  and Filter(a.x in (1, 3)), Filter(b.y in (2, 4)) below

For inner and semi joins both ways; for left, anti, mark and single joins from left to right only (a right row with
another key matches nothing). Predicates are those known to hold for every row of an input, wherever in it they
stand. Runs with PushDownFilter, which carries the new filters on.
"""

from __future__ import annotations

from sqlshell.expr.expr import Column, Expr, Or, conjoin, conjuncts, disjoin, substitute
from sqlshell.optimizer.build import filtered
from sqlshell.optimizer.properties import is_movable, refs, split_equality
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.optimizer.rules.simplify_booleans import simplify
from sqlshell.plan.logical import (
    Aggregate,
    Filter,
    Generate,
    Join,
    Limit,
    Plan,
    Project,
    Scan,
    Sort,
    TopN,
    Window,
)
from sqlshell.records import replace

_BOTH_WAYS = frozenset({"inner", "semi"})
_TO_RIGHT = frozenset({"inner", "semi", "left", "anti", "mark", "single"})
Known = dict[int, tuple[Expr, ...]]
"""Column id -> predicates over that column alone which hold for every row."""


class InferJoinFilters(Rule):
    """Predicates on a key hold for the key it is joined with."""

    name = "infer_join_filters"
    needs = (Join,)

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        return _visit(plan)


def _visit(node: Plan) -> Plan:
    if "_inferred" in node.__dict__:
        return node
    node = node.map_children(_visit)
    if isinstance(node, Join) and node.kind in _TO_RIGHT | {"right"} and not node.null_aware:
        node = _infer(node)
    node.__dict__["_inferred"] = True
    return node


def _infer(node: Join) -> Join:
    left_ids = node.left.output_ids
    to_left: list[Expr] = []
    to_right: list[Expr] = []
    left_known, right_known = known(node.left), known(node.right)
    for part in conjuncts(node.condition):
        sides = split_equality(part)
        if sides is None:
            continue
        a, b = sides
        if not (isinstance(a, Column) and isinstance(b, Column)) or a.type != b.type:
            continue
        if a.id not in left_ids:
            a, b = b, a
        if a.id not in left_ids or b.id in left_ids:
            continue
        if node.kind in _TO_RIGHT:
            to_right += _translated(left_known, a, right_known, b)
        if node.kind in _BOTH_WAYS or node.kind == "right":
            to_left += _translated(right_known, b, left_known, a)
    for part in conjuncts(node.condition):
        if isinstance(part, Or) and "_implied" not in part.__dict__:
            part.__dict__["_implied"] = True
            if node.kind in _BOTH_WAYS:
                to_left += _implied(part, left_ids)
            to_right += _implied(part, node.right.output_ids) if node.kind in _TO_RIGHT else []
    if not to_left and not to_right:
        return node
    return replace(node, left=filtered(node.left, to_left), right=filtered(node.right, to_right))


def _translated(source: Known, a: Column, target: Known, b: Column) -> list[Expr]:
    moved = [substitute(p, {a.id: b}) for p in source.get(a.id, ())]
    return [p for p in moved if p not in target.get(b.id, ())]


def _implied(part: Or, side: frozenset[int]) -> list[Expr]:
    """What an OR over both inputs says about one: something, when each of its branches does."""
    branches: list[Expr] = []
    for branch in part.args:
        own = [p for p in conjuncts(branch) if refs(p) and refs(p) <= side and is_movable(p)]
        if not own:
            return []
        branches.append(conjoin(own))
    return [simplify(disjoin(branches))]


def known(node: Plan) -> Known:
    """What holds for single columns of every row of a plan."""
    cached: Known | None = node.__dict__.get("_known")
    if cached is None:
        cached = _known(node)
        node.__dict__["_known"] = cached
    return cached


def _known(node: Plan) -> Known:
    match node:
        case Scan():
            return _adding({}, node.filters)
        case Filter():
            return _adding(known(node.input), conjuncts(node.predicate))
        case Project() | Aggregate():
            below = known(node.input)
            items = node.items if isinstance(node, Project) else node.keys
            out: Known = {}
            for i in items:
                if isinstance(i.expr, Column) and i.expr.id in below:
                    mapping: dict[int, Expr] = {i.expr.id: i.column}
                    out[i.column.id] = tuple(substitute(p, mapping) for p in below[i.expr.id])
            return out
        case Window() | Generate() | Sort() | Limit() | TopN():
            return known(node.input)
        case Join(kind="inner" | "cross"):
            return {**known(node.left), **known(node.right)}
        case Join(kind="right"):
            return known(node.right)
        case Join(kind="full"):
            return {}
        case Join():
            return known(node.left)
        case _:
            return {}


def _adding(base: Known, parts: tuple[Expr, ...]) -> Known:
    out = dict(base)
    for p in parts:
        if len(refs(p)) == 1 and is_movable(p):
            (i,) = refs(p)
            out[i] = (*out.get(i, ()), p)
    return out
