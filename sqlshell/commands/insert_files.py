"""INSERT INTO and OVERWRITE of tables over plain Parquet, CSV and JSON files in a local directory.

New files are written into a hidden directory of the attempt and then moved in, each by one rename; files that are
overwritten go last. There is no log: who reads meanwhile may see some of the new files, or old and new ones.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlshell.commands.delta_write import run_write
from sqlshell.commands.dml import affected_rows
from sqlshell.commands.export import arranged, with_options
from sqlshell.errors import NotSupportedError, OperationalError
from sqlshell.parser.statement_dml import CopyTo
from sqlshell.plan.bind import Binder
from sqlshell.plan.bind_insert import bind_insert
from sqlshell.plan.context import BoundQuery
from sqlshell.plan.logical import Project, passthrough
from sqlshell.statement_context import StatementContext
from sqlshell.storage import object_files
from sqlshell.storage.delta.schema import from_struct
from sqlshell.storage.source import Source
from sqlshell.storage.uri import is_remote
from sqlshell.storage.write_spec import WriteSpec

if TYPE_CHECKING:
    from sqlshell.parser.statement_dml import Insert
    from sqlshell.result import Result
    from sqlshell.session import Session
    from sqlshell.storage.catalog import CatalogObject
    from sqlshell.storage.write_spec import FileWritten

FORMATS = ("parquet", "csv", "json")
_READING = {"path", "inferschema", "samplingratio", "mode", "columnnameofcorruptrecord", "multiline"}
"""Options that say how files are read and nothing of what is written."""


def insert_files(session: Session, s: Insert, found: CatalogObject) -> Result:
    """Add the query's rows as files, or put them in the place of those that are there."""
    location = session.catalog.location(found)
    form = str(found.payload["provider"])
    _check(session, s, found, form, location)
    context = StatementContext(session)
    source = context.resolve_relation(s.target.name, s.target.span, None)
    assert isinstance(source, Source)
    binder = Binder(context)
    binder.text = s.text
    _, rows = bind_insert(binder, s, from_struct(source.schema), {})
    names = tuple(f.name for f in source.schema.fields)
    partition = [names.index(p) for p in source.partition_columns]
    given = {k.lower(): v for k, v in found.payload.get("options", {}).items()}
    writing = {k: v for k, v in given.items() if k not in _READING}
    copy = CopyTo(s.text, s.query, location, form, writing, source.partition_columns, True, s.target.span)
    bound = BoundQuery(Project(rows.plan, tuple(passthrough(c) for c in rows.columns)), names)
    plan, columns = arranged(copy, bound, form, partition)
    attempt = os.path.join(location, f"_attempt-{uuid4().hex}")
    spec = WriteSpec(
        attempt,
        columns,
        format=form,
        partition_by=tuple(range(len(columns) - len(partition), len(columns))),
        codec=session.settings.get("sqlshell.write.codec"),
        level=session.settings.get("sqlshell.write.level"),
        row_group_rows=session.settings.get("sqlshell.write.rowGroupRows"),
        header="header" in given and given["header"].lower() == "true",
        stats=0,
    )
    try:
        os.makedirs(attempt)
        files = run_write(session, plan, rows.checks, with_options(copy, spec))
        _move(attempt, location, files)
    except OSError as e:
        raise OperationalError(f"cannot write to '{location}': {e.strerror or e}") from e
    finally:
        object_files.remove_tree(attempt)
    if s.mode == "overwrite":
        for path in _replaced(session, source, files):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
    count = sum(f.rows for f in files)
    return affected_rows(num_affected_rows=count, num_inserted_rows=count)


def _check(session: Session, s: Insert, found: CatalogObject, form: str, location: str) -> None:
    what = None
    if form not in FORMATS:
        what = f"INSERT into {form} files"
    elif s.mode not in {"append", "overwrite"} or s.evolve or s.if_not_exists:
        what = "this form of INSERT into plain files (REPLACE, SCHEMA EVOLUTION, IF NOT EXISTS)"
    elif s.mode == "overwrite" and s.partition:
        what = "INSERT OVERWRITE ... PARTITION of plain files"
    elif is_remote(location):
        what = "INSERT into plain files of an object store"
    elif session.transaction is not None:
        what = "INSERT into plain files in a transaction"
    elif not os.path.isdir(location):
        what = f"INSERT into a table that is no directory ('{location}')"
    if what is not None:
        raise NotSupportedError(
            f"{what} is not supported",
            condition="UNSUPPORTED_FEATURE.INSERT_INTO_FILES",
            span=s.target.span,
            hint=f"CONVERT TO DELTA {found.full_name}, or CREATE TABLE ... AS SELECT, makes a Delta table of it",
        )


def _move(attempt: str, location: str, files: list[FileWritten]) -> None:
    """Put all files in their places; none stays when one cannot be."""
    moved: list[str] = []
    try:
        for f in files:
            target = os.path.join(location, f.path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.rename(os.path.join(attempt, f.path), target)
            moved.append(target)
    except BaseException:
        for path in moved:
            with contextlib.suppress(OSError):
                os.unlink(path)
        raise


def _replaced(session: Session, source: Source, files: list[FileWritten]) -> list[str]:
    """The old files: all, or (dynamic) those of the partitions that got new rows."""
    dynamic = session.settings.get("sqlshell.write.partitionOverwriteMode") == "dynamic"
    if not source.partition_columns or not dynamic:
        return [f.path for f in source.files]
    touched = {f.partition for f in files}
    return [f.path for f in source.files if f.partition in touched]
