"""Aggregate functions: counts, sums and means; `aggregate_values.py` and `aggregate_stats.py` have the rest.

A lowering gets the aggregate view `k` of `exec/lower_agg.py`: `k.pl`, `k.call`, `k.type(i)`, `k.literal(i)`,
`k.solid(i)` (argument i surely has a value in every group), `k.keep` (the FILTER clause as a column, or
None) and `k.ordered(e)` (`e` in the call's WITHIN GROUP order). Arguments arrive NULL where FILTER excludes
the row and without repeats under DISTINCT. `update`, `merge` and `lower` are aggregations; `final` works on
their results.
"""

from __future__ import annotations

from typing import Any

from sqlshell.functions.aggregate_row import aggregate_row, never
from sqlshell.functions.aggregate_sketch import SKETCHES
from sqlshell.functions.aggregate_stats import STATISTICS
from sqlshell.functions.aggregate_values import VALUES
from sqlshell.functions.bounds import argument_bounds
from sqlshell.functions.registry import AggState, Function
from sqlshell.types import (
    BIGINT,
    DOUBLE,
    MAX_PRECISION,
    BigInt,
    DayTimeInterval,
    Decimal,
    Fractional,
    Integral,
    Interval,
    SqlType,
    YearMonthInterval,
)

Types = tuple[SqlType, ...]

ENOUGH_ROWS = 10**10
"""Sums whose values could not overflow over so many rows go unchecked."""


# Count


def _count(k: Any, *args: Any) -> Any:
    pl = k.pl
    needed = [a for a, e in zip(args, k.call.args, strict=True) if e.nullable]
    if k.call.distinct:
        return _count_distinct(k, *args)
    if len(needed) == 1:
        return needed[0].count().cast(pl.Int64)
    if needed:
        present = pl.all_horizontal([a.is_not_null() for a in needed])
        return present.sum().cast(pl.Int64)
    if k.keep is not None:
        return k.keep.sum().cast(pl.Int64)
    return pl.len().cast(pl.Int64)


def _count_distinct(k: Any, *args: Any) -> Any:
    pl = k.pl
    if len(args) == 1:
        return args[0].drop_nulls().n_unique().cast(pl.Int64)
    present = pl.all_horizontal([a.is_not_null() for a in args])
    return pl.struct(args).filter(present).n_unique().cast(pl.Int64)


def _approx_count_distinct(k: Any, a: Any, *_: Any) -> Any:
    # Exact: n_unique is as fast as Polars' HyperLogLog here and agrees with Spark within its promised error.
    return a.drop_nulls().n_unique().cast(k.pl.Int64)


def _count_if(k: Any, a: Any) -> Any:
    return a.sum().cast(k.pl.Int64)


def _total(_: Any, state: Any) -> Any:
    return state.sum()


def _or_zero(_: Any, state: Any) -> Any:
    return state.fill_null(0)


def _bigint(_: Types) -> SqlType:
    return BIGINT


# Sum and avg


def sum_state(types: Types) -> SqlType:
    """What a running sum is kept in: Int128 for decimals and bigint, 64 bits where those suffice."""
    t = types[0]
    if isinstance(t, Decimal):
        return Decimal(MAX_PRECISION, t.scale)
    if isinstance(t, (BigInt, DayTimeInterval)):
        return Decimal(MAX_PRECISION, 0)
    return DOUBLE if isinstance(t, Fractional) else BIGINT


def _sum_type(types: Types, _: Any = None) -> SqlType:
    t = types[0]
    if isinstance(t, Decimal):
        return Decimal(min(t.precision + 10, MAX_PRECISION), t.scale)
    if isinstance(t, Integral):
        return BIGINT
    return DOUBLE if isinstance(t, Fractional) else t


def _avg_type(types: Types, _: Any = None) -> SqlType:
    t = types[0]
    if isinstance(t, Decimal):
        return Decimal(min(t.precision + 4, MAX_PRECISION), min(t.scale + 4, MAX_PRECISION))
    if isinstance(t, YearMonthInterval):
        return YearMonthInterval()
    return DayTimeInterval() if isinstance(t, DayTimeInterval) else DOUBLE


