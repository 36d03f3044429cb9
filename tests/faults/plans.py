"""Hand-made plans over small Parquet files, and the folders a session leaves: what every fault test needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from sqlshell.config import Settings
from sqlshell.exec import platform
from sqlshell.expr.expr import AggCall, Call, Column, SortKey
from sqlshell.plan.logical import Aggregate, Join, Named, Plan, Scan, Sort, fresh_id, named
from sqlshell.storage.source import FileInfo, Source
from sqlshell.types import BIGINT, BOOLEAN, STRING, Field, Struct

if TYPE_CHECKING:
    from sqlshell.exec.engine import Engine

ROWS = 30_000
KEYS = 1_000


def write_files(folder: Path, files: int = 3, rows: int = ROWS) -> Source:
    """A table `k bigint, v bigint, s string` in several files of several row groups."""
    infos = []
    for i in range(files):
        ids = range(i * rows, (i + 1) * rows)
        table = pa.table({"k": [x % KEYS for x in ids], "v": list(ids), "s": [f"text-{x}" for x in ids]})
        path = folder / f"part-{i}.parquet"
        pq.write_table(table, path, row_group_size=rows // 4)
        infos.append(FileInfo(str(path), path.stat().st_size, rows))
    schema = Struct((Field("k", BIGINT), Field("v", BIGINT), Field("s", STRING)))
    return Source("t", "parquet", schema, tuple(infos))


def scan(source: Source) -> Scan:
    """All columns, under fresh ids."""
    columns = tuple(Column(fresh_id(), f.name, f.type) for f in source.schema.fields)
    return Scan(source, columns, tuple(f.name for f in source.schema.fields))


def grouped(source: Source) -> Plan:
    """`SELECT k, count(*), max(v), min(s) FROM t GROUP BY k ORDER BY k`."""
    t = scan(source)
    k, v, s = t.columns
    key = Named(Column(fresh_id(), "k", BIGINT), k)
    aggs = (
        named("count", AggCall("count", (), BIGINT)),
        named("max", AggCall("max", (v,), BIGINT)),
        named("min", AggCall("min", (s,), STRING)),
    )
    return Sort(Aggregate(t, (key,), aggs), (SortKey(key.column),))


def joined(source: Source) -> Plan:
    """`SELECT count(*), max(b.v) FROM t a JOIN t b ON a.v = b.v`."""
    a, b = scan(source), scan(source)
    join = Join(a, b, "inner", Call("=", (a.columns[1], b.columns[1]), BOOLEAN))
    aggs = (
        named("count", AggCall("count", (), BIGINT)),
        named("max", AggCall("max", (b.columns[1],), BIGINT)),
    )
    return Aggregate(join, (), aggs)


def grouped_rows(files: int = 3, rows: int = ROWS) -> list[tuple[Any, ...]]:
    """What `grouped` answers."""
    total = files * rows
    return [
        (k, total // KEYS, total - KEYS + k, min(f"text-{x}" for x in range(k, total, KEYS)))
        for k in range(KEYS)
    ]


def settings(**values: object) -> Settings:
    """Two workers and three partitions, joins shuffled, unless told otherwise."""
    out = Settings()
    defaults: dict[str, object] = {"workers": 2, "partitions": 3, "broadcast_limit": 1}
    for key, value in (defaults | values).items():
        if value is not None:
            out.set(f"sqlshell.{key}", str(value))
    return out


def session_folders(pid: int | None = None) -> list[Path]:
    """Scratch folders of a process's sessions, in memory and on disk."""
    prefix = f"{pid or os.getpid()}-"
    roots = {platform.memory_folder(), platform.disk_folder()}
    return [
        entry
        for root in roots
        if root is not None and (parent := root / f"sqlshell-{os.getuid()}").is_dir()
        for entry in parent.iterdir()
        if entry.name.startswith(prefix)
    ]


def query_files(engine: Engine) -> list[Path]:
    """Files of queries that an engine still holds."""
    store = engine.store_folders
    roots = [r for r in (store.memory, store.disk) if r is not None]
    return [f for root in roots for q in root.glob("q*") for f in q.rglob("*") if f.is_file()]


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
