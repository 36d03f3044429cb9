"""Four writers on one table, killed at random points: the log is a serial history of what was reported."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from sqlshell.session import Session
from sqlshell.storage.delta.table import DeltaTable
from tests.support.contention import TABLE, Changes, State, first_state, operation

if TYPE_CHECKING:
    from pathlib import Path

    from sqlshell.storage.delta.actions import CommitInfo

WRITERS = 4


def write(warehouse: Path, writer: int, count: int, seed: int, kills: float) -> dict[int, str]:
    """Run a writer, again whenever it died, to its last statement; what each statement reported."""
    said: dict[int, str] = {}
    following = 0
    while following < count:
        arguments = [
            str(warehouse),
            str(writer),
            str(following),
            str(count - following),
            str(seed),
            str(kills),
        ]
        ran = subprocess.run(
            [sys.executable, "-m", "tests.support.contention", *arguments],
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert ran.returncode in (0, -9), ran.stderr
        for line in ran.stdout.splitlines():
            what, number, *rest = line.split()
            said[int(number)] = "killed" if what == "start" else " ".join([what, *rest])
            following = int(number) + 1
    return said


def contend(warehouse: Path, isolation: str, count: int, seed: int, kills: float) -> None:
    with Session(warehouse=str(warehouse)) as session:
        session.execute(TABLE.format(isolation))
        with ThreadPoolExecutor(WRITERS) as pool:
            ran = [pool.submit(write, warehouse, w, count, seed, kills) for w in range(WRITERS)]
            reports = {f"w{w}-{n}": r for w, f in enumerate(ran) for n, r in f.result().items()}
        assert len(reports) == WRITERS * count
        table = DeltaTable(str(warehouse / "default" / "t"))
        infos = {h.version: h.info for h in table.history() if h.info is not None}
        check_reports(reports, infos)
        states = replay(infos, isolation, seed)
        for version, state in states.items():
            rows = list(session.execute(f"SELECT id, k, v FROM t VERSION AS OF {version}").rows())
            assert len(rows) == len(state), version
            assert {i: (k, v) for i, k, v in rows} == state, version
        check_orphans(session, warehouse, states[max(states)])
    print(Counter(r.split()[0] for r in reports.values()), {r for r in reports.values() if "failed" in r})


def check_reports(reports: dict[str, str], infos: dict[int, CommitInfo]) -> None:
    """Every success that changed rows is in the log once, every failure never, every killed statement at most once."""
    committed = Counter(
        i.values.get("userMetadata") for v, i in infos.items() if i.operation != "VACUUM" and v
    )
    assert set(committed) <= set(reports)
    for name, report in reports.items():
        what, *rest = report.split()
        times = committed[name]
        if what == "ok" and rest[0].isdecimal():
            assert times == (rest[0] != "0"), (name, report, times)
        else:
            assert times <= (what != "failed"), (name, report, times)


def replay(infos: dict[int, CommitInfo], isolation: str, seed: int) -> dict[int, State]:
    """The table at each version, by running the statements of the log one after the other.

    A statement may have read an older version than the one it was put on. Its changes must be those it would have
    made there; under WriteSerializable, blind appends of the versions between count as coming after it.
    """
    states = {0: first_state()}
    appended: dict[int, set[int]] = {}
    for version in range(1, max(infos) + 1):
        info = infos[version]
        writer, number = str(info.values["userMetadata"])[1:].split("-")
        made = operation(seed, int(writer), int(number))
        before, read = states[version - 1], states[info.values["readVersion"]]
        changes = made.changes(read)
        hidden: set[int] = set()
        if isolation == "WriteSerializable":
            hidden = set().union(
                *(appended.get(v, ()) for v in range(info.values["readVersion"] + 1, version))
            )
        assert changes == made.changes({i: r for i, r in before.items() if i not in hidden}), (version, made)
        appended[version] = set(changes) if info.is_blind_append else set()
        states[version] = applied(before, changes)
    return states


def applied(state: State, changes: Changes) -> State:
    state = dict(state)
    for i, row in changes.items():
        if row is None:
            del state[i]
        else:
            state[i] = row
    return state


def check_orphans(session: Session, warehouse: Path, state: State) -> None:
    """What killed writers left is removed by VACUUM, and nothing else."""
    session.execute("SET sqlshell.vacuum.retentionCheck = false")
    session.execute("VACUUM t RETAIN 0 HOURS")
    table = DeltaTable(str(warehouse / "default" / "t"))
    live = {a.path for a in table.latest().files()}
    there = {f for f in os.listdir(table.location) if f.endswith(".parquet")}
    assert there == live
    rows = list(session.execute("SELECT id, k, v FROM t").rows())
    assert {i: (k, v) for i, k, v in rows} == state


def test_contention(tmp_path: Path) -> None:
    contend(tmp_path, "WriteSerializable", 6, 1, 0.3)


@pytest.mark.long
@pytest.mark.parametrize("isolation", ["WriteSerializable", "Serializable"])
def test_contention_long(tmp_path: Path, isolation: str) -> None:
    contend(tmp_path, isolation, 50, 2, 0.15)
