"""OPTIMIZE and REORG TABLE: the same rows in other files, as one commit that changes no data.

- Small files of a partition are packed into bins of about the target size; each bin becomes one file.
- Files of which more than 5 % of the rows are deleted are rewritten (all with deleted rows by REORG ... PURGE).
- ZORDER BY (and, on a clustered table, its clustering columns) sorts the rows of each partition along a Z-order curve
  over the columns' ranks, so that files hold narrow ranges of each of them.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlshell import relations
from sqlshell.commands import delta_write
from sqlshell.commands.dml import retried
from sqlshell.commands.table_schema import CLUSTERING, translated
from sqlshell.errors import AnalysisError, did_you_mean
from sqlshell.expr.expr import Column, Literal, substitute
from sqlshell.parser.parse import parse_statement
from sqlshell.parser.statement import Query
from sqlshell.plan.bind import Binder
from sqlshell.plan.bind_site import Cte, Env, Site
from sqlshell.plan.coerce import cast_explicitly
from sqlshell.plan.context import BoundQuery
from sqlshell.plan.logical import Plan, Scan, fresh_id
from sqlshell.plan.scope import Entry, Scope
from sqlshell.records import dataclass, replace
from sqlshell.result import Result
from sqlshell.statement_context import StatementContext
from sqlshell.storage.delta.commit import commit
from sqlshell.storage.delta.source import absolute_path, source_of, stats_index
from sqlshell.types import BIGINT, DOUBLE, STRING, Field, Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlshell.parser.statement_maintenance import Optimize
    from sqlshell.session import Session
    from sqlshell.storage.delta.actions import Action, Add
    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.delta.table import DeltaTable
    from sqlshell.storage.write_spec import FileWritten

TARGET_BYTES = 128 << 20
"""Files from three quarters of this size on are big enough."""
DELETED_ABOVE = 0.05
"""Delta's `maxDeletedRowsRatio`: from this share of deleted rows on a file is rewritten."""
JOB_BYTES = 1 << 30
"""Bins of so many bytes are rewritten by one query."""
RANK_BITS = 10
INPUT = "__rows"

_SIZES = Struct(
    (
        *tuple(Field(n, BIGINT) for n in ("min", "max")),
        Field("avg", DOUBLE),
        Field("totalFiles", BIGINT),
        Field("totalSize", BIGINT),
    )
)
_COUNTS = ("numFilesAdded", "numFilesRemoved")
_MORE = ("partitionsOptimized", "totalConsideredFiles", "totalFilesSkipped", "numDeletionVectorsRemoved")
METRICS = Struct(
    (
        *tuple(Field(n, BIGINT) for n in _COUNTS),
        Field("filesAdded", _SIZES),
        Field("filesRemoved", _SIZES),
        *tuple(Field(n, BIGINT) for n in _MORE),
    )
)


@dataclass(frozen=True)
class Job:
    """Files rewritten by one query: at most one bin of each partition, or a Z-ordered partition."""

    adds: tuple[Add, ...]


def optimize(session: Session, s: Optimize) -> Result:
    """OPTIMIZE t [WHERE partitions] [ZORDER BY (columns)], REORG TABLE t APPLY (PURGE)."""
    return retried(lambda: _optimize(session, s))


def _optimize(session: Session, s: Optimize) -> Result:
    target = relations.target(session, s.name, s.name_span, what="OPTIMIZE")
    context = StatementContext(session)
    snapshot = context.pin(target.table)
    binder = Binder(context)
    binder.text = s.text
    order = _order(snapshot, s)
    considered = _chosen(session, binder, snapshot, s)
    size = delta_write.size_bytes(snapshot.setting("delta.targetFileSize")) or TARGET_BYTES
    if order and not s.purge:
        clustered = CLUSTERING in snapshot.domains
        adds = [a for a in considered if s.full or not clustered or a.clustering_provider != "sqlshell"]
        jobs = [Job(tuple(group)) for group in _partitions(adds).values()]
    else:
        order = ()
        jobs = _jobs([b for p in _partitions(considered).values() for b in _bins(snapshot, p, size, s.purge)])
    removed: list[Add] = []
    added: list[Add] = []
    written: list[FileWritten] = []
    try:
        for job in jobs:
            files = _rewrite(session, binder, snapshot, job, order, size)
            written += files
            spec = delta_write.write_spec(session, snapshot.location, snapshot.schema, snapshot.metadata)
            added += delta_write.adds(files, spec, data_change=False)
            removed += job.adds
        if order and CLUSTERING in snapshot.domains:
            added = [replace(a, clustering_provider="sqlshell") for a in added]
    except BaseException:
        delta_write.discard(snapshot.location, written)
        raise
    if removed:
        undo = partial(delta_write.discard, snapshot.location, written)
        _commit(target.table, snapshot, removed, added, s, undo)
    partitions = len(_partitions(removed))
    vectors = sum(a.deletion_vector is not None for a in removed)
    row = (
        len(added), len(removed), _sizes(added), _sizes(removed),
        partitions, len(considered), len(considered) - len(removed), vectors,
    )  # fmt: skip
    names = [f.name for f in METRICS.fields]
    fields = [Field("path", STRING, False), Field("metrics", METRICS, False)]
    return Result(fields, [(target.table.location, dict(zip(names, row, strict=True)))])