def _sum_update(k: Any, a: Any) -> Any:
    if isinstance(k.type(0), DayTimeInterval):
        a = a.to_physical()
    return _null_if_empty(k, a, _guarded_sum(k, a if _is_narrow(k) else a.cast(_state_dtype(k))))


def _sum_merge(k: Any, state: Any) -> Any:
    return k.pl.when(state.count() > 0).then(_guarded_sum(k, state))


def _state_dtype(k: Any) -> Any:
    return k.dtype(sum_state((k.type(0),)))


def _largest_sum(k: Any) -> int:
    """The absolute value that the sum of an integer or decimal argument stays below."""
    return max(map(abs, argument_bounds(k.call.args[0]))) * ENOUGH_ROWS


def _is_narrow(k: Any) -> bool:
    """Whether bigints are so small that 64 bits hold their sum (Int128 takes 2.5x as long)."""
    return isinstance(k.type(0), BigInt) and _largest_sum(k) < 2**63


def _guarded_sum(k: Any, wide: Any) -> Any:
    """The sum; past Int128 the largest value, which `final` reports, instead of a wrapped one."""
    pl = k.pl
    if not isinstance(k.type(0), Decimal) or _largest_sum(k) <= 10**MAX_PRECISION:
        return wide.sum()
    lost = wide.cast(pl.Float64).sum().abs() >= 1.6e38
    return pl.when(lost).then(pl.lit(2**127 - 1, dtype=pl.Int128)).otherwise(wide.sum())


def _null_if_empty(k: Any, a: Any, value: Any) -> Any:
    if k.solid(0):
        return value
    return k.pl.when(a.count() > 0).then(value)


def _sum_overflow(k: Any, state: Any) -> Any | None:
    """Where a sum left its result type, or None when it cannot."""
    pl, t, result = k.pl, k.type(0), k.call.type
    if isinstance(t, Decimal):
        limit = 10**MAX_PRECISION
        return state.abs() >= k.pl.lit(limit, dtype=k.pl.Int128) if _largest_sum(k) > limit else None
    if isinstance(t, BigInt) and isinstance(result, BigInt):
        if _is_narrow(k):
            return None
        return (state > 2**63 - 1) | (state < -(2**63))
    if isinstance(t, Interval):
        top = (1 << (31 if isinstance(t, YearMonthInterval) else 63)) - 1
        return (state > pl.lit(top, pl.Int128)) | (state < pl.lit(-top - 1, pl.Int128))
    return None


def _sum_final(k: Any, state: Any) -> Any:
    bad = _sum_overflow(k, state)
    if bad is not None:
        state = k.raise_if(bad, _overflow(k), state)
    return _as_result(k, state)


def _overflow(k: Any) -> str:
    interval = isinstance(k.type(0), Interval)
    return "INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION" if interval else "ARITHMETIC_OVERFLOW"


def _as_result(k: Any, state: Any) -> Any:
    pl = k.pl
    if isinstance(k.type(0), DayTimeInterval):
        state = state.cast(pl.Int64, strict=False)
    return state.cast(k.dtype(k.call.type))


def _try_sum_final(k: Any, state: Any) -> Any:
    bad = _sum_overflow(k, state)
    if bad is not None:
        state = k.pl.when(~bad).then(state)
    return _as_result(k, state)


def _avg_final(k: Any, total: Any, count: Any) -> Any:
    pl, t = k.pl, k.type(0)
    if isinstance(t, Decimal):
        value = _divide_half_up(pl, total, count, k.call.type.scale - t.scale)
        return k.raise_if(_avg_overflow(k, total, count), "ARITHMETIC_OVERFLOW", value)
    if isinstance(t, (YearMonthInterval, DayTimeInterval)):
        bad = _sum_overflow(k, total)
        total = k.raise_if(bad, _overflow(k), total)
        return _divide_half_up(pl, total.cast(pl.Int128), count, 0).cast(pl.Int64).cast(k.dtype(t))
    return total.cast(pl.Float64) / pl.when(count > 0).then(count)


