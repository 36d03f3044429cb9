"""The stage graph: what the planner makes, the scheduler interprets and EXPLAIN STAGES prints. Plain data.

A stage is one plan fragment run by `len(layout)` tasks. Fragments meet at exchanges: a stage writes its
rows as its `output` says, and a reader takes them by `mode`:

    partition   task i reads partition i (or the partitions its layout entry names)
    aligned     task i reads what task i of the producer wrote
    broadcast   every task reads everything
    first       task 0 reads everything, the others nothing
    rows        task i reads the i-th of equal ranges of the rows, in the order of the producer's tasks

A stage with mode BARRIER is run by a gang (`barrier.py`): its tasks are the partitions of the gang's input,
and `ranks` processes hold a contiguous run of them each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import Column
from sqlshell.records import dataclass, field, replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlshell.exec.task import Split
    from sqlshell.expr.expr import Expr, SortKey
    from sqlshell.plan.logical import Plan

MODES = ("partition", "aligned", "broadcast", "first", "rows")


@dataclass(frozen=True)
class StageInput:
    """An edge of the graph: the producer's id and how its rows are spread over this stage's tasks."""

    stage: int
    mode: str


@dataclass(frozen=True)
class Output:
    """How a stage writes: `result`, `whole` (a file per task), `hash` of `keys` or `range` of `order`; `body`
    is what a gang's body makes of its rows.
    """

    kind: str
    keys: tuple[Column, ...] = ()
    partitions: int = 1
    order: tuple[SortKey, ...] = ()
    bounds_from: int | None = None
    """For range: the stage whose samples give the bounds."""

    def __str__(self) -> str:
        if self.kind == "hash":
            return f"hash({', '.join(f'{k.name}#{k.id}' for k in self.keys)}) into {self.partitions}"
        if self.kind == "range":
            return f"range into {self.partitions}"
        return self.kind


@dataclass(frozen=True)
class TaskLayout:
    """What one task of a stage reads: splits per scan, partitions of its `partition` inputs.

    `maps` narrows one input to some of its producer's tasks: (stage, those tasks), for a skewed partition
    that several tasks share. `filters` belong to scans whose tasks read ranges of values, not of bytes.
    """

    splits: tuple[tuple[Split, ...] | None, ...] = ()
    partitions: tuple[int, ...] = ()
    maps: tuple[int, tuple[int, ...]] | None = None
    filters: tuple[Expr | None, ...] = ()


@dataclass(frozen=True)
class Stage:
    """One fragment and its tasks. `slot` is where they run; `sample` asks each task for sort-key samples."""

    id: int
    plan: Plan
    inputs: tuple[StageInput, ...]
    output: Output
    layout: tuple[TaskLayout, ...]
    slot: str = "pool"
    sample: SortKey | None = None
    mode: str = "PIPELINED"
    bounded: bool = False
    """A result stage whose rows surely fit in memory."""
    size: int = 0
    """Estimated bytes of what it writes."""
    after: tuple[int, ...] = ()
    """Stages to wait for without reading them: their sizes may change this one (`replan.py`)."""
    ranks: int = 0
    """Processes of a BARRIER stage."""
    version: int = 0
    """Counts replans, so that workers tell old fragments from new ones."""
    fixed: bool = False
    """Partitions are not to be read together again: they were made small because memory ran out."""

    @property
    def tasks(self) -> int:
        return len(self.layout)


@dataclass(frozen=True)
class StageGraph:
    """All stages, producers first; the last one gives the result. `logical` allows planning again."""

    stages: tuple[Stage, ...]
    names: tuple[str, ...]
    logical: Plan
    settings: Mapping[str, Any] = field(repr=False)
    partitions: int = 1

    @property
    def result(self) -> Stage:
        return self.stages[-1]

    @property
    def solo(self) -> bool:
        return all(s.slot == "solo" for s in self.stages)

    def stage(self, stage_id: int) -> Stage:
        """The stage with this id."""
        return next(s for s in self.stages if s.id == stage_id)

    def consumers(self, stage_id: int) -> tuple[Stage, ...]:
        """Stages that read this one."""
        return tuple(s for s in self.stages if any(i.stage == stage_id for i in s.inputs))

    def with_stage(self, stage: Stage) -> StageGraph:
        """This graph with one stage replaced (its version raised)."""
        new = replace(stage, version=stage.version + 1)
        return replace(self, stages=tuple(new if s.id == stage.id else s for s in self.stages))

    def render(self) -> str:
        """The text of EXPLAIN STAGES."""
        return "\n".join(render_stage(s) for s in self.stages)


def render_stage(stage: Stage) -> str:
    """One stage: a headline, then its fragment as an indented tree."""
    lines = [stage_head(stage)]
    lines.extend("  " + line for line in render_fragment(stage.plan).splitlines())
    return "\n".join(lines)


def stage_head(stage: Stage) -> str:
    """A stage's tasks, what it reads and how it writes."""
    reads = ", ".join(f"stage {i.stage} ({i.mode})" for i in stage.inputs)
    head = f"Stage {stage.id}: {stage.tasks} task{'s' if stage.tasks != 1 else ''}, {stage.slot}"
    if stage.mode == "BARRIER":
        head = (
            f"Stage {stage.id}: barrier, gang of {stage.ranks} rank{'s' if stage.ranks != 1 else ''}, "
            f"{stage.tasks} partition{'s' if stage.tasks != 1 else ''}"
        )
    if reads:
        head += f", reads {reads}"
    tests = [t for layout in stage.layout for t in layout.filters if t is not None]
    ranged = dict.fromkeys(c.name for t in tests for c in t.walk() if isinstance(c, Column))
    if ranged:
        head += f", ranges of {', '.join(ranged)}"
    return f"{head}, writes {stage.output}"


def render_fragment(plan: Plan, depth: int = 0) -> str:
    """A fragment as one line per node: its class and what tells nodes of a class apart."""
    lines = ["  " * depth + describe_node(plan)]
    lines.extend(render_fragment(child, depth + 1) for child in plan.children)
    return "\n".join(lines)


def describe_node(node: Plan) -> str:
    """A node's class name and its most telling detail."""
    name = type(node).__name__
    match name:
        case "Scan":
            detail = f"{node.source.name} [{', '.join(node.fields)}]"  # type: ignore[attr-defined]
        case "Join":
            detail = node.kind  # type: ignore[attr-defined]
        case "ExchangeRead":
            detail = f"stage {node.stage}"  # type: ignore[attr-defined]
        case "Limit" | "TopN":
            detail = str(node.count)  # type: ignore[attr-defined]
        case _:
            detail = ""
    return f"{name} {detail}".rstrip()
