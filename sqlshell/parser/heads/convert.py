"""CONVERT TO DELTA and ANALYZE TABLE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import ParseError
from sqlshell.parser.heads.columns import column_list
from sqlshell.parser.heads.common import parse_target
from sqlshell.parser.statement_table import Analyze, ConvertToDelta

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


def analyze(c: Cursor) -> Statement:
    """After ANALYZE."""
    if not c.take("TABLE"):
        raise c.unsupported("ANALYZE of anything but a TABLE")
    name, span = parse_target(c)
    if c.peek() == "PARTITION":
        raise c.unsupported("ANALYZE TABLE ... PARTITION")
    if not c.take("COMPUTE", "STATISTICS"):
        raise c.error(hint="expected COMPUTE STATISTICS")
    if c.take("NOSCAN"):
        c.end()
        return Analyze(c.text, name, None, False, span)
    if not c.take("FOR"):
        c.end()
        return Analyze(c.text, name, None, True, span)
    if c.take("ALL", "COLUMNS"):
        c.end()
        return Analyze(c.text, name, (), True, span)
    if not c.take("COLUMNS"):
        raise c.error(hint="expected FOR COLUMNS a, b or FOR ALL COLUMNS")
    columns = []
    while True:
        word = c.word()
        if word is None:
            raise c.error(hint="expected a column")
        columns.append(word)
        if not c.take(","):
            break
    c.end()
    return Analyze(c.text, name, tuple(columns), True, span)
