"""Group only what a join will look at.

    Join(X, Aggregate(k; f; R), X.a = k)  ->  Join(X, Aggregate(k; f; Join[semi](R, X', X'.a = k)), X.a = k)

Decorrelated subqueries compute an aggregate for every key, where the outer query asks for few (TPC-H Q17: the average
quantity of 200,000 parts, of which 200 are asked for). When the other side of the join has clearly fewer rows than
there are groups, a semi join with its keys goes below the aggregate. X' is the smallest part of X that has the keys:
read again when that is a plain scan, shared otherwise. Right after ReorderJoins, which knows what joins with what.
"""

from __future__ import annotations

from sqlshell.expr.expr import Column, Expr, conjoin, conjuncts, substitute
from sqlshell.optimizer import stats
from sqlshell.optimizer.build import keep
from sqlshell.optimizer.clone import clone
from sqlshell.optimizer.dependent_join import repeatable
from sqlshell.optimizer.properties import equal, is_movable, split_equality
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.optimizer.rules.reorder_joins import reorder
from sqlshell.plan.logical import Aggregate, Filter, Join, Plan, Project, Scan, Shared, fresh_column, fresh_id
from sqlshell.records import dataclass, replace

FEWER = 0.2
"""The other side must have fewer rows than this part of the groups."""
MANY_ROWS = 50_000
"""Rows to group below which it is not worth an operator."""


class ReduceGroupedInput(Rule):
    """Semi join below an aggregate."""

    name = "reduce_grouped_input"
    needs = (Join,)

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        return _visit(plan)


def _visit(node: Plan) -> Plan:
    node = stats.as_before(node, node.map_children(_visit))
    if not isinstance(node, Join) or node.null_aware:
        return node
    if node.kind in {"inner", "left", "single", "semi", "anti", "mark"}:
        node = _reduce(node, node.left, node.right, "right")
    if node.kind in {"inner", "semi", "right"}:
        node = _reduce(node, node.right, node.left, "left")
    return node


def _reduce(node: Join, other: Plan, grouped: Plan, field: str) -> Join:
    """`node` with the aggregate on its `field` side reduced by the keys of the `other` side."""
    found = _aggregate_below(grouped)
    if found is None or stats.rows(found.node.input) < MANY_ROWS:
        return node
    pairs = _pairs(node, other, grouped, found)
    if not pairs:
        return node
    source = _source(other, frozenset(a.id for a, _ in pairs), FEWER * stats.rows(found.node))
    if source is None or _is_reduced(found.node.input):
        return node
    other, reduced = _semi(other, source, found.node, pairs)
    changed = _replaced(grouped, found.node, replace(found.node, input=reduced))
    left, right = (other, changed) if field == "right" else (changed, other)
    return replace(node, left=left, right=right)


@dataclass(frozen=True)
class _Found:
    node: Aggregate
    keys: dict[int, Expr]
    """Column of the joined side -> grouping expression, where it is a key."""


def _aggregate_below(plan: Plan) -> _Found | None:
    """The aggregate that projections and filters only dress."""
    names: dict[int, Expr] = {c.id: c for c in plan.output}
    while isinstance(plan, Project | Filter):
        if isinstance(plan, Project):
            inner = {i.column.id: i.expr for i in plan.items}
            names = {k: substitute(e, inner) for k, e in names.items()}
        plan = plan.input
    if not isinstance(plan, Aggregate) or not plan.keys:
        return None
    keys = {k.column.id: k.expr for k in plan.keys}
    found = {
        i: keys[e.id]
        for i, e in names.items()
        if isinstance(e, Column) and e.id in keys and is_movable(keys[e.id])
    }
    return _Found(plan, found)


def _pairs(node: Join, other: Plan, grouped: Plan, found: _Found) -> list[tuple[Column, Expr]]:
    """(column of the other side, grouping expression) that the join requires to be equal."""
    out = []
    for part in conjuncts(node.condition):
        sides = split_equality(part)
        for a, b in (sides, sides[::-1]) if sides is not None else ():
            if not isinstance(a, Column) or not isinstance(b, Column):
                continue
            if a.id in other.output_ids and b.id in found.keys:
                out.append((a, found.keys[b.id]))
    return out


def _source(plan: Plan, ids: frozenset[int], most: float) -> Plan | None:
    """The deepest part of `plan` that has all the columns and few rows: the deeper, the less is computed for it."""
    best: Plan | None = None
    while ids <= plan.output_ids:
        count = stats.rows(plan)
        if count <= most and repeatable(plan) and (best is None or count < 10 * stats.rows(best)):
            best = plan
        below = [c for c in plan.children if ids <= c.output_ids]
        if len(below) != 1 or isinstance(plan, Aggregate):
            break
        plan = below[0]
    return best


def _is_plain(plan: Plan) -> bool:
    """A scan, filtered and projected: cheap to read twice."""
    while isinstance(plan, Project | Filter):
        plan = plan.input
    return isinstance(plan, Scan)


def _is_reduced(plan: Plan) -> bool:
    return isinstance(plan, Join) and plan.kind == "semi"


def _semi(
    other: Plan, source: Plan, aggregate: Aggregate, pairs: list[tuple[Column, Expr]]
) -> tuple[Plan, Plan]:
    """The other side, and the aggregate's input with only rows whose keys are in `source`."""
    copy, _ = clone(source)
    if _is_plain(source):
        keys = copy
    else:
        key = fresh_id()
        other = _replaced(other, source, Shared(key, copy, source.output))
        keys = Shared(key, copy, tuple(fresh_column(c.name, c) for c in source.output))
    own = {c.id: k for c, k in zip(source.output, keys.output, strict=True)}
    links: list[Expr] = [equal(b, own[a.id]) for a, b in pairs]
    columns = dict.fromkeys(own[a.id] for a, _ in pairs)
    semi = Join(aggregate.input, keep(keys, list(columns)), "semi", conjoin(links))
    return other, reorder(semi)


def _replaced(plan: Plan, old: Plan, new: Plan) -> Plan:
    if plan is old:
        return new
    return stats.as_before(plan, plan.map_children(lambda c: _replaced(c, old, new)))
