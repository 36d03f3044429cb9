"""Plans that share subplans, taken apart so that each shared subplan is optimized once, however many read it.

A `Shared` node holds its subplan, so a tree walk meets the subplan once per reader, and once per reader of each
reader: exponentially often when shared plans nest. Between rules the driver therefore keeps a `Pieces`: the main
plan and the shared ones by key, with `SharedLeaf`s where they are read. Rules see leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from sqlshell.plan.logical import Plan, Shared
from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlshell.expr.expr import Column


@dataclass(frozen=True)
class SharedLeaf(Plan):
    """A reader of the shared plan `key`; `source` is that plan as it was, for estimates."""

    key: int
    columns: tuple[Column, ...]
    source: Plan = field(compare=False)

    @property
    def output(self) -> tuple[Column, ...]:
        return self.columns


@dataclass(frozen=True)
class Pieces:
    """A plan without Shared nodes, and the plans its leaves read (which may read others)."""

    main: Plan
    shared: dict[int, Plan]

    @classmethod
    def of(cls, plan: Plan, known: dict[int, Plan] | None = None) -> Self:
        """Take a plan apart; `known` are pieces that its leaves may read already."""
        shared = dict(known or {})
        return cls(_detached(plan, shared), shared)

    def whole(self) -> Plan:
        """The plan put together again: all readers of one key hold the same object."""
        done: dict[int, Plan] = {}

        def attached(node: Plan) -> Plan:
            if not isinstance(node, SharedLeaf):
                return node.map_children(attached)
            if node.key not in done:
                done[node.key] = attached(self.shared[node.key])
            return Shared(node.key, done[node.key], node.columns)

        return attached(self.main) if self.shared else self.main

    def each(self) -> Iterator[Plan]:
        """All pieces."""
        yield from self.shared.values()
        yield self.main

    def map(self, f: Callable[[Plan], Plan]) -> Self:
        """These pieces with `f` applied to each; itself when nothing changed. New Shared nodes become pieces."""
        shared = {key: f(plan) for key, plan in self.shared.items()}
        main = f(self.main)
        if main is self.main and all(shared[k] is p for k, p in self.shared.items()):
            return self
        table: dict[int, Plan] = {}
        for key, plan in shared.items():
            table[key] = _detached(plan, table)
        return type(self)(_detached(main, table), table)


def _detached(node: Plan, shared: dict[int, Plan]) -> Plan:
    if Shared not in node_kinds(node):
        return node
    if not isinstance(node, Shared):
        return node.map_children(lambda c: _detached(c, shared))
    if node.key not in shared:
        shared[node.key] = _detached(node.input, shared)
    return SharedLeaf(node.key, node.columns, shared[node.key])


def node_kinds(plan: Plan) -> frozenset[type]:
    """The node classes of a plan."""
    cached: frozenset[type] | None = plan.__dict__.get("_kinds")
    if cached is None:
        children = plan.children
        cached = node_kinds(children[0]) if children else frozenset()
        for child in children[1:]:
            cached |= node_kinds(child)
        if type(plan) not in cached:
            cached |= {type(plan)}
        plan.__dict__["_kinds"] = cached
    return cached
