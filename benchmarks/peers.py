"""The engines that benchmarks compare: each runs SQL over the same Parquet files and gives an Arrow table.

An engine that is not installed is left out and named. Each lives in the benchmark's own environment (`make bench`).
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Engine(Protocol):
    """One engine: `register` names files as tables, `run` executes and fetches everything as Arrow."""

    name: str

    def register(self, tables: dict[str, Path]) -> None: ...

    def run(self, sql: str) -> Any: ...

    def close(self) -> None: ...


class Sqlshell:
    """Us, as a user gets us: a connection, warm workers, results as an Arrow table."""

    def __init__(self, workers: int | None = None) -> None:
        import sqlshell

        self.name = "sqlshell" if workers is None else f"sqlshell x{workers}"
        self.connection = sqlshell.connect(workers=workers)

    def register(self, tables: dict[str, Path]) -> None:
        for name, path in tables.items():
            self.connection.execute(
                f"CREATE OR REPLACE TEMPORARY VIEW {name} AS SELECT * FROM parquet.`{path}`"
            )

    def run(self, sql: str) -> Any:
        cursor = self.connection.execute(sql)
        table = cursor.fetch_arrow_table()
        cursor.close()
        return table

    def close(self) -> None:
        self.connection.close()


class DuckDB:
    def __init__(self) -> None:
        import duckdb

        self.name = f"duckdb {duckdb.__version__}"
        self.connection = duckdb.connect()
        # Spark's order of NULLs, or LIMIT keeps other rows.
        self.connection.execute("SET default_null_order = 'nulls_first_on_asc_last_on_desc'")

    def register(self, tables: dict[str, Path]) -> None:
        for name, path in tables.items():
            self.connection.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM '{path}'")

    def run(self, sql: str) -> Any:
        return self.connection.sql(sql.replace("`", '"')).to_arrow_table()

    def close(self) -> None:
        self.connection.close()


class PolarsSQL:
    def __init__(self) -> None:
        import polars as pl

        self.name = f"polars {pl.__version__}"
        self.pl = pl
        self.context = pl.SQLContext()

    def register(self, tables: dict[str, Path]) -> None:
        for name, path in tables.items():
            self.context.register(name, self.pl.scan_parquet(path))

    def run(self, sql: str) -> Any:
        return self.context.execute(sql).collect(engine="streaming").to_arrow()

    def close(self) -> None:
        pass


class DataFusion:
    def __init__(self) -> None:
        import datafusion

        self.name = f"datafusion {datafusion.__version__}"
        self.context = datafusion.SessionContext()

    def register(self, tables: dict[str, Path]) -> None:
        for name, path in tables.items():
            self.context.register_parquet(name, str(path))

    def run(self, sql: str) -> Any:
        return self.context.sql(sql.replace("`", '"')).to_arrow_table()

    def close(self) -> None:
        pass


class Spark:
    def __init__(self) -> None:
        import pyspark
        from pyspark.sql import SparkSession

        self.name = f"spark {pyspark.__version__}"
        self.session = (
            SparkSession.builder.master("local[2]")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.memory", "8g")
            .config("spark.sql.shuffle.partitions", "4")
            .getOrCreate()
        )
        self.session.sparkContext.setLogLevel("OFF")

    def register(self, tables: dict[str, Path]) -> None:
        for name, path in tables.items():
            self.session.read.parquet(str(path)).createOrReplaceTempView(name)

    def run(self, sql: str) -> Any:
        return self.session.sql(sql).toArrow()

    def close(self) -> None:
        self.session.stop()


ENGINES: dict[str, Callable[[], Engine]] = {
    "sqlshell": Sqlshell,
    "pool": lambda: Sqlshell(workers=2),
    "duckdb": DuckDB,
    "polars": PolarsSQL,
    "datafusion": DataFusion,
    "spark": Spark,
}


def available(names: list[str]) -> list[Engine]:
    """The wanted engines that can be had here; the others are named on standard output."""
    engines = []
    for name in names:
        try:
            engines.append(ENGINES[name]())
        except Exception as e:
            print(f"({name} left out: {str(e).splitlines()[0] if str(e) else type(e).__name__})")
    return engines


def descendants(pid: int) -> list[int]:
    """Process ids below `pid`, children before grandchildren (Linux)."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(c) for c in task.read_text().split()]
        except OSError:  # it ended meanwhile
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def cpu_seconds() -> float:
    """Processor time of this process and everything below it, also what ended; nought where /proc does not tell."""
    total = 0.0
    for pid in [os.getpid(), *descendants(os.getpid())]:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return total


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds of one call."""
    cpu, start = cpu_seconds(), time.perf_counter()
    run()
    return time.perf_counter() - start, cpu_seconds() - cpu
