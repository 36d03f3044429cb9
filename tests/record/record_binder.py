"""Record what Spark's analyser says of the queries in tests/record/binder.txt.

Run with a Python that has pyspark 4.3 and Java: `python tests/record/record_binder.py`. Writes
tests/answers/binder.json: query -> [[name, type], ...] or the error's condition. The tests replay the file
without Spark.
"""

from __future__ import annotations

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
TABLES = {
    "t": "a int, b string, c double, d decimal(10,2), xs array<int>, s struct<x:int,y:struct<z:string>>, "
    "m map<string,int>, dt date, ss array<struct<p:int,q:string>>",
    "u": "a int, e string, f bigint",
    "emp": "id int, name string, dept int, sal decimal(10,2), mgr int",
}


def queries() -> list[str]:
    """The lines of binder.txt."""
    return [line for line in (HERE / "binder.txt").read_text().splitlines() if line.strip()]


def main() -> None:
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")
    for name, schema in TABLES.items():
        spark.createDataFrame([], schema).createOrReplaceTempView(name)
    answers: dict[str, object] = {}
    for query in queries():
        try:
            fields = spark.sql(query).schema.fields
        except PySparkException as e:
            answers[query] = e.getCondition() or "PARSE_SYNTAX_ERROR"
        except Exception as e:  # an internal error of Spark's: nothing to learn from it
            print(f"skipped {query}: {str(e)[:80]}")
        else:
            answers[query] = [[f.name, f.dataType.simpleString()] for f in fields]
    spark.stop()
    out = HERE.parent / "answers" / "binder.json"
    out.write_text(json.dumps(answers, indent=0, sort_keys=True) + "\n")
    print(f"{len(answers)} queries recorded in {out.name}")


if __name__ == "__main__":
    main()
