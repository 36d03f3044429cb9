"""Record what Spark gives for each expression of tests/record/operators.txt: casts, arithmetic, comparisons.

Run with a Python that has pyspark 4.3 and Java: `python -m tests.record.record_operators`. Writes
tests/answers/operators.json: zone -> expression -> {"type", "value"} or {"error": condition}. Intervals and
times are recorded as text. The tests replay the file without Spark.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from tests.support.answers import canonical

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "answers" / "operators.json"


def expressions() -> dict[str, list[str]]:
    """The lines of operators.txt by session time zone."""
    found: dict[str, list[str]] = {}
    zone = "UTC"
    for line in (HERE / "operators.txt").read_text().splitlines():
        if line.startswith("# zone "):
            zone = line.removeprefix("# zone ")
        elif line.strip() and not line.startswith("#"):
            found.setdefault(zone, []).append(line)
    return found


def as_text(type_name: str) -> bool:
    """Whether values of the type are recorded as text."""
    return "interval" in type_name or type_name.startswith("time(")


def plain(value: Any) -> Any:
    """Spark's rows as dicts, its byte arrays as bytes."""
    if hasattr(value, "asDict"):
        return {k: plain(v) for k, v in value.asDict().items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def main() -> None:
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    answers: dict[str, dict[str, Any]] = {}
    os.environ["TZ"] = "UTC"  # pyspark shows timestamps in the machine's zone
    time.tzset()
    for zone, lines in expressions().items():
        spark.conf.set("spark.sql.session.timeZone", zone)
        answers[zone] = {}
        for line in lines:
            try:
                frame = spark.sql(f"select {line} as x")
                kind = frame.schema.fields[0].dataType.simpleString()
                if as_text(kind):
                    frame = spark.sql(f"select cast({line} as string) as x")
                answers[zone][line] = {"type": kind, "value": canonical(plain(frame.collect()[0][0]))}
            except PySparkException as e:
                answers[zone][line] = {"error": e.getCondition() or type(e).__name__}
            except (ValueError, OverflowError) as e:
                answers[zone][line] = {"python": str(e)}
    spark.stop()
    OUT.write_text(json.dumps(answers, indent=0, sort_keys=True, ensure_ascii=False) + "\n")
    print(f"{sum(map(len, answers.values()))} expressions recorded in {OUT.name}")


if __name__ == "__main__":
    main()
