"""Leaves of FROM: tables, views, WITH items, files by path, VALUES, table functions."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from sqlglot import exp

from sqlshell.errors import AnalysisError, Error, NotSupportedError
from sqlshell.expr.expr import Column, Expr, Literal, SubqueryExpr, long
from sqlshell.parser.tokens import CLAUSE_MARK, PIPED_INPUT
from sqlshell.plan import bind_call, bind_from
from sqlshell.plan.bind_site import Cte, Env, Site
from sqlshell.plan.bind_util import reject_unused, span_of, text_of, unsupported
from sqlshell.plan.call import make_call, make_generator
from sqlshell.plan.coerce import can_cast, cast_explicitly, cast_to, common_type
from sqlshell.plan.context import BoundQuery, LiteralRows, TableVersion, ViewDefinition
from sqlshell.plan.file_metadata import METADATA, with_metadata
from sqlshell.plan.logical import (
    ONE_ROW,
    Generate,
    Project,
    RecursiveRef,
    Scan,
    Shared,
    Values,
    fresh_id,
    passthrough,
)
from sqlshell.plan.renew import is_deterministic, renew
from sqlshell.plan.scope import Scope
from sqlshell.records import replace
from sqlshell.storage.source import FORMATS, Source
from sqlshell.types import BIGINT, TIMESTAMP, Integral, as_read, padding

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.plan.bind import Binder
    from sqlshell.plan.bind_from import Bound
    from sqlshell.plan.context import SqlFunction
    from sqlshell.storage.source import MemorySource

SMALL_RANGE = 16
"""Ranges up to this many rows are written out as VALUES."""


def bind_table(b: Binder, node: Any, env: Env) -> Bound:
    """A named relation: a WITH item, a file by path, a table or a view."""
    reject_unused(node, ("this", "db", "catalog", "alias", "version", "joins", "sample"))
    return _named_table(b, node, env)


def _named_table(b: Binder, node: Any, env: Env) -> Bound:
    if node.name == PIPED_INPUT:
        assert env.piped is not None
        return env.piped
    alias = node.args.get("alias")
    version = _version(b, node.args.get("version"))
    parts = tuple(p.name for p in node.parts)
    if node.this.meta.get("path"):
        if version is None:
            return _source(b, _describe(b, node.name, None, {}, span_of(node)), alias, ())
        parts = ("delta", node.name)
    cte = env.ctes.get(parts[0].lower()) if len(parts) == 1 else None
    if cte is not None:
        if version is not None:
            raise _no_history(f"`{parts[0]}` is a WITH item", span_of(node))
        return bind_from.relation(_use_cte(cte), alias, (parts[0].lower(),))
    lowered = tuple(p.lower() for p in parts)
    if len(parts) == 2 and lowered[0] in FORMATS and lowered[0] != "delta":
        if version is not None:
            raise _no_history(f"'{parts[1]}' is plain {parts[0]}", span_of(node))
        return _source(b, _describe(b, parts[1], lowered[0], {}, span_of(node)), alias, lowered)
    found = b.ctx.resolve_relation(parts, span_of(node), version)
    if isinstance(found, ViewDefinition):
        return bind_from.relation(_bind_view(b, found, version, span_of(node)), alias, lowered)
    if isinstance(found, LiteralRows):
        return bind_from.relation(_literal_rows(found), alias, lowered)
    return _source(b, found, alias, lowered)


def _describe(b: Binder, uri: str, form: str | None, options: dict[str, str], span: Span | None) -> Source:
    """The files at `uri`; errors point at where it is written."""
    try:
        return b.ctx.describe_source(uri, form, options)
    except Error as e:
        e.span = e.span or span
        raise


def _source(b: Binder, source: Source | MemorySource, alias: Any, parts: tuple[str, ...]) -> Bound:
    fields = source.schema.fields
    columns = tuple(
        Column(fresh_id(), f.name, as_read(f.type), f.nullable, padded=padding(f.type)) for f in fields
    )
    names = tuple(f.name for f in fields)
    scan = Scan(cast("Source", source), columns, names)
    bound = bind_from.relation(BoundQuery(scan, names), alias, parts)
    if METADATA in b.text.lower() and isinstance(source, Source) and source.schema.index(METADATA) is None:
        return with_metadata(bound, scan)
    return bound


def _no_history(what: str, span: Span | None) -> AnalysisError:
    return AnalysisError(
        f"{what}: there is no history to travel in",
        condition="UNSUPPORTED_FEATURE.TIME_TRAVEL",
        span=span,
        hint="only Delta tables, and views over them, can be read as of another time",
    )


def _version(b: Binder, node: Any) -> TableVersion | None:
    """VERSION AS OF n, TIMESTAMP AS OF e."""
    if node is None:
        return None
    reject_unused(node, ("this", "expression", "kind"))
    what, kind = str(node.name or node.this).upper(), str(node.args.get("kind") or "").upper()
    if kind != "AS OF" or what not in {"VERSION", "TIMESTAMP"}:
        raise unsupported(node, f"FOR {what} {kind}")
    return table_version(b, what.lower(), node.expression)


def table_version(b: Binder, kind: str, node: Any) -> TableVersion:
    """What `VERSION AS OF e` or `TIMESTAMP AS OF e` (`kind` in lower case) asks for."""
    if kind == "timestamp":
        return TableVersion("timestamp", instant(b, node))
    value = b.constant(node, Site(Scope(), Env(), "AS OF"), "VERSION AS OF").value
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise AnalysisError(
            f"VERSION AS OF takes a number or the name of a tag, not {text_of(node)}",
            condition="PARSE_SYNTAX_ERROR",
            span=span_of(node),
        )
    return TableVersion("version", int(value) if str(value).isdecimal() else value)


def instant(b: Binder, node: Any) -> datetime:
    """The value (naive UTC) of a timestamp expression without columns, read in the session's time zone."""
    reason, problem = "", ""
    bound = b.expr(node, Site(Scope(), Env(), "TIMESTAMP AS OF"))
    if any(isinstance(n, SubqueryExpr) for n in bound.walk()):
        reason, problem = "UNSUPPORTED", "it has a subquery"
    elif not is_deterministic(bound):
        reason, problem = "NON_DETERMINISTIC", "it is not the same every time"
    elif not can_cast(bound.type, TIMESTAMP):
        reason, problem = "INPUT", f"{bound.type} is no time"
    else:
        value = b.evaluate(cast_explicitly(bound, TIMESTAMP, safe=True)).value
        if isinstance(value, datetime):
            return value
        reason, problem = "INPUT", "its value is no time"
    raise AnalysisError(
        f"{text_of(node)} cannot be a time to travel to: {problem}",
        condition=f"INVALID_TIME_TRAVEL_TIMESTAMP_EXPR.{reason}",
        span=span_of(node),
        hint="write a timestamp, such as '2026-01-31 12:00:00' or now() - INTERVAL 1 DAY",
    )


