"""INSERT, DELETE, UPDATE and MERGE: bound and run by our engine, committed as one version.

A statement that loses a race against another writer runs again on the version that won, up to `TRIES` times: what it
computed before may be out of date. Files of the lost attempt are removed.
"""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any

from sqlshell import relations
from sqlshell.commands import change_feed, delta_write
from sqlshell.commands.change_feed import Change
from sqlshell.commands.changes import Affected, Outcome, delete_positions, write_new_rows
from sqlshell.errors import AnalysisError, ConcurrentModificationError
from sqlshell.expr.expr import Literal, conjuncts
from sqlshell.plan.bind import Binder
from sqlshell.plan.bind_dml import bind_delete, bind_merge, bind_update
from sqlshell.plan.bind_insert import bind_insert
from sqlshell.plan.logical import Plan, Scan
from sqlshell.records import dataclass
from sqlshell.result import Result
from sqlshell.statement_context import StatementContext
from sqlshell.storage.delta.actions import Metadata
from sqlshell.storage.delta.commit import commit
from sqlshell.storage.delta.conflicts import NOTHING, WHOLE_TABLE, ReadSet
from sqlshell.storage.delta.source import source_of
from sqlshell.storage.source import Source
from sqlshell.types import BIGINT, Field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlshell.expr.expr import Expr
    from sqlshell.parser.statement_dml import Delete, Insert, Merge, Target, Update
    from sqlshell.session import Session
    from sqlshell.storage.delta.actions import Action, Add
    from sqlshell.storage.delta.schema import TableSchema
    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.delta.table import DeltaTable
    from sqlshell.storage.write_spec import FileWritten

TRIES = 10


@dataclass
class Writing:
    """One attempt of a statement: the target as it was when it began, and a binder that sees that version."""

    session: Session
    table: DeltaTable
    snapshot: Snapshot
    name: str
    binder: Binder
    changes: tuple[Action, ...] = ()
    """Of schema evolution: what the commit says of the table besides the statement's own actions."""

    @property
    def schema(self) -> TableSchema:
        return self.snapshot.schema

    @property
    def properties(self) -> dict[str, str]:
        return self.snapshot.metadata.configuration

    def source(self) -> Source:
        """The target's scan."""
        return source_of(self.snapshot, self.name)


def begin(session: Session, target: Target, text: str, what: str) -> Writing:
    """Look the target up and pin its version for the statement."""
    if session.time_travel is not None:
        raise AnalysisError(
            f"{what} changes a table: a session that looks back in time is read-only",
            condition="READ_ONLY_SESSION",
            span=target.span,
            hint="SET TIME TRAVEL OFF",
        )
    found = relations.target(session, target.name, target.span, what=what)
    context = StatementContext(session)
    snapshot = context.pin(found.table, None)
    binder = Binder(context)
    binder.text = text
    return Writing(session, found.table, snapshot, found.name, binder)


def retried(run: Callable[[], Result]) -> Result:
    """Run an attempt; again when another writer was faster."""
    for attempt in range(TRIES):
        try:
            return run()
        except ConcurrentModificationError as e:
            if attempt == TRIES - 1:
                e.hint = (
                    f"it was run {TRIES} times and others were faster each time: run it again when they rest"
                )
                raise
            time.sleep(random.uniform(0, 0.02 * 2**attempt))
    raise AssertionError("unreachable")


def affected_rows(**counts: int) -> Result:
    """The one row that Spark answers DML with; the first count is all rows."""
    fields = [Field(name, BIGINT) for name in counts]
    return Result(fields, [tuple(counts.values())], affected=next(iter(counts.values())))


# -- INSERT


def insert(session: Session, s: Insert) -> Result:
    """INSERT INTO, INSERT OVERWRITE, REPLACE WHERE, REPLACE USING; tables over plain files take the first two."""
    found = relations.find(session, s.target.name, s.target.span)
    if found is not None and found.kind == "table" and not relations.is_delta(found):
        from sqlshell.commands.insert_files import insert_files

        return insert_files(session, s, found)
    if s.mode != "append":
        from sqlshell.commands.overwrite import overwrite

        return retried(lambda: overwrite(session, s))
    return retried(lambda: _append(session, s))


