"""Record Spark's automatic column names and result types for tests/record/names_types.txt.

Run with a Python that has pyspark 4.3 and Java: `python tests/record/record_names_types.py`. Writes
tests/answers/names_types.json: expression -> {"name", "type"} or {"error": condition}. The tests replay the
file without Spark. Each line is one select item over the one-row table t below.
"""

from __future__ import annotations

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
TABLE = (
    "values (1, 2L, 3.0f, 4.0d, 5.25BD, 's', true, date'2020-01-01', timestamp'2020-01-01 00:00:00', "
    "array(1, 2), map('k', 1), named_struct('x', 1, 'y', 'z'), X'00', 1Y, 2S) "
    "as t(i, l, f, d, dec, s, b, dt, ts, arr, m, st, bin, ti, sm)"
)
WINDOW = "window w as (partition by s order by i)"


def statement(item: str) -> str:
    """The query that has `item` as its only column."""
    return f"select {item} from {TABLE}" + (f" {WINDOW}" if item.endswith(" over w") else "")


def expressions() -> list[str]:
    """The lines of names_types.txt."""
    return [line for line in (HERE / "names_types.txt").read_text().splitlines() if line.strip()]


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
    answers: dict[str, dict[str, str]] = {}
    for item in expressions():
        try:
            fields = spark.sql(statement(item)).schema.fields
        except PySparkException as e:
            answers[item] = {"error": e.getCondition() or "PARSE_SYNTAX_ERROR"}
        else:
            answers[item] = {"name": fields[0].name, "type": fields[0].dataType.simpleString()}
    spark.stop()
    out = HERE.parent / "answers" / "names_types.json"
    out.write_text(json.dumps(answers, indent=0, sort_keys=True) + "\n")
    print(f"{len(answers)} expressions recorded in {out.name}")


if __name__ == "__main__":
    main()
