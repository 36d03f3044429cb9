"""Functions against Spark's recorded answers, and constant arguments against columns of the same values."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from sqlshell.errors import Error, NotSupportedError
from sqlshell.exec import lower_types
from sqlshell.exec.errors import translate
from sqlshell.exec.lower_expr import Kernel
from sqlshell.expr.expr import Call, Column, Expr, Literal
from sqlshell.functions import registry
from tests.record.record_functions import zone_and_item
from tests.support.answers import ANSWERS, canonical, same

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.session import Session

RECORDED: dict[str, dict[str, Any]] = json.loads((ANSWERS / "functions.json").read_text())
DIFFERENT = {
    "date_add('2020-02-28', 2L)": "bigint and decimal days are cast, Spark refuses them",
    "date_add(date'2020-01-01', 1.0)": "bigint and decimal days are cast, Spark refuses them",
    "format_string('%s', array(1,2))": "refused: Spark prints an internal form",
    """get_json_object('{"a":1,"a":2}', '$.a')""": "of doubled keys the last wins, in Spark the first",
    "greatest(array(1,2), array(1,3))": "refused: arrays are not compared yet",
    "round(2.5, null)": "refused: the scale must be a number",
    "timestampadd(FOO, 1, timestamp'2020-02-29 00:00:00')": "another condition",
    "arrays_zip(array(1, 2), array('a', 'b'))": "the type's field names are quoted",
}
FAMILIES = {"string", "math", "datetime", "json", "hashing", "context"}
CONSTANT_FIRST = {"date_part", "timestampadd", "timestampdiff"}
FLAGS = pl.QueryOptFlags(comm_subexpr_elim=False, comm_subplan_elim=False)


@pytest.mark.parametrize("case", [c for c in RECORDED if c not in DIFFERENT])
def test_answers_as_spark(shared_session: Session, case: str) -> None:
    zone, item = zone_and_item(case)
    expected = RECORDED[case]
    shared_session.settings.set("spark.sql.session.timeZone", zone)
    try:
        result = shared_session.execute(f"SELECT {item}")
        got: dict[str, Any] = {
            "type": str(result.fields[0].type),
            "rows": [canonical(row[0]) for row in result.rows()],
        }
    except Error as e:
        got = {"error": e.condition}
    finally:
        shared_session.settings.set("spark.sql.session.timeZone", "UTC")
    if expected.get("error") == "UNNAMED":
        assert "error" in got
        return
    assert got.get("error") == expected.get("error")
    assert got.get("type") == expected.get("type")
    if "rows" in expected:
        assert same(expected["rows"], got["rows"], 1e-12), got["rows"]


def _run(frame: pl.DataFrame, e: Expr) -> pl.Series:
    lowered = Kernel(tz="UTC").lower(e).alias("r")
    return (
        frame.lazy().with_columns(lowered).select("r").collect(engine="streaming", optimizations=FLAGS)["r"]
    )


ONE_VALUE: dict[int, pl.Series] = {}
ONE_ROW = pl.DataFrame({"z": [0]})


def _variants(call: Call) -> Iterator[set[int]]:
    """Which arguments to make columns: all, and each alone."""
    fixed = {1} if call.fn == "from_json" else set()
    if call.fn in CONSTANT_FIRST or (len(call.args) == 3 and call.fn in {"date_add", "datediff"}):
        fixed = {0}
    free = set(range(len(call.args))) - fixed
    if free:
        yield free
    if len(free) > 1:
        for i in free:
            yield {i}


def _columns(call: Call, which: set[int]) -> tuple[Call, pl.DataFrame] | None:
    """The call over columns value, NULL, NULL, value."""
    data: dict[str, pl.Series] = {"z": pl.Series([0, 1, 2, 3])}
    args: list[Expr] = list(call.args)
    for i in which:
        value = _run(ONE_ROW, args[i])
        if value.dtype == pl.Null:
            return None
        gap = pl.Series([None, None], dtype=value.dtype)
        ONE_VALUE[i] = value
        data[f"c{i}"] = pl.concat([value, gap, value])
        args[i] = Column(i, "x", args[i].type, True)
    return replace(call, args=tuple(args)), pl.DataFrame(data)


def _other(value: pl.Series) -> pl.Series:
    """Another value of the same type."""
    if value.dtype == pl.String:
        return value.str.reverse() + "b"
    if value.dtype.is_numeric():
        return value.to_frame("v").select(pl.col("v") + pl.lit(1, dtype=value.dtype))["v"]
    return value


def _check_rows_apart(call: Call, which: set[int]) -> None:
    """Rows of a batch get what each would get alone, whatever the others hold."""
    data: dict[str, pl.Series] = {"z": pl.Series(range(5))}
    for i in which:
        value = ONE_VALUE[i]
        gap = pl.Series([None], dtype=value.dtype)
        data[f"c{i}"] = pl.concat([value, _other(value), gap, value, _other(_other(value))])
    frame = pl.DataFrame(data)
    try:
        alone = [_run(frame[i : i + 1], call).to_list()[0] for i in range(5)]
    except (pl.exceptions.PolarsError, ValueError, NotSupportedError):
        return
    got = _run(frame, call).to_list()
    assert all(_equal(a, b) for a, b in zip(got, alone, strict=True)), (which, got, alone)


def _equal(a: Any, b: Any) -> bool:
    return same(canonical(a), canonical(b), 1e-12)


@pytest.mark.parametrize("case", [c for c, a in RECORDED.items() if "rows" in a and c not in DIFFERENT])
def test_columns_give_what_constants_give(shared_session: Session, case: str) -> None:
    zone, item = zone_and_item(case)
    plan: Any = shared_session.bind_text(f"SELECT {item}").plan
    items = getattr(plan, "items", ())
    call = items[0].expr if zone == "UTC" and items else None
    if not isinstance(call, Call) or registry.get(call.fn).family not in FAMILIES:
        return
    row = registry.get(call.fn)
    if not row.deterministic:
        return
    expected = _run(ONE_ROW, call).to_list()[0]
    for which in _variants(call):
        over_columns = _columns(call, which)
        if over_columns is None:
            continue
        try:
            got = _run(over_columns[1], over_columns[0])
        except NotSupportedError:
            continue
        except (pl.exceptions.PolarsError, ValueError) as e:
            assert translate(e).condition == "UNSUPPORTED_FEATURE"
            continue
        assert got.dtype == lower_types.dtype(call.type)
        values = got.to_list()
        assert _equal(values[0], expected), which
        assert _equal(values[3], expected), which
        if row.strict:
            assert values[1] is None, which
        _check_rows_apart(over_columns[0], which)
        absent = tuple(Literal(None, a.type) if i in which else a for i, a in enumerate(call.args))
        assert _equal(_run(ONE_ROW, replace(call, args=absent)).to_list()[0], values[1]), which


def test_every_row_has_a_recorded_example() -> None:
    rows = {id(r): r for r in registry.load().values() if r.family in FAMILIES}
    assert [r.name for r in rows.values() if r.example not in RECORDED] == []
