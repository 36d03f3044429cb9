"""What the benchmarks measure with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.peers import cpu_seconds


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_processor_time_counts_processes_that_ended() -> None:
    before = cpu_seconds()
    worker = subprocess.Popen(
        [sys.executable, "-c", "sum(range(20_000_000)); print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert worker.stdout is not None
    worker.stdout.readline()
    running = cpu_seconds()
    worker.communicate(b"\n")
    assert cpu_seconds() >= running > before
