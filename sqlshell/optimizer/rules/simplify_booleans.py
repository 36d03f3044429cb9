"""Put predicates into the form the other rules look for.

    not (a or b)             ->  not a and not b          x = 1 or x = 2         ->  x in (1, 2)
    not (a < b)              ->  a >= b                   (a and b) or (a and c) ->  a and (b or c)
    true and a               ->  a                        case when false then a else b end -> b
    a <=> b (no NULLs)       ->  a = b                    x is null (never)      ->  false

Holds for three-valued logic and for NaN, which Spark orders above all numbers. The common factor is what turns
TPC-H Q19 from a cross product into a join; only parts that cannot fail are taken out, since what stands before a
part in an AND guards it. Runs before ExtractSubqueries (NOT next to its subquery) and whenever filters moved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import (
    FALSE,
    TRUE,
    And,
    Call,
    Case,
    Column,
    Expr,
    In,
    Literal,
    Or,
    When,
    conjoin,
    conjuncts,
    disjoin,
)
from sqlshell.optimizer.constants import literal_value
from sqlshell.optimizer.properties import equal, is_deterministic, is_movable, negate
from sqlshell.optimizer.rewrite import rewrite_exprs
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.types import BOOLEAN

if TYPE_CHECKING:
    from sqlshell.plan.logical import Plan

_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "isnull": "isnotnull", "isnotnull": "isnull"}


class SimplifyBooleans(Rule):
    """Simpler, normalised predicates."""

    name = "simplify_booleans"

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        return rewrite_exprs(plan, simplify, "_simplified")


def simplify(e: Any) -> Any:
    """One expression node, its children already simple; `e` itself when nothing applies."""
    match e:
        case And():
            return _and(e)
        case Or():
            return _or(e)
        case Call(fn="not"):
            return _not(e)
        case Call(fn="isnull" | "isnotnull", args=(Column(nullable=False),)):
            return FALSE if e.fn == "isnull" else TRUE
        case Call(fn="<=>", args=(a, b)) if not a.nullable and not b.nullable:
            return simplify(Call("=", e.args, e.type, False, e.span))
        case In():
            return _in(e)
        case Case():
            return _case(e)
        case Call():
            value = literal_value(e)
            return e if value is None else value
        case _:
            return e


def _not(e: Call) -> Expr:
    (arg,) = e.args
    match arg:
        case Literal():
            return Literal(None if arg.value is None else not arg.value, BOOLEAN)
        case Call(fn="not"):
            return arg.args[0]
        case Call(fn=fn) if fn in _OPPOSITE:
            return Call(_OPPOSITE[fn], arg.args, arg.type, arg.nullable, arg.span)
        case And():
            return disjoin([simplify(negate(a)) for a in arg.args])
        case Or():
            return conjoin([simplify(negate(a)) for a in arg.args])
        case _:
            return e


def _flat(args: tuple[Expr, ...], kind: type[And] | type[Or], neutral: Literal) -> list[Expr]:
    """The arguments without nesting, repeats and the neutral element."""
    out: list[Expr] = []
    for a in args:
        for part in a.args if isinstance(a, kind) else (a,):
            if part != neutral and not (part in out and is_deterministic(part)):
                out.append(part)
    return out


def _and(e: And) -> Expr:
    args = _flat(e.args, And, TRUE)
    if FALSE in args:
        return FALSE
    if len(args) == len(e.args) and all(a is b for a, b in zip(args, e.args, strict=True)):
        return e
    return conjoin(args)


def _or(e: Or) -> Expr:
    args = _flat(e.args, Or, FALSE)
    if TRUE in args:
        return TRUE
    merged = _common_factor(_merge_equalities(args))
    if len(merged) == len(e.args) and all(a is b for a, b in zip(merged, e.args, strict=True)):
        return e
    return disjoin(merged)


def _merge_equalities(args: list[Expr]) -> list[Expr]:
    """`x = 1 or x = 2` -> `x in (1, 2)`, at the place of the first."""
    groups: dict[Expr, list[Expr]] = {}
    for a in args:
        value = _tested(a)
        if value is not None:
            groups.setdefault(value, []).append(a)
    if all(len(g) < 2 for g in groups.values()):
        return args
    out: list[Expr] = []
    for a in args:
        value = _tested(a)
        group = groups.get(value) if value is not None else None
        if value is None or group is None or len(group) < 2:
            out.append(a)
        elif a is group[0]:
            options = [o for g in group for o in _options(g)]
            out.append(simplify(In(value, tuple(options))))
    return out


def _tested(e: Expr) -> Expr | None:
    """x, of `x = literal` and `x in (literals)`."""
    if isinstance(e, Call) and e.fn == "=" and isinstance(e.args[1], Literal):
        value = e.args[0]
    elif isinstance(e, In) and all(isinstance(o, Literal) for o in e.options):
        value = e.value
    else:
        return None
    return value if is_movable(value) and not isinstance(value, Literal) else None


def _options(e: Expr) -> tuple[Expr, ...]:
    if isinstance(e, In):
        return e.options
    assert isinstance(e, Call)
    return (e.args[1],)


def _common_factor(args: list[Expr]) -> list[Expr]:
    """`(a and b) or (a and c)` -> `a and (b or c)`."""
    if len(args) < 2:
        return args
    branches = [conjuncts(a) for a in args]
    common = [p for p in branches[0] if is_movable(p) and all(p in b for b in branches[1:])]
    if not common:
        return args
    rest = [conjoin([p for p in b if p not in common]) for b in branches]
    return [conjoin([*common, simplify(disjoin(rest))])] if TRUE not in rest else [conjoin(common)]


def _in(e: In) -> Expr:
    options = list(dict.fromkeys(e.options)) if all(isinstance(o, Literal) for o in e.options) else e.options
    if len(options) == 1:
        return equal(e.value, options[0])
    return e if len(options) == len(e.options) else In(e.value, tuple(options))


def _case(e: Case) -> Expr:
    """Without branches that are never taken; a branch that is always taken becomes the ELSE."""
    branches: list[When] = []
    otherwise = e.otherwise
    for b in e.branches:
        if isinstance(b.condition, Literal):
            if not b.condition.value:
                continue
            otherwise = b.value
            break
        branches.append(b)
    if not branches:
        return otherwise
    if len(branches) == len(e.branches):
        return e
    return Case(tuple(branches), otherwise, e.type)
