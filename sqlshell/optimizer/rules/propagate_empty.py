"""Remove what can give no rows.

    Filter(false, X)             ->  Values()
    Join[inner](Values(), X)     ->  Values()              Union(Values(), A, B)  ->  Union(A, B)
    Scan(true and p)             ->  Scan(p)
    Limit(0, X)                  ->  Values()              Aggregate(k; Values()) ->  Values() (with grouping keys)

Queries that read one branch of a UNION view by a constant tag (TPC-DS Q4, Q11, Q74) lose the other branches here,
after PushDownFilter and FoldConstants made the tag comparison false.
"""

from __future__ import annotations

from sqlshell.expr.expr import FALSE, TRUE, Literal, conjuncts
from sqlshell.optimizer.build import filtered
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.plan.logical import (
    Aggregate,
    Expand,
    Filter,
    Generate,
    Join,
    Limit,
    Named,
    Plan,
    Project,
    Scan,
    Sort,
    TopN,
    Union,
    Values,
    Window,
    as_nullable,
    passthrough,
)
from sqlshell.records import replace


class PropagateEmpty(Rule):
    """Plans that are known to be empty -> no rows."""

    name = "propagate_empty"

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        return _visit(plan)


def _visit(node: Plan) -> Plan:
    if "_nonempty" in node.__dict__:
        return node
    new = _shrunk(node.map_children(_visit))
    new.__dict__["_nonempty"] = True
    return new


def _is_empty(node: Plan) -> bool:
    return isinstance(node, Values) and not node.rows


def _nothing(node: Plan) -> Values:
    return Values(node.output, ())


def _never(part: object) -> bool:
    return isinstance(part, Literal) and not part.value


def _shrunk(node: Plan) -> Plan:
    match node:
        case Filter():
            parts = conjuncts(node.predicate)
            if any(_never(p) for p in parts) or _is_empty(node.input):
                return _nothing(node)
            return filtered(node.input, parts) if not parts else node
        case Scan():
            if any(_never(p) for p in node.filters):
                return _nothing(node)
            kept = tuple(p for p in node.filters if p != TRUE)
            return node if len(kept) == len(node.filters) else replace(node, filters=kept)
        case Limit() | TopN():
            return _nothing(node) if node.count == 0 or _is_empty(node.input) else node
        case Project() | Sort() | Window() | Generate() | Expand():
            return _nothing(node) if _is_empty(node.input) else node
        case Aggregate():
            return _nothing(node) if node.keys and _is_empty(node.input) else node
        case Union():
            return _union(node)
        case Join():
            return _join(node)
        case _:
            return node


def _union(node: Union) -> Plan:
    inputs = tuple(i for i in node.inputs if not _is_empty(i))
    if len(inputs) == len(node.inputs):
        return node
    if not inputs:
        return _nothing(node)
    if len(inputs) == 1:
        pairs = zip(node.columns, inputs[0].output, strict=True)
        return Project(inputs[0], tuple(Named(c, own) for c, own in pairs))
    return Union(inputs, node.columns)


def _join(node: Join) -> Plan:
    left, right = _is_empty(node.left), _is_empty(node.right)
    # A null-aware join asks whether the comparison is unknown, so NULL is not false there.
    impossible = not node.null_aware and any(_never(p) for p in conjuncts(node.condition))
    match node.kind:
        case "inner" | "cross" if left or right or impossible:
            return _nothing(node)
        case "left" | "semi" | "anti" | "mark" | "single" if left:
            return _nothing(node)
        case "right" if right:
            return _nothing(node)
        case "semi" if right or impossible:
            return _nothing(node)
        case "anti" if right or impossible:
            return node.left
        case "mark" if right or impossible:
            assert node.mark is not None
            kept = tuple(passthrough(c) for c in node.left.output)
            return Project(node.left, (*kept, Named(node.mark, FALSE)))
        case "left" | "single" if right or impossible:
            kept = tuple(passthrough(c) for c in node.left.output)
            missing = (Named(as_nullable(c), Literal(None, c.type)) for c in node.right.output)
            return Project(node.left, (*kept, *missing))
        case "full" if left and right:
            return _nothing(node)
        case _:
            return node
