"""Writing tables beside the peers: `python -m benchmarks.tables [--scale 1]`.

CREATE TABLE AS of TPC-H lineitem beside DuckDB's COPY to Parquet (same codec, level and row groups) and `deltalake`;
DELETE of 1 % of the rows by deletion vectors beside copy-on-write (`deltalake`, and ours without vectors). Best of
--rounds, sizes of what each wrote, and whether the tables are equal afterwards.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.data import tables
from sqlshell.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

CODEC, LEVEL, ROW_GROUP = "zstd", 3, 122_880
CONDITION = "l_orderkey % 100 = 3"


def seconds(run: Callable[[Path], Any], rounds: int, base: Path) -> tuple[float, int]:
    """The best time and the bytes written, in a fresh folder each round."""
    best, size = float("inf"), 0
    for n in range(rounds):
        folder = base / f"r{n}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        start = time.perf_counter()
        run(folder)
        best = min(best, time.perf_counter() - start)
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        shutil.rmtree(folder)
    return best, size


def report(name: str, found: tuple[float, int], reference: float | None = None) -> None:
    took, size = found
    ratio = "" if reference is None else f"  {reference / took:6.1f}x"
    print(f"  {name:34} {took * 1000:9.0f} ms  {size / 1e6:9.2f} MB{ratio}", flush=True)


def create(source: Path, rounds: int, base: Path) -> None:
    print(f"CREATE TABLE AS of {source.name} ({CODEC} {LEVEL}, row groups of {ROW_GROUP})")
    with Session(warehouse=str(base / "w")) as session:
        session.execute(f"SET sqlshell.write.codec = {CODEC}")
        session.execute(f"SET sqlshell.write.level = {LEVEL}")
        session.execute(f"SET sqlshell.write.rowGroupRows = {ROW_GROUP}")

        def ours(folder: Path) -> None:
            session.execute(f"CREATE TABLE delta.`{folder / 't'}` AS SELECT * FROM '{source}'")

        mine = seconds(ours, rounds, base)
    peers: dict[str, Callable[[Path], Any]] = {"duckdb COPY TO parquet": lambda f: _duckdb(source, f)}
    peers["deltalake write_deltalake"] = lambda f: _deltalake(source, f)
    report("sqlshell", mine)
    for name, run in peers.items():
        try:
            report(name, seconds(run, rounds, base), mine[0])
        except ImportError:
            print(f"  {name:34} not installed")
    print("  (the last column: how often it fits into sqlshell's time)")


def _duckdb(source: Path, folder: Path) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT * FROM '{source}') TO '{folder / 't.parquet'}' (FORMAT parquet, COMPRESSION {CODEC},"
            f" COMPRESSION_LEVEL {LEVEL}, ROW_GROUP_SIZE {ROW_GROUP})"
        )


def _deltalake(source: Path, folder: Path) -> None:
    import pyarrow.parquet as pq
    from deltalake import write_deltalake

    write_deltalake(str(folder / "t"), pq.ParquetFile(source).read())


def delete(source: Path, rounds: int, base: Path) -> None:
    print(f"DELETE of 1 % ({CONDITION})")
    original = base / "original"
    with Session(warehouse=str(base / "w")) as session:
        session.execute(f"CREATE TABLE delta.`{original}` AS SELECT * FROM '{source}'")
        plain = base / "plain"
        session.execute(
            f"CREATE TABLE delta.`{plain}` TBLPROPERTIES ('delta.enableDeletionVectors' = 'false')"
            f" AS SELECT * FROM '{source}'"
        )
        session.execute(f"SELECT count(*) FROM delta.`{original}`")
        vectors = _deleted(
            original, rounds, base, lambda t: session.execute(f"DELETE FROM delta.`{t}` WHERE {CONDITION}")
        )
        rewrite = _deleted(
            plain, rounds, base, lambda t: session.execute(f"DELETE FROM delta.`{t}` WHERE {CONDITION}")
        )
        theirs = _deleted(plain, rounds, base, _their_delete)
    report("sqlshell, deletion vectors", vectors, theirs[0])
    report("sqlshell, files rewritten", rewrite, theirs[0])
    report("deltalake (copy-on-write)", theirs)
    print("  (the last column: how often it fits into deltalake's time)")


def _deleted(table: Path, rounds: int, base: Path, run: Callable[[Path], Any]) -> tuple[float, int]:
    """The best time of a delete on fresh copies (hard links), and the bytes it added."""
    best, size = float("inf"), 0
    for n in range(rounds):
        copy = base / f"copy{n}"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(table, copy, copy_function=_link)
        before = {p for p in copy.rglob("*") if p.is_file()}
        start = time.perf_counter()
        run(copy)
        best = min(best, time.perf_counter() - start)
        size = sum(p.stat().st_size for p in copy.rglob("*") if p.is_file() and p not in before)
        shutil.rmtree(copy)
    return best, size


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def _their_delete(table: Path) -> None:
    from deltalake import DeltaTable

    DeltaTable(str(table)).delete(CONDITION)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    source = tables("tpch", options.scale)["lineitem"]
    with tempfile.TemporaryDirectory(prefix="sqlshell-bench-") as folder:
        base = Path(folder)
        create(source, options.rounds, base)
        delete(source, options.rounds, base)


if __name__ == "__main__":
    main()
