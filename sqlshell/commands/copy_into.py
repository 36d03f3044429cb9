"""COPY INTO: files into a table, each of them once.

Which files a table has taken is in its own log: an application transaction per file, named by its path. Two loaders
that meet conflict on it, and the one that runs again finds the file done.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from sqlshell.commands import delta_write
from sqlshell.commands.dml import affected_rows, begin, commit_or_undo, retried
from sqlshell.errors import NotSupportedError, SourceNotFound, did_you_mean
from sqlshell.plan.bind import Binder
from sqlshell.plan.bind_insert import Arrangement, store_query
from sqlshell.records import replace
from sqlshell.statement_context import StatementContext
from sqlshell.storage.delta.actions import Txn
from sqlshell.storage.delta.conflicts import NOTHING
from sqlshell.storage.uri import resolve

if TYPE_CHECKING:
    from sqlshell.parser.statement_dml import CopyInto
    from sqlshell.result import Result
    from sqlshell.session import Session
    from sqlshell.storage.delta.actions import Action
    from sqlshell.storage.source import Source

MARK = "sqlshell.copy_into:"


class FilesContext(StatementContext):
    """Reads the statement's path as the files that are still to be taken."""

    def __init__(self, session: Session, path: str, source: Source) -> None:
        super().__init__(session)
        self._path = path
        self._files = source

    def describe_source(self, uri: str, format: str | None, options: dict[str, str]) -> Source:
        return self._files if uri == self._path else super().describe_source(uri, format, options)


def copy_into(session: Session, s: CopyInto) -> Result:
    """COPY INTO t FROM 'path'."""
    unknown = set(s.copy_options) - {"force"}
    if unknown:
        name = min(unknown)
        raise NotSupportedError(
            f"COPY INTO has no copy option {name}", span=s.path_span, hint=did_you_mean(name, ["force"])
        )
    return retried(lambda: _copy_into(session, s))


def _copy_into(session: Session, s: CopyInto) -> Result:
    w = begin(session, s.target, s.text, "COPY INTO")
    source = _source(session, s)
    force = s.copy_options.get("force", "").lower() == "true"
    files = tuple(
        f for f in source.files if _wanted(s, f.path) and (force or MARK + f.path not in w.snapshot.txns)
    )
    if not files:
        return affected_rows(num_affected_rows=0, num_inserted_rows=0, num_files=0)
    context = FilesContext(session, s.path, replace(source, files=files, stats=()))
    binder = Binder(context)
    ast: Any = s.select
    if ast is None:
        quoted = s.path.replace("\\", "\\\\").replace("'", "\\'")
        ast = context.parse_query(f"SELECT * FROM '{quoted}'", "spark")
    bound = binder.bind_query(ast, s.text)
    how = Arrangement(by_name=True, table=w.name, span=s.target.span)
    rows = store_query(binder, bound, w.schema, w.properties, how)
    spec = delta_write.write_spec(session, w.snapshot.location, w.schema, w.snapshot.metadata)
    written = delta_write.write_rows(session, rows, spec)
    actions: list[Action] = [Txn(MARK + f.path, 1) for f in files]
    actions += delta_write.adds(written, spec)
    marks = delta_write.with_marks(w.schema, w.snapshot.metadata, written)
    if marks is not None:
        actions.insert(0, marks)
    metrics = delta_write.metrics_of(written) | {"numFilesLoaded": len(files)}
    commit_or_undo(
        w,
        actions,
        "COPY INTO",
        {"source": s.path, "format": s.format},
        NOTHING,
        metrics,
        lambda: delta_write.discard(spec.location, written),
    )
    count = sum(f.rows for f in written)
    return affected_rows(num_affected_rows=count, num_inserted_rows=count, num_files=len(files))


def _source(session: Session, s: CopyInto) -> Source:
    options = dict(s.format_options)
    if s.format == "csv":
        options.setdefault("inferschema", "true")
    try:
        return session.describe_source(s.path, s.format, options)
    except SourceNotFound as e:
        e.span = e.span or s.path_span
        raise


def _wanted(s: CopyInto, path: str) -> bool:
    below = os.path.relpath(path, resolve(s.path, os.getcwd(), remote=True))
    if s.files:
        return below in s.files or path in s.files
    return s.pattern is None or fnmatchcase(below, s.pattern)
