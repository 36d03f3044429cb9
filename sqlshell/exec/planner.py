"""Plan to stage graph, in one pure function: which fragments, how many tasks, which exchanges.

Solo (the default): one stage, one process, all cores. Pool: every operator says how its input must be spread,
and an exchange is put where it is not:

    Aggregate      partial in place, states hashed by the keys, final; holistic ones hash the rows instead
    ... DISTINCT   the same twice, by value and by group (`distinct.py`); rows hashed by the keys of many groups
    Join           a small side goes to every task; else both sides are hashed by the keys
    Window         hashed by PARTITION BY
    Sort           gathered, or by ranges of the first key when it is large
    TopN, Limit    in place, then gathered; a TopN of too many rows is a Sort and a Limit
    Scan           of a small file: in every task
    Shared         a stage of its own, read several times
    recursion      one task

A fragment's `spread` is `single` (one task), `anywhere` (constants: any task can make them), `split` (N
tasks), `hash` (N tasks, equal `keys` together) or `ordered` (N tasks, sorted through all of them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import InternalError
from sqlshell.exec import estimate, platform, splits
from sqlshell.exec.distinct import by_value
from sqlshell.exec.equi import is_orderable
from sqlshell.exec.grouping_sets import pre_aggregated
from sqlshell.exec.memory import MemoryPlan
from sqlshell.exec.physical import ExchangeRead, FinalAggregate, PartialAggregate
from sqlshell.exec.piece import (
    Piece,
    by_partition,
    can_split,
    is_row_wise,
    merge,
    state_columns,
    with_columns,
)
from sqlshell.exec.planner_join import plan_join
from sqlshell.exec.stage import Output, Stage, StageGraph, StageInput, TaskLayout
from sqlshell.expr.expr import Column, Expr, SortKey
from sqlshell.optimizer import stats
from sqlshell.optimizer.properties import is_deterministic
from sqlshell.plan.logical import (
    Aggregate,
    Expand,
    Filter,
    Generate,
    Join,
    Limit,
    Named,
    Plan,
    Project,
    RecursiveCte,
    Scan,
    Shared,
    Sort,
    TopN,
    Union,
    Values,
    Window,
    passthrough,
)
from sqlshell.plan.logical_write import Assert, Write
from sqlshell.records import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlshell.config import Settings
    from sqlshell.exec.distinct import ByValue

BOUNDED_ROWS = 1_000_000
POOL_PAYS = 16 << 20
"""With `workers` set and nothing else, files below this size still run solo."""

MAX_PARTITIONS = 512

MANY_GROUPS = 10_000
"""Groups that spread evenly over tasks by themselves: their rows are moved once, distinct values and all."""

SMALL_SCAN = 512 << 10
"""Bytes of a file that every task rather reads whole than waits for a stage that does (5 to 10 ms)."""


def plan_stages(plan: Plan, settings: Settings) -> StageGraph:
    """The stage graph of an optimized plan."""
    values = settings.snapshot()
    partitions = choose_partitions(plan, values)
    return solo_graph(plan, values) if partitions <= 1 else pool_graph(plan, values, partitions)


def choose_partitions(plan: Plan, settings: Mapping[str, Any]) -> int:
    """1 for solo; else how many partitions every exchange has."""
    forced, workers = settings["sqlshell.partitions"], settings["sqlshell.workers"]
    if forced is not None:
        return int(forced)
    memory = MemoryPlan.of(settings["sqlshell.memory_limit"], workers or platform.cpu_count())
    state = estimate.state(plan)
    needed = min(MAX_PARTITIONS, -(-state // memory.state_target("pool")))
    if state > memory.state_target("solo"):
        return max(2, workers or 0, needed)
    if (workers or 1) > 1 and estimate.scanned(plan) > POOL_PAYS:
        return max(int(workers), needed)
    return 1


def solo_graph(plan: Plan, settings: Mapping[str, Any]) -> StageGraph:
    """The whole plan as one stage of one task with all cores."""
    layout = TaskLayout((None,) * len(plan.collect(Scan)))
    stage = Stage(
        0,
        plan,
        (),
        Output("result"),
        (layout,),
        slot="solo",
        bounded=is_bounded(plan),
        size=estimate.size(plan),
    )
    return StageGraph((stage,), tuple(c.name for c in plan.output), plan, settings)


def pool_graph(
    plan: Plan, settings: Mapping[str, Any], partitions: int, *, tight: bool = False, version: int = 0
) -> StageGraph:
    """The plan cut at exchanges of `partitions` partitions; `tight` spares memory: sorts by ranges, no
    broadcast.
    """
    planner = Planner(settings, partitions, tight=tight, version=version)
    planner.finish(plan)
    return StageGraph(tuple(planner.stages), tuple(c.name for c in plan.output), plan, settings, partitions)


def is_bounded(plan: Plan) -> bool:
    """Whether a result surely fits in memory: few rows, or an operator that held them all anyway."""
    match plan:
        case Limit() | TopN():
            return plan.count is not None and plan.count <= BOUNDED_ROWS
        case Project():
            return is_bounded(plan.input)
        case Aggregate() | FinalAggregate() | Sort() | Values() | Write():
            return True
    return False


class Planner:
    """Builds the stages of one plan, producers first."""

    def __init__(
        self, settings: Mapping[str, Any], partitions: int, *, tight: bool = False, version: int = 0
    ) -> None:
        self.tight = tight
        self._version = version
        self.stages: list[Stage] = []
        self.partitions = partitions
        self.broadcast_limit: int = 1 if tight else settings["sqlshell.broadcast_limit"]
        workers = settings["sqlshell.workers"] or platform.cpu_count()
        self._memory = MemoryPlan.of(settings["sqlshell.memory_limit"], workers)
        self._sizes: dict[int, int] = {}
        self._shared: dict[int, tuple[Stage, Piece]] = {}
        self._small = settings["sqlshell.partitions"] is None and not tight
        """Whether small files are not worth a stage or a task; they are when somebody asks for partitions."""
        self._whole: set[int] = set()
        """Ids of the Scan nodes that every task reads whole."""

    def finish(self, plan: Plan, output: Output | None = None) -> Stage:
        """Plan everything; the last stage gives the result, or writes as `output` says."""
        return self._cut(self.visit(plan), output or Output("result"))

    # -- stages

    def _cut(
        self, piece: Piece, output: Output, sample: SortKey | None = None, after: tuple[int, ...] = ()
    ) -> Stage:
        """End a fragment: it becomes a stage."""
        tasks = self._tasks(piece)
        scans = piece.plan.collect(Scan)
        if piece.parallel:
            sources = [None if id(s) in self._whole else s.source for s in scans]
            by_task = splits.assign_all(sources, tasks)
            layout = tuple(TaskLayout(s, (i,)) for i, s in enumerate(by_task))
        else:
            layout = (TaskLayout((None,) * len(scans), tuple(range(self.partitions))),)
        stage = Stage(
            id=len(self.stages),
            plan=piece.plan,
            inputs=merge((), piece.inputs),
            output=output,
            layout=layout,
            slot="pool" if tasks > 1 else "solo",
            sample=sample,
            bounded=is_bounded(piece.plan) and not self.tight,
            size=estimate.size(piece.plan, self._sizes),
            after=after,
            version=self._version,
            fixed=self.tight,
        )
        self._sizes[stage.id] = stage.size
        self.stages.append(stage)
        return stage

    def _tasks(self, piece: Piece) -> int:
        """Tasks of a stage: all partitions when it reads any, else as many as its files keep busy."""
        if not piece.parallel:
            return 1
        if any(i.mode in {"partition", "aligned"} for i in piece.inputs):
            return self.partitions
        scans = piece.plan.collect(Scan)
        at_least = splits.WORTH_BYTES if self._small else splits.MIN_BYTES
        useful = [
            splits.useful_tasks(s.source, self.partitions, at_least)
            for s in scans
            if id(s) not in self._whole
        ]
        return max(useful, default=1)

    def _read(self, stage: Stage, mode: str, spread: str, keys: tuple[int, ...] = ()) -> Piece:
        read = ExchangeRead(stage.id, stage.plan.output)
        return Piece(read, spread, (StageInput(stage.id, mode),), keys)

    def single(self, piece: Piece) -> Piece:
        """All rows in one task."""
        if piece.spread == "anywhere":
            return replace(piece, spread="single")
        if not piece.parallel:
            return piece
        if self._small and self._tasks(piece) == 1:
            return replace(piece, spread="single", keys=())
        return self._read(self._cut(piece, Output("whole")), "first", "single")

    def to_all(self, piece: Piece) -> Piece:
        """All rows in every task."""
        if piece.spread == "anywhere":
            return piece
        if is_row_wise(piece.plan) and [i.mode for i in piece.inputs] == ["first"]:
            return Piece(piece.plan, "anywhere", (StageInput(piece.inputs[0].stage, "broadcast"),))
        return self._read(self._cut(piece, Output("whole")), "broadcast", "anywhere")

    def hashed(self, piece: Piece, exprs: tuple[Expr, ...], after: int | None = None) -> Piece:
        """Rows with equal values of `exprs` in one task; columns stay as they are."""
        columns = piece.plan.output
        piece, keys = with_columns(piece, exprs)
        waits = () if after is None else (after,)
        stage = self._cut(piece, Output("hash", keys, self.partitions), after=waits)
        read = self._read(stage, "partition", "hash", tuple(k.id for k in keys))
        if stage.plan.output == columns:
            return read
        kept = read.plan.output
        wanted = {c.id for c in columns}
        keys_kept = read.keys if wanted.issuperset(read.keys) else ()
        assert len(kept) > len(columns)
        return read.over(Project(read.plan, tuple(passthrough(c) for c in columns)), keys=keys_kept)

    # -- operators

    def visit(self, plan: Plan) -> Piece:
        """The fragment that computes a plan."""
        match plan:
            case Values():
                return self._steady(Piece(plan, "anywhere"), plan)
            case Scan():
                return self._scan(plan)
            case Project():
                return self._project(plan)
            case Filter() | Generate():
                piece = self._steady(self.visit(plan.input), plan)
                return piece.over(replace(plan, input=piece.plan))
            case Expand():
                piece = self.visit(plan.input)
                return piece.over(replace(plan, input=piece.plan), keys=())
            case Aggregate():
                return self._aggregate(plan)
            case Join():
                return plan_join(self, plan)
            case Window():
                return self._window(plan)
            case Sort():
                return self._sort(plan)
            case TopN() | Limit():
                return self._limit(plan)
            case Union():
                return self._union(plan)
            case Shared():
                return self._read_shared(plan)
            case RecursiveCte():
                return Piece(plan, "single")
            case Assert() | Write():
                piece = self.visit(plan.input)
                whole = isinstance(plan, Write) and plan.spec.single
                if whole or piece.spread == "anywhere":  # constants: one task writes them
                    piece = self.single(piece)
                return piece.over(replace(plan, input=piece.plan), keys=())
        raise InternalError(f"no stage planning for {type(plan).__name__}")

    def _scan(self, node: Scan) -> Piece:
        used, all_ = estimate.row_width(node), sum(estimate.width(f.type) for f in node.source.schema.fields)
        if not self._small or node.source.size * used > SMALL_SCAN * all_:
            return Piece(node, "split")
        self._whole.add(id(node))
        return Piece(node, "anywhere")

    def _steady(self, piece: Piece, node: Plan) -> Piece:
        """What every task makes must be the same everywhere: random expressions run in one task."""
        if piece.spread == "anywhere" and not all(is_deterministic(e) for e in node.exprs):
            return self.single(piece)
        return piece

    def _project(self, node: Project) -> Piece:
        piece = self._steady(self.visit(node.input), node)
        renamed = {i.expr.id: i.column.id for i in node.items if isinstance(i.expr, Column)}
        kept = tuple(renamed[k] for k in piece.keys) if all(k in renamed for k in piece.keys) else ()
        return piece.over(replace(node, input=piece.plan), keys=kept)

    def _aggregate(self, node: Aggregate) -> Piece:
        piece = self.visit(node.input)
        if self._small and self._tasks(piece) == 1:
            piece = self.single(piece)
        here = replace(node, input=piece.plan)
        if not piece.parallel:
            return replace(self.single(piece), plan=here)
        by_column = {k.expr.id: k.column.id for k in node.keys if isinstance(k.expr, Column)}
        if piece.spread == "hash" and piece.keys and all(k in by_column for k in piece.keys):
            return piece.over(here, keys=tuple(by_column[k] for k in piece.keys))
        if all(can_split(a) for a in node.aggs):
            return self._two_phases(node, piece)
        if not node.keys or self.tight or stats.rows(node) < MANY_GROUPS:
            steps = by_value(here)
            if steps is not None:
                return self._by_value(steps, piece)
        if not node.keys:
            single = self.single(piece)
            return single.over(replace(node, input=single.plan))
        piece, keys = with_columns(piece, tuple(k.expr for k in node.keys))
        hashed = self._read(self._cut(piece, Output("hash", keys, self.partitions)), "partition", "hash")
        items = tuple(Named(k.column, c) for k, c in zip(node.keys, keys, strict=True))
        return hashed.over(
            Aggregate(hashed.plan, items, node.aggs), keys=tuple(k.column.id for k in node.keys)
        )

    def _two_phases(self, node: Aggregate, piece: Piece) -> Piece:
        grouped_first = pre_aggregated(replace(node, input=piece.plan))
        if grouped_first is not None:  # grouping sets: groups are repeated, not rows
            stage = self._cut(
                piece.over(grouped_first.input, keys=()), Output("hash", grouped_first.keys, self.partitions)
            )
            read = self._read(stage, "partition", "hash", tuple(k.id for k in grouped_first.keys))
            return read.over(replace(grouped_first, input=read.plan))
        states = tuple(state_columns(a) for a in node.aggs)
        partial = piece.over(PartialAggregate(piece.plan, node.keys, node.aggs, states))
        keys = tuple(k.column for k in node.keys)
        return self._merged(partial, keys, lambda read: FinalAggregate(read, keys, node.aggs, states))

    def _by_value(self, steps: ByValue, piece: Piece) -> Piece:
        """Distinct values are brought together before their groups are: few large groups load all tasks."""
        before = piece.over(steps.before, keys=())
        if not (piece.spread == "hash" and piece.keys and steps.sources.issuperset(piece.keys)):
            before = self.hashed(before, steps.values)
        return self._merged(before.over(steps.within(before.plan), keys=()), steps.keys, steps.last)

    def _merged(
        self, partial: Piece, keys: tuple[Column, ...], last: Callable[[Plan], FinalAggregate]
    ) -> Piece:
        """Partial states brought together by their keys."""
        if keys:
            stage = self._cut(partial, Output("hash", keys, self.partitions))
            read = self._read(stage, "partition", "hash", tuple(k.id for k in keys))
        else:
            read = self.single(partial)
        return read.over(last(read.plan))

    def _window(self, node: Window) -> Piece:
        piece = self.visit(node.input)
        for partition_by, calls in by_partition(node.calls):
            ids = {e.id for e in partition_by if isinstance(e, Column)}
            if not piece.parallel or not partition_by:
                piece = self.single(piece)
            elif not (piece.spread == "hash" and piece.keys and ids.issuperset(piece.keys)):
                piece = self.hashed(piece, partition_by)
            piece = piece.over(Window(piece.plan, calls))
        if piece.plan.output != node.output:
            piece = piece.over(Project(piece.plan, tuple(passthrough(c) for c in node.output)))
        return piece

    def _sort(self, node: Sort) -> Piece:
        piece = self.visit(node.input)
        first = node.keys[0].expr
        size = estimate.size(piece.plan, self._sizes)
        large = self.tight or size > self._memory.state_target("solo")
        if not piece.parallel or not large or not is_orderable(first.type):
            single = self.single(piece)
            return single.over(replace(node, input=single.plan))
        columns = piece.plan.output
        piece, (key,) = with_columns(piece, (first,))
        order = replace(node.keys[0], expr=key)
        stage = self._cut(piece, Output("whole"), sample=order)
        again = self._read(stage, "aligned", "split")
        output = Output("range", (key,), self.partitions, (order,), stage.id)
        ranges = self._read(self._cut(again, output), "partition", "ordered")
        sorted_plan: Plan = Sort(ranges.plan, (order, *node.keys[1:]))
        if sorted_plan.output != columns:
            sorted_plan = Project(sorted_plan, tuple(passthrough(c) for c in columns))
        return ranges.over(sorted_plan)

    def _limit(self, node: TopN | Limit) -> Piece:
        if isinstance(node, TopN) and estimate.size(node, self._sizes) > self._memory.state_target("solo"):
            return self._limit(Limit(Sort(node.input, node.keys), node.count, node.offset))
        piece = self.visit(node.input)
        if piece.parallel:
            if node.count is not None and piece.spread != "ordered":
                local = replace(node, input=piece.plan, count=node.count + node.offset, offset=0)
                piece = piece.over(local)
            piece = self.single(piece)
        elif piece.spread == "anywhere":
            piece = self.single(piece)
        return piece.over(replace(node, input=piece.plan))

    def _union(self, node: Union) -> Piece:
        pieces = [self.visit(p) for p in node.inputs]
        if not any(p.parallel for p in pieces):
            spread = "anywhere" if all(p.spread == "anywhere" for p in pieces) else "single"
        else:
            # Constants and single fragments would repeat in every task: only task 0 may read them.
            pieces = [p if p.parallel else self._first_only(p) for p in pieces]
            spread = "split"
        inputs: tuple[StageInput, ...] = ()
        for p in pieces:
            inputs = merge(inputs, p.inputs)
        return Piece(replace(node, inputs=tuple(p.plan for p in pieces)), spread, inputs)

    def _first_only(self, piece: Piece) -> Piece:
        stage = self._cut(self.single(piece), Output("whole"))
        return self._read(stage, "first", "split")

    def _read_shared(self, node: Shared) -> Piece:
        found = self._shared.get(node.key)
        if found is None:
            piece = self.visit(node.input)
            if piece.spread == "anywhere":
                piece = self.single(piece)
            found = self._shared[node.key] = (self._cut(piece, Output("whole")), piece)
        stage, made = found
        if made.parallel:
            read = self._read(stage, "aligned", "hash" if made.spread == "hash" else "split", made.keys)
        else:
            read = self._read(stage, "first", "single")
        items = tuple(Named(c, p) for c, p in zip(node.columns, node.input.output, strict=True))
        renamed = {p.id: c.id for c, p in zip(node.columns, node.input.output, strict=True)}
        return read.over(Project(read.plan, items), keys=tuple(renamed[k] for k in read.keys))
