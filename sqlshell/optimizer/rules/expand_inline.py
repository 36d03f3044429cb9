"""Write inline() as explode() and field access.

    Generate(inline(xs) as a, b)  ->  Project(s.a as a, s.b as b) > Generate(explode(xs) as s)

Column pruning and PruneNestedFields then see each field by itself, and fields nobody uses are not read.
Runs before the columns batch.
"""

from __future__ import annotations

from sqlshell.expr.expr import Column, GetField
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.plan.logical import Generate, Named, Plan, Project, fresh_id, passthrough
from sqlshell.records import replace
from sqlshell.types import Array, Struct


class ExpandInline(Rule):
    """inline -> explode."""

    name = "expand_inline"
    needs = (Generate,)

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        result: Plan = plan.transform_up(_expand)
        return result


def _expand(node: Plan) -> Plan:
    if not isinstance(node, Generate) or node.generator.fn not in {"inline", "inline_outer"}:
        return node
    array = node.generator.args[0].type
    if not isinstance(array, Array) or not isinstance(array.element, Struct):
        return node
    element = Column(fresh_id(), "element", array.element, True)
    explode = replace(node.generator, fn="explode", type=array.element)
    exploded = Generate(node.input, explode, (element,), node.outer)
    fields = zip(node.columns, array.element.fields, strict=True)
    items = tuple(Named(c, GetField(element, f.name, f.type)) for c, f in fields)
    return Project(exploded, tuple(passthrough(c) for c in node.input.output) + items)
