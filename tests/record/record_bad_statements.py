"""Record which statements of tests/record/bad_statements.txt Spark's analyser rejects, and with what condition.

Run with a Python that has pyspark 4.3 and Java: `python tests/record/record_bad_statements.py`. Writes
tests/answers/bad_statements.json: statement -> condition. What Spark accepts is listed and left out.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

try:
    from record_binder import TABLES
except ImportError:
    from tests.record.record_binder import TABLES

HERE = Path(__file__).resolve().parent


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
    answers: dict[str, str] = {}
    for text in (HERE / "bad_statements.txt").read_text().splitlines():
        try:
            spark.sql(text).schema  # noqa: B018 - analysis is what counts
        except PySparkException as e:
            answers[text] = e.getCondition() or "UNKNOWN"
        except Exception as e:  # an exception that PySpark has no class for
            found = re.search(r"\[([A-Z_]+(?:\.[A-Z_]+)?)\]", str(e))
            answers[text] = found[1] if found else "UNKNOWN"
        else:
            print("Spark accepts:", text)
    spark.stop()
    out = HERE.parent / "answers" / "bad_statements.json"
    out.write_text(json.dumps(answers, indent=0, sort_keys=True) + "\n")
    print(f"{len(answers)} bad statements recorded in {out.name}")


if __name__ == "__main__":
    main()
