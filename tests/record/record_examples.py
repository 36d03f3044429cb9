"""Record Spark's answers to the documented examples of every built-in function of Spark.

Run with a Python that has pyspark 4.3 and Java, from the repository's root: `python -m tests.record.record_examples`.
Writes tests/answers/examples.json: function -> {"group", "examples": [{"sql", "schema", "rows"} or {"sql", "error"}]}.
Values that pyspark cannot fetch (intervals, variants) are recorded as Spark's text of them ("text": true).
`tests/test_examples.py` replays the file without Spark.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from tests.record.record_functions import plain
from tests.support.answers import ANSWERS, canonical

EXAMPLES = ANSWERS / "examples.json"


def statements(text: str) -> list[str]:
    """The statements of an `Examples:` text: lines that start with `>`, up to the semicolon that ends a line."""
    found = re.finditer(r"^\s*>\s*(.*?);[ \t]*$", text, re.MULTILINE | re.DOTALL)
    return list(dict.fromkeys(re.sub(r"\n\s*>?\s*", " ", f[1]).strip() for f in found))


def as_text(sql: str, width: int) -> str:
    """The query with every column as text."""
    names = [f"c{i}" for i in range(width)]
    casts = ", ".join(f"CAST({n} AS STRING) AS {n}" for n in names)
    return f"SELECT {casts} FROM ({sql}) AS t({', '.join(names)})"


def answer(spark: Any, sql: str) -> dict[str, Any]:
    """Spark's answer to an example: schema and rows, or the condition of the error."""
    try:
        frame = spark.sql(sql)
        schema = [f"{f.name}: {f.dataType.simpleString()}" for f in frame.schema.fields]
        if not re.search(r"interval|variant|timestamp_nanos|time\(", " ".join(schema)):
            return {
                "sql": sql,
                "schema": schema,
                "rows": [[canonical(plain(v)) for v in row] for row in frame.collect()],
            }
        rows = [list(row) for row in spark.sql(as_text(sql, len(schema))).collect()]
        return {"sql": sql, "schema": schema, "rows": rows, "text": True}
    except Exception as e:
        text = str(e).lstrip()
        condition = e.getCondition() if hasattr(e, "getCondition") else None
        if not condition and text.startswith("["):
            condition = text[1:].split("]")[0]
        return {"sql": sql, "error": condition or "UNNAMED", "message": text.splitlines()[0][:200]}


def main() -> None:
    os.environ["TZ"] = "UTC"
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.timeType.enabled", "true")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")
    groups = {
        info.getName(): info.getGroup()
        for info in spark._jvm.org.apache.spark.sql.api.python.PythonSQLUtils.listBuiltinFunctionInfos()
    }
    out: dict[str, Any] = {}
    for (name,) in spark.sql("SHOW SYSTEM FUNCTIONS").collect():
        described = "\n".join(r[0] for r in spark.sql(f"DESCRIBE FUNCTION EXTENDED `{name}`").collect())
        examples = [answer(spark, sql) for sql in statements(described)]
        if examples:
            out[name] = {"group": groups.get(name, "misc_funcs"), "examples": examples}
    spark.stop()
    EXAMPLES.write_text(json.dumps(out, indent=0, sort_keys=True, ensure_ascii=False) + "\n")
    print(sum(len(f["examples"]) for f in out.values()), "examples of", len(out), "functions recorded")


if __name__ == "__main__":
    main()
