"""Small plan constructors that keep trees tidy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.expr.expr import TRUE, Column, Expr, conjoin, conjuncts, substitute
from sqlshell.optimizer.properties import refs_of
from sqlshell.plan.logical import Filter, Named, Plan, Project, passthrough
from sqlshell.records import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def filtered(plan: Plan, parts: Iterable[Expr]) -> Plan:
    """`plan` under a filter of all `parts`; merged into a filter that is already there."""
    new = list(parts)
    if not new:
        return plan
    if isinstance(plan, Filter):
        return filtered(plan.input, [*conjuncts(plan.predicate), *new])
    predicate = conjoin(new)
    return plan if predicate == TRUE else Filter(plan, predicate)


def keep(plan: Plan, columns: Sequence[Column]) -> Plan:
    """`plan` with exactly these columns, in this order; itself when it already is so."""
    if [c.id for c in plan.output] == [c.id for c in columns]:
        return plan
    return Project(plan, tuple(passthrough(c) for c in columns))


def with_columns(plan: Plan, extra: Sequence[Named]) -> Plan:
    """`plan` with computed columns added."""
    if not extra:
        return plan
    return Project(plan, tuple(passthrough(c) for c in plan.output) + tuple(extra))


def exposing(project: Project, ids: Iterable[int]) -> Project:
    """A projection that also keeps these columns of its input."""
    have = project.output_ids
    wanted = set(ids) - have
    if not wanted:
        return project
    kept = tuple(passthrough(c) for c in project.input.output if c.id in wanted)
    return replace(project, items=project.items + kept)


def as_column(plan: Plan, e: Expr, name: str) -> tuple[Plan, Column]:
    """`e` as a column of `plan`, computed by a projection when it is not one yet."""
    if isinstance(e, Column) and e.id in plan.output_ids:
        return plan, e
    from sqlshell.plan.logical import named

    item = named(name, e)
    return with_columns(plan, (item,)), item.column


def substituted(parts: Iterable[Expr], items: Iterable[Named]) -> list[Expr]:
    """Predicates over a projection's output, written over its input."""
    mapping = {i.column.id: i.expr for i in items if not _keeps(i)}
    return [substitute(p, mapping) if refs_of((p,)) & mapping.keys() else p for p in parts]


def _keeps(item: Named) -> bool:
    return isinstance(item.expr, Column) and item.expr.id == item.column.id
