"""Operators: ANSI coercion of both sides, date and interval arithmetic, comparisons.

Needs no registry row to type a call; every result is a `Call` of the operator's registry name (or of
date_add and date_sub for date +- integer).
"""

from __future__ import annotations

from decimal import Decimal as PyDecimal
from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import Call, Column, Expr, Literal
from sqlshell.functions import result_types as rt
from sqlshell.plan import collations
from sqlshell.plan.coerce import coerce_to, literal_decimal
from sqlshell.types import (
    BIGINT,
    BOOLEAN,
    CALENDAR,
    DATE,
    DAY_TIME,
    DOUBLE,
    INT,
    STRING,
    TIMESTAMP,
    Array,
    CalendarInterval,
    Date,
    DayTimeInterval,
    Decimal,
    Field,
    Fractional,
    Int,
    Integral,
    Interval,
    Map,
    Numeric,
    SmallInt,
    SqlType,
    String,
    Struct,
    Temporal,
    Timestamp,
    TimestampNtz,
    TinyInt,
    Void,
    YearMonthInterval,
    as_decimal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlshell.errors import Span

COMPARISONS = frozenset({"=", "<=>", "<", "<=", ">", ">="})
ARITHMETIC = {
    **{op: op for op in ("+", "-", "*", "/", "%", "div")},
    "mod": "%",
    "pmod": "%",
    "try_add": "+",
    "try_subtract": "-",
    "try_multiply": "*",
    "try_divide": "/",
    "try_mod": "%",
}
"""Function name to the operator whose typing it follows."""

BITWISE = frozenset({"&", "|", "^"})
UNARY = frozenset({"negative", "positive", "~"})


def make_operator(name: str, args: Sequence[Expr], span: Span | None) -> Expr | None:
    """The typed call of an operator, or None when `name` is not typed here."""
    if name in UNARY:
        (arg,) = _exactly(name, args, 1, span)
        return unary(name, arg, span)
    typed: Callable[[str, Expr, Expr, Span | None], Expr]
    if name in COMPARISONS:
        typed = comparison
    elif name in ARITHMETIC:
        typed = arithmetic
    elif name in BITWISE:
        typed = bitwise
    elif name == "[]":
        typed = index
    else:
        return None
    left, right = _exactly(name, args, 2, span)
    return typed(name, left, right, span)


def _exactly(name: str, args: Sequence[Expr], count: int, span: Span | None) -> Sequence[Expr]:
    if len(args) != count:
        raise AnalysisError(
            f"`{name}` takes {count} argument{'s' * (count > 1)}, not {len(args)}",
            condition="WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
            span=span,
        )
    return args


def _call(name: str, args: tuple[Expr, ...], result: SqlType, span: Span | None) -> Call:
    nullable = name.startswith("try_") or any(a.nullable for a in args)
    return Call(name, args, result, nullable, span)


def _different(name: str, left: Expr, right: Expr, span: Span | None) -> AnalysisError:
    return AnalysisError(
        f"`{name}` has incompatible operands: {left.type} and {right.type}",
        condition="DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES",
        span=span,
    )


def _wrong(name: str, wanted: str, t: SqlType, span: Span | None) -> AnalysisError:
    return AnalysisError(
        f"`{name}` needs {wanted}, not {t}",
        condition="DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE",
        span=span,
    )


def _promote_strings(left: Expr, right: Expr, span: Span | None) -> tuple[Expr, Expr]:
    target = rt.promoted_string(left.type, right.type)
    if target is None or isinstance(left.type, Void) or isinstance(right.type, Void):
        return left, right
    return coerce_to(left, target, span=span), coerce_to(right, target, span=span)


def _align_decimals(left: Expr, right: Expr, span: Span | None) -> tuple[Expr, Expr]:
    """Where one side is a decimal: an integer becomes one too, beside a float it becomes double."""
    for a, b in ((left, right), (right, left)):
        if not isinstance(b.type, Decimal) or isinstance(a.type, Decimal):
            continue
        if isinstance(a.type, Integral):
            new = coerce_to(a, literal_decimal(a) or as_decimal(a.type) or b.type, span=span)
            return (new, right) if a is left else (left, new)
        if isinstance(a.type, Fractional):
            new = coerce_to(b, DOUBLE, span=span)
            return (left, new) if a is left else (new, right)
    return left, right


def _to_tightest(name: str, left: Expr, right: Expr, span: Span | None) -> tuple[Expr, Expr]:
    common = rt.tightest_common_type(left.type, right.type)
    if common is None:
        raise _different(name, left, right, span)
    return coerce_to(left, common, span=span), coerce_to(right, common, span=span)


def arithmetic(name: str, left: Expr, right: Expr, span: Span | None) -> Expr:
    """`+ - * / % div` and the functions that follow them."""
    op = ARITHMETIC[name]
    fn = "%" if name == "mod" else name
    if CALENDAR in (left.type, right.type):
        return _calendar(fn, op, left, right, span)
    if isinstance(left.type, (Temporal, Interval)) or isinstance(right.type, (Temporal, Interval)):
        return _temporal(fn, op, left, right, span)
    if isinstance(left.type, String) and isinstance(right.type, (String, Void)):
        raise _wrong(name, "numbers", left.type, span)
    left, right = _align_decimals(*_promote_strings(left, right, span), span)
    both = (left.type, right.type)
    if all(isinstance(t, Void) for t in both):
        left, right = coerce_to(left, DOUBLE), coerce_to(right, DOUBLE)
    elif op == "/" and all(isinstance(t, (Numeric, Void)) for t in both):
        if not all(isinstance(t, Decimal) for t in both):
            left, right = coerce_to(left, DOUBLE, span=span), coerce_to(right, DOUBLE, span=span)
    elif not all(isinstance(t, Decimal) for t in both):
        left, right = _to_tightest(name, left, right, span)
    if op == "div":
        if isinstance(left.type, Fractional):
            if both[0] != both[1]:
                raise AnalysisError(
                    f"`{name}` divides integers, decimals or intervals, not {both[0]} by {both[1]}",
                    condition="DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES",
                    span=span,
                )
            raise _wrong(name, "integers or decimals", left.type, span)
        if isinstance(left.type, Integral):
            left, right = coerce_to(left, BIGINT, span=span), coerce_to(right, BIGINT, span=span)
    if not isinstance(left.type, Numeric):
        raise _wrong(name, "numbers or intervals", left.type, span)
    result = rt.arithmetic_type(op, left.type, right.type)
    if result is None:
        raise _wrong(name, "numbers or intervals", left.type, span)
    return _call(fn, (left, right), result, span)


def _calendar(fn: str, op: str, left: Expr, right: Expr, span: Span | None) -> Expr:
    """Arithmetic where a side is a calendar interval."""
    if left.type == CALENDAR and (op == "+" and isinstance(right.type, Temporal)):
        left, right = right, left
    if right.type == CALENDAR and (op == "*" and isinstance(left.type, Numeric)):
        left, right = right, left
    if isinstance(left.type, Void) and op in {"+", "-"}:
        left = coerce_to(left, CALENDAR, span=span)
    if op in {"+", "-"} and right.type == CALENDAR and isinstance(left.type, (CalendarInterval, *_MOVED)):
        return _call(fn, (left, right), left.type, span)
    if op in {"*", "/"} and left.type == CALENDAR and isinstance(right.type, (Numeric, Void)):
        return _call(fn, (left, coerce_to(right, DOUBLE, span=span)), CALENDAR, span)
    raise _different(op, left, right, span)


_MOVED = (Date, Timestamp, TimestampNtz)
_DAYS = (TinyInt, SmallInt, Int)


def _temporal(fn: str, op: str, left: Expr, right: Expr, span: Span | None) -> Expr:
    """Arithmetic where a side is a date, time, timestamp or interval."""
    if op in {"+", "*"} and _comes_second(left.type, right.type, op):
        left, right = right, left
    lt, rt_ = left.type, right.type
    if op in {"+", "-"} and isinstance(lt, Date) and isinstance(rt_, (*_DAYS, Void)):
        days = coerce_to(right, INT, span=span)
        return _call("date_add" if op == "+" else "date_sub", (left, days), DATE, span)
    if op in {"+", "-"} and isinstance(lt, String) and isinstance(rt_, Interval):
        moved = _temporal(fn, op, coerce_to(left, TIMESTAMP, span=span), right, span)
        return coerce_to(moved, STRING, span=span)
    if isinstance(lt, Interval) and op in {"*", "/"}:
        return _scale_interval(fn, op, left, right, span)
    if isinstance(rt_, Interval):
        left, right = _beside_interval(fn, left, right, span)
    elif op == "-":
        left, right = _difference_operands(left, right, span)
    if op == "div" and type(left.type) is type(right.type) and isinstance(left.type, Interval):
        return _call(fn, (left, right), BIGINT, span)
    result = rt.temporal_arithmetic_type(op, left.type, right.type)
    if result is None and op in {"+", "-"} and any(isinstance(t, (Date, Interval)) for t in (lt, rt_)):
        raise AnalysisError(
            f"`{op}` does not go with {lt} and {rt_}: a date takes an int of days or an interval",
            condition="DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
            span=span,
        )
    if result is None:
        raise _different(op, left, right, span)
    return _call(fn, (left, right), result, span)


def _comes_second(left: SqlType, right: SqlType, op: str) -> bool:
    """Whether the operands are to be swapped: interval + date, 1 + date, 2 * interval."""
    if op == "*":
        return isinstance(right, Interval)
    if isinstance(left, Interval):
        return isinstance(right, (Temporal, String))
    return isinstance(right, Date) and isinstance(left, (*_DAYS, Void))


def _scale_interval(fn: str, op: str, left: Expr, right: Expr, span: Span | None) -> Expr:
    if isinstance(right.type, (String, Void)):
        right = coerce_to(right, DOUBLE, span=span)
    result = rt.temporal_arithmetic_type(op, left.type, right.type)
    if result is None:
        raise _different(op, left, right, span)
    return _call(fn, (left, right), result, span)


def _beside_interval(fn: str, left: Expr, right: Expr, span: Span | None) -> tuple[Expr, Expr]:
    """Operands of `left +- interval`."""
    if isinstance(left.type, Void) or (
        isinstance(left.type, Interval) and rt.tightest_common_type(left.type, right.type) is not None
    ):
        return _to_tightest(fn, left, right, span)
    whole_days = right.type == DayTimeInterval("day", "day") or isinstance(right.type, YearMonthInterval)
    if isinstance(left.type, Date) and not whole_days:
        left = coerce_to(left, TIMESTAMP, span=span)
    return left, right


def _difference_operands(left: Expr, right: Expr, span: Span | None) -> tuple[Expr, Expr]:
    """Operands of datetime - datetime: text and NULL take the other's type, unequal ones the wider type."""
    target = rt.promoted_string(left.type, right.type) or rt.tightest_common_type(left.type, right.type)
    if isinstance(left.type, Interval) or target is None:
        return left, right
    if isinstance(right.type, Void) and not isinstance(left.type, Date):
        return left, coerce_to(right, DAY_TIME)
    return coerce_to(left, target, span=span), coerce_to(right, target, span=span)


def _with_names_of(t: SqlType, model: SqlType) -> SqlType:
    """`t` with the field names of `model`, as deep as they have the same shape."""
    if isinstance(t, Array) and isinstance(model, Array):
        return Array(_with_names_of(t.element, model.element), t.contains_null)
    if isinstance(t, Struct) and isinstance(model, Struct) and len(t.fields) == len(model.fields):
        pairs = zip(t.fields, model.fields, strict=True)
        return Struct(tuple(Field(m.name, _with_names_of(f.type, m.type), f.nullable) for f, m in pairs))
    return t


def comparison(name: str, left: Expr, right: Expr, span: Span | None) -> Expr:
    """`= <=> < <= > >=`."""
    left, right = padded_alike(left, right), padded_alike(right, left)
    left, right = collations.keys([left, right], span)
    fitted = _fit_literals(left, right)
    if fitted is not None:
        left, right = fitted
    elif rt.same_type(left.type, right.type):
        pass
    elif rt.same_type(left.type, _with_names_of(right.type, left.type)):
        right = coerce_to(right, left.type, span=span)  # fields are compared by position
    else:
        left, right = _align_decimals(*_promote_strings(left, right, span), span)
        common = rt.wider_type_without_strings(left.type, right.type)
        if common is None:
            raise _different(name, left, right, span)
        left, right = coerce_to(left, common, span=span), coerce_to(right, common, span=span)
    if isinstance(left.type, Void):
        left, right = coerce_to(left, BOOLEAN), coerce_to(right, BOOLEAN)
    if not rt.is_orderable(left.type):
        raise AnalysisError(
            f"`{name}` does not compare values of type {left.type}",
            condition="DATATYPE_MISMATCH.INVALID_ORDERING_TYPE",
            span=span,
        )
    nullable = name != "<=>" and (left.nullable or right.nullable)
    return Call(name, (left, right), BOOLEAN, nullable, span)


def padded_alike(e: Expr, other: Expr) -> Expr:
    """`e` with as many blanks at its end as the char(n) column beside it has (as Spark's ApplyCharTypePadding)."""
    width = other.padded if isinstance(other, Column) else 0
    if isinstance(e, Literal) and isinstance(e.value, str) and len(e.value) < width:
        return Literal(e.value.ljust(width), e.type)
    if isinstance(e, Column) and 0 < e.padded < width:
        return Call("rpad", (e, Literal(width, INT), Literal(" ", STRING)), STRING, e.nullable)
    return e


def _fit_literals(left: Expr, right: Expr) -> tuple[Expr, Expr] | None:
    """A number literal beside a decimal takes its type where it fits: the column needs no cast."""
    if isinstance(right, Literal) and (fitted := fit_literal(right, left.type)) is not None:
        return left, fitted
    if isinstance(left, Literal) and (fitted := fit_literal(left, right.type)) is not None:
        return fitted, right
    return None


def fit_literal(literal: Literal, target: SqlType) -> Literal | None:
    """An exact number literal as exactly `target` (a decimal), or None when it would be another number."""
    if not isinstance(target, Decimal) or not isinstance(literal.type, (Integral, Decimal)):
        return None
    if literal.value is None:
        return None
    value = PyDecimal(literal.value)
    scaled = value.scaleb(target.scale)
    if (
        scaled != scaled.to_integral_value()
        or len(scaled.to_integral_value().as_tuple().digits) > target.precision
    ):
        return None
    return Literal(value, target)


def bitwise(name: str, left: Expr, right: Expr, span: Span | None) -> Expr:
    """`& | ^` on integers of one type."""
    left, right = _promote_strings(left, right, span)
    left, right = _to_tightest(name, left, right, span)
    if isinstance(left.type, Void):
        left, right = coerce_to(left, BIGINT), coerce_to(right, BIGINT)
    if not isinstance(left.type, Integral):
        raise _wrong(name, "integers", left.type, span)
    return _call(name, (left, right), left.type, span)


def unary(name: str, arg: Expr, span: Span | None) -> Expr:
    """`-`, `+` and `~` before one operand."""
    default = BIGINT if name == "~" else DOUBLE
    if isinstance(arg.type, (String, Void)):
        arg = coerce_to(arg, default, span=span)
    ok = (
        isinstance(arg.type, Integral)
        if name == "~"
        else isinstance(arg.type, (Numeric, Interval, CalendarInterval))
    )
    if not ok:
        raise AnalysisError(
            f"`{name}` needs {'an integer' if name == '~' else 'a number or an interval'}, not {arg.type}",
            condition="DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
            span=span,
        )
    return _call(name, (arg,), arg.type, span)


def index(name: str, base: Expr, key: Expr, span: Span | None) -> Expr:
    """`array[i]` (0-based) and `map[key]`."""
    t = base.type
    if isinstance(t, Array):
        if isinstance(key.type, Void):
            key = coerce_to(key, INT)
        if not isinstance(key.type, Integral):
            raise AnalysisError(
                f"an array is indexed by an integer, not {key.type}",
                condition="DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
                span=span,
            )
        return Call(name, (base, key), t.element, True, span)
    if isinstance(t, Map):
        if not rt.can_implicitly_cast(key.type, t.key):
            raise AnalysisError(
                f"this map is indexed by {t.key}, not {key.type}",
                condition="DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
                span=span,
            )
        return Call(name, (base, coerce_to(key, t.key, span=span)), t.value, True, span)
    if isinstance(t, Struct):
        raise AnalysisError(
            f"a field of a struct is taken by its name, not by {key.type}",
            condition="INVALID_EXTRACT_FIELD_TYPE",
            span=span,
        )
    raise AnalysisError(
        f"cannot take a part of {t}: only arrays, maps and structs have parts",
        condition="INVALID_EXTRACT_BASE_FIELD_TYPE",
        span=span,
    )
