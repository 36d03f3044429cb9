"""Push predicates towards the scans, and join conditions into the joins.

    Filter(p) > Project            ->  Project > Filter(p')              p rewritten over the inputs
    Filter(p) > Join[inner|cross]  ->  parts go to the side they mention; parts of both sides become the condition
    Filter(p) > Join[left]         ->  parts over the left side go left; ON parts over the right side go right
    Filter(p) > Aggregate, Window  ->  parts over grouping / partition keys go below
    Filter(p) > Union, Generate, Expand, Sort, semi/anti/mark/single joins likewise
    Filter(p) > Scan               ->  Scan(filters=p)                   exact there, and skips files and row groups

Stops at Limit and TopN. What can fail, or is random, stays where it was written: moving it could raise an error for
a row that another predicate would have removed. One exception: an equality between both inputs of a join becomes a
join key even when computing a side can fail, as Spark does too; otherwise `a.x = b.y - 1` were a cross product.
Runs to a fixed point with EliminateOuterJoin and InferJoinFilters, which it feeds.
"""

from __future__ import annotations

from sqlshell.expr.expr import Column, Expr, WindowCall, conjoin, conjuncts, substitute
from sqlshell.optimizer.build import filtered
from sqlshell.optimizer.properties import (
    is_cheap,
    is_deterministic,
    is_movable,
    refs,
    runs_python,
    split_equality,
)
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.optimizer.rules.simplify_predictions import simplify
from sqlshell.plan.logical import (
    Aggregate,
    Expand,
    Filter,
    Generate,
    Join,
    Plan,
    Project,
    Scan,
    Sort,
    Union,
    Window,
)
from sqlshell.records import replace

_BOTH_SIDES = frozenset({"inner", "cross"})


class PushDownFilter(Rule):
    """Filters move down; equalities become join keys."""

    name = "push_down_filter"
    needs = (Filter, Join)

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        return push(plan, [])


def push(node: Plan, parts: list[Expr]) -> Plan:
    """`node` under a filter of `parts`, each as deep as it may go."""
    match node:
        case Filter():
            return _filter(node, parts)
        case Project():
            return _project(node, parts)
        case Join():
            return _join(node, parts)
        case Aggregate():
            keys = {k.column.id: k.expr for k in node.keys}
            return _through(node, parts, keys)
        case Window():
            return _window(node, parts)
        case Sort():
            return replace_input(node, push(node.input, parts))
        case Generate():
            return _through(node, parts, {c.id: c for c in node.input.output})
        case Expand():
            return _through(node, parts, _same_in_all(node))
        case Union():
            return _union(node, parts)
        case Scan():
            return _scan(node, parts)
        case _:
            # Limit, TopN, Values, RecursiveCte, RecursiveRef, leaves of shared plans and whatever comes later.
            return filtered(node.map_children(lambda c: push(c, [])), parts)


def replace_input(node: Plan, child: Plan) -> Plan:
    """`node` over another input; itself when it is the same."""
    return node.map_children(lambda _: child)


def _filter(node: Filter, parts: list[Expr]) -> Plan:
    stay: list[Expr] = []
    move = list(parts)
    for part in conjuncts(node.predicate):
        below = _below(part, node.input) if isinstance(node.input, Project) else part
        if is_movable(below) or _may_become_key(part, node.input):
            move.append(part)
        else:
            stay.append(part)
    # Later parts see only the rows that earlier ones keep, and Python is the dearest.
    stay.sort(key=runs_python)
    result = filtered(push(node.input, move), stay)
    if isinstance(result, Filter) and result.input is node.input:
        return node if result.predicate == node.predicate else result
    return result


def _may_become_key(part: Expr, below: Plan) -> bool:
    """Whether a predicate that can fail is an equality between the inputs of a join it stands on."""
    sides = split_equality(part)
    if sides is None or not is_deterministic(part) or not isinstance(below, Join):
        return False
    if below.kind not in _BOTH_SIDES:
        return False
    a, b = refs(sides[0]), refs(sides[1])
    if not a or not b:
        return False
    left, right = below.left.output_ids, below.right.output_ids
    if (a <= left and b <= right) or (a <= right and b <= left):
        return True
    side = below.left if a | b <= left else below.right
    return a | b <= side.output_ids and _may_become_key(part, side)


def _project(node: Project, parts: list[Expr]) -> Plan:
    down: list[Expr] = []
    stay: list[Expr] = []
    for part in parts:
        moved = _below(part, node)
        # A computed column that can fail is computed for every row anyway, but its error may not come earlier.
        # What costs much (a model of many trees) is not computed twice.
        if is_movable(moved) and is_cheap(moved):
            down.append(moved)
        else:
            stay.append(part)
    return filtered(replace_input(node, push(node.input, down)), stay)


def _below(part: Expr, node: Project) -> Expr:
    """A predicate over a projection's inputs."""
    mapping = {i.column.id: i.expr for i in node.items}
    moved: Expr = substitute(part, {i: mapping[i] for i in refs(part)})
    if not is_movable(moved):  # array(a, b)[1] can fail as long as it is not seen to be b
        moved = moved.transform_up(simplify)
    return moved


