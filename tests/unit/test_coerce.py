"""Coercion, casts, DDL types and operator typing, checked against Spark's rules."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal as PyDecimal
from pathlib import Path

import pytest

from sqlshell.errors import AnalysisError, ParseError
from sqlshell.expr.expr import And, Call, Case, Cast, Column, Expr, In, Literal
from sqlshell.functions import result_types as rt
from sqlshell.plan.call import make_call
from sqlshell.plan.coerce import (
    can_cast,
    cast_explicitly,
    cast_to,
    common_type,
    parse_schema,
    parse_type,
    store_assign,
)
from sqlshell.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    STRING,
    TIMESTAMP,
    VOID,
    Array,
    Decimal,
    Field,
    String,
    Struct,
)

ANSWERS = json.loads((Path(__file__).parents[1] / "answers" / "names_types.json").read_text())


def column(ddl: str) -> Column:
    return Column(1, "c", parse_type(ddl), False)


def integer(value: int) -> Literal:
    return Literal(value, INT if abs(value) < 2**31 else BIGINT)


def text(value: str) -> Literal:
    return Literal(value, STRING)


TYPES = {
    "i": "int",
    "l": "bigint",
    "f": "float",
    "d": "double",
    "dec": "decimal(3,2)",
    "s": "string",
    "b": "boolean",
    "dt": "date",
    "ts": "timestamp",
    "arr": "array<int>",
    "ti": "tinyint",
    "sm": "smallint",
    "1": "1",
    "2": "2",
    "3": "3",
    "'1'": "'1'",
    "'2'": "'2'",
    "null": "null",
    "1.5": "1.5",
    "2.5": "2.5",
    "10000000000": "10000000000",
}


def operand(word: str) -> Expr | None:
    """A column of the recording's table, or a literal, by its text."""
    if word in TYPES and TYPES[word] != word:
        return column(TYPES[word])
    if word == "null":
        return Literal(None, VOID)
    if word.startswith("'"):
        return text(word.strip("'"))
    if word.isdigit():
        return integer(int(word))
    if word.replace(".", "").isdigit():
        digits = PyDecimal(word)
        return Literal(digits, Decimal(len(digits.as_tuple().digits), -int(digits.as_tuple().exponent)))
    return None


def binary_cases() -> list[tuple[str, str, str, str, dict[str, str]]]:
    """`a op b` lines of the recording whose operands are plain columns and literals."""
    out = []
    for item, answer in ANSWERS.items():
        words = item.split(" ")
        if len(words) != 3 or words[1] not in {*"+-*/%&|^<>=", "div", "<=>", "<=", ">=", "==", "!="}:
            continue
        if all(operand(w) is not None for w in (words[0], words[2])):
            out.append((item, words[0], words[1], words[2], answer))
    return out


@pytest.mark.parametrize(("item", "left", "op", "right", "answer"), binary_cases(), ids=lambda v: str(v)[:20])
def test_operators_type_as_in_spark(
    item: str, left: str, op: str, right: str, answer: dict[str, str]
) -> None:
    a, b = operand(left), operand(right)
    assert a is not None
    assert b is not None
    if "error" in answer:
        with pytest.raises(AnalysisError):
            make_call(op, [a, b])
    else:
        assert str(make_call(op, [a, b]).type) == answer["type"], item


def test_there_are_enough_recorded_operators() -> None:
    assert len(binary_cases()) > 60


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ("int bigint", "bigint"),
        ("int float", "double"),
        ("int decimal(3,2)", "decimal(12,2)"),
        ("decimal(38,10) decimal(38,2)", "decimal(38,2)"),
        ("decimal(3,2) double", "double"),
        ("string int", "bigint"),
        ("string double", "double"),
        ("string date", "date"),
        ("date timestamp", "timestamp"),
        ("void int", "int"),
        ("boolean int", None),
        ("date int", None),
        ("interval_day interval_hour", "interval day to hour"),
        ("array<int> array<bigint>", "array<bigint>"),
        ("array<string> array<int>", "array<bigint>"),
        ("map<string,int> map<string,double>", "map<string,double>"),
        ("struct<a:int> struct<A:bigint>", "struct<a:bigint>"),
        ("struct<a:int> struct<b:int>", None),
    ],
)
def test_common_type(types: str, expected: str | None) -> None:
    found = common_type(parse_type(t.replace("_", " ")) for t in types.split())
    assert (None if found is None else str(found)) == expected


