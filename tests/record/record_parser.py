"""Record what Spark's parser says of the lines of tests/record/parser_*.txt.

Run with a Python that has pyspark 4.3 and Java: `python tests/record/record_parser.py`. Writes
tests/answers/parser.json: statements -> "ok" or the error's condition; expressions -> Spark's text of the
tree, with its parentheses; strings -> the value of the literal. The tests replay the file without Spark.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent


def lines(name: str) -> list[str]:
    """The lines of one of the files, each a statement, an expression or a string literal."""
    return [line for line in (HERE / f"parser_{name}.txt").read_text().splitlines() if line.strip()]


def condition(error: Exception) -> str:
    """Spark's condition in the message of an error, or the start of the message."""
    found = re.search(r"\[([A-Z_.]+)\]", str(error))
    return "error: " + (found[1] if found else str(error).strip()[:60])


def main() -> None:
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    parser: Any = spark._jsparkSession.sessionState().sqlParser()  # type: ignore[attr-defined]

    def ask(text: str, answer: Callable[[str], str]) -> str:
        try:
            return answer(text)
        except PySparkException as error:
            return condition(error)

    def accept(text: str) -> str:
        parser.parsePlan(text)
        return "ok"

    asked: dict[str, Callable[[str], str]] = {
        "statements": accept,
        "expressions": lambda text: str(parser.parseExpression(text).toString()),
        "strings": lambda text: str(parser.parseExpression(text).value().toString()),
    }
    answers = {name: {text: ask(text, f) for text in lines(name)} for name, f in asked.items()}
    target = HERE.parent / "answers" / "parser.json"
    target.write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n")
    spark.stop()


if __name__ == "__main__":
    main()
