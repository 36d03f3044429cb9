"""`python -m tests.sqlalchemy_suite [pytest options]` runs SQLAlchemy's compliance suite on a warehouse of its own.

`passes.txt` says how many tests passed when it was last run in full; the long tests see to it that none is lost.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def run(*options: str) -> subprocess.CompletedProcess[str]:
    """The suite in a process of its own: SQLAlchemy's pytest plugin takes a whole run over."""
    with tempfile.TemporaryDirectory() as directory:
        command = [
            sys.executable, "-m", "pytest", "-c", str(HERE / "setup.cfg"), "--rootdir", str(HERE), "--tb=short",
            "--dburi", f"sqlshell:///{directory}/warehouse", str(HERE / "suite.py"), *options,
        ]  # fmt: skip
        return subprocess.run(command, cwd=HERE.parent.parent, text=True, capture_output=True, check=False)


if __name__ == "__main__":
    done = run(*sys.argv[1:])
    print(done.stdout, done.stderr, sep="\n")
    sys.exit(done.returncode)
