"""The stage graph of a barrier stage: ordinary stages for the query, then the gang that reads its rows.

How rows are dealt out is a property of the data and of the number of partitions, never of how many ranks,
workers or cores there are:

    rows of files, one by one   equal ranges of the rows in the order of files and rows
    anything else               a hash of the row says the partition and the order in it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.exec import estimate
from sqlshell.exec.equi import stable_hash
from sqlshell.exec.physical import ExchangeRead, HashOrder
from sqlshell.exec.planner import Planner, choose_partitions, solo_graph
from sqlshell.exec.stage import Output, Stage, StageGraph, StageInput, TaskLayout
from sqlshell.plan.logical import Filter, Generate, Plan, Project, Scan
from sqlshell.records import replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PARTITION_BYTES = 8 << 20
"""Bytes of files per partition."""

FEWEST, MOST = 8, 64


def plan_gang(
    plan: Plan,
    settings: Mapping[str, Any],
    world_size: int,
    partitions: int | None = None,
    *,
    exchange: int | None = None,
    version: int = 0,
) -> StageGraph:
    """The graph of an optimized query whose rows a gang of `world_size` ranks reads.

    In deterministic mode the query's own layout, too, depends on nothing but the data and the machine.
    `exchange` and `version` are given when the query ran out of memory and is planned again, more finely.
    """
    if settings["sqlshell.deterministic"]:  # sums of doubles show how many tasks made them
        settings = {**settings, "sqlshell.workers": None, "sqlshell.partitions": None}
    parts = partitions or partitions_of(plan)
    keys = () if in_file_order(plan) else tuple(c for c in plan.output if stable_hash(c.type))
    output = Output("hash", keys, parts) if keys else Output("whole")
    tight = exchange is not None
    exchange = exchange or choose_partitions(plan, settings)
    if exchange <= 1:
        stages = [replace(solo_graph(plan, settings).result, output=output, bounded=False)]
    else:
        planner = Planner(settings, exchange, tight=tight, version=version)
        planner.finish(plan, output)
        stages = planner.stages
    source = stages[-1]
    read: Plan = ExchangeRead(source.id, plan.output)
    gang = Stage(
        id=source.id + 1,
        plan=HashOrder(read, keys) if keys else read,
        inputs=(StageInput(source.id, "partition" if keys else "rows"),),
        output=Output("body"),
        layout=tuple(TaskLayout((), (p,)) for p in range(parts)),
        slot="gang",
        mode="BARRIER",
        ranks=world_size,
        version=version,
    )
    if not keys and in_file_order(plan):  # nothing is added up: the streaming engine keeps rows and bits
        settings = {**settings, "sqlshell.deterministic": False}
    names = tuple(c.name for c in plan.output)
    return StageGraph((*stages, gang), names, plan, settings, exchange)


def partitions_of(plan: Plan) -> int:
    """How many partitions a gang's input has when nobody says: by the bytes of the files it is made from."""
    return min(MOST, max(FEWEST, -(-estimate.scanned(plan) // PARTITION_BYTES)))


def in_file_order(plan: Plan) -> bool:
    """Whether the rows come from one scan, each by itself."""
    while isinstance(plan, (Project, Filter, Generate)):
        plan = plan.input
    return isinstance(plan, Scan)
