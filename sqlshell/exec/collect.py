"""How every LazyFrame of ours is run: one engine, one fixed set of optimisation flags.

Our optimizer already chose the plan. Polars' join order, common-subexpression and common-subplan rewrites
stay off, because they hoist a fallible expression out of the branch whose mask protects it; `row_estimate`
stays on until our own estimates pick build sides (it makes TPC-H Q3 and Q5 1.3x faster).
"""

from __future__ import annotations

from functools import cache
from queue import Empty, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator


@cache
def flags() -> pl.QueryOptFlags:
    """The optimisation flags of every collect and sink."""
    return pl.QueryOptFlags(
        predicate_pushdown=True,
        projection_pushdown=True,
        simplify_expression=True,
        slice_pushdown=True,
        comm_subplan_elim=False,
        comm_subexpr_elim=False,
        cluster_with_columns=True,
        check_order_observe=True,
        fast_projection=True,
        sort_collapse=True,
        pre_partition_hive=True,
        join_order=False,
        row_estimate=True,
    )


def collect(lf: pl.LazyFrame, *, deterministic: bool = False) -> pl.DataFrame:
    """All rows in memory. `deterministic` uses the in-memory engine, whose sums of doubles repeat bit by
    bit.
    """
    if deterministic:
        return lf.collect(engine="in-memory", optimizations=flags())
    return lf.collect(engine="streaming", optimizations=flags())


def materialized(lf: pl.LazyFrame, *, deterministic: bool = False) -> pl.LazyFrame:
    """The rows computed now, for a plan that reads them more than once.

    Polars pushes no predicate down through its own caches, so that scans below one would decode every row.
    """
    return collect(lf, deterministic=deterministic).lazy()


def batches(lf: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """The rows in order, as frames of about `rows` rows, while the query runs.

    Over `sink_batches`, in a thread: Polars 2.1's `collect_batches` swallows panics and then gives no rows.
    """
    ready: Queue[pl.DataFrame | BaseException | None] = Queue(maxsize=1)
    stopped = Event()

    def hand_over(frame: pl.DataFrame) -> bool:
        ready.put(frame)
        return stopped.is_set()

    def run() -> None:
        end: BaseException | None = None
        try:
            lf.sink_batches(
                hand_over, chunk_size=rows, maintain_order=True, engine="streaming", optimizations=flags()
            )
        except BaseException as e:  # a panic is no Exception
            end = e
        ready.put(end)

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        while isinstance(item := ready.get(), pl.DataFrame):
            yield item
        if item is not None:
            raise item
    finally:
        stopped.set()
        while thread.is_alive():  # let a reader that stopped early free the thread that waits to hand over
            try:
                ready.get(timeout=0.01)
            except Empty:
                continue


def sink(
    lf: pl.LazyFrame,
    target: str | pl.PartitionBy,
    *,
    compress: bool = False,
    ordered: bool = False,
    deterministic: bool = False,
) -> None:
    """Write the rows as Arrow IPC to one file, or to one file per partition key.

    A sink streams whatever engine it is given: deterministic rows are computed before.
    """
    if deterministic:
        lf = materialized(lf, deterministic=True)
    lf.sink_ipc(
        target,
        compression="lz4" if compress else "uncompressed",
        maintain_order=ordered or deterministic,
        mkdir=True,
        engine="streaming",
        optimizations=flags(),
    )
