"""Nested leaf reads beside the peers: `python -m benchmarks.nested`.

One Parquet file: 5 structs x 400 leaves, 50,000 rows, 5 row groups (380 scalars, a list of structs of 10, a map to
structs of 9). Five shapes: a leaf in a struct, in a list, in a map, inside a lambda, and behind a filter. Prints
milliseconds (best of --rounds, warm) per engine, the bytes our worker read beside the leaf's own compressed bytes,
and the whole column's time.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.peers import available, timed
from tests.support.tpc import CACHE

ROWS, GROUPS = 50_000, 5

SHAPES = {
    "struct leaf": ("SELECT sum(c1.f17) AS s FROM t", [("c1", "f17")]),
    "list leaf": (
        "SELECT sum(e) AS s FROM (SELECT explode(c1.items.e3) AS e FROM t)",
        [("c1", "items", "[]", "e3")],
    ),
    "map leaf": (
        "SELECT sum(v.x5) AS s FROM (SELECT explode(map_values(c1.attrs)) AS v FROM t)",
        [("c1", "attrs", "{}", "value", "x5")],
    ),
    "lambda": (
        "SELECT count(*) AS n FROM t WHERE exists(c1.items, x -> x.e0 < 500)",
        [("c1", "items", "[]", "e0")],
    ),
    "filter": ("SELECT sum(c1.f17) AS s FROM t WHERE c1.f0 < 500", [("c1", "f0"), ("c1", "f17")]),
    "whole column": ("SELECT count(c1) AS n, max(to_json(c1)) AS m FROM t", [("c1",)]),
}

PEER_SQL = {
    "duckdb": {
        "list leaf": "SELECT sum(e) FROM (SELECT unnest(list_transform(c1.items, lambda x: x.e3)) AS e FROM t)",
        "map leaf": "SELECT sum(v.x5) FROM (SELECT unnest(map_values(c1.attrs)) AS v FROM t)",
        "lambda": "SELECT count(*) FROM t WHERE len(list_filter(c1.items, lambda x: x.e0 < 500)) > 0",
        "whole column": "SELECT count(c1), max(to_json(c1)) FROM t",
    },
    "datafusion": {
        "list leaf": "SELECT sum(u['e3']) FROM (SELECT unnest(c1['items']) AS u FROM t)",
        "map leaf": "SELECT sum(u['x5']) FROM (SELECT unnest(map_values(c1['attrs'])) AS u FROM t)",
        "lambda": "SELECT count(DISTINCT n) FROM"
        " (SELECT n, unnest(i) AS u FROM (SELECT row_number() OVER () AS n, c1['items'] AS i FROM t))"
        " WHERE u['e0'] < 500",
    },
}


def make(path: Path) -> None:
    """Write the file: `f0` and `e0` grow with the row, the rest is noise."""
    rng = np.random.default_rng(7)
    size = ROWS // GROUPS
    writer = None
    for g in range(GROUPS):
        columns = [_struct(rng, g, size) for _ in range(5)]
        table = pa.Table.from_arrays(columns, names=[f"c{i}" for i in range(5)])
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd", write_page_index=True)
        writer.write_table(table, row_group_size=size)
    assert writer is not None
    writer.close()


def _struct(rng: Any, group: int, size: int) -> pa.StructArray:
    start = group * size
    leaves: list[pa.Array] = [pa.array(np.arange(start, start + size, dtype=np.int64))]
    names = ["f0"]
    for i in range(1, 380):
        names.append(f"f{i}")
        leaves.append(pa.array(rng.integers(0, 1_000_000, size) if i % 2 else rng.normal(size=size)))
    counts = rng.integers(0, 4, size)
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    total = int(counts.sum())
    owner = np.repeat(np.arange(start, start + size), counts)
    elements = [pa.array(owner.astype(np.int64))]
    elements += [pa.array(rng.integers(0, 1_000_000, total)) for _ in range(9)]
    items = pa.ListArray.from_arrays(
        offsets, pa.StructArray.from_arrays(elements, [f"e{i}" for i in range(10)])
    )
    keys = pa.array([f"k{k}" for k in np.arange(total) % 3])
    values = pa.StructArray.from_arrays(
        [pa.array(rng.normal(size=total)) for _ in range(9)], [f"x{i}" for i in range(9)]
    )
    attrs = pa.MapArray.from_arrays(offsets, keys, values)
    return pa.StructArray.from_arrays([*leaves, items, attrs], [*names, "items", "attrs"])


def _as_table(path: Path) -> str:
    """The file as a Delta table, columns by physical names left alone."""
    from sqlshell.storage import parquet
    from sqlshell.storage.delta.actions import Add
    from tests.support import delta_tables

    where = path.with_suffix(".delta")
    if not where.exists():
        columns = ", ".join(f"{f.name} {f.type}" for f in parquet.sql_schema(str(path)).fields)
        table = delta_tables.create(str(where), columns)
        (where / "part-0.parquet").hardlink_to(path)
        delta_tables.append(table, Add("part-0.parquet", (), path.stat().st_size, 0))
    return f"delta.`{where}`"


def bytes_read(engine: Any, sql: str) -> int:
    """Bytes our workers asked the system for during one run (footers are cached by then)."""
    pids = engine.connection.session.engine.cluster.pids()

    def total() -> int:
        out = 0
        for pid in pids:
            for line in Path(f"/proc/{pid}/io").read_text().splitlines():
                if line.startswith("rchar"):
                    out += int(line.split()[1])
        return out

    before = total()
    engine.run(sql)
    return total() - before


def main() -> None:
    from sqlshell.storage import parquet_leaves

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engines", default="sqlshell,duckdb,polars")
    parser.add_argument(
        "--delta", action="store_true", help="the first engine reads a Delta table of the file"
    )
    options = parser.parse_args()
    path = CACHE / f"nested-{ROWS}.parquet"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        make(path)
    engines = available(options.engines.split(","))
    for engine in engines:
        engine.register({"t": path})
    if options.delta:
        engines[0].connection.execute(
            f"CREATE OR REPLACE TEMPORARY VIEW t AS SELECT * FROM {_as_table(path)}"
        )
    print(f"{'ms':14}" + "".join(f"{e.name:>18}" for e in engines) + "    MB read / leaf's own MB")
    for shape, (sql, leaves) in SHAPES.items():
        cells = []
        for engine in engines:
            text = PEER_SQL.get(engine.name.split()[0], {}).get(shape, sql)
            try:
                seconds = min(timed(lambda e=engine, t=text: e.run(t))[0] for _ in range(options.rounds))
                cells.append(f"{seconds * 1000:18.1f}")
            except Exception:
                cells.append(f"{'-':>18}")
        own = parquet_leaves.leaf_bytes(str(path), parquet_leaves.wanted_columns(str(path), leaves))
        read = bytes_read(engines[0], sql)
        print(f"{shape:14}" + "".join(cells) + f"    {read / 1e6:.2f} / {own / 1e6:.2f}", flush=True)
    for engine in engines:
        engine.close()


if __name__ == "__main__":
    main()
