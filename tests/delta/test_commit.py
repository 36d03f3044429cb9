"""Commits: the conflict matrix, rebase, idempotent writes, checks before a commit, several processes at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from sqlshell.errors import (
    ConcurrentModificationError,
    DiskFullError,
    IntegrityError,
    InternalError,
    NotSupportedError,
    SourceNotFound,
)
from sqlshell.records import replace
from sqlshell.storage.delta.actions import DeletionVector, DomainMetadata
from sqlshell.storage.delta.commit import commit
from sqlshell.storage.delta.conflicts import NOTHING, WHOLE_TABLE, ReadSet
from sqlshell.storage.delta.log import LOG
from sqlshell.storage.delta.protocol import with_features
from sqlshell.storage.delta.table import DeltaTable
from tests.support import delta_tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlshell.storage.delta.actions import Action, Add
    from sqlshell.storage.delta.snapshot import Snapshot

    Statement = Callable[[DeltaTable, Snapshot], tuple[list[Action], ReadSet]]


def file(table: DeltaTable, p: str | None = "a") -> Add:
    return delta_tables.data_file(table, {"id": pa.array([1]), "s": pa.array(["x"])}, {"p": p})


def in_partition(p: str) -> ReadSet:
    return ReadSet(lambda add: dict(add.partition_values).get("p") == p)


def insert(table: DeltaTable, read: Snapshot) -> tuple[list[Action], ReadSet]:
    return [file(table)], NOTHING


def update_a(table: DeltaTable, read: Snapshot) -> tuple[list[Action], ReadSet]:
    """UPDATE ... WHERE p = 'a': rewrites the first file."""
    return [read.files()[0].removed(1), file(table)], in_partition("a")


def update_b(table: DeltaTable, read: Snapshot) -> tuple[list[Action], ReadSet]:
    return [read.files()[1].removed(1), file(table, "b")], in_partition("b")


def delete_b(table: DeltaTable, read: Snapshot) -> tuple[list[Action], ReadSet]:
    return [read.files()[1].removed(1)], in_partition("b")


def optimize(table: DeltaTable, read: Snapshot) -> tuple[list[Action], ReadSet]:
    """OPTIMIZE of the first file: no change of data."""
    return [read.files()[0].removed(1, data_change=False), replace(file(table), data_change=False)], NOTHING


def insert_select(table: DeltaTable, read: Snapshot) -> tuple[list[Action], ReadSet]:
    """INSERT INTO t SELECT ... FROM t."""
    return [file(table)], WHOLE_TABLE


def overwrite(table: DeltaTable, read: Snapshot) -> tuple[list[Action], ReadSet]:
    return [*(a.removed(1) for a in read.files()), file(table)], WHOLE_TABLE


def add_property(table: DeltaTable, read: Snapshot) -> tuple[list[Action], ReadSet]:
    return [replace(read.metadata, configuration={**read.metadata.configuration, "x": "1"})], NOTHING


def upgrade(table: DeltaTable, read: Snapshot) -> tuple[list[Action], ReadSet]:
    return [with_features(read.protocol, ["changeDataFeed"])], NOTHING


def domain(table: DeltaTable, read: Snapshot) -> tuple[list[Action], ReadSet]:
    return [DomainMetadata("d", "{}")], NOTHING


# Delta's documentation, "Concurrency control": first, then second; the second's error, or None when it goes on top.
MATRIX: list[tuple[Statement, Statement, str | None, str | None]] = [
    # first         second         WriteSerializable                   Serializable
    (insert, insert, None, None),
    (insert, update_a, None, "DELTA_CONCURRENT_APPEND"),
    (insert, update_b, None, None),
    (insert, optimize, None, None),
    (insert, insert_select, None, "DELTA_CONCURRENT_APPEND"),
    (insert, overwrite, None, "DELTA_CONCURRENT_APPEND"),
    (update_a, insert, None, None),
    (update_a, update_a, "DELTA_CONCURRENT_DELETE_DELETE", "DELTA_CONCURRENT_DELETE_DELETE"),
    (update_a, update_b, None, None),
    (update_a, delete_b, None, None),
    (update_a, optimize, "DELTA_CONCURRENT_DELETE_DELETE", "DELTA_CONCURRENT_DELETE_DELETE"),
    (update_a, insert_select, "DELTA_CONCURRENT_DELETE_READ", "DELTA_CONCURRENT_DELETE_READ"),
    (delete_b, insert_select, "DELTA_CONCURRENT_DELETE_READ", "DELTA_CONCURRENT_DELETE_READ"),
    (insert_select, update_a, "DELTA_CONCURRENT_APPEND", "DELTA_CONCURRENT_APPEND"),
    (optimize, insert, None, None),
    (optimize, update_a, "DELTA_CONCURRENT_DELETE_DELETE", "DELTA_CONCURRENT_DELETE_DELETE"),
    (optimize, update_b, None, None),
    (optimize, insert_select, None, None),
    (optimize, optimize, "DELTA_CONCURRENT_DELETE_DELETE", "DELTA_CONCURRENT_DELETE_DELETE"),
    (overwrite, insert, None, None),
    (overwrite, delete_b, "DELTA_CONCURRENT_DELETE_DELETE", "DELTA_CONCURRENT_DELETE_DELETE"),
    (add_property, insert, "DELTA_METADATA_CHANGED", "DELTA_METADATA_CHANGED"),
    (add_property, optimize, "DELTA_METADATA_CHANGED", "DELTA_METADATA_CHANGED"),
    (insert, add_property, None, None),
    (upgrade, insert, "DELTA_PROTOCOL_CHANGED", "DELTA_PROTOCOL_CHANGED"),
    (domain, domain, "DELTA_CONCURRENT_WRITE", "DELTA_CONCURRENT_WRITE"),
    (domain, insert, None, None),
]


@pytest.mark.parametrize("serializable", [False, True], ids=["WriteSerializable", "Serializable"])
@pytest.mark.parametrize("case", MATRIX, ids=lambda c: f"{c[0].__name__}-{c[1].__name__}")
def test_matrix(
    table: DeltaTable, case: tuple[Statement, Statement, str | None, str | None], serializable: bool
) -> None:
    first, second, loose, strict = case
    if serializable:
        metadata = table.latest().metadata
        level = {"delta.isolationLevel": "Serializable"}
        delta_tables.append(table, replace(metadata, configuration=metadata.configuration | level))
    read = table.latest()
    actions, reads = second(table, read)
    before, reads_before = first(DeltaTable(table.location), read)
    won = commit(DeltaTable(table.location), read, before, first.__name__.upper(), reads=reads_before)
    expected = strict if serializable else loose
    if expected is None:
        assert commit(table, read, actions, "SECOND", reads=reads) == won + 1
        live = {a.path for a in table.latest().files()}
        assert all(a.path in live for a in actions if type(a).__name__ == "Add")
        return
    with pytest.raises(ConcurrentModificationError) as lost:
        commit(table, read, actions, "SECOND", reads=reads)
    assert lost.value.condition == expected
    assert f"version {won} ({first.__name__.upper()} by " in str(lost.value)
    assert lost.value.retryable
    assert table.latest().version == won


def test_only_one_creates_a_table(tmp_path: Path) -> None:
    delta_tables.create(str(tmp_path / "t"), "a int")
    with pytest.raises(ConcurrentModificationError, match="is a Delta table already") as lost:
        delta_tables.create(str(tmp_path / "t"), "b int")
    assert lost.value.condition == "DELTA_PROTOCOL_CHANGED"


def test_an_application_writes_a_number_once(table: DeltaTable) -> None:
    read = table.latest()
    assert commit(table, read, [file(table)], "WRITE", app_id=("etl", 7)) == 4
    assert (
        commit(table, read, [file(table)], "WRITE", app_id=("etl", 7)) == 4
    )  # a stale attempt: found in the log
    assert commit(table, table.latest(), [file(table)], "WRITE", app_id=("etl", 6)) == 4
    assert len(table.latest().files()) == 4
    assert commit(table, table.latest(), [file(table)], "WRITE", app_id=("etl", 8)) == 5
    with pytest.raises(ConcurrentModificationError, match="same application"):
        commit(table, read, [file(table)], "WRITE", app_id=("etl", 9))


def test_a_commit_that_succeeded_unnoticed_is_recognised(
    table: DeltaTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object store may time out after it wrote: the retry finds its own transaction id."""
    put = table.store.put_if_absent
    monkeypatch.setattr(table.store, "put_if_absent", lambda name, data: put(name, data) and False)
    assert commit(table, table.latest(), [file(table)], "WRITE") == 4
    assert len(table.latest().files()) == 4