def _literal_rows(found: LiteralRows) -> BoundQuery:
    columns = tuple(Column(fresh_id(), f.name, f.type, f.nullable) for f in found.schema.fields)
    rows = tuple(
        tuple(Literal(v, f.type) for v, f in zip(row, found.schema.fields, strict=True)) for row in found.rows
    )
    return BoundQuery(Values(columns, rows), tuple(c.name for c in columns))


def _use_cte(cte: Cte) -> BoundQuery:
    """A WITH item where it is named: the first use takes the plan itself, later ones a copy."""
    cte.uses += 1
    query = cte.query
    if cte.recursive_key is not None:
        columns = tuple(replace(c, id=fresh_id()) for c in query.plan.output)
        return BoundQuery(RecursiveRef(cte.recursive_key, columns), query.names)
    if cte.shared_key is not None:
        columns = tuple(replace(c, id=fresh_id()) for c in query.plan.output)
        return BoundQuery(Shared(cte.shared_key, query.plan, columns), query.names)
    return query if cte.uses == 1 else BoundQuery(renew(query.plan), query.names)


def _bind_view(
    b: Binder, view: ViewDefinition, version: TableVersion | None, span: Span | None
) -> BoundQuery:
    """A view's query, bound anew; errors inside point into its text."""
    path = (*b.views, view.key)
    if view.key in b.views:
        raise AnalysisError(
            f"the view {view.key} uses itself: {' -> '.join(path)}", condition="RECURSIVE_VIEW", span=span
        )
    inner = b.for_view(view, version, span)
    try:
        ast, inner.text = b.ctx.parse_stored(f"view {view.key}", view.text, view.dialect)
        query = inner.query(ast, Env())
    except Error as e:
        e.message = f"in view {view.key}: {e.message}"
        e.args = (e.message,)
        e.span = e.span or span
        raise
    if view.names:
        query = _as_made(query, view, span)
    if view.columns and len(view.columns) != len(query.names):
        raise AnalysisError(
            f"the view {view.key} names {len(view.columns)} columns, its query gives {len(query.names)}",
            condition="INCOMPATIBLE_VIEW_SCHEMA_CHANGE",
            span=span,
        )
    return BoundQuery(query.plan, view.columns) if view.columns else query


