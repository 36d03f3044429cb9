"""Forms that look like functions but are nodes of their own: and, or, in, case, if, nullif, between ..."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import Call, Case, Expr, In, Literal, When, conjoin, disjoin
from sqlshell.functions import result_types as rt
from sqlshell.plan import collations
from sqlshell.plan.call_operators import comparison, fit_literal, padded_alike
from sqlshell.plan.coerce import coerce_all, coerce_to
from sqlshell.types import BOOLEAN, INT, VOID, Boolean, Decimal, String, Void

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlshell.errors import Span


def _count(name: str, args: Sequence[Expr], least: int, most: int | None, span: Span | None) -> None:
    if len(args) < least or (most is not None and len(args) > most):
        wanted = (
            str(least) if least == most else f"at least {least}" if most is None else f"{least} to {most}"
        )
        raise AnalysisError(
            f"`{name}` takes {wanted} arguments, not {len(args)}",
            condition="WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
            span=span,
        )


def as_condition(expr: Expr, what: str, span: Span | None, *, strings: bool = False) -> Expr:
    """`expr` as a boolean; text is cast only where Spark does so (`strings`)."""
    if isinstance(expr.type, Boolean):
        return expr
    if isinstance(expr.type, Void) or (strings and isinstance(expr.type, String)):
        return coerce_to(expr, BOOLEAN, span=span)
    raise AnalysisError(
        f"{what} needs a boolean, not {expr.type}",
        condition="DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
        span=span,
    )


def _and(args: Sequence[Expr], span: Span | None) -> Expr:
    _count("and", args, 1, None, span)
    return conjoin([as_condition(a, "AND", span, strings=True) for a in args])


def _or(args: Sequence[Expr], span: Span | None) -> Expr:
    _count("or", args, 1, None, span)
    return disjoin([as_condition(a, "OR", span, strings=True) for a in args])


def _in(args: Sequence[Expr], span: Span | None) -> Expr:
    _count("in", args, 2, None, span)
    value, *options = args
    options = [padded_alike(o, value) for o in options]
    value, *options = collations.keys([value, *options], span)
    if isinstance(value.type, Decimal):
        fitted = [fit_literal(o, value.type) if isinstance(o, Literal) else None for o in options]
        options = [f or o for f, o in zip(fitted, options, strict=True)]
    coerced, common = coerce_all([value, *options], "IN", span=span)
    if isinstance(common, Void):
        coerced = tuple(coerce_to(e, BOOLEAN) for e in coerced)
    if not rt.is_orderable(common):
        raise AnalysisError(
            f"IN does not compare values of type {common}",
            condition="DATATYPE_MISMATCH.INVALID_ORDERING_TYPE",
            span=span,
        )
    return In(coerced[0], coerced[1:])


def _not_equal(args: Sequence[Expr], span: Span | None) -> Expr:
    _count("!=", args, 2, 2, span)
    equal = comparison("=", args[0], args[1], span)
    return Call("not", (equal,), BOOLEAN, equal.nullable, span)


def _equal(args: Sequence[Expr], span: Span | None) -> Expr:
    _count("==", args, 2, 2, span)
    return comparison("=", args[0], args[1], span)


def _not(args: Sequence[Expr], span: Span | None) -> Expr:
    _count("not", args, 1, 1, span)
    arg = as_condition(args[0], "NOT", span, strings=True)
    return Call("not", (arg,), BOOLEAN, arg.nullable, span)


def _between(args: Sequence[Expr], span: Span | None) -> Expr:
    _count("between", args, 3, 3, span)
    value, low, high = args
    return conjoin([comparison(">=", value, low, span), comparison("<=", value, high, span)])


def make_case(
    branches: Sequence[tuple[Expr, Expr]], otherwise: Expr | None, span: Span | None = None
) -> Expr:
    """A searched CASE, its values cast to their common type."""
    last = otherwise if otherwise is not None else Literal(None, VOID)
    values, common = coerce_all([*(v for _, v in branches), last], "CASE", span=span)
    whens = tuple(
        When(as_condition(c, "WHEN", span), v) for (c, _), v in zip(branches, values[:-1], strict=True)
    )
    return Case(whens, values[-1], common)


def _case(args: Sequence[Expr], span: Span | None) -> Expr:
    _count("case", args, 2, None, span)
    pairs = [(args[i], args[i + 1]) for i in range(0, len(args) - 1, 2)]
    return make_case(pairs, args[-1] if len(args) % 2 else None, span)


def _if(args: Sequence[Expr], span: Span | None) -> Expr:
    _count("if", args, 3, 3, span)
    condition = as_condition(args[0], "IF", span)
    return make_case([(condition, args[1])], args[2], span)


def _nvl2(args: Sequence[Expr], span: Span | None) -> Expr:
    _count("nvl2", args, 3, 3, span)
    present = Call("isnotnull", (args[0],), BOOLEAN, False, span)
    return make_case([(present, args[1])], args[2], span)


def _nullif(args: Sequence[Expr], span: Span | None) -> Expr:
    _count("nullif", args, 2, 2, span)
    value = args[0]
    if isinstance(value.type, Void):
        return value
    same = comparison("=", value, args[1], span)
    return Case((When(same, Literal(None, value.type)),), value, value.type)


def _nullifzero(args: Sequence[Expr], span: Span | None) -> Expr:
    _count("nullifzero", args, 1, 1, span)
    return _nullif([args[0], Literal(0, INT)], span)


SPECIAL: dict[str, Callable[[Sequence[Expr], Span | None], Expr]] = {
    "and": _and,
    "or": _or,
    "in": _in,
    "not": _not,
    "!": _not,
    "==": _equal,
    "!=": _not_equal,
    "<>": _not_equal,
    "between": _between,
    "case": _case,
    "when": _case,
    "if": _if,
    "iff": _if,
    "nvl2": _nvl2,
    "nullif": _nullif,
    "nullifzero": _nullifzero,
}
