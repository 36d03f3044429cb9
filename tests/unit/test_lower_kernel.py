"""The Kernel's machinery: masks, sharing, decimals against exact arithmetic, errors, and the edges."""

from __future__ import annotations

import datetime as dt
import errno
import random
from decimal import Decimal as PyDecimal
from typing import Any

import polars as pl
import pytest

from sqlshell.errors import (
    CorruptInputError,
    DataError,
    DiskFullError,
    InternalError,
    OutOfMemoryError,
    SourceNotFound,
)
from sqlshell.exec import edge
from sqlshell.exec.collect import collect
from sqlshell.exec.errors import translate
from sqlshell.exec.lower_expr import Kernel
from sqlshell.exec.lower_types import dtype, literal, literal_series
from sqlshell.expr.expr import And, Call, Case, Cast, Column, Expr, In, Literal, Or, When
from sqlshell.functions import decimal_wide
from sqlshell.functions.fallible import can_fail
from sqlshell.plan.call import make_call
from sqlshell.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    STRING,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    Array,
    Decimal,
    Field,
    Map,
    SqlType,
    Struct,
)

A, B, S, F = Column(1, "a", INT), Column(2, "b", INT), Column(3, "s", STRING), Column(4, "f", DOUBLE)
FRAME = pl.DataFrame(
    {
        "c1": pl.Series([1, 0, None, 4], dtype=pl.Int32),
        "c2": pl.Series([2, 2, 2, 2**31 - 1], dtype=pl.Int32),
        "c3": ["1", "x", None, "4"],
        "c4": [1.0, float("nan"), None, -0.0],
    }
)


def values(e: Expr, frame: pl.DataFrame = FRAME, tz: str = "UTC") -> list[Any]:
    out = collect(frame.lazy().with_columns(Kernel(tz=tz).lower(e).alias("out")).select("out"))
    assert out.schema["out"] == dtype(e.type)
    return [edge.to_python(v, e.type) for v in out["out"].to_list()]


def error_of(e: Expr, frame: pl.DataFrame = FRAME) -> DataError:
    with pytest.raises(pl.exceptions.PolarsError) as caught:
        values(e, frame)
    found = translate(caught.value)
    assert isinstance(found, DataError)
    return found


def int_of(e: Expr, span: tuple[int, int] = (5, 9)) -> Cast:
    return Cast(e, INT, span=span)


def long(e: Expr) -> Expr:
    return Cast(e, BIGINT)


def lit(v: Any, t: SqlType = INT) -> Literal:
    return Literal(v, t)


def div(a: Expr, b: Expr) -> Expr:
    return make_call("div", [a, b], span=(0, 7))


# Masks: a branch that is not taken raises nothing


def test_an_untaken_branch_does_not_raise() -> None:
    guarded = Case((When(make_call("=", [A, lit(0)]), lit(0, BIGINT)),), div(lit(8), A), BIGINT)
    assert values(guarded) == [8, 0, None, 2]
    assert error_of(div(lit(8), A)).span == (0, 7)


def test_two_cases_share_a_failing_expression() -> None:
    digits = make_call("rlike", [S, lit("^[0-9]+$", STRING)])
    once = Case((When(digits, int_of(S)),), lit(-1), INT)
    both = make_call("+", [once, Case((When(digits, int_of(S)),), lit(-2), INT)])
    assert values(both) == [2, -3, -3, 8]


def test_and_or_in_order() -> None:
    nonzero = Call(">", (A, lit(0)), BOOLEAN)
    risky = Call(">", (div(lit(8), A), lit(2, BIGINT)), BOOLEAN)
    assert values(And((nonzero, risky))) == [True, False, None, False]
    assert values(Or((Call("=", (A, lit(0)), BOOLEAN), risky))) == [True, True, None, False]
    assert error_of(And((risky, nonzero))).condition == "DIVIDE_BY_ZERO"


def test_a_null_condition_still_evaluates_the_next_part() -> None:
    unknown = Literal(None, BOOLEAN)
    assert (
        error_of(And((unknown, Call(">", (div(lit(8), A), lit(2, BIGINT)), BOOLEAN)))).condition
        == "DIVIDE_BY_ZERO"
    )


def test_coalesce_evaluates_later_arguments_where_needed() -> None:
    assert values(make_call("coalesce", [A, int_of(S)])) == [1, 0, None, 4]
    assert error_of(make_call("coalesce", [int_of(S), A])).condition == "CAST_INVALID_INPUT"


def test_masks_nest() -> None:
    inner = Case((When(Call(">", (B, lit(2)), BOOLEAN), div(lit(8), A)),), lit(7, BIGINT), BIGINT)
    outer = Case((When(Call("=", (A, lit(0)), BOOLEAN), lit(0, BIGINT)),), inner, BIGINT)
    assert values(outer) == [7, 0, 7, 2]


