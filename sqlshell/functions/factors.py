"""What a matrix factorization says of users and items (`k.factors` is exec/factors.py)."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.common import constant
from sqlshell.functions.registry import Function
from sqlshell.types import DOUBLE, Array, Field, SqlType, Struct

Types = tuple[SqlType, ...]


def _rating(k: Any, users: Any, items: Any, user: Any, item: Any) -> Any:
    return k.factors.rating(constant(k, 0, "file"), constant(k, 1, "file"), user, item)


def _recommended(k: Any, own: Any, other: Any, who: Any, like: Any, most: Any) -> Any:
    files = constant(k, 0, "file"), constant(k, 1, "file")
    return k.factors.recommended(*files, who, k.literal(4), k.dtype(k.type(3)))


def _pairs(types: Types, args: Any) -> SqlType:
    return Array(Struct((Field("id", types[3], False), Field("rating", DOUBLE, False))), False)


def _ids(k: Any, data: Any, like: Any) -> Any:
    return k.factors.ids(constant(k, 0, "file"), k.dtype(k.type(1)))


# fmt: off
ROWS = (
    Function("ml_rating", "binary, binary, any, any -> double",
             "What a user rates an item by the constant Arrow files of a matrix factorization; NULL for unknown ones.",
             "", lower=_rating, strict=False, nullable=lambda n: True),
    Function("ml_recommended", "binary, binary, any, any, int -> fn",
             "The ids of the other side (of the fourth argument's type) with the best ratings, at most so many.",
             "", lower=_recommended, returns=_pairs, strict=False, nullable=lambda n: True),
    Function("ml_factor_ids", "binary, any -> fn", "All ids (of the second argument's type) of a file of factors.",
             "", lower=_ids, returns=lambda types, args: Array(types[1], False), strict=False,
             nullable=lambda n: False),
)
# fmt: on
