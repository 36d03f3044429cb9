"""UNION, INTERSECT and EXCEPT [ALL], with types widened by position (or BY NAME)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import Column, Expr, Literal, SortKey, WindowCall, conjoin
from sqlshell.plan import bind_order
from sqlshell.plan.bind_group import Item
from sqlshell.plan.bind_site import Env, Site
from sqlshell.plan.bind_subquery import cast_output
from sqlshell.plan.bind_util import reject_unused, span_of
from sqlshell.plan.bind_window import RUNNING_ROWS
from sqlshell.plan.call import make_aggregate, make_call
from sqlshell.plan.coerce import common_type
from sqlshell.plan.context import BoundQuery
from sqlshell.plan.logical import (
    Aggregate,
    Join,
    Named,
    Plan,
    Project,
    Union,
    Window,
    fresh_column,
    fresh_id,
    named,
    passthrough,
)
from sqlshell.plan.scope import Entry, Scope
from sqlshell.types import VOID, Array, Map, Struct, Variant

if TYPE_CHECKING:
    from sqlshell.plan.bind import Binder
    from sqlshell.types import SqlType

OWN_CLAUSES = ("with_", "order", "sort", "cluster", "distribute", "limit", "offset")
HANDLED = ("this", "expression", "distinct", "by_name", *OWN_CLAUSES)


def bind_set_operation(b: Binder, node: Any, env: Env) -> BoundQuery:
    """A set operation with its own ORDER BY and LIMIT."""
    query = _combine(b, node, env)
    scope = Scope(tuple(Entry(n, c) for n, c in zip(query.names, query.plan.output, strict=True)), env.outer)
    site = Site(scope, env, "ORDER BY")
    items = [Item(e.name, e.column, node) for e in scope.entries]
    bind_order.check_distribution(b, node, site)
    keys = bind_order.bind_keys(b, bind_order.order_items(node), items, site)
    plan = bind_order.sort_and_limit(b, query.plan, [k for k, _ in keys], node, site)
    return BoundQuery(plan, query.names)


def _combine(b: Binder, node: Any, env: Env) -> BoundQuery:
    reject_unused(node, HANDLED)
    if isinstance(node, exp.Union):
        return _union(b, node, env)
    left, right = b.query(node.left, env), b.query(node.right, env)
    clause = "INTERSECT" if isinstance(node, exp.Intersect) else "EXCEPT"
    (one, two), _ = _widened([left, right], clause, node)
    refuse_unordered(one, clause, node)
    kind = "semi" if clause == "INTERSECT" else "anti"
    if node.args.get("distinct") is False:
        one, two = _numbered(one), _numbered(two)
        plan: Plan = _null_safe_join(one, two, kind)
        return BoundQuery(Project(plan, tuple(passthrough(c) for c in plan.output[:-1])), left.names)
    return BoundQuery(_null_safe_join(distinct(one), two, kind), left.names)


def _union(b: Binder, node: Any, env: Env) -> BoundQuery:
    """UNION [ALL]: a left-deep chain of one kind becomes one n-ary node."""
    unique = node.args.get("distinct") is not False
    operands: list[Any] = []
    at = node
    while True:
        operands.append(at.right)
        left = at.left
        same = type(left) is exp.Union and (left.args.get("distinct") is not False) == unique
        same = same and not node.args.get("by_name") and not left.args.get("by_name")
        plain = same and not any(left.args.get(k) for k in OWN_CLAUSES)
        if not plain:
            operands.append(left)
            break
        reject_unused(left, HANDLED)
        at = left
    queries = [b.query(o, env) for o in reversed(operands)]
    if node.args.get("by_name"):
        queries = _by_name(queries[0], queries[1], node)
    plans, types = _widened(queries, "UNION", node)
    columns = tuple(
        Column(fresh_id(), n, t, any(p.output[i].nullable for p in plans))
        for i, (n, t) in enumerate(zip(queries[0].names, types, strict=True))
    )
    plan: Plan = Union(tuple(plans), columns)
    if unique:
        refuse_unordered(plan, "UNION", node)
    return BoundQuery(distinct(plan) if unique else plan, queries[0].names)


def _by_name(left: BoundQuery, right: BoundQuery, node: Any) -> list[BoundQuery]:
    """Both queries with the columns of the first, then those only the second has; NULL where one has none."""
    names = {n.lower(): n for n in (*right.names, *left.names)}
    for q in (left, right):
        seen = [n.lower() for n in q.names]
        for n in q.names:
            if seen.count(n.lower()) > 1:
                raise AnalysisError(
                    f"UNION BY NAME needs different column names, `{n}` appears more than once",
                    condition="AMBIGUOUS_COLUMN_OR_FIELD",
                    span=span_of(node),
                )
    order = dict.fromkeys(n.lower() for n in (*left.names, *right.names))
    out: list[BoundQuery] = []
    for q in (left, right):
        columns = {n.lower(): c for n, c in zip(q.names, q.plan.output, strict=True)}
        items = [
            passthrough(columns[n]) if n in columns else named(names[n], Literal(None, VOID)) for n in order
        ]
        out.append(BoundQuery(Project(q.plan, tuple(items)), tuple(names[n] for n in order)))
    return out


def _widened(queries: list[BoundQuery], clause: str, node: Any) -> tuple[list[Plan], list[SqlType]]:
    """The operands' plans with every column in the common type of its position."""
    width = len(queries[0].names)
    for i, q in enumerate(queries):
        if len(q.names) != width:
            raise AnalysisError(
                f"{clause} needs the same number of columns on both sides: the first query has {width}, "
                f"query {i + 1} has {len(q.names)}",
                condition="NUM_COLUMNS_MISMATCH",
                span=span_of(node),
            )
    types: list[SqlType] = []
    for i in range(width):
        found = [q.plan.output[i].type for q in queries]
        t = common_type(found)
        if t is None:
            raise AnalysisError(
                f"column {i + 1} of {clause} has no common type: {', '.join(dict.fromkeys(map(str, found)))}",
                condition="INCOMPATIBLE_COLUMN_TYPE",
                span=span_of(node),
            )
        types.append(t)
    return [cast_output(q.plan, types) for q in queries], types


