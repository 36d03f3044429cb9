"""Type arithmetic that function tables and the binder share: common types, decimal rules, implicit casts.

The rules are Spark 4's ANSI ones (`AnsiTypeCoercion`, `DecimalPrecisionTypeCoercion`). Helpers that take
`(types, args)` have the shape of a registry row's `returns`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError
from sqlshell.types import (
    BIGINT,
    DATE,
    DAY_TIME,
    DOUBLE,
    MAX_PRECISION,
    STRING,
    TIME,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    VOID,
    YEAR_MONTH,
    Array,
    Binary,
    Boolean,
    CalendarInterval,
    Date,
    DayTimeInterval,
    Decimal,
    Field,
    Fractional,
    Integral,
    Interval,
    Map,
    Numeric,
    SqlType,
    String,
    Struct,
    Temporal,
    Time,
    Timestamp,
    TimestampNtz,
    Variant,
    Void,
    YearMonthInterval,
    as_decimal,
    bounded_decimal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Types = tuple[SqlType, ...]

ATOMIC = (Boolean, Numeric, String, Binary, Temporal, Interval)
_YEAR_MONTH_UNITS = ("year", "month")
_DAY_TIME_UNITS = ("day", "hour", "minute", "second")


def same_type(a: SqlType, b: SqlType) -> bool:
    """Equal but for the nullability of elements, map values and fields."""
    if isinstance(a, Array) and isinstance(b, Array):
        return same_type(a.element, b.element)
    if isinstance(a, Map) and isinstance(b, Map):
        return same_type(a.key, b.key) and same_type(a.value, b.value)
    if isinstance(a, Struct) and isinstance(b, Struct):
        return len(a.fields) == len(b.fields) and all(
            x.name == y.name and same_type(x.type, y.type) for x, y in zip(a.fields, b.fields, strict=True)
        )
    return a == b


# Common types


def common_type(types: Iterable[SqlType]) -> SqlType | None:
    """The least common type of the arguments, text giving way to other types; None: there is none."""
    return _fold(types, wider_type)


def common_type_without_strings(types: Iterable[SqlType]) -> SqlType | None:
    """The least common type where text never becomes a number (greatest, array functions)."""
    return _fold(types, wider_type_without_strings)


def tightest_common_type(a: SqlType, b: SqlType) -> SqlType | None:
    """The common type that loses nothing: no text promotion, no change of a decimal's digits."""
    if a == b:
        return a
    if isinstance(a, Void):
        return b
    if isinstance(b, Void):
        return a
    if isinstance(a, Numeric) and isinstance(b, Numeric):
        return _tightest_numeric(a, b)
    if isinstance(a, String) and isinstance(b, String):
        return STRING
    if isinstance(a, Temporal) and isinstance(b, Temporal):
        return _wider_temporal(a, b)
    if isinstance(a, YearMonthInterval) and isinstance(b, YearMonthInterval):
        return YearMonthInterval(*_span_of_units(_YEAR_MONTH_UNITS, a, b))
    if isinstance(a, DayTimeInterval) and isinstance(b, DayTimeInterval):
        return DayTimeInterval(*_span_of_units(_DAY_TIME_UNITS, a, b))
    return _complex_type(a, b, tightest_common_type)


def wider_type(a: SqlType, b: SqlType) -> SqlType | None:
    """Spark's `findWiderTypeForTwo` under ANSI."""
    return (
        tightest_common_type(a, b)
        or _wider_for_decimal(a, b)
        or promoted_string(a, b)
        or _complex_type(a, b, wider_type)
    )


def wider_type_without_strings(a: SqlType, b: SqlType) -> SqlType | None:
    """Spark's `findWiderTypeWithoutStringPromotionForTwo`."""
    return (
        tightest_common_type(a, b)
        or _wider_for_decimal(a, b)
        or _complex_type(a, b, wider_type_without_strings)
    )


def promoted_string(a: SqlType, b: SqlType) -> SqlType | None:
    """What text becomes beside the other type: bigint by integers, double by other numbers, else its type."""
    if isinstance(b, String) and not isinstance(a, String):
        a, b = b, a
    if not isinstance(a, String) or isinstance(b, (String, Interval)):
        return None
    if isinstance(b, Integral):
        return BIGINT
    if isinstance(b, (Fractional, Decimal)):
        return DOUBLE
    return b if isinstance(b, ATOMIC) else None


