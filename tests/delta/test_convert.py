"""CONVERT TO DELTA: directories and tables of Parquet files, as others wrote them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlshell.errors import AnalysisError, Error
from sqlshell.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    return list(session.execute(sql).rows())


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(warehouse=str(tmp_path_factory.mktemp("w"))) as s:
        yield s


def write(folder: Path, name: str, ids: range) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    columns = {
        "id": pa.array(ids, pa.int64()),
        "d": pa.array([date(2024, 1, 1 + i % 28) for i in ids]),
        "m": pa.array([Decimal(i).scaleb(-2) for i in ids], pa.decimal128(10, 2)),
        "f": pa.array([float("nan") if i == 3 else i / 8 for i in ids]),
        "s": pa.array([None if i % 5 == 0 else f"text {i}" for i in ids]),
        "l": pa.array([[i] for i in ids]),
    }
    pq.write_table(pa.table(columns), folder / name)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write(tmp_path / "t", "a b.parquet", range(10))
    write(tmp_path / "t", "c.parquet", range(10, 30))
    return tmp_path / "t"


def test_a_directory(session: Session, files: Path) -> None:
    before = rows(session, f"SELECT * FROM '{files}' ORDER BY id")
    assert rows(session, f"CONVERT TO DELTA parquet.`{files}`") == []
    assert repr(rows(session, f"SELECT * FROM delta.`{files}` ORDER BY id")) == repr(before)
    explained = str(rows(session, f"EXPLAIN SELECT * FROM delta.`{files}` WHERE id = 12"))
    assert "files 1 of 2" in explained
    stats = (
        pa.table(deltalake.DeltaTable(str(files)).get_add_actions(flatten=True)).sort_by("path").to_pylist()
    )
    assert [(s["num_records"], s["min.id"], s["max.id"], s["null_count.s"]) for s in stats] == [
        (10, 0, 9, 2), (20, 10, 29, 4),
    ]  # fmt: skip
    assert (stats[0]["max.m"], stats[0]["min.d"], stats[0]["max.s"]) == (
        Decimal("0.09"),
        date(2024, 1, 1),
        "text 9",
    )
    assert stats[0].get("max.f") is None
    rows(session, f"DELETE FROM delta.`{files}` WHERE id < 5")
    rows(session, f"CONVERT TO DELTA parquet.`{files}`")  # it is one: nothing happens
    assert rows(session, f"SELECT count(*), min(id) FROM delta.`{files}`") == [(25, 5)]


def test_directories_of_partitions(session: Session, tmp_path: Path) -> None:
    for i, p in enumerate(("1", "2", "__HIVE_DEFAULT_PARTITION__")):
        write(tmp_path / f"p={p}" / "q=x%20y", "f.parquet", range(10 * i, 10 * i + 10))
    with pytest.raises(AnalysisError, match="the directories have 2") as e:
        rows(session, f"CONVERT TO DELTA parquet.`{tmp_path}`")
    assert "PARTITIONED BY (p int, q string)" in str(e.value.hint)
    rows(session, f"CONVERT TO DELTA parquet.`{tmp_path}` NO STATISTICS PARTITIONED BY (p BIGINT, q STRING)")
    found = rows(session, f"SELECT p, q, count(*), typeof(p) FROM delta.`{tmp_path}` GROUP BY ALL ORDER BY 1")
    assert found == [(None, "x y", 10, "bigint"), (1, "x y", 10, "bigint"), (2, "x y", 10, "bigint")]
    assert "files 1 of 3" in str(rows(session, f"EXPLAIN SELECT * FROM delta.`{tmp_path}` WHERE p = 2"))


def test_a_table_of_the_catalog(session: Session, files: Path) -> None:
    rows(session, f"CREATE TABLE plain USING parquet LOCATION '{files}'")
    rows(session, "CONVERT TO DELTA plain")
    rows(session, "INSERT INTO plain (id) VALUES (99)")
    assert rows(session, "SELECT count(*), max(id) FROM plain") == [(31, 99)]

    assert [r[4] for r in rows(session, "DESCRIBE HISTORY plain")] == ["WRITE", "CONVERT"]


def test_what_cannot_be_converted(session: Session, files: Path, tmp_path: Path) -> None:
    rows(session, "CREATE VIEW seen AS SELECT 1 AS x")
    (tmp_path / "c.csv").write_text("a\n1\n")
    rows(session, f"CREATE TABLE texts USING csv LOCATION '{tmp_path / 'c.csv'}'")
    for sql in (
        "CONVERT TO DELTA seen", "CONVERT TO DELTA texts", "CONVERT TO DELTA nothing", "CONVERT TO ICEBERG x",
        f"CONVERT TO DELTA parquet.`{tmp_path / 'none'}`",
        f"CONVERT TO DELTA parquet.`{files}` PARTITIONED BY (id BIGINT)",
    ):  # fmt: skip
        with pytest.raises(Error):
            rows(session, sql)
    assert not (files / "_delta_log").exists()
