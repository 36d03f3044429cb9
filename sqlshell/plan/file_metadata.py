"""The hidden column `_metadata` of relations over files: a struct of what a row's file is, as in Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.expr.expr import Column, Expr, Literal
from sqlshell.plan.call import make_call
from sqlshell.plan.logical import Project, fresh_id, named, passthrough
from sqlshell.plan.scope import Entry
from sqlshell.records import replace
from sqlshell.storage.source import FILE_FIELDS, ROW_INDEX
from sqlshell.types import BIGINT, STRING, TIMESTAMP, SqlType

if TYPE_CHECKING:
    from sqlshell.plan.bind_from import Bound
    from sqlshell.plan.logical import Scan

METADATA = "_metadata"

TYPES: tuple[SqlType, ...] = (STRING, STRING, BIGINT, BIGINT, BIGINT, TIMESTAMP)
"""Of `FILE_FIELDS`."""


def with_metadata(bound: Bound, scan: Scan) -> Bound:
    """A relation that is a scan, with `_metadata` in reach. Rows have an index in Parquet files alone."""
    fields = [*zip(FILE_FIELDS, TYPES, strict=True)]
    if scan.source.format in {"parquet", "delta"}:
        fields.append((ROW_INDEX, BIGINT))
    columns = tuple(Column(fresh_id(), f, t, False) for f, t in fields)
    parts: list[Expr] = []
    for c in columns:
        parts += [Literal(c.name.replace(":", ".").partition(".")[2], STRING), c]
    item = named(METADATA, make_call("named_struct", parts))
    wider = replace(scan, columns=(*scan.columns, *columns), fields=(*scan.fields, *(f for f, _ in fields)))
    plan = Project(wider, (*(passthrough(c) for c in scan.columns), item))
    qualifier = bound.entries[0].qualifier if bound.entries else tuple(bound.names)
    entry = Entry(METADATA, item.column, qualifier, hidden=True, metadata=True)
    return replace(bound, plan=plan, entries=(*bound.entries, entry))
