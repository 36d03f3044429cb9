"""Casts the binder inserts: implicit casts, common types of several expressions, store assignment."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal as PyDecimal
from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import Cast, Expr, Literal
from sqlshell.functions.result_types import (
    can_cast,
    can_implicitly_cast,
    can_store,
    common_type,
    is_orderable,
    same_type,
    tightest_common_type,
)
from sqlshell.records import replace
from sqlshell.types import (
    DATE,
    Array,
    BigInt,
    Binary,
    Boolean,
    Date,
    Decimal,
    Double,
    Int,
    Integral,
    Map,
    SmallInt,
    SqlType,
    String,
    Struct,
    Timestamp,
    Void,
)
from sqlshell.types_ddl import parse_schema, parse_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.errors import Span

__all__ = [
    "can_cast",
    "can_implicitly_cast",
    "can_store",
    "cast_explicitly",
    "cast_to",
    "coerce_all",
    "common_type",
    "is_orderable",
    "literal_decimal",
    "parse_schema",
    "parse_type",
    "same_type",
    "store_assign",
    "tightest_common_type",
]

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


def cast_to(expr: Expr, target: SqlType, *, implicit: bool = True, span: Span | None = None) -> Expr:
    """`expr` as exactly `target`: itself when equal, a folded literal when that cannot fail, else a Cast."""
    if expr.type == target:
        return expr
    if isinstance(expr.type, String) and expr.type.collation:
        from sqlshell.plan.collations import refused

        raise refused("this place", span or getattr(expr, "span", None))
    if isinstance(expr, Literal):
        folded = _fold(expr, target)
        if folded is not None:
            return folded
    if not implicit and not can_cast(expr.type, target):
        raise cannot_cast(expr.type, target, span)
    return Cast(expr, target, span=span or getattr(expr, "span", None))


def cast_explicitly(expr: Expr, target: SqlType, *, safe: bool = False, span: Span | None = None) -> Expr:
    """CAST or, with `safe`, TRY_CAST as the user wrote it: checked against the ANSI cast matrix."""
    if not can_cast(expr.type, target):
        raise cannot_cast(expr.type, target, span)
    if isinstance(target, String) and target.length is not None:
        # Spark reads CAST AS char(n)/varchar(n) as string.
        target = String()
    if expr.type == target and not safe:
        return expr
    if isinstance(expr, Literal):
        folded = _fold(expr, target)
        if folded is not None:
            return folded
    return Cast(expr, target, safe=safe, span=span)


def cannot_cast(source: SqlType, target: SqlType, span: Span | None) -> AnalysisError:
    """The error for an illegal cast, with the function or the setting that Spark points to."""
    suggestion, hint = "WITHOUT", None
    if isinstance(source, Integral) and isinstance(target, Date):
        suggestion, hint = "WITH_FUNC", "use date_from_unix_date"
    elif isinstance(source, Date) and isinstance(target, Integral):
        suggestion, hint = "WITH_FUNC", "use unix_date"
    elif (isinstance(source, Boolean) and isinstance(target, Timestamp)) or (
        isinstance(source, Integral) and isinstance(target, Binary)
    ):
        suggestion = "WITH_CONF"
    return AnalysisError(
        f"cannot cast {source} to {target}",
        condition=f"DATATYPE_MISMATCH.CAST_{suggestion}_SUGGESTION",
        span=span,
        hint=hint,
    )


def coerce_to(expr: Expr, target: SqlType, *, span: Span | None = None) -> Expr:
    """As `cast_to`, but a type that differs only in nullability is good enough."""
    return expr if same_type(expr.type, target) else cast_to(expr, target, span=span)


def coerce_all(
    exprs: Sequence[Expr], what: str, *, span: Span | None = None
) -> tuple[tuple[Expr, ...], SqlType]:
    """All of `exprs` cast to their common type, and that type. `what` names the construct in the error."""
    target = common_type(e.type for e in exprs)
    if target is None:
        listed = ", ".join(dict.fromkeys(str(e.type) for e in exprs))
        raise AnalysisError(
            f"the inputs of {what} should all be of one type, but they are {listed}",
            condition="DATATYPE_MISMATCH.DATA_DIFF_TYPES",
            span=span,
        )
    return tuple(coerce_to(e, target, span=span) for e in exprs), target


def store_assign(expr: Expr, target: SqlType, *, column: str = "", span: Span | None = None) -> Expr:
    """`expr` for a column of type `target`, by ANSI store assignment (narrowing raises at run time)."""
    if not can_store(expr.type, target):
        raise AnalysisError(
            f"cannot write {expr.type} into {f'column `{column}` of type ' if column else ''}{target}",
            condition="INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST",
            span=span,
        )
    return cast_to(expr, target, span=span)


def literal_decimal(expr: Expr) -> Decimal | None:
    """The decimal of exactly as many digits as an integer literal has (not for tinyint, as in Spark)."""
    if type(expr) is Literal and isinstance(expr.type, (SmallInt, Int, BigInt)) and expr.value is not None:
        return Decimal(len(str(abs(expr.value))), 0)
    return None


def _fold(literal: Literal, target: SqlType) -> Literal | None:
    """Casts of literals that need no kernel and cannot fail."""
    value, source = literal.value, literal.type
    if value is None:
        return Literal(None, target)
    if isinstance(source, Integral):
        if isinstance(target, Integral):
            return Literal(value, target) if -(1 << target.bits - 1) <= value < 1 << target.bits - 1 else None
        if isinstance(target, Double):
            return Literal(float(value), target)
        if isinstance(target, Decimal) and len(str(abs(value))) <= target.precision - target.scale:
            return Literal(PyDecimal(value), target)
        return None
    if isinstance(source, Decimal):
        if isinstance(target, Double):
            return Literal(float(value), target)
        wider = isinstance(target, Decimal) and (
            target.scale >= source.scale
            and target.precision - target.scale >= source.precision - source.scale
        )
        return Literal(value, target) if wider else None
    if isinstance(source, String):
        if isinstance(target, String) and target.length is None:
            return Literal(value, target)
        if isinstance(target, Date) and _ISO_DATE.match(value):
            try:
                return Literal(datetime.date.fromisoformat(value), DATE)
            except ValueError:
                return None
    return None


def as_nullable_inside(t: SqlType) -> SqlType:
    """The type with every element, map value and field nullable."""
    if isinstance(t, Array):
        return Array(as_nullable_inside(t.element))
    if isinstance(t, Map):
        return Map(as_nullable_inside(t.key), as_nullable_inside(t.value))
    if isinstance(t, Struct):
        return Struct(tuple(replace(f, type=as_nullable_inside(f.type), nullable=True) for f in t.fields))
    return t


def is_void(e: Expr) -> bool:
    """Whether an expression is a bare NULL."""
    return isinstance(e.type, Void)