def begin_insert(session: Session, s: Insert) -> Writing:
    """The target, with the columns that the query brings if it may."""
    w = begin(session, s.target, s.text, "INSERT")
    if not s.evolve:
        return w
    from sqlshell.commands.evolution import for_insert

    return for_insert(w, s)


def _append(session: Session, s: Insert) -> Result:
    w = begin_insert(session, s)
    bound, rows = bind_insert(w.binder, s, w.schema, w.properties)
    spec = delta_write.write_spec(session, w.snapshot.location, w.schema, w.snapshot.metadata)
    files = delta_write.write_rows(session, rows, spec)
    actions: list[Action] = list(delta_write.adds(files, spec))
    marks = delta_write.with_marks(w.schema, w.snapshot.metadata, files)
    if marks is not None:
        actions.insert(0, marks)
    metrics = delta_write.metrics_of(files)
    if actions or w.changes:
        commit_or_undo(
            w,
            actions,
            "WRITE",
            {"mode": "Append", "partitionBy": partition_names(w.snapshot)},
            reads_of(bound.plan, w.snapshot),
            metrics,
            lambda: delta_write.discard(spec.location, files),
        )
    inserted = metrics["numOutputRows"]
    return affected_rows(num_affected_rows=inserted, num_inserted_rows=inserted)


def partition_names(snapshot: Snapshot) -> str:
    """The partition columns as operationParameters hold them."""
    return json.dumps(list(snapshot.partition_columns), separators=(",", ":"))


def reads_of(plan: Plan, snapshot: Snapshot) -> ReadSet:
    """What a query around the target depends on: the whole table if it reads it, else nothing."""
    return WHOLE_TABLE if any(_is_target(s, snapshot) for s in _scans(plan)) else NOTHING


def _is_target(scan: Scan, snapshot: Snapshot) -> bool:
    table = scan.source.table if isinstance(scan.source, Source) else None
    return table is not None and table.location == snapshot.location and table.version == snapshot.version


def _scans(plan: Plan) -> list[Scan]:
    from sqlshell.expr.expr import SubqueryExpr

    found = list(plan.collect(Scan))
    for node in plan.walk():
        for e in getattr(node, "exprs", ()):
            for part in e.walk():
                if isinstance(part, SubqueryExpr):
                    found += _scans(part.plan)
    return found


def commit_or_undo(
    w: Writing,
    actions: Sequence[Action],
    operation: str,
    parameters: dict[str, Any],
    reads: ReadSet,
    metrics: dict[str, int],
    undo: Callable[[], None],
) -> int:
    """Commit, or remove the files that nobody will ever refer to."""
    marked = any(isinstance(a, Metadata) for a in actions)  # it has the new schema, too
    changes = [a for a in w.changes if not (marked and isinstance(a, Metadata))]
    return commit(
        w.table,
        w.snapshot,
        [*changes, *actions],
        operation,
        parameters,
        reads=reads,
        metrics=metrics,
        undo=undo,
    )


# -- DELETE


def delete(session: Session, s: Delete) -> Result:
    """DELETE FROM t [WHERE ...]."""
    return retried(lambda: _delete(session, s))


def _delete(session: Session, s: Delete) -> Result:
    w = begin(session, s.target, s.text, "DELETE")
    source = w.source()
    feed = change_feed.is_on(w.snapshot)
    plan, predicate = bind_delete(w.binder, s, source, old=feed)
    parameters = {"predicate": json.dumps([s.condition_text] if s.condition is not None else [])}
    if (predicate is None or predicate == Literal(True, predicate.type)) and source.rows is not None:
        return _delete_files(w, source, list(range(len(source.files))), parameters, WHOLE_TABLE)
    if predicate is not None and source.partition_columns:
        from sqlshell.commands.partition_delete import files_of

        whole = files_of(session, plan, source, predicate)
        if whole is not None:
            return _delete_files(w, source, whole, parameters, reads_of_target(w, plan, predicate))
    file, row, *old = plan.output
    with Affected(session, plan) as affected:
        if affected.rows == 0:
            return affected_rows(num_affected_rows=0)
        outcome = delete_positions(session, w.snapshot, source, affected, file, row)
        if feed:
            changes = [Change("delete", tuple(old))]
            change_feed.record(session, w.snapshot, affected, changes, outcome)
    metrics = _metrics(outcome) | {"numDeletedRows": outcome.deleted, "numCopiedRows": outcome.copied}
    commit_or_undo(
        w,
        outcome.actions,
        "DELETE",
        parameters,
        reads_of_target(w, plan, predicate),
        metrics,
        outcome.discard,
    )
    return affected_rows(num_affected_rows=outcome.deleted)