def wider_decimal(a: Decimal, b: Decimal) -> Decimal:
    """The decimal that holds both; past 38 digits the fraction gives way."""
    scale = max(a.scale, b.scale)
    precision = max(a.precision - a.scale, b.precision - b.scale) + scale
    if precision > MAX_PRECISION:
        return Decimal(MAX_PRECISION, max(0, scale - (precision - MAX_PRECISION)))
    return Decimal(precision, scale)


def _fold(types: Iterable[SqlType], f: Callable[[SqlType, SqlType], SqlType | None]) -> SqlType | None:
    result: SqlType | None = VOID
    for t in types:
        if result is None:
            return None
        result = f(result, t)
    return result


def _tightest_numeric(a: Numeric, b: Numeric) -> SqlType | None:
    if isinstance(a, Decimal) or isinstance(b, Decimal):
        for d, i in ((a, b), (b, a)):
            if isinstance(d, Decimal) and isinstance(i, Integral):
                whole = as_decimal(i)
                if whole is not None and d.precision - d.scale >= whole.precision:
                    return d
        return None
    if isinstance(a, Integral) and isinstance(b, Integral):
        return a if a.bits >= b.bits else b
    # Float is too small for int and bigint, so any pair with a float but float itself is double.
    return DOUBLE


def _wider_for_decimal(a: SqlType, b: SqlType) -> SqlType | None:
    if not (isinstance(a, Decimal) or isinstance(b, Decimal)):
        return None
    if isinstance(a, Fractional) or isinstance(b, Fractional):
        return DOUBLE
    x, y = as_decimal(a), as_decimal(b)
    return None if x is None or y is None else wider_decimal(x, y)


def _wider_temporal(a: Temporal, b: Temporal) -> SqlType | None:
    if isinstance(a, Time) or isinstance(b, Time):
        return Time(max(a.precision, b.precision)) if isinstance(a, Time) and isinstance(b, Time) else None
    if isinstance(a, Timestamp) or isinstance(b, Timestamp):
        return TIMESTAMP
    return TIMESTAMP_NTZ


def _span_of_units(
    units: tuple[str, ...],
    a: YearMonthInterval | DayTimeInterval,
    b: YearMonthInterval | DayTimeInterval,
) -> tuple[str, str]:
    return min(a.start, b.start, key=units.index), max(a.end, b.end, key=units.index)


def _complex_type(a: SqlType, b: SqlType, f: Callable[[SqlType, SqlType], SqlType | None]) -> SqlType | None:
    if isinstance(a, Array) and isinstance(b, Array):
        element = f(a.element, b.element)
        return None if element is None else Array(element, a.contains_null or b.contains_null)
    if isinstance(a, Map) and isinstance(b, Map):
        key, value = f(a.key, b.key), f(a.value, b.value)
        if key is None or value is None:
            return None
        return Map(key, value, a.value_contains_null or b.value_contains_null)
    if isinstance(a, Struct) and isinstance(b, Struct) and len(a.fields) == len(b.fields):
        fields = []
        for x, y in zip(a.fields, b.fields, strict=True):
            t = f(x.type, y.type)
            if t is None or x.name.lower() != y.name.lower():
                return None
            fields.append(Field(x.name, t, x.nullable or y.nullable))
        return Struct(tuple(fields))
    return None


# Implicit casts and legality


def can_store(source: SqlType, target: SqlType) -> bool:
    """ANSI store assignment (`Cast.canANSIStoreAssign`): what INSERT and function arguments accept."""
    if same_type(source, target) or isinstance(source, Void):
        return True
    if isinstance(target, Variant):
        return False
    if isinstance(source, Numeric):
        return isinstance(target, (Numeric, String))
    if isinstance(target, String):
        return isinstance(source, (*ATOMIC, Variant))
    if isinstance(source, Time) or isinstance(target, Time):
        return isinstance(source, Time) and isinstance(target, Time)
    if isinstance(source, Temporal):
        return isinstance(target, Temporal)
    if isinstance(source, YearMonthInterval) and isinstance(target, YearMonthInterval):
        return True
    if isinstance(source, DayTimeInterval) and isinstance(target, DayTimeInterval):
        return True
    return _every_part(source, target, can_store)


