"""Constraints of a write: each check becomes a condition that raises, hung onto the row's first column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from sqlshell.exec.lower_expr import raise_where
from sqlshell.exec.lower_types import is_nested
from sqlshell.types import Decimal

if TYPE_CHECKING:
    from sqlshell.exec.lower_expr import Kernel
    from sqlshell.expr.expr import Column
    from sqlshell.plan.logical_write import Assert, Check


def lower_assert(k: Kernel, lf: pl.LazyFrame, node: Assert) -> pl.LazyFrame:
    """The rows; running them fails on the first check that is not TRUE for one."""
    first = f"c{node.output[0].id}"
    for check in node.checks:  # one after the other: the first constraint that fails is the one reported
        lf = lf.with_columns(_checked(k, check, first).alias(first))
    return lf


def _checked(k: Kernel, check: Check, first: str) -> pl.Expr:
    good = k.lower(check.predicate)
    bad = ~good.fill_null(value=False)
    details: list[object] = [*check.details]
    if check.shown:
        shown = [_shown(c) for c in check.shown if not is_nested(c.type)]
        details.append(pl.concat_str([pl.lit("")] + [part for pair in shown for part in pair]))
    return raise_where(bad, check.condition, None, pl.col(first), details)


def _shown(c: Column) -> tuple[pl.Expr, pl.Expr]:
    value = pl.col(f"c{c.id}")
    if isinstance(c.type, Decimal):
        value = value.reinterpret(dtype=pl.Decimal(38, c.type.scale))
    return pl.lit(f"\n - {c.name} : "), value.cast(pl.String).fill_null("null")
