"""`make bench`: every benchmark at a size that takes minutes, each beside its peers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNS = (
    ("benchmarks.startup",),
    ("benchmarks.shell",),
    ("benchmarks.tpc", "tpch", "--scale", "1"),
    ("benchmarks.nested",),
    ("benchmarks.tables",),
    ("benchmarks.memory",),
    ("benchmarks.barrier",),
)


def main() -> int:
    for module, *arguments in RUNS:
        print(f"\n== {module} {' '.join(arguments)}", flush=True)
        done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
