"""Branches of CASE that the filters below rule out: most of a small tree's branches, under a predicate on its inputs.

    Project(case when x >= 7 then a when x < 3 then b else c end) > Filter(x < 5)
        ->  Project(case when x < 3 then b else c end) > Filter(x < 5)

A condition `column < literal` is decided by the ranges that filters and file statistics give the column. NULL takes the
ELSE as it does where the condition is false; a condition counts as true only where NULL is ruled out. NaN is above all
numbers. Once, when filters are where they belong and before columns are pruned: a feature that no branch asks for is
not read.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import FALSE, TRUE, Call, Case, Cast, Column, Expr, Literal, conjuncts
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.optimizer.rules.simplify_booleans import simplify
from sqlshell.plan.logical import Aggregate, Filter, Plan, Project, Scan
from sqlshell.records import dataclass, replace
from sqlshell.types import DOUBLE, FLOAT, Integral

if TYPE_CHECKING:
    from collections.abc import Iterable

_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}


@dataclass(frozen=True)
class Range:
    """What is known of a value: low <= value <= high (strictly where `open_`), and whether it may be NULL or NaN."""

    low: Any = -math.inf
    high: Any = math.inf
    open_low: bool = False
    open_high: bool = False
    null: bool = True
    nan: bool = True

    def under(self, fn: str, value: Any) -> Range:
        """The range of rows that also pass `column fn value`; NULL does not pass."""
        known = replace(self, null=False)
        if fn in {"<", "<=", "="} and (value, fn != "<") < (self.high, not self.open_high):
            known = replace(known, high=value, open_high=fn == "<")
        if fn in {"<", "<=", "="}:
            known = replace(known, nan=False)
        if fn in {">", ">=", "="} and (value, fn == ">") > (self.low, self.open_low):
            known = replace(known, low=value, open_low=fn == ">")
        return known

    def decides(self, fn: str, value: Any) -> bool | None:
        """Whether `column fn value` holds for all rows (True) or for none, NULL counting as none (False)."""
        if fn in {">", ">="}:
            opposite = self.decides("<=" if fn == ">" else "<", value)
            if opposite is False and not self.null:  # nobody is below, and NaN is above
                return True
            return False if opposite is True or self._all_below(value, fn == ">") else None
        if self._all_below(value, fn == "<=") and not self.null and not self.nan:
            return True
        above = self.low > value or (self.low == value and (fn == "<" or self.open_low))
        return False if above else None

    def _all_below(self, value: Any, or_equal: bool) -> bool:
        """Whether no number and no NaN is above `value`."""
        if self.nan:
            return False
        return bool(self.high < value or (self.high == value and (or_equal or self.open_high)))


Known = dict[int, Range]


class PruneBranches(Rule):
    """CASE without branches that no row takes."""

    name = "prune_branches"
    needs = (Scan,)

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        return _visit(plan)[0]


def _visit(node: Plan) -> tuple[Plan, Known]:
    """The node pruned, and what is known of its output."""
    if isinstance(node, Scan):
        return node, _filtered({c.id: _of_column(c) for c in node.columns}, node.filters)
    if not isinstance(node, (Project, Filter, Aggregate)):
        return node.map_children(lambda c: _visit(c)[0]), {}
    below, known = _visit(node.input)
    new: Plan = node if below is node.input else replace(node, input=below)
    if any(_has_case(e) for e in node.exprs):
        new = new.map_exprs(lambda e: e.transform_up(lambda n: _pruned(n, known)))
    match new:
        case Project():
            return new, {i.column.id: _range(i.expr, known) for i in new.items}
        case Filter():
            return new, _filtered(known, conjuncts(new.predicate))
    return new, {}


def _has_case(e: Any) -> bool:
    return any(isinstance(n, Case) for n in e.walk())


def _of_column(c: Column) -> Range:
    nan = c.type in (FLOAT, DOUBLE)
    if c.bounds is None or not isinstance(c.type, Integral):
        return Range(null=c.nullable, nan=nan)
    return Range(*c.bounds, null=c.nullable, nan=nan)


def _filtered(known: Known, parts: Iterable[Expr]) -> Known:
    out = dict(known)
    for part in parts:
        found = _comparison(part)
        if found is None:
            continue
        tested, fn, value = found
        if isinstance(tested, Column) and tested.id in out:
            out[tested.id] = out[tested.id].under(fn, value)
    return out


def _comparison(e: Expr) -> tuple[Expr, str, Any] | None:
    """(tested, function, number) of a comparison with a number."""
    match e:
        case Call(fn=fn, args=(tested, Literal() as v)) if fn in _MIRROR and _is_number(v.value):
            return tested, fn, v.value
        case Call(fn=fn, args=(Literal() as v, tested)) if fn in _MIRROR and _is_number(v.value):
            return tested, _MIRROR[fn], v.value
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)


def _range(e: Expr, known: Known) -> Range:
    match e:
        case Column():
            return known.get(e.id, _of_column(e))
        case Cast(safe=False) if e.type in (FLOAT, DOUBLE) and (
            e.arg.type in (FLOAT, DOUBLE) or isinstance(e.arg.type, Integral)
        ):
            own = _range(e.arg, known)
            low, high = _rounded(own.low, e.type), _rounded(own.high, e.type)
            return Range(low, high, null=own.null, nan=own.nan)
        case Call(fn="nanvl", args=(value, Literal(value=None))):
            own = _range(value, known)
            return replace(own, null=own.null or own.nan, nan=False)
    return Range(null=e.nullable, nan=e.type in (FLOAT, DOUBLE))


def _rounded(value: Any, t: Any) -> float:
    """A number as float or double, as a cast rounds it."""
    try:
        wide = float(value)
        return float(struct.unpack("<f", struct.pack("<f", wide))[0]) if t == FLOAT else wide
    except OverflowError:
        return math.copysign(math.inf, value)


def _pruned(n: Any, known: Known) -> Any:
    """A CASE whose conditions are decided where they can be."""
    if not isinstance(n, Case):
        return n
    branches = []
    for b in n.branches:
        found = _comparison(b.condition)
        decided = None if found is None or found[1] == "=" else _range(found[0], known).decides(*found[1:])
        branches.append(b if decided is None else replace(b, condition=TRUE if decided else FALSE))
    if all(a is b for a, b in zip(branches, n.branches, strict=True)):
        return n
    return simplify(replace(n, branches=tuple(branches)))