def test_greatest_and_arrays_do_not_promote_text() -> None:
    assert rt.common_type_without_strings([INT, STRING]) is None


@pytest.mark.parametrize(
    ("source", "target", "legal"),
    [
        ("int", "date", False),
        ("date", "int", False),
        ("boolean", "timestamp", False),
        ("int", "timestamp", True),
        ("timestamp", "int", True),
        ("binary", "int", False),
        ("int", "binary", False),
        ("array<int>", "string", True),
        ("array<int>", "array<string>", True),
        ("decimal(3,2)", "interval day", True),
        ("double", "interval day", False),
        ("interval day", "int", True),
        ("struct<a:int>", "struct<b:string>", True),
        ("struct<a:int>", "struct<a:int,b:int>", False),
        ("string", "binary", True),
        ("void", "date", True),
    ],
)
def test_cast_matrix(source: str, target: str, legal: bool) -> None:
    assert can_cast(parse_type(source), parse_type(target)) is legal
    if not legal:
        with pytest.raises(AnalysisError, match="cannot cast"):
            cast_explicitly(column(source), parse_type(target))


def test_casts_of_literals_fold_only_when_they_cannot_fail() -> None:
    assert cast_to(integer(5), BIGINT) == Literal(5, BIGINT)
    assert cast_to(integer(5), Decimal(3, 2)) == Literal(PyDecimal(5), Decimal(3, 2))
    assert cast_to(integer(300), parse_type("tinyint")) == Cast(integer(300), parse_type("tinyint"))
    assert cast_to(text("2020-01-31"), DATE) == Literal(date(2020, 1, 31), DATE)
    assert isinstance(cast_to(text("2020-02-31"), DATE), Cast)
    assert cast_to(Literal(None, VOID), INT) == Literal(None, INT)


def test_equal_types_need_no_cast() -> None:
    c = column("int")
    assert cast_to(c, INT) is c
    assert cast_explicitly(c, INT) is c


def test_cast_to_varchar_is_a_cast_to_string() -> None:
    assert cast_explicitly(column("int"), String(10)).type == STRING


def test_store_assignment() -> None:
    assert store_assign(column("bigint"), INT).type == INT
    with pytest.raises(AnalysisError) as e:
        store_assign(column("string"), INT, column="a")
    assert e.value.condition == "INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST"


@pytest.mark.parametrize(
    ("rule", "a", "b", "expected"),
    [
        (rt.decimal_add, "3,2", "10,0", "13,2"),
        (rt.decimal_add, "38,10", "38,2", "38,6"),
        (rt.decimal_multiply, "15,2", "16,2", "32,4"),
        (rt.decimal_multiply, "38,8", "11,4", "38,6"),
        (rt.decimal_divide, "3,2", "3,2", "9,6"),
        (rt.decimal_divide, "38,18", "38,18", "38,6"),
        (rt.decimal_remainder, "3,2", "1,0", "3,2"),
    ],
)
def test_decimal_results(rule: object, a: str, b: str, expected: str) -> None:
    assert callable(rule)
    left, right = (Decimal(*map(int, x.split(","))) for x in (a, b))
    assert str(rule(left, right)) == f"decimal({expected})"


def test_aggregate_results() -> None:
    assert rt.sum_type((Decimal(3, 2),)) == Decimal(13, 2)
    assert rt.sum_type((Decimal(30, 5),)) == Decimal(38, 5)
    assert rt.avg_type((Decimal(3, 2),)) == Decimal(7, 6)
    assert rt.avg_type((Decimal(38, 18),)) == Decimal(38, 22)
    assert rt.sum_type((INT,)) == BIGINT
    assert rt.sum_type((parse_type("interval day"),)) == parse_type("interval day")


