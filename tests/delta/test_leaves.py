"""Nested leaves of Delta tables: what is read, and that it equals the whole columns' answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from sqlshell.exec import splits
from sqlshell.exec.scan import FilesToRead
from sqlshell.exec.scan_delta_leaves import LeafReader
from sqlshell.optimizer.driver import DISABLED
from sqlshell.plan.logical import Scan
from tests.delta.test_scan import rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlshell.session import Session

QUERIES = (
    "SELECT id, c.x FROM {t} ORDER BY id",
    "SELECT p, sum(c.x), count(c.s) FROM {t} GROUP BY p ORDER BY p",
    "SELECT id, e FROM {t} LATERAL VIEW explode(items.n) AS e ORDER BY id, e",
    "SELECT id, i.q FROM {t} LATERAL VIEW explode_outer(items) AS i ORDER BY id, i.q",
    "SELECT id, map_keys(attrs) FROM {t} ORDER BY id",
    "SELECT id, attrs['a'].u, p FROM {t} ORDER BY id",
    "SELECT id, map_values(attrs).w FROM {t} ORDER BY id",
    "SELECT count(*) FROM {t} WHERE exists(items, i -> i.n > 25)",
    "SELECT id, c.late FROM {t} ORDER BY id",
    "SELECT id, c.late IS NULL, c IS NULL FROM {t} ORDER BY id",
    "SELECT id, items.late FROM {t} ORDER BY id",
    "SELECT id, other.b, other IS NULL FROM {t} ORDER BY id",
    "SELECT id, size(items), cardinality(attrs) FROM {t} ORDER BY id",
    "SELECT id, c.deep.z FROM {t} WHERE c.x >= 12 AND p IS NOT NULL ORDER BY id",
    "SELECT c.deep.z FROM {t} WHERE c.x = 21",
)
"""Each reads fewer leaves than there are."""

DDL = (
    "id bigint, p string, c struct<x: int, s: string, deep: struct<z: double, y: date>>, "
    "items array<struct<n: bigint, q: string>>, attrs map<string, struct<u: int, w: timestamp>>"
)
ROWS = """
    SELECT i,
      CASE WHEN i < 10 THEN 'a' WHEN i < 20 THEN 'b' END,
      IF(i % 7 = 0, NULL, named_struct('x', i, 's', 's' || i,
         'deep', IF(i % 5 = 0, NULL, named_struct('z', i / 2, 'y', date_add(date'2020-01-01', i))))),
      IF(i % 6 = 0, NULL, transform(filter(array(0, 1, 2), j -> j < i % 4),
         j -> IF(j = 1, NULL, named_struct('n', i + j, 'q', 'q' || j)))),
      IF(i % 3 = 0, IF(i % 2 = 0, NULL, map()),
         map('a', named_struct('u', i, 'w', timestamp'2020-01-01' + make_dt_interval(i)), 'b', NULL))
    FROM (SELECT CAST(id AS int) AS i FROM range({first}, {last}))"""
AGAIN = """
    SELECT id + 30, p,
      IF(c IS NULL, NULL, named_struct('x', c.x, 's', c.s, 'deep', c.deep, 'late', 1.5BD)),
      transform(items, i -> IF(i IS NULL, NULL, named_struct('n', i.n, 'q', i.q, 'late', 3S))),
      attrs, named_struct('a', 1, 'b', 'o')
    FROM delta.`{where}`"""
LATE = ("c.late decimal(12,2)", "items.element.late smallint", "other struct<a: int, b: string>")


@pytest.fixture(params=["none", "name", "id"])
def nested(request: pytest.FixtureRequest, session: Session, tmp_path: Path) -> str:
    """Six files in row groups of four, half of them from before the fields `late` came; rows deleted by vectors."""
    mode = request.param
    where = str(tmp_path / "t")
    session.execute(
        f"CREATE TABLE delta.`{where}` ({DDL}) USING delta PARTITIONED BY (p) TBLPROPERTIES "
        f"('delta.columnMapping.mode' = '{mode}', 'delta.enableDeletionVectors' = 'true')"
    )
    session.execute(f"INSERT INTO delta.`{where}` {ROWS.format(first=0, last=30)}")
    for column in LATE:
        session.execute(f"ALTER TABLE delta.`{where}` ADD COLUMNS ({column})")
    session.execute(f"INSERT INTO delta.`{where}` {AGAIN.format(where=where)}")
    session.execute(f"DELETE FROM delta.`{where}` WHERE id IN (0, 5, 9, 12, 44, 45, 46, 47, 48)")
    files = session.tables.open(where).latest().files()
    assert any(f.deletion_vector for f in files)
    for add in files:
        path = f"{where}/{add.path}"
        pq.write_table(pq.read_table(path, partitioning=None), path, row_group_size=4)
    return where


@pytest.fixture(params=["solo", "pool"])
def either(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, session: Session, pool_session: Session
) -> Iterator[Session]:
    """A solo session; or two workers that cut even tiny files at their row groups."""
    monkeypatch.setattr(splits, "MIN_BYTES", 1)
    yield session if request.param == "solo" else pool_session


def test_leaves_give_what_whole_columns_give(either: Session, nested: str) -> None:
    where = f"delta.`{nested}`"
    pruned = []
    for query in QUERIES:
        plan = either.optimize(either.bind_text(query.format(t=where)).plan).plan
        assert all(s.leaves is not None for s in plan.collect(Scan)), query
        pruned.append(rows(either, query.format(t=where)))
    either.execute(f"SET {DISABLED} = prune_nested_fields")
    try:
        whole = [rows(either, query.format(t=where)) for query in QUERIES]
    finally:
        either.execute(f"RESET {DISABLED}")
    for query, found, expected in zip(QUERIES, pruned, whole, strict=True):
        assert found == expected, query


@pytest.mark.parametrize("mode", ["none", "name", "id"])
def test_types_that_only_pyarrow_casts(either: Session, tmp_path: Path, mode: str) -> None:
    """Files older than a type change to decimals or times, with and without column mapping; older ones last."""
    where = f"delta.`{tmp_path}/t`"
    either.execute(
        f"CREATE TABLE {where} (id int, i int, d date, n decimal(5,2), c struct<i: int, d: date>) USING delta "
        f"TBLPROPERTIES ('delta.columnMapping.mode' = '{mode}', 'delta.enableTypeWidening' = 'true')"
    )
    values = "(1, 7, date'2020-02-29', 1.25, named_struct('i', 5, 'd', date'1969-12-31')), (2, NULL, NULL, NULL, NULL)"
    either.execute(f"INSERT INTO {where} VALUES {values}")
    for name, new in (("i", "decimal(14,2)"), ("d", "timestamp_ntz"), ("n", "decimal(10,4)")):
        either.execute(f"ALTER TABLE {where} ALTER COLUMN {name} TYPE {new}")
    for name, new in (("c.i", "decimal(12,1)"), ("c.d", "timestamp_ntz")):
        either.execute(f"ALTER TABLE {where} ALTER COLUMN {name} TYPE {new}")
    either.execute(f"INSERT INTO {where} SELECT id + 2, i + 0.25, d, n, c FROM {where}")
    expected = [
        (1, "7.00", "2020-02-29 00:00:00", "1.2500", "{5.0, 1969-12-31 00:00:00}"),
        (2, None, None, None, None),
        (3, "7.25", "2020-02-29 00:00:00", "1.2500", "{5.0, 1969-12-31 00:00:00}"),
        (4, None, None, None, None),
    ]
    columns = "id, CAST(i AS string), CAST(d AS string), CAST(n AS string), CAST(c AS string)"
    assert rows(either, f"SELECT {columns} FROM {where} ORDER BY id") == expected
    assert rows(either, f"SELECT count(*) FROM {where} WHERE i > 7.1 AND c.i = 5") == [(1,)]
    assert rows(
        either, f"SELECT id FROM {where} WHERE c.d < '1970-01-01' AND d = '2020-02-29' ORDER BY 1"
    ) == [
        (1,),
        (3,),
    ]


def test_row_groups_of_leaves_are_skipped(session: Session, nested: str) -> None:
    """Statistics of leaves, repeated ones too, under the files' own names."""
    query = f"SELECT count(*) FROM delta.`{nested}` WHERE exists(items, i -> i.n > 25) AND c.x > 20"
    plan = session.optimize(session.bind_text(query).plan).plan
    [scan] = plan.collect(Scan)
    source: Any = scan.source
    pieces: list[Any] = [(f, None) for f in source.files]
    request = FilesToRead(None, scan, source, list(scan.fields), pieces)  # type: ignore[arg-type]
    columns = [c for c in source.table.columns.fields if c.name in scan.fields]
    reader = LeafReader(request, columns, {}, lambda f: [])
    groups = [reader.row_groups(f)[0] for f in source.files]
    # The log's statistics leave two files; of rows 20 to 29 the first four have nothing above 25.
    assert groups == [[1, 2], [1, 2]]
