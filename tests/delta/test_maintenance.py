"""OPTIMIZE, VACUUM and RESTORE, beside deltalake where it does the same."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import deltalake
import pytest

from sqlshell.errors import Error
from sqlshell.result import Result

if TYPE_CHECKING:
    from sqlshell.session import Session


def run(session: Session, sql: str) -> Result:
    result = session.execute(sql)
    rows = list(result.rows()) if result.is_query else []
    result.close()
    return Result(result.fields, rows, warnings=result.warnings)


def rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    return list(run(session, sql).rows())


def condition(session: Session, sql: str) -> str:
    with pytest.raises(Error) as caught:
        session.execute(sql)
    return caught.value.condition


@pytest.fixture
def place(session: Session, tmp_path: Any) -> str:
    """`t` of five versions: an insert into partitions x and y each, then 1 of 10 rows deleted."""
    run(session, "CREATE TABLE t (a INT, d DECIMAL(20,2), p STRING) PARTITIONED BY (p)")
    for i in range(4):
        run(session, f"INSERT INTO t VALUES ({i}, {i}.25, 'x'), ({i + 10}, {i}.5, 'y'), ({i + 20}, 7, NULL)")
    run(session, "DELETE FROM t WHERE a = 3")
    return table_at(session)


def table_at(session: Session) -> str:
    return str(session.tables.open(os.path.join(session.catalog.warehouse, "default", "t")).location)


def files(place: str) -> list[str]:
    return sorted(deltalake.DeltaTable(place).file_uris())


def test_optimize_packs_the_files_of_each_partition(session: Session, place: str) -> None:
    before = rows(session, "SELECT * FROM t ORDER BY a")
    assert len(files(place)) == 11
    metrics = rows(session, "OPTIMIZE t WHERE p = 'x'")[0][1]
    assert (metrics["numFilesAdded"], metrics["numFilesRemoved"], metrics["totalConsideredFiles"]) == (
        1,
        3,
        3,
    )
    rows(session, "OPTIMIZE t")
    assert len(files(place)) == 3
    assert rows(session, "OPTIMIZE t")[0][1]["numFilesRemoved"] == 0
    assert rows(session, "SELECT * FROM t ORDER BY a") == before
    assert rows(session, "SELECT count(*) FROM t VERSION AS OF 4") == [(12,)]
    actions = deltalake.DeltaTable(place).history(1)[0]
    assert (actions["operation"], actions["operationMetrics"]["numRemovedFiles"]) == ("OPTIMIZE", "8")
    assert condition(session, "OPTIMIZE t WHERE a = 1") == "DELTA_NON_PARTITION_COLUMN_REFERENCE"
    assert condition(session, "OPTIMIZE t ZORDER BY (p)") == "DELTA_ZORDERING_ON_PARTITION_COLUMN"
    assert condition(session, "OPTIMIZE t ZORDER BY (q)") == "DELTA_ZORDERING_COLUMN_DOES_NOT_EXIST"


def test_zorder_makes_files_that_both_columns_can_skip(session: Session) -> None:
    run(session, "CREATE TABLE t (a INT, b INT) TBLPROPERTIES ('delta.targetFileSize' = '2kb')")
    run(session, "INSERT INTO t SELECT CAST(id % 300 AS INT), CAST(id DIV 300 AS INT) FROM range(90000)")
    rows(session, "OPTIMIZE t ZORDER BY (a, b)")
    table = deltalake.DeltaTable(table_at(session))
    assert len(table.file_uris()) > 1
    for column in ("a", "b"):
        assert len(table.file_uris(file_pruning_predicate=f"{column} = 0")) < len(table.file_uris())
    assert rows(session, "SELECT count(*), sum(a), sum(b), count(DISTINCT a * 1000 + b) FROM t") == [
        (90000, 13455000, 13455000, 90000)
    ]


def test_purge_removes_deletion_vectors(session: Session) -> None:
    run(session, "CREATE TABLE t (a INT)")
    run(session, "INSERT INTO t SELECT id FROM range(1000)")
    run(session, "DELETE FROM t WHERE a = 5")
    assert rows(session, "OPTIMIZE t")[0][1]["numFilesRemoved"] == 0  # 0.1 % of the rows: not worth it
    assert rows(session, "REORG TABLE t APPLY (PURGE)")[0][1]["numDeletionVectorsRemoved"] == 1
    assert rows(session, "SELECT count(*), sum(a) FROM t") == [(999, 499495)]


def test_vacuum_removes_what_deltalake_would(session: Session, place: str) -> None:
    rows(session, "OPTIMIZE t")
    with open(os.path.join(place, "orphan.parquet"), "wb") as f:
        f.write(b"x")
    assert rows(session, "VACUUM t") == [(place, 0, 0, 0, [])]
    assert condition(session, "VACUUM t RETAIN 0 HOURS") == "DELTA_VACUUM_RETENTION_PERIOD_TOO_SHORT"
    run(session, "SET spark.databricks.delta.retentionDurationCheck.enabled = false")
    try:
        ours = [os.path.relpath(p, place) for p, _ in rows(session, "VACUUM t RETAIN 0 HOURS DRY RUN")]
        theirs = deltalake.DeltaTable(place).vacuum(
            0, dry_run=True, enforce_retention_duration=False, full=True
        )
        assert sorted(ours) == sorted(theirs)
        lite = rows(session, "VACUUM t LITE RETAIN 0 HOURS DRY RUN")
        assert {os.path.relpath(p, place) for p, _ in lite} == set(ours) - {"orphan.parquet"}
        assert rows(session, "VACUUM t RETAIN 0 HOURS")[0][1] == len(ours) == 13
    finally:
        run(session, "RESET sqlshell.vacuum.retentionCheck")
    assert rows(session, "SELECT count(*) FROM t") == [(11,)]
    assert condition(session, "SELECT * FROM t VERSION AS OF 3") == "DELTA_FILE_NOT_FOUND_DETAILED"
    assert condition(session, "RESTORE TABLE t TO VERSION AS OF 3") == "DELTA_FILE_NOT_FOUND_DETAILED"
    operations = [h["operation"] for h in deltalake.DeltaTable(place).history(2)]
    assert operations == ["VACUUM END", "VACUUM START"]


def test_vacuum_keeps_held_versions(session: Session, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(session, "OPTIMIZE t")
    run(session, "SET sqlshell.vacuum.retentionCheck = false")
    monkeypatch.setattr(session.tables.open(place), "held", lambda: [3])
    try:
        found = run(session, "VACUUM t RETAIN 0 HOURS")
    finally:
        run(session, "RESET sqlshell.vacuum.retentionCheck")
    assert next(iter(found.rows()))[3:] == (9, [3])
    assert "9 files stay" in found.warnings[0]
    assert rows(session, "SELECT count(*) FROM t VERSION AS OF 3") == [(9,)]
    assert condition(session, "SELECT * FROM t VERSION AS OF 4") == "DELTA_FILE_NOT_FOUND_DETAILED"


def test_restore(session: Session, place: str) -> None:
    run(session, "ALTER TABLE t ADD COLUMN more INT")
    assert rows(session, "RESTORE TABLE t TO VERSION AS OF 2")[0][1:4] == (6, 5, 0)
    assert rows(session, "SELECT * FROM t ORDER BY a") == rows(session, "SELECT * FROM t@v2 ORDER BY a")
    assert sorted(files(place)) == sorted(deltalake.DeltaTable(place, version=2).file_uris())
    run(session, "RESTORE t TO VERSION AS OF 5")  # with its deletion vector or without the file
    assert rows(session, "SELECT count(*) FROM t") == [(11,)]
    assert condition(session, "RESTORE TABLE t TO VERSION AS OF 99") == "DELTA_VERSION_NOT_FOUND"
    assert (
        condition(session, "RESTORE TABLE t TO TIMESTAMP AS OF '2001-01-01'")
        == "DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION"
    )


def test_restore_never_gives_an_identity_twice(session: Session) -> None:
    run(session, "CREATE TABLE t (i BIGINT GENERATED ALWAYS AS IDENTITY, a INT)")
    run(session, "INSERT INTO t (a) VALUES (1), (2)")
    run(session, "INSERT INTO t (a) VALUES (3)")
    run(session, "RESTORE TABLE t TO VERSION AS OF 1")
    run(session, "INSERT INTO t (a) VALUES (4)")
    assert rows(session, "SELECT a FROM t WHERE i > 3") == [(4,)]


def _walk(place: str) -> list[str]:
    return [f for _, _, names in os.walk(place) for f in names if f.endswith(".parquet") and "-c0" in f]


@pytest.mark.parametrize("kind", ["SHALLOW", "DEEP"])
def test_clone(session: Session, place: str, kind: str) -> None:
    run(session, "DELETE FROM t WHERE a = 20")
    run(session, f"CREATE TABLE c {kind} CLONE t VERSION AS OF 4")
    assert rows(session, "SELECT * FROM c ORDER BY a") == rows(session, "SELECT * FROM t@v4 ORDER BY a")
    run(session, f"CREATE OR REPLACE TABLE c {kind} CLONE t TBLPROPERTIES ('k' = 'v')")
    run(session, "UPDATE c SET a = -a WHERE a > 10")
    run(session, "DELETE FROM c WHERE a = 1")
    assert rows(session, "SELECT count(*), sum(a) FROM c") == [(9, -90)]
    assert rows(session, "SELECT count(*), sum(a) FROM t") == [(10, 115)]
    own, theirs = ({os.path.basename(f) for f in _walk(p)} for p in (place[:-1] + "c", place))
    assert len(own & theirs) == (0 if kind == "SHALLOW" else 12)
    assert condition(session, f"CREATE TABLE c {kind} CLONE t") == "TABLE_OR_VIEW_ALREADY_EXISTS"
    assert condition(session, f"CREATE TABLE e {kind} CLONE nope") == "TABLE_OR_VIEW_NOT_FOUND"
