"""Aggregates over distinct values, spread over tasks: rows are grouped by their values before those are counted.

    Aggregate(k; sum(a), count(DISTINCT x); R)
    ->
    FinalAggregate(k; sum, count)                       exchange by k
      PartialAggregate(k; sums merged, count(x))
        PartialAggregate(k, x; sums merged)             exchange by k and x
          PartialAggregate(k, x; sum(a); R)

FILTER becomes a value that is NULL where it does not hold: the functions ignore NULLs. Several lists of distinct
arguments repeat each row once per list (as Spark's RewriteDistinctAggregates does), with the others' values NULL;
the first copy alone counts for plain aggregates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sqlshell.exec.equi import stable_hash
from sqlshell.exec.physical import FinalAggregate, PartialAggregate
from sqlshell.exec.piece import REPEATS_DO_NOT_MATTER, can_split, state_columns
from sqlshell.expr.expr import Case, Column, Expr, Literal, When, columns_of, conjoin
from sqlshell.optimizer.properties import is_deterministic
from sqlshell.plan.logical import (
    Expand,
    Named,
    Plan,
    Project,
    as_nullable,
    fresh_column,
    fresh_id,
    passthrough,
)
from sqlshell.records import dataclass, replace
from sqlshell.types import BOOLEAN

if TYPE_CHECKING:
    from sqlshell.expr.expr import AggCall
    from sqlshell.plan.logical import Aggregate

Arguments = tuple[tuple[Expr, ...], Expr | None]
"""What a DISTINCT call looks at: its arguments and its FILTER."""


@dataclass(frozen=True)
class ByValue:
    """The aggregation's steps: `before` and `within` a task that has all rows of a value, `last` per group."""

    before: PartialAggregate
    """Rows to one row of states per group and value."""
    values: tuple[Column, ...]
    """The keys of `before`: grouping keys, then distinct arguments."""
    sources: tuple[Column, ...]
    """Columns of the rows that are such keys: rows together by some of them have their values together."""
    keys: tuple[Column, ...]
    plain: tuple[Named, ...]
    aggs: tuple[Named, ...]
    """All calls; those over distinct values take them as columns, without DISTINCT."""
    states: tuple[tuple[Column, ...], ...]

    def within(self, partials: Plan) -> PartialAggregate:
        """One row of states per group from the partial rows of whole values."""
        keys = tuple(passthrough(c) for c in self.values)
        merged = PartialAggregate(partials, keys, self.plain, self.before.states)
        return PartialAggregate(merged, tuple(passthrough(c) for c in self.keys), self.aggs, self.states)

    def last(self, partials: Plan) -> FinalAggregate:
        """The groups from the states of all tasks."""
        return FinalAggregate(partials, self.keys, self.aggs, self.states)


def by_value(node: Aggregate) -> ByValue | None:
    """The steps for an aggregation with distinct arguments; None where an aggregate has no states to merge."""
    calls = [_exact(cast("AggCall", a.expr)) for a in node.aggs]
    lists: dict[Arguments, tuple[Column, ...]] = {
        (c.args, c.filter): tuple(as_nullable(fresh_column("value", a)) for a in c.args)
        for c in calls
        if c.distinct
    }
    parts = [
        replace(c, args=lists[c.args, c.filter], distinct=False, filter=None) if c.distinct else c
        for c in calls
    ]
    aggs = tuple(Named(a.column, c) for a, c in zip(node.aggs, parts, strict=True))
    hashed = [k.column for k in node.keys] + [c for columns in lists.values() for c in columns]
    random = [e for e in (*node.keys, *calls) if not is_deterministic(e)]
    if not lists or random or not all(map(can_split, aggs)) or not all(stable_hash(c.type) for c in hashed):
        return None
    plain = tuple(a for a, c in zip(aggs, calls, strict=True) if not c.distinct)
    direct = [k.expr for k in node.keys]
    if len(lists) == 1:
        direct.extend(*(args for args, _ in lists))
    rows = _values_of_rows(node, lists, plain)
    if len(lists) > 1:
        rows, plain_here = _repeated(rows, list(lists.values()), plain)
    else:
        plain_here = plain
    new = {a.column.id: a for a in plain_here}
    states = {a.column.id: state_columns(a) for a in aggs}
    before = PartialAggregate(
        rows,
        tuple(passthrough(c) for c in hashed),
        plain_here,
        tuple(states[a.column.id] for a in plain_here),
    )
    return ByValue(
        before,
        tuple(hashed),
        tuple(e for e in direct if isinstance(e, Column)),
        tuple(k.column for k in node.keys),
        plain_here,
        tuple(new.get(a.column.id, a) for a in aggs),
        tuple(states[a.column.id] for a in aggs),
    )


def _exact(call: AggCall) -> AggCall:
    """The call with a DISTINCT that means something: approx_count_distinct counts exactly."""
    if call.fn == "approx_count_distinct":
        return replace(call, fn="count", args=call.args[:1], distinct=True)
    if call.distinct and call.fn in REPEATS_DO_NOT_MATTER:
        return replace(call, distinct=False)
    return call


def _values_of_rows(
    node: Aggregate, lists: dict[Arguments, tuple[Column, ...]], plain: tuple[Named, ...]
) -> Plan:
    """The rows with keys and distinct arguments as columns, beside what plain aggregates read."""
    used = {i for a in plain for i in columns_of(a.expr)}
    items = {k.column.id: k for k in node.keys}
    for c in node.input.output:
        if c.id in used:
            items.setdefault(c.id, passthrough(c))
    for (args, keep), columns in lists.items():
        for arg, column in zip(args, columns, strict=True):
            value = arg
            if keep is not None:
                value = Case((When(keep, arg),), Literal(None, arg.type), arg.type)
            items[column.id] = Named(column, value)
    return Project(node.input, tuple(items.values()))


def _repeated(
    rows: Plan, lists: list[tuple[Column, ...]], plain: tuple[Named, ...]
) -> tuple[Plan, tuple[Named, ...]]:
    """Each row once per list of values, and the plain aggregates over the first copies."""
    first = Column(fresh_id(), "first", BOOLEAN, nullable=False)
    own = {c.id: i for i, columns in enumerate(lists) for c in columns}
    projections = tuple(
        (
            *(c if own.get(c.id, copy) == copy else Literal(None, c.type) for c in rows.output),
            Literal(copy == 0, BOOLEAN),
        )
        for copy in range(len(lists))
    )
    over_first = []
    for a in plain:
        call = cast("AggCall", a.expr)
        keep = first if call.filter is None else conjoin([first, call.filter])
        over_first.append(Named(a.column, replace(call, filter=keep)))
    return Expand(rows, (*rows.output, first), projections), tuple(over_first)
