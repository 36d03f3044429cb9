"""Plan to stage graph, in one pure function: which fragments, how many tasks, which exchanges.

Solo (the default): one stage, one process, all cores. Pool: every operator says how its input must be spread,
and an exchange is put where it is not:

    Aggregate      partial in place, states hashed by the keys, final; holistic ones hash the rows instead
    ... DISTINCT   the same twice, by value and by group (`distinct.py`); rows hashed by the keys of many groups
    Join           a small side goes to every task; else both sides are hashed by the keys
    Window         hashed by PARTITION BY
    Sort           gathered, or by ranges of the first key when it is large
    TopN, Limit    in place, then gathered; a TopN of too many rows is a Sort and a Limit
    Scan           of a small file: in every task; by ranges of a key that its files are in order of (`ranges.py`)
    Shared         a stage of its own, read several times
    recursion      one task

A fragment's `spread` is `single` (one task), `anywhere` (constants: any task can make them), `split` (N
tasks), `hash` (N tasks, equal `keys` together) or `ordered` (N tasks, sorted through all of them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import InternalError
from sqlshell.exec import estimate, platform, splits
from sqlshell.exec.equi import is_orderable
from sqlshell.exec.memory import MemoryPlan
from sqlshell.exec.physical import ExchangeRead, FinalAggregate
from sqlshell.exec.piece import (
    Piece,
    by_partition,
    is_row_wise,
    merge,
    with_columns,
)
from sqlshell.exec.planner_agg import plan_aggregate
from sqlshell.exec.planner_join import plan_join
from sqlshell.exec.ranges import Ranged, bare, can_read_ranges, choose_bounds, layouts, origin
from sqlshell.exec.stage import Output, Stage, StageGraph, StageInput, TaskLayout
from sqlshell.expr.expr import Column, Expr, PythonCall, SortKey
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
    from collections.abc import Iterable, Mapping

    from sqlshell.config import Settings

BOUNDED_ROWS = 1_000_000
POOL_PAYS = 16 << 20
"""With `workers` set and nothing else, files below this size still run solo."""

PYTHON_PAYS = 300_000
"""Rows of a Python function (about a microsecond each) from which the processes of a pool pay."""

MAX_PARTITIONS = 512

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
    if workers != 1 and _python_rows(plan) > PYTHON_PAYS:
        return max(int(workers or platform.cpu_count()), needed)
    return 1


def _python_rows(plan: Plan) -> float:
    """How many rows Python functions see, one at a time in each process."""
    calls = [n for n in plan.walk() if any(e.collect(PythonCall) for e in n.exprs)]
    return max((estimate.rows(c) for n in calls for c in n.children or (n,)), default=0)


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
        self.small = settings["sqlshell.partitions"] is None and not tight
        """Whether small files are not worth a stage or a task; they are when somebody asks for partitions."""
        self._whole: set[int] = set()
        """Ids of the Scan nodes that every task reads whole."""
        self._ranged: dict[int, Ranged] = {}
        """By id, the Scan nodes whose tasks read ranges of a column."""

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
            layout = layouts(scans, self._whole, self._ranged, tasks)
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
        if any(id(s) in self._ranged for s in scans):
            return self.partitions
        at_least = splits.WORTH_BYTES if self.small else splits.MIN_BYTES
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
        if self.is_slight(piece):
            return replace(piece, spread="single", keys=())
        return self._read(self._cut(piece, Output("whole")), "first", "single")

    def is_slight(self, piece: Piece) -> bool:
        """Whether a fragment's files keep one task busy at most."""
        return self.small and self._tasks(piece) == 1

    def to_all(self, piece: Piece) -> Piece:
        """All rows in every task."""
        if piece.spread == "anywhere":
            return piece
        if is_row_wise(piece.plan) and [i.mode for i in piece.inputs] == ["first"]:
            return Piece(piece.plan, "anywhere", (StageInput(piece.inputs[0].stage, "broadcast"),))
        return self._read(self._cut(piece, Output("whole")), "broadcast", "anywhere")

    def exchanged(self, piece: Piece, keys: tuple[Column, ...], after: tuple[int, ...] = ()) -> Piece:
        """Rows with equal values of some of the fragment's columns in one task."""
        stage = self._cut(piece, Output("hash", keys, self.partitions), after=after)
        return self._read(stage, "partition", "hash", tuple(k.id for k in keys))

    def hashed(self, piece: Piece, exprs: tuple[Expr, ...], after: int | None = None) -> Piece:
        """Rows with equal values of `exprs` in one task; columns stay as they are."""
        columns = piece.plan.output
        piece, keys = with_columns(piece, exprs)
        read = self.exchanged(piece, keys, () if after is None else (after,))
        if piece.plan.output == columns:
            return read
        kept = read.plan.output
        wanted = {c.id for c in columns}
        keys_kept = read.keys if wanted.issuperset(read.keys) else ()
        assert len(kept) > len(columns)
        return read.over(Project(read.plan, tuple(passthrough(c) for c in columns)), keys=keys_kept)

    def by_ranges(self, *sides: tuple[Piece, Expr]) -> tuple[Piece, ...] | None:
        """The fragments with equal values of their keys in one task, because tasks read the same ranges of them.

        None where files are not in order of the keys, or another exchange has spread the rows already.
        """
        if self.tight or all(self._tasks(piece) < self.partitions for piece, _ in sides):
            return None
        found: list[Ranged] = []
        for piece, e in sides:
            of_piece = self._rangeable(piece, e)
            if of_piece is None:
                return None
            found += of_piece
        bounds = choose_bounds(found, self.partitions)
        if bounds is None:
            return None
        self._ranged.update((id(r.scan), replace(r, bounds=bounds)) for r in found)
        keys = [e.id for _, e in ((p, bare(e)) for p, e in sides) if isinstance(e, Column)]
        return tuple(
            replace(p, spread="hash", keys=(k,), ranges=bounds) for (p, _), k in zip(sides, keys, strict=True)
        )

    def spread_by(self, piece: Piece, keys: Iterable[Expr]) -> Piece | None:
        """The fragment by ranges of one of some keys, where its files allow."""
        if piece.spread == "split" or piece.ranges:
            for key in keys:
                ranged = self.by_ranges((piece, key)) if isinstance(key, Column) else None
                if ranged is not None:
                    return ranged[0]
        return None

    def _rangeable(self, piece: Piece, e: Expr) -> list[Ranged] | None:
        """The scans that must read ranges for a fragment's rows to be spread by `e`."""
        if any(i.mode in {"partition", "aligned"} for i in piece.inputs) or not piece.parallel:
            return None
        found = origin(piece.plan, e)
        if found is None or id(found[0]) in self._whole or not can_read_ranges(*found):
            return None
        before = [self._ranged[id(s)] for s in piece.plan.collect(Scan) if id(s) in self._ranged]
        if not before:
            return [Ranged(*found)]
        return before if any(r.scan is found[0] and r.column == found[1] for r in before) else None

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
                return plan_aggregate(self, plan)
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
        if not self.small or node.source.size * used > SMALL_SCAN * all_:
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

    def _window(self, node: Window) -> Piece:
        piece = self.visit(node.input)
        for partition_by, calls in by_partition(node.calls):
            ids = {e.id for e in partition_by if isinstance(e, Column)}
            if not piece.parallel or not partition_by:
                piece = self.single(piece)
            elif not (piece.spread == "hash" and piece.keys and ids.issuperset(piece.keys)):
                piece = self.spread_by(piece, partition_by) or self.hashed(piece, partition_by)
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
            read = replace(read, ranges=made.ranges)
        else:
            read = self._read(stage, "first", "single")
        items = tuple(Named(c, p) for c, p in zip(node.columns, node.input.output, strict=True))
        renamed = {p.id: c.id for c, p in zip(node.columns, node.input.output, strict=True)}
        return read.over(Project(read.plan, items), keys=tuple(renamed[k] for k in read.keys))
