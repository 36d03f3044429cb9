"""Plan nodes to Polars LazyFrames: one function per operator, dispatched by node type.

A column of id n is the frame's column `c{n}`. Each operator's result has exactly the node's output columns, in
order; a node without columns gives the one constant column `_`, since Polars forgets the height of an empty
selection. Runs in workers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.errors import InternalError
from sqlshell.exec import lower_agg, lower_generate, lower_join, lower_window
from sqlshell.exec.collect import collect
from sqlshell.exec.grouping_sets import pre_aggregated
from sqlshell.exec.lower_expr import Kernel
from sqlshell.exec.lower_types import literal_series
from sqlshell.exec.physical import ExchangeRead, FinalAggregate, HashOrder, PartialAggregate
from sqlshell.exec.scan import lower_scan
from sqlshell.expr.expr import Column, Expr, Literal, SortKey
from sqlshell.plan.logical import (
    Aggregate,
    Expand,
    Filter,
    Generate,
    Join,
    Limit,
    Plan,
    Project,
    RecursiveCte,
    RecursiveRef,
    Scan,
    Shared,
    Sort,
    TopN,
    Union,
    Values,
    Window,
)
from sqlshell.plan.logical_write import Assert, Write
from sqlshell.records import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.exec.meter import Meter
    from sqlshell.exec.task import TaskInput


def col(column: Column) -> str:
    """The frame's name for a column."""
    return f"c{column.id}"


def names(plan: Plan) -> list[str]:
    """The frame's names for a node's output."""
    return [col(c) for c in plan.output] or ["_"]


def lower_plan(plan: Plan, task: TaskInput, meter: Meter | None = None) -> pl.LazyFrame:
    """The pipeline of one task: `plan` over the task's splits and exchange files; `meter` watches its operators."""
    return Lowering(task, meter).lower(plan)


