"""Facts about expressions that many rules need, cached on the (immutable) expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import (
    AggCall,
    And,
    Call,
    Case,
    Cast,
    Column,
    Expr,
    GetField,
    In,
    Lambda,
    LambdaVar,
    Literal,
    Or,
    PythonCall,
    SubqueryExpr,
    WindowCall,
)
from sqlshell.functions import fallible, registry
from sqlshell.types import BOOLEAN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlshell.expr.tree import Node

NO_IDS: frozenset[int] = frozenset()


def refs(e: Node) -> frozenset[int]:
    """Ids of the columns `e` mentions, those free in its subqueries included."""
    cached: frozenset[int] | None = e.__dict__.get("_refs")
    if cached is not None:
        return cached
    if isinstance(e, Column):
        out = frozenset((e.id,))
    else:
        out = NO_IDS
        for c in e.children:
            out |= refs(c)
        if isinstance(e, SubqueryExpr):
            out |= frozenset(c.id for c in e.plan.free_columns)
    e.__dict__["_refs"] = out
    return out


def refs_of(es: Iterable[Node]) -> frozenset[int]:
    """Ids that any of the expressions mentions."""
    out = NO_IDS
    for e in es:
        out |= refs(e)
    return out


def has_subquery(e: Node) -> bool:
    """Whether a subquery stands anywhere in `e`."""
    return _cached(e, "_subquery", lambda n: isinstance(n, SubqueryExpr))


def is_fallible(e: Node) -> bool:
    """Whether evaluating `e` may raise on some value."""
    return _cached(e, "_fallible", _node_fallible)


def is_deterministic(e: Node) -> bool:
    """Whether `e` gives the same value each time for the same row."""
    return not _cached(e, "_random", _node_random)


def runs_python(e: Node) -> bool:
    """Whether a Python function is called anywhere in `e`."""
    return _cached(e, "_python", lambda n: isinstance(n, PythonCall))


def is_movable(e: Node) -> bool:
    """Whether `e` may be evaluated on more, fewer or other rows than written."""
    return not is_fallible(e) and is_deterministic(e)


CHEAP = 200
"""Nodes of an expression that may be computed twice, for a filter and for what passes it."""


def is_cheap(e: Node) -> bool:
    """Whether an expression may be computed once more for a filter below."""
    return not any(i > CHEAP or getattr(n, "fn", "") == "ml_trees" for i, n in enumerate(e.walk()))


def _cached(e: Node, key: str, test: Callable[[Any], bool]) -> bool:
    cached: bool | None = e.__dict__.get(key)
    if cached is None:
        cached = test(e) or any(_cached(c, key, test) for c in e.children)
        e.__dict__[key] = cached
    return cached


def _node_random(e: Any) -> bool:
    if isinstance(e, Call | AggCall):
        return not registry.get(e.fn).deterministic
    return isinstance(e, PythonCall) and not e.function.deterministic


def _node_fallible(e: Any) -> bool:
    if isinstance(e, Cast):
        return not e.safe and fallible.cast_can_fail(e.arg.type, e.type)
    if isinstance(e, Call | AggCall):
        return fallible.call_can_fail(e)
    return isinstance(e, SubqueryExpr | PythonCall)


def gives_null(e: Expr, missing: frozenset[int]) -> bool:
    """Whether `e` is NULL whenever all columns in `missing` are NULL."""
    match e:
        case Column():
            return e.id in missing
        case Literal():
            return e.value is None
        case Cast() | GetField():
            return gives_null(e.arg, missing)
        case Call():
            return registry.get(e.fn).strict and any(gives_null(a, missing) for a in e.args)
        case And() | Or():
            return all(gives_null(a, missing) for a in e.args)
        case In():
            return gives_null(e.value, missing)
        case Case() | Lambda() | LambdaVar() | AggCall() | WindowCall() | SubqueryExpr():
            return False
        case _:
            return False


def rejects_null(e: Expr, missing: frozenset[int]) -> bool:
    """Whether the predicate `e` keeps no row in which all columns of `missing` are NULL."""
    match e:
        case And():
            return any(rejects_null(a, missing) for a in e.args)
        case Or():
            return all(rejects_null(a, missing) for a in e.args)
        case Literal():
            return e.value is None or e.value is False
        case Call(fn="isnotnull", args=(arg,)):
            return gives_null(arg, missing)
        case Call(fn="not", args=(Call(fn="isnull", args=(arg,)),)):
            return gives_null(arg, missing)
        case Call(fn="<=>", args=(a, b)):
            # NULL <=> b is false only where b cannot be NULL.
            return (gives_null(a, missing) and not b.nullable) or (gives_null(b, missing) and not a.nullable)
        case _:
            return gives_null(e, missing)


def split_equality(e: Expr) -> tuple[Expr, Expr] | None:
    """The sides of `a = b`, else None."""
    if isinstance(e, Call) and e.fn == "=":
        return e.args[0], e.args[1]
    return None


def equal(a: Expr, b: Expr) -> Call:
    """`a = b`."""
    return Call("=", (a, b), BOOLEAN, a.nullable or b.nullable)


def same(a: Expr, b: Expr) -> Call:
    """`a <=> b`, written `=` when neither side can be NULL (which joins run faster)."""
    if a.nullable or b.nullable:
        return Call("<=>", (a, b), BOOLEAN, False)
    return Call("=", (a, b), BOOLEAN, False)


def negate(e: Expr) -> Expr:
    """`NOT e`."""
    if isinstance(e, Call) and e.fn == "not":
        return e.args[0]
    return Call("not", (e,), BOOLEAN, e.nullable)


def is_null(e: Expr) -> Call:
    """`e IS NULL`."""
    return Call("isnull", (e,), BOOLEAN, False)


def is_not_null(e: Expr) -> Call:
    """`e IS NOT NULL`."""
    return Call("isnotnull", (e,), BOOLEAN, False)