def _as_made(query: BoundQuery, view: ViewDefinition, span: Span | None) -> BoundQuery:
    """The columns that the view's query had when it was made, by name, in their order then."""
    lowered = [n.lower() for n in query.names]
    if lowered == [n.lower() for n in view.names]:
        return query
    picked: list[int] = []
    for name in view.names:
        at = next((i for i, n in enumerate(lowered) if n == name.lower() and i not in picked), None)
        if at is None:
            raise AnalysisError(
                f"the view {view.key} had a column `{name}`, its query no longer gives one",
                condition="INCOMPATIBLE_VIEW_SCHEMA_CHANGE",
                span=span,
                hint=f"CREATE OR REPLACE VIEW {view.key} defines it anew",
            )
        picked.append(at)
    columns = query.plan.output
    project = Project(query.plan, tuple(passthrough(columns[i]) for i in picked))
    return BoundQuery(project, tuple(query.names[i] for i in picked))


def _cell(b: Binder, node: Any, site: Site) -> Expr:
    """A value of an inline table: the same for every reader."""
    bound = b.expr(node, site)
    if not is_deterministic(bound):
        raise AnalysisError(
            f"VALUES takes constants, not {text_of(node)}",
            condition="INVALID_INLINE_TABLE.CANNOT_EVALUATE_EXPRESSION_IN_INLINE_TABLE",
            span=span_of(node),
        )
    return bound


def values(b: Binder, node: Any, env: Env) -> BoundQuery:
    """VALUES (1, 'a'), (2, 'b'): columns col1, col2 ... of the rows' common types."""
    site = Site(Scope((), None), env, "VALUES")
    rows: list[list[Expr]] = []
    for row in node.expressions:
        cells = row.expressions if isinstance(row, exp.Tuple) else [row]
        rows.append([_cell(b, c, site) for c in cells])
        if len(rows[-1]) != len(rows[0]):
            raise AnalysisError(
                f"row {len(rows)} of VALUES has {len(rows[-1])} columns, the first has {len(rows[0])}",
                condition="INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH",
                span=span_of(row),
            )
    columns: list[Column] = []
    for i in range(len(rows[0])):
        types = [r[i].type for r in rows]
        target = common_type(types)
        if target is None:
            raise AnalysisError(
                f"column {i + 1} of VALUES mixes {', '.join(dict.fromkeys(str(t) for t in types))}",
                condition="INVALID_INLINE_TABLE.INCOMPATIBLE_TYPES_IN_INLINE_TABLE",
                span=span_of(node),
            )
        for r in rows:
            r[i] = cast_to(r[i], target)
        columns.append(Column(fresh_id(), f"col{i + 1}", target, any(r[i].nullable for r in rows)))
    names = tuple(c.name for c in columns)
    return BoundQuery(Values(tuple(columns), tuple(tuple(r) for r in rows)), names)


# Table functions


def table_function(b: Binder, node: Any, env: Env) -> Bound:
    """`FROM f(...)`: range, read_files, or a generator over constants."""
    reject_unused(node, ("this", "alias", "joins", "sample", "db", "catalog"))
    if node.args.get("db") is None:
        return _function(b, node.this, node.args.get("alias"), env)
    parts = tuple(p.name for p in (node.args.get("catalog"), node.args["db"], node.this) if p is not None)
    written = b.ctx.resolve_function(parts)
    if written is None:
        raise AnalysisError(
            f"there is no function `{'.'.join(parts)}`",
            condition="UNRESOLVABLE_TABLE_VALUED_FUNCTION",
            span=span_of(node.this),
        )
    site = Site(Scope((), env.outer), env, f"{written.key}()")
    return _written(b, written, node.this, site, node.args.get("alias"))


def _written(b: Binder, fn: SqlFunction, call: Any, site: Site, alias: Any) -> Bound:
    """A call of a function in SQL or Python in FROM."""
    from sqlshell.plan import bind_function

    if fn.python is None or not fn.table:
        return bind_from.relation(bind_function.table(b, fn, call, site), alias, (call.name,))
    made, fields = bind_function.generator(b, fn, call, site)
    columns = tuple(Column(fresh_id(), f.name, f.type, f.nullable) for f in fields)
    query = BoundQuery(Generate(ONE_ROW, made, columns, False), tuple(c.name for c in columns))
    return bind_from.relation(query, alias, (call.name,))


def lateral_function(b: Binder, node: Any, env: Env) -> Bound:
    """`LATERAL f(...)` for anything that is no generator."""
    if not isinstance(node.this, exp.Anonymous):
        raise unsupported(node.this)
    return _function(b, node.this, node.args.get("alias"), env)