# -- checks before a commit


def test_a_file_that_vanished_is_not_committed(table: DeltaTable) -> None:
    add = file(table)
    os.unlink(os.path.join(table.location, add.path))
    with pytest.raises(SourceNotFound, match="vanished"):
        commit(table, table.latest(), [add], "WRITE")
    assert table.latest().version == 3


def test_a_short_file_is_not_committed(table: DeltaTable) -> None:
    add = file(table)
    with pytest.raises(IntegrityError, match="bytes"):
        commit(table, table.latest(), [replace(add, size=add.size + 1)], "WRITE")


def test_append_only_tables_keep_their_rows(table: DeltaTable) -> None:
    metadata = table.latest().metadata
    appended = {"delta.appendOnly": "true"}
    delta_tables.append(table, replace(metadata, configuration=metadata.configuration | appended))
    actions, reads = delete_b(table, table.latest())
    with pytest.raises(NotSupportedError) as refused:
        commit(table, table.latest(), actions, "DELETE", reads=reads)
    assert refused.value.condition == "DELTA_CANNOT_MODIFY_APPEND_ONLY"
    assert commit(table, table.latest(), optimize(table, table.latest())[0], "OPTIMIZE") == 5


@pytest.mark.parametrize(
    "broken",
    [
        lambda t, a: [replace(a, partition_values=())],
        lambda t, a: [replace(a, stats="{")],
        lambda t, a: [replace(a, stats='{"numRecords":-1}')],
        lambda t, a: [a, a],
        lambda t, a: [a.removed(1)],
        lambda t, a: [replace(a, stats=None, deletion_vector=DeletionVector("i", "", 0, 0))],
        lambda t, a: [replace(t.latest().metadata, configuration={"delta.enableChangeDataFeed": "true"})],
        lambda t, a: [replace(t.latest().metadata, partition_columns=("nope",))],
        lambda t, a: [replace(t.latest().metadata, configuration={"delta.columnMapping.mode": "name"})],
    ],
)
def test_actions_that_would_break_readers_are_refused(table: DeltaTable, broken: Any) -> None:
    with pytest.raises(InternalError):
        commit(table, table.latest(), broken(table, file(table)), "WRITE")
    assert table.latest().version == 3


