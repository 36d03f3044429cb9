"""Window functions. `exec/lower_window.py` runs them; the rows give names, signatures and docs."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.registry import Function


def _never(_: tuple[bool, ...]) -> bool:
    return False


def _always(_: tuple[bool, ...]) -> bool:
    return True


def _window(name: str, sig: str, doc: str, example: str, **more: Any) -> Function:
    return Function(name, sig, doc, example, kind="window", strict=False, **more)


_OVER = "OVER (ORDER BY x) FROM VALUES (1), (1), (2) AS t(x)"

FUNCTIONS: tuple[Function, ...] = (
    _window(
        "row_number",
        "-> int",
        "Number of the row in its partition, from 1.",
        f"row_number() {_OVER}",
        nullable=_never,
    ),
    _window(
        "rank",
        "-> int | any... -> int",
        "One plus the number of rows before the row's peers.",
        f"rank() {_OVER}",
        nullable=_never,
    ),
    _window(
        "dense_rank",
        "-> int | any... -> int",
        "Number of the row's group of peers, from 1.",
        f"dense_rank() {_OVER}",
        nullable=_never,
    ),
    _window(
        "percent_rank",
        "-> double | any... -> double",
        "(rank - 1) / (rows of the partition - 1), 0 in a partition of one row.",
        f"percent_rank() {_OVER}",
        nullable=_never,
    ),
    _window(
        "cume_dist",
        "-> double",
        "Share of the partition's rows up to and including the row's peers.",
        f"cume_dist() {_OVER}",
        nullable=_never,
    ),
    _window(
        "ntile",
        "[int] -> int",
        "Number of the row's bucket when the partition is cut into n equal ones (earlier ones get the rest).",
        f"ntile(2) {_OVER}",
        nullable=_never,
    ),
    _window(
        "lag",
        "T, [int, T] -> T",
        "Value of the row n (default 1) before this one, or the default; IGNORE NULLS counts non-NULL ones "
        "only.",
        f"lag(x) {_OVER}",
        nullable=_always,
    ),
    _window(
        "lead",
        "T, [int, T] -> T",
        "Value of the row n (default 1) after this one, or the default; IGNORE NULLS counts non-NULL ones "
        "only.",
        f"lead(x) {_OVER}",
        nullable=_always,
    ),
    _window(
        "nth_value",
        "T, int -> T",
        "Value of the n-th row of the frame (with IGNORE NULLS, of its n-th non-NULL one), or NULL.",
        f"nth_value(x, 2) {_OVER}",
        nullable=_always,
    ),
)
