"""The benchmarks' data and query texts, made on first use by `benchmarks/prepare.py` in the test environment."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEST_PYTHON = ROOT / ".venv" / "bin" / "python"


@cache
def prepared(suite: str, scale: float) -> Path:
    """The folder that holds `<suite>-<scale>/` and `<suite>-queries.json`."""
    command = [TEST_PYTHON, "-m", "benchmarks.prepare", suite, str(scale)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return Path(done.stdout.strip())


def tables(suite: str, scale: float) -> dict[str, Path]:
    """Table name to Parquet file."""
    folder = prepared(suite, scale) / f"{suite}-{float(scale)}"
    return {p.stem: p for p in sorted(folder.glob("*.parquet"))}


def queries(suite: str, scale: float) -> dict[int, str]:
    """Query number to text, in Spark's dialect."""
    texts = json.loads((prepared(suite, scale) / f"{suite}-queries.json").read_text())
    return {int(nr): text for nr, text in texts.items()}
