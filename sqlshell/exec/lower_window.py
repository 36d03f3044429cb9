"""Window functions to Polars.

Aggregates over whole partitions, where order does not matter, are `.over(partition)`. Everything else sorts
the rows once by (partition, order) and then works with row numbers: partitions, peers and frames are index
ranges [lo, hi) of the sorted rows, and each function is arithmetic on them or a gather (`lower_frame.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.errors import InternalError
from sqlshell.exec.lower_agg import AggView, Arguments, aggregate_view, function_of
from sqlshell.exec.lower_frame import aggregate_over_frame, search
from sqlshell.exec.lower_rank import RANKINGS, Ranks, can_rank, ntile, packed_key, percent_rank
from sqlshell.expr.expr import Expr, Frame, Literal, SortKey, WindowCall
from sqlshell.functions import registry
from sqlshell.types import (
    Date,
    DayTimeInterval,
    Decimal,
    Fractional,
    Integral,
    SqlType,
    Timestamp,
    TimestampNtz,
    YearMonthInterval,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.exec.lower_expr import Kernel
    from sqlshell.expr.expr import Column
    from sqlshell.plan.logical import Named, Window

WHOLE = (None, None)
ROW, START, END = pl.col("__row"), pl.col("__start"), pl.col("__end")
FIRST_PEER, AFTER_PEERS = pl.col("__peer"), pl.col("__after")


def lower_window(k: Kernel, lf: pl.LazyFrame, node: Window) -> pl.LazyFrame:
    """The input's columns and one per call."""
    groups: dict[tuple[tuple[Expr, ...], tuple[SortKey, ...]], list[Named]] = {}
    whole: list[Named] = []
    for item in node.calls:
        w = window_call(item)
        if _order_free(w):
            whole.append(item)
        else:
            groups.setdefault((w.partition_by, w.order_by), []).append(item)
    if whole:
        lf = _whole_partitions(k, lf, whole)
    for (partition, order), items in groups.items():
        if can_rank(order, [window_call(i).call.fn for i in items]):
            lf = _ranked(k, lf, order[0], items)
            continue
        lf = _Sorted(k, lf, partition, order).run(items)
    return lf.select([f"c{c.id}" for c in node.output] or ["_"])


def window_call(item: Named) -> WindowCall:
    """The call of an item of Window.calls."""
    if not isinstance(item.expr, WindowCall):
        raise InternalError("Window holds WindowCalls only")
    return item.expr


def _order_free(w: WindowCall) -> bool:
    """Whether a call sees whole partitions and does not care for their order."""
    row = function_of(w.call)
    if row.kind != "aggregate" or (w.frame.start, w.frame.end) != WHOLE:
        return False
    return not row.ordered or not w.order_by


def _whole_partitions(k: Kernel, lf: pl.LazyFrame, items: list[Named]) -> pl.LazyFrame:
    arguments = Arguments(k)
    results: list[pl.Expr] = []
    for item in items:
        w = window_call(item)
        view = aggregate_view(k, w.call, arguments, grouped=True)
        keys = [arguments.column(p) for p in w.partition_by]
        results.append(over(whole_aggregate(view), keys).alias(f"c{item.column.id}"))
    return arguments.attach(lf).with_columns(results)


def _ranked(k: Kernel, lf: pl.LazyFrame, key: SortKey, items: list[Named]) -> pl.LazyFrame:
    """Rankings by one key, without sorted rows."""
    arguments = Arguments(k)
    ranks = Ranks(arguments.column(key.expr), key)
    results: list[pl.Expr] = []
    for item in items:
        w = window_call(item)
        view = aggregate_view(k, w.call, arguments, grouped=True)
        keys = [arguments.column(p) for p in w.partition_by]
        results.append(over(RANKINGS[w.call.fn](ranks, view), keys).alias(f"c{item.column.id}"))
    return arguments.attach(lf).with_columns(results)


def whole_aggregate(view: AggView) -> pl.Expr:
    """The aggregate of all rows in sight."""
    row = function_of(view.call)
    if row.lower is not None:
        return row.lower(view, *view.args)  # type: ignore[no-any-return]
    if row.final is None:
        raise InternalError(f"{row.name} has neither a lowering nor states")
    return row.final(view, *(s.update(view, *view.args) for s in row.states))  # type: ignore[no-any-return]


