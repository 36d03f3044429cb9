"""Turn subquery expressions into dependent joins.

    Filter(EXISTS(S) and p)       ->  Apply[semi](Filter(p), S)
    Filter(not EXISTS(S))         ->  Apply[anti](.., S)
    Filter(x in S)                ->  Apply[semi](.., S, x = s)
    Filter(not x in S)            ->  Apply[anti](.., S, x = s)      null-aware where a side may be NULL
    any other use of EXISTS / IN  ->  Apply[mark] below, the mark column in its place
    a scalar subquery             ->  Apply[single] below, its column in its place

Runs once, before DecorrelateSubqueries. Needs SimplifyBooleans first: NOT must stand next to its subquery for the
anti join to be seen. Fails closed on subqueries in the condition of an outer join that look at both sides.
"""

from __future__ import annotations

from typing import Any

from sqlshell.errors import NotSupportedError
from sqlshell.expr.expr import (
    FALSE,
    TRUE,
    And,
    Call,
    Case,
    Exists,
    Expr,
    InSubquery,
    Literal,
    Or,
    ScalarSubquery,
    SubqueryExpr,
    When,
    conjoin,
    conjuncts,
    disjoin,
)
from sqlshell.optimizer.build import filtered, keep
from sqlshell.optimizer.clone import apart_from, clone
from sqlshell.optimizer.properties import equal, has_subquery, is_null, negate, refs
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.plan.logical import (
    ONE_ROW,
    Apply,
    Filter,
    Join,
    Named,
    Plan,
    Project,
    Union,
    Values,
    as_nullable,
    fresh_column,
)
from sqlshell.records import dataclass, replace
from sqlshell.types import BOOLEAN


class ExtractSubqueries(Rule):
    """SubqueryExpr -> Apply."""

    name = "extract_subqueries"
    required = True

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        return _extract(plan)


def _extract(node: Plan) -> Plan:
    node = node.map_children(_extract)
    if isinstance(node, Values):
        return _from_values(node)
    if not any(has_subquery(e) for e in node.exprs):
        return node
    if isinstance(node, Filter):
        return _from_filter(node)
    if isinstance(node, Join):
        return _from_join(node)
    if len(node.children) != 1:
        raise NotSupportedError(f"a subquery in the condition of {type(node).__name__}")
    return _from_unary(node)


@dataclass
class _Lifter:
    """Puts Applies over `plan` while rewriting expressions that stand above it."""

    plan: Plan

    def lift(self, e: Any, two_valued: bool) -> Any:
        """`e` without subqueries. With `two_valued`, NULL and false mean the same to the reader."""
        if not has_subquery(e):
            return e
        match e:
            case And() | Or():
                return replace(e, args=tuple(self.lift(a, two_valued) for a in e.args))
            case ScalarSubquery():
                return self._scalar(e)
            case Exists():
                return self._mark(_extract(e.plan), None)
            case InSubquery():
                return self._in(e, two_valued)
            case _:
                return e.map_children(lambda c: self.lift(c, False))

    def apart(self, plan: Plan) -> Plan:
        return apart_from(plan, self.plan.output_ids)[0]

    def _scalar(self, e: ScalarSubquery) -> Expr:
        right = self.apart(_extract(e.plan))
        self.plan = Apply(self.plan, right, "single")
        return as_nullable(right.output[0])

    def _mark(self, right: Plan, condition: Expr | None, null_aware: bool = False) -> Expr:
        column = fresh_column("mark", Literal(None, BOOLEAN) if null_aware else TRUE)
        self.plan = Apply(self.plan, right, "mark", condition, column, null_aware)
        return column

    def _in(self, e: InSubquery, two_valued: bool) -> Expr:
        right, condition = self.membership(e)
        if two_valued or not condition.nullable:
            return self._mark(right, condition)
        if _plain_null_aware(self.plan, right, condition):
            return self._mark(right, condition, null_aware=True)
        again, columns = clone(right)
        unknown = is_null(condition)
        from sqlshell.expr.expr import substitute

        found = self._mark(right, condition)
        unclear = self._mark(again, substitute(unknown, dict(columns)))
        branches = (When(found, TRUE), When(unclear, Literal(None, BOOLEAN)))
        return Case(branches, FALSE, BOOLEAN)

    def membership(self, e: InSubquery) -> tuple[Plan, Expr]:
        """The subquery's plan and `values = its columns`."""
        values = tuple(self.lift(v, False) for v in e.values)
        right = self.apart(_extract(e.plan))
        pairs = zip(values, right.output, strict=True)
        return right, conjoin([equal(v, c) for v, c in pairs])

    def semi_or_anti(self, part: Expr) -> bool:
        """Apply a conjunct that is a (negated) EXISTS or IN as a whole; False when it is not one."""
        negated = isinstance(part, Call) and part.fn == "not"
        inner = negate(part) if negated else part
        kind = "anti" if negated else "semi"
        if isinstance(inner, Exists):
            right = self.apart(_extract(inner.plan))
            self.plan = Apply(self.plan, right, kind)
            return True
        if not isinstance(inner, InSubquery):
            return False
        right, condition = self.membership(inner)
        null_aware = False
        if negated and condition.nullable:
            null_aware = _plain_null_aware(self.plan, right, condition)
            if not null_aware:
                condition = disjoin([condition, is_null(condition)])
        self.plan = Apply(self.plan, right, kind, condition, None, null_aware)
        return True


