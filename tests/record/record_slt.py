"""Record answer scripts: `python -m tests.record.record_slt [--here] [--missing] [FILE...]`.

Without --here Spark answers every block that has no `here` flag (needs pyspark 4.3 and Java); with it, sqlshell
answers the `here` blocks. Scripts run with sample_data as the working directory. Blocks that the engine cannot
answer are listed at the end and keep what they had. --missing leaves blocks alone that have an answer.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.support.answers import canonical, sort_key
from tests.support.slt import SLT, Block, parse, render
from tests.support.warehouse import renew

SAMPLES = Path(__file__).parents[2] / "sample_data"


class Spark:
    """Spark as the answering engine."""

    def __init__(self) -> None:
        from pyspark.sql import SparkSession

        self.spark: Any = (
            SparkSession.builder.master("local[1]")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.sql.timeType.enabled", "true")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.warehouse.dir", tempfile.mkdtemp(prefix="spark-warehouse-"))
            .getOrCreate()
        )
        self.spark.sparkContext.setLogLevel("OFF")

    def query(self, sql: str) -> tuple[list[str], list[list[Any]]]:
        frame = self.spark.sql(sql)
        types = [f"{f.name}: {f.dataType.simpleString()}" for f in frame.schema.fields]
        return types, [[canonical(_plain(v)) for v in row] for row in frame.collect()]

    def condition(self, sql: str) -> str:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        try:
            self.query(sql)
        except PySparkException as e:
            return (e.getCondition() or "UNKNOWN").split(".")[0]
        except Py4JError as e:  # an exception that PySpark has no class for
            found = re.search(r"\[([A-Z_]+)[.\]]", str(e))
            return found[1] if found else "UNKNOWN"
        raise ValueError("Spark accepts it")

    def reset(self) -> None:
        for table in self.spark.catalog.listTables():
            if table.isTemporary:
                self.spark.catalog.dropTempView(table.name)
            else:
                self.spark.sql(f"DROP TABLE {table.name}")


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
        self.folder = tempfile.TemporaryDirectory()

    def query(self, sql: str) -> tuple[list[str], list[list[Any]]]:
        result = self.session.execute(sql)
        types = [f"{f.name}: {f.type}" for f in result.fields]
        return types, [[canonical(v) for v in row] for row in result.rows()]

    def condition(self, sql: str) -> str:
        from sqlshell.errors import Error

        try:
            list(self.session.execute(sql).rows())
        except Error as e:
            return e.condition.split(".")[0]
        raise ValueError("sqlshell accepts it")

    def reset(self) -> None:
        renew(self.session, Path(tempfile.mkdtemp(dir=self.folder.name)))


def record(engine: Spark | Ours, path: Path, here: bool, missing: bool) -> list[str]:
    """Answer a script's blocks; what went wrong."""
    blocks = parse(path.read_text())
    engine.reset()
    wrong = []
    for block in blocks:
        if block.kind == "comment" or (block.ours != here and block.kind != "statement") or block.ours > here:
            continue
        if missing and (block.schema is not None or block.condition is not None):
            continue
        try:
            answer(engine, block)
        except Exception as e:
            wrong.append(f"{path.name}:{block.line}: {block.sql}\n    {str(e)[:300]}")
    path.write_text(render(blocks))
    print(path.name, len(blocks), "blocks")
    return wrong


def answer(engine: Spark | Ours, block: Block) -> None:
    if block.kind == "error":
        block.condition = engine.condition(block.sql)
        return
    schema, rows = engine.query(block.sql)
    if block.kind == "query":
        block.schema, block.rows = schema, rows
        if "ordered" not in block.flags:
            block.rows.sort(key=sort_key)


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    files = [Path(a).resolve() for a in arguments] or sorted(SLT.glob("*.slt"))
    os.chdir(SAMPLES)
    chosen: Spark | Ours = Ours() if "--here" in sys.argv else Spark()
    failures = [
        f for file in files for f in record(chosen, file, "--here" in sys.argv, "--missing" in sys.argv)
    ]
    if isinstance(chosen, Ours):
        chosen.session.close()
    sys.exit("\n".join(failures) if failures else 0)
