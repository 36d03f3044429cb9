"""Statistical aggregates: moments, covariance and regression, percentiles, mode. Part of the aggregate table.

Moments are kept as one struct state per call: (n, mean, m2), or (n, mean_x, mean_y, cxy, m2x, m2y) for pairs,
merged by Chan's formula, so that partial aggregation loses no digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError
from sqlshell.functions.aggregate_row import aggregate_row
from sqlshell.functions.registry import AggState, Function
from sqlshell.types import (
    BIGINT,
    DAY_TIME,
    DOUBLE,
    YEAR_MONTH,
    Array,
    Field,
    Interval,
    SqlType,
    Struct,
    YearMonthInterval,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Types = tuple[SqlType, ...]


# One variable

_MOMENTS = Struct((Field("n", DOUBLE), Field("mean", DOUBLE), Field("m2", DOUBLE)))


def _moments(k: Any, a: Any) -> Any:
    pl = k.pl
    n = a.count().cast(pl.Float64)
    return pl.struct(n.alias("n"), a.mean().alias("mean"), (a.var(ddof=0) * n).alias("m2"))


def _merge_moments(k: Any, state: Any) -> Any:
    pl = k.pl
    n, mean, m2 = (state.struct.field(f) for f in ("n", "mean", "m2"))
    total = n.sum()
    center = (n * mean).sum() / total
    spread = m2.sum() + (n * (mean - center) ** 2).sum()
    return pl.struct(total.alias("n"), center.alias("mean"), spread.alias("m2"))


MOMENTS = AggState("moments", lambda _: _MOMENTS, _moments, _merge_moments)


def _variance(ddof: int, root: bool) -> Callable[..., Any]:
    def final(k: Any, state: Any) -> Any:
        n, m2 = state.struct.field("n"), state.struct.field("m2")
        value = m2 / (n - ddof)
        return k.pl.when(n > ddof).then(value.sqrt() if root else value)

    return final


def _variance_single(ddof: int, root: bool) -> Callable[..., Any]:
    def lower(k: Any, a: Any) -> Any:
        value = a.var(ddof=ddof)
        # polars gives a group without values 0.0
        return k.pl.when(a.count() > ddof).then(value.sqrt() if root else value)

    return lower


def _variance_row(name: str, what: str, ddof: int, root: bool, result: str, *aliases: str) -> Function:
    return aggregate_row(
        name,
        "double -> double",
        f"The {what} of the non-NULL values; NULL when there are too few.",
        f"{name}(x) FROM VALUES (1), (2), (3), (4) AS t(x)",
        aliases=aliases,
        lower=_variance_single(ddof, root),
        states=(MOMENTS,),
        final=_variance(ddof, root),
        example_result=result,
    )


def _central(a: Any, power: int) -> Any:
    return ((a - a.mean()) ** power).sum()


def _skewness(k: Any, a: Any) -> Any:
    m2 = _central(a, 2)
    value = a.count().cast(k.pl.Float64).sqrt() * _central(a, 3) / (m2**3).sqrt()
    return k.pl.when((a.count() > 0) & (m2 != 0)).then(value)


def _kurtosis(k: Any, a: Any) -> Any:
    m2 = _central(a, 2)
    value = a.count() * _central(a, 4) / (m2 * m2) - 3.0
    return k.pl.when((a.count() > 0) & (m2 != 0)).then(value)


# Two variables

_PAIR_FIELDS = ("n", "mx", "my", "cxy", "m2x", "m2y")
_PAIR = Struct(tuple(Field(f, DOUBLE) for f in _PAIR_FIELDS))


def _pair_moments(k: Any, a: Any, b: Any) -> Any:
    pl = k.pl
    both = a.is_not_null() & b.is_not_null()
    x, y = a.filter(both), b.filter(both)
    dx, dy = x - x.mean(), y - y.mean()
    parts = (
        x.count().cast(pl.Float64),
        x.mean(),
        y.mean(),
        (dx * dy).sum(),
        (dx * dx).sum(),
        (dy * dy).sum(),
    )
    return pl.struct([e.alias(f) for f, e in zip(_PAIR_FIELDS, parts, strict=True)])


def _merge_pairs(k: Any, state: Any) -> Any:
    pl = k.pl
    n, mx, my, cxy, m2x, m2y = (state.struct.field(f) for f in _PAIR_FIELDS)
    total = n.sum()
    cx, cy = (n * mx).sum() / total, (n * my).sum() / total
    dx, dy = mx - cx, my - cy
    parts = (
        total,
        cx,
        cy,
        cxy.sum() + (n * dx * dy).sum(),
        m2x.sum() + (n * dx * dx).sum(),
        m2y.sum() + (n * dy * dy).sum(),
    )
    return pl.struct([e.alias(f) for f, e in zip(_PAIR_FIELDS, parts, strict=True)])


def _pair_row(name: str, doc: str, formula: Callable[..., Any], result: str | None = None) -> Function:
    """An aggregate over pairs; `formula(pl, n, mx, my, cxy, m2x, m2y)` from the merged moments."""

    def final(k: Any, state: Any) -> Any:
        return formula(k.pl, *(state.struct.field(f) for f in _PAIR_FIELDS))

    return aggregate_row(
        name,
        "double, double -> double",
        doc,
        f"{name}(y, x) FROM VALUES (3, 2), (5, 4), (8, 6) AS t(y, x)",
        states=(AggState("pair", lambda _: _PAIR, _pair_moments, _merge_pairs),),
        final=final,
        example_result=result,
    )


# In regr_*(y, x) the first argument is the dependent variable: the state's "x" is SQL's y.
_PAIRS = (
    _pair_row(
        "corr",
        "Pearson's correlation of the pairs without NULLs.",
        lambda pl, n, mx, my, c, xx, yy: pl.when((xx > 0) & (yy > 0)).then(c / (xx * yy).sqrt()),
    ),
    _pair_row(
        "covar_pop",
        "Population covariance of the pairs without NULLs.",
        lambda pl, n, mx, my, c, xx, yy: pl.when(n > 0).then(c / n),
    ),
    _pair_row(
        "covar_samp",
        "Sample covariance of the pairs without NULLs.",
        lambda pl, n, mx, my, c, xx, yy: pl.when(n > 1).then(c / (n - 1)),
        "5.0",
    ),
    _pair_row(
        "regr_avgx",
        "Mean of the second argument over pairs without NULLs.",
        lambda pl, n, my, mx, c, yy, xx: pl.when(n > 0).then(mx),
        "4.0",
    ),
    _pair_row(
        "regr_avgy",
        "Mean of the first argument over pairs without NULLs.",
        lambda pl, n, my, mx, c, yy, xx: pl.when(n > 0).then(my),
    ),
    _pair_row(
        "regr_sxx",
        "Sum of squared deviations of the second argument over pairs without NULLs.",
        lambda pl, n, my, mx, c, yy, xx: pl.when(n > 0).then(xx),
        "8.0",
    ),
    _pair_row(
        "regr_syy",
        "Sum of squared deviations of the first argument over pairs without NULLs.",
        lambda pl, n, my, mx, c, yy, xx: pl.when(n > 0).then(yy),
    ),
    _pair_row(
        "regr_sxy",
        "Sum of products of deviations over pairs without NULLs.",
        lambda pl, n, my, mx, c, yy, xx: pl.when(n > 0).then(c),
        "10.0",
    ),
    _pair_row(
        "regr_slope",
        "Slope of the least-squares line of the first argument over the second.",
        lambda pl, n, my, mx, c, yy, xx: pl.when(xx > 0).then(c / xx),
        "1.25",
    ),
    _pair_row(
        "regr_intercept",
        "Intercept of the least-squares line of the first argument over the second.",
        lambda pl, n, my, mx, c, yy, xx: pl.when(xx > 0).then(my - c / xx * mx),
    ),
    _pair_row(
        "regr_r2",
        "Coefficient of determination of the least-squares line.",
        lambda pl, n, my, mx, c, yy, xx: pl.when(xx > 0).then(
            pl.when(yy > 0).then(c * c / (xx * yy)).otherwise(1.0)
        ),
    ),
)


def _regr_count(k: Any, a: Any, b: Any) -> Any:
    return (a.is_not_null() & b.is_not_null()).sum().cast(k.pl.Int64)


# Percentiles


def _fractions(k: Any, i: int) -> tuple[float, ...] | float:
    """The percentage argument: one number, or a tuple of them."""
    many = isinstance(k.type(i), Array)
    value = k.constant(i, Array(DOUBLE) if many else DOUBLE)
    parts = tuple(value or ()) if many else (value,)
    if any(p is None or not 0 <= p <= 1 for p in parts):
        raise AnalysisError(
            f"{k.call.fn}: the percentage must be a constant between 0 and 1",
            condition="DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE",
            span=k.call.span,
        )
    return parts if many else parts[0]


def _each(k: Any, i: int, one: Callable[[float], Any], present: Any) -> Any:
    """`one` of each percentage, as an array when the argument is one."""
    fractions = _fractions(k, i)
    if isinstance(fractions, float):
        return one(fractions)
    return k.pl.when(present).then(k.pl.concat_list([one(p) for p in fractions]))


def _percentile(k: Any, a: Any, _: Any, *frequency: Any) -> Any:
    t = k.type(0)
    a = _number(t, a)
    values = a.drop_nulls()
    if frequency:
        kept = a.is_not_null() & (frequency[0] > 0)
        values = a.filter(kept).repeat_by(frequency[0].filter(kept)).explode()
    return _each(k, 1, lambda p: _between(k, t, values.quantile(p, interpolation="linear")), a.count() > 0)


def _number(t: SqlType, a: Any) -> Any:
    """What quantiles are taken of: an interval's months or microseconds."""
    return a.to_physical() if isinstance(t, Interval) else a


