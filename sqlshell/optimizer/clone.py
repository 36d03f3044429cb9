"""Copies of plans under other column ids: one plan may stand twice in a tree only under different ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import Column, SubqueryExpr
from sqlshell.optimizer.sharing import SharedLeaf
from sqlshell.plan.logical import (
    Apply,
    Expand,
    Generate,
    Join,
    Named,
    Plan,
    RecursiveCte,
    RecursiveRef,
    Scan,
    Shared,
    Union,
    Values,
    fresh_column,
)
from sqlshell.records import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WITH_COLUMNS = (Values, Scan, Expand, Union, Generate, RecursiveRef, RecursiveCte, Shared, SharedLeaf)


def clone(plan: Plan) -> tuple[Plan, dict[int, Column]]:
    """`plan` with a fresh id for every column it produces, and the map from old ids to new columns."""
    mapping = {c.id: fresh_column(c.name, c) for c in _all_produced(plan)}
    # A subquery may pass an outer column through under its own id: keep the outer reference apart.
    clashing = [c for c in plan.free_columns if c.id in mapping]
    outer = {c.id: fresh_column(c.name, c) for c in clashing}
    copy = rename(plan.substitute_free(dict(outer)), mapping)
    return copy.substitute_free({outer[c.id].id: c for c in clashing}), mapping


def apart_from(plan: Plan, taken: frozenset[int]) -> tuple[Plan, dict[int, Column]]:
    """`plan`, or a clone of it when it produces a column that is `taken`; and what became of its columns."""
    if any(c.id in taken for c in _all_produced(plan)):
        return clone(plan)
    return plan, {}


def _all_produced(plan: Plan) -> Iterator[Column]:
    yield from produced(plan)
    if not isinstance(plan, Shared):
        for child in plan.children:
            yield from _all_produced(child)


def produced(node: Plan) -> Iterator[Column]:
    """The columns a node itself introduces (a projection's kept columns included)."""
    for e in node.exprs:
        if isinstance(e, Named):
            yield e.column
    if isinstance(node, _WITH_COLUMNS):
        yield from node.columns
    if isinstance(node, Join | Apply) and node.mark is not None:
        yield node.mark


def rename(plan: Plan, mapping: Mapping[int, Column]) -> Plan:
    """`plan` with columns replaced wherever they are produced or used (but not inside Shared plans)."""

    def swap_expr(e: Any) -> Any:
        return e.transform_up(swap_leaf)

    def swap_leaf(n: Any) -> Any:
        if isinstance(n, Column):
            new = mapping.get(n.id)
            return n if new is None else replace(new, nullable=n.nullable)
        if isinstance(n, Named):
            new = mapping.get(n.column.id)
            return n if new is None else Named(new, n.expr)
        if isinstance(n, SubqueryExpr):
            return replace(n, plan=rename(n.plan, mapping))  # type: ignore[type-var]
        return n

    def swap_node(node: Plan) -> Plan:
        if not isinstance(node, Shared):
            node = node.map_children(swap_node)
        node = node.map_exprs(swap_expr)
        if isinstance(node, Values):
            rows = tuple(tuple(swap_expr(e) for e in row) for row in node.rows)
            node = replace(node, rows=rows)
        if isinstance(node, _WITH_COLUMNS):
            node = replace(node, columns=tuple(mapping.get(c.id, c) for c in node.columns))
        if isinstance(node, Join | Apply) and node.mark is not None:
            node = replace(node, mark=mapping.get(node.mark.id, node.mark))
        return node

    return swap_node(plan)