def _plain_null_aware(left: Plan, right: Plan, condition: Expr) -> bool:
    """Whether executors' null-aware joins cover it: one comparison, nothing correlated."""
    correlated = any(c.id in left.output_ids for c in right.free_columns)
    return not correlated and not isinstance(condition, And)


def _from_filter(node: Filter) -> Plan:
    parts = conjuncts(node.predicate)
    lifter = _Lifter(filtered(node.input, [p for p in parts if not has_subquery(p)]))
    rest = [lifter.lift(p, True) for p in parts if has_subquery(p) and not lifter.semi_or_anti(p)]
    return keep(filtered(lifter.plan, rest), node.output)


def _from_unary(node: Plan) -> Plan:
    (child,) = node.children
    lifter = _Lifter(child)
    changed = node.map_exprs(lambda e: lifter.lift(e, False))
    return keep(changed.map_children(lambda _: lifter.plan), node.output)


def _from_join(node: Join) -> Plan:
    """Subqueries of an ON condition: beside the one side they look at, or above an inner join."""
    plain = [p for p in conjuncts(node.condition) if not has_subquery(p)]
    holders = [p for p in conjuncts(node.condition) if has_subquery(p)]
    if node.kind in {"inner", "cross"}:
        kind = "inner" if plain else "cross"
        joined = replace(node, kind=kind, condition=conjoin(plain) if plain else None)
        return keep(_from_filter(Filter(joined, conjoin(holders))), node.output)
    left, right = _Lifter(node.left), _Lifter(node.right)
    parts: list[Expr] = [*plain, *(_lift_by_side(p, left, right) for p in holders)]
    joined = replace(node, left=left.plan, right=right.plan, condition=conjoin(parts))
    return keep(joined, node.output)


def _lift_by_side(e: Any, left: _Lifter, right: _Lifter) -> Any:
    if isinstance(e, SubqueryExpr):
        if not refs(e) & right.plan.output_ids:
            return left.lift(e, False)
        if not refs(e) & left.plan.output_ids:
            return right.lift(e, False)
        raise NotSupportedError(
            "a subquery in the condition of an outer join that uses columns of both sides"
        )
    return e.map_children(lambda c: _lift_by_side(c, left, right))


def _from_values(node: Values) -> Plan:
    """Rows with subqueries become a union of one-row projections."""
    if not any(has_subquery(e) for row in node.rows for e in row):
        return node
    branches: list[Plan] = []
    for row in node.rows:
        items = tuple(Named(fresh_column(c.name, c), e) for c, e in zip(node.columns, row, strict=True))
        branches.append(_extract(Project(ONE_ROW, items)))
    return Union(tuple(branches), node.columns)
