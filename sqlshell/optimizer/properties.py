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
    SubqueryExpr,
    WindowCall,
)
from sqlshell.functions import registry
from sqlshell.types import (
    BOOLEAN,
    Array,
    Binary,
    Boolean,
    Date,
    Decimal,
    Fractional,
    Integral,
    Map,
    Numeric,
    SqlType,
    String,
    Struct,
    Timestamp,
    TimestampNtz,
    Void,
    as_decimal,
)

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


def is_movable(e: Node) -> bool:
    """Whether `e` may be evaluated on more, fewer or other rows than written."""
    return not is_fallible(e) and is_deterministic(e)


def _cached(e: Node, key: str, test: Callable[[Any], bool]) -> bool:
    cached: bool | None = e.__dict__.get(key)
    if cached is None:
        cached = test(e) or any(_cached(c, key, test) for c in e.children)
        e.__dict__[key] = cached
    return cached


def _node_random(e: Any) -> bool:
    if isinstance(e, Call | AggCall):
        return not registry.get(e.fn).deterministic
    return False


def _node_fallible(e: Any) -> bool:
    if isinstance(e, Cast):
        return not e.safe and cast_can_fail(e.arg.type, e.type)
    if isinstance(e, Call):
        return registry.get(e.fn).fallible and not _cannot_fail(e)
    if isinstance(e, AggCall):
        return registry.get(e.fn).fallible
    return isinstance(e, SubqueryExpr)


def _cannot_fail(e: Call) -> bool:
    """Whether the argument types or literals of a fallible function rule its errors out."""
    if e.fn in {"+", "-", "*"}:
        return isinstance(e.type, Fractional) or _decimal_fits(e)
    if e.fn in {"/", "%", "div"}:
        divisor = e.args[1]
        nonzero = isinstance(divisor, Literal) and divisor.value not in (None, 0)
        return nonzero and (isinstance(e.type, Fractional) or (e.fn == "/" and _decimal_fits(e)))
    return False


def _decimal_fits(e: Call) -> bool:
    """Whether a decimal result type holds every exact result (it was not cut at 38 digits)."""
    if not isinstance(e.type, Decimal):
        return False
    a, b = (as_decimal(x.type) for x in e.args) if len(e.args) == 2 else (None, None)
    if a is None or b is None:
        return False
    whole_a, whole_b = a.precision - a.scale, b.precision - b.scale
    if e.fn == "*":
        whole = whole_a + whole_b
    elif e.fn == "/":
        whole = whole_a + b.scale
    else:
        whole = max(whole_a, whole_b) + 1
    return e.type.precision - e.type.scale >= whole


def cast_can_fail(source: SqlType, target: SqlType) -> bool:
    """Whether an ANSI cast raises for some value of `source`."""
    if source == target or isinstance(source, Void):
        return False
    match target:
        case String():
            return target.length is not None
        case Binary():
            return not isinstance(source, String | Integral)
        case Boolean():
            return not isinstance(source, Numeric)
        case Fractional():
            return not isinstance(source, Numeric | Boolean | Timestamp)
        case Integral():
            if isinstance(source, Integral):
                return source.bits > target.bits
            if isinstance(source, Timestamp):
                return target.bits < 64
            return not isinstance(source, Boolean)
        case Decimal():
            exact = as_decimal(source)
            if exact is None:
                return not isinstance(source, Boolean)
            return exact.precision - exact.scale > target.precision - target.scale
        case Date():
            return not isinstance(source, Timestamp | TimestampNtz)
        case Timestamp() | TimestampNtz():
            return not isinstance(source, Date | Timestamp | TimestampNtz)
        case Array():
            return not isinstance(source, Array) or cast_can_fail(source.element, target.element)
        case Map():
            return (
                not isinstance(source, Map)
                or cast_can_fail(source.key, target.key)
                or cast_can_fail(source.value, target.value)
            )
        case Struct():
            return (
                not isinstance(source, Struct)
                or len(source.fields) != len(target.fields)
                or any(
                    cast_can_fail(a.type, b.type)
                    for a, b in zip(source.fields, target.fields, strict=True)
                )
            )
        case _:
            return True


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
            return (gives_null(a, missing) and not b.nullable) or (
                gives_null(b, missing) and not a.nullable
            )
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
