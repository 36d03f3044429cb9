"""Branches: written apart, read by name, published as one commit or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from sqlshell.storage.delta.commit import commit
from tests.delta.test_maintenance import condition, rows, run
from tests.delta.test_writes import check_peer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.session import Session


@pytest.fixture
def branched(session: Session) -> Iterator[Session]:
    """`t` of ten rows in two partitions, one of them deleted by a vector file or inline, and its branch `audit`."""
    session.settings.set("sqlshell.vacuum.retentionCheck", "false")
    run(session, "CREATE TABLE t PARTITIONED BY (p) AS SELECT id, CAST(id % 2 AS int) AS p FROM range(10)")
    run(session, "DELETE FROM t WHERE id = 9")
    run(session, "CREATE BRANCH audit FOR TABLE t COMMENT 'nightly'")
    yield session
    session.settings.reset("sqlshell.vacuum.retentionCheck")


def ids(session: Session, name: str) -> list[Any]:
    return [r[0] for r in rows(session, f"SELECT id FROM {name} ORDER BY id")]


def work(session: Session) -> None:
    """Something of everything on the branch."""
    run(session, "INSERT INTO t.branch_audit VALUES (20, 0), (21, 1)")
    run(session, "DELETE FROM t.branch_audit WHERE id = 0")
    run(session, "UPDATE t.branch_audit SET id = 22 WHERE id = 21")
    run(session, "MERGE INTO default.t.branch_audit b USING (SELECT 1L AS id) s ON b.id = s.id "
        "WHEN MATCHED THEN UPDATE SET id = 11")  # fmt: skip
    run(session, "DELETE FROM t.branch_audit WHERE p = 0 AND id = 2")


AFTER = [3, 4, 5, 6, 7, 8, 11, 20, 22]


def test_nobody_sees_the_branch_before_it_is_published(branched: Session) -> None:
    work(branched)
    assert ids(branched, "t") == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert ids(branched, "t.branch_audit") == AFTER
    assert ids(branched, "t.branch_audit VERSION AS OF 0") == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert [(r[0], r[1], r[2], r[5]) for r in rows(branched, "SHOW BRANCHES FOR t")] == [
        ("audit", "default.t", 1, "nightly")
    ]
    assert rows(branched, "PUBLISH BRANCH audit FOR TABLE t") == [(2,)]
    assert ids(branched, "t") == AFTER
    assert rows(branched, "SHOW BRANCHES FOR t") == []
    assert condition(branched, "SELECT * FROM t.branch_audit") == "DELTA_BRANCH_NOT_FOUND"
    last = rows(branched, "DESCRIBE HISTORY t LIMIT 1")[0]
    assert (last[0], last[4]) == (2, "PUBLISH BRANCH")


def test_published_rows_outlive_the_branch_and_others_read_them(branched: Session) -> None:
    work(branched)
    run(branched, "PUBLISH BRANCH audit FOR t")
    run(branched, "VACUUM t RETAIN 0 HOURS")
    assert ids(branched, "t") == AFTER
    place = os.path.join(branched.catalog.warehouse, "default", "t")
    paths = {a.path for a in branched.tables.open(place).latest().files()}
    assert not [p for p in paths if p.startswith(("/", "_"))]
    check_peer(branched, "t", "id")


def test_an_append_goes_on_top_of_other_commits(branched: Session) -> None:
    run(branched, "INSERT INTO t.branch_audit VALUES (20, 0)")
    run(branched, "DELETE FROM t WHERE id < 5")
    run(branched, "INSERT INTO t VALUES (30, 0)")
    run(branched, "PUBLISH BRANCH audit FOR t")
    assert ids(branched, "t") == [5, 6, 7, 8, 20, 30]


def test_a_change_that_conflicts_is_refused_and_the_branch_stays(branched: Session) -> None:
    run(branched, "DELETE FROM t.branch_audit WHERE id = 4")
    run(branched, "UPDATE t SET id = 40 WHERE id = 4")
    assert condition(branched, "PUBLISH BRANCH audit FOR t") == "DELTA_CONCURRENT_DELETE_DELETE"
    assert ids(branched, "t") == [0, 1, 2, 3, 5, 6, 7, 8, 40]
    run(branched, "INSERT INTO t.branch_audit VALUES (50, 0)")
    assert 50 in ids(branched, "t.branch_audit")
    run(branched, "DROP BRANCH audit FOR t")
    assert rows(branched, "SHOW BRANCHES FOR t") == []
    run(branched, "DROP BRANCH IF EXISTS audit FOR t")


def test_a_branch_holds_the_version_it_began_with(branched: Session) -> None:
    run(branched, "DELETE FROM t")
    kept = run(branched, "VACUUM t RETAIN 0 HOURS")
    assert "branch audit (version 1)" in kept.warnings[0]
    assert ids(branched, "t.branch_audit") == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    run(branched, "DROP BRANCH audit FOR t")
    assert [r[1] > 0 for r in run(branched, "VACUUM t RETAIN 0 HOURS").rows()] == [True]


def test_a_schema_change_is_published(branched: Session) -> None:
    run(branched, "ALTER TABLE t.branch_audit ADD COLUMN note STRING")
    run(branched, "UPDATE t.branch_audit SET note = 'x' WHERE id = 3")
    run(branched, "PUBLISH BRANCH audit FOR t")
    assert rows(branched, "SELECT id, note FROM t WHERE note IS NOT NULL") == [(3, "x")]


@pytest.mark.parametrize("committed", [True, False])
def test_a_publication_that_was_interrupted_is_ended_by_the_next(
    branched: Session, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    """Interrupted after its commit, or after the branch was closed: publishing again does it once."""
    from sqlshell.commands import branches

    def interrupted(*args: Any, **kwargs: Any) -> int:
        if args[3] == "CLOSE BRANCH":
            return commit(*args, **kwargs)
        if committed:
            commit(*args, **kwargs)
        raise KeyboardInterrupt

    work(branched)
    with monkeypatch.context() as patch:
        patch.setattr(branches, "commit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(branched, "PUBLISH BRANCH audit FOR t")
    assert condition(branched, "INSERT INTO t.branch_audit VALUES (99, 0)") == "DELTA_BRANCH_CLOSED"
    assert rows(branched, "PUBLISH BRANCH audit FOR t") == [(2,)]
    assert ids(branched, "t") == AFTER


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE BRANCH audit FOR t", "DELTA_BRANCH_ALREADY_EXISTS"),
        ("CREATE BRANCH x FOR t VERSION AS OF 7", "DELTA_VERSION_NOT_FOUND"),
        ("CREATE BRANCH x FOR nothing", "TABLE_OR_VIEW_NOT_FOUND"),
        ("PUBLISH BRANCH x FOR t", "DELTA_BRANCH_NOT_FOUND"),
        ("INSERT INTO t.branch_x VALUES (1, 1)", "DELTA_BRANCH_NOT_FOUND"),
        ("SELECT * FROM t.branch_audi", "DELTA_BRANCH_NOT_FOUND"),
        ("SHOW BRANCHES", "PARSE_SYNTAX_ERROR"),
    ],
)
def test_what_cannot_be(branched: Session, sql: str, expected: str) -> None:
    assert condition(branched, sql) == expected