def test_lists_are_blanked_with_their_hidden_values() -> None:
    frame = pl.DataFrame({"c1": pl.Series([1, 0], dtype=pl.Int32), "c5": [["1"], ["x"]]})
    texts = Column(5, "l", Array(STRING))
    e = Case(
        (When(Call(">", (A, lit(0)), BOOLEAN), Cast(texts, Array(INT))),), Literal((), Array(INT)), Array(INT)
    )
    assert values(e, frame) == [(1,), ()]


# Sharing


def test_nesting_stays_linear() -> None:
    e: Expr = A
    for _ in range(30):
        e = make_call("+", [e, B])
    text = str(Kernel().lower(e))
    assert len(text) < 60_000
    frame = pl.DataFrame({"c1": pl.Series([1], dtype=pl.Int32), "c2": pl.Series([2], dtype=pl.Int32)})
    assert values(e, frame) == [61]


def test_fallibility_follows_types() -> None:
    assert can_fail(make_call("+", [A, B]))
    assert not can_fail(make_call("+", [long(A), long(B)]))
    assert not can_fail(make_call("*", [Column(9, "d", Decimal(15, 2)), Column(9, "d", Decimal(15, 2))]))
    assert can_fail(make_call("*", [Column(9, "d", Decimal(20, 2)), Column(9, "d", Decimal(20, 2))]))
    assert not can_fail(make_call("+", [F, F]))
    assert not can_fail(make_call("/", [F, lit(2.0, DOUBLE)]))
    assert can_fail(make_call("/", [F, F]))


# Decimals


def _random_decimal(rng: random.Random, t: Decimal) -> PyDecimal:
    digits = rng.randint(1, t.precision)
    unscaled = rng.randrange(10**digits) * rng.choice([-1, 1])
    return edge.to_python(unscaled, t)  # type: ignore[no-any-return]


@pytest.mark.parametrize("op", ["+", "-", "*", "/", "%", "div"])
def test_decimals_are_exact(op: str) -> None:
    rng = random.Random(op)
    for _ in range(60):
        x, y = (Decimal(p, rng.randint(0, p)) for p in (rng.randint(1, 38), rng.randint(1, 38)))
        left, right = [[_random_decimal(rng, t) for _ in range(8)] for t in (x, y)]
        left, right = zip(*[(a, b) for a, b in zip(left, right, strict=True) if b], strict=True) or ((), ())
        frame = pl.DataFrame({"c1": literal_series(list(left), x), "c2": literal_series(list(right), y)})
        call = make_call(f"try_{_NAMES[op]}" if op in _NAMES else op, [Column(1, "x", x), Column(2, "y", y)])
        assert isinstance(call, Call)
        one = decimal_wide.exact(op, x, y, call.type)
        exact = [
            one(decimal_wide.unscaled(a, x.scale), decimal_wide.unscaled(b, y.scale))
            for a, b in zip(left, right, strict=True)
        ]
        if op == "div" and None in exact:
            continue
        got = collect(frame.lazy().select(Kernel().lower(call).alias("out")))["out"].to_list()
        assert got == exact, (op, x, y, left, right)


_NAMES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "mod"}


def test_text_to_decimal_rounds_halves_away_from_zero() -> None:
    rng = random.Random(7)
    texts = []
    for _ in range(400):
        text = f"{rng.choice(['', '-'])}{rng.randrange(1000)}.{rng.randrange(10 ** rng.randint(1, 6))}"
        texts.append(text + "0" * rng.randint(0, 2))
    frame = pl.DataFrame({"c3": texts})
    for scale in range(5):
        exact = [PyDecimal(t).quantize(PyDecimal(1).scaleb(-scale), "ROUND_HALF_UP") for t in texts]
        assert values(Cast(S, Decimal(12, scale)), frame) == exact


# Lists of options


def test_in_with_null() -> None:
    assert values(In(A, (lit(1), lit(4)))) == [True, False, None, True]
    assert values(In(A, (lit(1), lit(None)))) == [True, None, None, None]
    assert values(In(A, (lit(1), B))) == [True, False, None, False]
    assert values(In(F, (lit(float("nan"), DOUBLE), lit(0.0, DOUBLE)))) == [False, True, None, True]


# Errors


def test_positions_and_values_reach_the_error() -> None:
    e = error_of(int_of(S))
    assert (e.condition, e.span) == ("CAST_INVALID_INPUT", (5, 9))
    assert "'x'" in e.message
    overflow = error_of(Call("+", (B, lit(1)), INT, True, (2, 3)))
    assert (overflow.condition, overflow.span) == ("ARITHMETIC_OVERFLOW", (2, 3))


