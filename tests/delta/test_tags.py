"""Tags of tables and of the lake: reading them, and what VACUUM and the cleanup of the log leave alone for them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sqlshell.storage.delta import maintenance
from tests.delta.test_maintenance import condition, rows, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.session import Session
    from sqlshell.storage.delta.table import DeltaTable


@pytest.fixture
def eager(session: Session) -> Iterator[Session]:
    """A session whose VACUUM may remove everything."""
    session.settings.set("sqlshell.vacuum.retentionCheck", "false")
    yield session
    session.settings.reset("sqlshell.vacuum.retentionCheck")


@pytest.fixture
def tables(eager: Session) -> Session:
    """`t` with versions of 10, 7 and 0 rows, `u` with 1 and 2 rows."""
    for sql in (
        "CREATE TABLE t AS SELECT id FROM range(10)",
        "CREATE TABLE u AS SELECT 1 AS a",
        "DELETE FROM t WHERE id < 3",
        "CREATE TAG close FOR LAKE COMMENT 'third quarter'",
        "INSERT INTO u VALUES (2)",
        "CREATE TAG whole FOR TABLE t VERSION AS OF 0",
        "CREATE TAG IF NOT EXISTS cut FOR t",
        "DELETE FROM t",
    ):
        run(eager, sql)
    return eager


def table(session: Session, name: str) -> DeltaTable:
    return session.tables.open(os.path.join(session.catalog.warehouse, "default", name))


def test_a_tag_names_a_version(tables: Session) -> None:
    assert rows(tables, "SELECT count(*) FROM t VERSION AS OF 'whole'") == [(10,)]
    assert rows(tables, "SELECT count(*) FROM t VERSION AS OF 'CUT'") == [(7,)]
    assert rows(tables, "SELECT count(*) FROM t FOR VERSION AS OF 'close'") == [(7,)]
    assert rows(tables, "SELECT count(*) FROM t") == [(0,)]
    assert [r[:3] for r in rows(tables, "SHOW TAGS")] == [
        ("close", None, None), ("cut", "default.t", 1), ("whole", "default.t", 0),
    ]  # fmt: skip
    assert [r[0] for r in rows(tables, "SHOW TAGS FOR t")] == ["cut", "whole"]
    assert [(r[0], r[5]) for r in rows(tables, "SHOW TAGS FOR LAKE")] == [("close", "third quarter")]


def test_tags_move_and_go(tables: Session) -> None:
    run(tables, "CREATE OR REPLACE TAG cut FOR TABLE t AS OF VERSION 0")
    assert rows(tables, "SELECT count(*) FROM t VERSION AS OF 'cut'") == [(10,)]
    run(tables, "DROP TAG cut FOR TABLE t")
    assert condition(tables, "SELECT * FROM t VERSION AS OF 'cut'") == "DELTA_TAG_NOT_FOUND"
    run(tables, "DROP TAG IF EXISTS cut FOR t")
    run(tables, "CREATE TAG cut FOR t VERSION AS OF 'whole'")
    run(tables, "RESTORE TABLE t TO VERSION AS OF 'cut'")
    assert rows(tables, "SELECT count(*) FROM t") == [(10,)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE TAG whole FOR t", "DELTA_TAG_ALREADY_EXISTS"),
        ("CREATE TAG `7` FOR t", "INVALID_IDENTIFIER"),
        ("CREATE TAG x FOR t VERSION AS OF 9", "DELTA_VERSION_NOT_FOUND"),
        ("CREATE TAG x FOR nothing", "TABLE_OR_VIEW_NOT_FOUND"),
        ("CREATE TAG x FOR LAKE VERSION AS OF 1", "DELTA_INVALID_TAG"),
        ("CREATE TAG x FOR LAKE TIMESTAMP AS OF '2999-01-01'", "DELTA_TIMESTAMP_GREATER_THAN_COMMIT"),
        ("CREATE TAG x", "PARSE_SYNTAX_ERROR"),
        ("DROP TAG x FOR t", "DELTA_TAG_NOT_FOUND"),
        ("SET TIME TRAVEL TO TAG whole", "DELTA_TAG_NOT_FOUND"),
        ("SELECT * FROM u VERSION AS OF 'whole'", "DELTA_TAG_NOT_FOUND"),
    ],
)
def test_what_cannot_be(tables: Session, sql: str, expected: str) -> None:
    assert condition(tables, sql) == expected


def test_a_session_goes_to_a_tag_of_the_lake(tables: Session) -> None:
    run(tables, "CREATE TABLE later AS SELECT 1 AS a")
    run(tables, "SET TIME TRAVEL TO TAG close")
    try:
        assert rows(tables, "SELECT count(*) FROM t") == [(7,)]
        assert rows(tables, "SELECT * FROM u") == [(1,)]
        assert rows(tables, "SELECT count(*) FROM t VERSION AS OF 0") == [(10,)]
        assert condition(tables, "SELECT * FROM later") == "TABLE_OR_VIEW_NOT_FOUND"
        assert condition(tables, "CREATE TAG x FOR t") == "DELTA_TIME_TRAVEL_READ_ONLY"
    finally:
        run(tables, "SET TIME TRAVEL OFF")
    assert rows(tables, "SELECT count(*) FROM u") == [(2,)]


def test_vacuum_keeps_what_is_held_and_says_why(tables: Session) -> None:
    kept = run(tables, "VACUUM t RETAIN 0 HOURS")
    assert [r[1:] for r in kept.rows()] == [(0, 0, 1, [0, 1])]
    assert "tag whole (version 0)" in kept.warnings[0]
    assert "tag close of the lake (version 1)" in kept.warnings[0]
    assert rows(tables, "SELECT count(*) FROM t VERSION AS OF 'whole'") == [(10,)]
    for sql in ("DROP TAG whole FOR t", "DROP TAG cut FOR t", "DROP TAG close FOR LAKE"):
        run(tables, sql)
    gone = run(tables, "VACUUM t RETAIN 0 HOURS")
    assert [r[1] for r in gone.rows()] == [1]
    assert condition(tables, "SELECT * FROM t VERSION AS OF 0") == "DELTA_FILE_NOT_FOUND_DETAILED"


def test_a_model_holds_the_versions_that_it_saw(eager: Session) -> None:
    session = eager
    run(session, "CREATE TABLE d AS SELECT CAST(id AS double) x, CAST(2 * id AS double) y FROM range(20)")
    run(session, "CREATE MODEL m OPTIONS (model_type = 'linear_reg', label = 'y') AS SELECT x, y FROM d")
    run(session, "DELETE FROM d")
    kept = run(session, "VACUUM d RETAIN 0 HOURS")
    assert "model default.m version 1 (version 0)" in kept.warnings[0]
    assert rows(session, "SELECT count(*) FROM d VERSION AS OF 0") == [(20,)]


def test_the_cleanup_of_the_log_stops_at_a_tag(session: Session) -> None:
    run(session, "CREATE TABLE t (a INT) TBLPROPERTIES ('delta.checkpointInterval' = '2')")
    for i in range(9):
        run(session, f"INSERT INTO t VALUES ({i})")
    run(session, "CREATE TAG five FOR t VERSION AS OF 5")
    found = table(session, "t")
    later = 10**13
    removed = maintenance.clean_log(found, now_ms=later)
    assert "00000000000000000003.json" in removed
    assert "00000000000000000005.json" not in removed
    found.latest()
    assert rows(session, "SELECT count(*) FROM t VERSION AS OF 'five'") == [(5,)]
    run(session, "DROP TAG five FOR t")
    assert "00000000000000000005.json" in maintenance.clean_log(found, now_ms=later)
