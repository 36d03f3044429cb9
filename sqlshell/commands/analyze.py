"""ANALYZE TABLE: what the log and the footers do not tell, kept with the table's name in the catalog.

Rows, sizes, bounds and NULLs of Delta tables are exact in their log whatever was analyzed; what is added is the number
of distinct values of columns, which joins are ordered by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell import relations
from sqlshell.errors import AnalysisError, did_you_mean
from sqlshell.result import Result, command
from sqlshell.statement_context import StatementContext
from sqlshell.storage.source import Source
from sqlshell.types import Array, Field, Map, Struct, Variant, quote_name

if TYPE_CHECKING:
    from sqlshell.parser.statement_table import Analyze
    from sqlshell.session import Session

KEY = "statistics"
"""Of a table's payload: `size`, `rows` (None: not counted), `columns`: name to distinct, nulls, min and max (text)."""


def analyze(session: Session, s: Analyze) -> Result:
    """Compute and keep; what other columns had is kept, too."""
    found = relations.require(session, s.name, s.name_span)
    if found.kind != "table":
        raise AnalysisError(
            f"ANALYZE TABLE needs a table; `{found.full_name}` is a view",
            condition="UNSUPPORTED_FEATURE.ANALYZE_VIEW",
            span=s.name_span,
        )
    source = StatementContext(session).resolve_relation(s.name, s.name_span, None)
    assert isinstance(source, Source)
    fields = _columns(s, source)
    before = found.payload.get(KEY, {})
    name = ".".join(quote_name(p) for p in (found.schema, found.name))
    rows = source.rows
    columns = dict(before.get("columns", {}))
    if fields or (rows is None and s.scan):
        rows, facts = _facts(session, name, fields)
        columns |= facts
    told = {"size": source.size, "rows": rows, "columns": columns}
    session.catalog.put("table", (found.schema, found.name), {**found.payload, KEY: told}, found.version)
    return command("OK")


def _columns(s: Analyze, source: Source) -> list[Field]:
    fields = {f.name.lower(): f for f in source.schema.fields}
    if s.columns is None:
        return []
    if not s.columns:
        return [f for f in fields.values() if not isinstance(f.type, (Array, Map, Struct, Variant))]
    out = []
    for name in s.columns:
        field = fields.get(name.lower())
        if field is None:
            raise AnalysisError(
                f"`{'.'.join(s.name)}` has no column `{name}`",
                condition="COLUMN_NOT_FOUND",
                span=s.name_span,
                hint=did_you_mean(name, [f.name for f in fields.values()]),
            )
        if isinstance(field.type, (Array, Map, Struct, Variant)):
            raise AnalysisError(
                f"the column `{name}` is {field.type}: such columns have no statistics",
                condition="UNSUPPORTED_FEATURE.ANALYZE_UNSUPPORTED_COLUMN_TYPE",
                span=s.name_span,
            )
        out.append(field)
    return out


def _facts(session: Session, table: str, fields: list[Field]) -> tuple[int, dict[str, Any]]:
    items = ["count(*)"]
    for f in fields:
        c = quote_name(f.name)
        items += [f"count({c})", f"approx_count_distinct({c})", f"string(min({c}))", f"string(max({c}))"]
    result = session.run_text(f"SELECT {', '.join(items)} FROM {table}")
    (row,) = result.rows()
    facts = {}
    for i, f in enumerate(fields):
        count, distinct, low, high = row[1 + 4 * i : 5 + 4 * i]
        facts[f.name] = {"distinct": distinct, "nulls": row[0] - count, "min": low, "max": high}
    return int(row[0]), facts
