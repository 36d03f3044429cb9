"""Python values of Arrow columns: the fast ways give what pyarrow gives."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from sqlshell import types as t
from sqlshell.result_columns import python_values

DAYS = [None, date(1, 1, 1), date(9999, 12, 31), date(1969, 12, 31)]
TIMES = [
    None,
    datetime(1, 1, 1),
    datetime(9999, 12, 30, 23, 59, 59, 999_999),
    datetime(1969, 12, 31, 23, 59, 59, 1),
]
AMOUNTS = [None, Decimal("-99999999999999.9999"), Decimal("0.0000"), Decimal("1.5000")]


@pytest.mark.parametrize("cut", [(0, 4), (1, 3), (0, 1), (0, 0)])
@pytest.mark.parametrize(
    ("kind", "array"),
    [
        (t.Date(), pa.array(DAYS)),
        (t.TimestampNtz(), pa.array(TIMES, pa.timestamp("us"))),
        (t.Timestamp(), pa.array(TIMES, pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))),
        (t.Decimal(18, 4), pa.array(AMOUNTS, pa.decimal128(18, 4))),
        (t.Decimal(38, 4), pa.array(AMOUNTS, pa.decimal128(38, 4))),
        (t.Decimal(3, 0), pa.array([Decimal(5), None, Decimal(-7), None], pa.decimal128(3, 0))),
    ],
    ids=str,
)
def test_same_as_pyarrow(kind: t.SqlType, array: pa.Array, cut: tuple[int, int]) -> None:
    part = array[cut[0] : cut[1]]
    found = python_values(part, kind)
    assert found == part.to_pylist()
    assert [str(v) for v in found] == [str(v) for v in part.to_pylist()]


def test_days_beyond_python_are_errors_as_in_pyarrow() -> None:
    far = pa.array([10_000_000], pa.int32()).cast(pa.date32())
    with pytest.raises((OverflowError, ValueError)):
        far.to_pylist()
    with pytest.raises((OverflowError, ValueError)):
        python_values(far, t.Date())
