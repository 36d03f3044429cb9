"""Compute equal subplans once.

    Join(Aggregate(X) as a, Aggregate(X) as b)  ->  Join(Shared 1 (Aggregate(X)) as a, Shared 1 as b)

Two subplans are equal when they differ in column ids only: columns are compared by the position at which the inputs
give them. Only subplans with a join, an aggregate, a window or a sort count, and joins only when they give clearly
fewer rows than they read. The largest equal subplans are shared; inside one, others may be. Runs after filters were
pushed, so that what reads different parts of one view stays apart, and before PruneColumns, which widens a shared
plan to what all its readers need.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import Column, Expr, Lambda, LambdaVar, conjuncts
from sqlshell.optimizer import stats
from sqlshell.optimizer.clone import clone
from sqlshell.optimizer.column_stats import source_rows
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.optimizer.sharing import SharedLeaf
from sqlshell.plan.logical import (
    Aggregate,
    Expand,
    Filter,
    Generate,
    Join,
    Limit,
    Plan,
    Project,
    RecursiveRef,
    Scan,
    Shared,
    Sort,
    TopN,
    Union,
    Values,
    Window,
    fresh_id,
)
from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from sqlshell.expr.tree import Node

_COSTLY = (Aggregate, Window, Sort, TopN)
_WORTH = 0.5
"""A join is shared when it gives fewer than this part of the rows it reads: else reading it again is no cheaper."""


class ReuseCommonSubplans(Rule):
    """Equal subplans -> Shared."""

    name = "reuse_common_subplans"
    needs = (Join, Aggregate, Window)

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        sharing = _Sharing()
        sharing.classify(plan)
        if all(n < 2 for n in sharing.sizes.values()):
            return plan
        sharing.count(plan)
        return sharing.share(plan)


@dataclass
class _Sharing:
    known: dict[Any, int] = field(default_factory=dict)
    """Canonical form -> class of equal plans."""
    classes: dict[int, int] = field(default_factory=dict)
    """id(node) -> class."""
    sizes: Counter[int] = field(default_factory=Counter)
    uses: Counter[int] = field(default_factory=Counter)
    """How many places read a class, each equal subplan entered once."""
    plans: dict[int, tuple[int, Plan]] = field(default_factory=dict)
    """Class -> (key, plan) of those that are shared."""

    def classify(self, node: Plan) -> int:
        """The class of a plan; equal plans have one class."""
        inputs = tuple(self.classify(c) for c in node.children)
        form = _canonical(node, inputs)
        number = self.known.setdefault(form, len(self.known))
        self.classes[id(node)] = number
        self.sizes[number] += 1
        return number

    def count(self, node: Plan) -> None:
        number = self.classes[id(node)]
        self.uses[number] += 1
        if self.uses[number] == 1:
            for c in node.children:
                self.count(c)

    def share(self, node: Plan) -> Plan:
        """`node` with every subplan that is read twice replaced by a reader of the shared one."""
        number = self.classes[id(node)]
        if number in self.plans or (self.uses[number] > 1 and _worth_sharing(node)):
            if number not in self.plans:
                source, _ = clone(node.map_children(self.share))
                self.plans[number] = (fresh_id(), source)
            key, source = self.plans[number]
            return Shared(key, source, node.output)
        return node.map_children(self.share)


def _worth_sharing(node: Plan) -> bool:
    if isinstance(node, SharedLeaf | RecursiveRef) or not repeatable_or_ranked(node):
        return False
    nodes = list(node.walk())
    if any(isinstance(n, _COSTLY) for n in nodes):
        return True
    if not any(isinstance(n, Join) for n in nodes):
        return False
    read = sum(source_rows(n) for n in nodes if isinstance(n, Scan))
    return stats.rows(node) < _WORTH * read


def repeatable_or_ranked(node: Plan) -> bool:
    """Whether one evaluation may stand for two: nothing random (ties in windows and limits may fall either way)."""
    parts = [n for n in node.walk() if not isinstance(n, Limit | TopN | Window)]
    if any(isinstance(n, RecursiveRef) for n in parts):
        return False
    return all(repeatable_node(n) for n in parts)


def repeatable_node(node: Plan) -> bool:
    """Whether a node's own expressions are deterministic."""
    from sqlshell.optimizer.properties import is_deterministic

    return all(is_deterministic(e) for e in node.exprs)


Positions = dict[int, tuple[int, int]]


def _canonical(node: Plan, inputs: tuple[int, ...]) -> Any:
    """A hashable form of a node in which columns are positions in the inputs' output."""
    at: Positions = {}
    for i, child in enumerate(node.children):
        for j, c in enumerate(child.output):
            at[c.id] = (i, j)
    match node:
        case Scan():
            own: Positions = {c.id: (0, j) for j, c in enumerate(node.columns)}
            filters = frozenset(_form(p, own) for p in node.filters)
            return "scan", id(node.source), node.fields, filters, node.leaves, node.limit
        case Values():
            types = tuple(c.type for c in node.columns)
            return "values", types, tuple(tuple(_form(e, at) for e in r) for r in node.rows)
        case Filter():
            return "filter", inputs, frozenset(_form(p, at) for p in conjuncts(node.predicate))
        case Project():
            return "project", inputs, tuple(_form(i.expr, at) for i in node.items)
        case Aggregate():
            keys = tuple(_form(k.expr, at) for k in node.keys)
            return "aggregate", inputs, keys, tuple(_form(a.expr, at) for a in node.aggs)
        case Window():
            return "window", inputs, tuple(_form(c.expr, at) for c in node.calls)
        case Sort():
            return "sort", inputs, tuple(_form(k, at) for k in node.keys)
        case TopN():
            keys = tuple(_form(k, at) for k in node.keys)
            return "top", inputs, keys, node.count, node.offset
        case Limit():
            return "limit", inputs, node.count, node.offset
        case Join():
            on = frozenset(_form(p, at) for p in conjuncts(node.condition))
            return "join", inputs, node.kind, on, node.null_aware, node.hint
        case Union():
            return "union", inputs
        case Expand():
            return "expand", inputs, tuple(tuple(_form(e, at) for e in p) for p in node.projections)
        case Generate():
            return "generate", inputs, _form(node.generator, at), node.outer
        case SharedLeaf():
            return "shared", node.key
        case _:
            return "other", id(node)


def _form(e: Any, at: Positions) -> Any:
    """An expression without ids: columns by position, lambda variables by name."""
    if isinstance(e, Column):
        return ("column", *at.get(e.id, (-1, e.id)))
    if isinstance(e, LambdaVar):
        return "variable", e.name
    if isinstance(e, Lambda):
        return "lambda", tuple(p.name for p in e.params), _form(e.body, at)
    children = tuple(_form(c, at) for c in e.children)
    rest = tuple(_plain(getattr(e, name)) for name in _own_fields(type(e)))
    return type(e).__name__, children, rest


_FIELDS: dict[type[Node], tuple[str, ...]] = {}


def _own_fields(kind: type[Node]) -> tuple[str, ...]:
    """The fields of an expression class that are no children and count for equality."""
    found = _FIELDS.get(kind)
    if found is None:
        every = kind.__dataclass_fields__.items()  # type: ignore[attr-defined]
        found = tuple(name for name, f in every if f.compare and name not in kind.child_fields)
        _FIELDS[kind] = found
    return found


def _plain(value: Any) -> Any:
    """A field that is no child, hashable; frames hold literals."""
    return value if not isinstance(value, Expr) else ("literal", repr(value))
