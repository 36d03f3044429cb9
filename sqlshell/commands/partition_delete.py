"""DELETE by partition columns alone: whole files leave the table, no row of them is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.expr.expr import Column, Literal, SubqueryExpr
from sqlshell.optimizer.properties import is_deterministic
from sqlshell.plan.coerce import cast_to
from sqlshell.plan.logical import Scan
from sqlshell.types import STRING

if TYPE_CHECKING:
    from sqlshell.expr.expr import Expr
    from sqlshell.plan.logical import Plan
    from sqlshell.session import Session
    from sqlshell.storage.source import Source

MOST = 1000
"""Distinct partitions whose values are tried one by one."""


def files_of(session: Session, plan: Plan, source: Source, predicate: Expr) -> list[int] | None:
    """Indexes of the files all of whose rows fulfil a predicate that others' rows do not; None if rows must tell."""
    scans = plan.collect(Scan)
    if len(scans) != 1 or not source.partition_columns:
        return None
    fields = {c.id: f for c, f in zip(scans[0].columns, scans[0].fields, strict=True)}
    at = {name: i for i, name in enumerate(source.partition_columns)}
    for part in predicate.walk():
        if isinstance(part, SubqueryExpr):
            return None
        if isinstance(part, Column) and fields.get(part.id) not in at:
            return None
    groups: dict[tuple[str | None, ...], list[int]] = {}
    for i, f in enumerate(source.files):
        groups.setdefault(f.partition, []).append(i)
    if len(groups) > MOST or not is_deterministic(predicate) or any(f.rows is None for f in source.files):
        return None

    def of(partition: tuple[str | None, ...]) -> Expr:
        def value(e: Expr) -> Expr:
            if not isinstance(e, Column):
                return e
            return cast_to(Literal(partition[at[fields[e.id]]], STRING), e.type)

        substituted: Expr = predicate.transform_up(value)
        return substituted

    verdicts = session.evaluate([of(p) for p in groups])
    return sorted(
        i for v, members in zip(verdicts, groups.values(), strict=True) if v.value is True for i in members
    )
