"""DELETE, UPDATE and MERGE as queries: which rows of the target, by file and position, and what replaces them.

    DELETE    file, row
    UPDATE    file, row, the table's columns
    MERGE     clause number, file, row (NULL for an insert), the table's columns (NULL for a delete)

A row that no condition selects is in none of them. Duplicate matches of MERGE are rows that repeat file and row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError, did_you_mean
from sqlshell.expr.expr import TRUE, Case, Column, Expr, Literal, When, conjoin
from sqlshell.plan import bind_from
from sqlshell.plan.bind_insert import by_field_name, default_node, is_default
from sqlshell.plan.bind_site import Env, Site
from sqlshell.plan.bind_store import (
    GENERATED,
    StoredRows,
    assign,
    check_identity,
    complete,
    default_of,
    identity_numbers,
    is_identity,
    set_field,
)
from sqlshell.plan.call import make_call
from sqlshell.plan.logical import (
    Filter,
    Join,
    Plan,
    Project,
    Scan,
    fresh_id,
    named,
    passthrough,
)
from sqlshell.plan.scope import Entry, Scope
from sqlshell.records import dataclass, replace
from sqlshell.storage.source import FILE_PATH, ROW_INDEX
from sqlshell.types import BIGINT, BOOLEAN, INT, STRING, String, as_read, padding

if TYPE_CHECKING:
    from sqlshell.parser.statement_dml import Assignment, Delete, Merge, MergeClause, Target, Update
    from sqlshell.plan.bind import Binder
    from sqlshell.storage.delta.schema import TableField, TableSchema
    from sqlshell.storage.source import Source
    from sqlshell.types import SqlType


@dataclass(frozen=True)
class TargetRows:
    """The target's scan with the hidden columns, and its names."""

    plan: Plan
    file: Column
    row: Column
    entries: tuple[Entry, ...]
    names: frozenset[str]

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(e.column for e in self.entries)

    def scope(self) -> Scope:
        return Scope(self.entries, None, self.names)


def target_rows(source: Source, target: Target) -> TargetRows:
    """All rows of the target."""
    fields = source.schema.fields
    columns = tuple(
        Column(fresh_id(), f.name, as_read(f.type), f.nullable, padded=padding(f.type)) for f in fields
    )
    file = Column(fresh_id(), "file_path", STRING, False)
    row = Column(fresh_id(), "row_index", BIGINT, False)
    scan = Scan(source, (*columns, file, row), (*(f.name for f in fields), FILE_PATH, ROW_INDEX))
    qualifier = (target.alias,) if target.alias is not None else target.name
    lowered = tuple(p.lower() for p in qualifier)
    entries = tuple(Entry(f.name, c, lowered) for f, c in zip(fields, columns, strict=True))
    return TargetRows(scan, file, row, entries, frozenset(lowered[-1:]))


def bind_delete(b: Binder, s: Delete, source: Source, *, old: bool = False) -> tuple[Plan, Expr | None]:
    """Positions of the rows to delete (with `old`, then the rows), and the predicate over the scan's columns."""
    b.text = s.text
    rows = target_rows(source, s.target)
    predicate = None
    plan = rows.plan
    if s.condition is not None:
        predicate = b.predicate(s.condition, Site(rows.scope(), Env(), "WHERE"), "WHERE")
        plan = Filter(plan, predicate)
    kept = (rows.file, rows.row, *(rows.columns if old else ()))
    return Project(plan, tuple(passthrough(c) for c in kept)), predicate


