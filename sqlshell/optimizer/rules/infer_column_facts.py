"""Tell every column what file statistics know: that it holds no NULL, and between which values it lies.

    Scan(x bigint nullable)   ->  Scan(x bigint, no NULLs, 1..6000000)
    Project(y = x * 2)        ->  Project(y = x * 2, no NULLs, 2..12000000)

NOT IN without NULLs is a plain anti join, sums need no NULL count, and arithmetic that cannot overflow needs no
check. Facts go upwards: through projections and grouping keys, widened by unions, given up at the optional side of
an outer join. What the user sees stays nullable (`session._fields`).
Runs once when no subquery is left, so that the side of every outer join is known; before pushdown, which uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import AggCall, Call, Column, Expr
from sqlshell.functions import registry
from sqlshell.functions.bounds import argument_bounds, has_bounds, hull, type_bounds, unscaled
from sqlshell.optimizer.properties import refs
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.plan.call import may_be_null
from sqlshell.plan.logical import (
    Aggregate,
    Expand,
    Join,
    Named,
    Plan,
    Project,
    RecursiveCte,
    Scan,
    Shared,
    Union,
)
from sqlshell.records import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.storage.source import ColumnStats

Known = dict[int, Column]
Ids = frozenset[int]
MANY_FILES = 1000

_ONE_OF_THE_VALUES = frozenset({"min", "max", "first", "last", "any_value"})


class InferColumnFacts(Rule):
    """Nullability and bounds, from the files up."""

    name = "infer_column_facts"
    needs = (Scan,)

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        big = any(_is_big(n) for n in plan.walk())
        return _visit(plan, {}, _named_columns(plan) if big else None)


def _is_big(node: Plan) -> bool:
    """Whether the log of a table has so many files that looking at a column's statistics takes milliseconds."""
    table = getattr(node.source, "table", None) if isinstance(node, Scan) else None
    return table is not None and table.files > MANY_FILES


def _named_columns(plan: Plan) -> Ids:
    """The columns that an expression names: of tables with many files only those are looked at."""
    return frozenset(i for n in plan.walk() for e in n.exprs for i in refs(e))


def _visit(node: Plan, done: dict[int, Plan], used: Ids | None) -> Plan:
    found = done.get(id(node))
    if found is None:
        found = done[id(node)] = _visited(node, done, used)
    return found


def _visited(node: Plan, done: dict[int, Plan], used: Ids | None) -> Plan:
    if isinstance(node, Scan):
        return _scan(node, used if _is_big(node) else None)
    if isinstance(node, RecursiveCte):
        return node  # what a round adds may be anything
    node = node.map_children(lambda c: _visit(c, done, used))
    known = {c.id: c for child in node.children for c in child.output}
    node = node.map_exprs(lambda e: _refreshed(e, known))
    match node:
        case Project() | Aggregate():
            return node.map_exprs(_named)
        case Union():
            inputs = [p.output for p in node.inputs]
            return _with_columns(
                node, (_any_of(c, own) for c, *own in zip(node.columns, *inputs, strict=True))
            )
        case Shared():
            pairs = zip(node.columns, node.input.output, strict=True)
            return _with_columns(node, (_like(c, own) for c, own in pairs))
        case Expand():
            columns = zip(node.columns, *node.projections, strict=True)
            return _with_columns(node, (_any_of(c, own) for c, *own in columns))
        case Join(null_aware=True) if node.condition is not None and not node.condition.nullable:
            return replace(node, null_aware=False)
    return node


def _scan(node: Scan, used: Ids | None) -> Plan:
    told = node.source.column_facts
    columns = tuple(
        _from_file(c, told(f)) if used is None or c.id in used else c
        for c, f in zip(node.columns, node.fields, strict=True)
    )
    refined = _with_columns(node, columns)
    known = {c.id: c for c in refined.output}
    return refined.map_exprs(lambda e: _refreshed(e, known))


def _from_file(c: Column, stats: ColumnStats | None) -> Column:
    if stats is None or not stats.exact:
        return c
    bounds = None
    if has_bounds(c.type):
        low, high = unscaled(stats.low, c.type), unscaled(stats.high, c.type)
        bounds = None if low is None or high is None else (low, high)
    if stats.nulls == 0 or bounds is not None:
        return replace(c, nullable=c.nullable and stats.nulls != 0, bounds=bounds)
    return c


def _with_columns(node: Scan | Union | Shared | Expand, columns: Iterable[Column]) -> Plan:
    new = tuple(columns)
    if all(a is b for a, b in zip(node.columns, new, strict=True)):
        return node
    return replace(node, columns=new)


def _refreshed(e: Any, known: Known) -> Any:
    """`e` with what its columns are known to be."""
    if known.keys().isdisjoint(refs(e)):
        return e
    return e.transform_up(lambda n: _leaf_or_call(n, known))


def _leaf_or_call(n: Any, known: Known) -> Any:
    if isinstance(n, Column):
        own = known.get(n.id)
        return n if own is None else _like(n, own)
    if isinstance(n, Call) and n.nullable and not may_be_null(registry.get(n.fn), n.args):
        return replace(n, nullable=False)
    return n


def _like(c: Column, e: Expr) -> Column:
    """The column `c` with what is known of its value `e`."""
    bounds = _own_bounds(e)
    if c.nullable == e.nullable and c.bounds == bounds:
        return c
    return replace(c, nullable=e.nullable, bounds=bounds)


def _own_bounds(e: Expr) -> tuple[int, int] | None:
    """Bounds of `e` where they say more than its type."""
    if isinstance(e, Column):
        return e.bounds
    if isinstance(e, AggCall):
        return _own_bounds(e.args[0]) if e.fn in _ONE_OF_THE_VALUES else None
    if not has_bounds(e.type):
        return None
    found = argument_bounds(e)
    return None if found == type_bounds(e.type) else found


def _named(item: Any) -> Any:
    column = _like(item.column, item.expr)
    return item if column is item.column else Named(column, item.expr)


def _any_of(c: Column, values: list[Expr]) -> Column:
    """A column that holds one of several values."""
    nullable = any(v.nullable for v in values)
    parts = [_own_bounds(v) for v in values]
    known = [p for p in parts if p is not None]
    bounds = hull(known) if known and len(known) == len(parts) else None
    if c.nullable == nullable and c.bounds == bounds:
        return c
    return replace(c, nullable=nullable, bounds=bounds)
