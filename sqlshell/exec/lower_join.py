"""Joins to Polars.

Equalities between the sides become hash keys; the rest of the condition is a residual. Polars filters residuals
only after inner joins, so outer kinds with a residual are assembled from an inner join and the rows it missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from sqlshell.exec.physical import ExchangeRead
from sqlshell.expr.expr import Call, Column, Expr, columns_of, conjoin, conjuncts
from sqlshell.plan.logical import Plan, Project, Shared
from sqlshell.records import dataclass, replace
from sqlshell.types import Date, Decimal, Integral, String

if TYPE_CHECKING:
    from polars._typing import JoinStrategy, MaintainOrderJoin

    from sqlshell.exec.lower_expr import Kernel
    from sqlshell.plan.logical import Join

ROW = "__row"


@dataclass(frozen=True)
class Condition:
    """A join condition taken apart: hash keys (left, right, null-safe) and what is left over."""

    keys: tuple[tuple[Expr, Expr, bool], ...]
    residual: tuple[Expr, ...]


def split_condition(node: Join) -> Condition:
    """Equalities whose sides come from different inputs are keys; everything else is residual."""
    left, right = node.left.output_ids, node.right.output_ids
    keys: list[tuple[Expr, Expr, bool]] = []
    residual: list[Expr] = []
    for part in conjuncts(node.condition):
        if isinstance(part, Call) and part.fn in {"=", "<=>"}:
            a, b = part.args
            ids_a, ids_b = columns_of(a), columns_of(b)
            null_safe = part.fn == "<=>"
            if ids_a and ids_b and ids_a <= left and ids_b <= right:
                keys.append((a, b, null_safe))
                continue
            if ids_a and ids_b and ids_a <= right and ids_b <= left:
                keys.append((b, a, null_safe))
                continue
        residual.append(part)
    return Condition(tuple(keys), tuple(residual))


def lower_join(k: Kernel, node: Join, left: pl.LazyFrame, right: pl.LazyFrame) -> pl.LazyFrame:
    """The joined frame with exactly the node's output columns."""
    condition = split_condition(node)
    pair = _Pair(k, node, left, right, condition)
    lf = _BY_KIND[node.kind](pair)
    return lf.select([f"c{c.id}" for c in node.output] or ["_"])


class _Pair:
    """Both sides with key columns ready to be joined by name."""

    def __init__(
        self, k: Kernel, node: Join, left: pl.LazyFrame, right: pl.LazyFrame, condition: Condition
    ) -> None:
        self.k = k
        self.node = node
        self.condition = condition
        self.residual = k.lower(conjoin(condition.residual)) if condition.residual else None
        self.left_keys: list[str] = []
        self.right_keys: list[str] = []
        self.nulls_equal = any(safe for _, _, safe in condition.keys)
        self.keep_left: MaintainOrderJoin | None = "left" if k.deterministic else None
        """Deterministic mode keeps the order of rows: what is added up later depends on it."""
        self.left = self._with_keys(left, 0, self.left_keys, "l")
        self.right = self._with_keys(right, 1, self.right_keys, "r")
        if node.kind in {"inner", "semi"} and not self.nulls_equal:
            self.right = self._filtering(self.right, node.right, 1)
            if node.kind == "inner":
                self.left = self._filtering(self.left, node.left, 0)
        self.left_names = [f"c{c.id}" for c in node.left.output] or ["_"]
        self.right_names = [f"c{c.id}" for c in node.right.output] or ["_"]

    def _with_keys(self, lf: pl.LazyFrame, side: int, keys: list[str], tag: str) -> pl.LazyFrame:
        """Computed keys become columns. With mixed null safety a flag key keeps plain NULL keys apart."""
        added: list[pl.Expr] = []
        plain: list[pl.Expr] = []
        for i, pair in enumerate(self.condition.keys):
            e: Expr = pair[0] if side == 0 else pair[1]
            # Polars 2.1 goes wrong (rows lost, an assertion) when one side's key column stands twice in the list.
            plainly = isinstance(e, Column) and f"c{e.id}" not in keys
            name = f"c{e.id}" if isinstance(e, Column) and plainly else f"__{tag}{i}"
            if not plainly:
                added.append(self.k.lower(e).alias(name))
            keys.append(name)
            if self.nulls_equal and not pair[2]:
                plain.append(self.k.lower(e).is_null())
        if plain:
            # A NULL in a plain key matches nothing: the flags of the two sides then differ.
            flag = pl.any_horizontal(plain).cast(pl.Int8) * (1 if side == 0 else 2)
            added.append(flag.alias(f"__{tag}flag"))
            keys.append(f"__{tag}flag")
        return lf.with_columns(added) if added else lf

    def _filtering(self, lf: pl.LazyFrame, plan: Plan, side: int) -> pl.LazyFrame:
        """Rows that were computed before, in a form whose keys Polars hands to the scan of the other side.

        It does so where the build side has a filter (TPC-H Q9's lineitem: 243 ms against 546 (M)), of which the
        files of an exchange show nothing. This one is true for every key but NULL, which matches nothing.
        """
        while isinstance(plan, Project):
            plan = plan.input
        keys = self.left_keys if side == 0 else self.right_keys
        if not isinstance(plan, (ExchangeRead, Shared)):
            return lf
        for name, pair in zip(keys, self.condition.keys, strict=False):
            if isinstance((pair[1] if side else pair[0]).type, (Integral, Date, String, Decimal)):
                return lf.filter(pl.col(name) >= pl.col(name))
        return lf

    def join(self, how: JoinStrategy, left: pl.LazyFrame | None = None) -> pl.LazyFrame:
        """Hash join on the keys (cross without keys), residual not applied."""
        lf = self.left if left is None else left
        if not self.left_keys:
            return lf.join(self.right, how="cross")
        coalesce = None if how in {"semi", "anti"} else False
        order: MaintainOrderJoin = "left" if how in {"semi", "anti"} else "left_right"
        return lf.join(
            self.right,
            left_on=self.left_keys,
            right_on=self.right_keys,
            how=how,
            nulls_equal=self.nulls_equal,
            coalesce=coalesce,
            maintain_order=order if self.k.deterministic else None,
        )

    def inner(self, left: pl.LazyFrame | None = None) -> pl.LazyFrame:
        """Inner join with the residual."""
        lf = self.join("inner", left)
        return lf if self.residual is None else lf.filter(self.residual)

    def numbered(self) -> pl.LazyFrame:
        """The left side with row numbers, computed now: it is read more than once and must agree."""
        return self.k.materialized(self.left.with_row_index(ROW))

    @property
    def simple(self) -> bool:
        """Polars can do every kind in one operator."""
        return bool(self.left_keys) and self.residual is None

    def null_right(self, lf: pl.LazyFrame) -> pl.LazyFrame:
        """Left-only rows widened with NULL right columns."""
        return lf.with_columns(
            pl.lit(None, dtype=self.k.dtype(c.type)).alias(f"c{c.id}") for c in self.node.right.output
        )


