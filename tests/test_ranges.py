"""Storage-partitioned stages: joins and groups by a column that files are in order of, and files that only look it."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlshell.exec import ranges
from sqlshell.storage.zones import MOST, Zone, coarse, is_clustered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlshell.session import Session

N = 30_000
DAY = date(2020, 1, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables by key: `a` once each, `b` up to four times, both in order; others are in the way of ranges."""
    folder = tmp_path_factory.mktemp("ranges")
    random = Random(5)
    keys = sorted(random.choices(range(N), k=2 * N))
    shuffled = random.sample(keys, len(keys))

    def write(name: str, key: pa.Array, groups: int = 2500, **more: Any) -> None:
        table = pa.table({
            "k": key,
            "d": [DAY + timedelta(days=i // 100) for i in range(len(key))],
            "v": [random.randrange(100) for _ in range(len(key))],
            "s": [f"{random.random():.12f}" for _ in range(len(key))],
        })  # fmt: skip
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=groups, **more)

    write("a", pa.array(range(N), pa.int32()))
    write("b", pa.array(keys, pa.int64()), 3300)
    write("shuffled", pa.array(shuffled, pa.int64()))
    write("untold", pa.array(keys, pa.int64()), write_statistics=False)
    write("nulls", pa.array([None if i % 50 == 7 else k for i, k in enumerate(keys)], pa.int64()), 1700)
    write("wide", pa.array([k - 5_000_000_000 if i < N else k for i, k in enumerate(keys)], pa.int64()))
    (folder / "parts").mkdir()
    for i in range(6):
        write(f"parts/{(i * 5) % 6}", pa.array(keys[i * N // 3 : (i + 1) * N // 3], pa.int64()), 1000)
    return folder


@pytest.fixture
def pool(pool_session: Session, folder: Path) -> Iterator[Session]:
    names = [p.stem for p in folder.glob("*.parquet")]
    for name in names:
        _view(pool_session, name, folder / f"{name}.parquet")
    _view(pool_session, "parts", folder / "parts")
    yield pool_session
    for name in (*names, "parts"):
        pool_session.execute(f"DROP VIEW {name}")


def _view(session: Session, name: str, path: Path) -> None:
    session.execute(f"CREATE OR REPLACE TEMPORARY VIEW {name} USING parquet OPTIONS (path '{path}')")


def answer(session: Session, sql: str, partitions: int) -> Counter[tuple[Any, ...]]:
    session.settings.set("sqlshell.partitions", str(partitions))
    try:
        result = session.execute(sql)
        rows = Counter(tuple(r) for r in result.rows())
        result.close()
        return rows
    finally:
        session.settings.set("sqlshell.partitions", "3")


def stages(session: Session, sql: str) -> str:
    (text,) = next(iter(session.execute("EXPLAIN STAGES " + sql).rows()))
    return str(text)


def check(session: Session, sql: str) -> str:
    """The stages of a query whose answer does not depend on partitions."""
    expected = answer(session, sql, 1)
    for partitions in (2, 3, 5):
        assert answer(session, sql, partitions) == expected, sql
    return stages(session, sql)


JOINS = [
    "SELECT count(*), sum(a.v * b.v), min(b.s) FROM a JOIN b ON a.k = b.k",
    "SELECT count(*), sum(b.v), count(b.k), min(a.s) FROM a LEFT JOIN b ON a.k = b.k AND b.v > 20",
    "SELECT count(*), sum(a.v), count(a.k) FROM a RIGHT JOIN b ON a.k = b.k AND a.v < 30",
    "SELECT count(*), count(a.k), count(b.k) FROM (SELECT * FROM a WHERE v < 30) a FULL JOIN b ON a.k = b.k",
    "SELECT count(*), sum(v) FROM b WHERE EXISTS (SELECT 1 FROM a WHERE a.k = b.k AND a.v > 50)",
    "SELECT count(*), sum(v) FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE a.k = b.k)",
    "SELECT count(*) FROM a JOIN parts ON a.k = parts.k WHERE a.k BETWEEN 5000 AND 25000",
    "SELECT count(*), sum(n.v) FROM a JOIN nulls n ON a.k = n.k",
    "SELECT count(*), sum(a.v), count(n.k) FROM nulls n LEFT JOIN a ON a.k = n.k",
    "SELECT count(*), count(a.k), count(n.v) FROM nulls n FULL JOIN a ON a.k <=> n.k",
    "SELECT count(*), max(w.v) FROM wide w JOIN a ON a.k = w.k",
]


@pytest.mark.parametrize("sql", JOINS)
def test_joins_need_no_exchange(pool: Session, sql: str) -> None:
    text = check(pool, sql)
    assert "ranges of" in text
    assert "hash(" not in text
    assert "broadcast" not in text


GROUPS = [
    "SELECT k, count(*), sum(v), min(s), count(DISTINCT v) FROM b GROUP BY k",
    "SELECT k, v % 3 AS m, count(*) FROM nulls GROUP BY k, v % 3",
    "SELECT count(*) FROM (SELECT DISTINCT k FROM nulls)",
    "SELECT d, count(*), max(k) FROM b GROUP BY d",
    "SELECT a.k, max(b.v), count(*) FROM a JOIN b ON a.k = b.k GROUP BY a.k",
    "SELECT b.k, max(a.v), count(*) FROM a JOIN b ON a.k = b.k GROUP BY b.k HAVING count(*) > 2",
    "SELECT count(*), sum(c) FROM (SELECT k, count(*) AS c FROM b GROUP BY k) g JOIN a USING (k) JOIN parts USING (k)",
    "SELECT v, count(DISTINCT k), sum(v), count(*) FROM b WHERE v < 5 GROUP BY v ORDER BY v LIMIT 100",
    "SELECT sum(r) FROM (SELECT row_number() OVER (PARTITION BY k ORDER BY s) AS r FROM nulls)",
]


@pytest.mark.parametrize("sql", GROUPS)
def test_groups_by_the_key_need_no_exchange(pool: Session, sql: str) -> None:
    text = check(pool, sql)
    assert "ranges of" in text
    assert text.count("hash(") == ("DISTINCT k), sum" in sql)  # by v, once the values of k have met


def test_null_extended_keys_are_no_groups(pool: Session) -> None:
    """The NULLs of a full join's missing side stand in every task."""
    one, two = "(SELECT * FROM a WHERE k % 3 > 0) a", "(SELECT * FROM b WHERE v < 5) b"
    sql = f"SELECT b.k, count(*) FROM {one} FULL JOIN {two} ON a.k = b.k GROUP BY b.k"
    assert "hash(k" in check(pool, sql)
    assert "hash(k" in check(pool, sql.replace("FULL", "LEFT"))


@pytest.mark.parametrize("other", ["shuffled", "untold"])
def test_what_is_in_no_order_is_exchanged(pool: Session, other: str) -> None:
    """Zones that overlap, and files that tell nothing."""
    text = check(pool, f"SELECT count(*), sum(o.v) FROM b JOIN {other} o ON b.k = o.k")
    assert "ranges of" not in text
    assert "ranges of" not in check(pool, f"SELECT k, count(*) FROM {other} GROUP BY k")


def test_a_schema_of_the_users_own_is_not_what_statistics_speak_of(pool: Session, folder: Path) -> None:
    pool.execute(
        f"CREATE TEMPORARY VIEW own (k STRING, v BIGINT) USING parquet OPTIONS (path '{folder}/b.parquet')"
    )
    assert "ranges of" not in check(pool, "SELECT k, count(*) FROM own GROUP BY k")
    pool.execute("DROP VIEW own")


def test_computed_keys_are_exchanged(pool: Session) -> None:
    text = check(pool, "SELECT count(*) FROM b JOIN parts p ON b.k + 1 = p.k")
    assert "ranges of" not in text


def test_another_order_wins_once(pool: Session) -> None:
    """Rows that ranges of one column spread are exchanged for the next."""
    sql = "SELECT count(*), sum(x.v) FROM a JOIN b ON a.k = b.k JOIN b x ON x.d = b.d AND x.k = b.k + 0 * a.v"
    text = check(pool, sql)
    assert "ranges of" in text


def test_tables_by_the_ranges_of_their_files(pool: Session, folder: Path) -> None:
    """Delta: a zone per file, from the log; deleted rows and skipped files change nothing."""
    pool.execute("CREATE TABLE lake (k BIGINT, v BIGINT, s STRING)")
    for low in range(0, N, 5000):
        pool.execute(f"INSERT INTO lake SELECT k, v, s FROM b WHERE k >= {low} AND k < {low + 5000}")
    pool.execute("DELETE FROM lake WHERE k % 7 = 3")
    join = "SELECT count(*), sum(a.v), min(l.s) FROM lake l JOIN a ON a.k = l.k"
    for sql in (join, join + " WHERE l.k > 9000", "SELECT k, count(*) FROM lake GROUP BY k"):
        assert "ranges of" in check(pool, sql)
    pool.execute("INSERT INTO lake SELECT k, v, s FROM shuffled")
    assert "ranges of" not in check(pool, join)


def test_memory_that_ran_out_takes_the_exchange(pool: Session) -> None:
    from sqlshell.exec.replan import split_stage
    from sqlshell.parser.parse import parse_statement
    from sqlshell.parser.statement import Query

    statement = parse_statement(JOINS[0])
    assert isinstance(statement, Query)
    graph = pool.stages(pool.optimize(pool.bind(statement).plan).plan)
    wider = split_stage(graph, 0)
    assert wider is not None
    assert wider.partitions == 12
    assert not any(layout.filters for s in wider.stages for layout in s.layout)


def test_zones() -> None:
    ordered = [Zone(i * 10, i * 10 + 9, 5) for i in range(200)]
    assert is_clustered(ordered)
    assert not is_clustered([Zone(0, 1000, 5)] * 3)
    assert not is_clustered([])
    few = coarse(ordered)
    assert len(few) <= MOST
    assert (few[0].low, few[-1].high, sum(z.rows for z in few)) == (0, 1999, 1000)


def test_cuts_fall_between_zones_where_those_are_near() -> None:
    parts = [(0, 100, 50.0), (100, 198, 51.0), (0, 198, 9.0)]
    assert ranges._cut(parts, [0, 100], 2) == (100,)
    assert ranges._cut([(0, 100, 50.0)], [0], 4) == (25, 50, 75)
    assert ranges._cut([(7, 8, 50.0)], [7], 2) == ()  # one value
