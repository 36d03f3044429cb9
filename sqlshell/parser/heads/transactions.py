"""START TRANSACTION, COMMIT, ROLLBACK. BEGIN is in `scripts`, which knows it from a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.parser.statement_dml import TransactionStep

if TYPE_CHECKING:
    from sqlshell.parser.cursor import Cursor
    from sqlshell.parser.statement import Statement


def start(c: Cursor) -> Statement:
    """After START."""
    if not c.take("TRANSACTION"):
        raise c.error(hint="START TRANSACTION begins a transaction")
    c.end()
    return TransactionStep(c.text, "begin")


def commit(c: Cursor) -> Statement:
    """After COMMIT."""
    return _end(c, "commit")


def rollback(c: Cursor) -> Statement:
    """After ROLLBACK."""
    return _end(c, "rollback")


def _end(c: Cursor, kind: str) -> Statement:
    if not c.take("TRANSACTION"):
        c.take("WORK")
    c.end()
    return TransactionStep(c.text, kind)
