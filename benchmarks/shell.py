"""The shell beside DuckDB: `python -m benchmarks.shell`. Wall and processor seconds, medians of --rounds processes.

Large results as text (1 M x 16 rows of TPC-H's lineitem), a warm query on a kept session, the time to the first
prompt, and completion over the kept corpus.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.data import tables
from benchmarks.startup import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable

SQLSHELL = [sys.executable, "-m", "sqlshell.shell.cli"]
DUCKDB = """
import duckdb
duckdb.sql("COPY (FROM '{path}' LIMIT {rows}) TO '/dev/stdout' ({options})")
"""


def measured(command: list[str], rounds: int, env: dict[str, str] | None = None) -> str:
    """Median wall and processor seconds of a process whose output is thrown away."""
    walls, cpus = [], []
    for _ in range(rounds):
        before = os.times()
        start = time.perf_counter()
        done = subprocess.run(
            command, cwd=SAMPLES, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, check=False
        )
        walls.append(time.perf_counter() - start)
        after = os.times()
        cpus.append(
            after.children_user + after.children_system - before.children_user - before.children_system
        )
        if done.returncode:
            return f"failed ({done.returncode})"
    return (
        f"{statistics.median(walls) * 1000:7.0f} ms wall {statistics.median(cpus) * 1000:7.0f} ms processor"
    )


def large_results(rounds: int, rows: int) -> None:
    path = tables("tpch", 1.0)["lineitem"]
    for name, options in (("csv", "format csv"), ("jsonl", "format json")):
        sql = f"SELECT * FROM '{path}' LIMIT {rows}"
        print(
            f"{f'sqlshell, {rows} rows as {name}':36}",
            measured([*SQLSHELL, "--format", name, "-c", sql], rounds),
        )
        if importlib.util.find_spec("duckdb"):
            script = DUCKDB.format(path=path, rows=rows, options=options)
            print(
                f"{f'duckdb COPY, {rows} rows as {name}':36}",
                measured([sys.executable, "-c", script], rounds),
            )


def kept_session(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_RUNTIME_DIR": folder}
        server = subprocess.Popen(
            [*SQLSHELL, "--serve", "bench"], cwd=SAMPLES, env=environment, stderr=subprocess.PIPE
        )
        assert server.stderr is not None
        server.stderr.readline()
        sql = "SELECT count(*) FROM 'orders.parquet'"
        command = [*SQLSHELL, "--session", "bench", "-c", sql]
        measured(command, 3, environment)
        print(f"{'sqlshell --session, one file':36}", measured(command, rounds, environment))
        server.terminate()
        server.wait()
    print(f"{'python -c pass':36}", measured([sys.executable, "-c", "pass"], rounds))


def first_prompt(rounds: int) -> None:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ |= {"TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
            os.execv(sys.executable, SQLSHELL)
        seen = b""
        while b"sql> " not in seen:
            seen += os.read(terminal, 65536)
        times.append(time.perf_counter() - start)
        os.write(terminal, b"\x04")
        os.close(terminal)
        os.waitpid(pid, 0)
    print(f"{'sqlshell, first prompt':36} {statistics.median(times) * 1000:7.0f} ms wall")


def completion() -> None:
    from sqlshell.session import Session
    from sqlshell.shell.completion import Completer
    from sqlshell.shell.completion.scope import Column
    from tests.support.completion import VIEWS, corpus, is_right

    os.chdir(SAMPLES)
    with Session() as session:
        for view in VIEWS:
            session.execute(f"CREATE TEMPORARY VIEW {view}").close()
        completer = Completer(session)
        cases = corpus()
        right = [is_right(completer, *case) for case in cases]
        milliseconds = timed(lambda text: is_right(completer, text, []), [text for text, _ in cases])
        print(f"completion: {sum(right)} of {len(cases)} right in the first five, p99 {milliseconds:.1f} ms")
        wide = [Column(f"column_{i}_measure") for i in range(10_000)]
        completer.names.columns = lambda _: wide  # type: ignore[method-assign]
        texts = [f"SELECT colu{'mn_12345_me'[:n]}▮ FROM wide" for n in range(11)] * 20
        print(f"completion: 10,000 columns, p99 {timed(lambda t: is_right(completer, t, []), texts):.1f} ms")


def timed(run: Callable[[str], object], texts: list[str]) -> float:
    """The 99th percentile of a run, in milliseconds."""
    times = []
    for text in texts:
        start = time.perf_counter()
        run(text)
        times.append(time.perf_counter() - start)
    return sorted(times)[int(len(times) * 0.99)] * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    first_prompt(options.rounds)
    kept_session(options.rounds)
    large_results(options.rounds, options.rows)
    if Path(__file__).parent.parent.joinpath("tests").exists():
        completion()


if __name__ == "__main__":
    main()
