"""The graph changed on the way: pure functions from a graph and manifests to a new graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlshell.exec.stage import StageGraph
    from sqlshell.exec.task import PartitionRef


def after_stage(graph: StageGraph, stage: int, refs: tuple[PartitionRef, ...]) -> StageGraph:
    """The graph to go on with once `stage` has written `refs`."""
    return graph


def split_stage(graph: StageGraph, stage: int) -> StageGraph | None:
    """The graph with `stage` cut into more tasks after it ran out of memory; None where it cannot be cut."""
    return None
