"""Record the answers of tests/dialects/*.sql: `python -m tests.record.record_dialects duckdb|here`.

`duckdb` (needs duckdb) answers duckdb.sql, which is what ours must equal. `here` writes down what sqlshell makes of
the other dialects, rows or the condition of the refusal, to be reviewed as a diff.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.support.answers import ANSWERS, canonical

SOURCES = Path(__file__).parents[1] / "dialects"
TABLE = "SELECT * FROM (VALUES (1, 'x', 10), (2, 'y', NULL), (3, 'x', 30)) t(a, b, c)"


def queries(dialect: str) -> list[str]:
    """The lines of a dialect's file."""
    return (SOURCES / f"{dialect}.sql").read_text().splitlines()


def from_duckdb() -> dict[str, Any]:
    import duckdb

    con = duckdb.connect()
    con.execute(f"CREATE TABLE t AS {TABLE}")
    out: dict[str, Any] = {}
    for query in queries("duckdb"):
        rows = con.execute(query).fetchall()
        out[query] = [[canonical(v) for v in row] for row in rows]
    return out


def ours(dialect: str, query: str, session: Any) -> Any:
    """Canonical rows, or the condition of the error."""
    from sqlshell.errors import Error

    session.dialect = dialect
    try:
        return [[canonical(v) for v in row] for row in session.execute(query).rows()]
    except Error as e:
        return e.condition
    finally:
        session.dialect = "spark"


def main() -> None:
    path = ANSWERS / "dialects.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    if "duckdb" in sys.argv:
        known["duckdb"] = from_duckdb()
    else:
        from sqlshell.session import Session

        with Session() as session:
            session.execute(f"CREATE TEMPORARY VIEW t AS {TABLE}")
            for source in sorted(SOURCES.glob("*.sql")):
                if source.stem != "duckdb":
                    known[source.stem] = {q: ours(source.stem, q, session) for q in queries(source.stem)}
    path.write_text(json.dumps(known, indent=0, ensure_ascii=False, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
