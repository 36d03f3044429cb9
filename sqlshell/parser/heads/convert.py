"""CONVERT TO DELTA."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import ParseError
from sqlshell.parser.heads.columns import column_list
from sqlshell.parser.heads.common import parse_target
from sqlshell.parser.statement_table import ConvertToDelta

if TYPE_CHECKING:
    from sqlshell.parser.cursor import Cursor
    from sqlshell.parser.statement import Statement
    from sqlshell.parser.statement_table import ColumnDef


def convert(c: Cursor) -> Statement:
    """After CONVERT."""
    if not c.take("TO", "DELTA"):
        raise c.error(hint="CONVERT TO DELTA parquet.`path`")
    name, span = parse_target(c)
    statistics = not c.take("NO", "STATISTICS")
    partitions: tuple[ColumnDef, ...] = ()
    if c.take("PARTITIONED", "BY") or c.take("PARTITIONED BY"):
        partitions, checks = column_list(c)
        if checks:
            raise ParseError("PARTITIONED BY takes columns and their types", span=span)
    c.end()
    return ConvertToDelta(c.text, name, statistics, partitions, span)
