"""Automatic column names, replayed from Spark's own (tests/record/record_names_types.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sqlshell.parser.parse import parse_statement
from sqlshell.parser.statement import Query
from sqlshell.plan.naming import output_name
from sqlshell.plan.naming_literals import interval, java_double, number
from sqlshell.types import DayTimeInterval, YearMonthInterval

ANSWERS = json.loads((Path(__file__).parents[1] / "answers" / "names_types.json").read_text())

NEEDS_TYPES = {
    "dt + 1",
    "1 + dt",
    "dt + ti",
    "dt - 1",
    "dt + interval 1 day",
    "interval 1 day + dt",
    "dt - interval 1 day",
    "st.x + 1",
    "t.st.x + t.i",
    "cast(st.x as string)",
    "st.x::string",
    "st.y || s",
    "upper(st.y)",
    "concat(upper(s), lower(st.y))",
    "t.st.x between 1 and t.i",
    "if(st.x = 1, dec, d)",
    "case when i = 1 then st.x when i = 2 then l end",
    "map('a', 1).a",
}
"""Names that only the bound expression settles: the AST alone gives another."""

GENERATORS = ("explode", "posexplode", "inline", "stack", "json_tuple")

DIFFERENT = {
    "+i": "sqlglot drops unary plus",
    "+5": "sqlglot drops unary plus",
    "position('a' in s)": "the parser rewrites it to position(a, s)",
    "i >>> 1": "sqlglot cannot read the operator",
    "window(ts, '1 day')": "not a function of ours yet",
    "assert_true(b)": "Spark shows its generated message",
    "raise_error('x')": "Spark shows its internal error class",
    "extract(day from interval 1 day)": "the unit's case is lost where the source has no position",
}


def name_of(item: str) -> str:
    text = f"select {item} from t" + (
        " window w as (partition by s order by i)" if item.endswith(" over w") else ""
    )
    statement = parse_statement(text)
    assert isinstance(statement, Query)
    return output_name(statement.ast.expressions[0], text)


CASES = [
    (item, answer["name"])
    for item, answer in ANSWERS.items()
    if "name" in answer and item not in NEEDS_TYPES | set(DIFFERENT) and not item.startswith(GENERATORS)
]


@pytest.mark.parametrize(("item", "expected"), CASES, ids=[c[0] for c in CASES])
def test_name_is_sparks(item: str, expected: str) -> None:
    assert name_of(item) == expected


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1500.0, "1500.0"),
        (1e10, "1.0E10"),
        (1e-5, "1.0E-5"),
        (123456789.0, "1.23456789E8"),
        (0.0, "0.0"),
        (1e7, "1.0E7"),
    ],
)
def test_doubles_are_shown_as_java_shows_them(value: float, shown: str) -> None:
    assert java_double(value) == shown


def test_numbers_lose_their_suffix_but_not_their_digits() -> None:
    assert [number("1", "L"), number("1.50", ""), number("1.0", "F"), number("1e3", "BD")] == [
        "1",
        "1.50",
        "1.0",
        "1000",
    ]


def test_intervals_are_shown_in_ansi_form() -> None:
    hours = 3_600_000_000
    assert interval(2 * hours, DayTimeInterval("hour", "hour")) == "INTERVAL '02' HOUR"
    assert interval(26 * hours, DayTimeInterval("day", "hour")) == "INTERVAL '1 02' DAY TO HOUR"
    assert interval(1_500_000, DayTimeInterval("second", "second")) == "INTERVAL '01.5' SECOND"
    assert interval(-24 * hours, DayTimeInterval("day", "day")) == "INTERVAL '-1' DAY"
    assert interval(14, YearMonthInterval()) == "INTERVAL '1-2' YEAR TO MONTH"
    assert interval(12, YearMonthInterval("year", "year")) == "INTERVAL '1' YEAR"