def _try_avg_final(k: Any, total: Any, count: Any) -> Any:
    if isinstance(k.type(0), Interval):
        fits: Any = _sum_overflow(k, total)
        total = k.pl.when(~fits).then(total)
    if not isinstance(k.type(0), Decimal):
        return _avg_final(k, total, count)
    value = _divide_half_up(k.pl, total, count, k.call.type.scale - k.type(0).scale)
    return k.pl.when(~_avg_overflow(k, total, count)).then(value)


def _avg_overflow(k: Any, total: Any, count: Any) -> Any:
    pl, result = k.pl, k.call.type
    limit = 10.0 ** (result.precision - (result.scale - k.type(0).scale))
    lost = total.cast(pl.Float64).abs() / count >= limit
    return lost | (total == 2**127 - 1) if _largest_sum(k) > 10**MAX_PRECISION else lost


def _divide_half_up(pl: Any, total: Any, count: Any, digits: int) -> Any:
    """`total * 10^digits / count` rounded half away from zero, without leaving Int128 on the way."""
    n = pl.when(count > 0).then(count).cast(pl.Int128)
    size = total.abs()
    whole = size // n
    rest = size - whole * n
    factor = pl.lit(10**digits, dtype=pl.Int128)
    two = pl.lit(2, dtype=pl.Int128)
    value = whole * factor + (rest * factor * two + n) // (n * two)
    return pl.when(total < 0).then(pl.lit(0, dtype=pl.Int128) - value).otherwise(value)


SUM = AggState("sum", sum_state, _sum_update, _sum_merge)
COUNT = AggState("count", _bigint, _count, _total)
COUNT_IF = AggState("count", _bigint, _count_if, _total)


FUNCTIONS: tuple[Function, ...] = (
    aggregate_row(
        "count",
        "any... -> bigint",
        "Number of rows, or of rows where every argument is not NULL; `count(*)` counts all rows.",
        "count(x), count(*) FROM VALUES (1), (NULL) AS t(x)",
        nullable=never,
        states=(COUNT,),
        final=_or_zero,
        strict=False,
    ),
    aggregate_row(
        "count_if",
        "boolean -> bigint",
        "Number of rows for which the condition is true.",
        "count_if(x > 1) FROM VALUES (1), (2), (3) AS t(x)",
        nullable=never,
        states=(COUNT_IF,),
        final=_or_zero,
        example_result="2",
    ),
    aggregate_row(
        "approx_count_distinct",
        "any, [double] -> bigint",
        "Number of distinct non-NULL values (computed exactly; the error bound is accepted and met).",
        "approx_count_distinct(x) FROM VALUES (1), (1), (3) AS t(x)",
        nullable=never,
        lower=_approx_count_distinct,
        example_result="2",
    ),
    aggregate_row(
        "sum",
        "num -> fn | interval -> fn",
        "Sum of the non-NULL values; NULL when there are none. Overflow is an error.",
        "sum(x) FROM VALUES (1), (2), (NULL) AS t(x)",
        returns=_sum_type,
        states=(SUM,),
        final=_sum_final,
        fallible=True,
        example_result="3",
    ),
    aggregate_row(
        "try_sum",
        "num -> fn | interval -> fn",
        "Sum of the non-NULL values; NULL on overflow.",
        "try_sum(x) FROM VALUES (1), (2) AS t(x)",
        returns=_sum_type,
        states=(SUM,),
        final=_try_sum_final,
        example_result="3",
    ),
    aggregate_row(
        "avg",
        "num -> fn | interval -> fn",
        "Mean of the non-NULL values; decimals keep four more digits.",
        "avg(x) FROM VALUES (1), (2), (NULL) AS t(x)",
        aliases=("mean",),
        returns=_avg_type,
        states=(SUM, COUNT),
        final=_avg_final,
        fallible=True,
        example_result="1.5",
    ),
    aggregate_row(
        "try_avg",
        "num -> fn | interval -> fn",
        "Mean of the non-NULL values; NULL on overflow.",
        "try_avg(x) FROM VALUES (1), (2) AS t(x)",
        returns=_avg_type,
        states=(SUM, COUNT),
        final=_try_avg_final,
        example_result="1.5",
    ),
    *VALUES,
    *STATISTICS,
    *SKETCHES,
)
