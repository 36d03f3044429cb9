"""Turn every dependent join into joins.

    Apply[k](L, R)                      ->  Join[k](L, R)                    R looks at no column of L
    Apply[k](L, Filter(o = c and q, R)) ->  Join[k](L, Filter(q, R), o = c)  predicates pulled up (pull_up.py)
    Apply[k](L, R)                      ->  Join[k](L, D x R, L.d <=> d)     the general way (dependent_join.py)

Inner Applies go first; what they leave correlated to outer queries is ordinary correlation there (one whose left side
is correlated and may not be computed twice waits for the outer one, which frees it). `single` becomes
`left` (or `cross`) where at most one row is certain. Joins without a condition to match (EXISTS of something
uncorrelated) become a cross join with one row. Runs once, right after ExtractSubqueries, since every other rule may
then assume that no column is free.
"""

from __future__ import annotations

from sqlshell.errors import InternalError
from sqlshell.expr.expr import (
    TRUE,
    AggCall,
    Call,
    Case,
    Column,
    Expr,
    Literal,
    When,
    conjoin,
    conjuncts,
    long,
)
from sqlshell.optimizer.build import keep, with_columns
from sqlshell.optimizer.clone import apart_from
from sqlshell.optimizer.dependent_join import DependentJoin, must_wait, shareable
from sqlshell.optimizer.properties import is_not_null, refs, same, split_equality
from sqlshell.optimizer.pull_up import CannotPull, Pulled, pull_up, with_marker
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.plan.logical import (
    Aggregate,
    Apply,
    Filter,
    Join,
    Limit,
    Named,
    Plan,
    Project,
    Sort,
    TopN,
    Values,
    as_nullable,
    named,
    passthrough,
)
from sqlshell.records import replace
from sqlshell.types import BIGINT, BOOLEAN


class DecorrelateSubqueries(Rule):
    """Apply -> Join."""

    name = "decorrelate_subqueries"
    needs = (Apply,)
    required = True

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        result: Plan = plan.transform_up(lambda n: _unnest(n) if isinstance(n, Apply) else n)
        return result


def _unnest(node: Apply) -> Plan:
    right = _own_ids(node)
    if node.kind in {"semi", "anti", "mark"}:
        right = _only_existence(right)
    node = replace(node, right=right)
    outer = frozenset(c.id for c in right.free_columns) & node.left.output_ids
    if not outer:
        return _uncorrelated(node)
    if must_wait(node.left):
        return node
    try:
        return keep(_pulled(node, pull_up(right, outer)), node.output)
    except CannotPull:
        return keep(_general(node, outer), node.output)


def _own_ids(node: Apply) -> Plan:
    """The right side, no column of which may carry the id of a left one (as kept outer columns do)."""
    right, renamed = apart_from(node.right, node.left.output_ids)
    if not renamed:
        return right
    if node.right.output_ids & node.left.output_ids:
        raise InternalError("a dependent join that gives a column twice")
    items = zip(node.right.output, right.output, strict=True)
    return Project(right, tuple(Named(old, new) for old, new in items))


def _only_existence(right: Plan) -> Plan:
    """Order, and limits that keep at least one row, do not matter to EXISTS... and order not to IN."""
    while isinstance(right, Sort):
        right = right.input
    return right


def _uncorrelated(node: Apply) -> Plan:
    left, right, parts = node.left, node.right, conjuncts(node.condition)
    crossing = any(refs(p) & left.output_ids for p in parts)
    match node.kind:
        case "inner":
            kind = "inner" if parts else "cross"
            return Join(left, right, kind, conjoin(parts) if parts else None)
        case "single":
            if is_one_row(right) and not parts:
                return keep(Join(left, right, "cross"), node.output)
            kind = "left" if at_most_one_row(right) else "single"
            return Join(left, right, kind, conjoin(parts))
        case "semi" | "anti" | "mark" if not crossing and not node.null_aware:
            return _whether_any(node)
        case _:
            return Join(left, right, node.kind, conjoin(parts), node.mark, node.null_aware)


