"""`make bench`: every benchmark at a size that takes minutes, each beside its peers (`--large` adds SF10)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNS = (
    ("benchmarks.startup",),
    ("benchmarks.shell",),
    ("benchmarks.connector",),
    ("benchmarks.planning",),
    ("benchmarks.tpc", "tpch", "--scale", "1", "--engines", "sqlshell,pool,duckdb,polars,datafusion,spark"),
    ("benchmarks.ranges",),
    ("benchmarks.nested", "--engines", "sqlshell,duckdb,polars,datafusion,spark"),
    ("benchmarks.tables",),
    ("benchmarks.time_travel",),
    ("benchmarks.memory",),
    ("benchmarks.cancel",),
    ("benchmarks.barrier",),
    ("benchmarks.training",),
)
LARGE = (
    ("benchmarks.tpc", "tpch", "--scale", "10", "--rounds", "2", "--engines", "sqlshell,pool,duckdb,polars"),
    ("benchmarks.memory", "--scale", "10", "--limit", "1GB"),
)


def main() -> int:
    for module, *arguments in RUNS + (LARGE if "--large" in sys.argv else ()):
        print(f"\n== {module} {' '.join(arguments)}", flush=True)
        done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