def test_a_full_disk_leaves_nothing(table: DeltaTable, monkeypatch: pytest.MonkeyPatch) -> None:
    add = file(table)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError, match="nothing was committed"):
        commit(table, table.latest(), [add], "WRITE")
    monkeypatch.undo()
    assert len(os.listdir(os.path.join(table.location, LOG))) == 4
    assert table.latest().version == 3


def test_what_a_killed_writer_leaves_is_ignored(table: DeltaTable) -> None:
    """Killed between writing its temporary file and linking it: readers and writers do not see the file."""
    with open(os.path.join(table.location, LOG, f".{4:020d}.json.abc.tmp"), "w") as f:
        f.write('{"add":')
    assert DeltaTable(table.location).latest().version == 3
    assert commit(table, table.latest(), [file(table)], "WRITE") == 4


WRITER = """
    import os, sys, json, time
    from sqlshell.storage.delta.table import DeltaTable
    from sqlshell.storage.delta.commit import commit
    from sqlshell.storage.delta.actions import Add, Metadata
    from sqlshell.storage.delta.conflicts import WHOLE_TABLE
    from sqlshell.errors import ConcurrentModificationError
    location, me, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    table = DeltaTable(location)
    done = []
    while len(done) < count:
        name = f"{me}-{len(done)}.parquet"
        with open(os.path.join(location, name), "w") as f:
            f.write("x")
        read = table.latest()
        add = Add(name, (("p", "a"),), 1, 0, stats='{"numRecords":1}')
        mine = [a for a in read.files() if a.path.startswith(me)]
        if len(done) % 3 == 2:  # a rewrite of what it wrote itself: never conflicts with the others' rewrites
            version = commit(table, read, [mine[0].removed(1), add], "UPDATE")
        else:
            version = commit(table, read, [add], "WRITE")
        done.append(version)
        print(version, flush=True)
"""


