"""Recursive CTEs: rounds run one after the other inside the task, until a round adds nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from sqlshell.errors import DataError

if TYPE_CHECKING:
    from sqlshell.exec.lower import Lowering
    from sqlshell.plan.logical import RecursiveCte

MAX_ROWS = 1_000_000
"""Spark's spark.sql.cteRecursionRowLimit."""


def run_recursive(lowering: Lowering, node: RecursiveCte) -> pl.LazyFrame:
    """All rounds' rows, under the CTE's own column names.

    Raises RECURSION_LEVEL_LIMIT_EXCEEDED past `max_rounds` and RECURSION_ROW_LIMIT_EXCEEDED past a million rows.
    """
    out = [f"c{c.id}" for c in node.columns]

    def run(lf: pl.LazyFrame) -> pl.DataFrame:
        return lowering.collect(lf).rename(dict(zip(lf.collect_schema().names(), out, strict=True)))

    rows = run(lowering.lower(node.anchor))
    if node.distinct:
        rows = rows.unique()
    rounds = [rows]
    total = rows.height
    step_scans = lowering.rewind_scans()
    while rows.height and (node.limit is None or total < node.limit):
        if len(rounds) > node.max_rounds:
            raise DataError(
                f"the recursive CTE {node.name} did not end within {node.max_rounds} rounds",
                condition="RECURSION_LEVEL_LIMIT_EXCEEDED",
                hint="add a condition to the recursive part that ends it",
            )
        lowering.bind_recursive(node.name, rows.lazy())
        lowering.rewind_scans(step_scans)
        rows = run(lowering.lower(node.step))
        if node.distinct:
            rows = rows.unique().join(pl.concat(rounds), on=out, how="anti", nulls_equal=True)
        total += rows.height
        if total > MAX_ROWS:
            raise DataError(
                f"the recursive CTE {node.name} gave more than {MAX_ROWS} rows",
                condition="RECURSION_ROW_LIMIT_EXCEEDED",
            )
        rounds.append(rows)
    if len(rounds) == 1:  # the step was never lowered: its scans still own their splits
        from sqlshell.plan.logical import Scan

        lowering.rewind_scans(step_scans + len(node.step.collect(Scan)))
    return pl.concat(rounds).lazy()
