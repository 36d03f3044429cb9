"""Tables of the warehouse where answers depend on places, clocks and other processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.commands import tables
from sqlshell.errors import AnalysisError, Error
from sqlshell.storage.catalog import Catalog

if TYPE_CHECKING:
    from pathlib import Path

    from sqlshell.session import Session


def rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    result = session.execute(sql)
    try:
        return list(result.rows())
    finally:
        result.close()


def columns(session: Session, sql: str) -> list[str]:
    result = session.execute(sql)
    result.close()
    return list(result.names)


def condition(session: Session, sql: str) -> str:
    with pytest.raises(Error) as caught:
        session.execute(sql)
    return caught.value.condition


def log(table: Path) -> Path:
    return table / "_delta_log"


def commit(table: Path, version: int) -> list[dict[str, Any]]:
    text = (log(table) / f"{version:020d}.json").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_table_by_path(session: Session, tmp_path: Path) -> None:
    place = tmp_path / "some where"
    session.execute(f"CREATE TABLE delta.`{place}` (a INT)")
    assert condition(session, f"CREATE TABLE delta.`{place}` (a INT)") == "TABLE_OR_VIEW_ALREADY_EXISTS"
    session.execute(f"CREATE TABLE IF NOT EXISTS delta.`{place}` (b INT)")
    session.execute(f"CREATE OR REPLACE TABLE delta.`{place}` (b INT, c INT)")
    assert columns(session, f"SELECT * FROM delta.`{place}`") == ["b", "c"]
    assert columns(session, f"SELECT * FROM '{place}'") == ["b", "c"]
    for old in (f"delta.`{place}@v0`", f"delta.`{place}` VERSION AS OF 0", f"'{place}' VERSION AS OF 0"):
        assert columns(session, f"SELECT * FROM {old}") == ["a"]
    both = f"SELECT * FROM delta.`{place}@v0` VERSION AS OF 1"
    assert condition(session, both) == "DELTA_UNSUPPORTED_TIME_TRAVEL_MULTIPLE_FORMATS"
    assert condition(session, f"SELECT * FROM parquet.`{place}`") == "DELTA_INVALID_FORMAT"
    assert rows(session, "SHOW TABLES") == []


def test_external_tables_keep_their_files(session: Session, tmp_path: Path) -> None:
    place = tmp_path / "lake" / "t"
    session.execute(f"CREATE TABLE one (a INT, b STRING) LOCATION '{place}'")
    session.execute(f"CREATE TABLE two LOCATION '{place}'")
    mismatch = f"CREATE TABLE three (a BIGINT, b STRING) LOCATION '{place}'"
    assert condition(session, mismatch) == "DELTA_CREATE_TABLE_SCHEME_MISMATCH"
    session.execute("ALTER TABLE one ADD COLUMN c INT")
    assert columns(session, "SELECT * FROM two") == ["a", "b", "c"]
    elsewhere = f"CREATE OR REPLACE TABLE one (a INT) LOCATION '{tmp_path / 'other'}'"
    assert condition(session, elsewhere) == "DELTA_CREATE_TABLE_WITH_DIFFERENT_LOCATION"
    session.execute("DROP TABLE one")
    session.execute("DROP TABLE two")
    assert columns(session, f"SELECT * FROM delta.`{place}`") == ["a", "b", "c"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    occupied = f"CREATE TABLE full (a INT) LOCATION '{tmp_path / 'full'}'"
    assert condition(session, occupied) == "DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION"


def test_replacing_is_one_commit(session: Session, tmp_path: Path) -> None:
    table = tmp_path / "warehouse" / "default" / "t"
    session.execute("CREATE TABLE t (a INT) CLUSTER BY (a)")
    identity = next(x["metaData"]["id"] for x in commit(table, 0) if "metaData" in x)
    session.execute("CREATE OR REPLACE TABLE t (b TIMESTAMP_NTZ) COMMENT 'new'")
    actions = commit(table, 1)
    assert [next(iter(a)) for a in actions] == ["commitInfo", "protocol", "metaData", "domainMetadata"]
    assert actions[0]["commitInfo"]["operation"] == "CREATE OR REPLACE TABLE"
    assert {"clustering", "timestampNtz"} <= set(actions[1]["protocol"]["writerFeatures"])
    assert actions[2]["metaData"]["id"] == identity
    assert actions[3]["domainMetadata"]["removed"] is True
    assert len(list(log(table).glob("*.json"))) == 2


@pytest.mark.parametrize(
    ("columns_and_more", "features"),
    [
        ("(a INT)", None),
        ("(a INT NOT NULL)", None),
        ("(a INT, CHECK (a > 0))", {"invariants", "appendOnly", "checkConstraints"}),
        ("(a INT DEFAULT 1)", {"invariants", "appendOnly", "allowColumnDefaults"}),
        ("(a INT) TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')",
         {"invariants", "appendOnly", "deletionVectors"}),
        ("(a INT) TBLPROPERTIES ('delta.feature.timestampNtz' = 'supported')",
         {"invariants", "appendOnly", "timestampNtz"}),
        ("(a INT) CLUSTER BY (a)", {"invariants", "appendOnly", "clustering", "domainMetadata"}),
    ],
)  # fmt: skip
def test_first_commit_switches_features_on(
    session: Session, tmp_path: Path, columns_and_more: str, features: set[str] | None
) -> None:
    session.execute("SET sqlshell.deletionVectors = false")
    try:
        session.execute(f"CREATE TABLE t {columns_and_more}")
    finally:
        session.execute("RESET sqlshell.deletionVectors")
    protocol = commit(tmp_path / "warehouse" / "default" / "t", 0)[1]["protocol"]
    if features is None:
        assert (protocol["minReaderVersion"], protocol["minWriterVersion"]) == (1, 2)
    elif protocol["minWriterVersion"] == 7:
        assert set(protocol["writerFeatures"]) == features
    else:  # version 3 says checkConstraints
        assert protocol["minWriterVersion"] == 3
        assert "checkConstraints" in features


@pytest.mark.parametrize(
    "declared",
    [
        "(a INT NOT NULL, b STRING COMMENT 'x', CHECK (a > 0)) PARTITIONED BY (b) COMMENT 'ours'",
        "(a BIGINT GENERATED ALWAYS AS IDENTITY, d DATE, y INT GENERATED ALWAYS AS (year(d)))",
        "(a INT DEFAULT 3, t TIMESTAMP_NTZ, s STRUCT<x: INT, y: ARRAY<MAP<STRING, DECIMAL(5,2)>>>) CLUSTER BY (s.x)",
        "(`a b` INT, c STRUCT<`d e`: INT>) TBLPROPERTIES ('delta.columnMapping.mode' = 'name')",
        "(a INT) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true', 'mine' = 'yes')",
    ],
)
def test_other_readers_see_the_same_table(session: Session, tmp_path: Path, declared: str) -> None:
    from deltalake import DeltaTable

    session.execute(f"CREATE TABLE t {declared}")
    session.execute("ALTER TABLE t ADD COLUMN z STRUCT<p: DOUBLE> FIRST")
    session.execute("ALTER TABLE t ALTER COLUMN z COMMENT 'last but first'")
    found = DeltaTable(tmp_path / "warehouse" / "default" / "t")
    assert found.version() == 2
    ours = session.tables.open(str(tmp_path / "warehouse" / "default" / "t")).latest()
    theirs = json.loads(found.schema().to_json())
    assert [f["name"] for f in theirs["fields"]] == columns(session, "SELECT * FROM t")
    assert [f["type"] for f in theirs["fields"]] == [f.json_type for f in ours.schema.fields]
    assert theirs["fields"][0]["metadata"]["comment"] == "last but first"
    assert tuple(found.metadata().partition_columns) == ours.partition_columns
    assert found.metadata().configuration == ours.metadata.configuration


def test_instants_are_read_in_the_session_zone(session: Session, tmp_path: Path) -> None:
    session.execute("CREATE TABLE t (v0 INT)")
    session.execute("ALTER TABLE t ADD COLUMN v1 INT")
    session.execute("ALTER TABLE t ADD COLUMN v2 INT")
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
    for version in range(3):
        path = log(tmp_path / "warehouse" / "default" / "t") / f"{version:020d}.json"
        os.utime(path, (noon + 3600 * version,) * 2)
    session.__dict__.pop("tables", None)
    last = {1: ["v0"], 2: ["v0", "v1"]}
    for zone, shift in (("UTC", 0), ("Europe/Berlin", 1), ("America/New_York", -5)):
        session.execute(f"SET TIME ZONE '{zone}'")
        try:
            for version, names in last.items():
                hour = 12 + shift + version - 1
                exact = f"t TIMESTAMP AS OF '2026-03-01 {hour:02}:00:00'"
                assert columns(session, f"SELECT * FROM {exact}") == names
                assert columns(session, f"SELECT * FROM t@20260301{hour:02}5959999") == names
            before = f"SELECT * FROM t TIMESTAMP AS OF '2026-03-01 {11 + shift:02}:59:59.999'"
            assert condition(session, before) == "DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION"
            at_last = f"SELECT * FROM t@20260301{14 + shift:02}0000000"
            assert columns(session, at_last) == ["v0", "v1", "v2"]
            after = f"SELECT * FROM t@20260301{14 + shift:02}0000001"
            assert condition(session, after) == "DELTA_TIMESTAMP_GREATER_THAN_COMMIT"
        finally:
            session.execute("RESET sqlshell.timeZone")
    # A view, or a session, at an instant after the last commit sees the last version.
    session.execute("CREATE VIEW w AS SELECT v0 FROM t")
    assert columns(session, "SELECT * FROM w TIMESTAMP AS OF DATE'2026-03-02'") == ["v0"]
    session.execute("SET TIME TRAVEL TO '2026-03-01 13:30:00'")
    assert condition(session, "SELECT * FROM t") == "TABLE_OR_VIEW_NOT_FOUND"  # made later than that
    path = tmp_path / "warehouse" / "default" / "t"
    assert columns(session, f"SELECT * FROM delta.`{path}`") == ["v0", "v1"]


def test_one_statement_sees_one_version(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlshell.storage.delta.table import DeltaTable

    session.execute("CREATE TABLE t (a INT)")
    seen = []
    latest = DeltaTable.latest
    monkeypatch.setattr(DeltaTable, "latest", lambda self: seen.append(1) or latest(self))  # type: ignore[func-returns-value]
    session.execute("CREATE TEMPORARY VIEW tv AS SELECT * FROM t")
    seen.clear()
    session.execute("SELECT * FROM t JOIN tv USING (a) WHERE a IN (SELECT a FROM t)").close()
    assert len(seen) == 1


def test_dropped_files_go_after_the_retention(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.execute("CREATE TABLE t (a INT)")
    session.execute("CREATE TABLE u (a INT)")
    session.execute("DROP TABLE t")
    assert log(tmp_path / "warehouse" / "default" / "t").is_dir()
    monkeypatch.setattr(tables, "UNDROP_DAYS", -1)
    assert condition(session, "UNDROP TABLE t") == "UNDROP_NOT_POSSIBLE"
    session.execute("DROP TABLE u")
    assert not log(tmp_path / "warehouse" / "default" / "t").exists()
    monkeypatch.undo()
    with pytest.raises(AnalysisError, match="removed for good"):
        session.execute("UNDROP TABLE t")


def test_tables_of_other_programs_are_found(session: Session, tmp_path: Path) -> None:
    session.execute("CREATE TABLE t (a INT)")
    (tmp_path / "warehouse" / "Lake").mkdir()
    os.rename(tmp_path / "warehouse" / "default" / "t", tmp_path / "warehouse" / "Lake" / "Orders")
    objects = tmp_path / "warehouse" / "Lake" / "Orders" / "_objects"
    for f in objects.iterdir():
        f.unlink()
    objects.rmdir()
    assert rows(session, "SHOW TABLES IN lake") == [("lake", "orders", False)]
    assert columns(session, "SELECT * FROM lake.orders") == ["a"]
    session.execute("ALTER TABLE lake.orders RENAME TO lake.bills")
    assert rows(session, "SHOW TABLES IN lake") == [("lake", "bills", False)]
    assert condition(session, "UNDROP TABLE lake.orders") == "UNDROP_NOT_POSSIBLE"
    session.execute("CREATE TABLE lake.orders (b INT)")
    assert columns(session, "SELECT * FROM lake.bills") == ["a"]
    session.execute("DROP TABLE lake.bills PURGE")
    assert columns(session, "SELECT * FROM lake.orders") == ["b"]


def test_a_view_that_takes_the_name_meanwhile_stays(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_first = tables.commit

    def commit_late(*args: Any, **kwargs: Any) -> int:
        view = {"text": "SELECT 1 AS a", "schema": "default"}
        Catalog(str(tmp_path / "warehouse")).put("view", ("default", "t"), view)
        return commit_first(*args, **kwargs)

    monkeypatch.setattr(tables, "commit", commit_late)
    assert condition(session, "CREATE TABLE t (b INT)") == "CATALOG_CONCURRENT_CHANGE"
    assert rows(session, "SELECT * FROM t") == [(1,)]
    assert os.listdir(tmp_path / "warehouse" / "default" / "t") == ["_objects"]


RACE = """
import sys
from sqlshell.errors import Error
from sqlshell.session import Session
with Session(warehouse=sys.argv[1], warm=False) as s:
    for i in range(10):
        try:
            s.execute(f"CREATE TABLE t{i} (by_{sys.argv[2]} INT)")
            print(i, "won")
        except Error as e:
            print(i, e.condition)
"""


def test_one_of_two_creators_wins(tmp_path: Path) -> None:
    warehouse = str(tmp_path / "warehouse")
    running = [
        subprocess.Popen([sys.executable, "-c", RACE, warehouse, name], stdout=subprocess.PIPE, text=True)
        for name in ("a", "b")
    ]
    told = [p.communicate(timeout=120)[0].split("\n") for p in running]
    assert [p.returncode for p in running] == [0, 0]
    lost = {"TABLE_OR_VIEW_ALREADY_EXISTS", "DELTA_PROTOCOL_CHANGED", "CATALOG_CONCURRENT_CHANGE"}
    for i in range(10):
        ends = sorted(line.split()[1] for lines in told for line in lines if line.startswith(f"{i} "))
        assert "won" in ends
        assert set(ends) - {"won"} <= lost
        assert ends.count("won") == 1, ends
    assert len(Catalog(warehouse).list_objects("table", "default")) == 10
