"""Looking back, beside one query per version, anti-joins and `deltalake`: `python -m benchmarks.time_travel`.

A table of --versions versions: each adds five files and removes one in four of an older version. Measured: a sum by
version over all of them, DIFF of two versions, reading an old version beside the latest, and planning a query of a
table of 10,000 files in 1,000 commits with a checkpoint, in a new process-wide table cache; and the CPU time of a new
process that reads the table, beside one that reads its files. Best of --rounds; answers
are compared.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sqlshell.session import Session
from sqlshell.storage.delta.actions import Add, to_json
from sqlshell.storage.delta.commit import commit
from sqlshell.storage.delta.log import commit_name
from sqlshell.storage.delta.table import DeltaTable, DeltaTables
from tests.support import delta_tables

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = 5
SAMPLED = 10


def best(run: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """The best time, and the last answer."""
    took, answer = float("inf"), None
    for _ in range(rounds):
        start = time.perf_counter()
        answer = run()
        took = min(took, time.perf_counter() - start)
    return took, answer


def report(name: str, took: float, reference: float | None = None) -> None:
    ratio = "" if reference is None else f"  {reference / took:8.1f}x"
    print(f"  {name:52} {took * 1000:10.1f} ms{ratio}", flush=True)


def rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    result = session.execute(sql)
    try:
        return list(result.rows())
    finally:
        result.close()


def make(place: Path, versions: int, per_file: int) -> DeltaTable:
    """`id bigint, k int, v double, s string`, its statistics as ours have them."""
    table = delta_tables.create(str(place), "id bigint, k int, v double, s string")
    live: list[Add] = []
    for n in range(versions):
        added = []
        for f in range(FILES):
            start = (n * FILES + f) * per_file
            ids = range(start, start + per_file)
            columns = {
                "id": pa.array(ids),
                "k": pa.array([i % 97 for i in ids], pa.int32()),
                "v": pa.array([i % 1000 / 8 for i in ids]),
                "s": pa.array([f"name {i % 5000}" for i in ids]),
            }
            added.append(delta_tables.data_file(table, columns))
        gone = [live.pop(len(live) // 2)] if n % 4 == 3 else []
        live += added
        commit(table, table.latest(), [*(a.removed(0) for a in gone), *added], "WRITE")
    return table


def history(session: Session, place: Path, versions: int, rounds: int) -> None:
    print(f"Sum by version over {versions} versions")
    select = "count(*), sum(v), max(id)"
    sql = f"SELECT _version, {select} FROM delta.`{place}` VERSIONS BETWEEN 1 AND {versions} GROUP BY 1 ORDER BY 1"
    ours, found = best(lambda: rows(session, sql), rounds)
    sampled = [1 + (versions - 1) * i // (SAMPLED - 1) for i in range(SAMPLED)]
    single = [f"SELECT {v}, {select} FROM delta.`{place}` VERSION AS OF {v}" for v in sampled]
    one, expected = best(lambda: [rows(session, q)[0] for q in single], rounds)
    same = all(found[e[0] - 1] == e for e in expected)
    report("sqlshell, VERSIONS BETWEEN", ours, one / SAMPLED * versions)
    report(f"one query per version ({SAMPLED} measured)", one / SAMPLED * versions)
    print(f"  answers of those versions {'equal' if same else 'DIFFER'}")


def diff(session: Session, place: Path, versions: int, rounds: int) -> None:
    old, new = versions * 3 // 4, versions * 4 // 5
    print(f"Rows that changed between version {old} and {new}")
    at = [f"(SELECT * FROM delta.`{place}` VERSION AS OF {v})" for v in (old, new)]
    sql = (
        f"SELECT _change_type, count(*), sum(id) FROM DIFF delta.`{place}` VERSION AS OF {old} "
        f"WITH VERSION AS OF {new} GROUP BY 1 ORDER BY 1"
    )
    ours, found = best(lambda: rows(session, sql), rounds)
    columns = ("id", "k", "v", "s")
    same = " AND ".join(f"a.{c} <=> b.{c}" for c in columns)
    anti = [
        f"SELECT '{kind}', count(*), sum(id) FROM {a} a LEFT ANTI JOIN {b} b ON {same}"
        for kind, a, b in (("delete", *at), ("insert", *at[::-1]))
    ]
    theirs, expected = best(lambda: [rows(session, q)[0] for q in anti], rounds)
    report("sqlshell, DIFF", ours, theirs)
    report("two anti-joins", theirs)
    print(f"  answers {'equal' if found == [r for r in expected if r[1]] else 'DIFFER'}")


def travel(session: Session, place: Path, versions: int, rounds: int) -> None:
    print("Reading an old version (the last but one, of nearly the same size)")
    sql = "SELECT k, sum(v), max(s) FROM delta.`{}` {} GROUP BY k"
    before = sql.format(place, f"VERSION AS OF {versions - 1}")
    latest = old = float("inf")
    for _ in range(rounds * 3):  # in turns: the machine's other work hits both
        latest = min(latest, best(lambda: rows(session, sql.format(place, "")), 1)[0])
        old = min(old, best(lambda: rows(session, before), 1)[0])
    report("the latest version", latest)
    report("an old version", old)
    print(f"  old / latest {old / latest:.2f}")


def planning(session: Session, place: Path, rounds: int) -> None:
    print("Planning over 10,000 files of 1,000 commits, with a checkpoint, nothing known")
    table = delta_tables.create(str(place), "id bigint, d date, x double, s string")
    for n in range(1000):
        adds = [
            Add(f"f{n}-{i}.parquet", (), 1000, 0, True,
                f'{{"numRecords":100,"minValues":{{"id":{i},"d":"2024-01-01","x":0.5,"s":"a"}},"maxValues":'
                f'{{"id":{n * 10 + i},"d":"2024-03-01","x":9.5,"s":"z"}},"nullCount":{{"id":0,"d":0,"x":0,"s":0}}}}')
            for i in range(10)
        ]  # fmt: skip
        (place / commit_name(n + 1)).write_text("".join(f"{to_json(a)}\n" for a in adds))
    session.engine.call("write_checkpoint", table.location, 1000)

    def plan() -> None:
        session.tables = DeltaTables(session.engine.call)
        rows(session, f"EXPLAIN SELECT count(*) FROM delta.`{place}` WHERE id = 9000")

    plan()
    report("sqlshell: open, list, skip files", best(plan, max(5, rounds))[0])
    import deltalake

    def theirs() -> None:
        deltalake.DeltaTable(str(place)).get_add_actions(flatten=True)

    report("deltalake: open and list", best(theirs, max(5, rounds))[0])


def cold(place: Path, rounds: int) -> None:
    print("A new process: CPU time of all its processes")
    start = "import sys; from sqlshell.shell.cli import main; sys.exit(main(['-c', sys.argv[1]]))"

    def used(sql: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", start, sql], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    for what in ("count(*)", "sum(v)"):
        table, files = (f"SELECT {what} FROM {x}" for x in (f"delta.`{place}`", f"'{place}/*.parquet' "))
        plain = min(used(files.replace(str(place), str(place) + "-files")) for _ in range(rounds))
        delta = min(used(table) for _ in range(rounds))
        report(f"{what} of a Delta table", delta, plain)
        report(f"{what} of its Parquet files", plain)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=200)
    parser.add_argument("--rows", type=int, default=20_000, help="rows of a file")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        make(base / "t", options.versions, options.rows)
        with Session(warehouse=str(base / "w")) as session:
            history(session, base / "t", options.versions, options.rounds)
            diff(session, base / "t", options.versions, options.rounds)
            travel(session, base / "t", options.versions, options.rounds)
            planning(session, base / "many", options.rounds)
        (base / "t-files").mkdir()
        for found in (base / "t").glob("*.parquet"):  # elsewhere, as a folder with a log is no plain folder
            (base / "t-files" / found.name).hardlink_to(found)
        cold(base / "t", options.rounds)


if __name__ == "__main__":
    main()
