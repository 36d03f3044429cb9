"""Rows on their way into a table: store assignment, defaults, identity and generated columns, and the checks.

    values the statement gives      cast by ANSI store assignment; char(n) padded, varchar(n) kept to its length
    columns it leaves out           their default, the next identity number, else NULL
    generated columns               computed when left out, else checked to be what they would be
    checks (plan/logical_write)     NOT NULL, at any struct depth; CHECK constraints; char/varchar lengths

Expressions that the table stores are bound over the finished columns, whatever the statement calls them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, Error
from sqlshell.expr.expr import (
    AggCall,
    Case,
    Cast,
    Column,
    Expr,
    Frame,
    GetField,
    Literal,
    Or,
    When,
    WindowCall,
)
from sqlshell.plan.bind_site import Env, Site
from sqlshell.plan.call import make_call
from sqlshell.plan.coerce import cast_to, store_assign
from sqlshell.plan.logical import Named, Plan, Project, Window, named, passthrough
from sqlshell.plan.logical_write import Check
from sqlshell.plan.scope import Entry, Scope, get_field
from sqlshell.records import dataclass, replace
from sqlshell.types import BIGINT, BOOLEAN, INT, STRING, String, Struct

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.plan.bind import Binder
    from sqlshell.storage.delta.schema import TableField, TableSchema

DEFAULT = "CURRENT_DEFAULT"
GENERATED = "delta.generationExpression"
IDENTITY_START, IDENTITY_STEP = "delta.identity.start", "delta.identity.step"
IDENTITY_MARK = "delta.identity.highWaterMark"
IDENTITY_EXPLICIT = "delta.identity.allowExplicitInsert"
CONSTRAINT = "delta.constraints."
INVARIANTS = "delta.invariants"


@dataclass(frozen=True)
class StoredRows:
    """Rows ready to be written: the plan (its output is `kept`, then the table's columns), and what to check."""

    plan: Plan
    columns: tuple[Column, ...]
    checks: tuple[Check, ...]


def is_identity(f: TableField) -> bool:
    """GENERATED ... AS IDENTITY."""
    return IDENTITY_STEP in f.metadata


def check_identity(f: TableField, span: Span | None, *, update: bool = False) -> None:
    """Refuse a value for a column that only the table numbers."""
    if is_identity(f) and update:
        raise AnalysisError(
            f"the identity column `{f.name}` cannot be updated",
            condition="DELTA_IDENTITY_COLUMNS_UPDATE_NOT_SUPPORTED",
            span=span,
        )
    if is_identity(f) and not f.metadata.get(IDENTITY_EXPLICIT):
        raise AnalysisError(
            f"the column `{f.name}` is GENERATED ALWAYS AS IDENTITY: it takes no values",
            condition="DELTA_IDENTITY_COLUMNS_EXPLICIT_INSERT_NOT_SUPPORTED",
            span=span,
            hint="name the other columns: INSERT (a, b) ...",
        )


def assign(value: Expr, f: TableField, span: Span | None = None) -> Expr:
    """A value as the column stores it (ANSI store assignment)."""
    target = f.type
    if isinstance(target, String) and target.length is not None:
        return _sized(store_assign(value, STRING, column=f.name, span=span), target)
    stored = store_assign(value, target, column=f.name, span=span)
    if isinstance(stored, Cast) and stored is not value:
        return replace(stored, stored=f.name)
    return stored


def _sized(value: Expr, t: String) -> Expr:
    """char(n) is padded; what only has too many spaces at its end is cut; the rest is left for the check to refuse."""
    assert t.length is not None
    limit = Literal(t.length, INT)
    fits = make_call("<=", [make_call("char_length", [value]), limit])
    trimmed = make_call("<=", [make_call("char_length", [make_call("rtrim", [value])]), limit])
    whole = make_call("rpad", [value, limit, Literal(" ", STRING)]) if t.fixed else value
    cut = make_call("left", [value, limit])
    return Case((When(fits, whole), When(trimmed, cut)), value, STRING)


def default_of(b: Binder, f: TableField) -> Expr:
    """The column's DEFAULT as it is stored; NULL when it has none."""
    text = f.metadata.get(DEFAULT)
    if not text:
        return Literal(None, f.type if not isinstance(f.type, String) else STRING)
    return assign(stored_expr(b, str(text), (), f"the default of `{f.name}`"), f)


def stored_expr(b: Binder, text: str, entries: tuple[Entry, ...], what: str) -> Expr:
    """An expression that the table keeps as text, over the given columns."""
    try:
        node = b.ctx.parse_query(f"SELECT {text}", "spark").expressions[0]
        return b.expr(node, Site(Scope(entries), Env(), what))
    except Error as e:
        e.message, e.span = f"{what} ({text}): {e.message}", None
        e.args = (e.message,)
        raise


def complete(
    b: Binder,
    plan: Plan,
    given: dict[int, Expr],
    schema: TableSchema,
    properties: dict[str, str],
    kept: tuple[Column, ...] = (),
) -> StoredRows:
    """Rows with every column of the table. `given[i]` is column i's value, stored as `assign` says; `kept` columns
    of the plan stay in front."""
    fields = schema.fields
    items: dict[int, Named] = {}
    later: dict[int, TableField] = {}
    for i, f in enumerate(fields):
        if i in given:
            items[i] = named(f.name, given[i])
        elif is_identity(f):
            plan, number = identity_numbers(plan, f)
            items[i] = named(f.name, number)
        elif GENERATED in f.metadata:
            later[i] = f
        else:
            items[i] = named(f.name, default_of(b, f))
    plan = Project(plan, tuple(passthrough(c) for c in kept) + tuple(items.values()))
    columns = {i: n.column for i, n in items.items()}
    if later:
        entries = _entries(fields, columns)
        extra: dict[int, Named] = {}
        for i, f in later.items():
            value = stored_expr(b, f.metadata[GENERATED], entries, f"the generated column `{f.name}`")
            extra[i] = named(f.name, assign(value, f))
        columns |= {i: n.column for i, n in extra.items()}
        out = [extra[i] if i in extra else passthrough(columns[i]) for i in range(len(fields))]
        plan = Project(plan, tuple(passthrough(c) for c in kept) + tuple(out))
    ordered = tuple(columns[i] for i in range(len(fields)))
    checks = checks_of(b, schema, properties, ordered, frozenset(given))
    return StoredRows(plan, ordered, checks)


def _entries(fields: tuple[TableField, ...], columns: dict[int, Column]) -> tuple[Entry, ...]:
    return tuple(Entry(fields[i].name, c) for i, c in sorted(columns.items()))


def identity_numbers(plan: Plan, f: TableField) -> tuple[Plan, Expr]:
    """The plan with the rows numbered, and the next identity values."""
    step = int(f.metadata[IDENTITY_STEP])
    mark = f.metadata.get(IDENTITY_MARK)
    first = int(f.metadata[IDENTITY_START]) if mark is None else int(mark) + step
    call = AggCall("row_number", (), INT, nullable=False)
    number = named("number", WindowCall(call, (), (), Frame("rows", None, 0)))
    plan = Window(plan, (number,))
    position = cast_to(number.column, BIGINT)
    ahead = make_call("-", [position, Literal(1, BIGINT)])
    moved = make_call("*", [ahead, Literal(step, BIGINT)])
    return plan, assign(make_call("+", [moved, Literal(first, BIGINT)]), f)


# -- checks


def checks_of(
    b: Binder,
    schema: TableSchema,
    properties: dict[str, str],
    columns: tuple[Column, ...],
    given: frozenset[int],
) -> tuple[Check, ...]:
    """Everything that a row of the table must fulfil. `given` columns came from the statement."""
    found: list[Check] = []
    for f, c in zip(schema.fields, columns, strict=True):
        found += _not_null(f.name, c, f.type, nullable=f.nullable)
        if isinstance(f.type, String) and f.type.length is not None:
            fits = make_call("<=", [make_call("char_length", [c]), Literal(f.type.length, INT)])
            either = Or((make_call("isnull", [c]), fits))
            found.append(Check(either, "EXCEED_LIMIT_LENGTH", (str(f.type.length), f.name)))
    entries = _entries(schema.fields, dict(enumerate(columns)))
    for i, f in enumerate(schema.fields):
        if GENERATED in f.metadata and i in given:
            text = f.metadata[GENERATED]
            value = assign(stored_expr(b, text, entries, f"the generated column `{f.name}`"), f)
            same = make_call("<=>", [columns[i], value])
            found.append(_check(same, "Generated Column", f"{f.name} <=> {text}", entries))
    for name, text in constraints(schema, properties):
        predicate = stored_expr(b, text, entries, f"the constraint `{name}`")
        found.append(_check(cast_to(predicate, BOOLEAN), name, text, entries))
    return tuple(found)


def constraints(schema: TableSchema, properties: dict[str, str]) -> list[tuple[str, str]]:
    """(name, text) of CHECK constraints and of the columns' invariants of old tables."""
    found = [(k[len(CONSTRAINT) :], v) for k, v in properties.items() if k.lower().startswith(CONSTRAINT)]
    invariants = [(f.name, f.metadata[INVARIANTS]) for f in schema.fields if INVARIANTS in f.metadata]
    return found + [(n, json.loads(t)["expression"]["expression"]) for n, t in invariants]


def _check(predicate: Expr, name: str, text: str, entries: tuple[Entry, ...]) -> Check:
    used = {n.id for n in predicate.walk() if isinstance(n, Column)}
    shown = tuple(replace(e.column, name=e.name) for e in entries if e.column.id in used)
    return Check(predicate, "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES", (name, text), shown)


def _not_null(name: str, value: Expr, t: Any, *, nullable: bool) -> list[Check]:
    """NOT NULL of a column, and of the fields of structs below it (where the struct itself is there)."""
    found = []
    if not nullable:
        found.append(Check(make_call("isnotnull", [value]), "DELTA_NOT_NULL_CONSTRAINT_VIOLATED", (name,)))
    if isinstance(t, Struct):
        for f in t.fields:
            inner = get_field(value, f.name, None)
            for check in _not_null(f"{name}.{f.name}", inner, f.type, nullable=f.nullable):
                guarded = Or((make_call("isnull", [value]), check.predicate))
                found.append(replace(check, predicate=guarded))
    return found


def set_field(value: Expr, path: tuple[str, ...], new: Expr, f: TableField, span: Span | None) -> Expr:
    """A struct with the field at `path` replaced; the other fields as they are."""
    t = value.type
    if not isinstance(t, Struct) or t.index(path[0]) is None:
        raise AnalysisError(
            f"`{f.name}` has no field `{path[0]}` to set", condition="FIELD_NOT_FOUND", span=span
        )
    parts: list[Expr] = []
    for field in t.fields:
        old: Expr = GetField(value, field.name, field.type, True)
        if field.name.lower() == path[0].lower():
            old = (
                set_field(old, path[1:], new, f, span)
                if len(path) > 1
                else store_assign(new, field.type, column=f"{f.name}.{field.name}", span=span)
            )
        parts += [Literal(field.name, STRING), old]
    made = make_call("named_struct", parts)
    return made if made.type == t else cast_to(made, t)
