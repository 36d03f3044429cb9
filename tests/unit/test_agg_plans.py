"""Aggregation over hand-made plans: one phase, and partial plus final, give SQL's answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from sqlshell.exec.grouping_sets import pre_aggregated
from sqlshell.exec.lower_agg import lower_aggregate, lower_final, lower_partial
from sqlshell.exec.lower_expr import Kernel
from sqlshell.exec.physical import FinalAggregate, PartialAggregate
from sqlshell.exec.piece import can_split
from sqlshell.expr.expr import AggCall, Column, Expr, Literal
from sqlshell.functions import registry
from sqlshell.plan.logical import Aggregate, Expand, Named, Values, fresh_column, fresh_id
from sqlshell.types import BIGINT, BOOLEAN, DOUBLE, INT, STRING, Array, Decimal, SqlType

NAN = float("nan")
DEC = Decimal(15, 2)


def table(**columns: tuple[SqlType, list[Any]]) -> tuple[pl.LazyFrame, dict[str, Column], Values]:
    """A frame of kernel columns, the columns by name, and the plan node that would give them."""
    k = Kernel()
    cols = {n: Column(fresh_id(), n, t) for n, (t, _) in columns.items()}
    data = [pl.Series(f"c{cols[n].id}", v, dtype=k.dtype(t)) for n, (t, v) in columns.items()]
    return pl.DataFrame(data).lazy(), cols, Values(tuple(cols.values()), ())


def agg(fn: str, *args: Expr, to: SqlType | None = None, **more: Any) -> Named:
    """A named call; the type is the row's own when it computes one."""
    row = registry.get(fn)
    types = tuple(a.type for a in args)
    result = to or (row.returns(types, args) if row.returns else types[0] if types else BIGINT)
    call = AggCall(fn, args, result, **more)
    return Named(fresh_column(fn, call), call)


def run(lf: pl.LazyFrame, plan: Values, keys: list[Column], aggs: list[Named]) -> list[tuple[Any, ...]]:
    """The rows, sorted by key; also checks that two phases over three parts give the same."""
    k = Kernel()
    named_keys = tuple(Named(c, c) for c in keys)
    node = Aggregate(plan, named_keys, tuple(aggs))
    once = lower_aggregate(k, lf, node).collect(engine="streaming")
    assert once.columns == [f"c{c.id}" for c in node.output] or not node.output
    split = tuple(a for a in aggs if can_split(a))
    if split:
        rest = Aggregate(plan, named_keys, split)
        single = lower_aggregate(k, lf, rest).collect(engine="streaming")
        double = two_phases(k, lf, rest)
        order = [f"c{c.id}" for c in keys]
        if order:
            single, double = single.sort(order), double.sort(order)
        assert str(single.rows()) == str(double.rows())
    if keys:
        once = once.sort([f"c{c.id}" for c in keys], nulls_last=False)
    return once.rows()