class Lowering:
    """Lowers one plan for one task. Scans take their splits in plan-walk order."""

    def __init__(self, task: TaskInput, meter: Meter | None = None) -> None:
        self.task = task
        self._meter = meter
        self.kernel = Kernel(task.settings, deterministic=task.deterministic, partition=task.partition)
        self._scans = 0
        self._caches: dict[int, pl.LazyFrame] = {}
        self._recursive: dict[str, pl.LazyFrame] = {}

    def lower(self, node: Plan) -> pl.LazyFrame:
        """The frame of a node's output."""
        handler = _HANDLERS.get(type(node))
        if handler is None:
            raise InternalError(f"no lowering for {type(node).__name__}")
        lf = handler(self, node)
        return lf if self._meter is None else self._meter.watch(node, lf)

    def _values(self, node: Values) -> pl.LazyFrame:
        if not node.columns:
            return pl.DataFrame({"_": [True] * len(node.rows)}).lazy()
        if not node.rows:
            return empty_frame(self.kernel, node.columns)
        if all(isinstance(e, Literal) for row in node.rows for e in row):
            # A frame of constants at once: 30 times as fast as a frame for each row.
            cells = zip(*node.rows, strict=True)
            return pl.DataFrame([
                literal_series([e.value for e in values if isinstance(e, Literal)], c.type).alias(col(c))
                for values, c in zip(cells, node.columns, strict=True)
            ]).lazy()  # fmt: skip
        return pl.concat(
            [
                pl.select(self.kernel.lower(e).alias(col(c)) for e, c in zip(row, node.columns, strict=True))
                for row in node.rows
            ]
        ).lazy()

    def _scan(self, node: Scan) -> pl.LazyFrame:
        position = self._scans
        self._scans += 1
        if self.task.filters and (part := self.task.filters[position]) is not None:
            node = replace(node, filters=(*node.filters, part))
        return lower_scan(self.kernel, node, self.task.splits[position])

    def _project(self, node: Project) -> pl.LazyFrame:
        lf = self.lower(node.input)
        items = [(col(i.column), self.kernel.lower(i.expr)) for i in node.items]
        return project(lf, items, _row_wise([e for _, e in items]))

    def _filter(self, node: Filter) -> pl.LazyFrame:
        return self.lower(node.input).filter(self.kernel.lower(node.predicate))

    def _sort(self, node: Sort) -> pl.LazyFrame:
        return sort(self.kernel, self.lower(node.input), node.keys)

    def _limit(self, node: Limit) -> pl.LazyFrame:
        return self.lower(node.input).slice(node.offset, node.count)

    def _top_n(self, node: TopN) -> pl.LazyFrame:
        return sort(self.kernel, self.lower(node.input), node.keys).slice(node.offset, node.count)

    def _union(self, node: Union) -> pl.LazyFrame:
        renamed = [
            project(
                self.lower(p),
                [(col(c), pl.col(col(o))) for c, o in zip(node.columns, p.output, strict=True)],
                True,
            )
            for p in node.inputs
        ]
        return pl.concat(renamed, how="vertical")

    def _shared(self, node: Shared) -> pl.LazyFrame:
        lf = self._shared_frame(node)
        return project(
            lf,
            [(col(c), pl.col(col(o))) for c, o in zip(node.columns, node.input.output, strict=True)],
            True,
        )

    def _shared_frame(self, node: Shared) -> pl.LazyFrame:
        before = self._scans
        lf = self._caches.get(node.key)
        if lf is None:
            lf = self._caches[node.key] = self.kernel.materialized(self.lower(node.input))
        self._scans = before + len(node.input.collect(Scan))
        return lf

    def _recursive_cte(self, node: RecursiveCte) -> pl.LazyFrame:
        from sqlshell.exec.lower_recursive import run_recursive

        return run_recursive(self, node)

    def _recursive_ref(self, node: RecursiveRef) -> pl.LazyFrame:
        lf = self._recursive[node.name]
        return lf.select(
            pl.col(old).alias(col(c)) for old, c in zip(lf.collect_schema(), node.columns, strict=True)
        )

    def _exchange_read(self, node: ExchangeRead) -> pl.LazyFrame:
        paths = self.task.exchange_paths[node.stage]
        if not paths:
            return empty_frame(self.kernel, node.columns)
        rows = self.task.exchange_rows.get(node.stage)
        if rows is not None:
            pieces = [pl.scan_ipc(p).slice(*r) for p, r in zip(paths, rows, strict=True)]
            return pl.concat(pieces).select(names(node))
        return pl.scan_ipc(list(paths)).select(names(node))

    def _hash_order(self, node: HashOrder) -> pl.LazyFrame:
        from sqlshell.exec.output import row_hash

        return self.lower(node.input).sort(row_hash([col(k) for k in node.keys]), maintain_order=True)

    def _join(self, node: Join) -> pl.LazyFrame:
        left = self.lower(node.left)
        return lower_join.lower_join(self.kernel, node, left, self.lower(node.right))

    def _aggregate(self, node: Aggregate) -> pl.LazyFrame:
        grouped_first = pre_aggregated(node)
        if grouped_first is not None:
            return self.lower(grouped_first)
        return lower_agg.lower_aggregate(self.kernel, self.lower(node.input), node)

    def _partial(self, node: PartialAggregate) -> pl.LazyFrame:
        return lower_agg.lower_partial(self.kernel, self.lower(node.input), node)

    def _final(self, node: FinalAggregate) -> pl.LazyFrame:
        return lower_agg.lower_final(self.kernel, self.lower(node.input), node)

    def _window(self, node: Window) -> pl.LazyFrame:
        return lower_window.lower_window(self.kernel, self.lower(node.input), node)

    def _generate(self, node: Generate) -> pl.LazyFrame:
        return lower_generate.lower_generate(self.kernel, self.lower(node.input), node)

    def _expand(self, node: Expand) -> pl.LazyFrame:
        return lower_generate.lower_expand(self.kernel, self.lower(node.input), node)

    def _assert(self, node: Assert) -> pl.LazyFrame:
        from sqlshell.exec.lower_assert import lower_assert

        return lower_assert(self.kernel, self.lower(node.input), node)

    def _write(self, node: Write) -> pl.LazyFrame:
        from sqlshell.exec.write import write_files

        return write_files(self.kernel, node, self.lower(node.input), self.task.partition)

    def bind_recursive(self, name: str, frame: pl.LazyFrame) -> None:
        """Set what RecursiveRef(name) reads in the next round."""
        self._recursive[name] = frame

    def collect(self, lf: pl.LazyFrame) -> pl.DataFrame:
        """Run a frame now (recursive rounds)."""
        return collect(lf)

    def rewind_scans(self, position: int | None = None) -> int:
        """The scan position, set back to `position` when given (a recursive step is lowered every round)."""
        current = self._scans
        if position is not None:
            self._scans = position
        return current


