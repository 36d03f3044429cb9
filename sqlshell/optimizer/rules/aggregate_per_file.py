"""Group the rows of files before they are joined with the versions that have the files.

    Aggregate(_version, k; sum(x); Join(files, versions of files, file = file))
    ->
    Aggregate(_version, k; sum(p); Join(Aggregate(file, k; sum(x) AS p; files), versions of files, file = file))

`t VERSIONS BETWEEN a AND b` is such a join (`plan/bind_history.py`). 200 versions of a table are 100 times its rows;
grouped first, each row is looked at once and a file brings one row per group to each of its versions. For aggregates
that can be put together from parts, over columns of the table; others take the long way. Before joins are ordered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.expr.expr import AggCall, Case, Column, Expr, Literal, When, substitute
from sqlshell.optimizer.properties import is_movable, refs, split_equality
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.plan.call import make_aggregate, make_call
from sqlshell.plan.coerce import cast_to
from sqlshell.plan.logical import Aggregate, Filter, Join, Named, Plan, Project, named
from sqlshell.records import dataclass
from sqlshell.storage.delta.history import LIFE
from sqlshell.types import DOUBLE, MAX_PRECISION, Decimal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SAME = frozenset({
    "min", "max", "bool_and", "every", "bool_or", "any", "some", "bit_and", "bit_or", "bit_xor",
})  # fmt: skip
"""Aggregates of parts are put together by themselves; all but bit_xor do not mind repeats."""


class AggregatePerFile(Rule):
    """Eager aggregation below the join of a table's files with their versions."""

    name = "aggregate_per_file"
    needs = (Aggregate, Join)

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        result: Plan = plan.transform_up(_rewritten)
        return result


@dataclass(frozen=True)
class _Found:
    """The join below an aggregate, the file's number on its left side, and names of projections between."""

    join: Join
    life: Column
    names: dict[int, Expr]


def _rewritten(node: Plan) -> Plan:
    if not isinstance(node, Aggregate):
        return node
    found = _history(node.input)
    if found is None:
        return node
    left = found.join.left.output_ids
    whole = not any(isinstance(n, Filter) for n in found.join.right.walk())
    parts: list[Named] = []
    keys: list[Named] = []
    below: list[Named] = [named(LIFE, found.life)]
    for key in node.keys:
        expr = substitute(key.expr, found.names)
        used = refs(expr)
        if used and used <= left and (whole or is_movable(expr)):
            below.append(named(key.column.name, expr))
            keys.append(named(key.column.name, below[-1].column))
        elif not used & left:
            keys.append(named(key.column.name, expr))
        else:
            return node
    finals: list[Named] = []
    results: list[Named] = [
        Named(k.column, _typed(n.column, k.column)) for k, n in zip(node.keys, keys, strict=True)
    ]
    for agg in node.aggs:
        call = substitute(agg.expr, found.names)
        made = _split(call, left, whole, parts, finals)
        if made is None:
            return node
        results.append(Named(agg.column, _typed(made, agg.column)))
    grouped = Aggregate(found.join.left, tuple(below), tuple(parts))
    life = below[0].column
    sides = split_equality(found.join.condition) if found.join.condition is not None else None
    assert sides is not None
    theirs = next(s for s in sides if isinstance(s, Column) and s.id != found.life.id)
    joined = Join(grouped, found.join.right, "inner", make_call("=", [life, theirs]))
    return Project(Aggregate(joined, tuple(keys), tuple(finals)), tuple(results))


def _history(plan: Plan) -> _Found | None:
    names: dict[int, Expr] = {}
    while isinstance(plan, Project):
        inner: dict[int, Expr] = {i.column.id: i.expr for i in plan.items}
        names = {k: substitute(e, inner) for k, e in names.items()} if names else inner
        plan = plan.input
    if not isinstance(plan, Join) or plan.kind != "inner" or plan.condition is None:
        return None
    sides = split_equality(plan.condition)
    if sides is None or not all(isinstance(s, Column) and s.name == LIFE for s in sides):
        return None
    for side in sides:
        assert isinstance(side, Column)
        if side.id in plan.left.output_ids:
            return _Found(plan, side, names)
    return None


def _split(
    call: AggCall, left: frozenset[int], whole: bool, parts: list[Named], finals: list[Named]
) -> Expr | None:
    """The call's value over the final aggregates; None when it cannot be put together from parts."""
    used = refs(call)
    if call.order_by:
        return None
    if used and not used & left:
        # The versions themselves: a row per file and version stands for many, so only what minds no repeats.
        if call.distinct or (call.fn in SAME and call.fn != "bit_xor"):
            finals.append(named(call.fn, call))
            return finals[-1].column
        return None
    if not used <= left or call.distinct or not (whole or all(is_movable(a) for a in call.args)):
        return None

    def part(fn: str, args: Sequence[Expr]) -> Column:
        parts.append(named(fn, make_aggregate(fn, list(args), filter=call.filter)))
        return parts[-1].column

    def final(fn: str, column: Column) -> Expr:
        finals.append(named(fn, make_aggregate(fn, [column])))
        return finals[-1].column

    return _combined(call, part, final)


def _combined(
    call: AggCall, part: Callable[[str, Sequence[Expr]], Column], final: Callable[[str, Column], Expr]
) -> Expr | None:
    fn = call.fn
    if fn in SAME:
        return final(fn, part(fn, call.args))
    if fn == "count":
        return make_call("coalesce", [final("sum", part("count", call.args)), Literal(0, call.type)])
    if fn == "sum":
        return final("sum", part("sum", call.args))
    if fn in {"avg", "mean"} and len(call.args) == 1:
        arg = call.args[0]
        if not isinstance(arg.type, Decimal):
            arg = cast_to(arg, DOUBLE)
        total, count = final("sum", part("sum", [arg])), final("sum", part("count", [arg]))
        if isinstance(arg.type, Decimal):
            total = cast_to(total, Decimal(min(arg.type.precision + 10, MAX_PRECISION), arg.type.scale))
            divisor = cast_to(count, Decimal(20, 0))
        else:
            divisor = cast_to(count, DOUBLE)
        some = make_call(">", [count, Literal(0, count.type)])
        value = cast_to(make_call("/", [total, divisor]), call.type)
        return Case((When(some, value),), Literal(None, call.type), call.type)
    return None


def _typed(value: Expr, like: Column) -> Expr:
    return cast_to(value, like.type)
