"""The graph changed on the way: pure functions from a graph and what its finished stages wrote to a new
graph.

coalesce      adjacent small partitions are read by one task
send side     a hashed join side that came out small goes to every task, and the other side is not shuffled
split skew    a partition far larger than the others is shared by several tasks
split stage   after running out of memory: that stage gets 4x the tasks, or the whole query 4x the partitions
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from sqlshell.exec import platform, splits
from sqlshell.exec.physical import ExchangeRead, PartialAggregate
from sqlshell.exec.planner import MAX_PARTITIONS, pool_graph
from sqlshell.exec.planner_gang import plan_gang
from sqlshell.exec.planner_join import SENDS_LEFT, SENDS_RIGHT
from sqlshell.exec.stage import Stage, StageGraph, StageInput, TaskLayout
from sqlshell.plan.logical import Expand, Filter, Generate, Join, Plan, Project, Scan
from sqlshell.records import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlshell.exec.task import PartitionRef

    Manifests = Mapping[int, tuple[PartitionRef, ...]]

Sides = tuple[Join, ExchangeRead, ExchangeRead]

TARGET_BYTES = 16 << 20
"""What a coalesced task reads."""

TINY_BYTES = 1 << 20
"""What is worth a second task."""

SPLIT = 4
"""Times the tasks after running out of memory."""

SKEW_FACTOR = 5
SKEW_BYTES = 64 << 20
"""A partition is skewed from this size on, when it is also SKEW_FACTOR times the median."""


def after_stage(graph: StageGraph, done: Manifests, begun: frozenset[int]) -> StageGraph:
    """The graph to go on with; `done` maps finished stages to their files, `begun` stages are left alone."""
    for stage in graph.stages:
        if stage.id not in begun:
            graph = _adapt(graph, stage, done, begun)
    return graph


def _adapt(graph: StageGraph, stage: Stage, done: Manifests, begun: frozenset[int]) -> StageGraph:
    read = [i.stage for i in stage.inputs if i.mode == "partition"]
    if stage.mode == "BARRIER":  # its layout belongs to what the gang computes
        return graph
    around = [*stage.inputs, *(i for c in graph.consumers(stage.id) for i in c.inputs)]
    if not read or any(i.mode == "aligned" for i in around) or _reads_splits(stage):
        return graph
    changed = None if stage.fixed else _send_side(graph, stage, done, begun)
    if changed is not None:
        return changed
    if not all(i in done for i in read) or any(layout.maps for layout in stage.layout):
        return graph
    sizes = _partition_sizes(graph, read, done)
    layout = _split_skew(stage, sizes, done)
    if layout is None and not stage.fixed:
        layout = _coalesce(graph, stage, sizes)
    return graph if layout is None else graph.with_stage(replace(stage, layout=layout))


def _reads_splits(stage: Stage) -> bool:
    """Whether tasks read pieces of files of their own, so that no layout may change without them."""
    return any(s is not None for layout in stage.layout for s in layout.splits)


def _partition_sizes(graph: StageGraph, stages: Iterable[int], done: Manifests) -> list[int]:
    sizes = [0] * max(graph.stage(s).output.partitions for s in stages)
    for s in stages:
        for ref in done[s]:
            sizes[ref.partition] += ref.bytes
    return sizes


# -- small partitions


def _coalesce(graph: StageGraph, stage: Stage, sizes: list[int]) -> tuple[TaskLayout, ...] | None:
    """Fewer tasks when there are at least twice as many as their bytes and the workers ask for."""
    workers = graph.settings["sqlshell.workers"] or platform.cpu_count()
    if graph.settings["sqlshell.partitions"] is None:
        workers = min(workers, 1 + sum(sizes) // TINY_BYTES)
    wanted = max(workers, -(-sum(sizes) // TARGET_BYTES))
    if stage.tasks < 2 * wanted or stage.tasks != len(sizes):
        return None
    target = max(1, -(-sum(sizes) // wanted))
    groups: list[list[int]] = [[]]
    held = 0
    for partition, size in enumerate(sizes):
        if groups[-1] and held + size > target:
            groups.append([])
            held = 0
        groups[-1].append(partition)
        held += size
    splits = stage.layout[0].splits
    return tuple(TaskLayout(splits, tuple(g)) for g in groups)


# -- skewed partitions


def _split_skew(stage: Stage, sizes: list[int], done: Manifests) -> tuple[TaskLayout, ...] | None:
    """Several tasks for a skewed partition: each reads some of one side's files and all of the other's."""
    sides = _exchange_join(stage.plan)
    if sides is None or stage.tasks != len(sizes):
        return None
    limit = max(SKEW_BYTES, int(SKEW_FACTOR * median(sizes)))
    layout: list[TaskLayout] = []
    for partition, size in enumerate(sizes):
        plain = TaskLayout(stage.layout[0].splits, (partition,))
        layout.extend(_shares(plain, sides, size, limit, done) if size > limit else [plain])
    return tuple(layout) if len(layout) > stage.tasks else None


def _shares(plain: TaskLayout, sides: Sides, size: int, limit: int, done: Manifests) -> list[TaskLayout]:
    partition = plain.partitions[0]
    side = _larger_splittable(sides, partition, done)
    if side is None:
        return [plain]
    refs = sorted((r for r in done[side] if r.partition == partition), key=lambda r: -r.bytes)
    shares: list[list[int]] = [[] for _ in range(min(len(refs), -(-size // limit)))]
    weights = [0] * len(shares)
    for ref in refs:
        lightest = weights.index(min(weights))
        shares[lightest].append(ref.task)
        weights[lightest] += ref.bytes
    if len(shares) < 2:
        return [plain]
    return [replace(plain, maps=(side, tuple(sorted(s)))) for s in shares]


def _larger_splittable(sides: Sides, partition: int, done: Manifests) -> int | None:
    """The side whose rows may be spread: the one the other side may be repeated for."""
    join, left, right = sides
    candidates = []
    if join.kind in SENDS_RIGHT:
        candidates.append(left.stage)
    if join.kind in SENDS_LEFT:
        candidates.append(right.stage)
    return max(
        candidates, key=lambda s: sum(r.bytes for r in done[s] if r.partition == partition), default=None
    )


def _exchange_join(plan: Plan) -> Sides | None:
    """A join of two exchanges below operators that look at one row at a time; None for any other fragment.

    Such a fragment does not need equal keys of different tasks to stay apart.
    """
    node = _through(plan, (Project, Filter, Generate, Expand, PartialAggregate))
    if not isinstance(node, Join) or node.null_aware:
        return None
    left, right = _through(node.left, (Project,)), _through(node.right, (Project,))
    if isinstance(left, ExchangeRead) and isinstance(right, ExchangeRead):
        return node, left, right
    return None


def _through(plan: Plan, kinds: tuple[type[Plan], ...]) -> Plan:
    node: Any = plan
    while isinstance(node, kinds):
        node = node.children[0]
    found: Plan = node
    return found


# -- join sides that came out small


def _send_side(graph: StageGraph, stage: Stage, done: Manifests, begun: frozenset[int]) -> StageGraph | None:
    """Read the finished small side everywhere and take the other side's fragment in, unshuffled."""
    sides = _exchange_join(stage.plan)
    if sides is None:
        return None
    join, left, right = sides
    if join.hint == "shuffle":
        return None
    limit = graph.settings["sqlshell.broadcast_limit"]
    for small, large, kinds in ((right, left, SENDS_RIGHT), (left, right, SENDS_LEFT)):
        if join.kind not in kinds or small.stage not in done or large.stage in begun:
            continue
        if len(graph.consumers(large.stage)) > 1 or sum(r.bytes for r in done[small.stage]) > limit:
            continue
        return _absorb(graph, stage, small, large)
    return None