def _inner(p: _Pair) -> pl.LazyFrame:
    return p.inner()


def _left(p: _Pair) -> pl.LazyFrame:
    if p.simple:
        return p.join("left")
    numbered = p.numbered()
    return _with_missed(p, numbered, p.inner(numbered))


def _with_missed(p: _Pair, numbered: pl.LazyFrame, matched: pl.LazyFrame) -> pl.LazyFrame:
    """Matched rows, then the left rows that matched nothing, widened with NULLs."""
    matched = p.k.materialized(matched)
    missed = numbered.join(
        matched.select(pl.col(ROW).unique()), on=ROW, how="anti", maintain_order=p.keep_left
    )
    columns = p.left_names + p.right_names
    return pl.concat([matched.select(columns), p.null_right(missed).select(columns)])


def _right(p: _Pair) -> pl.LazyFrame:
    node = p.node
    mirrored = replace(node, left=node.right, right=node.left, kind="left")
    return lower_join(p.k, mirrored, p.right, p.left)


def _full(p: _Pair) -> pl.LazyFrame:
    if p.simple:
        return p.join("full")
    numbered = p.numbered()
    right = p.k.materialized(p.right.with_row_index("__rrow"))
    both = _Pair(p.k, p.node, numbered, right, p.condition)
    matched = p.k.materialized(both.inner())
    columns = p.left_names + p.right_names
    left_only = numbered.join(
        matched.select(pl.col(ROW).unique()), on=ROW, how="anti", maintain_order=p.keep_left
    )
    right_only = right.join(
        matched.select(pl.col("__rrow").unique()), on="__rrow", how="anti", maintain_order=p.keep_left
    ).with_columns(pl.lit(None, dtype=p.k.dtype(c.type)).alias(f"c{c.id}") for c in p.node.left.output)
    return pl.concat(
        [
            matched.select(columns),
            p.null_right(left_only).select(columns),
            right_only.select(columns),
        ]
    )


def _semi(p: _Pair) -> pl.LazyFrame:
    if p.simple:
        return p.join("semi")
    if p.residual is None:  # no condition at all: does the right side have rows?
        return p.left.join(p.right.select(pl.len().alias("__n")).filter(pl.col("__n") > 0), how="cross")
    numbered = p.left.with_row_index(ROW)
    return p.inner(numbered).unique(subset=[ROW], keep="any", maintain_order=p.k.deterministic)