def _commit(
    table: DeltaTable,
    snapshot: Snapshot,
    removed: list[Add],
    added: list[Add],
    s: Optimize,
    undo: Callable[[], None],
) -> None:
    now = time.time_ns() // 1_000_000
    actions: list[Action] = [a.removed(now, data_change=False) for a in removed]
    actions += added
    predicate = json.dumps([s.condition_text] if s.condition is not None else [])
    parameters = {"predicate": predicate, "zOrderBy": json.dumps([".".join(n) for n in s.zorder_by])}
    if s.purge:
        parameters = {"predicate": predicate, "applyPurge": "true"}
    sizes = sorted(a.size for a in added) or [0]
    metrics = {
        "numRemovedFiles": len(removed),
        "numRemovedBytes": sum(a.size for a in removed),
        "numAddedFiles": len(added),
        "numAddedBytes": sum(sizes),
        "minFileSize": sizes[0],
        "p25FileSize": sizes[len(sizes) // 4],
        "p50FileSize": sizes[len(sizes) // 2],
        "p75FileSize": sizes[len(sizes) * 3 // 4],
        "maxFileSize": sizes[-1],
        "numDeletionVectorsRemoved": sum(a.deletion_vector is not None for a in removed),
    }
    operation = "REORG" if s.purge else "OPTIMIZE"
    commit(table, snapshot, actions, operation, parameters, metrics=metrics, undo=undo)


def _sizes(adds: list[Add]) -> dict[str, Any]:
    sizes = [a.size for a in adds]
    count = len(sizes)
    return {
        "min": min(sizes, default=None),
        "max": max(sizes, default=None),
        "avg": sum(sizes) / count if count else 0.0,
        "totalFiles": count,
        "totalSize": sum(sizes),
    }


# -- which files


def _order(snapshot: Snapshot, s: Optimize) -> tuple[str, ...]:
    """The columns to order by, as SQL."""
    schema = snapshot.schema
    if CLUSTERING in snapshot.domains:
        if s.zorder_by:
            raise AnalysisError(
                "the table is clustered (CLUSTER BY): OPTIMIZE orders it by those columns, not by ZORDER BY",
                condition="DELTA_CLUSTERING_WITH_ZORDER_BY",
                span=s.name_span,
            )
        body = json.loads(snapshot.domains[CLUSTERING].configuration)
        paths = [translated(schema, tuple(p), to_physical=False) for p in body["clusteringColumns"]]
        return tuple(".".join(f"`{part}`" for part in p) for p in paths)
    names = {f.name.lower(): f.name for f in schema.fields}
    partitions = {p.lower() for p in snapshot.partition_columns}
    for path in s.zorder_by:
        if path[0].lower() not in names:
            raise AnalysisError(
                f"ZORDER BY: the table has no column `{'.'.join(path)}`",
                condition="DELTA_ZORDERING_COLUMN_DOES_NOT_EXIST",
                span=s.name_span,
                hint=did_you_mean(path[0], names),
            )
        if path[0].lower() in partitions:
            raise AnalysisError(
                f"ZORDER BY: `{path[0]}` is a partition column: it is the same in all rows of a file",
                condition="DELTA_ZORDERING_ON_PARTITION_COLUMN",
                span=s.name_span,
            )
    return tuple(".".join(f"`{part}`" for part in p) for p in s.zorder_by)


def _chosen(session: Session, binder: Binder, snapshot: Snapshot, s: Optimize) -> list[Add]:
    """The files of the partitions that fulfil WHERE."""
    adds = list(snapshot.files())
    if s.condition is None:
        return adds
    partitions = {p.lower() for p in snapshot.partition_columns}
    fields = [f for f in snapshot.schema.fields if f.name.lower() in partitions]
    columns = [Column(fresh_id(), f.name, f.type, f.nullable) for f in snapshot.schema.fields]
    entries = tuple(Entry(c.name, c) for c in columns)
    predicate = binder.predicate(s.condition, Site(Scope(entries), Env(), "WHERE"), "WHERE")
    by_name = {c.name: c for c in columns}
    used = {n.name for n in predicate.walk() if isinstance(n, Column)} - {f.name for f in fields}
    if used:
        raise AnalysisError(
            f"WHERE may only use partition columns here, not {', '.join(sorted(used))}",
            condition="DELTA_NON_PARTITION_COLUMN_REFERENCE",
            span=s.name_span,
            hint=f"partition columns: {', '.join(f.name for f in fields) or 'none'}",
        )
    groups = _partitions(adds)
    tests = []
    for group in groups.values():
        values = dict(group[0].partition_values)
        constants = {
            by_name[f.name].id: cast_explicitly(Literal(values.get(f.physical_name) or None, STRING), f.type)
            for f in fields
        }
        tests.append(substitute(predicate, constants))
    answers = session.evaluate(tests)
    return [a for g, held in zip(groups.values(), answers, strict=True) if held.value is True for a in g]


def _partitions(adds: Iterable[Add]) -> dict[Any, list[Add]]:
    groups: dict[Any, list[Add]] = {}
    for a in adds:
        groups.setdefault(tuple(sorted(a.partition_values)), []).append(a)
    return groups


def _bins(snapshot: Snapshot, adds: list[Add], size: int, purge: bool) -> list[list[Add]]:
    """Groups of one partition's files that are worth rewriting as one file each."""
    deleted = {a.key for a in adds if _deleted_share(snapshot, a) > (0 if purge else DELETED_ABOVE)}
    small = [] if purge else [a for a in adds if a.size < size * 3 // 4 and a.key not in deleted]
    bins: list[list[Add]] = []
    room = 0
    for a in sorted([*small, *(a for a in adds if a.key in deleted)], key=lambda a: a.size):
        if not bins or a.size > room:
            bins.append([])
            room = size
        bins[-1].append(a)
        room -= a.size
    return [b for b in bins if len(b) > 1 or b[0].key in deleted]


def _deleted_share(snapshot: Snapshot, add: Add) -> float:
    if add.deletion_vector is None:
        return 0.0
    if "row counts" not in snapshot.derived:
        index = stats_index(snapshot)
        snapshot.derived["row counts"] = {a.key: n for a, n in zip(snapshot.files(), index.rows, strict=True)}
    rows = snapshot.derived["row counts"][add.key]
    return 1.0 if not rows else add.deletion_vector.cardinality / rows


def _jobs(bins: list[list[Add]]) -> list[Job]:
    """Bins together, where they are of different partitions and not too big together."""
    open_jobs: list[tuple[set[Any], list[Add], int]] = []
    for b in sorted(bins, key=lambda b: -sum(a.size for a in b)):
        key = tuple(sorted(b[0].partition_values))
        size = sum(a.size for a in b)
        for i, (keys, adds, total) in enumerate(open_jobs):
            if key not in keys and total + size <= JOB_BYTES:
                open_jobs[i] = (keys | {key}, [*adds, *b], total + size)
                break
        else:
            open_jobs.append(({key}, list(b), size))
    return [Job(tuple(adds)) for _, adds, _ in open_jobs]


# -- the rows again


def _rewrite(
    session: Session, binder: Binder, snapshot: Snapshot, job: Job, order: tuple[str, ...], size: int
) -> list[FileWritten]:
    source = source_of(snapshot, f"delta.`{snapshot.location}`")
    wanted = {absolute_path(snapshot.location, a.path) for a in job.adds}
    source = replace(source, files=tuple(f for f in source.files if f.path in wanted))
    fields = source.schema.fields
    columns = tuple(Column(fresh_id(), f.name, f.type, f.nullable) for f in fields)
    plan: Plan = Scan(source, columns, tuple(f.name for f in fields))
    spec = delta_write.write_spec(session, snapshot.location, snapshot.schema, snapshot.metadata)
    if order:
        plan = _ordered(binder, plan, tuple(f.name for f in fields), order)
        if source.rows:
            count = -(-source.size // size)
            spec = replace(spec, file_rows=-(-source.rows // count))
    else:
        spec = replace(spec, file_bytes=64 * size)  # a bin is one file
    return delta_write.run_write(session, plan, (), spec)


def _ordered(binder: Binder, plan: Plan, names: tuple[str, ...], order: tuple[str, ...]) -> Plan:
    """The rows along the Z-order curve over the ranks of the columns."""
    listed = ", ".join(f"`{n.replace('`', '``')}`" for n in names)
    ranks = ", ".join(
        f"ntile({1 << RANK_BITS}) OVER (ORDER BY {c}) - 1 AS `__z{i}`" for i, c in enumerate(order)
    )
    count = len(order)
    bits = " | ".join(
        f"shiftleft(CAST(shiftright(`__z{i}`, {bit}) & 1 AS BIGINT), {bit * count + i})"
        for bit in range(RANK_BITS)
        for i in range(count)
    )
    text = f"SELECT {listed} FROM (SELECT *, {ranks} FROM {INPUT}) ORDER BY {bits if count > 1 else order[0]}"
    query = parse_statement(text)
    assert isinstance(query, Query)
    outer, binder.text = binder.text, text
    try:
        bound = binder.query(query.ast, Env(ctes={INPUT: Cte(INPUT, BoundQuery(plan, names))}))
    finally:
        binder.text = outer
    return bound.plan