def _between(k: Any, t: SqlType, quantile: Any) -> Any:
    """A quantile as the result shows it: that of intervals is an interval, cut to whole units."""
    return quantile.cast(k.pl.Int64).cast(k.dtype(t)) if isinstance(t, Interval) else quantile


def _median(k: Any, a: Any) -> Any:
    t = k.type(0)
    return _between(k, t, _number(t, a).drop_nulls().quantile(0.5, interpolation="linear"))


def _percentile_cont(k: Any, _: Any) -> Any:
    key, a = _ordering(k)
    values = a.drop_nulls()

    def one(p: float) -> Any:
        found = values.quantile(p if key.ascending else 1 - p, interpolation="linear")
        return _between(k, key.expr.type, found)

    return _each(k, 0, one, a.count() > 0)


def _percentile_disc(k: Any, _: Any) -> Any:
    key, a = _ordering(k)
    values = a.drop_nulls().sort(descending=not key.ascending)
    return _each(k, 0, lambda p: _between(k, key.expr.type, _discrete(k, values, p)), a.count() > 0)


def _ordering(k: Any) -> tuple[Any, Any]:
    """The WITHIN GROUP key and its values as doubles, or as an interval's number."""
    if len(k.call.order_by) != 1:
        raise AnalysisError(
            f"{k.call.fn} needs WITHIN GROUP (ORDER BY one expression)",
            condition="INVALID_WITHIN_GROUP_EXPRESSION.WITHIN_GROUP_MISSING",
            span=k.call.span,
        )
    key = k.call.order_by[0]
    if isinstance(key.expr.type, Interval):
        return key, _number(key.expr.type, k.order_columns[0])
    return key, k.cast(k.order_columns[0], key.expr.type, DOUBLE)


