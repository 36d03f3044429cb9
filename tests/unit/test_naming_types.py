"""Names and types of whole bound select items, replayed from Spark's (tests/record/record_names_types.py)."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sqlshell.config import Settings
from sqlshell.errors import Error
from sqlshell.parser.parse import parse_statement
from sqlshell.parser.statement import Query
from sqlshell.plan.bind import Binder
from tests.record.record_names_types import statement

ANSWERS = json.loads((Path(__file__).parents[1] / "answers" / "names_types.json").read_text())

OTHER_NAME = {
    "assert_true(b)": "Spark shows the message it would raise",
    "raise_error('x')": "Spark shows its internal form",
    "+i": "sqlglot drops unary plus",
    "+5": "sqlglot drops unary plus",
    "position('a' in s)": "the parser rewrites it to position(a, s)",
    "map('a', 1).a": "the AST does not tell a map from a struct",
}
OTHER_TYPE = {
    "arrays_zip(arr, arr)": "field names of anonymous columns",
    "sequence(1, 5L)": "the first argument's type",
    "sequence(dt, ts)": "the first argument's type",
}
REFUSED = {
    "i >>> 1": "sqlglot cannot read the operator",
    "window(ts, '1 day')": "not a function of ours yet",
}
TAKEN = {
    "date_add(dt, 1.5)": "days are whole numbers: the rest is cut off, as other functions do with such arguments",
    "date_add(dt, l)": "bigint days are taken",
    "(i, l) in ((1, 2), (3, 4))": "a row takes the struct's names, so its types can be widened",
    "element_at(arr, 1L)": "Spark wants an int index; a bigint literal is harmless",
    "time'10:00:00' + interval 1 hour": "recorded without spark.sql.timeType.enabled",
    "time'10:00:00' - time'09:00:00'": "recorded without spark.sql.timeType.enabled",
    "sort_array(arr, 'true')": "Spark does not cast text to boolean here; we do",
}


class Context:
    """A session without tables."""

    settings = Settings()
    now = datetime(2026, 1, 1)
    current_schema = "default"
    current_user = "someone"

    def for_view(self, view: Any, version: Any, span: Any) -> Any:
        return self

    def resolve_variable(self, name: Any) -> Any:
        return None

    def resolve_function(self, name: Any) -> Any:
        return None

    def resolve_relation(self, name: Any, span: Any, version: Any) -> Any:
        raise NotImplementedError

    def describe_source(self, uri: str, format: str | None, options: dict[str, str]) -> Any:
        raise NotImplementedError

    def evaluate(self, exprs: list[Any]) -> list[Any]:
        raise NotImplementedError

    def parse_query(self, text: str, dialect: str) -> Any:
        raise NotImplementedError

    def parse_stored(self, owner: str, text: str, dialect: str, prefix: str = "") -> Any:
        raise NotImplementedError


def bind(item: str) -> tuple[str, str]:
    """Name and type of the only column of `item`'s query."""
    text = statement(item)
    parsed = parse_statement(text)
    assert isinstance(parsed, Query)
    bound = Binder(Context()).bind_query(parsed.ast, text)
    return bound.names[0], str(bound.plan.output[0].type)


@pytest.mark.parametrize("item", [i for i, a in ANSWERS.items() if "name" in a])
def test_name_and_type_are_sparks(item: str) -> None:
    answer = ANSWERS[item]
    try:
        name, t = bind(item)
    except Error as e:
        # The rest of Spark's functions is another issue; whatever else fails is a bug here.
        assert e.condition == "UNRESOLVED_ROUTINE" or item in REFUSED, (e.condition, e.message)
        return
    if item not in OTHER_TYPE:
        assert t.replace("`", "") == answer["type"]
    if item not in OTHER_NAME:
        assert name == answer["name"]


@pytest.mark.parametrize("item", [i for i, a in ANSWERS.items() if "error" in a])
def test_what_spark_refuses_is_refused(item: str) -> None:
    if item in TAKEN:
        return
    with pytest.raises(Error):
        bind(item)
