"""How a join brings matching rows together: tasks read ranges of the keys of both sides, one side goes to every
task, or both are hashed by the equal keys.

A hint decides where the join's kind allows it, unless memory ran out before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.exec.equi import equi_pairs
from sqlshell.exec.piece import Piece, already, is_hashed_by, merge
from sqlshell.optimizer import stats
from sqlshell.optimizer.properties import is_deterministic
from sqlshell.records import replace

if TYPE_CHECKING:
    from sqlshell.exec.planner import Planner
    from sqlshell.expr.expr import Expr
    from sqlshell.plan.logical import Join, Plan

SENDS_RIGHT = frozenset({"inner", "cross", "left", "semi", "anti", "mark", "single"})
SENDS_LEFT = frozenset({"inner", "cross", "right"})
"""Join kinds one side of which every task may hold whole: never the side whose rows are kept when
unmatched.
"""

FEW_ROWS = 100_000
"""A table of so many rows costs less than the stage that would spare it."""

SMALL_JOIN = 4 << 20
"""Estimated bytes up to which a join of sides that every task can make is made in every task."""


def plan_join(planner: Planner, node: Join) -> Piece:
    """The fragment that computes a join."""
    left, right = planner.visit(node.left), planner.visit(node.right)
    if not left.parallel and not right.parallel:
        if not _is_cheap(node, left, right):
            left = planner.single(left)
        return _join_here(node, left, right)
    pairs = equi_pairs(node)
    if node.hint is None and not node.null_aware:
        for a, b in pairs:
            ranged = planner.by_ranges((left, a), (right, b))
            if ranged is not None:
                return _join_here(node, *ranged)
    way = _way(planner, node, bool(pairs))
    if way == "single":
        return _join_here(node, planner.single(left), planner.single(right))
    if way == "send_right":
        if left.spread == "anywhere":
            left = planner.single(left)
        return _join_here(node, left, planner.to_all(right))
    if way == "send_left":
        if right.spread == "anywhere":
            right = planner.single(right)
        piece = _join_here(node, planner.to_all(left), right)
        keys = right.keys if right.spread == "hash" else ()
        return replace(piece, spread=right.spread, keys=keys, ranges=right.ranges)
    if way == "shuffle":  # for good: `replan` shall not send a side that came out small
        node = replace(node, hint="shuffle")
    left, right = _together(planner, node, left, right, pairs)
    return _join_here(node, left, right)


def _is_cheap(node: Join, left: Piece, right: Piece) -> bool:
    """Whether every task may compute a join of two sides that it can make itself."""
    return (
        left.spread == right.spread == "anywhere"
        and stats.estimate(node).bytes <= SMALL_JOIN
        and (node.condition is None or is_deterministic(node.condition))
    )


def _way(planner: Planner, node: Join, equal: bool) -> str:
    """Send a side to all tasks, hash both (`shuffle`: whatever their sizes turn out to be), or gather both."""
    send_right, send_left = node.kind in SENDS_RIGHT, node.kind in SENDS_LEFT
    left_size, right_size = stats.estimate(node.left).bytes, stats.estimate(node.right).bytes
    if node.null_aware:
        return "send_right"
    if not equal:
        if send_left and (not send_right or left_size < right_size or node.hint == "broadcast_left"):
            return "send_left" if node.hint != "broadcast_right" or not send_right else "send_right"
        return "send_right" if send_right else "single"
    hint = None if planner.tight else node.hint
    if hint == "shuffle":
        return "shuffle"
    if send_right and hint == "broadcast_right":
        return "send_right"
    if send_left and hint == "broadcast_left":
        return "send_left"
    limit, n = planner.broadcast_limit, planner.partitions
    if send_right and right_size <= limit and (not send_left or right_size <= left_size):
        return "send_right" if _pays(node.right, node.left, n) else "shuffle"
    if send_left and left_size <= limit:
        return "send_left" if _pays(node.left, node.right, n) else "shuffle"
    return "hash"


def _pays(sent: Plan, other: Plan, partitions: int) -> bool:
    """Whether a hash table of one side in each task is cheaper than moving both sides.

    A million rows take some 30 ms to write, 10 to read, 70 to build a table of, 60 to write to partitions.
    """
    rows, others = stats.rows(sent), stats.rows(other)
    if rows < FEW_ROWS:
        return True
    return 30 * rows + 80 * partitions * rows <= (60 + 10) * (rows + others) + 70 * rows


def _together(
    planner: Planner, node: Join, left: Piece, right: Piece, pairs: list[tuple[Expr, Expr]]
) -> tuple[Piece, Piece]:
    """Both sides hashed by the equal keys; a side that already is, stays.

    The larger side waits for one that may turn out small enough to be sent to all tasks instead.
    """
    may = node.hint != "shuffle"
    right_may, left_may = may and node.kind in SENDS_RIGHT, may and node.kind in SENDS_LEFT
    lefts, rights = tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
    chosen = already(left, lefts)
    if chosen is not None:
        wanted = tuple(rights[i] for i in chosen)
        return left, right if is_hashed_by(right, wanted) else planner.hashed(right, wanted)
    chosen = already(right, rights)
    if chosen is not None:
        return planner.hashed(left, tuple(lefts[i] for i in chosen)), right
    if right_may and stats.estimate(node.right).bytes <= stats.estimate(node.left).bytes:
        right = planner.hashed(right, rights)
        return planner.hashed(left, lefts, after=right.inputs[0].stage), right
    left = planner.hashed(left, lefts)
    return left, planner.hashed(right, rights, after=left.inputs[0].stage if left_may else None)


def _join_here(node: Join, left: Piece, right: Piece) -> Piece:
    """The join in one fragment; its rows stay where the left rows are."""
    join = replace(node, left=left.plan, right=right.plan)
    keys = left.keys if node.kind not in {"full", "right"} else ()
    spread = left.spread if left.spread != "anywhere" else right.spread
    if (spread == "hash" and not keys) or spread == "ordered":
        spread = "split"
    return Piece(join, spread, merge(left.inputs, right.inputs), keys, left.ranges)