def _anti(p: _Pair) -> pl.LazyFrame:
    if p.node.null_aware:
        return _marked(p, "__mark").filter(~pl.col("__mark"))
    if p.simple:
        return p.join("anti")
    if p.residual is None:
        return p.left.join(p.right.select(pl.len().alias("__n")).filter(pl.col("__n") == 0), how="cross")
    numbered = p.numbered()
    return numbered.join(
        p.inner(numbered).select(pl.col(ROW).unique()), on=ROW, how="anti", maintain_order=p.keep_left
    )


def _mark(p: _Pair) -> pl.LazyFrame:
    assert p.node.mark is not None
    return _marked(p, f"c{p.node.mark.id}")


def _marked(p: _Pair, name: str) -> pl.LazyFrame:
    """Left rows with the boolean `name`: whether any right row matches; NULL when that is unknown."""
    if not p.condition.keys and p.residual is None:
        exists = p.right.select((pl.len() > 0).alias(name))
        return p.left.join(exists, how="cross")
    numbered = p.numbered()
    matched = _matches(p, numbered, p.node.condition, name)
    lf = numbered.join(matched, on=ROW, how="left", maintain_order=p.keep_left).with_columns(
        pl.col(name).fill_null(False)
    )
    if not p.node.null_aware:
        return lf
    unknown = _unknown_rows(p, numbered)
    if unknown is None:
        return lf
    flagged = lf.join(
        unknown.with_columns(pl.lit(True).alias("__unknown")), on=ROW, how="left", maintain_order=p.keep_left
    )
    return flagged.with_columns(
        pl.when(pl.col(name)).then(True).when(pl.col("__unknown")).then(None).otherwise(False).alias(name)
    )


def _matches(p: _Pair, numbered: pl.LazyFrame, condition: Expr | None, name: str) -> pl.LazyFrame:
    node = replace(p.node, kind="inner", condition=condition, mark=None, null_aware=False)
    pair = _Pair(p.k, node, numbered, p.right, split_condition(node))
    return pair.inner(numbered if pair.left is numbered else None).select(
        pl.col(ROW).unique(), pl.lit(True).alias(name)
    )


def _unknown_rows(p: _Pair, numbered: pl.LazyFrame) -> pl.LazyFrame | None:
    """Row numbers of left rows for which the condition is NULL with some right row; None when it never is.

    Only NULLs on either side can make it so: left rows with a NULL operand meet all right rows, and all left
    rows meet the right rows with one. Both sets are small in practice.
    """
    parts = [c for c in conjuncts(p.node.condition) if c.nullable]
    if not parts:
        return None
    left_ids, right_ids = p.node.left.output_ids, p.node.right.output_ids
    used = {i for c in parts for i in columns_of(c)}
    left_null = _any_null([f"c{i}" for i in sorted(used & left_ids)])
    right_null = _any_null([f"c{i}" for i in sorted(used & right_ids)])
    used_right = [
        f"c{i}" for i in sorted({i for c in conjuncts(p.node.condition) for i in columns_of(c)} & right_ids)
    ]
    right = p.k.materialized(p.right.select(used_right or p.right_names).unique())
    whole = p.k.lower(conjoin(conjuncts(p.node.condition)))
    pieces = []
    if left_null is not None:
        pieces.append(numbered.filter(left_null).join(right, how="cross"))
    if right_null is not None:
        pieces.append(numbered.join(right.filter(right_null), how="cross"))
    if not pieces:
        return None
    # A pair counts only while no other part rejects it outright: the whole AND must be NULL, not FALSE.
    return pl.concat(
        [piece.filter(whole.is_null()).select(pl.col(ROW).unique()) for piece in pieces]
    ).unique()


def _any_null(names: list[str]) -> pl.Expr | None:
    return pl.any_horizontal([pl.col(n).is_null() for n in names]) if names else None


def _single(p: _Pair) -> pl.LazyFrame:
    """A left join that raises when a left row meets two right rows."""
    if not p.condition.keys and p.residual is None:
        one = p.right.select([_at_most_one(p, pl.len(), pl.col(n).first()).alias(n) for n in p.right_names])
        return p.left.join(one, how="cross")
    numbered = p.numbered()
    joined = p.join("left", numbered) if p.simple else p.inner(numbered)
    first = p.right_names[0]
    checked = joined.with_columns(_at_most_one(p, pl.len().over(ROW), pl.col(first)).alias(first))
    return checked if p.simple else _with_missed(p, numbered, checked)


def _at_most_one(p: _Pair, count: pl.Expr, value: pl.Expr) -> pl.Expr:
    return p.k.raise_if(count > 1, "SCALAR_SUBQUERY_TOO_MANY_ROWS", value)


def _cross(p: _Pair) -> pl.LazyFrame:
    return p.inner()


_BY_KIND = {
    "inner": _inner,
    "left": _left,
    "right": _right,
    "full": _full,
    "semi": _semi,
    "anti": _anti,
    "mark": _mark,
    "single": _single,
    "cross": _cross,
}