def can_cast(source: SqlType, target: SqlType) -> bool:
    """Whether an explicit ANSI CAST between the types is legal (`Cast.canAnsiCast`)."""
    if same_type(source, target) or isinstance(source, Void) or isinstance(target, String):
        return True
    if isinstance(source, Variant):
        return not isinstance(target, (Interval, CalendarInterval, Time))
    if isinstance(target, Variant):
        return _fits_variant(source)
    allowed = _CASTS.get(type(target))
    if allowed is not None:
        return isinstance(source, allowed)
    if isinstance(target, Numeric):
        if isinstance(source, (Interval, Time)):
            return isinstance(target, (Integral, Decimal))
        return isinstance(source, (Numeric, String, Boolean, Timestamp))
    return _every_part(source, target, can_cast)


def _fits_variant(t: SqlType) -> bool:
    """Whether CAST makes variants of the type; structs and maps need to_variant_object."""
    if isinstance(t, Array):
        return _fits_variant(t.element)
    return not isinstance(t, (Interval, CalendarInterval, Time, Map, Struct))


_CASTS: dict[type[SqlType], tuple[type[SqlType], ...]] = {
    Boolean: (Boolean, String, Numeric),
    Binary: (Binary, String),
    Date: (Date, String, Timestamp, TimestampNtz),
    Timestamp: (Timestamp, String, Date, TimestampNtz, Numeric),
    TimestampNtz: (TimestampNtz, String, Date, Timestamp),
    Time: (Time, String, Timestamp, TimestampNtz),
    CalendarInterval: (CalendarInterval, String),
    YearMonthInterval: (YearMonthInterval, String, Integral, Decimal),
    DayTimeInterval: (DayTimeInterval, String, Integral, Decimal),
}


def _every_part(source: SqlType, target: SqlType, f: Callable[[SqlType, SqlType], bool]) -> bool:
    if isinstance(source, Array) and isinstance(target, Array):
        return f(source.element, target.element)
    if isinstance(source, Map) and isinstance(target, Map):
        return f(source.key, target.key) and f(source.value, target.value)
    if isinstance(source, Struct) and isinstance(target, Struct):
        return len(source.fields) == len(target.fields) and all(
            f(a.type, b.type) for a, b in zip(source.fields, target.fields, strict=True)
        )
    return False


def can_implicitly_cast(source: SqlType, target: SqlType) -> bool:
    """Whether a function that takes `target` accepts a `source` argument under ANSI."""
    if isinstance(source, String):
        return isinstance(target, ATOMIC)
    return can_store(source, target)


def is_orderable(t: SqlType) -> bool:
    """Whether `<`, ORDER BY, min and max work on the type."""
    if isinstance(t, Array):
        return is_orderable(t.element)
    if isinstance(t, Struct):
        return all(is_orderable(f.type) for f in t.fields)
    return not isinstance(t, (Map, Variant, CalendarInterval))


# Decimal results (Spark's `DecimalPrecision`; `bounded_decimal` is adjustPrecisionScale)


def decimal_add(a: Decimal, b: Decimal) -> Decimal:
    """`+` and `-`: one more whole digit than the wider side."""
    scale = max(a.scale, b.scale)
    return bounded_decimal(max(a.precision - a.scale, b.precision - b.scale) + scale + 1, scale)


def decimal_multiply(a: Decimal, b: Decimal) -> Decimal:
    """`*`: the digits of both."""
    return bounded_decimal(a.precision + b.precision + 1, a.scale + b.scale)


def decimal_divide(a: Decimal, b: Decimal) -> Decimal:
    """`/`: at least six digits after the point."""
    scale = max(6, a.scale + b.precision + 1)
    return bounded_decimal(a.precision - a.scale + b.scale + scale, scale)


def decimal_remainder(a: Decimal, b: Decimal) -> Decimal:
    """`%` and pmod: no more digits than the smaller side needs."""
    scale = max(a.scale, b.scale)
    return bounded_decimal(min(a.precision - a.scale, b.precision - b.scale) + scale, scale)


_DECIMAL_RULES = {
    "+": decimal_add,
    "-": decimal_add,
    "*": decimal_multiply,
    "/": decimal_divide,
    "%": decimal_remainder,
}


def arithmetic_type(op: str, a: SqlType, b: SqlType) -> SqlType | None:
    """The type of `a op b` for numbers already coerced (both decimals, or one type); None if not numbers."""
    if op == "div":
        return BIGINT
    if isinstance(a, Decimal) and isinstance(b, Decimal):
        return _DECIMAL_RULES[op](a, b)
    return a if isinstance(a, Numeric) else None


