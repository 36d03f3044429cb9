"""Record Spark's answers to random expressions and queries: `python -m tests.record.record_random`.

Run with a Python that has pyspark 4.3 and Java, from the repository's root. Writes tests/answers/random.txt, one case a
line: the expression (or, after `Q `, the query), a tab, and `!CONDITION` or the JSON of [type, the value of each row],
for queries [types, rows]. Expressions are asked many at a time; where one fails, the batch is asked in halves.
`tests/test_random_expressions.py` replays the file without Spark.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.record.record_functions import plain
from tests.support.answers import ANSWERS, canonical
from tests.support.random_expressions import VIEWS, Expressions, Queries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RECORDED = ANSWERS / "random.txt"
SEED, EXPRESSIONS, QUERIES = 20261121, 5600, 600
BATCH = 40


def session() -> Any:
    """Spark without code generation: thousands of small queries are never worth compiling."""
    from pyspark.sql import SparkSession

    settings = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.ui.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    }
    builder = SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    for view in VIEWS:
        spark.sql(view)
    return spark


def condition(e: Exception) -> str:
    """The condition of an error, without its subclass."""
    name = e.getCondition() if hasattr(e, "getCondition") else None
    found = name or (re.search(r"\[([A-Z][A-Z_.0-9]+)\]", str(e)) or [None, "UNKNOWN"])[1]
    return str(found).split(".")[0]


def rows_of(spark: Any, sql: str) -> tuple[list[str], list[list[Any]]]:
    """Types and canonical rows."""
    frame = spark.sql(sql)
    types = [f.dataType.simpleString() for f in frame.schema.fields]
    return types, [[canonical(plain(v)) for v in row] for row in frame.collect()]


def expressions(spark: Any, given: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each expression with its answer."""
    items = ", ".join(f"{e} AS c{n}" for n, e in enumerate(given))
    try:
        types, rows = rows_of(spark, f"SELECT {items} FROM rt ORDER BY id")
    except Exception as e:
        if len(given) == 1:
            yield given[0], f"!{condition(e)}"
            return
        half = len(given) // 2
        yield from expressions(spark, given[:half])
        yield from expressions(spark, given[half:])
        return
    for n, e in enumerate(given):
        yield e, json.dumps([types[n], [row[n] for row in rows]], ensure_ascii=False)


def main() -> None:
    made, asked = Expressions(SEED), Queries(SEED + 1)
    wanted: dict[str, None] = {}
    while len(wanted) < EXPRESSIONS:
        wanted[made.next()] = None
    queries: dict[str, None] = {}
    while len(queries) < QUERIES:
        queries[asked.query()] = None
    spark = session()
    lines = []
    todo = list(wanted)
    for at in range(0, len(todo), BATCH):
        lines += [f"{e}\t{a}" for e, a in expressions(spark, todo[at : at + BATCH])]
    for q in queries:
        try:
            answer = json.dumps(list(rows_of(spark, q)), ensure_ascii=False)
        except Exception as e:
            answer = f"!{condition(e)}"
        lines.append(f"Q {q}\t{answer}")
    RECORDED.write_text("".join(f"{line}\n" for line in lines if "\t!UNKNOWN" not in line))
    spark.stop()


if __name__ == "__main__":
    main()
