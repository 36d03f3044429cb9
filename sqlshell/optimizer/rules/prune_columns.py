"""Compute, read and carry only the columns that something above uses.

    Aggregate(k; sum(v)) > Scan[k, v, x, y]       ->  Aggregate(k; sum(v)) > Scan[k, v]
    Join(.., Filter(c) > Scan[k, v, c]) uses k, v ->  Join(.., Project(k, v) > Filter(c) > Scan[k, v, c])

Unused aggregates, window calls, projections and mark joins go too. Where a join, sort or window would carry a column
that only its input's filter needed, a projection drops it: rows that cross an exchange or stand in a hash table are
narrow. Runs once, after the joins have their order and common subplans are shared: all readers of a shared plan
decide together what it must give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.optimizer.build import keep
from sqlshell.optimizer.column_stats import width
from sqlshell.optimizer.properties import refs, refs_of
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.optimizer.stats import as_before
from sqlshell.plan.logical import (
    ONE_ROW,
    Aggregate,
    Expand,
    Filter,
    Generate,
    Join,
    Limit,
    Plan,
    Project,
    Scan,
    Shared,
    Sort,
    TopN,
    Union,
    Values,
    Window,
)
from sqlshell.records import dataclass, field, replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.expr.expr import Column

    Ids = frozenset[int]


class PruneColumns(Rule):
    """No column that nobody uses."""

    name = "prune_columns"
    whole = True

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        pruner = _Pruner()
        pruned = pruner.prune(plan, plan.output_ids)
        return pruner.with_shared(pruned) if pruner.shared else pruned


@dataclass
class _Pruner:
    shared: dict[int, Shared] = field(default_factory=dict)
    """A reader of each shared plan that was met."""
    wanted: dict[int, set[int]] = field(default_factory=dict)
    """Positions of a shared plan's columns that some reader needs."""

    def prune(self, node: Plan, need: Ids) -> Plan:
        """`node` giving at least `need`, of its columns, in the same order."""
        match node:
            case Scan():
                return _scan(node, need)
            case Values():
                return _values(node, need)
            case Project():
                items = _those(node.items, need)
                return self._over(node, refs_of(items), items=items)
            case Filter():
                return self._over(node, need | refs(node.predicate))
            case Aggregate():
                return self._aggregate(node, need)
            case Window():
                return self._window(node, need)
            case Expand():
                return self._expand(node, need)
            case Sort() | TopN():
                return self._over(node, need | refs_of(node.keys), narrow=True)
            case Limit():
                return self._over(node, need, narrow=True)
            case Generate():
                return self._over(node, need | refs(node.generator), narrow=True)
            case Join():
                return self._join(node, need)
            case Union():
                return self._union(node, need)
            case Shared():
                return self._reader(node, need)
            case _:
                # RecursiveCte: the step reads by position what the anchor gives.
                return node.map_children(lambda c: self.prune(c, c.output_ids))

    def _over(self, node: Plan, need: Ids, *, narrow: bool = False, **changes: object) -> Plan:
        """`node` over its pruned input."""
        child: Plan = node.children[0]
        new = self._narrowed(child, need) if narrow else self.prune(child, need & child.output_ids)
        changes = {k: v for k, v in changes.items() if v is not getattr(node, k)}
        if new is child and not changes:
            return node
        result: Plan = replace(node, input=new, **changes)  # type: ignore[type-var]
        return result

    def _narrowed(self, child: Plan, need: Ids) -> Plan:
        """The pruned child without columns that only it needed, but with one: rows that travel need a body."""
        if not need & child.output_ids and child.output:
            need = frozenset((_cheapest(child.output).id,))
        new = self.prune(child, need & child.output_ids)
        extra = new.output_ids - need
        return keep(new, [c for c in new.output if c.id not in extra]) if extra else new

    def _aggregate(self, node: Aggregate, need: Ids) -> Plan:
        aggs = _those(node.aggs, need)
        if not node.keys and not aggs:
            return ONE_ROW
        return self._over(node, refs_of(node.keys) | refs_of(aggs), aggs=aggs)

    def _window(self, node: Window, need: Ids) -> Plan:
        calls = _those(node.calls, need)
        if not calls:
            return self.prune(node.input, need & node.input.output_ids)
        return self._over(node, need | refs_of(calls), narrow=True, calls=calls)

    def _expand(self, node: Expand, need: Ids) -> Plan:
        at = [i for i, c in enumerate(node.columns) if c.id in need]
        if len(at) == len(node.columns):
            return self._over(node, refs_of(node.exprs))
        columns = tuple(node.columns[i] for i in at)
        projections = tuple(tuple(p[i] for i in at) for p in node.projections)
        used = refs_of(e for p in projections for e in p)
        return self._over(node, used, columns=columns, projections=projections)

    def _join(self, node: Join, need: Ids) -> Plan:
        if node.mark is not None and node.mark.id not in need:
            return self.prune(node.left, need & node.left.output_ids)
        used = need if node.condition is None else need | refs(node.condition)
        left, right = self._narrowed(node.left, used), self._narrowed(node.right, used)
        if left is node.left and right is node.right:
            return node
        return as_before(node, replace(node, left=left, right=right))

    def _union(self, node: Union, need: Ids) -> Plan:
        at = [i for i, c in enumerate(node.columns) if c.id in need]
        if not at and node.columns:
            at = [node.columns.index(_cheapest(node.columns))]
        inputs = []
        for branch in node.inputs:
            kept = [branch.output[i] for i in at]
            inputs.append(keep(self.prune(branch, frozenset(c.id for c in kept)), kept))
        if len(at) == len(node.columns) and all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
            return node
        return Union(tuple(inputs), tuple(node.columns[i] for i in at))

    # Shared plans: readers first say what they need, then each plan is pruned once for all of them.

    def _reader(self, node: Shared, need: Ids) -> Shared:
        self.shared.setdefault(node.key, node)
        wanted = self.wanted.setdefault(node.key, set())
        wanted.update(i for i, c in enumerate(node.columns) if c.id in need)
        if not wanted and node.columns:
            wanted.add(node.columns.index(_cheapest(node.columns)))
        return node

    def with_shared(self, plan: Plan) -> Plan:
        """`plan` with every shared input pruned; inner ones after the outer ones that read them."""
        pruned: dict[int, Plan] = {}
        while True:
            open_keys = [k for k in self.shared if k not in pruned]
            if not open_keys:
                break
            inner = {i for k in open_keys for i in _keys_in(self.shared[k].input)}
            key = next(k for k in open_keys if k not in inner)
            source = self.shared[key].input
            kept = [c for i, c in enumerate(source.output) if i in self.wanted[key]]
            pruned[key] = keep(self.prune(source, frozenset(c.id for c in kept)), kept)
        return self._replaced(plan, pruned, {})

    def _replaced(self, node: Plan, pruned: dict[int, Plan], done: dict[int, Plan]) -> Plan:
        if not isinstance(node, Shared):
            return as_before(node, node.map_children(lambda c: self._replaced(c, pruned, done)))
        if node.key not in done:
            done[node.key] = self._replaced(pruned[node.key], pruned, done)
        wanted = self.wanted[node.key]
        columns = tuple(c for i, c in enumerate(node.columns) if i in wanted)
        if done[node.key] is node.input and columns == node.columns:
            return node
        return Shared(node.key, done[node.key], columns)


