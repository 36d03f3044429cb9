"""What features add to a model's score (`k.attributions` is exec/attributions.py)."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.common import constant
from sqlshell.functions.registry import Function
from sqlshell.types import DOUBLE, STRING, Array, Field, SqlType, Struct

Types = tuple[SqlType, ...]
PAIRS = Array(Struct((Field("feature", STRING, False), Field("attribution", DOUBLE, False))), False)


def _contributions(k: Any, booster: Any, widths: Any, *values: Any) -> Any:
    return k.attributions.contributions(constant(k, 0, "booster"), constant(k, 1, "array"), values)


def _largest(k: Any, parts: Any, sign: Any, names: Any, most: Any) -> Any:
    return k.attributions.largest(parts, sign, constant(k, 2, "array"), constant(k, 3, "number"))


def _total(k: Any, parts: Any) -> Any:
    return parts.list.sum()


# fmt: off
ROWS = (
    Function("ml_total", "array<double> -> double", "The sum of an array's numbers.", "ml_total(array(1.0D, 2.0D))",
             lower=_total, example_result="3.0"),
    Function("ml_tree_contributions", "binary, array<double>, any... -> array<double>",
             "By output what each feature adds to the score of a constant xgboost model, then what none does.",
             "", lower=_contributions, strict=False, nullable=lambda n: False),
    Function("ml_attributions", "array<double>, double, array<string>, int -> fn",
             "The parts of a score farthest from 0, times a sign, by the names of features.",
             "", lower=_largest, returns=lambda types, args: PAIRS, strict=False, nullable=lambda n: False),
)
# fmt: on
