"""Fetching from Python beside DuckDB: `python -m benchmarks.connector`. Wall and processor seconds, medians.

A query's rows (--rows of TPC-H's lineitem, 16 columns) as Python tuples, one by one, as an Arrow table and as a
stream of record batches; many INSERTed rows; one small query again and again. Processor time is that of all processes.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

import sqlshell
from benchmarks.data import tables
from benchmarks.peers import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    Path_ = Callable[[Any, str], int]


def measured(label: str, work: Callable[[], int], rounds: int) -> None:
    """Print the medians over some rounds, after one that does not count."""
    work()
    walls, cpus = [], []
    for _ in range(rounds):
        start, before = time.perf_counter(), cpu_seconds()
        rows = work()
        walls.append(time.perf_counter() - start)
        cpus.append(cpu_seconds() - before)
    wall, cpu = statistics.median(walls), statistics.median(cpus)
    print(f"{label:36} {wall * 1000:8.1f} ms wall {cpu * 1000:8.0f} ms processor  {rows} rows", flush=True)


def one_by_one(cursor: Any) -> int:
    """Rows through fetchone."""
    n = 0
    while cursor.fetchone() is not None:
        n += 1
    return n


def streamed(batches: Any) -> int:
    """Rows of a stream of record batches."""
    return sum(batch.num_rows for batch in batches)


OURS: dict[str, Path_] = {
    "fetchall": lambda con, sql: len(con.execute(sql).fetchall()),
    "fetchone": lambda con, sql: one_by_one(con.execute(sql)),
    "fetch_arrow_table": lambda con, sql: con.execute(sql).fetch_arrow_table().num_rows,
    "fetch_record_batch": lambda con, sql: streamed(con.execute(sql).fetch_record_batch()),
}
DUCKDBS: dict[str, Path_] = {
    "fetchall": OURS["fetchall"],
    "fetchone": OURS["fetchone"],
    "to_arrow_table": lambda con, sql: con.sql(sql).to_arrow_table().num_rows,
    "to_arrow_reader": lambda con, sql: streamed(con.sql(sql).to_arrow_reader()),
}


def inserted(con: Any, rows: list[tuple[Any, ...]]) -> int:
    """Rows of an executemany into a new table."""
    con.execute("CREATE OR REPLACE TABLE filled (id BIGINT, name VARCHAR(20), amount DOUBLE)")
    con.cursor().executemany("INSERT INTO filled VALUES (?, ?, ?)", rows)
    return len(rows)


def engine(name: str, con: Any, paths: dict[str, Path_], rounds: int, sql: str, inserts: int) -> None:
    """All paths on one connection."""
    for path, fetch in paths.items():
        measured(f"{name}, {path}", lambda fetch=fetch: fetch(con, sql), rounds)  # type: ignore[misc]
    small = "SELECT 1 AS a, 'x' AS b"
    measured(
        f"{name}, 200 small queries", lambda: sum(OURS["fetchall"](con, small) for _ in range(200)), rounds
    )
    data = [(i, f"name {i}", i / 7) for i in range(inserts)]
    measured(f"{name}, executemany", lambda: inserted(con, data), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--inserts", type=int, default=2_000)
    args = parser.parse_args()
    lineitem = tables("tpch", 1.0)["lineitem"]
    sql = f"SELECT * FROM '{lineitem}' LIMIT {args.rows}"
    with tempfile.TemporaryDirectory() as folder, sqlshell.connect(folder) as con:
        engine("sqlshell", con, OURS, args.rounds, sql, args.inserts)
    if importlib.util.find_spec("duckdb"):
        import duckdb

        with tempfile.TemporaryDirectory() as folder:
            peer = duckdb.connect(str(Path(folder) / "db"))
            engine("duckdb " + duckdb.__version__, peer, DUCKDBS, args.rounds, sql, args.inserts)
            peer.close()
    print(f"pyarrow {pa.__version__}")


if __name__ == "__main__":
    main()
