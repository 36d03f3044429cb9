"""Storage-partitioned stages: tasks read ranges of values of the columns that files were written in order of.

Where the zones of both sides of a join (row groups of Parquet, files of Delta tables) are ranges of the join key that
hardly overlap, task i reads the rows of range i of either side, and joins them with no exchange; an aggregation by
such a column likewise. A zone across a cut is read by two tasks, and each keeps its own rows: answers never depend on
statistics, but for files left out. NULLs belong to the first range.
"""

from __future__ import annotations

import datetime
from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING

from sqlshell.exec import splits
from sqlshell.exec.stage import TaskLayout
from sqlshell.exec.task import Split
from sqlshell.expr.expr import Call, Cast, Column, Expr, Literal, conjoin, disjoin
from sqlshell.optimizer import stats
from sqlshell.plan.logical import Aggregate, Filter, Generate, Join, Plan, Project, Scan, Window
from sqlshell.records import dataclass
from sqlshell.storage.source import Source
from sqlshell.storage.zones import FileZones, Zone, file_zones
from sqlshell.types import BOOLEAN, Date, Integral

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

READ_TWICE = 1.3
"""Rows read by all tasks together, to the rows there are, up to which ranges are worth it: an exchange costs more."""
UNEVEN = 1.5
"""The most that one task may read, to its fair share."""
NEAR = 0.06
"""How far from even a cut may be moved to fall between zones of the largest scan, in shares of a task."""

RANGED_FORMATS = frozenset({"parquet", "delta"})
KEEPS_LEFT = frozenset({"inner", "cross", "left", "semi", "anti", "mark", "single"})
KEEPS_RIGHT = frozenset({"inner", "cross", "right"})


@dataclass(frozen=True)
class Ranged:
    """A scan whose task i reads the rows with `bounds[i - 1] <= column < bounds[i]` (dates as days)."""

    scan: Scan
    column: Column
    bounds: tuple[int, ...] = ()


def origin(plan: Plan, e: Expr) -> tuple[Scan, Column] | None:
    """The scan column whose values an expression of a fragment has, row by row; None for anything computed."""
    e = bare(e)
    while isinstance(e, Column):
        match plan:
            case Scan():
                return (plan, e) if e.id in plan.output_ids else None
            case Project():
                e = bare(next(i.expr for i in plan.items if i.column.id == e.id))
                plan = plan.input
            case Aggregate():
                keys = {k.column.id: k.expr for k in plan.keys}
                if e.id not in keys:
                    return None
                e, plan = bare(keys[e.id]), plan.input
            case Filter() | Generate() | Window() if e.id in plan.input.output_ids:
                plan = plan.input
            case Join() if e.id in plan.left.output_ids and plan.kind in KEEPS_LEFT:
                plan = plan.left
            case Join() if e.id in plan.right.output_ids and plan.kind in KEEPS_RIGHT:
                plan = plan.right
            case _:
                return None
    return None


def bare(e: Expr) -> Expr:
    """An expression without casts to a wider whole number."""
    while (
        isinstance(e, Cast)
        and isinstance(e.type, Integral)
        and isinstance(e.arg.type, Integral)
        and e.type.bits >= e.arg.type.bits
    ):
        e = e.arg
    return e


def can_read_ranges(scan: Scan, column: Column) -> bool:
    """Whether tasks may read ranges of a column: Parquet skips what is outside, leaf reading does not."""
    flat = scan.leaves is None and scan.limit is None and isinstance(scan.source, Source)
    return flat and scan.source.format in RANGED_FORMATS and isinstance(column.type, (Integral, Date))


def choose_bounds(scans: Sequence[Ranged], tasks: int) -> tuple[int, ...] | None:
    """Where to cut the ranges so that tasks read alike; None when zones are unknown or overlap too much."""
    zones = [_zones(r) for r in scans]
    if any(not z for z in zones):
        return None
    weights = [stats.row_width(r.scan) for r in scans]
    parts = [
        [(z.low, z.high + 1, z.rows * w) for z in found] for found, w in zip(zones, weights, strict=True)
    ]
    heaviest = max(parts, key=lambda p: sum(w for *_, w in p))
    bounds = _cut([p for side in parts for p in side], sorted({low for low, *_ in heaviest}), tasks)
    if len(bounds) != tasks - 1 or not _is_worth_it([p for side in parts for p in side], bounds, tasks):
        return None
    return bounds


