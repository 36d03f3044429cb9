"""The stage graph of a barrier stage: ordinary stages for the query, then the gang that reads its rows.

How rows are dealt out is a property of the data and of the number of partitions, never of how many ranks,
workers or cores there are:

    rows of Parquet files       equal ranges of the files' rows, which the ranks read themselves: no stage before
    rows of other files         equal ranges of the rows in the order of files and rows
    anything else               a hash of the row says the partition and the order in it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.exec import estimate
from sqlshell.exec.equi import stable_hash
from sqlshell.exec.physical import ExchangeRead, HashOrder
from sqlshell.exec.planner import Planner, choose_partitions, solo_graph
from sqlshell.exec.stage import Output, Stage, StageGraph, StageInput, TaskLayout
from sqlshell.exec.task import Split
from sqlshell.optimizer.properties import is_deterministic
from sqlshell.plan.logical import Filter, Generate, Plan, Project, Scan
from sqlshell.records import replace
from sqlshell.storage.source import MemorySource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from sqlshell.storage.source import FileInfo

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
    names = tuple(c.name for c in plan.output)
    if (layout := direct_layout(plan, parts)) is not None:
        settings = {**settings, "sqlshell.deterministic": False}
        gang = _gang(0, plan, (), layout, world_size, version)
        return StageGraph((gang,), names, plan, settings)
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
    inputs = (StageInput(source.id, "partition" if keys else "rows"),)
    layout = tuple(TaskLayout((), (p,)) for p in range(parts))
    gang = _gang(source.id + 1, HashOrder(read, keys) if keys else read, inputs, layout, world_size, version)
    if not keys and in_file_order(plan):  # nothing is added up: the streaming engine keeps rows and bits
        settings = {**settings, "sqlshell.deterministic": False}
    return StageGraph((*stages, gang), names, plan, settings, exchange)


def _gang(
    number: int,
    plan: Plan,
    inputs: tuple[StageInput, ...],
    layout: tuple[TaskLayout, ...],
    ranks: int,
    version: int,
) -> Stage:
    """The barrier stage."""
    return Stage(
        id=number,
        plan=plan,
        inputs=inputs,
        output=Output("body"),
        layout=layout,
        slot="gang",
        mode="BARRIER",
        ranks=ranks,
        version=version,
    )


def direct_layout(plan: Plan, parts: int) -> tuple[TaskLayout, ...] | None:
    """What the ranks read when they can run the whole query on pieces of its files; None when they cannot.

    They can when each row is made from one row of a Parquet file whose number of rows is known.
    """
    if not in_file_order(plan) or not all(is_deterministic(e) for n in plan.walk() for e in n.exprs):
        return None
    (scan,) = plan.collect(Scan)
    source = scan.source
    if isinstance(source, MemorySource) or source.format not in {"parquet", "delta"} or source.rows is None:
        return None
    mapped = source.table is not None and source.table.mapping != "none"
    if mapped or scan.leaves is not None or scan.limit is not None or any(f.vector for f in source.files):
        return None
    return tuple(TaskLayout((s,), (p,)) for p, s in enumerate(row_splits(source.files, parts)))


def row_splits(files: Sequence[FileInfo], parts: int) -> list[tuple[Split, ...]]:
    """The rows of files whose number of rows is known, in order, as `parts` equal ranges."""
    counts = [f.rows or 0 for f in files]
    total = sum(counts)
    out: list[tuple[Split, ...]] = []
    file, begin = 0, 0  # the file that a range starts in, and the rows before it
    for p in range(parts):
        low, high = total * p // parts, total * (p + 1) // parts
        own = []
        while low < high:
            while begin + counts[file] <= low:
                begin += counts[file]
                file += 1
            end = min(high, begin + counts[file])
            own.append(Split(file, rows=(low - begin, end - low)))
            low = end
        out.append(tuple(own))
    return out


def partitions_of(plan: Plan) -> int:
    """How many partitions a gang's input has when nobody says: by the bytes of the files it is made from."""
    return min(MOST, max(FEWEST, -(-estimate.scanned(plan) // PARTITION_BYTES)))


def in_file_order(plan: Plan) -> bool:
    """Whether the rows come from one scan, each by itself."""
    while isinstance(plan, (Project, Filter, Generate)):
        plan = plan.input
    return isinstance(plan, Scan)