def test_processes_never_write_the_same_version(table: DeltaTable) -> None:
    """Four processes, 15 commits each: every reported version is its own, and the log holds exactly those."""
    source = textwrap.dedent(WRITER)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", source, table.location, f"w{i}", "15"], stdout=subprocess.PIPE, text=True
        )
        for i in range(4)
    ]
    versions = [int(v) for w in writers for v in w.communicate()[0].split()]
    assert all(w.returncode == 0 for w in writers)
    assert sorted(versions) == list(range(4, 64))
    fresh = DeltaTable(table.location).latest()
    assert fresh.version == 63
    assert len(fresh.files()) == 3 + 4 * 10
    assert {a.path for a in fresh.files()} == {a.path for a in table.latest().files()}


def test_a_writer_killed_at_any_point_commits_once_or_not_at_all(table: DeltaTable) -> None:
    source = textwrap.dedent(WRITER)
    before = table.latest().version
    reported: list[int] = []
    for i, lines in enumerate((1, 2, 3)):
        arguments = [sys.executable, "-c", source, table.location, f"k{i}", "1000"]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            reported += [int(writer.stdout.readline()) for _ in range(lines)]
            writer.kill()
    fresh = DeltaTable(table.location)
    assert fresh.latest().version >= max(reported)
    infos = [fresh.commit_info(v) for v in range(before + 1, fresh.latest().version + 1)]
    assert all(i is not None and i.txn_id for i in infos)
    assert len({i.txn_id for i in infos if i is not None}) == len(infos)
    assert commit(fresh, fresh.latest(), [file(fresh)], "WRITE") == fresh.latest().version


def test_commit_info_tells_who_and_what(table: DeltaTable) -> None:
    version = commit(
        table,
        table.latest(),
        [file(table)],
        "WRITE",
        {"mode": "Append", "partitionBy": "[]", "predicate": None},
        metrics={"numFiles": 1},
        user_metadata="nightly",
    )
    head = json.loads(table.store.read(f"{LOG}/{version:020d}.json").splitlines()[0])["commitInfo"]
    assert head["operationParameters"] == {"mode": "Append", "partitionBy": "[]"}
    assert head["operationMetrics"] == {"numFiles": "1"}
    assert head["isBlindAppend"] is True
    assert head["readVersion"] == version - 1
    assert head["isolationLevel"] == "WriteSerializable"
    assert head["userMetadata"] == "nightly"
    assert table.history(1)[0].info is not None


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("written", [True, False])
def test_files_are_undone_only_when_nothing_was_committed(
    table: DeltaTable, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], written: bool
) -> None:
    """An interrupt, or a store that fails, right before or right after the commit's file is there."""
    read = table.latest()
    original = table.store.put_if_absent

    def put(name: str, data: bytes) -> bool:
        if written:
            assert original(name, data)
        raise error("now")

    undone: list[bool] = []
    monkeypatch.setattr(table.store, "put_if_absent", put)

    def run() -> int:
        return commit(table, read, [file(table)], "WRITE", reads=NOTHING, undo=lambda: undone.append(True))

    if written and error is OSError:
        assert run() == read.version + 1
    else:
        with pytest.raises(error):
            run()
    assert undone == ([] if written else [True])
    assert table.latest().version == read.version + written
