"""Runs the batches over a plan, checks every effective rule, and keeps the trace EXPLAIN OPTIMIZER prints.

A wrong plan is worse than an error: a rule that breaks an invariant raises InternalError, also in production.
Checks are incremental: a subtree that was checked once carries the fact, and nodes are immutable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import InternalError
from sqlshell.optimizer.batches import BATCHES, Batch
from sqlshell.optimizer.properties import has_subquery, refs
from sqlshell.optimizer.sharing import Pieces, node_kinds
from sqlshell.plan.logical import Apply, Join, Shared
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.optimizer.rule import OptimizerContext, Rule
    from sqlshell.plan.logical import Plan

DISABLED = "sqlshell.optimizer.disabled"


@dataclass(frozen=True)
class TraceStep:
    """The plan after a rule that changed it."""

    rule: str
    plan: Plan


@dataclass(frozen=True)
class Optimized:
    """The final plan and how it came about."""

    plan: Plan
    trace: tuple[TraceStep, ...]


def optimize(plan: Plan, ctx: OptimizerContext, batches: Sequence[Batch] = BATCHES) -> Optimized:
    """Rewrite a bound plan into an equivalent one that has no Apply and no subquery expressions left."""
    disabled = disabled_rules(ctx)
    trace: list[TraceStep] = []
    pieces = Pieces.of(plan)
    for batch in batches:
        pieces = _run_batch(batch, pieces, ctx, disabled, trace)
        if batch.decorrelates:
            for piece in pieces.each():
                check_decorrelated(piece)
    return Optimized(pieces.whole(), tuple(trace))


def disabled_rules(ctx: OptimizerContext) -> frozenset[str]:
    """Rule names switched off by the setting (a comma-separated list)."""
    value = ctx.settings.get(DISABLED)
    if not value:
        return frozenset()
    names = value.split(",") if isinstance(value, str) else list(value)  # type: ignore[call-overload]
    return frozenset(str(n).strip().lower() for n in names)


def _run_batch(
    batch: Batch, pieces: Pieces, ctx: OptimizerContext, disabled: frozenset[str], trace: list[TraceStep]
) -> Pieces:
    for _ in range(batch.rounds):
        before = pieces
        for rule in batch.rules:
            if rule.name in disabled and not rule.required:
                continue
            after = _run_rule(rule, pieces, ctx)
            if after is not pieces:
                pieces = after
                trace.append(TraceStep(rule.name, pieces.whole()))
        if pieces is before:
            break
    return pieces


def _run_rule(rule: Rule, pieces: Pieces, ctx: OptimizerContext) -> Pieces:
    if not rule.whole or not pieces.shared:
        return pieces.map(lambda piece: _rewritten(rule, piece, ctx))
    plan = pieces.whole()
    after = _rewritten(rule, plan, ctx)
    return pieces if after is plan else Pieces.of(after)


def _rewritten(rule: Rule, plan: Plan, ctx: OptimizerContext) -> Plan:
    if rule.needs and not (node_kinds(plan) & frozenset(rule.needs)):
        return plan
    after = rule.rewrite(plan, ctx)
    if after is not plan:
        check_same_output(rule.name, plan, after)
        check_references(after, rule.name)
    return after


def check_same_output(rule: str, before: Plan, after: Plan) -> None:
    """The rewritten plan gives the same columns, in the same order, of the same types."""
    old = [(c.id, c.type) for c in before.output]
    new = [(c.id, c.type) for c in after.output]
    if old != new:
        raise InternalError(f"rule {rule} changed the output from {old} to {new}")


def check_references(plan: Plan, rule: str) -> None:
    """Every column a node uses is produced by its inputs, or free in a plan that is still correlated."""
    if not _verified(plan, frozenset(), rule):
        raise InternalError(f"rule {rule} left the free columns {_free_names(plan)}")


def _free_names(plan: Plan) -> str:
    return ", ".join(f"{c.name}#{c.id}" for c in plan.free_columns)


def _verified(node: Plan, outer: frozenset[int], rule: str) -> bool:
    if "_verified" in node.__dict__:
        return True
    complete = _children_verified(node, outer, rule)
    known = node.input_ids | outer if outer else node.input_ids
    for e in node.exprs:
        if not refs(e) <= known:
            missing = sorted(refs(e) - known)
            raise InternalError(f"rule {rule}: {type(node).__name__} uses unknown columns {missing}")
    if isinstance(node, (Join, Apply)) and not node.left.output_ids.isdisjoint(node.right.output_ids):
        both = sorted(node.left.output_ids & node.right.output_ids)
        raise InternalError(f"rule {rule}: both join inputs produce the columns {both}")
    if isinstance(node, Shared) and len(node.columns) != len(node.input.output):
        raise InternalError(f"rule {rule}: a Shared node must rename every column of its input")
    if complete and not outer:
        node.__dict__["_verified"] = True
    return True


def _children_verified(node: Plan, outer: frozenset[int], rule: str) -> bool:
    if isinstance(node, Apply):
        return _verified(node.left, outer, rule) and _verified(node.right, outer | node.left.output_ids, rule)
    children: tuple[Any, ...] = node.children
    return all(_verified(c, outer, rule) for c in children)


def check_decorrelated(plan: Plan) -> None:
    """No Apply, no subquery expression and no free column is left."""
    if Apply in node_kinds(plan):
        raise InternalError("decorrelation left an Apply")
    if plan.free_columns:
        raise InternalError(f"decorrelation left the free columns {_free_names(plan)}")
    for node in plan.walk():
        if any(has_subquery(e) for e in node.exprs):
            raise InternalError(f"decorrelation left a subquery in {type(node).__name__}")
