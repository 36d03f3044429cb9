"""The cheap half of decorrelation: move correlated predicates up to the dependent join.

`pull_up(R, outer)` gives a plan without outer columns and the predicates that were pulled out of it, written over
outer columns and the plan's (possibly widened) output: R(d) = the rows of the plan that satisfy them. Grouping,
windows and limits are passed by equalities only, which become grouping or partition keys:

    Aggregate(k, f)            Aggregate(k, c; f)             pulled: o = c
      Filter(o = c and q)  ->    Filter(q)

A global aggregate gives a row also where nothing matches (the "count bug"); `defaults` says which. What does not
fit raises CannotPull, and the general dependent join takes over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.expr.expr import (
    AggCall,
    Call,
    Column,
    Expr,
    Frame,
    Literal,
    SortKey,
    WindowCall,
    conjoin,
    conjuncts,
    long,
    substitute,
)
from sqlshell.optimizer.build import as_column, exposing, filtered
from sqlshell.optimizer.properties import gives_null, is_deterministic, refs, refs_of
from sqlshell.plan.logical import (
    Aggregate,
    Filter,
    Generate,
    Join,
    Limit,
    Named,
    Plan,
    Project,
    Sort,
    TopN,
    Window,
    named,
)
from sqlshell.records import dataclass, field, replace
from sqlshell.types import BOOLEAN, INT

if TYPE_CHECKING:
    from collections.abc import Sequence

ZERO_WHEN_EMPTY = frozenset({"count", "count_if", "regr_count", "approx_count_distinct"})
NULL_WHEN_EMPTY = frozenset(
    {
        "sum",
        "avg",
        "mean",
        "min",
        "max",
        "any_value",
        "first",
        "first_value",
        "last",
        "last_value",
        "stddev",
        "stddev_samp",
        "std",
        "stddev_pop",
        "variance",
        "var_samp",
        "var_pop",
        "median",
        "percentile",
        "percentile_approx",
        "approx_percentile",
        "max_by",
        "min_by",
        "bool_and",
        "bool_or",
        "every",
        "any",
        "some",
        "corr",
        "covar_pop",
        "covar_samp",
        "skewness",
        "kurtosis",
        "mode",
        "bit_and",
        "bit_or",
        "bit_xor",
        "try_sum",
        "try_avg",
    }
)


class CannotPull(Exception):
    """The cheap way does not apply here."""


@dataclass(frozen=True)
class Pulled:
    """`plan` filtered by `conditions` is the subquery; `defaults` its one row where nothing matches, if it has one."""

    plan: Plan
    conditions: tuple[Expr, ...] = ()
    defaults: dict[int, Expr] | None = field(default=None)


def pull_up(node: Plan, outer: frozenset[int]) -> Pulled:
    """Pull every predicate over `outer` columns out of `node`, or raise CannotPull."""
    if not any(c.id in outer for c in node.free_columns):
        return Pulled(node)
    match node:
        case Filter():
            return _filter(node, outer)
        case Project():
            return _project(node, outer)
        case Aggregate():
            return _aggregate(node, outer)
        case Window():
            return _window(node, outer)
        case Sort():
            _closed(node.keys, outer)
            return pull_up(node.input, outer)
        case Limit(input=Sort() as sort, count=int() as n):
            return _limit(sort.input, sort.keys, n, node.offset, outer)
        case Limit(count=int() as n):
            return _limit(node.input, (), n, node.offset, outer)
        case TopN():
            return _limit(node.input, node.keys, node.count, node.offset, outer)
        case Join():
            return _join(node, outer)
        case Generate():
            _closed((node.generator,), outer)
            inner = _plain(pull_up(node.input, outer))
            return replace(inner, plan=replace(node, input=inner.plan))
        case _:
            raise CannotPull


def _closed(exprs: Sequence[Expr | SortKey | Named], outer: frozenset[int]) -> None:
    if refs_of(exprs) & outer:
        raise CannotPull


def _plain(pulled: Pulled) -> Pulled:
    """Only what has no row for the empty case."""
    if pulled.defaults is not None:
        raise CannotPull
    return pulled


def _filter(node: Filter, outer: frozenset[int]) -> Pulled:
    inner = _plain(pull_up(node.input, outer))
    own: list[Expr] = []
    moved: list[Expr] = []
    for part in conjuncts(node.predicate):
        (moved if refs(part) & outer else own).append(part)
    if not all(is_deterministic(p) for p in moved):
        raise CannotPull
    return Pulled(filtered(inner.plan, own), inner.conditions + tuple(moved))


def _project(node: Project, outer: frozenset[int]) -> Pulled:
    _closed(node.items, outer)
    inner = pull_up(node.input, outer)
    needed = refs_of(inner.conditions) - outer
    project = exposing(Project(inner.plan, node.items), needed)
    if inner.defaults is None:
        return Pulled(project, inner.conditions)
    nulls = frozenset(i for i, d in inner.defaults.items() if isinstance(d, Literal) and d.value is None)
    defaults: dict[int, Expr] = {}
    for item in node.items:
        if gives_null(item.expr, nulls):
            defaults[item.column.id] = Literal(None, item.column.type)
        else:
            defaults[item.column.id] = substitute(item.expr, inner.defaults)
    return Pulled(project, inner.conditions, defaults)


def _aggregate(node: Aggregate, outer: frozenset[int]) -> Pulled:
    _closed(node.keys + node.aggs, outer)
    inner = _plain(pull_up(node.input, outer))
    keys = list(node.keys)
    conditions: list[Expr] = []
    for condition in inner.conditions:
        call, outside, inside = _equality(condition, outer)
        key = next((k for k in keys if k.expr == inside), None)
        if key is None:
            key = named(inside.name if isinstance(inside, Column) else "key", inside)
            keys.append(key)
        conditions.append(replace(call, args=(outside, key.column)))
    grouped = Aggregate(inner.plan, tuple(keys), node.aggs)
    defaults = None if node.keys else {a.column.id: _when_empty(a) for a in node.aggs}
    return Pulled(grouped, tuple(conditions), defaults)


def _equality(condition: Expr, outer: frozenset[int]) -> tuple[Call, Expr, Expr]:
    """An equality of an outer and an inner expression: the call and its sides."""
    if isinstance(condition, Call) and condition.fn in {"=", "<=>"}:
        a, b = condition.args
        if refs(a) <= outer and not refs(b) & outer and refs(b):
            return condition, a, b
        if refs(b) <= outer and not refs(a) & outer and refs(a):
            return condition, b, a
    raise CannotPull


def _when_empty(agg: Named) -> Expr:
    assert isinstance(agg.expr, AggCall)
    if agg.expr.fn in ZERO_WHEN_EMPTY:
        return replace(long(0), type=agg.expr.type)
    if agg.expr.fn in NULL_WHEN_EMPTY:
        return Literal(None, agg.expr.type)
    raise CannotPull


def _window(node: Window, outer: frozenset[int]) -> Pulled:
    _closed(node.calls, outer)
    inner = _plain(pull_up(node.input, outer))
    keys = tuple(_equality(c, outer)[2] for c in inner.conditions)

    def widen(call: Named) -> Named:
        assert isinstance(call.expr, WindowCall)
        return replace(call, expr=replace(call.expr, partition_by=call.expr.partition_by + keys))

    return Pulled(Window(inner.plan, tuple(widen(c) for c in node.calls)), inner.conditions)


def _limit(
    source: Plan, order: tuple[SortKey, ...], count: int, offset: int, outer: frozenset[int]
) -> Pulled:
    _closed(order, outer)
    inner = _plain(pull_up(source, outer))
    keys = tuple(_equality(c, outer)[2] for c in inner.conditions)
    return Pulled(first_rows(inner.plan, keys, order, count, offset), inner.conditions)


def first_rows(
    plan: Plan, keys: tuple[Expr, ...], order: tuple[SortKey, ...], count: int | None, offset: int
) -> Plan:
    """LIMIT count OFFSET offset within each group of `keys`."""
    number = AggCall("row_number", (), INT, nullable=False)
    if not order:
        # Spark's row_number needs an order; any will do for a LIMIT without one.
        order = tuple(SortKey(k) for k in keys[:1])
    call = named("row_number", WindowCall(number, keys, order, Frame("rows", None, 0)))
    parts: list[Expr] = []
    if offset:
        parts.append(Call(">", (call.column, Literal(offset, INT)), BOOLEAN, False))
    if count is not None:
        parts.append(Call("<=", (call.column, Literal(offset + count, INT)), BOOLEAN, False))
    return filtered(Window(plan, (call,)), parts)


def _join(node: Join, outer: frozenset[int]) -> Pulled:
    if node.kind in {"inner", "cross"}:
        left, right = _plain(pull_up(node.left, outer)), _plain(pull_up(node.right, outer))
        own: list[Expr] = []
        moved: list[Expr] = []
        for part in conjuncts(node.condition):
            (moved if refs(part) & outer else own).append(part)
        kind = "inner" if own else "cross"
        joined = replace(
            node,
            left=left.plan,
            right=right.plan,
            kind=kind,
            condition=conjoin(own) if own else None,
        )
        return Pulled(joined, left.conditions + right.conditions + tuple(moved))
    if node.kind in {"right", "full"} or any(c.id in outer for c in node.right.free_columns):
        raise CannotPull
    if node.condition is not None:
        _closed((node.condition,), outer)
    left = _plain(pull_up(node.left, outer))
    return Pulled(replace(node, left=left.plan), left.conditions)


def with_marker(plan: Plan) -> tuple[Plan, Column]:
    """`plan` with a column that is TRUE in every row, to tell matches of an outer join from misses."""
    return as_column(plan, Literal(True, BOOLEAN), "matched")
