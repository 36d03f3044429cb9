"""Record Spark's answers for the registry's examples and for tests/record/function_cases.txt.

Run with a Python that has pyspark 4.3 and Java, from the repository's root: `python -m tests.record.record_functions`.
With --missing only what has no answer yet is asked.
Writes tests/answers/functions.json: the text after SELECT -> {"type", "rows"} or {"error": condition}. The tests
replay the file without Spark.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlshell.functions.registry import load
from tests.support.answers import ANSWERS, canonical

if TYPE_CHECKING:
    from sqlshell.functions.registry import Function

HERE = Path(__file__).resolve().parent
VOLATILE = ("current_", "now", "localtimestamp", "curdate", "user", "session_user", "unix_timestamp()")
"""Expressions that start so differ from run to run: only their type is kept."""


def _ours(row: Function) -> bool:
    """Whether Spark has no such function: those that models compile to, whose rows tell the answer."""
    return row.family == "vector" and row.example_result is not None


def examples() -> list[str]:
    """The examples of all rows, in the registry's order."""
    return list(dict.fromkeys(row.example for row in load().values() if row.example and not _ours(row)))


def cases() -> list[str]:
    """The lines of function_cases.txt; those below `-- zone: X` are prefixed with `@X `."""
    out: list[str] = []
    zone = ""
    for line in (HERE / "function_cases.txt").read_text().splitlines():
        if line.startswith("-- zone: "):
            zone = f"@{line.removeprefix('-- zone: ')} "
        elif line.strip():
            out.append(zone + line)
    return out


def zone_and_item(case: str) -> tuple[str, str]:
    """The session time zone of a case, and what follows SELECT."""
    if not case.startswith("@"):
        return "UTC", case
    zone, _, item = case[1:].partition(" ")
    return zone, item


def plain(value: Any) -> Any:
    """Rows of pyspark as dicts, so that structs look alike on both sides."""
    if hasattr(value, "asDict"):
        return {k: plain(v) for k, v in value.asDict().items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value


def answer(spark: Any, case: str) -> dict[str, Any]:
    """What Spark says to a case: type of the first column and all its values, or the error's condition."""
    zone, item = zone_and_item(case)
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        frame = spark.sql(f"SELECT {item}")
        kind = frame.schema.fields[0].dataType.simpleString()
        if item.startswith(VOLATILE):
            return {"type": kind}
        return {"type": kind, "rows": [canonical(plain(row[0])) for row in frame.collect()]}
    except Exception as e:
        text = str(e).lstrip()
        if "NOT_IMPLEMENTED" in text or isinstance(e, ValueError):
            # pyspark cannot fetch the value; the case is of no use.
            return {"skipped": text.splitlines()[0]}
        if hasattr(e, "getCondition") and e.getCondition():
            return {"error": e.getCondition()}
        return {"error": text[1:].split("]")[0] if text.startswith("[") else "UNNAMED"}


def main() -> None:
    os.environ["TZ"] = "UTC"
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")
    out = ANSWERS / "functions.json"
    known = json.loads(out.read_text()) if "--missing" in sys.argv else {}
    answers = {item: known.get(item) or answer(spark, item) for item in [*examples(), *cases()]}
    spark.stop()
    kept = {k: v for k, v in answers.items() if "skipped" not in v}
    out.write_text(json.dumps(kept, indent=0, sort_keys=True, ensure_ascii=False) + "\n")
    print(f"{len(kept)} expressions recorded in {out.name}; {len(answers) - len(kept)} skipped")


if __name__ == "__main__":
    main()