def _discrete(k: Any, ordered: Any, p: float) -> Any:
    """The first value whose cumulative share reaches `p`."""
    position = (ordered.len() * p).ceil().cast(k.pl.Int64) - 1
    return ordered.get(k.pl.max_horizontal(position, k.pl.lit(0, dtype=k.pl.Int64)), null_on_oob=True)


def _percentile_approx(k: Any, a: Any, *_: Any) -> Any:
    values = a.drop_nulls().sort()
    return _each(k, 1, lambda p: _discrete(k, values, p), a.count() > 0)


def percentile_type(types: Types, _: Any) -> SqlType:
    """Of percentile (values, share), median (values) and percentile_cont (share)."""
    one: SqlType = DOUBLE
    if isinstance(types[0], Interval):
        one = YEAR_MONTH if isinstance(types[0], YearMonthInterval) else DAY_TIME
    return Array(one, False) if any(isinstance(t, Array) for t in types[:2]) else one


def _percentile_approx_type(types: Types, _: Any) -> SqlType:
    return Array(types[0], False) if isinstance(types[1], Array) else types[0]


def _mode(k: Any, *args: Any) -> Any:
    ties = args[0].drop_nulls().mode()
    return ties.sort(descending=any(not key.ascending for key in k.call.order_by)).first()


