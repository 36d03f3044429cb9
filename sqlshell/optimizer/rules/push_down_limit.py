"""Stop early: limits move to where rows are made, and meet the sort they belong to.

    Limit(n) > Sort(k)            ->  TopN(n, k)
    Limit(n) > Project            ->  Project > Limit(n)
    Limit(n, skip m) > Union      ->  Limit(n, skip m) > Union of Limit(n + m)         TopN likewise
    Limit(n) > Join[left](a, b)   ->  Limit(n) > Join[left](Limit(n) > a, b)           TopN too, over a's columns
    Limit(n) > Scan               ->  Limit(n) > Scan(limit=n)                         a hint: reading may stop there
    Limit(n) > RecursiveCte       ->  Limit(n) > RecursiveCte(limit=n)                 no more rounds than it takes
    Limit(n) > Limit(m)           ->  one Limit

A limit never passes a filter, an aggregate, a window or an inner join, all of which change how many rows arrive.
Runs after PruneColumns, since a projection may stand between the limit and its sort.
"""

from __future__ import annotations

from sqlshell.expr.expr import Column, Expr, SortKey, substitute
from sqlshell.optimizer.properties import is_deterministic, refs, refs_of
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.optimizer.stats import as_before
from sqlshell.plan.logical import (
    Generate,
    Join,
    Limit,
    Plan,
    Project,
    RecursiveCte,
    Scan,
    Sort,
    TopN,
    Union,
)
from sqlshell.records import replace

_KEEPS_LEFT = frozenset({"left", "mark", "single"})


class PushDownLimit(Rule):
    """Limits at their sources."""

    name = "push_down_limit"
    needs = (Limit, TopN)

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        return _visit(plan)


def _visit(node: Plan) -> Plan:
    if isinstance(node, Limit):
        pushed = _limit(node)
        if pushed is not node:
            return _visit(pushed)
    if isinstance(node, TopN):
        node = _top(node)
    return as_before(node, node.map_children(_visit))


def _limit(node: Limit) -> Plan:
    below = node.input
    match below:
        case Limit():
            return _merged(node, below)
        case Project() if all(is_deterministic(i.expr) for i in below.items):
            return replace(below, input=replace(node, input=below.input))
        case Sort() if node.count is not None:
            return TopN(below.input, below.keys, node.count, node.offset)
        case _ if node.count is None:
            return node
        case _:
            new = _hinted(below, node.count + node.offset)
            return node if new is below else replace(node, input=new)


def _merged(outer: Limit, inner: Limit) -> Limit:
    """The rows `outer` keeps of those `inner` keeps."""
    offset = inner.offset + outer.offset
    left = None if inner.count is None else max(0, inner.count - outer.offset)
    counts = [c for c in (left, outer.count) if c is not None]
    return Limit(inner.input, min(counts) if counts else None, offset)


def _hinted(node: Plan, rows: int) -> Plan:
    """`node`, allowed to give no more than some `rows` of its rows; itself when that is of no use to it."""
    match node:
        case Scan():
            smaller = node.limit is None or node.limit > rows
            return replace(node, limit=rows) if smaller else node
        case RecursiveCte(distinct=False):
            smaller = node.limit is None or node.limit > rows
            return replace(node, limit=rows) if smaller else node
        case Union():
            inputs = tuple(_bounded(i, rows) for i in node.inputs)
            changed = any(a is not b for a, b in zip(inputs, node.inputs, strict=True))
            return replace(node, inputs=inputs) if changed else node
        case Join() if node.kind in _KEEPS_LEFT:
            left = _bounded(node.left, rows)
            return node if left is node.left else replace(node, left=left)
        case Generate(outer=True):
            source = _bounded(node.input, rows)
            return node if source is node.input else replace(node, input=source)
        case _:
            return node


def _bounded(node: Plan, rows: int) -> Plan:
    """`node` under a limit, unless it has one that is as low."""
    at = node
    while isinstance(at, Project):
        at = at.input
    if isinstance(at, Limit | TopN) and at.count is not None and at.count <= rows:
        return node
    return Limit(node, rows)


def _top(node: TopN) -> Plan:
    below, rows = node.input, node.count + node.offset
    match below:
        case Union():
            inputs = tuple(_top_of(node, b, below, rows) for b in below.inputs)
            changed = any(a is not b for a, b in zip(inputs, below.inputs, strict=True))
            return replace(node, input=replace(below, inputs=inputs)) if changed else node
        case Join() if below.kind in _KEEPS_LEFT and refs_of(node.keys) <= below.left.output_ids:
            if isinstance(below.left, TopN):
                return node
            left = TopN(below.left, node.keys, rows)
            return replace(node, input=replace(below, left=left))
        case _:
            return node


def _top_of(node: TopN, branch: Plan, union: Union, rows: int) -> Plan:
    at = branch
    while isinstance(at, Project):
        at = at.input
    if isinstance(at, TopN | Limit):
        return branch
    mapping = {c.id: own for c, own in zip(union.columns, branch.output, strict=True)}
    keys = tuple(replace(k, expr=_over(k, mapping)) for k in node.keys)
    return TopN(branch, keys, rows)


def _over(key: SortKey, mapping: dict[int, Column]) -> Expr:
    result: Expr = substitute(key.expr, {i: mapping[i] for i in refs(key.expr)})
    return result
