"""Joins by ranges of the files' own order beside the same joins through an exchange: `python -m benchmarks.ranges`.

TPC-H's orders and lineitem on two pool workers, in turns: as planned, and with a hint that asks for a shuffle. Prints
wall and processor seconds (best of --rounds) and how many times the exchange takes.
"""

from __future__ import annotations

import argparse
import os
from functools import partial

from benchmarks import data
from benchmarks.peers import Sqlshell, timed

QUERIES = {
    "join": "SELECT {hint} count(*), sum(l_quantity), max(o_totalprice)"
    " FROM orders JOIN lineitem ON o_orderkey = l_orderkey",
    "semi join": "SELECT {hint} count(*) FROM orders LEFT SEMI JOIN lineitem"
    " ON o_orderkey = l_orderkey AND l_commitdate < l_receiptdate",
    "join and group": "SELECT count(*), max(q) FROM (SELECT {hint} o_orderkey, sum(l_quantity) AS q"
    " FROM orders JOIN lineitem ON o_orderkey = l_orderkey GROUP BY o_orderkey)",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    engine = Sqlshell(workers=2)
    engine.register(data.tables("tpch", options.scale))
    print(f"{'':16}{'ranges':>18}{'exchange':>18}   exchange / ranges (wall, processor)")
    for name, text in QUERIES.items():
        texts = [text.format(hint=hint) for hint in ("", "/*+ SHUFFLE_HASH(orders, lineitem) */")]
        best = dict.fromkeys(texts, (1e9, 1e9))
        for _ in range(options.rounds):
            for sql in texts:
                wall, cpu = timed(partial(engine.run, sql))
                best[sql] = (min(best[sql][0], wall), min(best[sql][1], cpu))
        (wall, cpu), (wall2, cpu2) = best.values()
        cells = f"{wall:10.3f} {cpu:7.3f}{wall2:10.3f} {cpu2:7.3f}"
        print(f"{name:16}{cells}   {wall2 / wall:.2f}x, {cpu2 / max(cpu, 0.01):.2f}x", flush=True)
    print(f"load average {os.getloadavg()[0]:.1f}")
    engine.close()


if __name__ == "__main__":
    main()
