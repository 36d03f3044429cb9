"""Casts, arithmetic, comparisons and text forms: Spark's recorded answers (tests/record/record_operators.py).

Each expression runs twice through the Kernel: with its constants, and with every constant made a column
between NULL rows, which takes the lowerings for columns.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from sqlshell.config import Settings
from sqlshell.errors import Error
from sqlshell.exec import edge
from sqlshell.exec.collect import collect
from sqlshell.exec.errors import translate
from sqlshell.exec.lower_expr import Kernel
from sqlshell.exec.lower_types import literal_series
from sqlshell.expr.expr import Call, Cast, Column, Expr, Literal
from sqlshell.parser.parse import parse_statement
from sqlshell.parser.statement import Query
from sqlshell.plan.bind import Binder
from sqlshell.plan.logical import Project
from sqlshell.result_values import python_value
from sqlshell.types import STRING, Void
from tests.record.record_operators import OUT, as_text
from tests.support.answers import canonical

if TYPE_CHECKING:
    from sqlshell.types import SqlType

ANSWERS: dict[str, dict[str, Any]] = json.loads(OUT.read_text())
CASES = [pytest.param(zone, line, id=f"{zone}: {line}") for zone, lines in ANSWERS.items() for line in lines]

OTHER_CONDITION = {
    "interval 1 month * 2147483647 * 2": "INTERVAL_ARITHMETIC_OVERFLOW",  # Spark names none
}
ONLY_CONSTANT = {"cast('epoch' as date)"}
DIFFERENT = {
    "cast('0.00000000000000000000000000000000000001' as decimal(38,38))": "pyspark shows a 39th digit",
    "cast(99999999999999999999 as decimal(38,0)) div cast(1 as decimal(38,0))": "Spark wraps, we raise",
    **dict.fromkeys(
        ("cast(1e23D as string)", "cast(2e23D as string)", "cast(1.17549435e-38f as string)"),
        "Java before 19 does not show the shortest digits",
    ),
    "case when null then 1 else 2 end": "typing: Spark wants a typed condition",
}


class _Context:
    """A session with nothing but settings."""

    now = datetime(2026, 11, 21, tzinfo=UTC).replace(tzinfo=None)
    current_schema = "default"
    current_user = "someone"

    def __init__(self, zone: str) -> None:
        self.settings = Settings()
        self.settings.set("spark.sql.session.timeZone", zone)

    def for_view(self, view: Any, version: Any, span: Any) -> Any:
        return self

    def resolve_variable(self, name: Any) -> Any:
        return None

    def resolve_function(self, name: Any) -> Any:
        return None

    def resolve_relation(self, *_: Any) -> Any:
        raise AssertionError("no relations here")

    describe_source = resolve_relation


def bound(line: str, zone: str) -> Expr:
    """The expression, typed."""
    text = f"select {line} as x"
    statement = parse_statement(text)
    assert isinstance(statement, Query)
    plan = Binder(_Context(zone)).bind_query(statement.ast, text).plan
    assert isinstance(plan, Project)
    expr: Expr = plan.items[0].expr
    return Cast(expr, STRING) if as_text(str(expr.type)) else expr


def run(expr: Expr, frame: pl.DataFrame, zone: str) -> list[Any]:
    """The expression's values over the frame, canonical."""
    k = Kernel(tz=zone)
    out = collect(frame.lazy().with_columns(k.lower(expr).alias("out")).select("out"))
    assert out.schema["out"] == k.dtype(expr.type)
    return [shown(v, expr.type) for v in out["out"].to_list()]


def shown(value: Any, t: SqlType) -> Any:
    """A kernel value as the recorded form."""
    return canonical(python_value(edge.to_python(value, t), t))


def with_columns(expr: Expr) -> tuple[Expr, pl.DataFrame]:
    """The expression with constants moved into a frame of three rows, the middle one NULL."""
    has_map = any(isinstance(n, Call) and n.fn in {"map", "[]"} for n in expr.walk())
    fixed = {
        id(n.args[2])
        for n in expr.walk()
        if isinstance(n, Call) and n.fn in {"like", "ilike"} and len(n.args) > 2
    }
    count = 1 if has_map else 3  # NULL is no key
    series: dict[str, pl.Series] = {"row": pl.Series(range(count))}

    def move(e: Any) -> Any:
        if not isinstance(e, Literal) or isinstance(e.type, Void) or id(e) in fixed:
            return e
        series[f"c{len(series)}"] = literal_series([e.value, None, e.value][:count], e.type)
        return Column(len(series) - 1, "x", e.type, nullable=True)

    return expr.transform_up(move), pl.DataFrame(series)


def expected(zone: str, line: str) -> dict[str, Any]:
    """Spark's answer, with the condition we use where ours is named differently."""
    answer = dict(ANSWERS[zone][line])
    if "error" in answer:
        answer["error"] = OTHER_CONDITION.get(line, answer["error"])
    return answer


@pytest.mark.parametrize(("zone", "line"), CASES)
def test_constants(zone: str, line: str) -> None:
    if line in DIFFERENT:
        pytest.skip(DIFFERENT[line])
    check(zone, line, lambda e: (e, pl.DataFrame({"row": [0]})), 0)


@pytest.mark.parametrize(("zone", "line"), CASES)
def test_columns(zone: str, line: str) -> None:
    if line in DIFFERENT or line in ONLY_CONSTANT:
        pytest.skip(DIFFERENT.get(line, "special words are read in constants only"))
    check(zone, line, with_columns, -1)


def check(zone: str, line: str, arrange: Any, row: int) -> None:
    answer = expected(zone, line)
    try:
        expr = bound(line, zone)
        moved, frame = arrange(expr)
        got = run(moved, frame, zone)
    except (Error, pl.exceptions.PolarsError, ValueError) as e:
        error = translate(e)
        assert error.condition == answer.get("error"), f"{error!r}, expected {answer}"
        return
    assert "error" not in answer, f"{got}, expected {answer}"
    assert str(got[row]) == str(answer["value"]), f"{got[row]!r}, expected {answer}"