def two_phases(k: Kernel, lf: pl.LazyFrame, node: Aggregate) -> pl.DataFrame:
    """The node's result by states of three parts of the rows."""
    states = tuple(
        tuple(
            Column(fresh_id(), s.suffix, s.type(tuple(x.type for x in a.expr.args)))
            for s in registry.get(a.expr.fn).states
        )
        for a in node.aggs
    )
    partial = PartialAggregate(node.input, node.keys, node.aggs, states)
    rows = lf.collect()
    size = max(1, -(-len(rows) // 3))
    parts = [rows.slice(i * size, size).lazy() for i in range(3)]
    sent = pl.concat([lower_partial(k, p, partial).collect(engine="streaming") for p in parts])
    final = FinalAggregate(partial, tuple(n.column for n in node.keys), node.aggs, states)
    return lower_final(k, sent.lazy(), final).collect(engine="streaming")


def test_sums_counts_and_means_by_group() -> None:
    lf, c, plan = table(
        g=(STRING, ["a", "a", "b", "b", None]),
        x=(INT, [1, 2, None, None, 5]),
        d=(DEC, [100, 201, None, 1, -1]),
    )
    aggs = [
        agg("sum", c["x"]),
        agg("avg", c["x"]),
        agg("count", c["x"], to=BIGINT),
        agg("count", Literal(1, INT), to=BIGINT),
        agg("sum", c["d"]),
        agg("avg", c["d"]),
        agg("min", c["d"]),
        agg("max", c["d"]),
    ]
    assert run(lf, plan, [c["g"]], aggs) == [
        (None, 5, 5.0, 1, 1, -1, -10000, -1, -1),
        ("a", 3, 1.5, 2, 2, 301, 1505000, 100, 201),
        ("b", None, None, 0, 2, 1, 10000, 1, 1),
    ]


def test_avg_of_decimals_rounds_half_away_from_zero() -> None:
    lf, c, plan = table(g=(INT, [1, 1, 1, 2, 2, 2]), d=(DEC, [1, 0, 1, -1, 0, -1]))
    assert run(lf, plan, [c["g"]], [agg("avg", c["d"])]) == [(1, 6667), (2, -6667)]


def test_no_keys_on_no_rows_gives_one_row() -> None:
    lf, c, plan = table(x=(INT, []), s=(STRING, []))
    aggs = [
        agg("count", Literal(1, INT), to=BIGINT),
        agg("sum", c["x"]),
        agg("max", c["s"]),
        agg("avg", c["x"]),
        agg("collect_list", c["x"]),
        agg("first", c["x"]),
        agg("stddev_samp", c["x"], to=DOUBLE),
    ]
    assert run(lf, plan, [], aggs) == [(0, None, None, None, [], None, None)]
    lf, c, plan = table(x=(INT, []), s=(STRING, []))
    assert run(lf, plan, [c["s"]], [agg("sum", c["x"])]) == []


def test_keys_without_aggregates_are_distinct() -> None:
    lf, c, plan = table(a=(DOUBLE, [NAN, -NAN, -0.0, 0.0, None, None]))
    rows = run(lf, plan, [c["a"]], [])
    assert [str(r[0]) for r in rows] == ["None", "0.0", "nan"]


def test_nan_is_the_greatest_number() -> None:
    lf, c, plan = table(x=(DOUBLE, [NAN, 1.0, None]), y=(DOUBLE, [NAN, NAN, NAN]), v=(INT, [1, 2, 3]))
    aggs = [agg("max", c["x"]), agg("min", c["x"]), agg("min", c["y"]), agg("max_by", c["v"], c["x"])]
    assert str(run(lf, plan, [], aggs)) == "[(nan, 1.0, nan, 1)]"


def test_filter_keeps_rows_before_every_aggregate() -> None:
    lf, c, plan = table(x=(INT, [1, 2, 3, None]), keep=(BOOLEAN, [True, None, True, True]))
    f = {"filter": c["keep"]}
    aggs = [
        agg("sum", c["x"], **f),
        agg("count", Literal(1, INT), to=BIGINT, **f),
        agg("count", c["x"], to=BIGINT, **f),
        agg("last", c["x"], **f),
        agg("first", c["x"], ignore_nulls=True, **f),
        agg("collect_list", c["x"], **f),
        agg("count", c["x"], to=BIGINT, distinct=True, **f),
    ]
    assert run(lf, plan, [], aggs) == [(4, 3, 2, None, 1, [1, 3], 2)]


def test_distinct_arguments_of_several_aggregates() -> None:
    lf, c, plan = table(g=(INT, [1, 1, 1, 1]), x=(INT, [1, 1, 2, None]), y=(DEC, [5, 7, 5, 5]))
    d = {"distinct": True}
    aggs = [
        agg("count", c["x"], to=BIGINT, **d),
        agg("sum", c["x"], **d),
        agg("avg", c["y"], **d),
        agg("count", c["x"], c["y"], to=BIGINT, **d),
        agg("sum", c["y"]),
        agg("count", Literal(1, INT), to=BIGINT),
    ]
    assert run(lf, plan, [c["g"]], aggs) == [(1, 2, 3, 60000, 3, 22, 4)]
    assert run(lf, plan, [], aggs) == [(2, 3, 60000, 3, 22, 4)]


def test_overflow_raises_or_gives_null() -> None:
    lf, c, plan = table(x=(BIGINT, [2**63 - 1, 1]))
    with pytest.raises(pl.exceptions.PolarsError, match="ARITHMETIC_OVERFLOW"):
        run(lf, plan, [], [agg("sum", c["x"])])
    assert run(lf, plan, [], [agg("try_sum", c["x"]), agg("avg", c["x"])]) == [(None, 2.0**62)]
    wide = Decimal(38, 0)
    lf, c, plan = table(x=(wide, [10**38 - 1] * 4))
    with pytest.raises(pl.exceptions.PolarsError, match="ARITHMETIC_OVERFLOW"):
        run(lf, plan, [], [agg("sum", c["x"])])
    assert run(lf, plan, [], [agg("try_sum", c["x"])]) == [(None,)]


def test_statistics() -> None:
    lf, c, plan = table(x=(DOUBLE, [1.0, 2.0, 3.0, 4.0, None]), y=(DOUBLE, [2.0, 4.0, 6.0, 9.0, 1.0]))
    names = ["stddev_samp", "stddev_pop", "var_samp", "var_pop"]
    got = run(lf, plan, [], [agg(n, c["x"], to=DOUBLE) for n in names])[0]
    assert got == pytest.approx((1.2909944487358056, 1.118033988749895, 5 / 3, 1.25))
    pairs = ["corr", "covar_pop", "covar_samp", "regr_slope", "regr_intercept", "regr_r2", "regr_count"]
    got = run(
        lf, plan, [], [agg(n, c["y"], c["x"], to=BIGINT if n == "regr_count" else DOUBLE) for n in pairs]
    )[0]
    assert got == pytest.approx((0.994377, 2.875, 3.8333333, 2.3, -0.5, 0.98878504, 4))


def test_percentiles_and_mode() -> None:
    lf, c, plan = table(x=(INT, [0, 1, 2, 10, None, 10]), d=(DOUBLE, [0.0, 1.0, 2.0, 10.0, None, 10.0]))
    half = Literal(0.5, DOUBLE)
    aggs = [
        agg("median", c["d"], to=DOUBLE),
        agg("percentile", c["d"], Literal((0.0, 0.25), Array(DOUBLE))),
        agg("percentile_approx", c["x"], half),
        agg("mode", c["x"]),
    ]
    assert run(lf, plan, [], aggs) == [(2.0, [0.0, 1.0], 2, 10)]


def test_booleans_bits_and_collections() -> None:
    lf, c, plan = table(b=(BOOLEAN, [True, None, False]), i=(INT, [6, 3, None]), s=(STRING, ["b", "a", None]))
    aggs = [
        agg("bool_and", c["b"]),
        agg("bool_or", c["b"]),
        agg("bit_and", c["i"]),
        agg("bit_or", c["i"]),
        agg("bit_xor", c["i"]),
        agg("count_if", c["b"], to=BIGINT),
        agg("listagg", c["s"], Literal(",", STRING), to=STRING),
        agg("collect_set", c["i"]),
    ]
    assert run(lf, plan, [], aggs) == [(False, True, 2, 7, 5, 1, "b,a", [6, 3])]


def test_equal_calls_share_their_states() -> None:
    lf, c, plan = table(x=(INT, [1, 2]))
    node = Aggregate(plan, (), (agg("sum", c["x"]), agg("avg", c["x"]), agg("sum", c["x"])))
    text = lower_aggregate(Kernel(), lf, node).explain()
    assert text.count("__s1") >= 1 and "__s2" not in text
    assert replace(node, aggs=()).output == ()


def test_grouping_sets_repeat_groups_not_rows() -> None:
    _, c, plan = table(a=(INT, []), x=(INT, []))
    key, number = Column(fresh_id(), "a", INT), Column(fresh_id(), "id", INT)
    projections = ((c["a"], Literal(0, INT), c["x"]), (Literal(None, INT), Literal(1, INT), c["x"]))
    expand = Expand(plan, (key, number, c["x"]), projections)
    keys = (Named(key, key), Named(number, number))
    final = pre_aggregated(Aggregate(expand, keys, (agg("sum", c["x"]),)))
    assert final is not None
    repeated = final.input
    assert isinstance(repeated, Expand)
    assert isinstance(repeated.input, PartialAggregate)
    assert [k.expr for k in repeated.input.keys] == [c["a"]]
    distinct = agg("sum", c["x"], distinct=True)
    assert pre_aggregated(Aggregate(expand, keys, (distinct,))) is None
