"""Plan nodes that only the planner makes. Everything else the logical nodes say already."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sqlshell.plan.logical import Named, Plan
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from sqlshell.expr.expr import Column


@dataclass(frozen=True)
class ExchangeRead(Plan):
    """The rows an upstream stage sent to this task (its partition, or all of them when broadcast)."""

    stage: int
    columns: tuple[Column, ...]

    @property
    def output(self) -> tuple[Column, ...]:
        return self.columns


@dataclass(frozen=True)
class HashOrder(Plan):
    """The rows in the order of a hash of `keys`: repeatable, whatever order they come in."""

    child_fields: ClassVar = ("input",)
    input: Plan
    keys: tuple[Column, ...]

    @property
    def output(self) -> tuple[Column, ...]:
        return self.input.output


@dataclass(frozen=True)
class PartialAggregate(Plan):
    """The first phase of an Aggregate: one row per group and task. `states[i]` are the state columns of `aggs[i]`.

    An aggregate whose state columns the input has already is merged, not computed.
    """

    child_fields: ClassVar = ("input",)
    expr_fields: ClassVar = ("keys", "aggs")
    input: Plan
    keys: tuple[Named, ...]
    aggs: tuple[Named, ...]
    states: tuple[tuple[Column, ...], ...]

    @property
    def output(self) -> tuple[Column, ...]:
        return tuple(k.column for k in self.keys) + tuple(c for s in self.states for c in s)


@dataclass(frozen=True)
class FinalAggregate(Plan):
    """The second phase: merges states of equal keys. `aggs` are the original calls, for their `merge` and `final`."""

    child_fields: ClassVar = ("input",)
    input: Plan
    keys: tuple[Column, ...]
    aggs: tuple[Named, ...]
    states: tuple[tuple[Column, ...], ...]

    @property
    def output(self) -> tuple[Column, ...]:
        return self.keys + tuple(a.column for a in self.aggs)