def bind_update(
    b: Binder,
    s: Update,
    source: Source,
    schema: TableSchema,
    properties: dict[str, str],
    *,
    old: bool = False,
) -> tuple[StoredRows, Expr | None]:
    """Positions of the rows to replace (with `old`, then those rows), and the rows that replace them."""
    b.text = s.text
    rows = target_rows(source, s.target)
    site = Site(rows.scope(), Env(), "SET")
    plan = rows.plan
    predicate = None
    if s.condition is not None:
        predicate = b.predicate(s.condition, Site(rows.scope(), Env(), "WHERE"), "WHERE")
        plan = Filter(plan, predicate)
    new = assigned(b, s.assignments, site, schema, rows)
    given = {i: new.get(i, c) for i, c in enumerate(rows.columns)}
    for i, f in enumerate(schema.fields):
        if GENERATED in f.metadata and i not in new:
            del given[i]
    kept = (rows.file, rows.row, *(rows.columns if old else ()))
    return complete(b, plan, given, schema, properties, kept), predicate


def assigned(
    b: Binder, assignments: tuple[Assignment, ...], site: Site, schema: TableSchema, rows: TargetRows
) -> dict[int, Expr]:
    """The values of `SET a = e, s.f = e`, by column, as they are stored."""
    found: dict[int, Expr] = {}
    seen: list[tuple[str, ...]] = []
    for a in assignments:
        index, path = _column(a, schema, rows)
        f = schema.fields[index]
        check_identity(f, a.span, update=True)
        key = (f.name.lower(), *(p.lower() for p in path))
        if any(key[: len(o)] == o or o[: len(key)] == key for o in seen):
            raise AnalysisError(
                f"`{'.'.join(a.path)}` is set twice", condition="DELTA_CONFLICT_SET_COLUMN", span=a.span
            )
        seen.append(key)
        node = default_node(b, f) if is_default(a.value) and not path else a.value
        value = b.expr(node, site)
        if path:
            base = found.get(index, rows.columns[index])
            found[index] = set_field(base, path, value, f, a.span)
        else:
            found[index] = assign(by_field_name(value, f.type), f, a.span)
    return found


def _column(a: Assignment, schema: TableSchema, rows: TargetRows | None) -> tuple[int, tuple[str, ...]]:
    """The column an assignment names, and the path of fields below it; the table's name may stand before."""
    names = [f.name.lower() for f in schema.fields]
    path = tuple(p.lower() for p in a.path)
    if rows is not None:
        for cut in range(len(path) - 1, 0, -1):
            if rows.entries and rows.entries[0].qualified_by(path[:cut]) and path[cut] in names:
                return names.index(path[cut]), a.path[cut + 1 :]
    if path[0] in names:
        return names.index(path[0]), a.path[1:]
    raise AnalysisError(
        f"the table has no column `{'.'.join(a.path)}`",
        condition="UNRESOLVED_COLUMN.WITH_SUGGESTION",
        span=a.span,
        hint=did_you_mean(a.path[-1], names),
    )


# -- MERGE


@dataclass(frozen=True)
class MergeRows:
    """The affected rows: the plan's output is clause, file, row, `old`, then the table's columns."""

    rows: StoredRows
    clause: Column
    file: Column
    row: Column
    old: tuple[Column, ...] = ()
    """The target's row as it was, when asked for."""
    condition: Expr | None = None
    """ON, over the columns of the two scans."""


def bind_merge(
    b: Binder,
    s: Merge,
    source: Source,
    schema: TableSchema,
    properties: dict[str, str],
    *,
    old: bool = False,
) -> MergeRows:
    """The rows that MERGE changes or inserts."""
    b.text = s.text
    target = target_rows(source, s.target)
    other = bind_from.bind_from(b, s.source, Env())
    source_plan, source_scope = other
    there = named("from_source", Literal(True, BOOLEAN))
    source_plan = Project(source_plan, (*(passthrough(c) for c in source_plan.output), there))
    both = Scope(target.entries + source_scope.entries, None, target.names | source_scope.names)
    condition = b.predicate(s.condition, Site(both, Env(), "ON"), "JOIN ON")
    kinds = {c.kind for c in s.clauses}
    joined = Join(target.plan, source_plan, _join_kind(kinds), condition)
    # Either side may be missing from here on: its columns are nullable now, whatever the tables say.
    after = {c.id: c for c in joined.output}
    target = replace(
        target,
        entries=_after(target.entries, after),
        file=after[target.file.id],
        row=after[target.row.id],
    )
    source_scope = replace(source_scope, entries=_after(source_scope.entries, after))
    both = replace(both, entries=target.entries + source_scope.entries)
    merger = _Merger(b, s, schema, target, source_scope, both, after[there.column.id])
    return replace(merger.rows(joined, properties, old=old), condition=condition)


