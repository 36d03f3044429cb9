"""What leaves as Arrow and as Python values for the types Arrow has several forms of."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from sqlshell import variant
from sqlshell.variant_binary import decode, encode

if TYPE_CHECKING:
    from sqlshell.session import Session

JSON = (
    '{"b":[1,-300,70000,1099511627776,true,null,"é"],"a":{"x":1.5,"y":12345678901234567890.125,"z":1.0E300}}'
)


@pytest.mark.parametrize("source", ["", " FROM range(1)"])
def test_variants_leave_as_sparks_struct(session: Session, source: str) -> None:
    sql = f"SELECT parse_json('{JSON}') v, to_variant_object(array(DATE'2024-01-01', NULL)) d{source}"
    table = session.execute(sql).arrow()
    form = pa.struct(
        [pa.field("value", pa.large_binary(), False), pa.field("metadata", pa.large_binary(), False)]
    )
    assert table.schema.types == [form, form]
    first = table["v"][0].as_py()
    assert decode(first["metadata"], first["value"]) == variant.from_json(JSON)
    second = table["d"][0].as_py()
    assert decode(second["metadata"], second["value"]) == ["@19723", None]
    shown = [str(v) for v in next(iter(session.execute(sql).rows()))]
    assert variant.from_json(shown[0]) == variant.from_json(JSON)
    assert shown[1] == '["2024-01-01",null]'


@pytest.mark.parametrize(
    "text",
    [
        "[" + ",".join(map(str, range(300))) + "]",
        "{" + ",".join(f'"k{i:03}":{i}' for i in range(300)) + "}",
        '"' + "x" * 100 + '"',
        "0.00001",
        "{}",
    ],
)
def test_the_binary_form_reads_back(text: str) -> None:
    tree = variant.from_json(text)
    assert decode(*encode(tree)) == tree


@pytest.mark.parametrize("source", ["", " FROM range(1)"])
def test_times_and_calendar_intervals(session: Session, source: str) -> None:
    sql = f"SELECT TIME'12:34:56.5' t, make_interval(1, 2, 0, 3, 4, 5, 6.5) i{source}"
    table = session.execute(sql).arrow()
    assert table.schema.types == [pa.time64("ns"), pa.month_day_nano_interval()]
    assert table.to_pylist() == [
        {"t": time(12, 34, 56, 500_000), "i": pa.MonthDayNano([14, 3, 14_706_500_000_000])}
    ]
    assert next(iter(session.execute(sql).rows())) == (time(12, 34, 56, 500_000), (14, 3, 14_706_500_000_000))
