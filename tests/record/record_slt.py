"""Record answer scripts: `python -m tests.record.record_slt [--here] [FILE...]`.

Without --here Spark answers every block that has no `here` flag (needs pyspark 4.3 and Java); with it, sqlshell
answers the `here` blocks. Scripts run with sample_data as the working directory.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from tests.support.answers import canonical
from tests.support.slt import SLT, Block, parse, render

SAMPLES = Path(__file__).parents[2] / "sample_data"


class Spark:
    """Spark as the answering engine."""

    def __init__(self) -> None:
        from pyspark.sql import SparkSession

        self.spark: Any = (
            SparkSession.builder.master("local[1]")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.ui.enabled", "false")
            .getOrCreate()
        )
        self.spark.sparkContext.setLogLevel("OFF")

    def query(self, sql: str) -> tuple[list[str], list[list[Any]]]:
        frame = self.spark.sql(sql)
        types = [f"{f.name}: {f.dataType.simpleString()}" for f in frame.schema.fields]
        return types, [[canonical(_plain(v)) for v in row] for row in frame.collect()]

    def condition(self, sql: str) -> str:
        from pyspark.errors import PySparkException

        try:
            self.query(sql)
        except PySparkException as e:
            return (e.getCondition() or "UNKNOWN").split(".")[0]
        raise SystemExit(f"Spark accepts: {sql}")

    def reset(self) -> None:
        for table in self.spark.catalog.listTables():
            if table.isTemporary:
                self.spark.catalog.dropTempView(table.name)


def _plain(value: Any) -> Any:
    from pyspark.sql import Row

    if isinstance(value, Row):
        return {k: _plain(v) for k, v in value.asDict().items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return value


class Ours:
    """sqlshell as the answering engine, for `here` blocks."""

    def __init__(self) -> None:
        from sqlshell.session import Session

        self.session = Session()

    def query(self, sql: str) -> tuple[list[str], list[list[Any]]]:
        result = self.session.execute(sql)
        types = [f"{f.name}: {f.type}" for f in result.fields]
        return types, [[canonical(v) for v in row] for row in result.rows()]

    def condition(self, sql: str) -> str:
        from sqlshell.errors import Error

        try:
            list(self.session.execute(sql).rows())
        except Error as e:
            return e.condition
        raise SystemExit(f"sqlshell accepts: {sql}")

    def reset(self) -> None:
        self.session.views.clear()


def record(engine: Spark | Ours, path: Path, here: bool) -> None:
    blocks = parse(path.read_text())
    engine.reset()
    for block in blocks:
        if block.kind == "comment":
            continue
        if block.kind == "statement":
            if here or not block.ours:
                engine.query(block.sql)
        elif block.ours == here:
            answer(engine, block)
    path.write_text(render(blocks))
    print(path.name, len(blocks), "blocks")


def answer(engine: Spark | Ours, block: Block) -> None:
    try:
        if block.kind == "query":
            block.schema, block.rows = engine.query(block.sql)
            if "ordered" not in block.flags:
                from tests.support.answers import sort_key

                block.rows.sort(key=sort_key)
        else:
            block.condition = engine.condition(block.sql)
    except Exception as e:
        raise SystemExit(f"line {block.line}: {block.sql}\n{e}") from e


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if a != "--here"]
    files = [Path(a).resolve() for a in arguments] or sorted(SLT.glob("*.slt"))
    os.chdir(SAMPLES)
    chosen: Spark | Ours = Ours() if "--here" in sys.argv else Spark()
    for file in files:
        record(chosen, file, "--here" in sys.argv)
    if isinstance(chosen, Ours):
        chosen.session.close()
