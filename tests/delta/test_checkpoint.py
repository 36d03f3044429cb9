"""Checkpoints: written every few commits, read by others, fallen back from when broken; the log's cleanup."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from sqlshell.errors import AnalysisError
from sqlshell.records import replace
from sqlshell.storage.delta import deletion_vectors, maintenance
from sqlshell.storage.delta.actions import DomainMetadata, to_json
from sqlshell.storage.delta.checkpoint_read import stats_text
from sqlshell.storage.delta.checkpoint_write import write_checkpoint
from sqlshell.storage.delta.commit import commit
from sqlshell.storage.delta.log import LOG, commit_name
from sqlshell.storage.delta.table import DeltaTable
from tests.support import delta_tables

if TYPE_CHECKING:
    from pathlib import Path

    from sqlshell.session import Session
    from sqlshell.storage.delta.actions import Add
    from sqlshell.storage.delta.snapshot import LogState


def file(table: DeltaTable, p: str | None = "a") -> Add:
    return delta_tables.data_file(table, {"id": pa.array([1]), "s": pa.array(["x"])}, {"p": p})


def checkpoints(table: DeltaTable) -> list[int]:
    return [c.version for c in table.listing().checkpoints]


def facts(state: LogState) -> tuple[object, ...]:
    """Everything in a log state, in a canonical form; a checkpoint keeps no `dataChange`."""
    adds = sorted((replace(a, data_change=False) for a in state.files.values()), key=repr)
    removes = sorted((replace(r, data_change=False) for r in state.tombstones.values()), key=repr)
    return state.protocol, state.metadata, adds, removes, state.txns, state.domains


def busy(table: DeltaTable, commits: int) -> None:
    """Random appends, deletes, deletion vectors, application ids and domains."""
    r = random.Random(5)
    now = int(datetime.now(UTC).timestamp() * 1000)
    for i in range(commits):
        read = table.latest()
        actions: list[object] = [file(table, r.choice(["a", "ü b", None]))]
        victim = r.choice(read.files())
        if i % 3 == 0:
            actions.append(victim.removed(now))
        elif i % 3 == 1 and victim.deletion_vector is None:
            vector = deletion_vectors.inline([0])
            actions += [
                victim.removed(int(datetime.now(UTC).timestamp() * 1000)),
                replace(victim, deletion_vector=vector),
            ]
        if i % 4 == 0:
            actions.append(DomainMetadata(f"d{i % 8}", '{"x":1}', removed=i % 12 == 8))
        commit(table, read, actions, "WRITE", app_id=(f"app{i % 2}", i))  # type: ignore[arg-type]


def test_a_checkpoint_every_ten_commits_holds_everything(table: DeltaTable) -> None:
    busy(table, 20)
    assert checkpoints(table) == [10, 20]
    for version in (10, 15, 20, 23):
        by_checkpoint = DeltaTable(table.location).snapshot(version).state
        replayed = DeltaTable(table.location)
        assert facts(by_checkpoint) == facts(_without_checkpoints(replayed, version))


def _without_checkpoints(table: DeltaTable, version: int) -> LogState:
    from sqlshell.storage.delta.snapshot import LogState

    state = LogState()
    for v in range(version + 1):
        state.apply(table.commit_actions(v))
    return state


def test_deltalake_reads_our_checkpoints(table: DeltaTable) -> None:
    import deltalake

    busy(table, 17)
    for v in range(20):
        os.unlink(os.path.join(table.location, commit_name(v)))
    theirs = pa.table(deltalake.DeltaTable(table.location).scan().read_all())
    mine = DeltaTable(table.location).latest()
    rows = sum(
        int(a.stats[14 : a.stats.index(",")]) - (a.deletion_vector is not None)
        for a in mine.files()
        if a.stats
    )
    assert len(theirs) == rows
    assert mine.version == 20


def test_we_read_deltalakes_checkpoints(session: Session, tmp_path: Path) -> None:
    """Its partition values and statistics come as JSON or as structs only."""
    import deltalake

    where = str(tmp_path / "t")
    data = pa.table({"id": pa.array(range(6), pa.int64()), "p": ["a", "a", "b", "b", None, None]})
    deltalake.write_deltalake(where, data, partition_by=["p"])
    deltalake.write_deltalake(where, data, mode="append")
    deltalake.DeltaTable(where).create_checkpoint()
    os.unlink(os.path.join(where, commit_name(0)))
    os.unlink(os.path.join(where, commit_name(1)))
    result = session.execute(f"SELECT p, count(*), sum(id) FROM delta.`{where}` GROUP BY p ORDER BY p")
    assert list(result.rows()) == [(None, 4, 18), ("a", 4, 2), ("b", 4, 10)]


def test_a_broken_checkpoint_is_not_the_end(table: DeltaTable) -> None:
    busy(table, 8)
    assert checkpoints(table) == [10]
    name = os.path.join(table.location, LOG, f"{10:020d}.checkpoint.parquet")
    with open(name, "wb") as f:
        f.write(b"PAR1 not really PAR1")
    assert DeltaTable(table.location).latest().version == 11
    assert facts(DeltaTable(table.location).latest().state) == facts(_without_checkpoints(table, 11))


def test_old_tombstones_are_left_out(table: DeltaTable) -> None:
    read = table.latest()
    week = timedelta(days=8)
    old = int((datetime.now(UTC) - week).timestamp() * 1000)
    delta_tables.append(table, read.files()[0].removed(old), read.files()[1].removed(old + 2 * 86_400_000))
    assert maintenance.checkpoint(table, 4) > 0
    assert maintenance.checkpoint(table, 4) == 0
    state = DeltaTable(table.location)
    for v in range(5):
        os.unlink(os.path.join(table.location, commit_name(v)))
    assert [r.path for r in state.latest().tombstones] == [read.files()[1].path]


def test_a_checkpoint_that_fails_does_not_fail_the_commit(table: DeltaTable) -> None:
    def broken(name: str, *args: object) -> object:
        raise OSError("no")

    other = DeltaTable(table.location, broken)
    for version in range(4, 12):
        assert commit(other, other.latest(), [file(other)], "WRITE") == version
    assert checkpoints(table) == []


def aged(table: DeltaTable, days: float, versions: range) -> None:
    moment = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    for v in versions:
        os.utime(os.path.join(table.location, commit_name(v)), (moment + v, moment + v))


@pytest.mark.parametrize(("held", "first"), [((), 20), ((15,), 10), ((7,), 0), ((20,), 20)])
def test_cleanup_keeps_what_is_young_held_or_needed(
    table: DeltaTable, held: tuple[int, ...], first: int
) -> None:
    busy(table, 25)
    aged(table, 40, range(25))
    stray = os.path.join(table.location, LOG, f".{99:020d}.json.x.tmp")
    with open(stray, "w") as f:
        f.write("half")
    os.utime(stray, (0, 0))
    cleaned = DeltaTable(table.location, held=lambda: held)
    names = maintenance.clean_log(cleaned)
    assert names[0] == os.path.basename(stray)
    assert cleaned.listing().commits == tuple(range(first, 29))
    assert cleaned.listing().earliest_recreatable == first
    for version in range(first, 29):
        assert DeltaTable(table.location).snapshot(version).version == version
    if first:
        with pytest.raises(AnalysisError, match="cleanup of the log") as told:
            cleaned.snapshot(first - 1)
        assert f"readable are versions {first}" in str(told.value.hint)


def test_cleanup_leaves_a_young_log_alone(table: DeltaTable) -> None:
    busy(table, 20)
    assert maintenance.clean_log(table) == []


def test_struct_statistics_keep_decimals_digits() -> None:
    from decimal import Decimal

    row = {"numRecords": 3, "minValues": {"d": Decimal("9007199254740993.01"), "n": None}}
    assert stats_text(row) == '{"numRecords":3,"minValues":{"d":9007199254740993.01}}'


def test_files_of_a_checkpoint_become_records_when_needed(table: DeltaTable, session: Session) -> None:
    """A filtered query of many files makes a record of those that it reads, and later commits count."""
    many = [replace(file(table), path=f"f{i}.parquet", stats=numbered(1000 + i)) for i in range(300)]
    before = [a.stats for a in table.latest().files()]
    name = commit_name(table.latest().version + 1)
    with open(os.path.join(table.location, name), "w") as f:
        f.write("".join(f"{to_json(a)}\n" for a in many))
    version = int(name[-25:-5])
    write_checkpoint(table.location, version)
    with open(os.path.join(table.location, commit_name(version + 1)), "w") as f:
        f.write(to_json(many[7].removed(1)) + "\n" + to_json(replace(many[8], stats=numbered(2000))) + "\n")

    shown = session.execute(
        f"EXPLAIN SELECT * FROM delta.`{table.location}` WHERE id IN (1007, 1008, 1009, 2000)"
    ).rows()
    files = session.tables.open(table.location).latest().files()
    assert "files 2 of 302" in str(list(shown))
    assert files.base is not None
    assert len(files.base.made) <= 2
    assert [a.stats for a in files] == [
        *before,
        *(numbered(1000 + i) for i in range(300) if i not in {7, 8}),
        numbered(2000),
    ]
    again = files.base.where[many[0].key]
    copied = session.tables.open(table.location).latest().state.files.copy()
    copied[many[0].key] = many[1]
    assert copied[many[0].key] is many[1]
    assert files.base.action(again) == replace(many[0], data_change=False)


def numbered(i: int) -> str:
    return json.dumps(
        {"numRecords": 1, "minValues": {"id": i}, "maxValues": {"id": i}, "nullCount": {"id": 0}}
    )


def test_reading_a_checkpoint_loads_no_pandas(table: DeltaTable) -> None:
    """pyarrow loads it, where it is installed, for every array made of a list: half a second."""
    write_checkpoint(table.location, 3)
    code = f"""
import sys
from sqlshell.storage.delta.checkpoint_read import read_checkpoint
adds, removes, others = read_checkpoint({table.location!r}, "_delta_log/{3:020d}.checkpoint.parquet")
print(adds[-1], "pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[10, 10, 10] False"
