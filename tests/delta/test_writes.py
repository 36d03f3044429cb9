"""INSERT, CTAS, DELETE, UPDATE and MERGE: what the table holds then, and what `deltalake` reads of it."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from deltalake import DeltaTable as Peer

from sqlshell.errors import Error, IntegrityError
from sqlshell.session import Session
from sqlshell.storage.delta.table import DeltaTable

if TYPE_CHECKING:
    from sqlshell.storage.delta.actions import Add


def rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    return list(session.execute(sql).rows())


def location(session: Session, name: str) -> str:
    found = session.catalog.get("relation", ("default", name))
    assert found is not None
    return session.catalog.location(found)


def peer_rows(path: str, order: str) -> list[dict[str, Any]]:
    """What `deltalake` reads: through its own engine, deletion vectors and all."""
    import pyarrow as pa

    found = pa.table(Peer(path).scan().read_all()).to_pylist()
    return sorted(found, key=lambda r: (r[order] is not None, r[order]))


def duckdb_rows(path: str, sql: str) -> list[tuple[Any, ...]]:
    """What DuckDB's delta extension reads; `{t}` in the query is the table."""
    import duckdb_extension_delta

    [file] = Path(duckdb_extension_delta.__file__).parent.rglob("*.duckdb_extension")
    with duckdb.connect(config={"allow_unsigned_extensions": "true"}) as connection:
        connection.execute(f"LOAD '{file}'")
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql.format(t=f"delta_scan('{path}')")).fetchall()


def adds(path: str) -> tuple[Add, ...]:
    return tuple(DeltaTable(path).latest().files())


@pytest.fixture(params=["solo", "pool"])
def either(request: pytest.FixtureRequest) -> Session:
    """A session of each kind."""
    found: Session = request.getfixturevalue("session" if request.param == "solo" else "pool_session")
    return found


MODES = {"vectors": "true", "rewrite": "false"}


@pytest.fixture(params=list(MODES))
def people(request: pytest.FixtureRequest, either: Session) -> Session:
    """A table of eight people in two files, with and without deletion vectors."""
    either.execute(
        "CREATE TABLE people (id int, name string, age int, city string) "
        f"TBLPROPERTIES ('delta.enableDeletionVectors' = '{MODES[request.param]}')"
    )
    either.execute(
        "INSERT INTO people VALUES (1, 'Ann', 31, 'Oslo'), (2, 'Bob', 52, 'Rome'), (3, 'Cid', NULL, 'Oslo'),"
        " (4, 'Dee', 18, NULL), (5, 'Eve', 77, 'Bonn')"
    )
    either.execute(
        "INSERT INTO people VALUES (6, 'Fay', 40, 'Rome'), (7, NULL, 12, 'Bonn'), (8, 'Hal', 64, 'Oslo')"
    )
    return either


def check_peer(session: Session, name: str = "people", order: str = "id") -> None:
    """Ours and theirs are the same rows."""
    ours = session.execute(f"SELECT * FROM {name} ORDER BY {order}")
    expected = [dict(zip(ours.names, r, strict=True)) for r in ours.rows()]
    assert peer_rows(location(session, name), order) == expected


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("id = 3", [1, 2, 4, 5, 6, 7, 8]),
        ("age > 30", [3, 4, 7]),  # NULL is not deleted
        ("city = 'Oslo' OR name IS NULL", [2, 4, 5, 6]),
        ("id IN (SELECT max(id) FROM people)", [1, 2, 3, 4, 5, 6, 7]),
        ("EXISTS (SELECT 1 FROM VALUES ('Rome') v(c) WHERE c = city)", [1, 3, 4, 5, 7, 8]),
        ("age / 2 > (SELECT avg(age) FROM people) - 20", [1, 3, 4, 6, 7]),
        ("id <= 5", [6, 7, 8]),
        ("id % 2 = 0", [1, 3, 5, 7]),
        ("false", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("true", []),
    ],
)
def test_delete(people: Session, condition: str, kept: list[int]) -> None:
    (affected,) = rows(people, f"DELETE FROM people WHERE {condition}")
    assert affected == (8 - len(kept),)
    assert sorted(r[0] for r in rows(people, "SELECT id FROM people")) == sorted(kept)
    check_peer(people)


