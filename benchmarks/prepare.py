"""Makes a suite's data and writes its query texts beside it: `python -m benchmarks.prepare tpch 1`.

Runs in the test environment, which has the generators (`tests/support/tpc.py`); `benchmarks/data.py` calls it from
the benchmark environment, whose DuckDB is a newer one without them.
"""

from __future__ import annotations

import json
import sys

from tests.support import tpc


def main() -> None:
    suite, scale = sys.argv[1], float(sys.argv[2])
    tpc.DATA[suite](scale)
    (tpc.CACHE / f"{suite}-queries.json").write_text(json.dumps(tpc.queries(suite)))
    print(tpc.CACHE)


if __name__ == "__main__":
    main()
