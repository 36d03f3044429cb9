"""`_`: the last result as a relation of the next statement, without running its query again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqlshell.plan.context import ViewDefinition
from sqlshell.storage.source import MemorySource
from sqlshell.types import Struct, quote_name

if TYPE_CHECKING:
    from sqlshell.result import Result
    from sqlshell.session import Session


def define_last(session: Session, result: Result) -> None:
    """Make `_` the temporary view of a result: its files, or its few rows as VALUES."""
    paths = tuple(result.paths())
    if paths:
        size = sum(os.stat(p).st_size for p in paths)
        session.views["_"] = MemorySource("_", Struct(result.fields), paths, result.row_count, size)
        return
    from datetime import UTC

    from sqlshell.shell.output.documents import literal

    casts = ", ".join(f"CAST(c{i} AS {f.type}) AS {quote_name(f.name)}" for i, f in enumerate(result.fields))
    literals = [literal(f.type, UTC) for f in result.fields]
    rows = ["(" + ", ".join(w(v) for w, v in zip(literals, row, strict=True)) + ")" for row in result.rows()]
    names = ", ".join(f"c{i}" for i in range(len(result.fields)))
    if rows:
        text = f"SELECT {casts} FROM VALUES {', '.join(rows)} AS t({names})"
    else:
        nulls = ", ".join("NULL" for _ in result.fields)
        text = f"SELECT {casts} FROM VALUES ({nulls}) AS t({names}) WHERE false"
    session.views["_"] = ViewDefinition("_", text)