def test_delete_again_and_again(people: Session) -> None:
    for i in range(1, 9):
        assert rows(people, f"DELETE FROM people p WHERE p.id = {i}") == [(1,)]
        assert rows(people, f"DELETE FROM people WHERE id = {i}") == [(0,)]
        check_peer(people)
    assert adds(location(people, "people")) == ()
    assert rows(people, "SELECT count(*) FROM people VERSION AS OF 2") == [(8,)]


def test_update(people: Session) -> None:
    assert rows(people, "UPDATE people SET age = age + 1, name = upper(name) WHERE city = 'Oslo'") == [(3,)]
    assert rows(people, "SELECT id, name, age FROM people WHERE city = 'Oslo' ORDER BY id") == [
        (1, "ANN", 32),
        (3, "CID", None),
        (8, "HAL", 65),
    ]
    assert rows(people, "UPDATE people AS p SET p.city = (SELECT min(name) FROM people), age = id") == [(8,)]
    assert rows(people, "SELECT DISTINCT city, age - id FROM people") == [("ANN", 0)]
    check_peer(people)


def test_merge_every_clause(people: Session) -> None:
    merged = rows(
        people,
        "MERGE INTO people t USING (VALUES (1, 'one', 1), (2, 'two', -1), (5, 'five', 0), (20, 'new', 5),"
        " (21, 'no', -5)) s(id, name, age) ON t.id = s.id"
        " WHEN MATCHED AND s.age < 0 THEN DELETE"
        " WHEN MATCHED AND s.age > 0 THEN UPDATE SET name = s.name, age = t.age + s.age"
        " WHEN NOT MATCHED AND s.age > 0 THEN INSERT (name, id) VALUES (concat(s.name, '!'), s.id)"
        " WHEN NOT MATCHED BY SOURCE AND t.age > 60 THEN DELETE"
        " WHEN NOT MATCHED BY SOURCE AND t.city = 'Rome' THEN UPDATE SET city = 'ROMA'",
    )
    assert merged == [(5, 2, 2, 1)]
    assert rows(people, "SELECT * FROM people ORDER BY id") == [
        (1, "one", 32, "Oslo"),
        (3, "Cid", None, "Oslo"),
        (4, "Dee", 18, None),
        (5, "Eve", 77, "Bonn"),
        (6, "Fay", 40, "ROMA"),
        (7, None, 12, "Bonn"),
        (20, "new!", None, None),
    ]
    check_peer(people)


