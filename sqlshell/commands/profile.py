"""What one run of a query told: per stage its tasks, per operator rows, estimates and times. EXPLAIN ANALYZE prints
it (`profile_text.py`), `.profile` draws it (`shell/profile_page.py`).

An operator's time is what passed between the last row that came in and the last that went out, in the slowest task:
along the longest path these add up to the task's time. Operators work side by side, so it is no processor time.
"""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from sqlshell.exec import estimate
from sqlshell.exec.physical import ExchangeRead, PartialAggregate
from sqlshell.exec.stage import stage_head
from sqlshell.optimizer import stats
from sqlshell.plan.explain import describe
from sqlshell.plan.logical import Aggregate, Scan
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from sqlshell.exec.scan_facts import ScanFacts
    from sqlshell.exec.stage import Stage
    from sqlshell.exec.task import TaskResult
    from sqlshell.plan.context import BoundQuery
    from sqlshell.plan.logical import Plan
    from sqlshell.session import Session


FAR, MANY = 10.0, 1000


@dataclass(frozen=True)
class Operator:
    """One node of a stage's plan, `prefix` its branch in a drawn tree; None where nothing was counted."""

    text: str
    prefix: str
    rows: int | None
    estimate: float
    seconds: float | None
    facts: ScanFacts | None = None

    @property
    def off(self) -> str:
        """How far the estimate was from the truth, where that is far and there are many rows; else nothing."""
        if self.rows is None or max(self.rows, self.estimate) < MANY:
            return ""
        actual, expected = max(self.rows, 1), max(self.estimate, 1.0)
        if actual >= expected * FAR:
            return f"{actual / expected:,.0f}x more than estimated"
        if expected >= actual * FAR:
            return f"{expected / actual:,.0f}x fewer than estimated"
        return ""


@dataclass(frozen=True)
class Task:
    """One task: when it began (seconds after the first of the query), how long it took, what it wrote and held."""

    started: float
    seconds: float
    bytes: int
    memory: int


@dataclass(frozen=True)
class StageProfile:
    """One stage. `partitions` are the bytes written for each partition of its output."""

    id: int
    head: str
    tasks: tuple[Task, ...]
    operators: tuple[Operator, ...]
    partitions: tuple[int, ...]
    on_disk: int
    spilled: int

    @property
    def skew(self) -> float:
        """The largest partition against the mean; 1 is even."""
        total = sum(self.partitions)
        return max(self.partitions) * len(self.partitions) / total if total else 1.0

    @property
    def slowest(self) -> float:
        """The slowest task against the median one."""
        seconds = [t.seconds for t in self.tasks]
        middle = median(seconds) if seconds else 0.0
        return max(seconds) / middle if middle else 1.0


@dataclass(frozen=True)
class Profile:
    """A whole run; `steps` are seconds by name."""

    statement: str
    rows: int
    seconds: float
    steps: tuple[tuple[str, float], ...]
    stages: tuple[StageProfile, ...]

    @property
    def scans(self) -> list[ScanFacts]:
        """The facts of all scans."""
        return [o.facts for s in self.stages for o in s.operators if o.facts is not None]

    @property
    def memory(self) -> int:
        """The most that tasks of one stage held together."""
        return max((sum(t.memory for t in s.tasks) for s in self.stages), default=0)

    @property
    def spilled(self) -> int:
        """Bytes that went to disk, by operators and between stages."""
        return sum(s.spilled + s.on_disk for s in self.stages)


def run_profiled(session: Session, bound: BoundQuery, text: str) -> Profile:
    """Run a query to its end, counting, and throw its rows away."""
    bind = session.timings.bind
    start = time.perf_counter()
    result = session.run_bound(bound, metered=True)
    try:
        rows = result.row_count
        seconds = time.perf_counter() - start
        stages = tuple(_stages(session))
    finally:
        result.close()
    t = session.timings
    run = max(0.0, seconds - t.optimize - t.plan)
    steps = (("bind", bind), ("optimize", t.optimize), ("plan", t.plan), ("run", run))
    return Profile(text, rows, bind + seconds, steps, stages)


