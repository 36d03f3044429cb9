"""INSERT: which value of the query goes to which column of the table, by position or by name."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError, NotSupportedError, did_you_mean
from sqlshell.expr.expr import Expr, Literal
from sqlshell.plan.bind_site import Env, Site
from sqlshell.plan.bind_store import (
    DEFAULT,
    GENERATED,
    StoredRows,
    assign,
    check_identity,
    complete,
    is_identity,
)
from sqlshell.plan.call import make_call
from sqlshell.plan.scope import Scope, get_field
from sqlshell.records import dataclass, replace
from sqlshell.types import STRING, Array, SqlType, Struct

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.parser.statement_dml import Insert
    from sqlshell.plan.bind import Binder
    from sqlshell.plan.context import BoundQuery
    from sqlshell.storage.delta.schema import TableField, TableSchema


@dataclass(frozen=True)
class Arrangement:
    """How the query's columns meet the table's: by name, or by position over `names` (None: all columns)."""

    by_name: bool = False
    names: tuple[str, ...] | None = None
    partition: tuple[tuple[str, Any], ...] = ()
    table: str = ""
    span: Span | None = None
    evolve: bool = False
    left: frozenset[int] = frozenset()
    """Columns that are DEFAULT in every row and that the table numbers or computes: as if they were not named."""


def arrangement(s: Insert) -> Arrangement:
    """What an INSERT says of its columns."""
    name = ".".join(s.target.name)
    return Arrangement(s.by_name, s.columns, s.partition, name, s.columns_span or s.target.span, s.evolve)


def bind_insert(
    b: Binder, s: Insert, schema: TableSchema, properties: dict[str, str]
) -> tuple[BoundQuery, StoredRows]:
    """The query of an INSERT, and the rows it stores."""
    how = arrangement(s)
    wanted = _columns(schema, how)
    how = replace(how, left=_write_defaults(b, s.query.ast, schema, wanted, how))
    bound = b.bind_query(s.query.ast, s.text)
    return bound, store_query(b, bound, schema, properties, how)


def insert_columns(b: Binder, s: Insert, schema: TableSchema) -> list[tuple[str, SqlType]]:
    """The columns that an INSERT WITH SCHEMA EVOLUTION gives, by their names in the table; it may not have them yet."""
    how = arrangement(s)
    known = {f.name.lower(): i for i, f in enumerate(schema.fields)}
    if how.by_name:
        wanted = []
    elif how.names is not None:
        wanted = [known.get(n.lower(), -1) for n in how.names]
    else:
        wanted = _columns(schema, how)
    ast = s.query.ast.copy()
    _write_defaults(b, ast, schema, wanted, how)
    bound = b.bind_query(ast, s.text)
    names = [*bound.names]
    if not how.by_name:
        given = [schema.fields[i].name for i in wanted] if how.names is None else [*how.names]
        names[: len(given)] = given[: len(names)]
    return [(n, c.type) for n, c in zip(names, bound.plan.output, strict=True)]


def store_query(
    b: Binder, bound: BoundQuery, schema: TableSchema, properties: dict[str, str], how: Arrangement
) -> StoredRows:
    """A query's rows as rows of the table."""
    given: dict[int, Expr] = {}
    for i, value in _matched(b, bound, schema, how).items():
        f = schema.fields[i]
        if i in how.left:
            continue
        check_identity(f, how.span)
        given[i] = assign(value, f, how.span)
    return complete(b, bound.plan, given, schema, properties)


def _columns(schema: TableSchema, how: Arrangement) -> list[int]:
    """Columns that take the query's values by position."""
    fixed = {name.lower() for name, value in how.partition if value is not None}
    moving = [name for name, value in how.partition if value is None]
    for name, _ in how.partition:
        _index(schema, name, how, "PARTITIONS_NOT_FOUND")
    if how.names is not None:
        found = [_index(schema, n, how) for n in how.names]
        if len(set(found)) < len(found):
            twice = next(n for n, i in zip(how.names, found, strict=True) if found.count(i) > 1)
            raise AnalysisError(
                f"the column `{twice}` is named twice", condition="COLUMN_ALREADY_EXISTS", span=how.span
            )
        return found
    named_ = {name.lower() for name, _ in how.partition}
    out = [i for i, f in enumerate(schema.fields) if f.name.lower() not in named_ | fixed]
    return out + [_index(schema, n, how) for n in moving]


def _index(
    schema: TableSchema, name: str, how: Arrangement, condition: str = "UNRESOLVED_COLUMN.WITH_SUGGESTION"
) -> int:
    for i, f in enumerate(schema.fields):
        if f.name.lower() == name.lower():
            return i
    raise AnalysisError(
        f"the table {how.table} has no column `{name}`",
        condition=condition,
        span=how.span,
        hint=did_you_mean(name, [f.name for f in schema.fields]),
    )


def _matched(b: Binder, bound: BoundQuery, schema: TableSchema, how: Arrangement) -> dict[int, Expr]:
    site = Site(Scope(), Env(), "PARTITION")
    found: dict[int, Expr] = {
        _index(schema, name, how, "PARTITIONS_NOT_FOUND"): b.constant(value, site, "PARTITION")
        for name, value in how.partition
        if value is not None
    }
    if how.by_name:
        return found | _by_name(bound, schema, how)
    wanted = _columns(schema, how)
    values = bound.plan.output
    if len(values) != len(wanted):
        raise _arity(bound, schema, wanted, how)
    return found | dict(zip(wanted, values, strict=True))