def _keys_in(plan: Plan) -> frozenset[int]:
    """Keys of the shared plans that are read anywhere in a plan."""
    cached: frozenset[int] | None = plan.__dict__.get("_shared_keys")
    if cached is None:
        cached = frozenset((plan.key,)) if isinstance(plan, Shared) else frozenset()
        for child in plan.children:
            cached |= _keys_in(child)
        plan.__dict__["_shared_keys"] = cached
    return cached


def _those(items: tuple, need: Ids) -> tuple:  # type: ignore[type-arg]
    kept = tuple(i for i in items if i.column.id in need)
    return items if len(kept) == len(items) else kept


def _cheapest(columns: tuple[Column, ...]) -> Column:
    return min(columns, key=lambda c: width(c.type))


def _scan(node: Scan, need: Ids) -> Scan:
    used = need | refs_of(node.filters)
    at = [i for i, c in enumerate(node.columns) if c.id in used]
    if len(at) == len(node.columns):
        return node
    return replace(node, columns=tuple(node.columns[i] for i in at), fields=tuple(node.fields[i] for i in at))


def _values(node: Values, need: Iterable[int]) -> Values:
    wanted = set(need)
    at = [i for i, c in enumerate(node.columns) if c.id in wanted]
    if len(at) == len(node.columns):
        return node
    rows = tuple(tuple(r[i] for i in at) for r in node.rows)
    return Values(tuple(node.columns[i] for i in at), rows)
