"""The optimizer's machinery on hand-made plans: the driver's checks, clones, facts, estimates, leaf paths."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import pytest

from sqlshell.config import Settings
from sqlshell.errors import AnalysisError, DataError, InternalError
from sqlshell.expr.expr import (
    FALSE,
    TRUE,
    AggCall,
    And,
    Call,
    Case,
    Cast,
    Column,
    Expr,
    GetField,
    Lambda,
    LambdaVar,
    Literal,
    Or,
    When,
    conjoin,
)
from sqlshell.optimizer import stats
from sqlshell.optimizer.batches import BATCHES, Batch
from sqlshell.optimizer.clone import clone
from sqlshell.optimizer.constants import literal_value
from sqlshell.optimizer.driver import DISABLED, check_decorrelated, optimize
from sqlshell.optimizer.leaf_paths import Demand, leaves_of
from sqlshell.optimizer.properties import equal, is_fallible, is_movable, refs, rejects_null
from sqlshell.optimizer.rule import OptimizerContext, Rule
from sqlshell.optimizer.rules.simplify_booleans import simplify
from sqlshell.plan.logical import (
    Aggregate,
    Apply,
    Filter,
    Join,
    Named,
    Plan,
    Project,
    Scan,
    Shared,
    fresh_column,
    fresh_id,
    named,
    passthrough,
)
from sqlshell.storage.source import ColumnStats, FileInfo, Source
from sqlshell.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    STRING,
    Array,
    DayTimeInterval,
    Decimal,
    Field,
    Map,
    Struct,
    YearMonthInterval,
)

if TYPE_CHECKING:
    from sqlshell.session import Session


class Context:
    """Settings, and constants that all turn out to be 7."""

    def __init__(self, disabled: str = "", fails: bool = False) -> None:
        self.settings = Settings()
        self.settings.set(DISABLED, disabled)
        self.fails = fails
        self.asked: list[Expr] = []

    def evaluate(self, exprs: list[Expr]) -> list[Literal]:
        self.asked += exprs
        if self.fails:
            raise DataError("no")
        return [Literal(7, e.type) for e in exprs]


def scan(name: str, rows: int, **columns: ColumnStats | None) -> Scan:
    """A scan of int columns with statistics."""
    fields = tuple(Field(c, INT) for c in columns)
    source = Source(
        name,
        "parquet",
        Struct(fields),
        (FileInfo(f"{name}.parquet", 1000, rows),),
        stats=tuple((c, s) for c, s in columns.items() if s is not None),
    )
    outputs = tuple(Column(fresh_id(), c, INT, True) for c in columns)
    return Scan(source, outputs, tuple(columns))


def less(a: Expr, b: Expr) -> Call:
    return Call("<", (a, b), BOOLEAN, True)


def integer(value: int) -> Literal:
    return Literal(value, INT)


# -- the driver


class Renames(Rule):
    """Breaks the output."""

    name = "renames"

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        return Project(plan, tuple(named(c.name, c) for c in plan.output))


class Invents(Rule):
    """Uses a column that nothing gives."""

    name = "invents"

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        stranger = Column(fresh_id(), "x", INT)
        return Filter(plan, less(stranger, integer(1)))


class Repeats(Rule):
    """Gives one column on both sides of a join."""

    name = "repeats"

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        return Project(Join(plan, plan, "cross"), tuple(passthrough(c) for c in plan.output))


class AddsFilter(Rule):
    """Changes something whenever it runs."""

    name = "adds_filter"
    needs: ClassVar[tuple[type, ...]] = (Scan,)

    def rewrite(self, plan: Plan, ctx: OptimizerContext) -> Plan:
        return Filter(plan, TRUE)


class ForJoins(AddsFilter):
    """The same where there is a join."""

    name = "for_joins"
    needs: ClassVar[tuple[type, ...]] = (Join,)


@pytest.mark.parametrize("rule", [Renames(), Invents(), Repeats()])
def test_a_rule_that_breaks_an_invariant_is_a_bug(rule: Rule) -> None:
    with pytest.raises(InternalError, match=rule.name):
        optimize(scan("t", 10, a=None), Context(), [Batch("one", (rule,))])


def test_the_trace_holds_effective_rules_and_rounds_end() -> None:
    result = optimize(scan("t", 10, a=None), Context(), [Batch("b", (AddsFilter(), ForJoins()), rounds=3)])
    assert [step.rule for step in result.trace] == ["adds_filter"] * 3
    assert result.trace[-1].plan is result.plan


def test_rules_can_be_switched_off_unless_required() -> None:
    batch = Batch("b", (AddsFilter(),))
    plan = scan("t", 10, a=None)
    assert optimize(plan, Context("adds_filter"), [batch]).plan is plan
    outer = scan("u", 10, b=None)
    inner = Filter(plan, equal(plan.output[0], outer.output[0]))
    apply = Apply(outer, inner, "semi")
    everything = ",".join(rule.name for b in BATCHES for rule in b.rules)
    assert not optimize(apply, Context(everything)).plan.collect(Apply)


def test_correlation_left_over_is_a_bug() -> None:
    outer, inner = scan("u", 10, b=None), scan("t", 10, a=None)
    with pytest.raises(InternalError, match="free columns"):
        check_decorrelated(Filter(inner, equal(inner.output[0], outer.output[0])))


# -- clones


def test_a_clone_shares_no_id_and_keeps_outer_references_apart() -> None:
    outer = Column(fresh_id(), "o", INT)
    t = scan("t", 10, a=None)
    # The subquery passes the outer column through under its own id.
    plan = Project(Filter(t, less(t.output[0], outer)), (passthrough(outer), named("x", t.output[0])))
    copy, mapping = clone(plan)
    assert not copy.output_ids & plan.output_ids
    assert [c.id for c in copy.free_columns] == [outer.id]
    assert copy.output[1].id == mapping[plan.output[1].id].id


def test_a_clone_of_a_shared_reader_reads_the_same_plan() -> None:
    t = scan("t", 10, a=None)
    shared = Shared(1, t, tuple(fresh_column("s", c) for c in t.output))
    copy, _ = clone(Filter(shared, less(shared.output[0], integer(1))))
    [reader] = copy.collect(Shared)
    assert reader.input is t and reader.key == 1
    assert not reader.output_ids & shared.output_ids


# -- facts about expressions


def test_what_can_fail_does_not_move() -> None:
    a, b = Column(1, "a", INT), Column(2, "b", DOUBLE)
    assert is_fallible(Call("+", (a, a), INT))
    assert not is_fallible(Call("+", (b, b), DOUBLE))
    assert is_fallible(Cast(Column(3, "s", STRING), INT))
    assert not is_fallible(Cast(a, BIGINT))
    assert not is_fallible(Cast(Column(3, "s", STRING), INT, safe=True))
    assert not is_movable(Call("rand", (), DOUBLE, False))
    nested = Case((When(equal(a, integer(0)), integer(0)),), Call("+", (a, a), INT), INT)
    assert is_fallible(nested)


def test_null_rejection() -> None:
    a, b = Column(1, "a", INT), Column(2, "b", INT)
    missing = frozenset({1})
    assert rejects_null(less(a, integer(3)), missing)
    assert rejects_null(And((less(a, integer(3)), equal(b, b))), missing)
    assert not rejects_null(Or((less(a, integer(3)), less(b, integer(3)))), missing)
    assert not rejects_null(Call("isnull", (a,), BOOLEAN, False), missing)
    assert rejects_null(Call("isnotnull", (a,), BOOLEAN, False), missing)
    assert not rejects_null(Call("<=>", (a, b), BOOLEAN, False), missing)
    assert rejects_null(Call("<=>", (a, integer(1)), BOOLEAN, False), missing)
    assert not rejects_null(Call("not", (Call("isnotnull", (a,), BOOLEAN, False),), BOOLEAN), missing)


def test_simplification_keeps_three_valued_logic() -> None:
    a = Column(1, "a", INT)
    unknown = Literal(None, BOOLEAN)
    assert simplify(And((unknown, TRUE))) == unknown
    assert simplify(And((unknown, FALSE))) == FALSE
    assert simplify(Or((unknown, TRUE))) == TRUE
    assert simplify(Call("not", (unknown,), BOOLEAN)) == unknown
    assert simplify(Call("not", (less(a, integer(1)),), BOOLEAN)) == Call(
        ">=", (a, integer(1)), BOOLEAN, True
    )
    both = Or((And((less(a, integer(1)), equal(a, a))), less(a, integer(1))))
    assert simplify(both) == less(a, integer(1))


def test_constants_that_need_no_worker() -> None:
    day = Literal(datetime.date(2024, 1, 31), DATE)
    month = Literal(1, YearMonthInterval())
    assert literal_value(Call("+", (day, month), DATE)) == Literal(datetime.date(2024, 2, 29), DATE)
    hour = Literal(3_600_000_000, DayTimeInterval())
    assert literal_value(Call("+", (day, hour), DATE)) is None
    assert literal_value(Cast(Literal("2024-02-30", STRING), DATE)) is None
    top = Literal(2**31 - 1, INT)
    assert literal_value(Call("+", (top, integer(1)), INT)) is None
    assert literal_value(Cast(integer(5), Decimal(3, 1))) is not None
    assert literal_value(Cast(integer(500), Decimal(3, 1))) is None
    assert literal_value(equal(integer(1), Literal(None, INT))) == Literal(None, BOOLEAN)


def test_constants_are_computed_in_one_batch_and_left_when_they_fail() -> None:
    t = scan("t", 10, a=None)
    constant = Call("length", (Literal("abc", STRING),), INT)
    plan = Filter(t, conjoin([equal(t.output[0], constant), less(t.output[0], constant)]))
    ctx = Context()
    folded = optimize(plan, ctx).plan
    assert len(ctx.asked) == 2
    assert all(not refs(e) or integer(7) in list(e.walk()) for n in folded.walk() for e in n.exprs)
    failing = Context(fails=True)
    again = Filter(t, equal(t.output[0], replace(constant)))
    kept = optimize(again, failing).plan
    assert any(constant in list(e.walk()) for n in kept.walk() for e in n.exprs)


# -- estimates


def test_estimates_follow_statistics() -> None:
    t = scan("t", 1000, id=ColumnStats(0, 999, 0), k=ColumnStats(0, 9, 0, 10))
    key, group = t.output
    assert stats.rows(t) == 1000
    assert stats.rows(Filter(t, equal(group, integer(3)))) == pytest.approx(100)
    assert stats.rows(Filter(t, equal(group, integer(99)))) == 1
    assert stats.rows(Filter(t, less(key, integer(100)))) == pytest.approx(100, rel=0.1)
    bounds = conjoin([Call(">=", (key, integer(100)), BOOLEAN), less(key, integer(200))])
    assert stats.rows(Filter(t, bounds)) == pytest.approx(100, rel=0.1)
    grouped = Aggregate(t, (Named(group, group),), ())
    assert stats.rows(grouped) == 10
    assert stats.estimate(t).bytes == 8000


def test_joins_with_a_key_keep_the_rows_of_the_other_side() -> None:
    facts = scan("f", 10_000, d=ColumnStats(100, 199, 0, 100))
    dates = scan("d", 1000, id=ColumnStats(0, 999, 0, 1000), year=ColumnStats(0, 9, 0, 10))
    on = equal(facts.output[0], dates.output[0])
    assert stats.rows(Join(facts, dates, "inner", on)) == pytest.approx(10_000)
    # One year of ten: its hundred days lie where the facts are.
    year = Filter(dates, equal(dates.output[1], integer(1)))
    assert stats.rows(Join(facts, year, "inner", on)) == pytest.approx(10_000)
    assert stats.rows(Join(facts, year, "left", on)) >= 10_000
    assert stats.rows(Join(facts, year, "semi", on)) <= 10_000


def test_composite_keys_are_not_multiplied() -> None:
    part = scan("ps", 800, p=ColumnStats(0, 199, 0, 200), s=ColumnStats(0, 9, 0, 10))
    lines = scan("l", 6000, p=ColumnStats(0, 199, 0, 200), s=ColumnStats(0, 9, 0, 10))
    on = conjoin([equal(a, b) for a, b in zip(lines.output, part.output, strict=True)])
    assert stats.rows(Join(lines, part, "inner", on)) == pytest.approx(6000, rel=0.5)


def test_aggregates_give_one_row_without_keys() -> None:
    t = scan("t", 1000, a=None)
    count = named("n", AggCall("count", (Literal(1, BIGINT),), BIGINT, False))
    assert stats.rows(Aggregate(t, (), (count,))) == 1


# -- leaf paths

ITEM = Struct((Field("e0", INT), Field("e1", STRING)))
ROW = Struct((Field("x", INT), Field("items", Array(ITEM)), Field("attrs", Map(STRING, ITEM))))
C = Column(1, "c", ROW)


def leaves(*needs: Expr) -> set[str] | None:
    """The leaf paths of column `c` that expressions need."""
    demand = Demand()
    for e in needs:
        demand.need(e)
    found = leaves_of("c", ROW, demand.of(C))
    return None if found is None else {".".join(p) for p in found}


def get(e: Expr, name: str, t: object) -> GetField:
    return GetField(e, name, t)  # type: ignore[arg-type]


ITEMS = get(C, "items", Array(ITEM))
ATTRS = get(C, "attrs", Map(STRING, ITEM))


def test_leaves_through_structs_arrays_and_maps() -> None:
    assert leaves(get(C, "x", INT)) == {"c.x"}
    assert leaves(get(ITEMS, "e0", Array(INT))) == {"c.items.[].e0"}
    value = Call("[]", (ATTRS, Literal("k", STRING)), ITEM)
    assert leaves(get(value, "e1", STRING)) == {"c.attrs.{}.key", "c.attrs.{}.value.e1"}
    assert leaves(get(Call("[]", (ITEMS, integer(0)), ITEM), "e1", STRING)) == {"c.items.[].e1"}
    assert leaves(Call("map_keys", (ATTRS,), Array(STRING))) == {"c.attrs.{}.key"}
    assert leaves(C) is None
    assert leaves(ITEMS) == {"c.items"}


def test_presence_needs_the_cheapest_leaf() -> None:
    assert leaves(Call("isnull", (C,), BOOLEAN)) == {"c.x"}
    assert leaves(Call("size", (ITEMS,), INT)) == {"c.items.[].e0"}
    assert leaves(Call("size", (ITEMS,), INT), get(ITEMS, "e1", Array(STRING))) == {"c.items.[].e1"}


def test_leaves_inside_lambdas() -> None:
    x = LambdaVar(fresh_id(), "x", ITEM)
    test = Lambda((x,), less(get(x, "e0", INT), integer(5)))
    assert leaves(Call("exists", (ITEMS, test), BOOLEAN)) == {"c.items.[].e0"}
    kept = Call("filter", (ITEMS, test), Array(ITEM))
    assert leaves(get(kept, "e1", Array(STRING))) == {"c.items.[].e0", "c.items.[].e1"}
    whole = Call("to_json", (ITEMS,), STRING)
    assert leaves(whole) == {"c.items"}
    acc, y = LambdaVar(fresh_id(), "acc", INT), LambdaVar(fresh_id(), "y", ITEM)
    merge = Lambda((acc, y), Call("+", (acc, get(y, "e0", INT)), INT))
    assert leaves(Call("aggregate", (ITEMS, integer(0), merge), INT)) == {"c.items.[].e0"}


def test_branches_of_one_column_are_whole() -> None:
    other = Literal(None, ROW)
    either = Case((When(TRUE, C),), other, ROW)
    assert leaves(get(either, "x", INT)) is None


def test_rules_that_do_not_exist_are_not_disabled(session: Session) -> None:
    with pytest.raises(AnalysisError) as caught:
        session.execute("SET sqlshell.optimizer.disabled = push_down_filter, push_down_limits")
    assert caught.value.hint is not None
    assert "`push_down_limit`" in caught.value.hint
    session.execute("SET sqlshell.optimizer.disabled = push_down_filter")
    session.execute("RESET sqlshell.optimizer.disabled")