def _absorb(graph: StageGraph, stage: Stage, small: ExchangeRead, large: ExchangeRead) -> StageGraph:
    taken = graph.stage(large.stage)

    def swap(node: Any) -> Any:
        return taken.plan if node is large else node

    inputs = tuple(i for i in stage.inputs if i.stage not in {small.stage, large.stage})
    new = replace(
        stage,
        plan=stage.plan.transform_down(swap),
        inputs=(*inputs, StageInput(small.stage, "broadcast"), *taken.inputs),
        layout=taken.layout,
        slot=taken.slot,
        after=tuple(a for a in taken.after if a != small.stage),
        version=stage.version + 1,
    )
    stages = []
    for s in graph.stages:
        if s.id == stage.id:
            stages.append(new)
        elif s.id != large.stage:
            waits = tuple(a for a in s.after if a != large.stage)
            stages.append(s if waits == s.after else replace(s, after=waits))
    return replace(graph, stages=tuple(stages))


# -- out of memory


def split_stage(graph: StageGraph, stage_id: int) -> StageGraph | None:
    """The graph with 4x the tasks for one stage, or the query planned again with 4x the partitions, sparing
    memory; None at the end.
    """
    stage = graph.stage(stage_id)
    modes = {i.mode for i in stage.inputs}
    split = None
    if not modes and stage.slot == "pool":
        split = _split_scans(graph, stage)
    elif modes == {"partition"} and not _reads_splits(stage):
        split = _split_partitions(graph, stage)
    return split or _plan_again(graph)


