"""TPC-H and TPC-DS beside the peers, from one run: `python -m benchmarks.tpc tpch --scale 1`.

Prints seconds per query (best of --rounds; the engines take turns, so that a busy moment of the machine hits all of
them), the geometric mean over each engine's right answers, and its ratio to DuckDB's time and processor time over
the queries both answered. What an engine cannot run is shown as -, an answer that differs from DuckDB's as *.
"""

from __future__ import annotations

import argparse
import math
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks import data
from benchmarks.peers import available, timed
from benchmarks.rows import difference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.peers import Engine


@dataclass
class Measured:
    """One engine's best seconds per query, and which answers were wrong."""

    engine: Engine
    wall: dict[int, float] = field(default_factory=dict)
    cpu: dict[int, float] = field(default_factory=dict)
    answers: dict[int, Any] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    wrong: dict[int, str] = field(default_factory=dict)

    def run(self, nr: int, text: str) -> None:
        """One round of one query."""
        if nr in self.failed:
            return

        def once() -> None:
            self.answers[nr] = self.engine.run(text)

        try:
            wall, cpu = timed(once)
        except Exception as e:
            self.failed[nr] = str(e)
            return
        self.wall[nr] = min(wall, self.wall.get(nr, wall))
        self.cpu[nr] = min(cpu, self.cpu.get(nr, cpu))

    def cell(self, nr: int) -> str:
        if nr in self.failed:
            return f"{'-':>17}"
        return f"{self.wall[nr]:16.3f}{'*' if nr in self.wrong else ' '}"

    @property
    def right(self) -> set[int]:
        return self.wall.keys() - self.wrong.keys() - self.failed.keys()


def main() -> None:
    options = arguments()
    texts = data.queries(options.suite, options.scale)
    files = data.tables(options.suite, options.scale)
    wanted = [int(n) for n in options.queries.split(",")] if options.queries else sorted(texts)
    measured = [Measured(e) for e in available(options.engines.split(","))]
    for m in measured:
        m.engine.register(files)
    print(f"\n{options.suite} scale {options.scale:g}, seconds, best of {options.rounds}")
    print("query" + "".join(f"{m.engine.name:>17}" for m in measured))
    judge = next((m for m in measured if m.engine.name.startswith("duckdb")), None)
    for nr in wanted:
        for _ in range(options.rounds):
            for m in measured:
                m.run(nr, texts[nr])
        compare(nr, measured, judge)
        print(f"{nr:5}" + "".join(m.cell(nr) for m in measured), flush=True)
        for m in measured:
            m.answers.clear()
    summary(measured, judge)
    for m in measured:
        m.engine.close()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", choices=("tpch", "tpcds"))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", default="sqlshell,duckdb,polars")
    parser.add_argument("--queries", help="numbers, comma-separated (default: all)")
    return parser.parse_args()


def compare(nr: int, measured: list[Measured], judge: Measured | None) -> None:
    """Mark answers that differ from the judge's."""
    if judge is None or nr not in judge.answers:
        return
    for m in measured:
        if m is not judge and nr in m.answers:
            told = difference(m.answers[nr], judge.answers[nr])
            if told:
                m.wrong[nr] = told


def summary(measured: list[Measured], judge: Measured | None) -> None:
    """Geometric means over each engine's right answers, and ratios over what it shares with DuckDB."""
    print(f"load average {os.getloadavg()[0]:.1f}")
    for m in measured:
        line = (
            f"{m.engine.name:18} {len(m.right):3} right, geomean {geomean(m.wall[q] for q in m.right):.4f} s"
        )
        if judge is not None and m is not judge:
            shared = m.right & judge.right
            wall = geomean(m.wall[q] / judge.wall[q] for q in shared)
            cpu = geomean((m.cpu[q] + 0.005) / (judge.cpu[q] + 0.005) for q in shared)
            line += f", {wall:.2f}x DuckDB's time and {cpu:.2f}x its processor time over {len(shared)}"
        print(line)
    ours = next((m for m in measured if m.engine.name == "sqlshell"), None)
    for m in measured if ours is not None else ():
        if m is not ours and m.engine.name.startswith(("sqlshell", "spark")):
            shared = m.right & ours.right
            ratio = geomean(m.wall[q] / ours.wall[q] for q in shared)
            print(f"{m.engine.name:18} {ratio:.2f}x the time of sqlshell over {len(shared)}")
    for m in measured:
        for nr, told in sorted((m.wrong | m.failed).items()):
            if m.engine.name.startswith("sqlshell"):
                print(f"# {m.engine.name} {nr}: {told[:300]}")


def geomean(values: Iterable[float]) -> float:
    """The geometric mean."""
    numbers = list(values)
    return math.exp(sum(map(math.log, numbers)) / len(numbers)) if numbers else math.nan


if __name__ == "__main__":
    main()
