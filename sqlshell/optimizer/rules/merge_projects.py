"""Remove projections that do nothing, and merge those that stand on one another.

    Project(a + 1 as b) > Project(x * 2 as a)   ->   Project(x * 2 + 1 as b)
    Project(a, b) over a plan that gives a, b   ->   the plan

A computed expression is merged only when it is used once, so that nothing is computed twice; random and failing
expressions keep their place. Runs after filters moved, which leaves projections next to each other.
"""

from __future__ import annotations

from collections import Counter

from sqlshell.expr.expr import Column, GetField, Lambda, Literal, substitute
from sqlshell.optimizer.properties import is_deterministic, refs, refs_of
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.optimizer.stats import as_before
from sqlshell.plan.logical import Named, Plan, Project


class MergeProjects(Rule):
    """Fewer projections."""

    name = "merge_projects"
    needs = (Project,)

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        return _visit(plan)


def _visit(node: Plan) -> Plan:
    if "_merged" in node.__dict__:
        return node
    new = as_before(node, node.map_children(_visit))
    while isinstance(new, Project):
        merged = _merge(new)
        if merged is new:
            break
        new = merged
    if isinstance(new, Project) and _is_identity(new):
        new = new.input
    new.__dict__["_merged"] = True
    return new


def _is_identity(node: Project) -> bool:
    """Every input column kept, in order, under its id (dropping columns is not nothing)."""
    output = node.input.output
    return len(output) == len(node.items) and all(
        isinstance(i.expr, Column) and i.expr.id == i.column.id == c.id
        for i, c in zip(node.items, output, strict=True)
    )


def _merge(node: Project) -> Plan:
    below = node.input
    if not isinstance(below, Project):
        return node
    mapping = {i.column.id: i.expr for i in below.items}
    uses = Counter(c.id for i in node.items for c in i.expr.collect(Column))
    in_lambdas = refs_of(n for i in node.items for n in i.expr.collect(Lambda))
    for i in below.items:
        used = uses[i.column.id]
        if not used or isinstance(i.expr, Column | Literal):
            continue
        if not is_deterministic(i.expr) or i.column.id in in_lambdas:
            return node
        if used > 1 and not isinstance(i.expr, GetField):
            return node
    items = tuple(
        Named(i.column, substitute(i.expr, {k: mapping[k] for k in refs(i.expr)})) for i in node.items
    )
    return Project(below.input, items)
