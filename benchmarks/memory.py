"""Working memory under a limit: `python -m benchmarks.memory --scale 1 --limit 300MB` (SF10 and 1GB in earnest).

Runs an aggregation and a join whose state passes the limit; samples every 50 ms the workers' proportional memory
above idle plus the session's files in shared memory, and prints the peak beside the limit.
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
}


def proportional(pid: int) -> int:
    """Proportional set size of a process in bytes; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def shared() -> int:
    """Bytes of our exchange files in shared memory."""
    total = 0
    for folder, _, names in os.walk("/dev/shm"):  # walk, unlike glob, bears folders that vanish
        if "sqlshell-" not in folder:
            continue
        for name in names:
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
            self.peak = max(self.peak, held + shared())
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
            list(session.execute("SELECT count(*) FROM nation").rows())  # workers up and idle
            sampler = Sampler(session)
            sampler.start()
            start = time.perf_counter()
            list(session.execute(sql).rows())
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