def test_awkward_texts_survive_in_the_message() -> None:
    frame = pl.DataFrame({"c3": ['quote " and\nnewline, ] bracket']})
    assert 'quote " and\nnewline, ] bracket' in error_of(int_of(S), frame).message


def test_checks_that_did_not_fail_are_not_blamed() -> None:
    both = make_call("+", [int_of(S, (0, 1)), Cast(A, INT)])
    assert error_of(Call("+", (both, div(lit(1), lit(1))), INT, True, (2, 3))).span == (0, 1)


def test_environment_errors() -> None:
    assert isinstance(translate(OSError(errno.ENOSPC, "No space left on device")), DiskFullError)
    missing = translate(FileNotFoundError(errno.ENOENT, "No such file or directory", "/data/x.parquet"))
    assert isinstance(missing, SourceNotFound)
    assert "/data/x.parquet" in missing.message
    text = "parquet: File out of specification: The file must end with PAR1"
    corrupt = translate(pl.exceptions.ComputeError(text), "/data/y.parquet")
    assert isinstance(corrupt, CorruptInputError)
    assert "/data/y.parquet" in corrupt.message
    assert isinstance(translate(MemoryError()), OutOfMemoryError)
    assert isinstance(translate(KeyError("x")), InternalError)


def test_a_missing_file_is_named(tmp_path: Any) -> None:
    with pytest.raises((OSError, pl.exceptions.PolarsError)) as caught:
        pl.scan_parquet(tmp_path / "none.parquet").collect()
    assert isinstance(translate(caught.value), SourceNotFound)
    assert "none.parquet" in translate(caught.value).message


# Literals and edges

NESTED = Map(STRING, Struct((Field("x", Array(Decimal(5, 2))), Field("at", TIMESTAMP))))


@pytest.mark.parametrize(
    ("value", "t"),
    [
        (None, NESTED),
        ((("k", ((PyDecimal("1.50"), None), dt.datetime(2020, 1, 2, 3, 4, 5, 6))),), NESTED),
        ((), Array(INT)),
        (PyDecimal("-99999999999999999999999999999999999999"), Decimal(38, 0)),
        (dt.date(1, 1, 1), DATE),
        (dt.datetime(2020, 1, 1), TIMESTAMP_NTZ),
    ],
)
def test_literals_keep_their_value(value: Any, t: SqlType) -> None:
    frame = pl.DataFrame({"row": [1, 2]})
    assert values(Literal(value, t), frame) == [value, value]


def test_output_has_no_int128() -> None:
    t = Array(Struct((Field("d", Decimal(10, 2)),)))
    frame = pl.DataFrame({"row": [1]}).lazy().select(literal(((PyDecimal("1.25"),),), t).alias("c5"))
    out = collect(edge.to_output(frame, [Column(5, "x", t)]))
    assert out.schema["0"] == pl.List(pl.Struct({"d": pl.Decimal(38, 0)}))
    assert out["0"].to_list() == [[{"d": PyDecimal(125)}]]


def test_file_columns_become_kernel_columns() -> None:
    k = Kernel()

    def read(s: pl.Series, t: SqlType) -> list[Any]:
        e = edge.from_file(k, pl.col("x"), s.dtype, t)
        out = s.alias("x").to_frame().lazy().select(e.alias("x")).collect()
        assert out.schema["x"] == dtype(t)
        return [edge.to_python(v, t) for v in out["x"].to_list()]

    assert read(pl.Series([PyDecimal("1.25"), None]), Decimal(10, 2)) == [PyDecimal("1.25"), None]
    assert read(pl.Series([1, None], dtype=pl.Int16), INT) == [1, None]
    moment = dt.datetime(2020, 1, 2, 3)
    assert read(pl.Series([moment], dtype=pl.Datetime("ns")), TIMESTAMP_NTZ) == [moment]
    assert read(pl.Series([moment], dtype=pl.Datetime("ms")), TIMESTAMP) == [moment]
    structs = pl.Series([{"D": PyDecimal("1.5")}, None], dtype=pl.Struct({"D": pl.Decimal(5, 1)}))
    assert read(structs, Struct((Field("d", Decimal(5, 1)),))) == [(PyDecimal("1.5"),), None]
    lists = pl.Series([[PyDecimal("1.5")], None], dtype=pl.List(pl.Decimal(5, 1)))
    assert read(lists, Array(Decimal(5, 1))) == [(PyDecimal("1.5"),), None]


def test_zones() -> None:
    frame = pl.DataFrame({"c3": ["2020-03-08 02:30:00", "2020-11-01 01:30:00", "2020-07-01"]})
    got = values(Cast(S, TIMESTAMP), frame, tz="America/New_York")
    assert got == [
        dt.datetime(2020, 3, 8, 7, 30),
        dt.datetime(2020, 11, 1, 5, 30),
        dt.datetime(2020, 7, 1, 4),
    ]