STATISTICS: tuple[Function, ...] = (
    _variance_row("stddev_samp", "sample standard deviation", 1, True, "1.2909944487358056", "stddev", "std"),
    _variance_row("stddev_pop", "population standard deviation", 0, True, "1.118033988749895"),
    _variance_row("var_samp", "sample variance", 1, False, "1.6666666666666667", "variance"),
    _variance_row("var_pop", "population variance", 0, False, "1.25"),
    aggregate_row(
        "skewness",
        "double -> double",
        "Skewness of the non-NULL values; NULL when they are all equal.",
        "skewness(x) FROM VALUES (-10), (-20), (100), (1000) AS t(x)",
        lower=_skewness,
        example_result="1.1135657469022011",
    ),
    aggregate_row(
        "kurtosis",
        "double -> double",
        "Excess kurtosis of the non-NULL values; NULL when they are all equal.",
        "kurtosis(x) FROM VALUES (-10), (-20), (100), (1000) AS t(x)",
        lower=_kurtosis,
        example_result="-0.7014368047529627",
    ),
    *_PAIRS,
    aggregate_row(
        "regr_count",
        "double, double -> bigint",
        "Number of pairs without NULLs.",
        "regr_count(y, x) FROM VALUES (1, 2), (2, NULL) AS t(y, x)",
        nullable=lambda _: False,
        states=(AggState("count", lambda _: BIGINT, _regr_count, lambda _, s: s.sum()),),
        final=lambda _, s: s.fill_null(0),
        example_result="1",
    ),
    aggregate_row(
        "percentile",
        "double, any, [bigint] -> fn | interval, any, [bigint] -> fn",
        "Exact percentile with linear interpolation; an array of percentages gives an array.",
        "percentile(x, 0.3) FROM VALUES (0), (10) AS t(x)",
        returns=percentile_type,
        lower=_percentile,
        example_result="3.0",
    ),
    aggregate_row(
        "median",
        "double -> double | interval -> fn",
        "The 50 % percentile with linear interpolation.",
        "median(x) FROM VALUES (0), (10) AS t(x)",
        returns=percentile_type,
        lower=_median,
        example_result="5.0",
    ),
    aggregate_row(
        "percentile_cont",
        "any -> fn",
        "Percentile with linear interpolation over WITHIN GROUP (ORDER BY ...).",
        "percentile_cont(0.25) WITHIN GROUP (ORDER BY x) FROM VALUES (0), (10) AS t(x)",
        returns=percentile_type,
        lower=_percentile_cont,
        example_result="2.5",
    ),
    aggregate_row(
        "percentile_disc",
        "any -> fn",
        "First value whose cumulative share reaches the percentage, over WITHIN GROUP (ORDER BY ...).",
        "percentile_disc(0.25) WITHIN GROUP (ORDER BY x) FROM VALUES (0), (10) AS t(x)",
        returns=percentile_type,
        lower=_percentile_disc,
        example_result="0.0",
    ),
    aggregate_row(
        "percentile_approx",
        "T, any, [bigint] -> fn",
        "First value whose cumulative share reaches the percentage (computed exactly).",
        "percentile_approx(x, array(0.5, 0.4, 0.1)) FROM VALUES (0), (1), (2), (10) AS t(x)",
        aliases=("approx_percentile",),
        returns=_percentile_approx_type,
        lower=_percentile_approx,
        example_result="[1,1,0]",
    ),
    aggregate_row(
        "mode",
        "T, [boolean] -> T",
        "The most frequent non-NULL value; the smallest of several.",
        "mode(x) FROM VALUES (0), (10), (10) AS t(x)",
        lower=_mode,
        example_result="10",
    ),
)