def over(e: pl.Expr, keys: list[pl.Expr]) -> pl.Expr:
    """`e` per partition; without keys the partition is everything."""
    return e.over(keys) if keys else e


class _Sorted:
    """The rows in (partition, order) order, with row numbers of partition and peer bounds as columns."""

    def __init__(
        self, k: Kernel, lf: pl.LazyFrame, partition: tuple[Expr, ...], order: tuple[SortKey, ...]
    ) -> None:
        self.k = k
        self.lf = lf
        self.partition = partition
        self.order = order
        self.arguments = Arguments(k)
        self.partition_columns = [self.arguments.column(p) for p in partition]
        self.order_columns = [self.arguments.column(s.expr) for s in order]
        self.frames: dict[Frame, tuple[pl.Expr, pl.Expr]] = {}
        self.frame_columns: list[pl.Expr] = []

    def run(self, items: list[Named]) -> pl.LazyFrame:
        """The rows with the calls' columns."""
        calls = [(item.column, window_call(item)) for item in items]
        views = [aggregate_view(self.k, w.call, self.arguments, grouped=False) for _, w in calls]
        for _, w in calls:
            self._frame(w.frame)
        lf = self._positions(self._sort(self.arguments.attach(self.lf)))
        if self.frame_columns:
            lf = lf.with_columns(self.frame_columns)
        for (column, w), view in zip(calls, views, strict=True):
            lf = self._call(lf, column, w, view)
        return lf

    def _sort(self, lf: pl.LazyFrame) -> pl.LazyFrame:
        by = [*self.partition_columns, *self.order_columns]
        if not by:
            return lf
        packed = packed_key(by, [*(SortKey(p) for p in self.partition), *self.order])
        if packed is not None:
            return lf.sort(packed)
        descending = [False] * len(self.partition) + [not s.ascending for s in self.order]
        nulls_last = [False] * len(self.partition) + [not s.nulls_first for s in self.order]
        return lf.sort(by, descending=descending, nulls_last=nulls_last)

    def _positions(self, lf: pl.LazyFrame) -> pl.LazyFrame:
        lf = lf.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("__row"))
        lf = lf.with_columns(_changes(self.partition_columns, ROW == 0).alias("__new"))
        lf = lf.with_columns(_changes(self.order_columns, pl.col("__new")).alias("__step"))
        return lf.with_columns(
            _group_start("__new").alias("__start"),
            _group_end("__new").alias("__end"),
            _group_start("__step").alias("__peer"),
            _group_end("__step").alias("__after"),
        )

    # Frames

    def _frame(self, frame: Frame) -> tuple[pl.Expr, pl.Expr]:
        """The frame's [lo, hi) as columns; equal frames share them."""
        found = self.frames.get(frame)
        if found is None:
            n = len(self.frames)
            lo, hi = self._bound(frame, frame.start, first=True), self._bound(frame, frame.end, first=False)
            self.frame_columns += [lo.alias(f"__lo{n}"), pl.max_horizontal(lo, hi).alias(f"__hi{n}")]
            found = self.frames[frame] = (pl.col(f"__lo{n}"), pl.col(f"__hi{n}"))
        return found

    def _bound(self, frame: Frame, bound: Any, *, first: bool) -> pl.Expr:
        if bound is None:
            return START if first else END
        if frame.unit == "rows":
            shift = int(bound) + (0 if first else 1)
            return (ROW + shift).clip(START, END)
        if isinstance(bound, Literal):
            return self._range_bound(bound, first=first)
        return FIRST_PEER if first else AFTER_PEERS

    def _range_bound(self, offset: Literal, *, first: bool) -> pl.Expr:
        """Where key + offset lies among the partition's keys; rows with a NULL key frame their NULL peers."""
        key, t = self.order_columns[0], self.order[0].expr.type
        ascending = self.order[0].ascending
        sign = 1 if ascending else -1
        target = _comparable(_shifted(self.k, key, t, offset, sign), t, sign)
        base = _comparable(_shifted(self.k, key, t, None, sign), t, sign)
        absent = key.is_null()
        segment = pl.col("__new") | absent.ne_missing(absent.shift())
        parts = pl.struct(
            base.alias("key"),
            target.alias("target"),
            pl.when(segment).then(ROW).forward_fill().alias("lo"),
            pl.when(segment.shift(-1).fill_null(True)).then(ROW + 1).backward_fill().alias("hi"),
        )
        found = parts.map_batches(search(after=not first), return_dtype=pl.Int64)
        return pl.when(absent).then(FIRST_PEER if first else AFTER_PEERS).otherwise(found)

    # Functions

    def _call(self, lf: pl.LazyFrame, column: Column, w: WindowCall, view: AggView) -> pl.LazyFrame:
        name = f"c{column.id}"
        lo, hi = self._frame(w.frame)
        ranking = _RANKING.get(w.call.fn)
        if ranking is not None:
            return lf.with_columns(ranking(self, view).alias(name))
        if w.call.fn in {"lag", "lead"}:
            return lf.with_columns(_neighbour(view).alias(name))
        if w.call.fn in _POSITIONAL:
            return lf.with_columns(_POSITIONAL[w.call.fn](view, lo, hi).alias(name))
        if registry.get(w.call.fn).kind != "aggregate":
            raise InternalError(f"no lowering for window function {w.call.fn}")
        if (w.frame.start, w.frame.end) == WHOLE:
            return lf.with_columns(over(whole_aggregate(view), [START]).alias(name))
        return aggregate_over_frame(lf, view, w.frame, (lo, hi), name)


