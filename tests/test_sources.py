"""What SQL answers do not show of sources: leaves read, errors located, files that change, caches."""

from __future__ import annotations

import gzip
import json
import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlshell.errors import CorruptInputError, Error, SourceNotFound
from sqlshell.plan.logical import Scan
from sqlshell.storage import parquet_leaves

if TYPE_CHECKING:
    from pathlib import Path

    from sqlshell.session import Session


def rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    result = session.execute(sql)
    try:
        return list(result.rows())
    finally:
        result.close()


def leaves(session: Session, sql: str) -> set[tuple[str, ...]]:
    plan = session.optimize(session.bind_text(sql).plan).plan
    [scan] = plan.collect(Scan)
    return set(scan.leaves or ())


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT user.device.os FROM 'events.parquet'", {("user", "device", "os")}),
        ("SELECT items.qty FROM 'events.parquet'", {("items", "[]", "qty")}),
        ("SELECT count_if(exists(items, i -> i.qty > 2)) FROM 'events.parquet'", {("items", "[]", "qty")}),
        (
            "SELECT i.sku FROM 'events.parquet' LATERAL VIEW explode(items) t AS i WHERE user.id = 3",
            {("items", "[]", "sku"), ("user", "id")},
        ),
    ],
)
def test_only_needed_leaves_are_scanned(session: Session, sql: str, expected: set[tuple[str, ...]]) -> None:
    found = leaves(session, sql)
    nested = {path for path in found if len(path) > 1}
    assert nested == expected
    session.settings.set("sqlshell.optimizer.disabled", "prune_nested_fields")
    try:
        whole = sorted(map(repr, rows(session, sql)))
    finally:
        session.settings.reset("sqlshell.optimizer.disabled")
    assert sorted(map(repr, rows(session, sql))) == whole


def test_whole_columns_are_read_whole(session: Session) -> None:
    assert not leaves(session, "SELECT user, items FROM 'events.parquet'")


def test_repeated_leaf_statistics_skip_row_groups(tmp_path: Path) -> None:
    table = pa.table({"items": [[{"n": i}, {"n": i + 1}] for i in range(1000)]})
    path = str(tmp_path / "n.parquet")
    pq.write_table(table, path, row_group_size=100)
    groups = parquet_leaves.row_groups_that_may_match(path, [(("items", "[]", "n"), ">", 950)])
    assert groups == [9]


def test_malformed_csv_names_file_line_and_column(session: Session) -> None:
    with pytest.raises(CorruptInputError) as error:
        rows(
            session,
            "SELECT sum(value) FROM read_files('readings_dirty.csv', "
            "schema => 'sensor string, taken_on date, value double, note string')",
        )
    assert "readings_dirty.csv, line 121, column value: 'n/a'" in error.value.message
    assert "PERMISSIVE" in str(error.value.hint)


def test_malformed_json_names_line_and_column(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n{"a": 2,\n{"a": 3}\n')
    with pytest.raises(Error) as error:
        rows(session, f"SELECT * FROM '{path}'")
    assert f"{path}, line 2, column" in error.value.message
    assert rows(session, f"SELECT * FROM read_files('{path}', mode => 'DROPMALFORMED')") == [(1,), (3,)]


def test_a_changed_file_is_seen(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,x\n")
    assert rows(session, f"SELECT * FROM '{path}'") == [(1, "x")]
    path.write_text("a,b,c\n1,x,2.5\n")
    assert rows(session, f"SELECT * FROM '{path}'") == [(1, "x", 2.5)]


def test_a_vanished_file_is_named(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    session.execute(f"CREATE TEMPORARY VIEW gone AS SELECT * FROM '{path}'")
    os.remove(path)
    with pytest.raises(SourceNotFound) as error:
        rows(session, "SELECT * FROM gone")
    assert str(path) in error.value.message


def test_corrupt_parquet_is_named(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "bad.parquet"
    path.write_bytes(b"PAR1 this is not a footer PAR1")
    with pytest.raises(CorruptInputError) as error:
        rows(session, f"SELECT * FROM '{path}'")
    assert str(path) in error.value.message


def test_compressed_csv_and_partition_directories(session: Session, tmp_path: Path) -> None:
    for year in (2024, 2025):
        folder = tmp_path / f"year={year}" / "kind=a%20b"
        folder.mkdir(parents=True)
        with gzip.open(folder / "x.csv.gz", "wt") as f:
            f.write(f"n,s\n{year % 100},héllo\n")
    got = rows(session, f"SELECT n, s, year, kind FROM '{tmp_path}' WHERE year > 2024")
    assert got == [(25, "héllo", 2025, "a b")]


def test_json_array_document(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(json.dumps([{"a": 1, "b": {"c": [1, 2]}}, {"a": None, "b": None}], indent=2))
    assert rows(session, f"SELECT a, b.c[1] FROM '{path}' ORDER BY a NULLS LAST") == [(1, 2), (None, None)]


def test_cached_view_survives_its_file(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,d\n1,2.50\n2,3.50\n")
    session.execute(
        f"CREATE TEMPORARY VIEW v AS SELECT a, CAST(d AS decimal(5,2)) AS d, array(a) AS l FROM '{path}'"
    )
    session.execute("CACHE TABLE v")
    os.remove(path)
    assert [r[1:] for r in rows(session, "SELECT sum(a), sum(d), max(l[0]) FROM v")] == [
        (rows(session, "SELECT 6.00BD")[0][0], 2)
    ]
    session.execute("UNCACHE TABLE v")
    with pytest.raises(SourceNotFound):
        rows(session, "SELECT * FROM v")