def test_merge_star_and_repeats(people: Session) -> None:
    source = "(SELECT id + 6 AS id, 'x' AS name, 1 AS age, 'y' AS city FROM range(4))"
    star = (
        f"MERGE INTO people USING {source} s ON people.id = s.id"
        " WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    )
    assert rows(people, star) == [(4, 3, 0, 1)]
    assert rows(people, "SELECT count(*) FROM people WHERE name = 'x' AND city = 'y'") == [(4,)]
    twice = "MERGE INTO people t USING VALUES (1, 1), (1, 2) s(id, n) ON t.id = s.id WHEN MATCHED"
    with pytest.raises(Error, match="two rows of the source") as e:
        people.execute(f"{twice} THEN UPDATE SET age = n")
    assert e.value.condition == "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE"
    # Conditions of the clauses count: only one source row changes the target's.
    assert rows(people, f"{twice} AND s.n = 2 THEN UPDATE SET age = n") == [(1, 1, 0, 0)]
    assert rows(people, f"{twice} THEN DELETE") == [(1, 0, 1, 0)]
    check_peer(people)


def test_merge_insert_only_and_nulls(people: Session) -> None:
    merged = rows(
        people,
        "MERGE INTO people t USING VALUES (NULL, 'n'), (1, 'm') s(id, name) ON t.id = s.id"
        " WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)",
    )
    assert merged == [(1, 0, 0, 1)]
    assert rows(people, "SELECT name FROM people WHERE id IS NULL") == [("n",)]


def test_replacing_inserts(either: Session) -> None:
    s = either
    s.execute("CREATE TABLE days (d date, n int, v string) PARTITIONED BY (d)")
    s.execute(
        "INSERT INTO days SELECT date_add(DATE'2024-01-01', CAST(id % 3 AS int)), id, 'a' FROM range(9)"
    )
    s.execute("INSERT OVERWRITE days PARTITION (d = DATE'2024-01-02') SELECT 100, 'b'")
    assert rows(s, "SELECT d, count(*), max(n) FROM days GROUP BY d ORDER BY d")[1][1:] == (1, 100)
    s.execute("INSERT INTO days REPLACE WHERE n >= 6 SELECT DATE'2030-01-01', 7, 'c'")
    assert sorted(r[0] for r in rows(s, "SELECT n FROM days")) == [0, 2, 3, 5, 7]
    before = DeltaTable(location(s, "days")).latest().version
    with pytest.raises(IntegrityError, match="n : 1") as e:
        s.execute("INSERT INTO days REPLACE WHERE n >= 6 SELECT DATE'2030-01-01', 1, 'c'")
    assert e.value.condition == "DELTA_REPLACE_WHERE_MISMATCH"
    assert DeltaTable(location(s, "days")).latest().version == before
    s.execute("INSERT INTO days REPLACE USING (n) VALUES (NULL, 7, 'd'), (NULL, 50, 'e')")
    assert rows(s, "SELECT d, v FROM days WHERE n IN (7, 50)") == [(None, "d"), (None, "e")]
    s.execute("SET spark.sql.sources.partitionOverwriteMode = dynamic")
    try:
        s.execute("INSERT OVERWRITE days VALUES (NULL, 1, 'f')")
    finally:
        s.execute("SET spark.sql.sources.partitionOverwriteMode = static")
    assert rows(s, "SELECT n FROM days WHERE d IS NULL") == [(1,)]
    assert len(rows(s, "SELECT n FROM days")) == 5
    check_peer(s, "days", "n")


CONSTRAINED = """
    CREATE TABLE c (id bigint GENERATED ALWAYS AS IDENTITY (START WITH 10 INCREMENT BY 5), a int NOT NULL,
      b int DEFAULT 3, twice int GENERATED ALWAYS AS (a * 2), v varchar(3),
      s struct<x: int NOT NULL, y: string>,
      CONSTRAINT small CHECK (a < 100), CONSTRAINT both CHECK (a > b OR b IS NULL))
"""


@pytest.mark.parametrize(
    ("sql", "condition", "text"),
    [
        ("INSERT INTO c (a) VALUES (NULL)", "DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "`a`"),
        ("INSERT INTO c (a) VALUES (100)", "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES", "`small` (a < 100)"),
        ("INSERT INTO c (a) VALUES (5), (2)", "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES", " - a : 2\n - b : 3"),
        (
            "INSERT INTO c (a, twice) VALUES (5, 11)",
            "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES",
            "twice <=> a * 2",
        ),
        (
            "INSERT INTO c (a, s) VALUES (5, named_struct('x', NULL, 'y', 'q'))",
            "DELTA_NOT_NULL_CONSTRAINT_VIOLATED",
            "`s.x`",
        ),
        ("INSERT INTO c (a, v) VALUES (5, 'abcd')", "EXCEED_LIMIT_LENGTH", "3"),
        (
            "INSERT INTO c (id, a) VALUES (1, 5)",
            "DELTA_IDENTITY_COLUMNS_EXPLICIT_INSERT_NOT_SUPPORTED",
            "`id`",
        ),
        ("UPDATE c SET a = 1000", "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES", " - a : 1000"),
        ("UPDATE c SET id = 1", "DELTA_IDENTITY_COLUMNS_UPDATE_NOT_SUPPORTED", "`id`"),
        ("UPDATE c SET a = 5, c.a = 6", "DELTA_CONFLICT_SET_COLUMN", "twice"),
        ("UPDATE c SET s.z = 5", "FIELD_NOT_FOUND", "`z`"),
        ("UPDATE c SET nope = 5", "UNRESOLVED_COLUMN.WITH_SUGGESTION", "nope"),
        ("UPDATE c SET a = 'x'", "INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST", "`a`"),
        (
            "MERGE INTO c USING VALUES (5) s(k) ON a = k WHEN MATCHED THEN UPDATE SET a = -1",
            "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES",
            "both",
        ),
        (
            "MERGE INTO c USING VALUES (5) s(k) ON a = k WHEN NOT MATCHED THEN INSERT (id, a) VALUES (1, k)",
            "DELTA_IDENTITY_COLUMNS_EXPLICIT_INSERT_NOT_SUPPORTED",
            "`id`",
        ),
        ("DELETE FROM c WHERE 1 / (a - 5) > 0", "DIVIDE_BY_ZERO", "zero"),
    ],
)
def test_refused_writes_leave_nothing(session: Session, sql: str, condition: str, text: str) -> None:
    session.execute(CONSTRAINED)
    session.execute("INSERT INTO c (a, s) VALUES (5, named_struct('x', 1, 'y', 'q'))")
    folder = Path(location(session, "c"))
    before = sorted(p for p in folder.rglob("*") if p.is_file())
    with pytest.raises(Error) as e:
        session.execute(sql)
    assert e.value.condition == condition
    assert text in e.value.message
    until = time.monotonic() + 20  # a thread of the failed query may still create a file, to be removed then
    while sorted(p for p in folder.rglob("*") if p.is_file()) != before:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert rows(session, "SELECT * FROM c") == [(10, 5, 3, 10, None, {"x": 1, "y": "q"})]


def test_identity_generated_and_defaults_go_on(either: Session) -> None:
    either.execute(CONSTRAINED)
    either.execute("INSERT INTO c (a, b) VALUES (7, NULL), (8, 1)")
    either.execute("INSERT INTO c (a, v) VALUES (9, 'xy ')")
    either.execute("UPDATE c SET a = a + 1, b = DEFAULT WHERE a >= 8")
    assert rows(either, "SELECT a, b, twice, v FROM c ORDER BY a") == [
        (7, None, 14, None),
        (9, 3, 18, None),
        (10, 3, 20, "xy "),
    ]
    either.execute("INSERT INTO c (id, a, twice) VALUES (DEFAULT, 30, DEFAULT), (DEFAULT, 31, DEFAULT)")
    assert rows(either, "SELECT count(id), sum(twice) FROM c WHERE a >= 30") == [(2, 122)]
    either.execute("DELETE FROM c WHERE a >= 30")
    either.execute(
        "MERGE INTO c USING VALUES (9, 4), (20, 6), (21, 6) s(k, n) ON a = k"
        " WHEN MATCHED THEN UPDATE SET b = n WHEN NOT MATCHED THEN INSERT (a, b) VALUES (k, n)"
    )
    assert rows(either, "SELECT b, twice FROM c WHERE a IN (9, 20) ORDER BY a") == [(4, 18), (6, 40)]
    numbers = [r[0] for r in rows(either, "SELECT id FROM c")]
    assert len(set(numbers)) == 5
    assert all(n >= 10 and n % 5 == 0 for n in numbers)


VALUES = """
    SELECT * FROM VALUES
      (1Y, 9223372036854775807L, 9007199254740993.01BD, 1.5F, 2.5D, 'a', DATE'2020-01-01',
        TIMESTAMP'2020-01-01 00:00:00.123456', TIMESTAMP_NTZ'1999-12-31 23:59:59.999999', true, X'00', 'zebra'),
      (-1Y, -9223372036854775808L, -0.01BD, 0.5F, double('NaN'), repeat('b', 40), DATE'0001-01-01',
        TIMESTAMP'1970-01-01 00:00:00', NULL, false, X'FF', NULL),
      (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'ant')
      AS v(t, l, m, f, d, s, day, ts, n, o, b, z)
"""


def test_statistics_are_exact(session: Session) -> None:
    session.execute(
        f"CREATE TABLE st AS SELECT named_struct('q', t, 'deep', named_struct('m', m)) AS st, * FROM ({VALUES})"
    )
    (add,) = adds(location(session, "st"))
    assert add.stats is not None
    text = add.stats
    found = json.loads(text)
    assert found["numRecords"] == 3
    assert found["nullCount"]["st"] == {"q": 1, "deep": {"m": 1}}
    assert found["nullCount"]["l"] == 1
    assert '"m":9007199254740993.01' in text
    assert '"m":-0.01' in text
    assert found["minValues"]["l"] == -(2**63)
    assert found["maxValues"]["l"] == 2**63 - 1
    assert "d" not in found["maxValues"]  # a NaN is above what the maximum would say
    assert found["minValues"]["d"] == 2.5
    assert found["maxValues"]["s"] == "b" * 32 + "\U0010ffff"
    assert found["maxValues"]["ts"] == "2020-01-01T00:00:00.123456Z"
    assert found["minValues"]["n"] == "1999-12-31T23:59:59.999999"
    assert found["minValues"]["day"] == "0001-01-01"
    assert not {"o", "b"} & set(found["maxValues"])
    for condition, count in [
        ("m = 9007199254740993.01BD", 1),
        ("d > 5", 1),
        ("s > repeat('b', 39)", 1),
        ("ts = TIMESTAMP'2020-01-01 00:00:00.123456'", 1),
        ("st.q = 1", 1),
        ("l = 9223372036854775807", 1),
        ("f IS NULL", 1),
    ]:
        assert rows(session, f"SELECT count(*) FROM st WHERE {condition}") == [(count,)], condition
    peer = [r for r in peer_rows(location(session, "st"), "z") if r["m"] is not None]
    assert {str(r["m"]) for r in peer} == {"9007199254740993.01", "-0.01"}
    assert any(math.isnan(r["d"]) for r in peer)


@pytest.mark.parametrize("mode", ["none", "name"])
def test_partition_values_of_every_type(either: Session, mode: str) -> None:
    for column in ("t", "l", "m", "f", "d", "s", "day", "ts", "n", "o"):
        either.execute(
            f"CREATE OR REPLACE TABLE p PARTITIONED BY ({column}) "
            f"TBLPROPERTIES ('delta.columnMapping.mode' = '{mode}') AS {VALUES}"
        )
        expected = rows(either, f"SELECT {column}, z FROM ({VALUES}) ORDER BY z")
        assert repr(rows(either, f"SELECT {column}, z FROM p ORDER BY z")) == repr(expected), column
        if column != "d":  # a file of deltalake's reader for NaN partitions
            peer = peer_rows(location(either, "p"), "z")
            assert [r["z"] for r in peer] == [r[1] for r in expected]
        either.execute("DROP TABLE p")


def test_odd_names_and_paths(either: Session) -> None:
    odd = ["a/b", "c d", "e%20f", "g=h", "日本", "#?:", "..", "it's", 'q"q', "x\\y", "", None]
    either.execute("CREATE TABLE odd (k string, n int) PARTITIONED BY (k)")
    for n, k in enumerate(odd):
        either.execute("INSERT INTO odd VALUES (?, ?)", [k, n])
    assert [r[0] for r in rows(either, "SELECT k FROM odd ORDER BY n")] == [k or None for k in odd]
    assert rows(either, "SELECT n FROM odd WHERE k = 'e%20f'") == [(2,)]
    either.execute("DELETE FROM odd WHERE n % 2 = 0")
    check_peer(either, "odd", "n")


def test_many_partitions(session: Session) -> None:
    session.execute("CREATE TABLE many PARTITIONED BY (k) AS SELECT id % 700 AS k, id FROM range(7000)")
    found = adds(location(session, "many"))
    assert len(found) == 700
    assert rows(session, "SELECT count(DISTINCT k), count(*), sum(id) FROM many") == [
        (700, 7000, 7000 * 6999 // 2)
    ]


def test_ctas_is_all_or_nothing(session: Session) -> None:
    with pytest.raises(Error):
        session.execute("CREATE TABLE broken AS SELECT 1 / (id - 5) AS x FROM range(10)")
    with pytest.raises(Error, match="broken"):
        session.execute("SELECT * FROM broken")
    session.execute("CREATE TABLE good AS SELECT 1 AS x")
    with pytest.raises(Error):
        session.execute("CREATE OR REPLACE TABLE good AS SELECT raise_error('no') AS x")
    assert rows(session, "SELECT * FROM good") == [(1,)]
    session.execute("CREATE OR REPLACE TABLE good AS SELECT x + 1 AS y, 'a' AS z FROM good")
    assert rows(session, "SELECT * FROM good") == [(2, "a")]
    assert rows(session, "SELECT * FROM good VERSION AS OF 0") == [(1,)]


def test_paths_as_targets(session: Session, tmp_path: Path) -> None:
    import pyarrow as pa
    from deltalake import write_deltalake

    path = str(tmp_path / "theirs")
    write_deltalake(path, pa.table({"id": [1, 2, 3], "v": ["a", "b", "c"]}))
    session.execute(f"INSERT INTO delta.`{path}` VALUES (4, 'd')")
    session.execute(f"UPDATE delta.`{path}` SET v = 'x' WHERE id = 2")
    session.execute(f"DELETE FROM delta.`{path}` WHERE id = 1")
    assert peer_rows(path, "id") == [{"id": 2, "v": "x"}, {"id": 3, "v": "c"}, {"id": 4, "v": "d"}]


# -- two writers


@pytest.fixture
def race(session: Session, monkeypatch: pytest.MonkeyPatch) -> tuple[Session, Any]:
    """A table of two partitions, and `between(sql)`: what another session commits before our next commit."""
    from sqlshell.commands import dml

    session.execute("CREATE TABLE r (p int, n int) PARTITIONED BY (p)")
    session.execute("INSERT INTO r VALUES (1, 1), (1, 2), (2, 10), (2, 20)")
    original = dml.commit
    pending: list[str] = []
    other = Session(warehouse=str(session.catalog.warehouse), warm=False)

    def commit(*args: Any, **kwargs: Any) -> int:
        if pending:
            with pytest.MonkeyPatch.context() as calm:
                calm.setattr(dml, "commit", original)
                other.execute(pending.pop())
        return original(*args, **kwargs)

    monkeypatch.setattr(dml, "commit", commit)
    monkeypatch.setattr(dml, "TRIES", 1)
    return session, pending.append


MERGE = "MERGE INTO r t USING VALUES (2) s(n) ON t.n = s.n"
PARTITION_2 = "UPDATE r SET n = n + 1 WHERE p = 2"


@pytest.mark.parametrize(
    ("first", "then", "condition"),
    [
        ("INSERT INTO r VALUES (1, 3)", "INSERT INTO r VALUES (2, 30)", None),
        ("DELETE FROM r WHERE p = 1", "INSERT INTO r VALUES (2, 30)", None),
        ("INSERT INTO r VALUES (2, 30)", "DELETE FROM r WHERE p = 1 AND n = 1", None),
        ("DELETE FROM r WHERE n = 10", "DELETE FROM r WHERE p = 1 AND n = 1", None),
        ("DELETE FROM r WHERE n = 1", "DELETE FROM r WHERE n = 2", "DELTA_CONCURRENT_DELETE_DELETE"),
        ("UPDATE r SET n = 5 WHERE n = 1", "UPDATE r SET n = n + 1", "DELTA_CONCURRENT_DELETE_DELETE"),
        (
            "MERGE INTO r USING VALUES (10) s(k) ON n = k WHEN MATCHED THEN DELETE",
            "UPDATE r SET n = n + 1",
            "DELTA_CONCURRENT_DELETE_DELETE",
        ),
        (PARTITION_2, "DELETE FROM r WHERE p < 2", None),
        (PARTITION_2, "DELETE FROM r WHERE p > 1", "DELTA_CONCURRENT_DELETE_DELETE"),
        (PARTITION_2, f"{MERGE} AND t.p = 1 WHEN MATCHED THEN DELETE", None),
        (PARTITION_2, f"{MERGE} WHEN MATCHED THEN DELETE", "DELTA_CONCURRENT_DELETE_READ"),
        (
            PARTITION_2,
            f"{MERGE} AND t.p = 1 WHEN NOT MATCHED BY SOURCE THEN DELETE",
            "DELTA_CONCURRENT_DELETE_DELETE",
        ),
        (
            "DELETE FROM r WHERE n = 1",
            "INSERT INTO r SELECT 3, sum(n) FROM r",
            "DELTA_CONCURRENT_DELETE_READ",
        ),
        ("INSERT OVERWRITE r VALUES (1, 7)", "DELETE FROM r WHERE n = 2", "DELTA_CONCURRENT_DELETE_DELETE"),
    ],
)
def test_races(race: tuple[Session, Any], first: str, then: str, condition: str | None) -> None:
    session, between = race
    before = {f.path for f in adds(location(session, "r"))}
    between(first)
    if condition is None:
        session.execute(then)
        assert DeltaTable(location(session, "r")).latest().version == 3
    else:
        with pytest.raises(Error, match="version 2") as e:
            session.execute(then)
        assert e.value.condition == condition
        live = {f.path for f in adds(location(session, "r"))} | before
        here = Path(location(session, "r"))
        assert {str(p.relative_to(here)) for p in here.rglob("*.parquet")} == live
    check_peer(session, "r", "n")


def test_deleting_partitions_reads_no_rows(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.execute("CREATE TABLE d (p int, q string, n int) PARTITIONED BY (p, q)")
    session.execute("INSERT INTO d SELECT id % 4, IF(id % 3 = 0, NULL, 'q' || id % 3), id FROM range(48)")
    monkeypatch.setattr("sqlshell.commands.dml.Affected", None)
    assert rows(session, "DELETE FROM d WHERE p IN (1, 3) AND q IS NULL") == [(8,)]
    assert rows(session, "DELETE FROM d WHERE upper(q) = 'Q1' OR p = 9") == [(16,)]
    assert rows(session, "DELETE FROM d WHERE p > 7") == [(0,)]
    assert rows(session, "SELECT p, q, count(*) FROM d GROUP BY 1, 2 ORDER BY 1, 2") == [
        (0, None, 4),
        (0, "q2", 4),
        (1, "q2", 4),
        (2, None, 4),
        (2, "q2", 4),
        (3, "q2", 4),
    ]
    assert all(a.deletion_vector is None for a in adds(location(session, "d")))
    check_peer(session, "d", "n")


def test_a_lost_race_is_run_again(race: tuple[Session, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlshell.commands import dml

    session, between = race
    monkeypatch.setattr(dml, "TRIES", 3)
    between("UPDATE r SET n = 100 WHERE n = 1")
    assert rows(session, "UPDATE r SET n = n + 1") == [(4,)]
    assert rows(session, "SELECT n FROM r ORDER BY n") == [(3,), (11,), (21,), (101,)]


# -- change data feed


@pytest.mark.parametrize("mode", list(MODES))
def test_change_data_is_what_deltalake_reads(either: Session, mode: str) -> None:
    s = either
    s.execute(
        "CREATE TABLE f (id int, v string, p int) PARTITIONED BY (p) TBLPROPERTIES"
        f" ('delta.enableChangeDataFeed' = 'true', 'delta.enableDeletionVectors' = '{MODES[mode]}')"
    )
    s.execute("INSERT INTO f SELECT id, concat('v', id), id % 2 FROM range(6)")
    s.execute("UPDATE f SET v = 'u', p = p + 10 WHERE id < 2")
    s.execute("DELETE FROM f WHERE id = 2")
    s.execute(
        "MERGE INTO f USING VALUES (3, 'm'), (9, 'n') s(id, v) ON f.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v"
        " WHEN NOT MATCHED THEN INSERT (id, v, p) VALUES (s.id, s.v, 0)"
        " WHEN NOT MATCHED BY SOURCE AND f.id = 4 THEN DELETE"
    )
    s.execute("DELETE FROM f")
    path = location(s, "f")
    with pytest.raises(Error, match="change data feed"):
        s.execute("INSERT INTO f SELECT id, 'x', 0 FROM range(4)")
        s.execute("INSERT INTO f REPLACE WHERE id = 1 VALUES (1, 'y', 0)")
    import pyarrow as pa

    table = pa.table(Peer(path).load_cdf(2, 4).read_all())
    found = sorted(
        (r["_commit_version"], r["_change_type"], r["id"], r["v"], r["p"]) for r in table.to_pylist()
    )
    assert found == [
        (2, "update_postimage", 0, "u", 10),
        (2, "update_postimage", 1, "u", 11),
        (2, "update_preimage", 0, "v0", 0),
        (2, "update_preimage", 1, "v1", 1),
        (3, "delete", 2, "v2", 0),
        (4, "delete", 4, "v4", 0),
        (4, "insert", 9, "n", 0),
        (4, "update_postimage", 3, "m", 1),
        (4, "update_preimage", 3, "v3", 1),
    ]


def test_duckdb_reads_the_same(people: Session) -> None:
    people.execute("DELETE FROM people WHERE id IN (2, 3)")
    people.execute("UPDATE people SET age = age + 1 WHERE city = 'Oslo'")
    people.execute("MERGE INTO people USING VALUES (6), (30) s(id) ON people.id = s.id WHEN MATCHED THEN DELETE"
                   " WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, 'new')")  # fmt: skip
    expected = rows(people, "SELECT * FROM people ORDER BY id")
    path = location(people, "people")
    assert duckdb_rows(path, "SELECT id, name, age, city FROM {t} ORDER BY id") == expected
    assert duckdb_rows(path, "SELECT id FROM {t} WHERE age > 60 ORDER BY id") == [(5,), (8,)]


@pytest.mark.parametrize("mode", ["none", "name"])
def test_duckdb_reads_every_type(session: Session, mode: str) -> None:
    session.execute(
        f"CREATE TABLE every PARTITIONED BY (day) TBLPROPERTIES ('delta.columnMapping.mode' = '{mode}')"
        f" AS SELECT *, named_struct('x', t, 'a', array(l, 1)) AS st, map('k', m) AS mp FROM ({VALUES})"
    )
    columns = "t, l, m, f, d, s, {}(ts) AS ts, n, o, b, z, st, mp"
    if mode == "none":  # DuckDB 1.5 looks for partition values under logical names: NULL in mapped tables
        columns += ", day"
    expected = rows(session, f"SELECT {columns.format('unix_micros')} FROM every ORDER BY z NULLS LAST")
    found = duckdb_rows(
        location(session, "every"),
        f"SELECT {columns.format('epoch_us')} FROM {{t}} ORDER BY z NULLS LAST",
    )
    assert [tuple(_plain(v) for v in r) for r in found] == [tuple(_plain(v) for v in r) for r in expected]


def _plain(value: Any) -> Any:
    return "nan" if isinstance(value, float) and math.isnan(value) else value