def _through(node: Plan, parts: list[Expr], mapping: dict[int, Expr]) -> Plan:
    """Parts over `mapping` go below the one input, rewritten; the rest stay."""
    down: list[Expr] = []
    stay: list[Expr] = []
    for part in parts:
        # A part without columns must stay: below a global aggregate it would not remove the group.
        if refs(part) and refs(part) <= mapping.keys():
            moved = substitute(part, mapping)
            (down if is_movable(moved) else stay).append(moved if is_movable(moved) else part)
        else:
            stay.append(part)
    (child,) = node.children
    return filtered(replace_input(node, push(child, down)), stay)


def _same_in_all(node: Expand) -> dict[int, Expr]:
    """Columns to which every projection gives the same expression."""
    first = node.projections[0]
    return {
        c.id: first[i]
        for i, c in enumerate(node.columns)
        if all(p[i] == first[i] for p in node.projections[1:])
    }


def _window(node: Window, parts: list[Expr]) -> Plan:
    """A part may remove whole partitions only."""
    shared: frozenset[int] | None = None
    for call in node.calls:
        assert isinstance(call.expr, WindowCall)
        by = frozenset(k.id for k in call.expr.partition_by if isinstance(k, Column))
        shared = by if shared is None else shared & by
    return _through(node, parts, {c.id: c for c in node.input.output if c.id in (shared or ())})


def _union(node: Union, parts: list[Expr]) -> Plan:
    inputs = []
    for branch in node.inputs:
        mapping: dict[int, Expr] = {c.id: own for c, own in zip(node.columns, branch.output, strict=True)}
        inputs.append(push(branch, [substitute(p, mapping) for p in parts]))
    if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
        return node
    return replace(node, inputs=tuple(inputs))


def _scan(node: Scan, parts: list[Expr]) -> Plan:
    new = [p for p in parts if is_movable(p) and refs(p)]
    known = set(node.filters)
    added = tuple(p for p in dict.fromkeys(new) if p not in known)
    scan = replace(node, filters=node.filters + added) if added else node
    return filtered(scan, [p for p in parts if not (is_movable(p) and refs(p))])


def _join(node: Join, parts: list[Expr]) -> Plan:
    if node.kind in _BOTH_SIDES:
        return _inner_join(node, parts)
    left, right = node.left.output_ids, node.right.output_ids
    to_left: list[Expr] = []
    to_right: list[Expr] = []
    above: list[Expr] = []
    for part in parts:
        if node.kind not in {"full", "right"} and refs(part) <= left and is_movable(part):
            to_left.append(part)
        elif node.kind == "right" and refs(part) <= right and is_movable(part):
            to_right.append(part)
        else:
            above.append(part)
    on: list[Expr] = []
    for part in conjuncts(node.condition):
        # In ON, the side whose rows survive unmatched must keep them; a null-aware comparison stays whole.
        if node.kind == "full" or node.null_aware or not refs(part) or not is_movable(part):
            on.append(part)
        elif node.kind != "right" and refs(part) <= right:
            to_right.append(part)
        elif node.kind in {"right", "semi"} and refs(part) <= left:
            to_left.append(part)
        else:
            on.append(part)
    return filtered(_rebuilt(node, push(node.left, to_left), push(node.right, to_right), on), above)


def _inner_join(node: Join, parts: list[Expr]) -> Plan:
    left, right = node.left.output_ids, node.right.output_ids
    to_left: list[Expr] = []
    to_right: list[Expr] = []
    on: list[Expr] = []
    pool = [(p, is_movable(p)) for p in conjuncts(node.condition)]
    # Parts from above move by definition; the exception among them is a key of this join or of one below.
    pool += [(p, is_movable(p) or not _splits(p, left, right)) for p in parts]
    for part, movable in pool:
        if movable and refs(part) <= left:
            to_left.append(part)
        elif movable and refs(part) <= right:
            to_right.append(part)
        else:
            on.append(part)
    return _rebuilt(node, push(node.left, to_left), push(node.right, to_right), on)


def _splits(part: Expr, left: frozenset[int], right: frozenset[int]) -> bool:
    return bool(refs(part) & left) and bool(refs(part) & right)


def _without_repeats(parts: list[Expr]) -> list[Expr]:
    """`b = a` says what `a = b` said."""
    out: dict[object, Expr] = {}
    for part in parts:
        sides = split_equality(part)
        out.setdefault(frozenset(sides) if sides is not None else part, part)
    return list(out.values())


def _rebuilt(node: Join, left: Plan, right: Plan, on: list[Expr]) -> Join:
    unique = _without_repeats(on)
    kind = node.kind
    if kind in _BOTH_SIDES:
        kind = "inner" if unique else "cross"
    old = conjuncts(node.condition)
    same_on = len(unique) == len(old) and all(a is b for a, b in zip(unique, old, strict=True))
    if left is node.left and right is node.right and kind == node.kind and same_on:
        return node
    condition = conjoin(unique) if unique else None
    return replace(node, left=left, right=right, kind=kind, condition=condition)
