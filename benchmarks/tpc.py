"""TPC-H and TPC-DS beside the peers, from one run: `python -m benchmarks.tpc tpch --scale 1`.

Prints seconds per query (best of --rounds, warm), the geometric mean over the queries that every engine answered,
and each engine's ratio to DuckDB. Polars' SQL does not run every query; what an engine cannot run is shown as -.
"""

from __future__ import annotations

import argparse
import math

from benchmarks.peers import available, best_of
from tests.support import tpc


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", choices=("tpch", "tpcds"))
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", default="sqlshell,duckdb,polars")
    parser.add_argument("--queries", help="numbers, comma-separated (default: all)")
    options = parser.parse_args()
    files = tpc.tables(tpc.DATA[options.suite](options.scale))
    texts = tpc.queries(options.suite)
    wanted = [int(n) for n in options.queries.split(",")] if options.queries else sorted(texts)
    engines = available(options.engines.split(","))
    times: dict[str, dict[int, float]] = {e.name: {} for e in engines}
    for engine in engines:
        engine.register(files)
    print(f"{options.suite} scale {options.scale:g}, best of {options.rounds}, seconds")
    print("query  " + "  ".join(f"{e.name:>16}" for e in engines))
    for nr in wanted:
        cells = []
        for engine in engines:
            text = texts[nr] if "duckdb" not in engine.name else texts[nr].replace("`", '"')
            try:
                times[engine.name][nr] = best_of(lambda e=engine, t=text: e.run(t), options.rounds)
                cells.append(f"{times[engine.name][nr]:16.3f}")
            except Exception as e:  # noqa: BLE001 - a peer's own error types
                cells.append(f"{'-':>16}")
                if engine.name.startswith("sqlshell"):
                    print(f"# {engine.name} {nr}: {e}")
        print(f"{nr:5}  " + "  ".join(cells), flush=True)
    summary(times)
    for engine in engines:
        engine.close()


def summary(times: dict[str, dict[int, float]]) -> None:
    """Geometric means over the queries everybody answered, and over what each shares with DuckDB."""
    duckdb = next((n for n in times if n.startswith("duckdb")), None)
    for name, own in times.items():
        line = f"{name:20} {len(own)} answered, geomean {geomean(own.values()):.3f}"
        if duckdb and name != duckdb:
            shared = own.keys() & times[duckdb].keys()
            if shared:
                ratio = geomean(own[q] / times[duckdb][q] for q in shared)
                line += f", {ratio:.2f}x duckdb's time over {len(shared)} queries"
        print(line)


def geomean(values: object) -> float:
    """The geometric mean."""
    numbers = list(values)  # type: ignore[call-overload]
    return math.exp(sum(map(math.log, numbers)) / len(numbers)) if numbers else math.nan


if __name__ == "__main__":
    main()