def _changes(columns: list[pl.Expr], also: pl.Expr) -> pl.Expr:
    """Whether a row differs from the one before it in any of the columns."""
    return pl.any_horizontal([also, *(c.ne_missing(c.shift()) for c in columns)])


def _group_start(flag: str) -> pl.Expr:
    return pl.when(pl.col(flag)).then(ROW).forward_fill()


def _group_end(flag: str) -> pl.Expr:
    return pl.when(pl.col(flag).shift(-1).fill_null(True)).then(ROW + 1).backward_fill()


# RANGE offsets


def _shifted(k: Kernel, key: pl.Expr, t: SqlType, offset: Literal | None, sign: int) -> pl.Expr:
    """The key moved by the offset (along the sort direction), wide enough not to overflow."""
    amount = None if offset is None else offset.value * sign
    if isinstance(t, (Integral, Decimal)):
        wide = key.cast(pl.Int128)
        return wide if offset is None else wide + pl.lit(_unscaled(offset) * sign, dtype=pl.Int128)
    if isinstance(t, Fractional):
        return key if amount is None else key + float(amount)
    if isinstance(t, (YearMonthInterval, DayTimeInterval)):
        whole = key.cast(pl.Int64)
        return whole if amount is None else whole + amount
    if not isinstance(t, (Date, Timestamp, TimestampNtz)):
        raise InternalError(f"no RANGE offsets over {t}")
    moment = key.cast(pl.Datetime("us")) if isinstance(t, Date) else key
    if amount is None or offset is None:
        return moment
    if isinstance(offset.type, DayTimeInterval):
        return moment + pl.duration(microseconds=amount)
    if isinstance(t, Timestamp):
        return k.from_wall(k.to_wall(moment).dt.offset_by(f"{amount}mo"))
    return moment.dt.offset_by(f"{amount}mo")


def _unscaled(offset: Literal) -> int:
    if isinstance(offset.type, Decimal):
        return int(offset.value.scaleb(offset.type.scale))
    return int(offset.value)


def _comparable(e: pl.Expr, t: SqlType, sign: int) -> pl.Expr:
    """Numbers that ascend along the sort direction."""
    if isinstance(t, (Date, Timestamp, TimestampNtz)):
        e = e.dt.epoch("us")
    if sign > 0:
        return e
    zero = pl.lit(0, dtype=pl.Int128) if isinstance(t, (Integral, Decimal)) else pl.lit(0)
    return zero - e


# Ranking


def _row_number(_: _Sorted, __: AggView) -> pl.Expr:
    return (ROW - START + 1).cast(pl.Int32)


def _rank(_: _Sorted, __: AggView) -> pl.Expr:
    return (FIRST_PEER - START + 1).cast(pl.Int32)


