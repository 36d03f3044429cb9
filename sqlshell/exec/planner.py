"""Plan to stage graph, in one pure function: which fragments, how many tasks, which exchanges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.exec.stage import Output, Stage, StageGraph, TaskLayout
from sqlshell.plan.logical import Aggregate, Limit, Plan, Project, Scan, Sort, TopN, Values

if TYPE_CHECKING:
    from sqlshell.config import Settings

BOUNDED_ROWS = 1_000_000


def plan_stages(plan: Plan, settings: Settings) -> StageGraph:
    """The stage graph of an optimized plan."""
    values = settings.snapshot()
    return solo_graph(plan, values)


def solo_graph(plan: Plan, settings: dict[str, Any]) -> StageGraph:
    """The whole plan as one stage of one task with all cores."""
    layout = TaskLayout((None,) * len(plan.collect(Scan)))
    stage = Stage(0, plan, (), Output("result"), (layout,), slot="solo", bounded=is_bounded(plan))
    return StageGraph((stage,), tuple(c.name for c in plan.output), plan, settings)


def is_bounded(plan: Plan) -> bool:
    """Whether a result surely fits in memory: few rows, or an operator that held them all anyway."""
    match plan:
        case Limit() | TopN():
            return plan.count is not None and plan.count <= BOUNDED_ROWS
        case Project():
            return is_bounded(plan.input)
        case Aggregate() | Sort() | Values():
            return True
    return False
