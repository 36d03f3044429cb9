"""Choosing among values. The forms that are nodes of their own (CASE and its kin) are rows for the reference only."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.registry import Function


def _coalesce(k: Any, *args: Any) -> Any:
    return k.pl.coalesce(args) if len(args) > 1 else args[0]


# fmt: off
FUNCTIONS = (
    Function("coalesce", "T... -> T", "The first argument that is not NULL.", "coalesce(NULL, 1, NULL)",
             lower=_coalesce, strict=False, lazy=True),
    Function("nvl", "T, T -> T", "The first argument, or the second where it is NULL.", "nvl(NULL, 2)",
             aliases=("ifnull",), strict=False, lazy=True),
    Function("nvl2", "any, T, T -> T", "The second argument where the first is not NULL, else the third.",
             "nvl2(NULL, 2, 1)", strict=False),
    Function("nullif", "T, T -> T", "NULL where both arguments are equal, else the first.", "nullif(2, 2)",
             strict=False, nullable=lambda n: True),
    Function("nullifzero", "T -> T", "NULL where the number is 0.", "nullifzero(0)", nullable=lambda n: True),
    Function("zeroifnull", "T -> T", "0 where the number is NULL.", "zeroifnull(NULL)", strict=False),
    Function("if", "boolean, T, T -> T", "The second argument where the condition holds, else the third.",
             "if(1 < 2, 'a', 'b')", strict=False),
    Function("when", "boolean, T -> T", "CASE in the form of a function: condition, value, ..., default.",
             "CASE WHEN 1 > 0 THEN 1 ELSE 2.0 END", strict=False),
)
# fmt: on
