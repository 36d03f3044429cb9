"""BEGIN ... COMMIT / ROLLBACK over one and several tables: what is seen inside, what races do, what a crash leaves."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import sqlshell
from sqlshell.errors import (
    AnalysisError,
    ConcurrentModificationError,
    Error,
    NotSupportedError,
    OperationalError,
)
from sqlshell.session import Session
from sqlshell.storage.delta import transaction
from sqlshell.storage.delta.actions import CommitInfo
from sqlshell.storage.delta.table import DeltaTable

if TYPE_CHECKING:
    from collections.abc import Iterator


def rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    result = session.execute(sql)
    try:
        return list(result.rows()) if result.is_query else []
    finally:
        result.close()


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, Session]]:
    warehouse = str(tmp_path_factory.mktemp("w"))
    with Session(warehouse=warehouse) as first, Session(warehouse=warehouse) as second:
        yield first, second


@pytest.fixture
def bank(sessions: tuple[Session, Session]) -> Iterator[Session]:
    """A schema with the tables a and b, which is the current one of both sessions."""
    own = f"s{time.time_ns()}"
    rows(sessions[0], f"CREATE SCHEMA {own}")
    for s in sessions:
        rows(s, f"USE {own}")
    rows(sessions[0], "CREATE TABLE a AS VALUES (1, 10), (2, 20) AS t(id, v)")
    rows(sessions[0], "CREATE TABLE b AS VALUES (1, 100) AS t(id, v)")
    yield sessions[0]
    if sessions[0].transaction is not None:
        rows(sessions[0], "ROLLBACK")
    rows(sessions[0], "SET TIME TRAVEL OFF")


@pytest.fixture
def other(bank: Session, sessions: tuple[Session, Session]) -> Session:
    return sessions[1]


def home(session: Session, name: str) -> str:
    return os.path.join(str(session.warehouse), session.current_schema, name)


def state(session: Session) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    return rows(session, "SELECT * FROM a ORDER BY ALL"), rows(session, "SELECT * FROM b ORDER BY ALL")


def data_files(session: Session, name: str) -> set[str]:
    return {str(p) for p in Path(home(session, name)).rglob("*") if p.suffix in {".parquet", ".bin"}}


def versions(session: Session, name: str) -> int:
    return DeltaTable(home(session, name)).latest().version


def test_its_own_changes_are_seen_by_it_alone_until_commit(bank: Session, other: Session) -> None:
    before = state(bank)
    rows(bank, "BEGIN TRANSACTION")
    rows(bank, "UPDATE a SET v = v - 5 WHERE id = 1")
    rows(bank, "INSERT INTO a SELECT 3, sum(v) FROM a")
    rows(bank, "MERGE INTO b USING a ON a.id = b.id WHEN MATCHED THEN UPDATE SET v = b.v + a.v "
               "WHEN NOT MATCHED THEN INSERT *")  # fmt: skip
    rows(bank, "DELETE FROM b WHERE id = 2")
    inside = state(bank)
    assert inside == ([(1, 5), (2, 20), (3, 25)], [(1, 105), (3, 25)])
    assert state(other) == before
    assert rows(bank, "COMMIT") == [(home(bank, "a"), 1), (home(bank, "b"), 1)]
    assert state(bank) == state(other) == inside
    infos = [DeltaTable(home(bank, n)).commit_info(1) for n in "ab"]
    assert [i.operation for i in infos if i is not None] == ["TRANSACTION", "TRANSACTION"]
    assert not [*Path(str(bank.warehouse)).glob("_transactions/*.json")]


def test_others_read_what_a_transaction_wrote(bank: Session) -> None:
    import deltalake

    for sql in (
        "BEGIN",
        "INSERT INTO a VALUES (3, 30)",
        "DELETE FROM a WHERE id = 1",
        "TRUNCATE TABLE b",
        "COMMIT",
    ):
        rows(bank, sql)
    found = deltalake.DeltaTable(home(bank, "a")).scan().read_all()
    import pyarrow as pa

    assert sorted(pa.table(found).to_pydict()["id"]) == [2, 3]


def test_one_statement_keeps_its_operation(bank: Session) -> None:
    for sql in ("START TRANSACTION", "DELETE FROM a WHERE id = 1", "COMMIT WORK"):
        rows(bank, sql)
    info = DeltaTable(home(bank, "a")).commit_info(1)
    assert isinstance(info, CommitInfo)
    assert info.operation == "DELETE"


def test_a_rollback_leaves_nothing(bank: Session) -> None:
    before, files = state(bank), data_files(bank, "a") | data_files(bank, "b")
    for sql in ("BEGIN", "INSERT INTO a VALUES (3, 30)", "UPDATE a SET v = 0", "DELETE FROM b"):
        rows(bank, sql)
    assert data_files(bank, "a") | data_files(bank, "b") > files
    rows(bank, "ROLLBACK")
    assert state(bank) == before
    assert data_files(bank, "a") | data_files(bank, "b") == files
    assert versions(bank, "a") == versions(bank, "b") == 0


def test_files_that_came_and_went_are_removed_at_commit(bank: Session) -> None:
    files = data_files(bank, "a")
    rows(bank, "ALTER TABLE a SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'false')")
    for sql in ("BEGIN", "INSERT INTO a VALUES (3, 30)", "DELETE FROM a WHERE id = 3", "COMMIT"):
        rows(bank, sql)
    assert state(bank)[0] == [(1, 10), (2, 20)]
    assert data_files(bank, "a") == files


def test_everything_is_as_it_was_at_begin(bank: Session, other: Session) -> None:
    rows(bank, "BEGIN")
    time.sleep(0.02)
    rows(other, "INSERT INTO a VALUES (9, 90)")
    rows(other, "DELETE FROM b")
    assert state(bank) == ([(1, 10), (2, 20)], [(1, 100)])
    rows(bank, "ROLLBACK")
    assert state(bank) == ([(1, 10), (2, 20), (9, 90)], [])


@pytest.mark.parametrize(
    ("theirs", "mine", "condition"),
    [
        ("UPDATE a SET v = 0 WHERE id = 1", "UPDATE a SET v = 1 WHERE id = 1", "DELTA_CONCURRENT_DELETE_DELETE"),
        ("DELETE FROM a WHERE id = 2", "INSERT INTO a SELECT max(id) + 1, 0 FROM a", "DELTA_CONCURRENT_DELETE_READ"),
        ("DELETE FROM a WHERE id = 2", "INSERT INTO a VALUES (7, 7)", None),
        ("INSERT INTO a VALUES (8, 8)", "INSERT INTO a VALUES (7, 7)", None),
        ("ALTER TABLE a ADD COLUMN w INT", "INSERT INTO a VALUES (7, 7)", "DELTA_METADATA_CHANGED"),
    ],
)  # fmt: skip
def test_conflicts_are_found_at_commit_and_then_nothing_is_committed(
    bank: Session, other: Session, theirs: str, mine: str, condition: str | None
) -> None:
    rows(bank, "BEGIN")
    rows(bank, "INSERT INTO b VALUES (5, 5)")
    rows(bank, mine)
    time.sleep(0.02)
    rows(other, theirs)
    if condition is None:
        rows(bank, "COMMIT")
        assert (7, 7) in state(other)[0]
        assert (5, 5) in state(other)[1]
        return
    with pytest.raises(ConcurrentModificationError) as e:
        rows(bank, "COMMIT")
    assert e.value.condition == condition
    assert "rolled back" in str(e.value.hint)
    assert state(bank)[1] == [(1, 100)]
    assert versions(bank, "b") == 0
    with pytest.raises(AnalysisError, match="no transaction"):
        rows(bank, "COMMIT")


def test_a_query_of_a_table_that_is_also_written_counts_as_read(bank: Session, other: Session) -> None:
    rows(bank, "BEGIN")
    rows(bank, "SELECT sum(v) FROM a")
    rows(bank, "INSERT INTO a VALUES (7, 30)")
    time.sleep(0.02)
    rows(other, "DELETE FROM a WHERE id = 2")
    with pytest.raises(ConcurrentModificationError):
        rows(bank, "COMMIT")


def lose_the_second_race(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Run `act` between the first and the second table's commit."""
    real = transaction.Part.commit
    done: list[str] = []

    def commit(part: transaction.Part, app: str | None, number: int = 1) -> int:
        if len(done) == 1:
            done.append("")
            act()
        version = real(part, app, number)
        done.append(part.table.location)
        return version

    monkeypatch.setattr(transaction.Part, "commit", commit)


