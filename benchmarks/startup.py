"""Cold starts beside the peers: `python -m benchmarks.startup`. Median wall milliseconds of --rounds processes."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

SAMPLES = Path(__file__).parent.parent / "sample_data"
FILE = "orders.parquet"

COMMANDS = {
    "sqlshell --version": ["-m", "sqlshell.shell.cli", "--version"],
    "sqlshell -c 'select 1'": ["-m", "sqlshell.shell.cli", "-c", "select 1"],
    "python + duckdb, select 1": ["-c", "import duckdb; print(duckdb.sql('select 1').fetchall())"],
    "sqlshell -c, one Parquet file": ["-m", "sqlshell.shell.cli", "-c", f"select count(*) from '{FILE}'"],
    "python + duckdb, one file": [
        "-c",
        f"import duckdb; print(duckdb.sql(\"select count(*) from '{FILE}'\").fetchall())",
    ],
    "python + polars, one file": [
        "-c",
        f"import polars as pl; print(pl.scan_parquet('{FILE}').select(pl.len()).collect())",
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    for name, command in COMMANDS.items():
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            done = subprocess.run([sys.executable, *command], cwd=SAMPLES, capture_output=True, check=False)
            times.append(time.perf_counter() - start)
            if done.returncode:
                break
        shown = "not installed" if done.returncode else f"{statistics.median(times) * 1000:7.0f} ms"
        print(f"{name:32} {shown}", flush=True)


if __name__ == "__main__":
    main()
