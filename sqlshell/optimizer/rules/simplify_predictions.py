"""Conditions on what a model says become conditions on its score, which filters can be pushed down with.

    named_struct('a', x, 'b', y).b          ->  y             array(x, y)[0], element_at(array(x, y), 1)  ->  x
    case when c then 'b' else 'a' end = 'b'  ->  c             case when c then true else false end        ->  c
    ml_sigmoid(s) > 0.9                     ->  s >= 2.1972   1 - ml_sigmoid(s) > 0.9  ->  s < -2.1972 or s is NaN

The bound of a score is the least double whose sigmoid, computed as the kernels do, passes: found by bisection, so
that rounding decides alike. Nothing is dropped that could fail.
"""

from __future__ import annotations

import math
import operator
import struct
from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import FALSE, TRUE, And, Call, Case, Expr, GetField, Literal, Or, When
from sqlshell.optimizer.properties import is_movable, negate
from sqlshell.optimizer.rewrite import rewrite_exprs
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.plan.call import make_call
from sqlshell.types import DOUBLE, Boolean, Integral, String

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.plan.logical import Plan

_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_MIRROR = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "=": "="}
_FIRST = {"element_at": 1, "try_element_at": 1, "[]": 0}
"""What functions call the first element of an array."""


class SimplifyPredictions(Rule):
    """Filters on labels and probabilities are filters on scores."""

    name = "simplify_predictions"

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        return rewrite_exprs(plan, simplify, "_predictions_simplified")


def simplify(e: Any) -> Any:
    """One expression node; `e` itself when nothing applies."""
    match e:
        case GetField(arg=Call(fn="named_struct") as made):
            return _only(_field(made, e.name), made.args, e)
        case GetField(arg=Call(args=(Call(fn="array", args=items), _)) as chosen):
            return _only(_field(_element(chosen), e.name), items, e)
        case Call(args=(Call(fn="array", args=items), Literal())):
            return _only(_element(e), items, e)
        case Call(fn=fn, args=(Literal() as value, tested)) if fn in _MIRROR and not isinstance(
            tested, Literal
        ):
            return _compared(e, _MIRROR[fn], tested, value)
        case Call(fn=fn, args=(tested, Literal() as value)) if fn in _MIRROR:
            return _compared(e, fn, tested, value)
        case Case(branches=(When(condition=c, value=Literal(value=True)),), otherwise=Literal(value=False)):
            return _surely(c)
    return e


def _element(e: Call) -> Expr | None:
    """x, of `array(x, y)[0]`."""
    made, at = e.args
    if e.fn not in _FIRST or not isinstance(made, Call) or not isinstance(at, Literal) or at.value is None:
        return None
    position = at.value - _FIRST[e.fn]
    return made.args[position] if 0 <= position < len(made.args) else None


def _field(e: Expr | None, name: str) -> Expr | None:
    """The value of a field of `named_struct(...)`."""
    if not isinstance(e, Call) or e.fn != "named_struct":
        return None
    pairs = zip(e.args[::2], e.args[1::2], strict=True)
    return next((v for n, v in pairs if isinstance(n, Literal) and n.value == name), None)


def _only(chosen: Expr | None, parts: tuple[Expr, ...], e: Expr) -> Expr:
    """`chosen` for `e`, when what else it is made from may go."""
    if chosen is None or chosen.type != e.type or not all(is_movable(p) for p in parts):
        return e
    return chosen


def _surely(c: Expr) -> Expr:
    """Whether a condition holds: FALSE for NULL."""
    return make_call("coalesce", [c, FALSE]) if c.nullable else c


def _compared(e: Expr, fn: str, tested: Expr, value: Literal) -> Expr:
    match tested:
        case _ if fn == "=" and isinstance(value.value, bool) and not tested.nullable:
            return tested if value.value else negate(tested)
        case Case(branches=(When(condition=c, value=Literal() as yes),), otherwise=Literal() as no) if (
            fn == "="
        ):
            return _label(e, c, yes, no, value)
        case Call(fn="ml_sigmoid", args=(score,)) if fn in _COMPARE and value.type == DOUBLE:
            return _on_score(e, score, _bound(_sigmoid, fn, value.value), fn.startswith(">"), mixed=False)
        case Call(fn="-", args=(Literal(value=1.0), Call(fn="ml_sigmoid", args=(score,)))) if (
            fn in _COMPARE and value.type == DOUBLE
        ):
            return _on_score(e, score, _bound(_rest, fn, value.value), fn.startswith("<"), mixed=True)
    return e


def _label(e: Expr, c: Expr, yes: Literal, no: Literal, value: Literal) -> Expr:
    known = all(
        isinstance(x.type, (String, Integral, Boolean)) and x.value is not None for x in (yes, no, value)
    )
    if not known or not is_movable(c) or len({yes.type, no.type, value.type}) > 1:
        return e
    if yes.value == no.value:
        return TRUE if value.value == yes.value else FALSE
    if value.value == yes.value:
        return _surely(c)
    return negate(_surely(c)) if value.value == no.value else FALSE


def _on_score(e: Expr, score: Expr, bound: float | None, above: bool, *, mixed: bool) -> Expr:
    """score >= bound or score < bound; with `mixed` NaN is on the other side of it than the numbers near it."""
    if bound is None:
        return e
    found: Expr = make_call(">=" if above else "<", [score, Literal(bound, DOUBLE)])
    if not mixed:
        return found
    nan = make_call("isnan", [score])
    return And((found, negate(nan))) if above else Or((found, nan))


def _sigmoid(x: float) -> float:
    try:
        return 1.0 / (1.0 + math.exp(-x))
    except OverflowError:
        return 0.0


def _rest(x: float) -> float:
    return 1.0 - _sigmoid(x)


def _bound(f: Callable[[float], float], fn: str, value: Any) -> float | None:
    """The least double where `f(x) fn value` is other than at -infinity; None when it is the same everywhere."""
    if not isinstance(value, float) or math.isnan(value):
        return None
    test = _COMPARE[fn]
    low, high = _ordinal(-math.inf), _ordinal(math.inf)
    start = test(f(-math.inf), value)
    if test(f(math.inf), value) == start:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if test(f(_double(middle)), value) == start:
            low = middle
        else:
            high = middle
    return _double(high)


def _ordinal(x: float) -> int:
    """Doubles in their order as integers."""
    bits: int = struct.unpack("<q", struct.pack("<d", x))[0]
    return bits if bits >= 0 else -(bits & (2**63 - 1))


def _double(ordinal: int) -> float:
    bits = ordinal if ordinal >= 0 else (-ordinal) | -(2**63)
    found: float = struct.unpack("<d", struct.pack("<q", bits))[0]
    return found