def merge_columns(b: Binder, s: Merge, schema: TableSchema) -> list[tuple[str, SqlType]]:
    """The source's columns that a MERGE WITH SCHEMA EVOLUTION stores under their own names."""
    plan, scope = bind_from.bind_from(b, s.source.copy(), Env())
    del plan
    stored = [c for c in s.clauses if c.action != "delete"]
    named_ = {a.path[-1].lower() for c in stored for a in c.assignments}
    every = any(c.star for c in stored)
    return [(e.name, e.column.type) for e in scope.entries if every or e.name.lower() in named_]


def _after(entries: tuple[Entry, ...], columns: dict[int, Column]) -> tuple[Entry, ...]:
    return tuple(
        replace(e, column=replace(e.column, nullable=columns[e.column.id].nullable)) for e in entries
    )


def _join_kind(kinds: set[str]) -> str:
    if {"not_matched", "by_source"} <= kinds:
        return "full"
    if "not_matched" in kinds:
        return "right"
    return "left" if "by_source" in kinds else "inner"


class _Merger:
    """The clauses of one MERGE over its joined rows."""

    def __init__(
        self,
        b: Binder,
        s: Merge,
        schema: TableSchema,
        target: TargetRows,
        source: Scope,
        both: Scope,
        there: Column,
    ) -> None:
        self.b = b
        self.s = s
        self.schema = schema
        self.target = target
        self.source = source
        self._bound: dict[int, dict[int, Expr]] = {}
        self.numbers: dict[int, Expr] = {}
        """The next identity values, by column. Rows that are not inserted use some up, too."""
        self.sites = {
            "matched": Site(both, Env(), "WHEN MATCHED"),
            "not_matched": Site(source, Env(), "WHEN NOT MATCHED"),
            "by_source": Site(target.scope(), Env(), "WHEN NOT MATCHED BY SOURCE"),
        }
        in_target, in_source = make_call("isnotnull", [target.file]), make_call("isnotnull", [there])
        self.held: dict[str, Expr] = {
            "matched": conjoin([in_target, in_source]),
            "not_matched": make_call("isnull", [target.file]),
            "by_source": make_call("isnull", [there]),
        }

    def rows(self, joined: Plan, properties: dict[str, str], *, old: bool) -> MergeRows:
        branches = [When(self._applies(c), Literal(i, INT)) for i, c in enumerate(self.s.clauses)]
        clause = named("clause", Case(tuple(branches), Literal(None, INT), INT))
        plan: Plan = Project(joined, (*(passthrough(c) for c in joined.output), clause))
        plan = Filter(plan, make_call("isnotnull", [clause.column]))
        for i, f in enumerate(self.schema.fields):
            if is_identity(f) and any(c.action == "insert" for c in self.s.clauses):
                plan, self.numbers[i] = identity_numbers(plan, f)
        before = self.target.columns if old else ()
        kept = (clause.column, self.target.file, self.target.row, *before)
        # A computed value may depend on a clause's condition: its CASE masks it where another clause applies.
        columns = [self._column(i, f, clause.column) for i, f in enumerate(self.schema.fields)]
        given = {i: e for i, e in enumerate(columns) if e is not None}
        fresh = tuple(named(c.name, c) for c in kept)
        plan = Project(plan, (*fresh, *(passthrough(c) for c in plan.output)))
        stored = complete(self.b, plan, given, self.schema, properties, tuple(n.column for n in fresh))
        number, file, row, *rest = (n.column for n in fresh)
        return MergeRows(stored, number, file, row, tuple(rest))

    def _applies(self, c: MergeClause) -> Expr:
        held = self.held[c.kind]
        if c.condition is None:
            return held
        predicate = self.b.predicate(c.condition, self.sites[c.kind], "WHERE")
        return held if predicate == TRUE else conjoin([held, predicate])

    def _column(self, index: int, f: TableField, clause: Column) -> Expr | None:
        """A column's new value by clause; None where `complete` makes it for every row."""
        values = [self._value(c, index, f) for c in self.s.clauses]
        if all(v is None for v in values):
            return None
        branches: list[When] = []
        otherwise: Expr = Literal(None, _stored_type(f))
        for i, v in enumerate(values):
            if v is not None:
                is_it = make_call("=", [clause, Literal(i, INT)])
                branches.append(When(is_it, v))
        return Case(tuple(branches), otherwise, _stored_type(f))

    def _value(self, c: MergeClause, index: int, f: TableField) -> Expr | None:
        if c.action == "delete":
            return None
        found = self._assigned(c)
        if index in found:
            return found[index]
        if c.action == "update" and GENERATED not in f.metadata:
            return self.target.columns[index]
        if GENERATED in f.metadata:
            return None
        return self.numbers[index] if is_identity(f) else default_of(self.b, f)

    def _assigned(self, c: MergeClause) -> dict[int, Expr]:
        at = self.s.clauses.index(c)
        if at not in self._bound:
            self._bound[at] = self._bind_assigned(c)
        return self._bound[at]

    def _bind_assigned(self, c: MergeClause) -> dict[int, Expr]:
        if c.star:
            return self._star(c)
        if c.action == "update":
            return assigned(self.b, c.assignments, self.sites[c.kind], self.schema, self.target)
        found: dict[int, Expr] = {}
        for a in c.assignments:
            index, path = _column(a, self.schema, self.target)
            f = self.schema.fields[index]
            if path or index in found:
                raise AnalysisError(
                    f"`{'.'.join(a.path)}` cannot be inserted like this: name each column once",
                    condition="DELTA_DUPLICATE_COLUMNS_ON_INSERT",
                    span=a.span,
                )
            if is_default(a.value) and (is_identity(f) or GENERATED in f.metadata):
                continue
            check_identity(f, a.span)
            node = default_node(self.b, f) if is_default(a.value) else a.value
            value = self.b.expr(node, self.sites[c.kind])
            found[index] = assign(self._fitted(value, c, index), f, a.span)
        return found

    def _star(self, c: MergeClause) -> dict[int, Expr]:
        """`*`: every column of the table from the source's column of that name."""
        found: dict[int, Expr] = {}
        for i, f in enumerate(self.schema.fields):
            value = self.source.find((f.name,), c.span)
            if value is None:
                if GENERATED in f.metadata or is_identity(f) or self.s.evolve:
                    continue
                raise AnalysisError(
                    f"{'UPDATE SET' if c.action == 'update' else 'INSERT'} * needs a column `{f.name}` in the source",
                    condition="DELTA_MERGE_UNRESOLVED_EXPRESSION",
                    span=c.span,
                    hint="write the columns out, or give them in USING",
                )
            check_identity(f, c.span, update=c.action == "update")
            found[i] = assign(self._fitted(value, c, i), f, c.span)
        return found

    def _fitted(self, value: Expr, c: MergeClause, index: int) -> Expr:
        """A value with its struct's fields in order; those it lacks stay as they are under schema evolution."""
        base = self.target.columns[index] if c.action == "update" else None
        return by_field_name(value, self.schema.fields[index].type, fill=self.s.evolve, base=base)


def _stored_type(f: TableField) -> SqlType:
    return STRING if isinstance(f.type, String) else f.type