def temporal_arithmetic_type(op: str, a: SqlType, b: SqlType) -> SqlType | None:
    """The type of `a op b` where a side is a date, time or interval, already coerced; None if illegal.

    Reaching lowering are only: date +- year-month, date +- interval day, timestamp(_ntz) +- interval,
    time +- day-time, date - date, timestamp(_ntz) - the same, time - time, interval +- interval of a kind,
    interval * number and interval / number (interval first).
    """
    if isinstance(b, Interval) and isinstance(a, Interval):
        return tightest_common_type(a, b) if op in {"+", "-"} else None
    if isinstance(a, Interval) and isinstance(b, Numeric):
        default = YEAR_MONTH if isinstance(a, YearMonthInterval) else DAY_TIME
        return default if op in {"*", "/"} else None
    if op in {"+", "-"} and isinstance(b, Interval):
        if isinstance(a, Date):
            return DATE if isinstance(b, YearMonthInterval) or b == DayTimeInterval("day", "day") else None
        if isinstance(a, Time):
            if not isinstance(b, DayTimeInterval):
                return None
            return TIME if b.end == "second" else a
        return a if isinstance(a, (Timestamp, TimestampNtz)) else None
    if op == "-" and type(a) is type(b):
        if isinstance(a, Date):
            return DayTimeInterval("day", "day")
        if isinstance(a, Time):
            return DayTimeInterval("hour", "second")
        if isinstance(a, (Timestamp, TimestampNtz)):
            return DAY_TIME
    return None


# `returns=` helpers for registry rows


def same_as(index: int = 0) -> Callable[[Types, tuple[Any, ...]], SqlType]:
    """The type of argument `index`."""
    return lambda types, args: types[index]


def array_of(index: int = 0) -> Callable[[Types, tuple[Any, ...]], SqlType]:
    """An array of argument `index`'s type."""
    return lambda types, args: Array(types[index])


def sum_type(types: Types, args: tuple[Any, ...] = ()) -> SqlType:
    """sum: bigint for integers, ten more digits for decimals, the interval kind, else double."""
    t = types[0]
    if isinstance(t, Integral):
        return BIGINT
    if isinstance(t, Decimal):
        return _capped(t.precision + 10, t.scale)
    return t if isinstance(t, Interval) else DOUBLE


def avg_type(types: Types, args: tuple[Any, ...] = ()) -> SqlType:
    """avg: four more digits before and after the point for decimals, the interval kind, else double."""
    t = types[0]
    if isinstance(t, Decimal):
        return _capped(t.precision + 4, t.scale + 4)
    if isinstance(t, Interval):
        return YEAR_MONTH if isinstance(t, YearMonthInterval) else DAY_TIME
    return DOUBLE


def _capped(precision: int, scale: int) -> Decimal:
    """Spark's `DecimalType.bounded`, used for aggregates: both numbers cut at 38."""
    return Decimal(min(precision, MAX_PRECISION), min(scale, MAX_PRECISION))


def round_type(types: Types, args: tuple[Any, ...]) -> SqlType:
    """round, bround: a decimal keeps `scale` digits at most and gains one for the carry."""
    t = types[0]
    digits = _int_literal(args[1]) if len(args) > 1 else 0
    if digits is None:
        raise AnalysisError(
            "the scale of a rounded number must be a constant integer",
            condition="DATATYPE_MISMATCH.NON_FOLDABLE_INPUT",
            span=getattr(args[1], "span", None),
        )
    if not isinstance(t, Decimal):
        return t
    whole = t.precision - t.scale + 1
    if digits < 0:
        return Decimal(min(max(whole, -digits + 1), MAX_PRECISION), 0)
    scale = min(t.scale, digits)
    return Decimal(min(whole + scale, MAX_PRECISION), scale)


def ceil_type(types: Types, args: tuple[Any, ...]) -> SqlType:
    """ceil, floor: bigint, or a decimal for decimals (with a scale argument as `round`)."""
    t = types[0]
    if len(args) > 1:
        exact = as_decimal(t) or Decimal(30, 15)
        return round_type((exact, *types[1:]), args)
    if isinstance(t, Decimal):
        return bounded_decimal(t.precision - t.scale + 1, 0) if t.scale else t
    return BIGINT


def _int_literal(e: Any) -> int | None:
    value = getattr(e, "value", None)
    return value if isinstance(value, int) else None


DEFAULT_OF_CLASS: dict[str, SqlType] = {
    "num": DOUBLE,
    "frac": DOUBLE,
    "integral": BIGINT,
    "decimal": Decimal(38, 18),
}