def _delete_files(
    w: Writing, source: Source, files: list[int], parameters: dict[str, Any], reads: ReadSet
) -> Result:
    """Every row of some files: they leave the table, nobody reads them."""
    now = time.time_ns() // 1_000_000
    adds = w.snapshot.files()
    actions = [adds[i].removed(now) for i in files]
    rows = sum(source.files[i].rows or 0 for i in files)
    if actions:
        metrics = {"numRemovedFiles": len(actions), "numDeletedRows": rows}
        commit_or_undo(w, actions, "DELETE", parameters, reads, metrics, lambda: None)
    return affected_rows(num_affected_rows=rows)


def reads_of_target(w: Writing, plan: Plan, predicate: Expr | None) -> ReadSet:
    """What of the target a change depends on: the files whose statistics may fulfil its predicate."""
    from sqlshell.storage.delta.skipping import candidates
    from sqlshell.storage.delta.stats import StatsIndex

    scans = [s for s in _scans(plan) if _is_target(s, w.snapshot)]
    if predicate is None or len(scans) != 1:
        return WHOLE_TABLE
    fields = {c.id: f for c, f in zip(scans[0].columns, scans[0].fields, strict=True)}
    parts = conjuncts(predicate)
    schema, partitions = w.schema, w.snapshot.partition_columns

    def might_hold(add: Add) -> bool:
        kept = candidates(StatsIndex((add,), schema, partitions), parts, fields)
        return kept is None or len(kept) > 0

    return ReadSet(might_hold)


def _metrics(outcome: Outcome) -> dict[str, int]:
    return {
        "numRemovedFiles": outcome.removed_files,
        "numAddedFiles": len(outcome.files),
        "numDeletionVectorsAdded": outcome.vectors,
    }


# -- UPDATE


def update(session: Session, s: Update) -> Result:
    """UPDATE t SET ... [WHERE ...]."""
    return retried(lambda: _update(session, s))


def _update(session: Session, s: Update) -> Result:
    w = begin(session, s.target, s.text, "UPDATE")
    source = w.source()
    feed = change_feed.is_on(w.snapshot)
    rows, predicate = bind_update(w.binder, s, source, w.schema, w.properties, old=feed)
    file, row, *old = rows.plan.output[: -len(rows.columns)]
    parameters = {"predicate": json.dumps([s.condition_text] if s.condition is not None else [])}
    with Affected(session, rows.plan) as affected:
        if affected.rows == 0:
            return affected_rows(num_affected_rows=0)
        outcome = delete_positions(session, w.snapshot, source, affected, file, row)
        _write(w, affected, outcome, rows.columns, rows.checks)
        if feed:
            changes = [Change("update_preimage", tuple(old)), Change("update_postimage", rows.columns)]
            change_feed.record(session, w.snapshot, affected, changes, outcome)
    metrics = _metrics(outcome) | {"numUpdatedRows": affected.rows, "numCopiedRows": outcome.copied}
    reads = reads_of_target(w, rows.plan, predicate)
    commit_or_undo(w, outcome.actions, "UPDATE", parameters, reads, metrics, outcome.discard)
    return affected_rows(num_affected_rows=affected.rows)


def _write(
    w: Writing, affected: Affected, outcome: Outcome, columns: Any, checks: Any, where: Any = None
) -> None:
    """Write new rows beside what is deleted; a failure removes the files of both."""
    try:
        files = write_new_rows(w.session, w.snapshot, affected, columns, checks, where)
    except BaseException:
        outcome.discard()
        raise
    add_files(w, files, outcome)