def _whether_any(node: Apply) -> Plan:
    """EXISTS that is the same for every row: a cross join with the one row `count(*) over one row`."""
    right = node.right
    if not isinstance(node.condition, type(None)):
        right = Filter(right, node.condition)
    if not isinstance(right, Limit):
        right = Limit(right, 1)
    if node.kind == "semi":
        found = Project(right, (named("found", TRUE),))
        return keep(Join(node.left, found, "cross"), node.output)
    counted = named("n", AggCall("count", (Literal(1, BIGINT),), BIGINT, nullable=False))
    one = Aggregate(right, (), (counted,))
    op = "=" if node.kind == "anti" else ">"
    test = Call(op, (counted.column, long(0)), BOOLEAN, False)
    if node.mark is not None:
        marked = Project(one, (Named(node.mark, test),))
        return keep(Join(node.left, marked, "cross"), node.output)
    return keep(Join(node.left, Filter(one, test), "cross"), node.output)


def is_one_row(plan: Plan) -> bool:
    """Whether `plan` gives exactly one row for each outer row."""
    match plan:
        case Aggregate():
            return not plan.keys
        case Project() | Sort():
            return is_one_row(plan.input)
        case Values():
            return len(plan.rows) == 1
        case _:
            return False


def at_most_one_row(plan: Plan) -> bool:
    """Whether `plan` gives at most one row for each outer row."""
    match plan:
        case Limit() | TopN():
            return plan.count is not None and (plan.count <= 1 or at_most_one_row(plan.input))
        case Project() | Sort():
            return at_most_one_row(plan.input)
        case Filter():
            return at_most_one_row(plan.input) or _one_group(plan)
        case _:
            return is_one_row(plan)


def _one_group(node: Filter) -> bool:
    """HAVING that fixes every grouping key to a value from outside."""
    if not isinstance(node.input, Aggregate):
        return False
    fixed: set[int] = set()
    for part in conjuncts(node.predicate):
        sides = split_equality(part)
        if sides is None:
            continue
        for a, b in (sides, sides[::-1]):
            if isinstance(a, Column) and not refs(b) & node.input.output_ids:
                fixed.add(a.id)
    return all(k.column.id in fixed for k in node.input.keys)


def _pulled(node: Apply, pulled: Pulled) -> Plan:
    if node.null_aware and pulled.conditions:
        raise CannotPull
    kind = node.kind
    if pulled.defaults is not None:
        return _with_defaults(node, pulled, pulled.defaults)
    if kind == "single" and at_most_one_row(node.right):
        kind = "left"
    parts = [*conjuncts(node.condition), *pulled.conditions]
    if kind == "inner" and not parts:
        kind = "cross"
    return Join(
        node.left,
        pulled.plan,
        kind,
        conjoin(parts) if parts else None,
        node.mark,
        node.null_aware,
    )


def _with_defaults(node: Apply, pulled: Pulled, defaults: dict[int, Expr]) -> Plan:
    """A global aggregate has a row for every outer row: left join, then its value over nothing where none matched."""
    if node.kind not in {"inner", "left", "single"} or conjuncts(node.condition):
        raise CannotPull
    plain = all(isinstance(d, Literal) and d.value is None for d in defaults.values())
    condition = conjoin(pulled.conditions)
    if plain:
        return Join(node.left, pulled.plan, "left", condition)
    # A second name for each value: the joined column may be NULL where the default is not.
    marked, marker = with_marker(pulled.plan)
    inner = tuple(named(c.name, c) for c in node.right.output)
    marked = with_columns(marked, inner)
    joined = Join(node.left, keep(marked, _needed(inner, marker, pulled)), "left", condition)
    items = [passthrough(c) for c in node.left.output]
    for c, copy in zip(node.right.output, inner, strict=True):
        value = as_nullable(copy.column)
        present = When(is_not_null(as_nullable(marker)), value)
        items.append(Named(as_nullable(c), Case((present,), defaults[c.id], c.type)))
    return Project(joined, tuple(items))


def _needed(inner: tuple[Named, ...], marker: Column, pulled: Pulled) -> list[Column]:
    used: set[int] = set()
    for condition in pulled.conditions:
        used |= refs(condition)
    columns = [c for c in pulled.plan.output if c.id in used]
    return [*columns, *(i.column for i in inner), marker]


def _general(node: Apply, outer: frozenset[int]) -> Plan:
    left, source = shareable(node.left)
    columns = tuple(c for c in source.output if c.id in outer)
    right, carried = DependentJoin(source, columns, _unnest).push(node.right)
    links = [same(c, carried[c.id]) for c in columns]
    kind = node.kind
    if kind == "single" and at_most_one_row(node.right):
        kind = "left"
    parts = [*conjuncts(node.condition), *links]
    condition = conjoin(parts) if parts else TRUE
    return Join(left, right, kind, condition, node.mark, node.null_aware)
