"""Statement parameters: values arrive as they are, wherever a literal may stand, and change nothing else."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlshell.errors import Error
from sqlshell.parser.parameters import literal, substitute
from sqlshell.parser.tokens import STRINGS, tokenize

if TYPE_CHECKING:
    from sqlshell.session import Session

VALUES = [
    (5, 5, "int"),
    (-(2**31), -(2**31), "int"),
    (3_000_000_000, 3_000_000_000, "bigint"),
    (2**70, Decimal(2**70), "decimal(22,0)"),
    (1.5, 1.5, "double"),
    (-1e300, -1e300, "double"),
    (math.inf, math.inf, "double"),
    (Decimal("-1.50"), Decimal("-1.50"), "decimal(3,2)"),
    (Decimal("1E+3"), Decimal(1000), "decimal(4,0)"),
    (True, True, "boolean"),
    (None, None, "void"),
    (b"a\0'", b"a\0'", "binary"),
    (date(2024, 2, 29), date(2024, 2, 29), "date"),
    (datetime(2024, 1, 2, 3, 4, 5, 600), datetime(2024, 1, 2, 3, 4, 5, 600, UTC), "timestamp"),
    (datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=2))), datetime(2023, 12, 31, 22, tzinfo=UTC),
     "timestamp"),
    (timedelta(days=-1, microseconds=5), timedelta(days=-1, microseconds=5), "interval day to second"),
    ([1, None], [1, None], "array<int>"),
    ({"a": 1}, {"a": 1}, "map<string,int>"),
]  # fmt: skip


def rows(session: Session, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    return list(session.execute(sql, parameters).rows())


@pytest.mark.parametrize(("value", "expected", "type_"), VALUES, ids=lambda v: str(v)[:20])
def test_values_keep_their_type(session: Session, value: Any, expected: Any, type_: str) -> None:
    for sql, parameters in (("SELECT ?", [value]), ("SELECT :v", {"v": value})):
        result = session.execute(sql, parameters)
        assert str(result.fields[0].type) == type_
        assert list(result.rows()) == [(expected,)]


@given(st.text())
def test_text_is_one_string_token(text: str) -> None:
    tokens = tokenize(literal(text))
    assert [t.token_type in STRINGS for t in tokens] == [True]
    assert tokens[0].text == text


@given(st.text(st.sampled_from("ab'\"\\\n;-`?:/*$"), max_size=12))
def test_text_comes_back(text: str) -> None:
    changed = tokenize(substitute("SELECT ? AS x, 'b'", [text]))
    assert [t.text for t in changed] == ["SELECT", text, "AS", "x", ",", "b"]


def test_wherever_a_literal_may_stand(session: Session) -> None:
    assert rows(session, "SELECT id FROM range(10) WHERE id IN (?, ?) LIMIT ?", [3, 4, 1]) == [(3,)]
    assert rows(session, "VALUES (:a, :b), (:b, :a)", {"a": 1, "b": 2}) == [(1, 2), (2, 1)]
    assert rows(session, "SELECT CASE WHEN :p THEN :q ELSE :r END", {"p": False, "q": 1, "r": 2}) == [(2,)]
    assert rows(session, "SELECT 'abc' LIKE :p, :x::INT", {"p": "a%", "x": "7"}) == [(True, 7)]
    assert rows(session, "SELECT -?, 3 -?", [-2, -2]) == [(2, 5)]
    assert rows(session, "SELECT '?' AS a, ':x' /* ? :x */ -- ?\n, ? AS `?`", [1]) == [("?", ":x", 1)]


def test_views_keep_the_values(session: Session) -> None:
    session.execute("CREATE OR REPLACE TEMPORARY VIEW marked AS SELECT ? AS a", ["it's"])
    assert rows(session, "SELECT a FROM marked") == [("it's",)]
    session.execute("DROP VIEW marked")


@pytest.mark.parametrize(
    ("sql", "parameters", "condition"),
    [
        ("SELECT ?, ?", [1], "UNBOUND_SQL_PARAMETER"),
        ("SELECT :a", {"b": 1}, "UNBOUND_SQL_PARAMETER"),
        ("SELECT ?", None, "UNBOUND_SQL_PARAMETER"),
        ("SELECT :a", None, "UNBOUND_SQL_PARAMETER"),
        ("SELECT ?", {"a": 1}, "UNBOUND_SQL_PARAMETER"),
        ("SELECT :a, ?", {"a": 1}, "INVALID_QUERY_MIXED_QUERY_PARAMETERS"),
        ("SELECT ?", [1, 2], "PARAMETER_COUNT_MISMATCH"),
        ("SELECT 'a' ?", ["b"], "PARSE_SYNTAX_ERROR"),
        ("SELECT ? 'a'", ["b"], "PARSE_SYNTAX_ERROR"),
        ("SELECT ? ?", ["b", "c"], "PARSE_SYNTAX_ERROR"),
        ("SELECT abs ?", [-1], "PARSE_SYNTAX_ERROR"),
        ("SELECT 1 AS ?", ["b"], "PARSE_SYNTAX_ERROR"),
        ("SELECT * FROM ?", ["t; DROP VIEW t"], "PATH_NOT_FOUND"),
        ("SELECT ?", [object()], "INTERFACE_ERROR"),
    ],
)
def test_refusals(session: Session, sql: str, parameters: Any, condition: str) -> None:
    with pytest.raises(Error) as caught:
        rows(session, sql, parameters)
    assert caught.value.condition == condition


def test_other_dialects_keep_the_order() -> None:
    assert substitute("SELECT TOP 3 a FROM t WHERE a = ? AND b = ?", [1, 2], "tsql").split("WHERE")[1].split(
        "LIMIT"
    )[0].split() == ["a", "=", "1", "AND", "b", "=", "2"]