def _zones(r: Ranged) -> list[Zone]:
    """The zones of a scan's column, as far as its filters let them."""
    field = dict(zip((c.id for c in r.scan.columns), r.scan.fields, strict=True))[r.column.id]
    files = file_zones(r.scan.source, field)
    if files is None:
        return []
    known = stats.column(r.scan, r.column.id)
    out = []
    for zone in (z for f in files for z in f.zones):
        low = zone.low if known.low is None else max(zone.low, int(known.low))
        high = zone.high if known.high is None else min(zone.high, int(known.high))
        if low <= high:
            share = (high - low + 1) / (zone.high - zone.low + 1)
            out.append(Zone(low, high, max(1, round(zone.rows * share))))
    return out


Part = tuple[int, int, float]
"""A zone [from, to) and its weight."""


def _cut(parts: list[Part], between: list[int], tasks: int) -> tuple[int, ...]:
    """Cuts of even weight, values spread evenly inside zones; where one of `between` is near, there."""
    changes: dict[int, float] = {}
    for low, end, weight in parts:
        slope = weight / (end - low)
        changes[low] = changes.get(low, 0.0) + slope
        changes[end] = changes.get(end, 0.0) - slope
    points = sorted(changes)
    before, slope, slopes = [0.0], 0.0, []
    for a, b in pairwise(points):
        slope += changes[a]
        slopes.append(slope)
        before.append(before[-1] + slope * (b - a))
    share = before[-1] / tasks
    edges = [(before[bisect_left(points, p)], p) for p in between]
    cuts = []
    for i in range(1, tasks):
        wanted = i * share
        distance, edge = min((abs(w - wanted), p) for w, p in edges)
        if distance <= NEAR * share:
            cuts.append(edge)
            continue
        at = max(0, bisect_left(before, wanted) - 1)
        cuts.append(points[at] + round((wanted - before[at]) / slopes[at]) if slopes[at] else points[at])
    return tuple(sorted({c for c in cuts if points[0] < c < points[-1]}))


def _is_worth_it(parts: list[Part], bounds: tuple[int, ...], tasks: int) -> bool:
    total = sum(w for *_, w in parts)
    ends = (None, *bounds, None)
    read = [
        sum(w for a, b, w in parts if (high is None or a < high) and (low is None or b > low))
        for low, high in pairwise(ends)
    ]
    return sum(read) <= READ_TWICE * total and max(read) <= UNEVEN * READ_TWICE * total / tasks


# -- layouts


def layouts(
    scans: Sequence[Scan], whole: set[int], ranged: Mapping[int, Ranged], tasks: int
) -> tuple[TaskLayout, ...]:
    """What each of a stage's tasks reads: ranges of bytes, or of values, or (by `whole`) everything."""
    sources = [None if id(s) in whole or id(s) in ranged else s.source for s in scans]
    by_task = splits.assign_all(sources, tasks)
    if not any(id(s) in ranged for s in scans):
        return tuple(TaskLayout(s, (i,)) for i, s in enumerate(by_task))
    out = []
    for i, plain in enumerate(by_task):
        reads = [
            task_range(ranged[id(s)], i) if id(s) in ranged else (p, None)
            for s, p in zip(scans, plain, strict=True)
        ]
        out.append(TaskLayout(tuple(r[0] for r in reads), (i,), filters=tuple(r[1] for r in reads)))
    return tuple(out)


def task_range(r: Ranged, task: int) -> tuple[tuple[Split, ...], Expr | None]:
    """The files a task looks into, and which of their rows are its own."""
    field = dict(zip((c.id for c in r.scan.columns), r.scan.fields, strict=True))[r.column.id]
    files = file_zones(r.scan.source, field) or []
    ends = (None, *r.bounds, None)
    low, high = ends[task], ends[task + 1]
    first = task == 0
    if isinstance(r.column.type, Integral):  # the other side's may be wider
        most = 2 ** (r.column.type.bits - 1)
        if (low is not None and low >= most) or (high is not None and high <= -most):
            return (), None
        low = low if low is None or low > -most else None
        high = high if high is None or high < most else None
    inside = tuple(Split(i) for i, f in enumerate(files) if _meets(f, low, high) or (first and f.nulls))
    tests: list[Expr] = []
    if low is not None:
        tests.append(Call(">=", (r.column, _literal(low, r.column)), BOOLEAN))
    if high is not None:
        tests.append(Call("<", (r.column, _literal(high, r.column)), BOOLEAN))
    if not tests:
        return inside, None
    test = conjoin(tests)
    if first and any(f.nulls for f in files):
        test = disjoin((Call("isnull", (r.column,), BOOLEAN, nullable=False), test))
    return inside, test


def _meets(file: FileZones, low: int | None, high: int | None) -> bool:
    return any((high is None or z.low < high) and (low is None or z.high >= low) for z in file.zones)


def _literal(value: int, column: Column) -> Literal:
    if isinstance(column.type, Date):
        return Literal(datetime.date.fromordinal(value), column.type)
    return Literal(value, column.type)
