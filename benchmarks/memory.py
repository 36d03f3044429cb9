"""Working memory under a limit: `python -m benchmarks.memory --scale 1 --limit 300MB` (SF10 and 1GB in earnest).

Runs an aggregation, a join, a sort and a distinct whose state passes the limit; samples every 50 ms the workers'
proportional memory above idle plus the session's files in shared memory, and prints the peak beside the limit.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from pathlib import Path

from benchmarks import data
from sqlshell.config import Settings
from sqlshell.session import Session

QUERIES = {
    "aggregation": "SELECT l_orderkey, l_partkey, count(*) AS n, sum(l_quantity) AS q FROM lineitem "
    "GROUP BY l_orderkey, l_partkey ORDER BY q DESC, l_orderkey, l_partkey LIMIT 10",
    "join": "SELECT count(*) AS n, max(l_comment) AS c, max(o_comment) AS o FROM lineitem "
    "JOIN orders ON l_orderkey = o_orderkey AND l_comment <> o_comment",
    "sort": "SELECT l_comment, l_orderkey, l_partkey FROM lineitem ORDER BY l_comment, l_orderkey",
    "distinct": "SELECT DISTINCT l_orderkey, l_partkey, l_comment FROM lineitem",
}
WARM = (
    "SET sqlshell.partitions = 2",
    "SELECT n_regionkey, count(*) FROM nation GROUP BY n_regionkey",
    "RESET sqlshell.partitions",
)
"""Brings every worker up, so that their idle memory is known."""


def proportional(pid: int) -> int:
    """Proportional set size of a process in bytes; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def shared(session: Session) -> int:
    """Bytes of a session's exchange files in shared memory."""
    total = 0
    for folder, _, names in os.walk(session.engine.store_folders.memory or "/nowhere"):
        for name in names:  # walk, unlike glob, bears folders that vanish
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except OSError:
                continue
    return total


class Sampler(threading.Thread):
    """Keeps the peak of what a session's workers hold above what they held when it was made."""

    def __init__(self, session: Session) -> None:
        super().__init__(daemon=True)
        self.session = session
        self.idle: dict[int, int] = {}
        self.peak = 0
        self.running = True

    def run(self) -> None:
        while self.running:
            pids = self.session.engine.cluster.pids()
            held = sum(max(0, proportional(p) - self.idle.setdefault(p, proportional(p))) for p in pids)
            self.peak = max(self.peak, held + shared(self.session))
            time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--limit", default="300MB")
    options = parser.parse_args()
    files = data.tables("tpch", options.scale)
    settings = Settings()
    settings.set("sqlshell.memory_limit", options.limit)
    limit = settings.get("sqlshell.memory_limit")
    for name, sql in QUERIES.items():
        with Session(workers=2, settings={"sqlshell.memory_limit": options.limit}) as session:
            for table, path in files.items():
                session.execute(f"CREATE TEMPORARY VIEW {table} AS SELECT * FROM parquet.`{path}`")
            for text in WARM:
                list(session.execute(text).rows())
            time.sleep(1)
            sampler = Sampler(session)
            sampler.start()
            start = time.perf_counter()
            session.execute(sql).close()
            seconds = time.perf_counter() - start
            sampler.running = False
            sampler.join()
        ratio = sampler.peak / limit
        print(
            f"{name:12} {seconds:6.1f} s, peak {sampler.peak / 1e6:.0f} MB, {ratio:.2f}x the limit",
            flush=True,
        )


if __name__ == "__main__":
    main()
