"""Planning time, text to stage graph, in a warm process: `python -m benchmarks.planning tpch tpcds`.

Prints the median over a suite's queries of each step (parse, bind, optimize, stages) in milliseconds, each query
at its best of --rounds: processor time of the session's process, and wall time with waiting for workers.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from typing import TYPE_CHECKING

from benchmarks import data
from sqlshell.parser.parse import parse_statement
from sqlshell.parser.statement import Query
from sqlshell.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = ("parse", "bind", "optimize", "stages")


def planned(session: Session, text: str, clock: Callable[[], float]) -> list[float]:
    """Seconds of each step for one query, then their sum."""
    marks = [clock()]
    statement = parse_statement(text)
    assert isinstance(statement, Query)
    marks.append(clock())
    bound = session.bind(statement)
    marks.append(clock())
    optimized = session.optimize(bound.plan)
    marks.append(clock())
    session.stages(optimized.plan)
    marks.append(clock())
    return [b - a for a, b in itertools.pairwise(marks)] + [marks[-1] - marks[0]]


def best(session: Session, text: str, clock: Callable[[], float], rounds: int) -> list[float]:
    """The fastest of some rounds, step by step in milliseconds."""
    runs = [planned(session, text, clock) for _ in range(rounds)]
    return [1000 * min(step) for step in zip(*runs, strict=True)]


def report(suite: str, scale: float, rounds: int) -> None:
    """Measure and print one suite."""
    with Session() as session:
        for name, path in data.tables(suite, scale).items():
            session.execute(f"CREATE TEMPORARY VIEW {name} AS SELECT * FROM parquet.`{path}`")
        texts = data.queries(suite, scale)
        print(f"\n{suite} scale {scale:g}, {len(texts)} queries, ms, best of {rounds}, median and worst")
        print(f"{'':12}" + "".join(f"{s:>11}" for s in (*STEPS, "all")) + f"{'worst':>15}")
        for label, clock in (("processor", time.process_time), ("wall", time.perf_counter)):
            times = {nr: best(session, text, clock, rounds) for nr, text in texts.items()}
            medians = [statistics.median(column) for column in zip(*times.values(), strict=True)]
            slowest = max(times, key=lambda nr: times[nr][-1])
            worst = f"q{slowest} {times[slowest][-1]:.1f}"
            print(f"{label:12}" + "".join(f"{m:11.2f}" for m in medians) + f"{worst:>15}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("suites", nargs="*", default=["tpch", "tpcds"], metavar="SUITE", help="tpch, tpcds")
    parser.add_argument("--scale", type=float, default=0.02, help="of the data (default: 0.02)")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for suite in options.suites:
        report(suite, options.scale, options.rounds)


if __name__ == "__main__":
    main()