def refuse_unordered(plan: Plan, clause: str, node: Any) -> None:
    """Maps and variants have no order, so nothing compares them."""
    for c in plan.output:
        found = _unordered(c.type)
        if found is not None:
            raise AnalysisError(
                f"{clause} cannot compare {found}s: {c.name} is {c.type}",
                condition=f"UNSUPPORTED_FEATURE.SET_OPERATION_ON_{found.upper()}_TYPE",
                span=span_of(node),
            )


def _unordered(t: SqlType) -> str | None:
    """`map` or `variant` where the type holds one."""
    match t:
        case Map():
            return "map"
        case Variant():
            return "variant"
        case Array():
            return _unordered(t.element)
        case Struct():
            return next((found for f in t.fields if (found := _unordered(f.type))), None)
        case _:
            return None


def distinct(plan: Plan) -> Plan:
    """One row of each kind."""
    return Aggregate(plan, tuple(passthrough(c) for c in plan.output), ())


def _numbered(plan: Plan) -> Plan:
    """`plan` with a count of equal rows so far, which makes ALL a matter of plain semi and anti joins."""
    columns: tuple[Expr, ...] = plan.output
    keys = tuple(SortKey(c) for c in columns)
    call = WindowCall(make_aggregate("row_number", []), columns, keys, RUNNING_ROWS)
    return Window(plan, (Named(fresh_column("copy", call), call),))


def _null_safe_join(left: Plan, right: Plan, kind: str) -> Plan:
    equal = [make_call("<=>", pair) for pair in zip(left.output, right.output, strict=True)]
    return Join(left, right, kind, conjoin(equal))