def add_files(w: Writing, files: list[FileWritten], outcome: Outcome) -> int:
    """Put written files into the commit; gives their rows."""
    spec = delta_write.write_spec(w.session, w.snapshot.location, w.schema, w.snapshot.metadata)
    outcome.actions += delta_write.adds(files, spec)
    outcome.files = (*outcome.files, *files)
    outcome.undo = (*outcome.undo, lambda: delta_write.discard(w.snapshot.location, files))
    marks = delta_write.with_marks(w.schema, w.snapshot.metadata, files)
    if marks is not None:
        outcome.actions.insert(0, marks)
    return sum(f.rows for f in files)


# -- MERGE


def merge(session: Session, s: Merge) -> Result:
    """MERGE INTO t USING ..."""
    return retried(lambda: _merge(session, s))


def _merge(session: Session, s: Merge) -> Result:
    w = begin(session, s.target, s.text, "MERGE")
    if s.evolve:
        from sqlshell.commands.evolution import for_merge

        w = for_merge(w, s)
    source = w.source()
    feed = change_feed.is_on(w.snapshot)
    merged = bind_merge(w.binder, s, source, w.schema, w.properties, old=feed)
    of = {
        a: tuple(i for i, c in enumerate(s.clauses) if c.action == a) for a in ("insert", "update", "delete")
    }
    with Affected(session, merged.rows.plan) as affected:
        found = affected.counts(merged.clause) if affected.rows else {}
        counts = {a: sum(found.get(i, 0) for i in numbers) for a, numbers in of.items()}
        outcome = Outcome([])
        if counts["update"] or counts["delete"]:
            matched = [c for c in s.clauses if c.kind == "matched"]
            # Deleting a row twice is no contradiction (but it must not be twice in the change data).
            only_delete = [(c.action, c.condition) for c in matched] == [("delete", None)] and not feed
            outcome = delete_positions(
                session, w.snapshot, source, affected, merged.file, merged.row, unique=not only_delete
            )
            if only_delete:
                counts["delete"] = outcome.deleted - counts["update"]
        if counts["update"] or counts["insert"]:
            where = (merged.clause, of["update"] + of["insert"])
            _write(w, affected, outcome, merged.rows.columns, merged.rows.checks, where)
        if feed and outcome.actions:
            new, clause = merged.rows.columns, merged.clause
            changes = [
                Change("insert", new, (clause, of["insert"])),
                Change("delete", merged.old, (clause, of["delete"])),
                Change("update_preimage", merged.old, (clause, of["update"])),
                Change("update_postimage", new, (clause, of["update"])),
            ]
            change_feed.record(session, w.snapshot, affected, changes, outcome)
    if outcome.actions or w.changes:
        metrics = _merge_metrics(outcome, counts)
        # Rows that match no source row matter only to clauses for them.
        by_source = any(c.kind == "by_source" for c in s.clauses)
        reads = WHOLE_TABLE if by_source else reads_of_target(w, merged.rows.plan, merged.condition)
        commit_or_undo(w, outcome.actions, "MERGE", _merge_parameters(s), reads, metrics, outcome.discard)
    return affected_rows(
        num_affected_rows=sum(counts.values()),
        num_updated_rows=counts["update"],
        num_deleted_rows=counts["delete"],
        num_inserted_rows=counts["insert"],
    )


def _merge_metrics(outcome: Outcome, counts: dict[str, int]) -> dict[str, int]:
    return {
        "numTargetRowsInserted": counts["insert"],
        "numTargetRowsUpdated": counts["update"],
        "numTargetRowsDeleted": counts["delete"],
        "numTargetRowsCopied": outcome.copied,
        "numTargetFilesAdded": len(outcome.files),
        "numTargetFilesRemoved": outcome.removed_files,
        "numTargetDeletionVectorsAdded": outcome.vectors,
        "numOutputRows": counts["insert"] + counts["update"] + outcome.copied,
    }


def _merge_parameters(s: Merge) -> dict[str, Any]:
    names = {
        "matched": "matchedPredicates",
        "not_matched": "notMatchedPredicates",
        "by_source": "notMatchedBySourcePredicates",
    }
    found: dict[str, Any] = {"predicate": json.dumps([s.condition_text])}
    for kind, name in names.items():
        clauses = [
            {"actionType": c.action} | ({"predicate": c.condition_text} if c.condition_text else {})
            for c in s.clauses
            if c.kind == kind
        ]
        found[name] = json.dumps(clauses, separators=(",", ":"))
    return found
