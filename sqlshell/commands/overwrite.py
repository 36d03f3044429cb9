"""INSERT that replaces rows: OVERWRITE (static, dynamic, PARTITION), REPLACE WHERE and REPLACE USING, as one commit.

INSERT OVERWRITE t                          every file goes; in dynamic mode those of the partitions written to
INSERT OVERWRITE t PARTITION (p = 1)        REPLACE WHERE p <=> 1
INSERT INTO t REPLACE WHERE condition       rows that fulfil it go, and every new row must fulfil it
INSERT INTO t REPLACE USING (a, b)          rows go whose (a, b) a new row has
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlshell.commands import change_feed, delta_write
from sqlshell.commands.changes import Affected, Outcome, delete_positions, write_new_rows
from sqlshell.commands.dml import (
    Writing,
    add_files,
    affected_rows,
    begin_insert,
    commit_or_undo,
    partition_names,
)
from sqlshell.errors import AnalysisError, NotSupportedError, did_you_mean
from sqlshell.expr.expr import Column, Expr, conjoin
from sqlshell.plan.bind_dml import TargetRows, target_rows
from sqlshell.plan.bind_insert import bind_insert
from sqlshell.plan.bind_site import Env, Site
from sqlshell.plan.call import make_call
from sqlshell.plan.logical import Filter, Join, Plan, Project, Scan, fresh_id, passthrough
from sqlshell.plan.logical_write import Check
from sqlshell.plan.scope import Entry, Scope
from sqlshell.records import replace
from sqlshell.storage.delta.conflicts import WHOLE_TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.parser.statement_dml import Insert
    from sqlshell.plan.bind_store import StoredRows
    from sqlshell.result import Result
    from sqlshell.session import Session
    from sqlshell.storage.delta.actions import Add


def overwrite(session: Session, s: Insert) -> Result:
    """One attempt."""
    w = begin_insert(session, s)
    _, rows = bind_insert(w.binder, s, w.schema, w.properties)
    parameters = {"mode": "Overwrite", "partitionBy": partition_names(w.snapshot)}
    if s.mode == "replace_using":
        outcome, inserted = _replace_using(w, s, rows)
        parameters["replaceUsing"] = ",".join(s.using)
    elif s.mode == "replace_where" or (s.partition and any(v is not None for _, v in s.partition)):
        if s.if_not_exists and _holds_rows(w, s):
            return affected_rows(num_affected_rows=0, num_inserted_rows=0)
        outcome, inserted = _replace_where(w, s, rows)
        parameters["predicate"] = s.condition_text or _partition_text(s)
    else:
        outcome, inserted = _replace_files(w, rows)
    if change_feed.is_on(w.snapshot) and (outcome.vectors or outcome.rewritten):
        outcome.discard()
        raise NotSupportedError(
            "replacing some rows of a file is not supported in a table with a change data feed",
            span=s.target.span,
            hint="DELETE the rows, then INSERT the new ones",
        )
    metrics = delta_write.metrics_of(list(outcome.files)) | {"numRemovedFiles": outcome.removed_files}
    metrics["numOutputRows"] = inserted
    if outcome.actions or w.changes:
        commit_or_undo(w, outcome.actions, "WRITE", parameters, WHOLE_TABLE, metrics, outcome.discard)
    return affected_rows(num_affected_rows=inserted, num_inserted_rows=inserted)


def _written(w: Writing, rows: StoredRows, outcome: Outcome) -> int:
    spec = delta_write.write_spec(w.session, w.snapshot.location, w.schema, w.snapshot.metadata)
    try:
        files = delta_write.write_rows(w.session, rows, spec)
    except BaseException:
        outcome.discard()
        raise
    return add_files(w, files, outcome)


def _replace_files(w: Writing, rows: StoredRows) -> tuple[Outcome, int]:
    """All files go, or those of the partitions that get new ones."""
    outcome = Outcome([])
    inserted = _written(w, rows, outcome)
    gone: Sequence[Add] = w.snapshot.files()
    dynamic = w.session.settings.get("sqlshell.write.partitionOverwriteMode") == "dynamic"
    if dynamic and w.snapshot.partition_columns:
        touched = {f.partition for f in outcome.files}
        gone = tuple(a for a in gone if _partition_of(w, a) in touched)
    now = time.time_ns() // 1_000_000
    outcome.actions[:0] = [a.removed(now) for a in gone]
    outcome.removed_files = len(gone)
    return outcome, inserted


def _partition_of(w: Writing, add: Add) -> tuple[str | None, ...]:
    """A file's partition values in the order that writes use; the empty text is NULL."""
    spec = delta_write.write_spec(w.session, w.snapshot.location, w.schema, w.snapshot.metadata)
    values = dict(add.partition_values)
    return tuple(values.get(spec.columns[i].name) or None for i in spec.partition_by)


