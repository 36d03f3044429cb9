"""Aggregate functions: everyday ones here, the statistical family in `aggregate_stats.py`.

A lowering gets the aggregate view `k` of `exec/lower_agg.py`: `k.pl`, `k.call`, `k.type(i)`, `k.literal(i)`,
`k.solid(i)` (argument i surely has a value in every group), `k.keep` (the FILTER clause as a column, or None) and
`k.ordered(e)` (`e` in the call's WITHIN GROUP order). Arguments arrive NULL where FILTER excludes the row and
without repeats under DISTINCT. `update`, `merge` and `lower` are aggregations; `final` works on their results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.functions.aggregate_stats import STATISTICS
from sqlshell.functions.registry import AggState, Function
from sqlshell.types import (
    BIGINT,
    BOOLEAN,
    DAY_TIME,
    DOUBLE,
    MAX_PRECISION,
    Array,
    BigInt,
    DayTimeInterval,
    Decimal,
    Field,
    Fractional,
    Integral,
    Map,
    SqlType,
    Struct,
    YearMonthInterval,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Types = tuple[SqlType, ...]

SAFE_SUM_PRECISION = MAX_PRECISION - 10
"""Sums of decimals up to this precision need 10^10 rows to leave 38 digits."""


def _never(_: tuple[bool, ...]) -> bool:
    return False


def _always(_: tuple[bool, ...]) -> bool:
    return True


def _aggregate(name: str, sig: str, doc: str, example: str, **more: Any) -> Function:
    more.setdefault("nullable", _always)
    return Function(name, sig, doc, example, kind="aggregate", **more)


# --- count -------------------------------------------------------------------------------------------------------


def _count(k: Any, *args: Any) -> Any:
    pl = k.pl
    needed = [a for i, a in enumerate(args) if not k.solid(i)]
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


# --- sum and avg -------------------------------------------------------------------------------------------------


def sum_state(types: Types) -> SqlType:
    """What a running sum is kept in: Int128 for decimals and bigint, 64 bits for what cannot overflow them."""
    t = types[0]
    if isinstance(t, Decimal):
        return Decimal(MAX_PRECISION, t.scale)
    if isinstance(t, BigInt):
        return Decimal(MAX_PRECISION, 0)
    if isinstance(t, DayTimeInterval):
        return DAY_TIME
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
    wide = a.cast(k.dtype(sum_state((k.type(0),))))
    return _null_if_empty(k, a, _guarded_sum(k, wide))


def _sum_merge(k: Any, state: Any) -> Any:
    return k.pl.when(state.count() > 0).then(_guarded_sum(k, state))


def _guarded_sum(k: Any, wide: Any) -> Any:
    """The sum; past Int128 the largest value, which `final` reports, instead of a wrapped one."""
    pl, t = k.pl, k.type(0)
    if not isinstance(t, Decimal) or t.precision <= SAFE_SUM_PRECISION:
        return wide.sum()
    lost = wide.cast(pl.Float64).sum().abs() >= 1.6e38
    return pl.when(lost).then(pl.lit(2**127 - 1, dtype=pl.Int128)).otherwise(wide.sum())


def _null_if_empty(k: Any, a: Any, value: Any) -> Any:
    if k.solid(0):
        return value
    return k.pl.when(a.count() > 0).then(value)


def _sum_overflow(k: Any, state: Any) -> Any | None:
    """Where a sum left its result type, or None when it cannot."""
    t, result = k.type(0), k.call.type
    if isinstance(t, Decimal):
        limit = 10**MAX_PRECISION
        return state.abs() >= k.pl.lit(limit, dtype=k.pl.Int128) if t.precision > SAFE_SUM_PRECISION else None
    if isinstance(t, BigInt) and isinstance(result, BigInt):
        return (state > 2**63 - 1) | (state < -(2**63))
    if isinstance(t, YearMonthInterval):
        return (state > 2**31 - 1) | (state < -(2**31))
    return None


def _sum_final(k: Any, state: Any) -> Any:
    bad = _sum_overflow(k, state)
    if bad is not None:
        state = k.raise_if(bad, "ARITHMETIC_OVERFLOW", state)
    return state.cast(k.dtype(k.call.type))


def _try_sum_final(k: Any, state: Any) -> Any:
    bad = _sum_overflow(k, state)
    if bad is not None:
        state = k.pl.when(~bad).then(state)
    return state.cast(k.dtype(k.call.type))


def _avg_final(k: Any, total: Any, count: Any) -> Any:
    pl, t = k.pl, k.type(0)
    if isinstance(t, Decimal):
        value = _divide_half_up(pl, total, count, k.call.type.scale - t.scale)
        return k.raise_if(_avg_overflow(k, total, count), "ARITHMETIC_OVERFLOW", value)
    if isinstance(t, (YearMonthInterval, DayTimeInterval)):
        return (
            _divide_half_up(pl, total.cast(pl.Int64).cast(pl.Int128), count, 0)
            .cast(pl.Int64)
            .cast(k.dtype(t))
        )
    return total.cast(pl.Float64) / pl.when(count > 0).then(count)


def _try_avg_final(k: Any, total: Any, count: Any) -> Any:
    if not isinstance(k.type(0), Decimal):
        return _avg_final(k, total, count)
    value = _divide_half_up(k.pl, total, count, k.call.type.scale - k.type(0).scale)
    return k.pl.when(~_avg_overflow(k, total, count)).then(value)


def _avg_overflow(k: Any, total: Any, count: Any) -> Any:
    pl, result = k.pl, k.call.type
    limit = 10.0 ** (result.precision - (result.scale - k.type(0).scale))
    lost = total.cast(pl.Float64).abs() / count >= limit
    return lost | (total == 2**127 - 1) if k.type(0).precision > SAFE_SUM_PRECISION else lost


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


# --- min, max, first, last ---------------------------------------------------------------------------------------


def _same(types: Types, _: Any = None) -> SqlType:
    return types[0]


def _nested(t: SqlType) -> bool:
    return isinstance(t, (Array, Struct, Map))


def _max(k: Any, a: Any) -> Any:
    if _nested(k.type(0)):
        return a.drop_nulls().sort().last()
    return a.nan_max() if isinstance(k.type(0), Fractional) else a.max()


def _min(k: Any, a: Any) -> Any:
    return a.drop_nulls().sort().first() if _nested(k.type(0)) else a.min()


def _identity(_: Any, state: Any) -> Any:
    return state


def _rows(k: Any, a: Any) -> Any:
    """`a` over the rows FILTER keeps; without NULLs when the call ignores them."""
    if k.call.ignore_nulls or k.literal(1) is True:
        return a.drop_nulls()
    return a if k.keep is None else a.filter(k.keep)


def _first(k: Any, a: Any, *_: Any) -> Any:
    return _rows(k, a).first()


def _last(k: Any, a: Any, *_: Any) -> Any:
    return _rows(k, a).last()


def _box_type(types: Types) -> SqlType:
    return Struct((Field("value", types[0]),))


def _box(k: Any, a: Any) -> Any:
    """One-field structs: a NULL value is a value, a NULL struct is none."""
    boxed = k.pl.struct(a.alias("value"))
    if k.call.ignore_nulls or k.literal(1) is True:
        return boxed.filter(a.is_not_null())
    return boxed if k.keep is None else boxed.filter(k.keep)


def _first_boxed(k: Any, a: Any, *_: Any) -> Any:
    return _box(k, a).first()


def _last_boxed(k: Any, a: Any, *_: Any) -> Any:
    return _box(k, a).last()


def _merge_first(_: Any, state: Any) -> Any:
    return state.drop_nulls().first()


def _merge_last(_: Any, state: Any) -> Any:
    return state.drop_nulls().last()


def _unbox(_: Any, state: Any) -> Any:
    return state.struct.field("value")


def _max_by(k: Any, value: Any, key: Any) -> Any:
    if isinstance(k.type(1), Fractional) or _nested(k.type(1)):
        return value.filter(key.is_not_null()).sort_by(key.drop_nulls(), maintain_order=True).last()
    return value.max_by(key)


def _min_by(k: Any, value: Any, key: Any) -> Any:
    if isinstance(k.type(1), Fractional) or _nested(k.type(1)):
        return value.filter(key.is_not_null()).sort_by(key.drop_nulls(), maintain_order=True).first()
    return value.min_by(key)


# --- booleans and bits -------------------------------------------------------------------------------------------


def _all(_: Any, a: Any) -> Any:
    return a.min()


def _any(_: Any, a: Any) -> Any:
    return a.max()


MIN = AggState("min", _same, _min, _min)
MAX = AggState("max", _same, _max, _max)
ALL = AggState("all", lambda _: BOOLEAN, _all, _all)
ANY = AggState("any", lambda _: BOOLEAN, _any, _any)


def _bit(method: str) -> Callable[..., Any]:
    def aggregate(_: Any, a: Any) -> Any:
        return getattr(a, method)()

    return aggregate


def _bit_row(name: str, word: str, result: str) -> Function:
    step = _bit(f"bitwise_{word}")
    return _aggregate(
        f"bit_{word}",
        "integral -> fn",
        f"Bitwise {name} of all non-NULL values.",
        f"bit_{word}(x) FROM VALUES (3), (5) AS t(x)",
        returns=_same,
        states=(AggState("bits", _same, step, step),),
        final=_identity,
        example_result=result,
    )


# --- collections -------------------------------------------------------------------------------------------------


def _array_of(types: Types, _: Any = None) -> SqlType:
    return Array(types[0], False)


def _collect_list(k: Any, a: Any) -> Any:
    return k.ordered(a).drop_nulls().implode()


def _collect_set(_: Any, a: Any) -> Any:
    return a.drop_nulls().unique(maintain_order=True).implode()


def _listagg(k: Any, a: Any, *_: Any) -> Any:
    delimiter = k.literal(1) if len(k.call.args) > 1 else ""
    joined = k.ordered(a).str.join("" if delimiter is None else delimiter, ignore_nulls=True)
    return k.pl.when(a.count() > 0).then(joined)


FUNCTIONS: tuple[Function, ...] = (
    _aggregate(
        "count",
        "any... -> bigint",
        "Number of rows, or of rows where every argument is not NULL; `count(*)` counts all rows.",
        "count(x), count(*) FROM VALUES (1), (NULL) AS t(x)",
        nullable=_never,
        states=(COUNT,),
        final=_or_zero,
        strict=False,
    ),
    _aggregate(
        "count_if",
        "boolean -> bigint",
        "Number of rows for which the condition is true.",
        "count_if(x > 1) FROM VALUES (1), (2), (3) AS t(x)",
        nullable=_never,
        states=(COUNT_IF,),
        final=_or_zero,
        example_result="2",
    ),
    _aggregate(
        "approx_count_distinct",
        "any, [double] -> bigint",
        "Number of distinct non-NULL values (computed exactly; the error bound is accepted and met).",
        "approx_count_distinct(x) FROM VALUES (1), (1), (3) AS t(x)",
        nullable=_never,
        lower=_approx_count_distinct,
        example_result="2",
    ),
    _aggregate(
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
    _aggregate(
        "try_sum",
        "num -> fn | interval -> fn",
        "Sum of the non-NULL values; NULL on overflow.",
        "try_sum(x) FROM VALUES (1), (2) AS t(x)",
        returns=_sum_type,
        states=(SUM,),
        final=_try_sum_final,
        example_result="3",
    ),
    _aggregate(
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
    _aggregate(
        "try_avg",
        "num -> fn | interval -> fn",
        "Mean of the non-NULL values; NULL on overflow.",
        "try_avg(x) FROM VALUES (1), (2) AS t(x)",
        returns=_avg_type,
        states=(SUM, COUNT),
        final=_try_avg_final,
        example_result="1.5",
    ),
    _aggregate(
        "min",
        "T -> T",
        "Smallest non-NULL value; NaN is greater than every number.",
        "min(x) FROM VALUES (10), (-1), (20) AS t(x)",
        states=(MIN,),
        final=_identity,
        example_result="-1",
    ),
    _aggregate(
        "max",
        "T -> T",
        "Largest non-NULL value; NaN is greater than every number.",
        "max(x) FROM VALUES (10), (-1), (20) AS t(x)",
        states=(MAX,),
        final=_identity,
        example_result="20",
    ),
    _aggregate(
        "first",
        "T, [boolean] -> T",
        "Value of the first row of the group; with IGNORE NULLS (or true) the first non-NULL one.",
        "first(x) FROM VALUES (10), (5) AS t(x)",
        aliases=("first_value",),
        ordered=True,
        lower=_first,
        states=(AggState("first", _box_type, _first_boxed, _merge_first),),
        final=_unbox,
        strict=False,
        example_result="10",
    ),
    _aggregate(
        "any_value",
        "T, [boolean] -> T",
        "Some value of the group; with IGNORE NULLS (or true) a non-NULL one.",
        "any_value(x) FROM VALUES (10), (10) AS t(x)",
        lower=_first,
        states=(AggState("first", _box_type, _first_boxed, _merge_first),),
        final=_unbox,
        strict=False,
        example_result="10",
    ),
    _aggregate(
        "last",
        "T, [boolean] -> T",
        "Value of the last row of the group; with IGNORE NULLS (or true) the last non-NULL one.",
        "last(x) FROM VALUES (10), (5) AS t(x)",
        aliases=("last_value",),
        ordered=True,
        lower=_last,
        states=(AggState("last", _box_type, _last_boxed, _merge_last),),
        final=_unbox,
        strict=False,
        example_result="5",
    ),
    _aggregate(
        "max_by",
        "T, U -> T",
        "The first argument where the second is largest.",
        "max_by(x, y) FROM VALUES ('a', 10), ('b', 50), ('c', 20) AS t(x, y)",
        lower=_max_by,
        strict=False,
        example_result="b",
    ),
    _aggregate(
        "min_by",
        "T, U -> T",
        "The first argument where the second is smallest.",
        "min_by(x, y) FROM VALUES ('a', 10), ('b', 50), ('c', 20) AS t(x, y)",
        lower=_min_by,
        strict=False,
        example_result="a",
    ),
    _aggregate(
        "bool_and",
        "boolean -> boolean",
        "Whether all non-NULL values are true.",
        "bool_and(x) FROM VALUES (true), (false) AS t(x)",
        aliases=("every",),
        states=(ALL,),
        final=_identity,
        example_result="false",
    ),
    _aggregate(
        "bool_or",
        "boolean -> boolean",
        "Whether any value is true.",
        "bool_or(x) FROM VALUES (true), (false) AS t(x)",
        aliases=("some", "any"),
        states=(ANY,),
        final=_identity,
        example_result="true",
    ),
    _bit_row("AND", "and", "1"),
    _bit_row("OR", "or", "7"),
    _bit_row("XOR", "xor", "6"),
    _aggregate(
        "collect_list",
        "T -> fn",
        "Array of the non-NULL values.",
        "collect_list(x) FROM VALUES (1), (2), (1) AS t(x)",
        aliases=("array_agg",),
        returns=_array_of,
        nullable=_never,
        ordered=True,
        lower=_collect_list,
        example_result="[1,2,1]",
    ),
    _aggregate(
        "collect_set",
        "T -> fn",
        "Array of the distinct non-NULL values.",
        "collect_set(x) FROM VALUES (1), (2), (1) AS t(x)",
        returns=_array_of,
        nullable=_never,
        ordered=True,
        lower=_collect_set,
        example_result="[1,2]",
    ),
    _aggregate(
        "listagg",
        "string, [string] -> string",
        "The non-NULL values joined by the delimiter, in the order of WITHIN GROUP (ORDER BY ...).",
        "listagg(x, '-') WITHIN GROUP (ORDER BY x) FROM VALUES ('b'), ('a') AS t(x)",
        aliases=("string_agg",),
        ordered=True,
        lower=_listagg,
        example_result="a-b",
    ),
    *STATISTICS,
)