def _function(b: Binder, call: Any, alias: Any, env: Env) -> Bound:
    name = call.name.lower()
    if CLAUSE_MARK in name:
        from sqlshell.plan.bind_history import bind_history

        past = bind_history(b, call)
        if past is not None:
            return bind_from.relation(past, alias)
    if name == "table_changes":
        from sqlshell.plan.bind_changes import table_changes

        return bind_from.relation(table_changes(b, call, env), alias)
    site = Site(Scope((), env.outer), env, f"{name}()")
    if name == "range":
        return bind_from.relation(_range(b, call, site), alias)
    if name == "read_files":
        return _source(b, _read_files(b, call, site), alias, ())
    if name.startswith("ml_"):
        from sqlshell.plan import bind_model

        return bind_from.relation(bind_model.relation(b, call, env), alias)
    made = bind_call.bind_generator(b, call, site)
    if made is None:
        from sqlshell.functions import registry

        known = registry.lookup(name) is not None
        written = None if known else b.ctx.resolve_function((call.name,))
        if written is not None:
            return _written(b, written, call, site, alias)
        raise AnalysisError(
            f"{name}() {'gives a value, no rows' if known else 'is not known'}: it cannot stand in FROM",
            condition="UNRESOLVABLE_TABLE_VALUED_FUNCTION",
            span=span_of(call),
            hint="table functions are range, read_files, table_changes, explode, posexplode, inline, stack",
        )
    fn, columns, outer = made
    query = BoundQuery(Generate(ONE_ROW, fn, columns, outer), tuple(c.name for c in columns))
    return bind_from.relation(query, alias)


def _range(b: Binder, call: Any, site: Site) -> BoundQuery:
    """range(end) | range(start, end [, step [, partitions]]): bigint `id`."""
    reject_unused(call, ("this", "expressions"))
    numbers = []
    for arg in call.expressions:
        value = b.constant(arg.expression if isinstance(arg, exp.Kwarg) else arg, site, "range()")
        if not isinstance(value.type, Integral) or value.value is None:
            raise AnalysisError(
                f"range() takes whole numbers, not {value.type}",
                condition="DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
                span=span_of(arg),
            )
        numbers.append(int(value.value))
    if not 1 <= len(numbers) <= 4:
        raise AnalysisError(
            f"range() takes 1 to 4 arguments, not {len(numbers)}",
            condition="WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
            span=span_of(call),
        )
    start, end = (0, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])
    step = numbers[2] if len(numbers) > 2 else 1
    if step == 0:
        raise AnalysisError(
            "the step of range() must not be 0", condition="INVALID_RANGE_STEP", span=span_of(call)
        )
    column = Column(fresh_id(), "id", BIGINT, False)
    count = len(range(start, end, step))
    if count <= SMALL_RANGE:
        rows = tuple((long(i),) for i in range(start, end, step))
        return BoundQuery(Values((column,), rows), ("id",))
    last = start + (count - 1) * step
    generator, _ = make_generator("explode", [make_call("sequence", [long(start), long(last), long(step)])])
    return BoundQuery(Generate(ONE_ROW, generator, (column,)), ("id",))


def _read_files(b: Binder, call: Any, site: Site) -> Source:
    """read_files('path', format => 'csv', header => true ...)."""
    reject_unused(call, ("this", "expressions"))
    options: dict[str, str] = {}
    path: str | None = None
    for i, arg in enumerate(call.expressions):
        named = isinstance(arg, (exp.Kwarg, exp.PropertyEQ))
        value = b.constant(arg.expression if named else arg, site, "read_files()")
        if not named and i == 0:
            path = _option(value)
        elif named:
            options[arg.this.name.lower()] = _option(value)
        else:
            raise AnalysisError(
                "read_files() takes one path, then options by name (format => 'csv')",
                condition="UNEXPECTED_POSITIONAL_ARGUMENT",
                span=span_of(arg),
            )
    path = options.pop("path", path)
    if path is None:
        raise AnalysisError(
            "read_files() needs a path", condition="WRONG_NUM_ARGS.WITHOUT_SUGGESTION", span=span_of(call)
        )
    form = options.pop("format", None)
    if form is not None and form.lower() not in FORMATS:
        raise NotSupportedError(
            f"read_files() cannot read format {form}",
            span=span_of(call),
            hint=f"formats: {', '.join(FORMATS)}",
        )
    return _describe(b, path, form.lower() if form else None, options, span_of(call))


def _option(value: Literal) -> str:
    if isinstance(value.value, bool):
        return "true" if value.value else "false"
    return "" if value.value is None else str(value.value)