def _split_scans(graph: StageGraph, stage: Stage) -> StageGraph | None:
    """Smaller pieces of the files; nobody counts on which task reads what."""
    tasks = SPLIT * stage.tasks
    aligned = any(i.mode == "aligned" for c in graph.consumers(stage.id) for i in c.inputs)
    if aligned or tasks > MAX_PARTITIONS or any(layout.filters for layout in stage.layout):
        return None
    whole = [s is None for s in stage.layout[0].splits]
    scans = stage.plan.collect(Scan)
    sources = [None if w else s.source for s, w in zip(scans, whole, strict=True)]
    layout = tuple(TaskLayout(s, (i,)) for i, s in enumerate(splits.assign_all(sources, tasks)))
    return graph.with_stage(replace(stage, layout=layout, fixed=True))


def _split_partitions(graph: StageGraph, stage: Stage) -> StageGraph | None:
    """Every hash partition the stage reads cut into four by more of its hash, by a stage in between.

    A row of partition p of n goes to p, p + n, p + 2n or p + 3n of 4n, so that readers aligned with the
    stage, which take its tasks modulo n, still find their rows.
    """
    sources = [graph.stage(i.stage) for i in stage.inputs]
    partitions = sources[0].output.partitions
    wide = SPLIT * partitions
    alike = all(s.output.kind == "hash" and s.output.partitions == partitions for s in sources)
    if not alike or wide > MAX_PARTITIONS or any(layout.maps for layout in stage.layout):
        return None
    first = max(s.id for s in graph.stages) + 1
    between = {s.id: _recut(s, first + n, wide) for n, s in enumerate(sources)}

    def swap(node: Any) -> Any:
        if isinstance(node, ExchangeRead):
            return replace(node, stage=between[node.stage].id)
        return node

    new = replace(
        stage,
        plan=stage.plan.transform_down(swap),
        inputs=tuple(StageInput(s.id, "partition") for s in between.values()),
        layout=tuple(TaskLayout(stage.layout[0].splits, (i,)) for i in range(wide)),
        slot="pool",
        after=(),
        version=stage.version + 1,
        fixed=True,
    )
    stages: list[Stage] = []
    for s in graph.stages:
        stages.extend((*between.values(), new) if s.id == stage.id else (s,))
    return replace(graph, stages=tuple(stages))


def _recut(source: Stage, stage_id: int, partitions: int) -> Stage:
    """A stage that reads a hash exchange partition by partition and cuts each more finely."""
    return Stage(
        id=stage_id,
        plan=ExchangeRead(source.id, source.plan.output),
        inputs=(StageInput(source.id, "partition"),),
        output=replace(source.output, partitions=partitions),
        layout=tuple(TaskLayout((), (p,)) for p in range(source.output.partitions)),
        size=source.size,
        fixed=True,
    )


def _plan_again(graph: StageGraph) -> StageGraph | None:
    partitions = max(4, SPLIT * graph.partitions)
    if partitions > MAX_PARTITIONS:
        return None
    version = max(s.version for s in graph.stages) + 1
    if graph.result.mode == "BARRIER":
        gang = graph.result
        return plan_gang(
            graph.logical, graph.settings, gang.ranks, gang.tasks, exchange=partitions, version=version
        )
    return pool_graph(graph.logical, graph.settings, partitions, tight=True, version=version)