def _stages(session: Session) -> list[StageProfile]:
    found = session.last_stages
    scans = {id(n): n for stage, _ in found for n in stage.plan.walk() if isinstance(n, Scan)}
    facts: list[ScanFacts] = session.engine.call("scan_facts", list(scans.values())) if scans else []
    by_scan = dict(zip(scans, facts, strict=True))
    first = min((r.started for _, results in found for r in results), default=0.0)
    known: dict[int, int] = {}
    out = []
    for stage, results in found:
        out.append(_stage(session, stage, results, by_scan, first, known))
    return out


def _stage(
    session: Session,
    stage: Stage,
    results: list[TaskResult],
    facts: dict[int, ScanFacts],
    first: float,
    known: dict[int, int],
) -> StageProfile:
    sizes: dict[int, int] = {}
    on_disk = 0
    for result in results:
        for ref in result.outputs:
            sizes[ref.partition] = sizes.get(ref.partition, 0) + ref.bytes
            if not session.engine.store_folders.in_memory(ref.path):
                on_disk += ref.bytes
    kind = stage.output.kind
    partitions = (
        [sizes.get(i, 0) for i in range(stage.output.partitions)] if kind in {"hash", "range"} else []
    )
    tasks = tuple(
        Task(
            r.started - first,
            r.seconds,
            sum(ref.bytes for ref in r.outputs),
            r.metrics.memory if r.metrics is not None else 0,
        )
        for r in results
    )
    spilled = sum(r.metrics.spilled for r in results if r.metrics is not None)
    operators: list[Operator] = []
    counts = _Counts(stage.plan, results, facts, known)
    _operators(stage.plan, "", "", counts, operators)
    known[stage.id] = int(counts.estimated(stage.plan) * estimate.row_width(stage.plan))
    return StageProfile(
        stage.id, stage_head(stage), tasks, tuple(operators), tuple(partitions), on_disk, spilled
    )


class _Counts:
    """What the tasks of a stage counted for each of its nodes."""

    def __init__(
        self, plan: Plan, results: list[TaskResult], facts: dict[int, ScanFacts], known: dict[int, int]
    ) -> None:
        """`known` are the estimated bytes of the stages before."""
        self.metrics = [r.metrics for r in results if r.metrics is not None]
        self.facts = facts
        self.known = known
        self._numbers: dict[int, int] = {}
        for number, node in enumerate(plan.walk()):
            self._numbers.setdefault(id(node), number)

    def rows(self, node: Plan) -> int | None:
        found = [m.rows[self._numbers[id(node)]] for m in self.metrics]
        told = [n for n in found if n is not None]
        return sum(told) if told else None

    def seconds(self, node: Plan) -> float | None:
        if not self.rows(node):
            return None
        below = [self._numbers[id(c)] for c in node.children]
        own = self._numbers[id(node)]
        return max(max(0.0, m.last[own] - max((m.last[b] for b in below), default=0.0)) for m in self.metrics)

    def estimated(self, node: Plan) -> float:
        if isinstance(node, PartialAggregate):
            node = Aggregate(node.input, node.keys, node.aggs)
        if any(isinstance(n, ExchangeRead) for n in node.walk()):
            return estimate.rows(node, self.known)
        return stats.rows(node)


def _operators(node: Plan, first: str, rest: str, counts: _Counts, out: list[Operator]) -> None:
    text = f"Rows of stage {node.stage}" if isinstance(node, ExchangeRead) else describe(node)
    out.append(
        Operator(
            text, first, counts.rows(node), counts.estimated(node), counts.seconds(node),
            counts.facts.get(id(node)),
        )
    )  # fmt: skip
    for i, child in enumerate(node.children):
        last = i == len(node.children) - 1
        branch, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
        _operators(child, rest + branch, rest + below, counts, out)
