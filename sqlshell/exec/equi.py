"""Which parts of a join condition rows can be brought together by, and which types hash and sort reliably."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.expr.expr import Call, Expr, conjuncts
from sqlshell.optimizer.properties import is_deterministic, refs
from sqlshell.types import (
    Array,
    Binary,
    Boolean,
    Date,
    DayTimeInterval,
    Decimal,
    Integral,
    Map,
    SqlType,
    String,
    Struct,
    Time,
    Timestamp,
    TimestampNtz,
    Variant,
    Void,
    YearMonthInterval,
)

if TYPE_CHECKING:
    from sqlshell.plan.logical import Join


def equi_pairs(node: Join) -> list[tuple[Expr, Expr]]:
    """(left, right) expressions that the condition requires to be equal and that hash alike when they are."""
    out: list[tuple[Expr, Expr]] = []
    left, right = node.left.output_ids, node.right.output_ids
    for part in conjuncts(node.condition):
        if not isinstance(part, Call) or part.fn not in {"=", "<=>"}:
            continue
        a, b = part.args
        if not (refs(a) and refs(b) and is_deterministic(a) and is_deterministic(b)):
            continue
        if not (refs(a) <= left and refs(b) <= right):
            a, b = b, a
        if refs(a) <= left and refs(b) <= right and _hash_alike(a.type, b.type):
            out.append((a, b))
    return out


def _hash_alike(a: SqlType, b: SqlType) -> bool:
    """Whether equal values of the two types have one hash (integers of any width do, decimals of one
    scale).
    """
    if isinstance(a, Integral) and isinstance(b, Integral):
        return True
    if isinstance(a, Decimal) and isinstance(b, Decimal):
        return a.scale == b.scale
    return type(a) is type(b) and stable_hash(a)


def stable_hash(t: SqlType) -> bool:
    """Whether equal values of a type always hash alike."""
    match t:
        case Map() | Variant() | Void():
            return False
        case Array():
            return stable_hash(t.element)
        case Struct():
            return all(stable_hash(f.type) for f in t.fields)
    return True


def is_orderable(t: SqlType) -> bool:
    """Whether a range exchange can be cut by values of a type: Python sorts the samples as the kernels do."""
    flat = (Boolean, Integral, Decimal, String, Binary, Date, Timestamp, TimestampNtz, Time)
    return isinstance(t, (*flat, YearMonthInterval, DayTimeInterval)) or t.ddl in {"float", "double"}
