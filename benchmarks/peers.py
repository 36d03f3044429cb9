"""The engines that benchmarks compare: each runs SQL over the same Parquet files and gives Arrow-ready rows.

An engine that is not installed is left out and named. Each lives in the benchmark's own environment.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path


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

    def register(self, tables: dict[str, Path]) -> None:
        for name, path in tables.items():
            self.connection.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM '{path}'")

    def run(self, sql: str) -> Any:
        return self.connection.execute(sql).fetch_arrow_table()

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


class Spark:
    def __init__(self) -> None:
        import pyspark
        from pyspark.sql import SparkSession

        self.name = f"spark {pyspark.__version__} local[2]"
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


def available(names: list[str]) -> list[Engine]:
    """The wanted engines that are installed; the others are named on standard output."""
    makers: dict[str, Any] = {
        "sqlshell": Sqlshell,
        "pool": lambda: Sqlshell(workers=2),
        "duckdb": DuckDB,
        "polars": PolarsSQL,
        "spark": Spark,
    }
    engines = []
    for name in names:
        try:
            engines.append(makers[name]())
        except ImportError as e:
            print(f"({name} left out: {e})")
    return engines


def best_of(run: Any, rounds: int) -> float:
    """The shortest of some runs, in seconds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best