def test_a_race_lost_after_the_first_commit_takes_that_back(
    bank: Session, other: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sql in ("BEGIN", "DELETE FROM a WHERE id = 1", "INSERT INTO a VALUES (4, 4)", "UPDATE b SET v = 0"):
        rows(bank, sql)
    lose_the_second_race(monkeypatch, lambda: rows(other, "UPDATE b SET v = 1"))
    with pytest.raises(ConcurrentModificationError, match="b'"):
        rows(bank, "COMMIT")
    assert state(bank) == state(other) == ([(1, 10), (2, 20)], [(1, 1)])
    info = DeltaTable(home(bank, "a")).commit_info(2)
    assert info is not None
    assert info.operation == "UNDO TRANSACTION"
    assert not [*Path(str(bank.warehouse)).glob("_transactions/*.json")]


def test_what_cannot_be_taken_back_is_said(
    bank: Session, other: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sql in ("BEGIN", "INSERT INTO a VALUES (4, 4)", "UPDATE b SET v = 0"):
        rows(bank, sql)
    lose_the_second_race(monkeypatch, lambda: (rows(other, "DELETE FROM a"), rows(other, "DELETE FROM b")))
    with pytest.raises(OperationalError, match="cannot be taken back") as e:
        rows(bank, "COMMIT")
    assert e.value.condition == "DELTA_TRANSACTION_INCOMPLETE"
    assert home(bank, "a") in str(e.value)


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("clash", [False, True])
def test_the_next_transaction_ends_one_whose_process_died(
    bank: Session, other: Session, monkeypatch: pytest.MonkeyPatch, clash: bool
) -> None:
    def die() -> None:
        raise Killed

    for sql in ("BEGIN", "UPDATE a SET v = 0 WHERE id = 1", "UPDATE b SET v = 0"):
        rows(bank, sql)
    lose_the_second_race(monkeypatch, die)
    with pytest.raises(BaseException):  # noqa: B017 - the session wraps it
        rows(bank, "COMMIT")
    assert state(other) == ([(1, 0), (2, 20)], [(1, 100)])
    if clash:
        rows(other, "UPDATE b SET v = 7")
    monkeypatch.undo()
    folder = Path(str(bank.warehouse)) / "_transactions"
    (record,) = folder.glob("*.json")
    rows(other, "BEGIN")  # too early: it may be at work
    rows(other, "ROLLBACK")
    assert record.exists()
    long_ago = time.time() - 3600
    os.utime(record, (long_ago, long_ago))
    rows(other, "BEGIN")
    rows(other, "ROLLBACK")
    assert not record.exists()
    assert state(other) == (([(1, 10), (2, 20)], [(1, 7)]) if clash else ([(1, 0), (2, 20)], [(1, 0)]))


def test_a_statement_that_fails_changes_nothing_and_the_transaction_goes_on(bank: Session) -> None:
    rows(bank, "BEGIN")
    rows(bank, "INSERT INTO a VALUES (3, 30)")
    with pytest.raises(Error):
        rows(bank, "INSERT INTO a SELECT id, v / 0 FROM a")
    with pytest.raises(Error):
        rows(bank, "INSERT INTO nothing VALUES (1)")
    rows(bank, "COMMIT")
    assert state(bank)[0] == [(1, 10), (2, 20), (3, 30)]


REFUSED = (
    "CREATE TABLE c (x INT)", "ALTER TABLE a ADD COLUMN w INT", "DROP TABLE a", "OPTIMIZE a", "VACUUM a",
    "CREATE TAG t FOR TABLE a", "RESTORE TABLE a TO VERSION AS OF 0", "CREATE VIEW w AS SELECT 1",
    "SET TIME TRAVEL TO now()", "CACHE TABLE a",
)  # fmt: skip


def test_what_is_not_about_rows_is_refused(bank: Session) -> None:
    rows(bank, "BEGIN")
    for sql in REFUSED:
        with pytest.raises(NotSupportedError) as e:
            rows(bank, sql)
        assert e.value.condition == "UNSUPPORTED_IN_TRANSACTION"
    rows(bank, "CREATE OR REPLACE TEMPORARY VIEW w AS SELECT * FROM a")
    rows(bank, "INSERT INTO a VALUES (3, 30)")
    assert rows(bank, "SELECT count(*) FROM w") == [(3,)]
    rows(bank, "ROLLBACK")


def test_cached_rows_are_not_those_of_a_transaction(bank: Session) -> None:
    rows(bank, "CREATE OR REPLACE TEMPORARY VIEW kept AS SELECT * FROM a")
    rows(bank, "CACHE LAZY TABLE kept")
    rows(bank, "BEGIN")
    rows(bank, "INSERT INTO a VALUES (3, 30)")
    assert rows(bank, "SELECT count(*) FROM kept") == [(3,)]
    rows(bank, "ROLLBACK")
    assert rows(bank, "SELECT count(*) FROM kept") == [(2,)]
    rows(bank, "UNCACHE TABLE kept")


def test_wrong_steps(bank: Session) -> None:
    for sql in ("COMMIT", "ROLLBACK"):
        with pytest.raises(AnalysisError, match="there is no transaction"):
            rows(bank, sql)
    rows(bank, "BEGIN WORK")
    with pytest.raises(AnalysisError, match="do not nest"):
        rows(bank, "BEGIN")
    rows(bank, "COMMIT TRANSACTION")
    rows(bank, "SET TIME TRAVEL TO now()")
    with pytest.raises(NotSupportedError, match="looks back"):
        rows(bank, "BEGIN")
    for sql in ("START", "COMMIT a", "BEGIN TRANSACTION 1", "ROLLBACK TO x"):
        with pytest.raises(Error):
            rows(bank, sql)


def test_a_session_that_ends_rolls_back(bank: Session, other: Session) -> None:
    files = data_files(bank, "a")
    with Session(warehouse=bank.warehouse) as s:
        rows(s, f"USE {bank.current_schema}")
        rows(s, "BEGIN")
        rows(s, "INSERT INTO a VALUES (3, 30)")
    assert data_files(bank, "a") == files
    assert state(other)[0] == [(1, 10), (2, 20)]


def test_in_a_script(bank: Session, other: Session) -> None:
    script = """BEGIN; INSERT INTO a VALUES (3, 30); BEGIN INSERT INTO a VALUES (4, 40); END; COMMIT;
        SELECT count(*) FROM a"""
    last = [list(r.rows()) for _, r in bank.script(script) if r.is_query][-1]
    assert last == [(4,)]
    assert len(state(other)[0]) == 4


def test_the_connector(bank: Session, other: Session) -> None:
    with sqlshell.connect(warehouse=bank.warehouse) as connection:
        connection.execute(f"USE {bank.current_schema}")
        assert connection.autocommit
        connection.commit()
        with pytest.raises(NotSupportedError, match="no transaction"):
            connection.rollback()
        connection.execute("BEGIN")
        assert not connection.autocommit
        connection.execute("INSERT INTO a VALUES (3, 30)")
        connection.rollback()
        connection.execute("BEGIN")
        connection.execute("INSERT INTO a VALUES (4, 40)")
        connection.commit()
        assert connection.autocommit
    assert state(other)[0] == [(1, 10), (2, 20), (4, 40)]
