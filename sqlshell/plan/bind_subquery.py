"""Subqueries in expressions: scalar, EXISTS, IN, and comparisons with ANY, SOME or ALL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import FALSE, Case, Exists, Expr, InSubquery, Literal, ScalarSubquery, When
from sqlshell.plan.bind_util import reject_unused, span_of, unsupported
from sqlshell.plan.call import make_aggregate, make_call
from sqlshell.plan.coerce import cast_to, common_type
from sqlshell.plan.logical import Aggregate, Named, Plan, Project, fresh_column, named, passthrough
from sqlshell.types import BOOLEAN, INT, SqlType

if TYPE_CHECKING:
    from sqlshell.plan.bind import Binder
    from sqlshell.plan.bind_site import Site
    from sqlshell.plan.context import BoundQuery

NEGATED = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def _query(b: Binder, node: Any, site: Site) -> BoundQuery:
    """The subquery's plan, with this block (and those around it) as its outer scope."""
    if site.lambdas:
        raise unsupported(node, "a subquery inside a lambda")
    return b.query(node, site.env.with_outer(site.scope))


def _one_column(query: BoundQuery, node: Any) -> None:
    if len(query.names) != 1:
        raise AnalysisError(
            f"a scalar subquery gives one column, this one gives {len(query.names)}",
            condition="INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN",
            span=span_of(node),
        )


def bind_scalar(b: Binder, node: Any, site: Site) -> Expr:
    """`(SELECT ...)` as a value."""
    if isinstance(node, exp.Subquery) and not isinstance(node.this, (exp.Query, exp.Values)):
        raise unsupported(node)
    query = _query(b, node, site)
    _one_column(query, node)
    return ScalarSubquery(query.plan, query.plan.output[0].type, True, span_of(node))


def bind_exists(b: Binder, node: Any, site: Site) -> Expr:
    """EXISTS (SELECT ...)."""
    reject_unused(node, ("this",))
    return Exists(_query(b, node.this, site).plan)


def _left_values(b: Binder, node: Any, site: Site) -> list[Expr]:
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.Tuple):
        return [b.expr(e, site) for e in node.expressions]
    return [b.expr(node, site)]


def bind_in(b: Binder, left: Any, query_node: Any, site: Site) -> Expr:
    """`value IN (SELECT ...)`, `(a, b) IN (SELECT ...)`: both sides in their common types."""
    values = _left_values(b, left, site)
    query = _query(b, query_node, site)
    output = query.plan.output
    if len(values) != len(output):
        raise AnalysisError(
            f"{len(values)} values before IN, but the subquery gives {len(output)} columns",
            condition="DATATYPE_MISMATCH.IN_SUBQUERY_LENGTH_MISMATCH",
            span=span_of(left),
        )
    targets: list[SqlType] = []
    for v, c in zip(values, output, strict=True):
        t = common_type([v.type, c.type])
        if t is None:
            raise AnalysisError(
                f"cannot compare {v.type} with the subquery's {c.type}",
                condition="DATATYPE_MISMATCH.IN_SUBQUERY_DATA_TYPE_MISMATCH",
                span=span_of(left),
            )
        targets.append(t)
    cast = tuple(cast_to(v, t) for v, t in zip(values, targets, strict=True))
    return InSubquery(cast, cast_output(query.plan, targets))


def cast_output(plan: Plan, types: list[SqlType]) -> Plan:
    """`plan` with its columns cast to `types`; itself when they already are."""
    if [c.type for c in plan.output] == types:
        return plan
    items: list[Named] = []
    for c, t in zip(plan.output, types, strict=True):
        items.append(passthrough(c) if c.type == t else named(c.name, cast_to(c, t)))
    return Project(plan, tuple(items))


def bind_quantified(b: Binder, node: Any, op: str, site: Site) -> Expr:
    """`a op ANY (SELECT ...)`, `a op ALL (...)`; ALL is the negation of ANY with the negated comparison."""
    quantifier = node.expression
    inner = quantifier.this
    while isinstance(inner, exp.Paren):
        inner = inner.this
    if not isinstance(inner, (exp.Query, exp.Subquery)) or op not in NEGATED:
        raise unsupported(node)
    if isinstance(quantifier, exp.All):
        return make_call("not", [_any(b, node, NEGATED[op], inner, site)], span=span_of(node))
    return _any(b, node, op, inner, site)


def _any(b: Binder, node: Any, op: str, query_node: Any, site: Site) -> Expr:
    if op == "=":
        return bind_in(b, node.this, query_node, site)
    value = b.expr(node.this, site)
    query = _query(b, query_node, site)
    _one_column(query, query_node)
    column = query.plan.output[0]
    # Over an empty set ANY is false; else the extreme values decide it, and it is NULL where a NULL could.
    one = Literal(1, INT)
    calls = [
        make_aggregate("min", [column]),
        make_aggregate("max", [column]),
        make_aggregate("count", [one]),
        make_aggregate("count", [column]),
    ]
    aggs = [Named(fresh_column(c.fn, c), c) for c in calls]
    low, high, rows, filled = (a.column for a in aggs)
    span = span_of(node)
    if op == "!=":
        compared = make_call(
            "or", [make_call("!=", [value, low], span=span), make_call("!=", [value, high], span=span)]
        )
    else:
        compared = make_call(op, [value, low if op in {">", ">="} else high], span=span)
    unknown = make_call("or", [make_call("isnull", [value]), make_call("<", [filled, rows])])
    answer = Case(
        (
            When(make_call("=", [rows, Literal(0, INT)]), FALSE),
            When(make_call("coalesce", [compared, FALSE]), Literal(True, BOOLEAN)),
            When(unknown, Literal(None, BOOLEAN)),
        ),
        FALSE,
        BOOLEAN,
    )
    plan = Project(Aggregate(query.plan, (), tuple(aggs)), (named("any", answer),))
    return ScalarSubquery(plan, BOOLEAN, True, span)
