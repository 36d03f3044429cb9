"""BEGIN, COMMIT, ROLLBACK: from BEGIN on the session's tables are staged ones (`storage/delta/staged.py`)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError, Error, NotSupportedError
from sqlshell.result import Result, command
from sqlshell.storage.delta import transaction
from sqlshell.storage.delta.staged import StagedTables
from sqlshell.storage.delta.store import open_store
from sqlshell.types import BIGINT, STRING, Field

if TYPE_CHECKING:
    from sqlshell.parser.statement_dml import TransactionStep
    from sqlshell.session import Session

FIELDS = [Field("table", STRING, False), Field("version", BIGINT, False)]


def step(session: Session, s: TransactionStep) -> Result:
    """BEGIN, COMMIT (the new versions of the tables), ROLLBACK."""
    if s.kind == "begin":
        return begin(session)
    return commit(session) if s.kind == "commit" else rollback(session)


def begin(session: Session) -> Result:
    """From now on the session sees all tables as they are at this moment, and what it does to them itself."""
    if session.transaction is not None:
        raise AnalysisError(
            "there is a transaction already: transactions do not nest",
            condition="TRANSACTION_ALREADY_OPEN",
            hint="COMMIT or ROLLBACK ends it",
        )
    if session.time_travel is not None:
        raise NotSupportedError(
            "the session looks back in time: it only reads",
            condition="DELTA_TIME_TRAVEL_READ_ONLY",
            hint="SET TIME TRAVEL OFF brings it back to the present",
        )
    transaction.resume(session.tables, session.catalog.warehouse)
    session.tables = session.transaction = StagedTables(session.tables, time.time_ns() // 1_000_000)
    return command("OK")


def commit(session: Session) -> Result:
    """Make everything since BEGIN real, or nothing."""
    staged = _end(session)
    parts = {}
    try:
        for table in staged.written():
            found = transaction.part_of(table)
            if found is not None:
                parts[table.location] = found
        versions = transaction.commit_parts(list(parts.values()), session.catalog.warehouse)
    except Error as e:
        if e.condition != "DELTA_TRANSACTION_INCOMPLETE":
            _discard(staged, {})
            e.hint = f"{e.hint or ''}; the transaction is rolled back: begin it again".lstrip("; ")
        raise
    _discard(staged, parts)
    return Result(FIELDS, list(versions.items()))


def rollback(session: Session) -> Result:
    """Forget everything since BEGIN; its files go."""
    _discard(_end(session), {})
    return command("OK")


def _end(session: Session) -> StagedTables:
    staged = session.transaction
    if staged is None:
        raise AnalysisError(
            "there is no transaction", condition="NO_ACTIVE_TRANSACTION", hint="BEGIN TRANSACTION begins one"
        )
    session.tables, session.transaction = staged.real, None
    return staged


def _discard(staged: StagedTables, parts: dict[str, transaction.Part]) -> None:
    """Remove the files that no commit refers to."""
    for table in staged.written():
        part = parts.get(table.location)
        store = open_store(table.location)
        for path in table.new_files([] if part is None else part.actions):
            store.delete(path)
