"""Predicates with a form of their own: IS, BETWEEN, IN, LIKE with ESCAPE, ANY and ALL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import Expr, Literal
from sqlshell.plan import bind_subquery
from sqlshell.plan.bind_util import reject_unused, span_of, unsupported
from sqlshell.plan.call import make_call
from sqlshell.plan.coerce import cast_to
from sqlshell.types import BOOLEAN, STRING, Boolean, String, Struct, Void

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.plan.bind import Binder
    from sqlshell.plan.bind_site import Site

_BINARY_ARGS = ("this", "expression")


def bind_is(b: Binder, node: Any, site: Site) -> Expr:
    """IS NULL, IS TRUE, IS FALSE (NOT stands around it; UNKNOWN is NULL)."""
    reject_unused(node, ("this", "expression"))
    value, target = b.expr(node.this, site), node.expression
    span = span_of(node)
    if isinstance(target, exp.Null) or (isinstance(target, exp.Var) and target.name.upper() == "UNKNOWN"):
        return make_call("isnull", [value], span=span)
    if isinstance(target, exp.Boolean):
        if not isinstance(value.type, Boolean | String | Void):
            raise AnalysisError(
                f"IS TRUE and IS FALSE take a boolean, not {value.type}",
                condition="DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES",
                span=span,
            )
        return make_call("<=>", [cast_to(value, BOOLEAN), Literal(bool(target.this), BOOLEAN)], span=span)
    raise unsupported(node)


def bind_between(b: Binder, node: Any, site: Site) -> Expr:
    reject_unused(node, ("this", "low", "high", "symmetric"))
    if node.args.get("symmetric"):
        raise unsupported(node, "BETWEEN SYMMETRIC")
    value = b.expr(node.this, site)
    low, high = b.expr(node.args["low"], site), b.expr(node.args["high"], site)
    span = span_of(node)
    return make_call(
        "and",
        [make_call(">=", [value, low], span=span), make_call("<=", [value, high], span=span)],
        span=span,
    )


def bind_in_list(b: Binder, node: Any, site: Site) -> Expr:
    reject_unused(node, ("this", "expressions", "query"))
    query = node.args.get("query")
    if query is not None:
        return bind_subquery.bind_in(b, node.this, query, site)
    options = node.expressions
    if len(options) == 1 and isinstance(options[0], (exp.Query, exp.Subquery)):
        return bind_subquery.bind_in(b, node.this, options[0], site)
    value = b.expr(node.this, site)
    if isinstance(value.type, Struct):
        names = [f.name for f in value.type.fields]
        options = [_named_like(o, names) for o in options]
    return make_call("in", [value, *(b.expr(o, site) for o in options)], span=span_of(node))


def _named_like(node: Any, names: list[str]) -> Any:
    """A row `(1, 'x')` beside a struct takes the struct's field names."""
    if not isinstance(node, exp.Tuple) or len(node.expressions) != len(names):
        return node
    return exp.Tuple(
        expressions=[
            exp.PropertyEQ(this=exp.to_identifier(n), expression=e.copy())
            for n, e in zip(names, node.expressions, strict=True)
        ]
    )


def like(name: str) -> Callable[[Binder, Any, Site], Expr]:
    def handler(b: Binder, node: Any, site: Site) -> Expr:
        return _like_with(b, node, name, "\\", site)

    return handler


def _like_with(b: Binder, node: Any, name: str, escape: str, site: Site) -> Expr:
    reject_unused(node, (*_BINARY_ARGS, "negate"))
    value, pattern, span = b.expr(node.this, site), node.expression, span_of(node)
    mark = Literal(escape, STRING)
    patterns = [pattern]
    if isinstance(pattern, (exp.Any, exp.All)):
        inner = pattern.this.unnest() if isinstance(pattern.this, exp.Paren) else pattern.this
        patterns = inner.expressions if isinstance(inner, exp.Tuple) else [inner]
    calls = [make_call(name, [value, b.expr(p, site), mark], span=span) for p in patterns]
    if node.args.get("negate"):
        # NOT LIKE ALL (...) negates each comparison, not their conjunction.
        calls = [make_call("not", [c], span=span) for c in calls]
    if len(calls) == 1:
        return calls[0]
    return make_call("or" if isinstance(pattern, exp.Any) else "and", calls, span=span)


def bind_escape(b: Binder, node: Any, site: Site) -> Expr:
    reject_unused(node, _BINARY_ARGS)
    inner, mark = node.this, node.expression
    if not isinstance(inner, (exp.Like, exp.ILike)):
        raise unsupported(node, "ESCAPE")
    if not (isinstance(mark, exp.Literal) and mark.is_string and len(mark.this) == 1):
        raise AnalysisError(
            "ESCAPE takes one character", condition="INVALID_ESCAPE_CHAR", span=span_of(mark) or span_of(node)
        )
    return _like_with(b, inner, "ilike" if isinstance(inner, exp.ILike) else "like", mark.this, site)