def empty_frame(k: Kernel, columns: tuple[Column, ...]) -> pl.LazyFrame:
    """No rows of the given columns."""
    return pl.DataFrame(schema={col(c): k.dtype(c.type) for c in columns} or {"_": pl.Boolean}).lazy()


def project(lf: pl.LazyFrame, items: list[tuple[str, pl.Expr]], row_wise: bool) -> pl.LazyFrame:
    """SELECT items; a list of constants alone must not collapse the frame to one row."""
    exprs = [e.alias(name) for name, e in items] or [pl.lit(True).alias("_")]
    if row_wise:
        return lf.select(exprs)
    return lf.with_columns(exprs).select([name for name, _ in items] or ["_"])


def _row_wise(items: list[pl.Expr]) -> bool:
    """Whether some item is as long as the frame: what mentions no column may be a constant (typeof(x) is one)."""
    return any(e.meta.root_names() for e in items)


def sort(k: Kernel, lf: pl.LazyFrame, keys: tuple[SortKey, ...]) -> pl.LazyFrame:
    """ORDER BY; keys that are not plain columns become helper columns."""
    keep = lf.collect_schema().names()
    by: list[pl.Expr] = []
    helpers: list[pl.Expr] = []
    for i, key in enumerate(keys):
        e = k.lower(key.expr)
        if not isinstance(key.expr, Column):
            helpers.append(e.alias(f"__sort{i}"))
            e = pl.col(f"__sort{i}")
        by.append(e)
    if helpers:
        lf = lf.with_columns(helpers)
    lf = lf.sort(
        by, descending=[not key.ascending for key in keys], nulls_last=[not key.nulls_first for key in keys]
    )
    return lf.select(keep) if helpers else lf


_HANDLERS: dict[type[Plan], Callable[[Lowering, Any], pl.LazyFrame]] = {
    Values: Lowering._values,
    Scan: Lowering._scan,
    Project: Lowering._project,
    Filter: Lowering._filter,
    Sort: Lowering._sort,
    Limit: Lowering._limit,
    TopN: Lowering._top_n,
    Union: Lowering._union,
    Shared: Lowering._shared,
    RecursiveCte: Lowering._recursive_cte,
    RecursiveRef: Lowering._recursive_ref,
    ExchangeRead: Lowering._exchange_read,
    HashOrder: Lowering._hash_order,
    Join: Lowering._join,
    Aggregate: Lowering._aggregate,
    PartialAggregate: Lowering._partial,
    FinalAggregate: Lowering._final,
    Window: Lowering._window,
    Generate: Lowering._generate,
    Expand: Lowering._expand,
    Assert: Lowering._assert,
    Write: Lowering._write,
}


def evaluate(exprs: list[Expr], settings: dict[str, Any]) -> list[Any]:
    """Values of constant expressions, in kernel representation (constant folding)."""
    from sqlshell.exec.edge import to_python

    k = Kernel(settings)
    frame = pl.select(k.lower(e).alias(str(i)) for i, e in enumerate(exprs))
    return [to_python(frame[str(i)][0], e.type) for i, e in enumerate(exprs)]
