"""Record TPC-H and TPC-DS answers from Spark: `python -m tests.record.record_tpc tpch|tpcds`.

Needs pyspark 4.3 and Java beside the test extra. Rows go to tests/answers/<suite>.json with Spark's schema.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pyspark.sql import Row, SparkSession

from tests.support import tpc
from tests.support.answers import ANSWERS, canonical


def plain(value: Any) -> Any:
    """Spark rows as dicts, all the way down."""
    if isinstance(value, Row):
        return {k: plain(v) for k, v in value.asDict().items()}
    return value


def main(suite: str) -> None:
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "4g")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    for name, path in tpc.tables(tpc.DATA[suite]()).items():
        spark.read.parquet(str(path)).createOrReplaceTempView(name)
    answers = {}
    for number, text in tpc.queries(suite).items():
        try:
            frame = spark.sql(text)
            rows = [[canonical(plain(v)) for v in row] for row in frame.collect()]
            types = [f"{f.name}: {f.dataType.simpleString()}" for f in frame.schema.fields]
            answers[str(number)] = {"schema": types, "rows": rows}
            print(suite, number, len(rows), "rows")
        except Exception as e:
            answers[str(number)] = {"error": str(e).splitlines()[0]}
            print(suite, number, "ERROR", str(e).splitlines()[0])
    ANSWERS.mkdir(exist_ok=True)
    lines = ",\n".join(f'"{k}": {json.dumps(v, ensure_ascii=False)}' for k, v in answers.items())
    (ANSWERS / f"{suite}.json").write_text("{\n" + lines + "\n}\n")
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1])
