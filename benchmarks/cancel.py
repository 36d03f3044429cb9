"""Ctrl-C to the next answer, with workers busy: `python -m benchmarks.cancel --scale 1`.

Runs a heavy join solo and on two pool workers, interrupts it by SIGINT as a terminal does, and prints the
milliseconds from the signal to the answer of the next query (one that needs a worker); the goal is 250.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import threading
import time

from benchmarks import data
from sqlshell.session import Session

BUSY = (
    "SELECT count(*) FROM lineitem a JOIN lineitem b ON a.l_partkey = b.l_partkey "
    "WHERE a.l_comment < b.l_comment"
)
NEXT = "SELECT count(*) FROM range(1000)"


def once(session: Session, after: float) -> float:
    """Seconds from the interrupt to the next answer."""
    sent = 0.0

    def interrupt() -> None:
        nonlocal sent
        sent = time.perf_counter()
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(after, interrupt)
    timer.start()
    try:
        session.execute(BUSY).close()
    except KeyboardInterrupt:
        list(session.execute(NEXT).rows())
        return time.perf_counter() - sent
    finally:
        timer.cancel()
    raise SystemExit("the busy query ended before it was interrupted: use a larger scale")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    files = data.tables("tpch", options.scale)
    for label, workers in (("solo", None), ("pool of two", 2)):
        with Session(workers=workers) as session:
            for table, path in files.items():
                session.execute(f"CREATE TEMPORARY VIEW {table} AS SELECT * FROM parquet.`{path}`")
            list(session.execute(NEXT).rows())
            times = []
            for _ in range(options.rounds):
                time.sleep(2)  # the spare worker is up again
                times.append(once(session, 0.7) * 1000)
        print(f"{label:12} {statistics.median(times):6.0f} ms, at most {max(times):.0f} ms", flush=True)


if __name__ == "__main__":
    main()
