"""The parser beside Spark's: what it takes and refuses, how operators group, what string literals mean.

Answers come from tests/answers/parser.json, recorded by tests/record/record_parser.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlglot import exp

from sqlshell.errors import Error, NotSupportedError, ParseError
from sqlshell.parser.parse import parse_statement
from sqlshell.parser.statement import Query

ANSWERS: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parent.parent / "answers" / "parser.json").read_text()
)

REFUSED = {
    "select a, from t": "a column named from",
    "select a as from t": "a column named from",
    "select from from from": "a column named from",
    "select * x from t": "Spark ignores the alias of a star",
    "select t.* x from t": "Spark ignores the alias of a star",
    "select a from t where": "an alias named where",
    "select a from t as select": "an alias named select",
    "select select": "a column named select",
    "select values from t": "a column named values",
    "select a and": "an alias named and",
    "select a and or b": "a column named or",
    "select 1 union": "an alias named union",
    "select case end": "a column named case",
    "select interval day": "a column named interval",
    "select a from , t": "a table named from",
    "select a from t outer join u on true": "a table alias named outer",
    "select cast(a, int)": "a function named cast",
    "select a != b, a <> b, a !< b, a !> b": "the operators !< and !>",
    "select a like 'x' = b": "a comparison as a pattern",
    "select x -> x + 1": "a lambda outside of a call fails in Spark's analyser",
    "select (x, y) -> x": "a lambda outside of a call fails in Spark's analyser",
    "select a -> 'b'": "a lambda outside of a call fails in Spark's analyser",
    "select distinct on (a) b from t": "Spark reads a function named on",
    "select * from f(table(t) partition by a order by b)": "table arguments",
    "with recursive t(n) max recursion level 10 as (select 1) select * from t": "MAX RECURSION LEVEL",
    "select transform(a) using 'cat' from t": "scripts as transformations",
}
"""What Spark takes and we refuse, with what the statement needs."""

ACCEPTED = {
    "select a from 'a/b'": "a file by its path",
    "select a = any (select 1)": "quantified comparisons",
    "select a > all (select 1)": "quantified comparisons",
    "select a = some (select 1)": "quantified comparisons",
    "select f((x) -> x)": "parentheses around one parameter",
    "select é from t": "letters beyond ASCII",
    "select date 'x'": "the binder looks at the value",
    "select timestamp 'x'": "the binder looks at the value",
    "select 123456789012345678901234567890123456789012": "the binder looks at the value",
    "select a is null = b": "(a IS NULL) = b",
    "select * replace (1 as a) from t": "REPLACE of DuckDB and BigQuery",
    "select 1 union by name select 2": "BY NAME, of DuckDB and Databricks",
    "select 1 union all by name select 2": "BY NAME, of DuckDB and Databricks",
    "select /*+ broadcast( */ a from t": "a hint that cannot be read is ignored",
}
"""What Spark refuses and we take, with what it means."""


@pytest.mark.parametrize("text", ANSWERS["statements"])
def test_accepts_what_spark_accepts(text: str) -> None:
    expected = ANSWERS["statements"][text] == "ok"
    try:
        parse_statement(text)
    except (ParseError, NotSupportedError) as error:
        assert not expected or text in REFUSED, error.message
        assert error.span is not None
        assert 0 <= error.span[0] <= error.span[1] <= len(text)
    else:
        assert expected or text in ACCEPTED


def test_differences_are_still_there() -> None:
    for text in REFUSED:
        assert ANSWERS["statements"][text] == "ok"
        with pytest.raises(Error):
            parse_statement(text)
    for text in ACCEPTED:
        assert ANSWERS["statements"][text] != "ok"
        parse_statement(text)


OPERATORS = {
    "Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Mod": "%", "IntDiv": "div", "BitwiseAnd": "&",
    "BitwiseOr": "|",
    "BitwiseXor": "^", "BitwiseLeftShift": "<<", "BitwiseRightShift": ">>", "EQ": "=", "LT": "<",
    "NullSafeEQ": "<=>",
}  # fmt: skip


def spark_text(node: Any) -> str:
    """A tree as Spark prints its own (conjunctions flat: Spark balances them)."""
    kind = type(node).__name__
    this = node.args.get("this")
    if kind in OPERATORS:
        return f"({spark_text(this)} {OPERATORS[kind]} {spark_text(node.expression)})"
    match node:
        case exp.And() | exp.Or():
            return f"({' '.join((spark_text(this), kind.upper(), spark_text(node.expression)))})"
        case exp.NEQ():
            return f"NOT ({spark_text(this)} = {spark_text(node.expression)})"
        case exp.NullSafeNEQ():
            return f"NOT ({spark_text(this)} <=> {spark_text(node.expression)})"
        case exp.DPipe():
            return f"concat({spark_text(this)}, {spark_text(node.expression)})"
        case exp.Paren():
            return spark_text(this)
        case exp.Column():
            return "'" + ".".join(part.name for part in node.parts)
        case exp.Neg():
            return "-" + spark_text(this)
        case exp.BitwiseNot():
            return "~" + spark_text(this)
        case exp.Not(this=exp.Is()):
            return f"isnotnull({spark_text(this.this)})"
        case exp.Not():
            return "NOT " + spark_text(this)
        case exp.Is():
            return f"isnull({spark_text(this)})"
        case exp.In():
            return f"{spark_text(this)} IN ({','.join(map(spark_text, node.expressions))})"
        case exp.Between():
            bounds = spark_text(node.args["low"]), spark_text(node.args["high"])
            return f"'between({spark_text(this)}, {', '.join(bounds)})"
        case exp.Like():
            return f"{spark_text(this)} LIKE {spark_text(node.expression)}"
        case exp.RegexpLike():
            return f"RLIKE({spark_text(this)}, {spark_text(node.expression)})"
        case exp.Cast():
            return f"cast({spark_text(this)} as {node.to.sql('spark').lower()})"
        case exp.Bracket():
            return f"{spark_text(this)}[{spark_text(node.expressions[0])}]"
        case exp.Interval():
            return f"INTERVAL '{this.this}' {node.unit.name}"
        case exp.Case():
            branch = node.args["ifs"][0]
            return f"CASE WHEN {spark_text(branch.this)} THEN {spark_text(branch.args['true'])} END"
        case exp.Literal():
            return str(this)
    raise AssertionError(kind)


def flat(text: str) -> str:
    """Without the parentheses between operands of one AND or OR chain, which Spark balances its own way."""
    before = ""
    while before != text:
        before = text
        for word in ("AND", "OR"):
            text = _flatten(text, f" {word} ")
    return text.replace("NOT isnull(", "isnotnull(")


def _flatten(text: str, word: str) -> str:
    for i, c in enumerate(text):
        if c != "(":
            continue
        end, parts = _close(text, i), _operators(text, i)
        outer = _enclosing_operators(text, i, end)
        if parts and set(parts) == {word.strip()} and word.strip() in outer:
            return text[:i] + text[i + 1 : end] + text[end + 1 :]
    return text


def _close(text: str, i: int) -> int:
    depth = 0
    for j in range(i, len(text)):
        depth += {"(": 1, ")": -1}.get(text[j], 0)
        if depth == 0:
            return j
    return len(text)


def _operators(text: str, i: int) -> list[str]:
    """AND and OR directly inside the parenthesis at `i`."""
    depth, found = 0, []
    for j in range(i, _close(text, i)):
        depth += {"(": 1, ")": -1}.get(text[j], 0)
        if depth == 1:
            found += [word for word in ("AND", "OR") if text.startswith(f" {word} ", j)]
    return found


def _enclosing_operators(text: str, start: int, end: int) -> set[str]:
    """AND or OR that stands right before or right after the parentheses."""
    found = set()
    for word in ("AND", "OR"):
        if text[:start].endswith(f" {word} ") or text[end + 1 :].startswith(f" {word} "):
            found.add(word)
    return found


@pytest.mark.parametrize("text", ANSWERS["expressions"])
def test_operators_group_as_in_spark(text: str) -> None:
    expected = ANSWERS["expressions"][text]
    if expected.startswith("error") or " AS " in expected:
        pytest.skip("no expression in Spark")
    statement = parse_statement(f"select {text}")
    assert isinstance(statement, Query)
    assert flat(spark_text(statement.ast.expressions[0])) == flat(expected)


@pytest.mark.parametrize("text", ANSWERS["strings"])
def test_strings_mean_what_they_mean_in_spark(text: str) -> None:
    statement = parse_statement(f"select {text}")
    assert isinstance(statement, Query)
    literal = statement.ast.expressions[0]
    assert isinstance(literal, exp.Literal)
    assert literal.is_string
    assert literal.this == ANSWERS["strings"][text]