def test_a_decimal_column_beside_a_fitting_number_is_not_cast() -> None:
    quantity = column("decimal(15,2)")
    call = make_call("<", [quantity, integer(24)])
    assert isinstance(call, Call)
    assert call.args == (quantity, Literal(PyDecimal(24), Decimal(15, 2)))
    wide = make_call("=", [quantity, Literal(PyDecimal("0.001"), Decimal(3, 3))])
    assert isinstance(wide.children[0], Cast)


def test_in_lists_take_one_type() -> None:
    e = make_call("in", [column("int"), integer(1), text("x")])
    assert isinstance(e, In)
    assert {str(c.type) for c in e.children} == {"bigint"}
    with pytest.raises(AnalysisError) as raised:
        make_call("in", [column("int"), column("date")])
    assert raised.value.condition == "DATATYPE_MISMATCH.DATA_DIFF_TYPES"


def test_branches_take_one_type() -> None:
    e = make_call("if", [column("boolean"), integer(1), column("decimal(3,2)")])
    assert isinstance(e, Case)
    assert e.type == Decimal(12, 2)
    assert e.branches[0].value.type == e.type
    assert make_call("case", [column("boolean"), integer(1)]).type == INT
    with pytest.raises(AnalysisError, match="WHEN needs a boolean"):
        make_call("case", [integer(1), integer(2)])


def test_and_is_flat_and_casts_text() -> None:
    a, b = column("boolean"), column("string")
    e = make_call("and", [make_call("and", [a, b]), a])
    assert isinstance(e, And)
    assert [c.type for c in e.args] == [BOOLEAN, BOOLEAN, BOOLEAN]


def test_nullability_follows_the_operands() -> None:
    nullable = Column(2, "n", INT, True)
    assert make_call("+", [column("int"), integer(1)]).nullable is False
    assert make_call("+", [nullable, integer(1)]).nullable is True
    assert make_call("<=>", [nullable, integer(1)]).nullable is False
    assert make_call("try_add", [integer(1), integer(1)]).nullable is True


def test_dates_and_intervals() -> None:
    assert make_call("+", [integer(1), column("date")]) == make_call("+", [column("date"), integer(1)])
    moved = make_call("+", [column("date"), column("interval hour")])
    assert moved.type == TIMESTAMP
    assert make_call("-", [column("date"), text("2020-01-01")]).type == parse_type("interval day")
    shifted = make_call("+", [text("2020-01-01"), column("interval day")])
    assert isinstance(shifted, Cast)
    assert shifted.type == STRING
    assert make_call("*", [integer(2), column("interval day")]).type == parse_type("interval day to second")


def test_unknown_functions_suggest_a_name() -> None:
    with pytest.raises(AnalysisError) as e:
        make_call("nulif", [integer(1), integer(2)], span=(7, 12))
    assert e.value.condition == "UNRESOLVED_ROUTINE"
    assert e.value.span == (7, 12)
    assert e.value.hint is not None
    assert "nullif" in e.value.hint


def test_type_names_are_casts() -> None:
    assert make_call("double", [column("string")]) == Cast(column("string"), DOUBLE)
    with pytest.raises(AnalysisError, match="cannot cast int to date"):
        make_call("date", [column("int")])


def test_schema_ddl() -> None:
    assert parse_schema("a int, `b c` array<string> not null comment 'it''s'") == Struct(
        (Field("a", INT), Field("b c", Array(STRING), False))
    )
    assert str(parse_type("STRUCT<x: Decimal(10,2), y: MAP<STRING, interval day to second>>")) == (
        "struct<x:decimal(10,2),y:map<string,interval day to second>>"
    )


@pytest.mark.parametrize(
    ("ddl", "message"),
    [
        ("int,", "not expected"),
        ("foo", "unknown data type"),
        ("decimal(40,2)", "precision 40"),
        ("decimal(2,4)", "scale 4"),
        ("array<int", "`>` expected"),
        ("interval year to day", "is not a type"),
        ("a$b", "not part of a type"),
        ("", "a type expected"),
    ],
)
def test_bad_types_say_what_is_wrong(ddl: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        parse_type(ddl)


def test_calendar_intervals_are_a_type() -> None:
    assert str(parse_type("interval")) == "interval"
