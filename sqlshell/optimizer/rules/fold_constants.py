"""Compute expressions without columns once, at planning time.

    l_shipdate <= DATE '1998-12-01' - INTERVAL 90 DAY   ->   l_shipdate <= DATE '1998-09-02'

Simple forms are computed here; all others of a plan go to a worker in one batch (`ctx.evaluate`). An expression
that fails stays as it is: whether its error shows depends on the rows. Random and context-free-but-unstable
functions are never folded. Runs before SimplifyBooleans, which needs the literals, and again after filters moved,
since pushing a filter through a projection of constants makes new constant expressions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import Error
from sqlshell.expr.expr import (
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
)
from sqlshell.functions import registry
from sqlshell.optimizer.constants import literal_value
from sqlshell.optimizer.properties import refs
from sqlshell.optimizer.rewrite import rewrite_exprs
from sqlshell.optimizer.rule import OptimizerContext, Rule

if TYPE_CHECKING:
    from sqlshell.plan.logical import Plan

_FAILED = "_unfoldable"
_FOLDABLE = (Call, Cast, Case, GetField, In, And, Or)


class FoldConstants(Rule):
    """Constant expressions -> literals."""

    name = "fold_constants"

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        plan = rewrite_exprs(plan, _simple, "_folded")
        constants: list[Expr] = []
        seen: set[int] = set()
        for node in plan.walk():
            if id(node) in seen or "_no_constants" in node.__dict__:
                continue
            seen.add(id(node))
            before = len(constants)
            for e in node.exprs:
                _collect(e, constants)
            if len(constants) == before:
                node.__dict__["_no_constants"] = True
        if not constants:
            return plan
        values = _evaluate(constants, ctx)
        return rewrite_exprs(plan, lambda e: values.get(id(e), e), "_evaluated") if values else plan


def _simple(e: Any) -> Any:
    if isinstance(e, Call | Cast):
        value = literal_value(e)
        return e if value is None else value
    if isinstance(e, GetField) and isinstance(e.arg, Call) and e.arg.fn == "named_struct":
        return _part(e, e.arg)
    return e


def _part(e: GetField, struct: Call) -> Expr:
    """The value of a field of a struct that is made here, when leaving out the other values loses no error."""
    if not all(isinstance(a, Column | Literal) for a in struct.args):
        return e
    names = [a.value if isinstance(a, Literal) else None for a in struct.args[::2]]
    value = struct.args[2 * names.index(e.name) + 1] if e.name in names else e
    return value if value.type == e.type else e


def _collect(e: Any, out: list[Expr]) -> None:
    """The largest constant subtrees below `e` that were not tried yet."""
    if isinstance(e, _FOLDABLE) and _FAILED not in e.__dict__ and is_constant(e):
        out.append(e)
        return
    for c in e.children:
        _collect(c, out)


def is_constant(e: Any) -> bool:
    """Whether `e` needs no row, has no randomness and no subquery."""
    cached: bool | None = e.__dict__.get("_constant")
    if cached is None:
        cached = not refs(e) and _is_pure(e) and all(is_constant(c) for c in e.children)
        e.__dict__["_constant"] = cached
    return cached


def _is_pure(e: Any) -> bool:
    if isinstance(e, Call):
        row = registry.get(e.fn)
        return row.kind == "scalar" and row.deterministic
    return not isinstance(e, Column | LambdaVar | Lambda | SubqueryExpr | PythonCall)


def _evaluate(constants: list[Expr], ctx: OptimizerContext) -> dict[int, Literal]:
    """Values by expression identity; expressions that fail are marked and left out."""
    try:
        return {id(e): v for e, v in zip(constants, ctx.evaluate(constants), strict=True)}
    except Error:
        if len(constants) == 1:
            constants[0].__dict__[_FAILED] = True
            return {}
    out: dict[int, Literal] = {}
    for e in constants:
        out |= _evaluate([e], ctx)
    return out
