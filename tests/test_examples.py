"""The documented examples of Spark's built-in functions, replayed against what Spark answered.

`tests/record/record_examples.py` records them. What does not pass yet stands in tests/answers/examples_open.txt, one
statement a line; the list only shrinks: a statement that passes must be taken off it, and no other may fail. Run
`python -m tests.test_examples` for the report, with `--write` to renew the list, with a word to see the failures.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlshell.errors import Error
from tests.record.record_examples import EXAMPLES, as_text
from tests.support.answers import ANSWERS, canonical, difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.session import Session

OPEN = ANSWERS / "examples_open.txt"
LEFT_OUT_GROUPS = {"sketch_funcs", "xml_funcs", "st_funcs", "avro_funcs", "protobuf_funcs"}
LEFT_OUT = {"java_method", "reflect", "try_reflect", "measure", "timestamp_nanos"}
SKETCHES = re.compile(r"sketch|^(theta|kll|hll|tuple|approx_top_k)_")
LEFT_OUT_TYPES = ("timestamp_ltz(9)", "timestamp_ntz(9)")
NANOSECONDS = re.compile(r"TIMESTAMP_(LTZ|NTZ) '[^']*\.\d{7,9}'")
"""Outside sqlshell's scope: the JVM's own, sketches, XML, geospatial, Avro, Protobuf, metric views, nanoseconds."""
VOLATILE = {
    "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "now", "curdate",
    "current_timezone", "rand", "random", "randn", "randstr", "uniform", "uuid", "shuffle", "version", "user",
    "current_user",
    "session_user", "current_schema", "current_database", "current_catalog", "current_path", "unix_timestamp",
    "input_file_name", "input_file_block_start", "input_file_block_length", "spark_partition_id",
    "monotonically_increasing_id", "session_window", "aes_encrypt", "try_aes_encrypt", "encrypt",
}  # fmt: skip
"""Functions of which an example's rows differ from run to run, or tell about Spark itself: schemas count."""
LEAST = 0.97
"""The share that must pass; raised as it grows."""


def cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(group, function, example) of everything that counts, each statement once."""
    seen = set()
    for name, function in json.loads(EXAMPLES.read_text()).items():
        if function["group"] in LEFT_OUT_GROUPS or name in LEFT_OUT or SKETCHES.search(name):
            continue
        for example in function["examples"]:
            said = example.get("message", "")
            if (
                any(t in said for t in LEFT_OUT_TYPES)
                or NANOSECONDS.search(example["sql"])
                or example["sql"] in seen
            ):
                continue
            seen.add(example["sql"])
            yield function["group"], name, example


def wrong(session: Session, name: str, example: dict[str, Any]) -> str | None:
    """What differs from Spark's answer; None when nothing does."""
    sql = example["sql"]
    try:
        result = session.execute(sql)
        schema = [f"{f.name}: {f.type}".replace("`", "") for f in result.fields]  # pyspark quotes no field
        if "error" not in example and example.get("text"):
            result.close()
            result = session.execute(as_text(sql, len(schema)))
        rows = [[canonical(v) for v in row] for row in result.rows()]
    except Error as e:
        return None if e.condition == example.get("error") else f"[{e.condition}] {e.message}"
    except Exception as e:  # a bug of ours, told beside the other failures
        return f"{type(e).__name__}: {e}"
    if "error" in example:
        return f"gave {rows[:3]}, expected the error {example['error']}"
    if schema != [s.replace("`", "") for s in example["schema"]]:
        return f"schema {schema}, expected {example['schema']}"
    return None if name in VOLATILE else difference(example["rows"], rows)


def replay(session: Session) -> tuple[Counter[str], Counter[str], dict[str, tuple[str, str]]]:
    """Examples per group, those that pass, and statement -> (function, what is wrong)."""
    total: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    failures = {}
    for group, name, example in cases():
        total[group] += 1
        found = wrong(session, name, example)
        if found is None:
            passed[group] += 1
        else:
            failures[example["sql"]] = (name, found)
    return total, passed, failures


def report(total: Counter[str], passed: Counter[str]) -> str:
    """Passed and total per group."""
    lines = [f"{g.removesuffix('_funcs'):<12} {passed[g]:>4} / {n}" for g, n in sorted(total.items())]
    done, of = passed.total(), total.total()
    return "\n".join([*lines, f"{'all':<12} {done:>4} / {of}  {done / of:.1%}"])


def test_spark_examples(session: Session) -> None:
    total, passed, failures = replay(session)
    print(report(total, passed))
    known = set(OPEN.read_text().splitlines())
    assert {sql: failures[sql][1] for sql in failures.keys() - known} == {}
    assert sorted(known - failures.keys()) == [], "these pass now: take them off examples_open.txt"
    assert passed.total() >= LEAST * total.total()


def main() -> None:
    from sqlshell.session import Session

    with Session() as session:
        total, passed, failures = replay(session)
    if "--write" in sys.argv:
        OPEN.write_text("".join(f"{sql}\n" for sql in sorted(failures)))
    for sql, (name, found) in failures.items():
        if len(sys.argv) > 1 and "--write" not in sys.argv:
            print(f"{name}: {sql}\n    {found[:300]}")
    print(report(total, passed))


if __name__ == "__main__":
    main()
