"""The tables of the plan tests: small Parquet files made once, so that scans have footers and statistics."""

from __future__ import annotations

import datetime
import shutil
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support import delta_tables
from tests.support.tpc import CACHE

if TYPE_CHECKING:
    from sqlshell.session import Session

VERSION = 2


def _tables() -> dict[str, pa.Table]:
    """t: 1,000 rows; u: 100, its `w` sometimes NULL; big: 60,000; n: nested columns."""
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(days=i % 366) for i in range(1000)]
    t = {
        "id": pa.array(range(1000), pa.int32()),
        "k": pa.array([i % 10 for i in range(1000)], pa.int32()),
        "v": pa.array([Decimal(i) / 4 for i in range(1000)], pa.decimal128(10, 2)),
        "s": pa.array(["abcde"[i % 5] for i in range(1000)]),
        "d": pa.array(days),
    }
    u = {
        "id": pa.array(range(100), pa.int32()),
        "k": pa.array([i % 5 for i in range(100)], pa.int32()),
        "w": pa.array([None if i % 7 == 0 else i * 2 for i in range(100)], pa.int32()),
    }
    big = {
        "id": pa.array(range(60_000), pa.int64()),
        "t_id": pa.array([i % 1000 for i in range(60_000)], pa.int32()),
        "u_id": pa.array([i % 100 for i in range(60_000)], pa.int32()),
        "q": pa.array([i % 50 for i in range(60_000)], pa.int32()),
    }
    n = {
        "id": pa.array(range(20), pa.int32()),
        "st": pa.array(
            [{"a": i, "b": f"b{i}", "c": {"d": i * 2, "e": i * 3}} for i in range(20)],
            pa.struct(
                [
                    ("a", pa.int32()),
                    ("b", pa.string()),
                    ("c", pa.struct([("d", pa.int32()), ("e", pa.int32())])),
                ]
            ),
        ),
        "items": pa.array(
            [[{"e0": j, "e1": f"x{j}", "e2": float(i)} for j in range(i % 4)] for i in range(20)],
            pa.list_(pa.struct([("e0", pa.int32()), ("e1", pa.string()), ("e2", pa.float64())])),
        ),
        "attrs": pa.array(
            [[("p", {"x": i, "y": "y"}), ("q", {"x": -i, "y": "z"})] for i in range(20)],
            pa.map_(pa.string(), pa.struct([("x", pa.int32()), ("y", pa.string())])),
        ),
    }
    return {"t": pa.table(t), "u": pa.table(u), "big": pa.table(big), "n": pa.table(n)}


def _days(path: Path) -> None:
    """A Delta table of 12 files, one a month: partition m, id 0..119, d the month's first ten days."""
    days = delta_tables.create(
        str(path), "id bigint, d date, x double, v decimal(10,2), s string, m int", partitions=("m",)
    )
    files = []
    for month in range(1, 13):
        first = (month - 1) * 10
        columns = {
            "id": pa.array(range(first, first + 10), pa.int64()),
            "d": pa.array([datetime.date(2024, month, day) for day in range(1, 11)]),
            "x": pa.array([float("nan") if month == 3 and i == 4 else i * 1.5 for i in range(10)]),
            "v": pa.array([Decimal(first + i) / 4 for i in range(10)], pa.decimal128(10, 2)),
            "s": pa.array([None if month > 10 else f"{'abc'[month % 3]}{i}" for i in range(10)], pa.string()),
        }
        name = f"m={month}/part-{month:02d}.parquet"
        files.append(delta_tables.data_file(days, columns, {"m": str(month)}, name=name))
    delta_tables.append(days, *files)


def folder() -> Path:
    """Where the files are; made on the first call."""
    target = CACHE / f"plan-tables-{VERSION}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=target.parent))
        for name, table in _tables().items():
            pq.write_table(table, building / f"{name}.parquet")
        _days(building / "days")
        try:
            building.rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(building)
    return target


def register(session: Session) -> None:
    """The tables as views."""
    for path in sorted(folder().glob("*.parquet")):
        session.execute(f"CREATE OR REPLACE TEMPORARY VIEW {path.stem} USING parquet OPTIONS (path '{path}')")
    session.execute(f"CREATE OR REPLACE TEMPORARY VIEW days AS SELECT * FROM delta.`{folder()}/days`")
