"""Changes of rows that are there: affected rows are computed once and kept, then become deletion vectors or rewrites.

1. The statement's plan gives the affected rows with their file and position; they are stored like a cached table.
2. A worker turns positions into deletion vectors (`exec/positions.py`).
3. A file whose rows are all deleted goes; one with few deleted rows gets the vector, where the table has them; any
   other is rewritten: its remaining rows are scanned through that same vector.
4. New rows are written from the stored ones. Everything is one commit.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlshell.commands import delta_write
from sqlshell.expr.expr import Column, In, Literal
from sqlshell.plan.logical import Filter, Plan, Project, Scan, fresh_id, passthrough
from sqlshell.records import dataclass, replace
from sqlshell.storage import object_files
from sqlshell.storage.delta.source import adds_by_path
from sqlshell.storage.source import MemorySource
from sqlshell.types import Field, Struct

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.exec.positions import Touched
    from sqlshell.plan.logical_write import Check
    from sqlshell.session import Session
    from sqlshell.storage.delta.actions import Action, Add, DeletionVector
    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.source import Source
    from sqlshell.storage.write_spec import FileWritten

REWRITE_ABOVE = 0.5
"""A file of which more rows than this share are deleted is rewritten: reading it would cost more than that, soon."""


class Affected:
    """The rows a statement changes, stored until its commit."""

    def __init__(self, session: Session, plan: Plan) -> None:
        self._session = session
        optimized = session.optimize(plan).plan
        if tuple(c.id for c in optimized.output) != tuple(c.id for c in plan.output):
            optimized = Project(optimized, tuple(passthrough(c) for c in plan.output))
        self._handle = session.engine.store(session.stages(optimized), "MEMORY_AND_DISK")
        self.rows: int = self._handle.rows
        self.columns = plan.output
        fields = tuple(Field(f"c{i}", c.type) for i, c in enumerate(plan.output))
        self.source = MemorySource(
            "changed rows", Struct(fields), tuple(self._handle.paths), self.rows, self._handle.size
        )

    def __enter__(self) -> Affected:
        return self

    def __exit__(self, *exc: object) -> None:
        self._handle.close()

    @property
    def paths(self) -> tuple[str, ...]:
        """The Arrow files; their columns are called "0", "1", ..."""
        return self.source.paths

    def scan(self) -> Scan:
        """The rows again, under the ids of the plan that computed them."""
        names = tuple(f.name for f in self.source.schema.fields)
        return Scan(self.source, self.columns, names)  # type: ignore[arg-type]

    def position(self, column: Column) -> int:
        """Where a column stands."""
        return next(i for i, c in enumerate(self.columns) if c.id == column.id)

    def counts(self, column: Column) -> dict[Any, int]:
        """How many rows each value of a column has."""
        found: dict[Any, int] = self._session.engine.call(
            "count_values", self.paths, str(self.position(column))
        )
        return found


@dataclass
class Outcome:
    """What deleting positions means for the table: actions, and how many rows they touch."""

    actions: list[Action]
    deleted: int = 0
    copied: int = 0
    removed_files: int = 0
    rewritten: int = 0
    vectors: int = 0
    files: tuple[FileWritten, ...] = ()
    undo: tuple[Callable[[], None], ...] = ()

    def discard(self) -> None:
        """Remove the files that a failed commit would have brought."""
        for step in self.undo:
            step()


def delete_positions(
    session: Session,
    snapshot: Snapshot,
    source: Source,
    affected: Affected,
    file: Column,
    row: Column,
    *,
    unique: bool = False,
) -> Outcome:
    """The actions that take the affected rows out of the table."""
    live = adds_by_path(snapshot)
    known = {f.path: (f.vector, _physical_rows(f)) for f in source.files}
    columns = (str(affected.position(file)), str(affected.position(row)))
    touched: list[Touched] = session.engine.call(
        "mark_deleted", affected.paths, columns, snapshot.location, known, unique
    )
    out = Outcome([], deleted=sum(t.new for t in touched), removed_files=0)
    now = time.time_ns() // 1_000_000
    to_rewrite: list[Touched] = []
    may_mark = "deletionVectors" in snapshot.features and snapshot.is_enabled("delta.enableDeletionVectors")
    kept: set[str] = set()
    for t in touched:
        add = live[t.path]
        if t.vector is not None and may_mark and t.deleted <= REWRITE_ABOVE * t.rows:
            out.actions += [add.removed(now), marked(add, t.vector, t.rows)]
            out.vectors += 1
            kept.add(t.vector.path_or_inline)
            continue
        out.actions.append(add.removed(now))
        out.removed_files += 1
        if t.vector is not None:
            to_rewrite.append(t)
    temporary = _vector_files(snapshot, touched)
    try:
        if to_rewrite:
            _rewrite(session, snapshot, source, to_rewrite, out)
    except BaseException:
        _unlink(temporary)
        raise
    _unlink([(p, v) for p, v in temporary if v not in kept])
    used = [(p, v) for p, v in temporary if v in kept]
    out.undo = (*out.undo, lambda: _unlink(used))
    return out


def _physical_rows(f: Any) -> int | None:
    if f.rows is None:
        return None
    return int(f.rows) + (f.vector.cardinality if f.vector is not None else 0)


def marked(add: Add, vector: DeletionVector, rows: int) -> Add:
    """The same file with other rows deleted; its statistics are bounds now, no longer exact ones."""
    stats = add.stats
    if not stats or '"numRecords"' not in stats:
        stats = f'{{"numRecords":{rows},"tightBounds":false}}'
    elif '"tightBounds":true' in stats:
        stats = stats.replace('"tightBounds":true', '"tightBounds":false')
    elif '"tightBounds"' not in stats:
        stats = f'{stats.rstrip()[:-1]},"tightBounds":false}}'
    return replace(add, deletion_vector=vector, stats=stats, data_change=True)


def _vector_files(snapshot: Snapshot, touched: list[Touched]) -> list[tuple[str, str]]:
    """(file, vector's name) of the new vectors that are in files."""
    from sqlshell.storage.delta.deletion_vectors import file_of

    vectors = {
        t.vector.path_or_inline: t.vector for t in touched if t.vector and t.vector.storage_type == "u"
    }
    return [(file_of(snapshot.location, v), name) for name, v in vectors.items()]


def _unlink(files: list[tuple[str, str]]) -> None:
    for path, _ in files:
        object_files.discard(path)


def _rewrite(
    session: Session, snapshot: Snapshot, source: Source, touched: list[Touched], out: Outcome
) -> None:
    """Write the rows that remain in files too much of which is deleted."""
    vectors = {t.path: t.vector for t in touched}
    files = tuple(replace(f, vector=vectors[f.path], rows=None) for f in source.files if f.path in vectors)
    fields = source.schema.fields
    columns = tuple(Column(fresh_id(), f.name, f.type, f.nullable) for f in fields)
    remaining = replace(source, files=files, stats=())
    plan = Scan(remaining, columns, tuple(f.name for f in fields))
    spec = delta_write.write_spec(session, snapshot.location, snapshot.schema, snapshot.metadata)
    written = delta_write.run_write(session, plan, (), spec)
    out.actions += delta_write.adds(written, spec)
    out.copied += sum(f.rows for f in written)
    out.rewritten += len(files)
    out.files = (*out.files, *written)
    out.undo = (*out.undo, lambda: delta_write.discard(snapshot.location, written))


def write_new_rows(
    session: Session,
    snapshot: Snapshot,
    affected: Affected,
    columns: tuple[Column, ...],
    checks: tuple[Check, ...],
    where: tuple[Column, tuple[int, ...]] | None = None,
) -> list[FileWritten]:
    """Write the stored rows' new values; `where` keeps the rows whose column has one of the numbers."""
    plan: Plan = affected.scan()
    if where is not None:
        column, numbers = where
        options = tuple(Literal(n, column.type) for n in numbers)
        plan = Filter(plan, In(column, options))
    plan = Project(plan, tuple(passthrough(c) for c in columns))
    spec = delta_write.write_spec(session, snapshot.location, snapshot.schema, snapshot.metadata)
    return delta_write.run_write(session, plan, checks, spec)