def _arity(bound: BoundQuery, schema: TableSchema, wanted: list[int], how: Arrangement) -> AnalysisError:
    few = len(bound.names) < len(wanted)
    kind = "NOT_ENOUGH" if few else "TOO_MANY"
    columns = ", ".join(f"`{schema.fields[i].name}`" for i in wanted)
    return AnalysisError(
        f"cannot write to {how.table}: the query gives {len(bound.names)} columns, {len(wanted)} are needed: {columns}",
        condition=f"INSERT_COLUMN_ARITY_MISMATCH.{kind}_DATA_COLUMNS",
        span=how.span,
        hint="name the columns that get values: INSERT INTO t (a, b) ..." if few else None,
    )


def _by_name(bound: BoundQuery, schema: TableSchema, how: Arrangement) -> dict[int, Expr]:
    have: dict[str, Expr] = {}
    for name, column in zip(bound.names, bound.plan.output, strict=True):
        if name.lower() in have:
            raise AnalysisError(
                f"the query gives the column `{name}` twice",
                condition="INCOMPATIBLE_DATA_FOR_TABLE.AMBIGUOUS_COLUMN_NAME",
                span=how.span,
            )
        have[name.lower()] = column
    known = {f.name.lower(): i for i, f in enumerate(schema.fields)}
    extra = [n for n in bound.names if n.lower() not in known]
    if extra:
        raise AnalysisError(
            f"cannot write to {how.table}: it has no columns {', '.join(f'`{n}`' for n in extra)}",
            condition="INCOMPATIBLE_DATA_FOR_TABLE.EXTRA_COLUMNS",
            span=how.span,
            hint=did_you_mean(extra[0], [f.name for f in schema.fields]),
        )
    return {
        i: by_field_name(have[n], schema.fields[i].type, fill=how.evolve)
        for n, i in known.items()
        if n in have
    }


def by_field_name(value: Expr, target: SqlType, *, fill: bool = False, base: Expr | None = None) -> Expr:
    """A struct with its fields in the target's order; other values as they are.

    With `fill` fields that it lacks are those of `base`, a value of the target's type, or NULL without one.
    """
    t = value.type
    if not isinstance(t, Struct) or not isinstance(target, Struct):
        return value
    names = [f.name.lower() for f in t.fields]
    wanted = [f.name.lower() for f in target.fields]
    same = sorted(names) == sorted(wanted) or (fill and set(names) < set(wanted))
    if not same or (names == wanted and not _nested(target)):
        return value
    parts: list[Expr] = []
    for f in target.fields:
        before = None if base is None else get_field(base, f.name, None)
        own: Expr = Literal(None, f.type) if before is None else before
        if f.name.lower() in names:
            own = by_field_name(get_field(value, f.name, None), f.type, fill=fill, base=before)
        parts += [Literal(f.name, STRING), own]
    made = make_call("named_struct", parts)
    return make_call("if", [make_call("isnull", [value]), Literal(None, made.type), made])


def _nested(t: Struct) -> bool:
    return any(isinstance(f.type, (Struct, Array)) for f in t.fields)


def _write_defaults(
    b: Binder, ast: Any, schema: TableSchema, wanted: list[int], how: Arrangement
) -> frozenset[int]:
    """DEFAULT as a whole value of VALUES or of the outermost SELECT becomes the column's default, as text.

    Gives the columns that the table makes itself and that are DEFAULT in every row.
    """
    if how.by_name or not isinstance(ast, exp.Select):
        return frozenset()
    from_ = ast.args.get("from_")
    inner = from_.this if from_ is not None else None
    if isinstance(inner, exp.Values) and isinstance(ast.expressions[0], exp.Star):
        rows = [r.expressions for r in inner.expressions if isinstance(r, exp.Tuple)]
    else:
        rows = [ast.expressions]
    made: Counter[int] = Counter()
    for row in rows:
        for i, node in enumerate(row):
            if is_default(node) and i < len(wanted) and wanted[i] >= 0:
                f = schema.fields[wanted[i]]
                made[wanted[i]] += is_identity(f) or GENERATED in f.metadata
                node.replace(default_node(b, f))
    for i, count in (+made).items():
        if count < len(rows):
            raise NotSupportedError(
                f"`{schema.fields[i].name}` is DEFAULT in some rows only", span=how.span,
                hint="insert the rows that give it a value by a statement of their own",
            )  # fmt: skip
    return frozenset(+made)


def is_default(node: Any) -> bool:
    """Whether an expression is the bare word DEFAULT."""
    if not isinstance(node, exp.Column) or len(node.parts) != 1:
        return False
    return node.name.upper() == "DEFAULT" and not node.this.args.get("quoted")


def default_node(b: Binder, f: TableField) -> Any:
    """The AST of a column's default."""
    text = f.metadata.get(DEFAULT) or "NULL"
    node = b.ctx.parse_query(f"SELECT {text}", "spark").expressions[0]
    for part in node.walk():
        part.meta.pop("start", None)  # they count in another text
        part.meta.pop("end", None)
    return node
