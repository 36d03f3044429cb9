"""TPC-H and TPC-DS for tests and benchmarks: data made on this machine, query texts asked of DuckDB's extensions.

Nothing of either suite is committed but the answers that Spark gave (`tests/answers`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import duckdb

CACHE = Path(os.environ.get("SQLSHELL_TEST_DATA", Path(tempfile.gettempdir()) / "sqlshell-test-data"))

TPCH_SCALE = 0.02
TPCDS_SCALE = 0.1


def connection(*suites: str) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with the extensions of the suites (`tpch`, `tpcds`) loaded."""
    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for suite in suites:
        module = __import__(f"duckdb_extension_{suite}")
        [file] = Path(module.__file__).parent.rglob("*.duckdb_extension")
        con.load_extension(str(file))
    return con


@cache
def queries(suite: str) -> dict[int, str]:
    """Query number to text."""
    with connection(suite) as con:
        rows = con.sql(f"SELECT query_nr, query FROM {suite}_queries()").fetchall()
    # Spark reads "x" as a string; eight TPC-DS texts quote identifiers that way.
    return {nr: re.sub(r'"([^"]*)"', r"`\1`", text.strip().rstrip(";")) for nr, text in rows}


def _publish(target: Path, make: object) -> Path:
    """Make a folder of data once, also when several processes want it at the same time."""
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(dir=target.parent))
    make(building)  # type: ignore[operator]
    try:
        building.rename(target)
    except OSError:  # another process was faster
        shutil.rmtree(building)
    return target


def tpch(scale: float = TPCH_SCALE) -> Path:
    """A folder of <table>.parquet for TPC-H at a scale factor."""

    def make(folder: Path) -> None:
        tool = Path(sys.executable).with_name("tpchgen-cli")
        command = [tool, "parquet", "-s", str(scale), f"--output-dir={folder}"]
        subprocess.run(command, check=True, capture_output=True)

    return _publish(CACHE / f"tpch-{scale}", make)


def tpcds(scale: float = TPCDS_SCALE) -> Path:
    """A folder of <table>.parquet for TPC-DS at a scale factor."""

    def make(folder: Path) -> None:
        with connection("tpcds") as con:
            con.sql(f"CALL dsdgen(sf={scale})")
            for (table,) in con.sql("SHOW TABLES").fetchall():
                con.sql(f"COPY {table} TO '{folder}/{table}.parquet' (FORMAT parquet)")

    return _publish(CACHE / f"tpcds-{scale}", make)


DATA = {"tpch": tpch, "tpcds": tpcds}


def tables(folder: Path) -> dict[str, Path]:
    """Table name to file."""
    return {p.stem: p for p in sorted(folder.glob("*.parquet"))}