def _replace_where(w: Writing, s: Insert, rows: StoredRows) -> tuple[Outcome, int]:
    target = target_rows(w.source(), s.target)
    plan = Filter(target.plan, _condition(w, s, target.scope()))
    entries = tuple(Entry(f.name, c) for f, c in zip(w.schema.fields, rows.columns, strict=True))
    if s.condition is not None:
        text = s.condition_text
        predicate = _condition(w, s, Scope(entries))
        used = {n.id for n in predicate.walk() if isinstance(n, Column)}
        shown = tuple(replace(e.column, name=e.name) for e in entries if e.column.id in used)
        check = Check(predicate, "DELTA_REPLACE_WHERE_MISMATCH", (text,), shown)
        rows = replace(rows, checks=(*rows.checks, check))
    outcome = _deleted(w, plan, target)
    return outcome, _written(w, rows, outcome)


def _condition(w: Writing, s: Insert, scope: Scope) -> Expr:
    site = Site(scope, Env(), "WHERE")
    if s.condition is not None:
        return w.binder.predicate(s.condition, site, "WHERE")
    parts = []
    for name, value in s.partition:
        if value is not None:
            column = scope.find((name,), s.target.span)
            assert column is not None
            constant = w.binder.constant(value, Site(Scope(), Env(), "PARTITION"), "PARTITION")
            parts.append(make_call("<=>", [column, constant]))
    return conjoin(parts)


def _partition_text(s: Insert) -> str:
    return " AND ".join(f"{name} = {value.sql('spark')}" for name, value in s.partition if value is not None)


def _deleted(w: Writing, plan: Plan, target: TargetRows) -> Outcome:
    """What removing the plan's rows of the target means."""
    plan = Project(plan, (passthrough(target.file), passthrough(target.row)))
    with Affected(w.session, plan) as affected:
        if affected.rows == 0:
            return Outcome([])
        return delete_positions(w.session, w.snapshot, w.source(), affected, target.file, target.row)


def _holds_rows(w: Writing, s: Insert) -> bool:
    target = target_rows(w.source(), s.target)
    plan = Project(Filter(target.plan, _condition(w, s, target.scope())), (passthrough(target.row),))
    with Affected(w.session, plan) as affected:
        return affected.rows > 0


def _replace_using(w: Writing, s: Insert, rows: StoredRows) -> tuple[Outcome, int]:
    """The new rows are computed once, kept, matched with the table, and then written."""
    at = [_using(w, s, name) for name in s.using]
    target = target_rows(w.source(), s.target)
    plan = rows.plan
    if plan.output != rows.columns:
        plan = Project(plan, tuple(passthrough(c) for c in rows.columns))
    with Affected(w.session, plan) as new:
        again: Scan = new.scan()
        copies = tuple(replace(c, id=fresh_id()) for c in again.columns)
        again = replace(again, columns=copies)
        pairs = [make_call("<=>", [target.columns[i], copies[i]]) for i in at]
        matching = Join(target.plan, again, "semi", conjoin(pairs))
        outcome = _deleted(w, matching, target)
        try:
            files = write_new_rows(w.session, w.snapshot, new, rows.columns, rows.checks)
        except BaseException:
            outcome.discard()
            raise
        return outcome, add_files(w, files, outcome)


def _using(w: Writing, s: Insert, name: str) -> int:
    names = [f.name.lower() for f in w.schema.fields]
    if name.lower() not in names:
        raise AnalysisError(
            f"the table {w.name} has no column `{name}`",
            condition="UNRESOLVED_COLUMN.WITH_SUGGESTION",
            span=s.target.span,
            hint=did_you_mean(name, names),
        )
    return names.index(name.lower())