def _dense_rank(_: _Sorted, __: AggView) -> pl.Expr:
    steps = pl.col("__step").cast(pl.Int64).cum_sum()
    return (steps - steps.gather(START) + 1).cast(pl.Int32)


def _percent_rank(_: _Sorted, __: AggView) -> pl.Expr:
    return percent_rank(FIRST_PEER - START + 1, END - START)


def _cume_dist(_: _Sorted, __: AggView) -> pl.Expr:
    return (AFTER_PEERS - START) / (END - START)


def _ntile(_: _Sorted, view: AggView) -> pl.Expr:
    return ntile(ROW - START + 1, END - START, view)


_RANKING: dict[str, Callable[[_Sorted, AggView], pl.Expr]] = {
    "row_number": _row_number,
    "rank": _rank,
    "dense_rank": _dense_rank,
    "percent_rank": _percent_rank,
    "cume_dist": _cume_dist,
    "ntile": _ntile,
}


# Values of other rows


def _at(e: pl.Expr, position: pl.Expr, valid: pl.Expr) -> pl.Expr:
    """`e` of the row at `position` where that is valid, else NULL."""
    return e.gather(pl.when(valid).then(position))


def _neighbour(view: AggView) -> pl.Expr:
    """lag and lead."""
    value = view.args[0]
    distance = view.literal(1) if len(view.args) > 1 else 1
    if distance is None:
        return pl.lit(None, dtype=view.dtype(view.call.type))
    step = -distance if view.call.fn == "lag" else distance
    skipping = view.call.ignore_nulls and step != 0
    position = _nth_present(value, step) if skipping else ROW + step
    valid = (position >= START) & (position < END)
    found = _at(value, position, valid)
    if len(view.args) > 2 and not (isinstance(view.call.args[2], Literal) and view.literal(2) is None):
        return pl.when(valid.fill_null(False)).then(found).otherwise(view.args[2])
    return found


def _nth_present(value: pl.Expr, step: int) -> pl.Expr:
    """Row number of the |step|-th row with a value before (negative) or after this one, else NULL."""
    present = value.is_not_null()
    before = present.cast(pl.Int64).cum_sum() - present.cast(pl.Int64)
    wanted = before + step if step < 0 else before + present.cast(pl.Int64) + step - 1
    rows = ROW.filter(present)
    return rows.gather(pl.when((wanted >= 0) & (wanted < present.sum())).then(wanted))


def _skips_nulls(view: AggView) -> bool:
    return view.call.ignore_nulls or (view.call.fn != "nth_value" and view.literal(1) is True)


def _kept(view: AggView) -> pl.Expr | None:
    """Rows that count: those FILTER keeps and, under IGNORE NULLS, that have a value. None for all."""
    parts = [] if view.keep is None else [view.keep]
    if _skips_nulls(view):
        parts.append(view.args[0].is_not_null())
    return pl.all_horizontal(parts) if parts else None


def _first(view: AggView, lo: pl.Expr, hi: pl.Expr) -> pl.Expr:
    kept = _kept(view)
    position = lo
    if kept is not None:
        position = _at(pl.when(kept).then(ROW).backward_fill(), lo, lo < hi)
    return _at(view.args[0], position, position < hi)


def _last(view: AggView, lo: pl.Expr, hi: pl.Expr) -> pl.Expr:
    kept = _kept(view)
    position = hi - 1
    if kept is not None:
        position = _at(pl.when(kept).then(ROW).forward_fill(), hi - 1, lo < hi)
    return _at(view.args[0], position, position >= lo)


def _nth(view: AggView, lo: pl.Expr, hi: pl.Expr) -> pl.Expr:
    n = view.count(1)
    kept = _kept(view)
    if kept is None:
        position = lo + (n - 1)
    else:
        before = _at(kept.cast(pl.Int64).cum_sum() - kept.cast(pl.Int64), lo, lo < hi)
        wanted = before + (n - 1)
        position = ROW.filter(kept).gather(pl.when(wanted < kept.sum()).then(wanted))
    return _at(view.args[0], position, position < hi)


_POSITIONAL: dict[str, Callable[[AggView, pl.Expr, pl.Expr], pl.Expr]] = {
    "first": _first,
    "any_value": _first,
    "last": _last,
    "nth_value": _nth,
}
