"""Function calls: scalar, aggregate, generator, lambdas, named arguments, session values."""

from __future__ import annotations

from datetime import UTC, time
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import AggCall, Call, Column, Expr, LambdaVar, Literal, SortKey
from sqlshell.functions import registry
from sqlshell.plan import collations
from sqlshell.plan.bind_util import reject_unused, span_of, text_of, unsupported
from sqlshell.plan.call import UnboundLambda, make_aggregate, make_call, make_generator
from sqlshell.plan.coerce import cast_to
from sqlshell.plan.logical import fresh_id
from sqlshell.records import replace
from sqlshell.types import BIGINT, DATE, INT, STRING, TIME, TIMESTAMP, TIMESTAMP_NTZ, TINYINT, Integral, Time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.errors import Span
    from sqlshell.plan.bind import Binder
    from sqlshell.plan.bind_site import Site

SESSION_FUNCTIONS = {
    "current_date": "current_date",
    "curdate": "current_date",
    "current_timestamp": "current_timestamp",
    "now": "current_timestamp",
    "localtimestamp": "localtimestamp",
    "current_time": "current_time",
    "localtime": "current_time",
    "current_user": "current_user",
    "user": "current_user",
    "session_user": "current_user",
    "current_database": "current_schema",
    "current_schema": "current_schema",
    "current_catalog": "current_catalog",
    "current_timezone": "current_timezone",
    "current_path": "current_path",
}
BARE_SESSION_FUNCTIONS = {
    "current_date",
    "current_timestamp",
    "localtimestamp",
    "current_time",
    "localtime",
    "current_user",
    "user",
    "session_user",
}
UNIT_FUNCTIONS = {"dateadd", "date_add", "datediff", "date_diff", "timestampadd", "timestampdiff"}
FOREIGN = {"sqlshell_divide", "sqlshell_date_add"}
GROUPING_FUNCTIONS = {"grouping", "grouping_id"}
CONSTANT_SECOND = {"listagg", "string_agg", "first", "first_value", "last", "last_value", "any_value"}
STAR_SAFE = {
    "count",
    "struct",
    "array",
    "concat",
    "concat_ws",
    "hash",
    "xxhash64",
    "coalesce",
    "greatest",
    "least",
}
"""Functions that take `*` as the list of all columns."""


def session_value(b: Binder, name: str) -> Expr | None:
    """`current_date` and its kin without parentheses; None for any other name."""
    return _session(b, SESSION_FUNCTIONS[name]) if name in BARE_SESSION_FUNCTIONS else None


def session_node(b: Binder, node: Any, name: str) -> Expr:
    """sqlglot's own nodes for the same."""
    reject_unused(node, ())
    return _session(b, name)


def _session(b: Binder, name: str) -> Literal:
    ctx = b.ctx
    if name == "current_user":
        return Literal(ctx.current_user, STRING)
    if name == "current_schema":
        return Literal(ctx.current_schema, STRING)
    if name == "current_path":
        return Literal(f"system.builtin,system.session,spark_catalog.{ctx.current_schema}", STRING)
    if name == "current_catalog":
        return Literal("spark_catalog", STRING)
    if name == "current_timezone":
        return Literal(b.zone, STRING)
    if name == "current_timestamp":
        return Literal(ctx.now, TIMESTAMP)
    from zoneinfo import ZoneInfo

    local = ctx.now.replace(tzinfo=UTC).astimezone(ZoneInfo(b.zone)).replace(tzinfo=None)
    if name == "current_time":
        return Literal(local.time(), TIME)
    return Literal(local.date(), DATE) if name == "current_date" else Literal(local, TIMESTAMP_NTZ)


def _current_time(b: Binder, node: Any, site: Site) -> Expr:
    """`current_time(p)`: p is a constant from 0 to 6."""
    (digits,) = [b.expr(e, site) for e in node.expressions]
    known = digits if isinstance(digits, Literal) else b.evaluate(cast_to(digits, INT))
    if not isinstance(known.value, int) or not 0 <= known.value <= TIME.precision:
        raise AnalysisError(
            f"{node.name}() takes a constant number of digits from 0 to {TIME.precision}",
            condition="DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE",
            span=span_of(node),
        )
    value = _session(b, "current_time").value.isoformat("microseconds")
    return Literal(time.fromisoformat(value[: 9 + known.value].rstrip(".")), Time(known.value))


def bind_call(b: Binder, node: Any, site: Site) -> Expr:
    """`name(arguments)` in an expression."""
    reject_unused(node, ("this", "expressions"))
    return _bind(b, node, site, {})


def bind_wrapped(b: Binder, node: Any, site: Site) -> Expr:
    """A call with FILTER, WITHIN GROUP, IGNORE NULLS or RESPECT NULLS around it."""
    call, extras = unwrap(b, node, site)
    if not isinstance(call, exp.Anonymous):
        raise unsupported(call)
    return _bind(b, call, site, extras)


def unwrap(b: Binder, node: Any, site: Site) -> tuple[Any, dict[str, Any]]:
    """The bare call inside its wrappers, and what the wrappers say."""
    extras: dict[str, Any] = {}
    while not isinstance(node, exp.Anonymous):
        if isinstance(node, exp.Filter):
            reject_unused(node, ("this", "expression"))
            extras["filter"] = node.expression.this
        elif isinstance(node, exp.WithinGroup):
            reject_unused(node, ("this", "expression"))
            extras["order"] = node.expression.expressions
        elif isinstance(node, exp.IgnoreNulls):
            extras["ignore_nulls"] = True
        elif isinstance(node, exp.RespectNulls):
            extras["ignore_nulls"] = False
        else:
            raise unsupported(node)
        node = node.this
    return node, extras


def _bind(b: Binder, node: Any, site: Site, extras: dict[str, Any]) -> Expr:
    name = node.name.lower()
    span = span_of(node)
    row = registry.lookup(name)
    if row is None and name not in SESSION_FUNCTIONS:
        written = b.ctx.resolve_function((node.name,))
        if written is not None:
            from sqlshell.plan import bind_function

            return bind_function.value(b, written, node, site, extras)
    kind = row.kind if row is not None else "scalar"
    if kind == "aggregate":
        return allowed_aggregate(b, node, site, extras)
    if kind == "window":
        raise AnalysisError(
            f"{name}() needs an OVER clause", condition="WINDOW_FUNCTION_WITHOUT_OVER_CLAUSE", span=span
        )
    if extras:
        raise AnalysisError(
            f"{name}() is no aggregate function: FILTER, WITHIN GROUP and IGNORE NULLS do not fit it",
            condition="INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX",
            span=span,
        )
    if kind == "generator":
        raise AnalysisError(
            f"{name}() makes rows: it stands alone in the select list, in FROM or in LATERAL VIEW",
            condition="UNSUPPORTED_GENERATOR.NESTED_IN_EXPRESSIONS"
            if site.generators
            else "UNSUPPORTED_GENERATOR.OUTSIDE_SELECT",
            span=span,
        )
    if name in GROUPING_FUNCTIONS:
        return _grouping(b, node, name, site, span)
    if name in SESSION_FUNCTIONS and not node.expressions:
        return _session(b, SESSION_FUNCTIONS[name])
    if name in site.time_windows:
        return site.time_windows[name]
    if SESSION_FUNCTIONS.get(name) == "current_time" and len(node.expressions) == 1:
        return _current_time(b, node, site)
    if name == "struct":
        return make_struct(b, node.expressions, site, span)
    if name in FOREIGN and len(node.expressions) >= 2:
        return _foreign(b, node, name, site, span)
    if name in UNIT_FUNCTIONS and len(node.expressions) == 3:
        unit, *rest = node.expressions
        return make_call(name, [_unit(unit, name, span), *(b.expr(e, site) for e in rest)], span=span)
    if row is None and name.startswith("ml_"):
        from sqlshell.plan import bind_model

        return bind_model.value(b, node, name, site)
    args, named_args = arguments(b, node, site)
    if name == "named_struct" and any(not isinstance(a, Literal) for a in args[::2]):
        raise AnalysisError(
            "the names of named_struct() are constants",
            condition="DATATYPE_MISMATCH.CREATE_NAMED_STRUCT_WITHOUT_FOLDABLE_STRING",
            span=span,
        )
    if name in {"unix_timestamp", "to_unix_timestamp"} and not args and not named_args:
        args = [Literal(b.ctx.now, TIMESTAMP)]
    return make_call(name, args, span=span, named=named_args or None)


def _foreign(b: Binder, node: Any, name: str, site: Site, span: Span | None) -> Expr:
    """What other dialects settle by types (see `parser/foreign.py`)."""
    if name == "sqlshell_divide":
        left, right = (b.expr(e, site) for e in node.expressions)
        whole = isinstance(left.type, Integral) and isinstance(right.type, Integral)
        made = make_call("div" if whole else "/", [left, right], span=span)
        wider = max((left.type, right.type), key=lambda t: getattr(t, "bits", 0))
        return cast_to(made, wider) if whole else made
    unit, amount, value = node.expressions
    start = b.expr(value, site)
    made = make_call("dateadd", [_unit(unit, name, span), b.expr(amount, site), start], span=span)
    return cast_to(made, DATE) if start.type == DATE else made


def _unit(node: Any, name: str, span: Span | None) -> Expr:
    """The unit of `dateadd(MONTH, ...)`: a bare word, never a column."""
    if isinstance(node, (exp.Column, exp.Var)) and not node.args.get("table"):
        return Literal(node.name.upper(), STRING)
    raise AnalysisError(
        f"the unit of {name}() is a bare word such as MONTH",
        condition="INVALID_PARAMETER_VALUE.DATETIME_UNIT",
        span=span,
    )


def arguments(b: Binder, node: Any, site: Site) -> tuple[list[Any], dict[str, Expr]]:
    """Positional and named arguments, stars expanded, lambdas waiting for their parameter types."""
    args: list[Any] = []
    named_args: dict[str, Expr] = {}
    for arg in node.expressions:
        if isinstance(arg, (exp.Kwarg, exp.PropertyEQ)):
            named_args[arg.this.name.lower()] = b.expr(arg.expression, site)
        elif named_args:
            raise AnalysisError(
                "a positional argument cannot follow a named one",
                condition="UNEXPECTED_POSITIONAL_ARGUMENT",
                span=span_of(arg),
            )
        elif isinstance(arg, exp.Distinct):
            raise AnalysisError(
                f"{node.name}() is no aggregate function: DISTINCT does not fit it",
                condition="INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX",
                span=span_of(node),
            )
        elif isinstance(arg, exp.Lambda):
            args.append(_lambda(b, arg, site))
        elif is_star(arg):
            args.extend(e for _, e in _star_columns(node, arg, site))
        else:
            args.append(b.expr(arg, site))
    return args, named_args


def is_star(node: Any) -> bool:
    """`*` or `t.*`."""
    return isinstance(node, exp.Star) or (
        isinstance(node, (exp.Column, exp.Dot))
        and isinstance(node.args.get("expression", node.this), exp.Star)
    )


def _star_columns(call: Any, star: Any, site: Site) -> list[tuple[str, Expr]]:
    if call.name.lower() not in STAR_SAFE:
        raise AnalysisError(
            f"{call.name}(*) is not possible", condition="INVALID_USAGE_OF_STAR_OR_REGEX", span=span_of(call)
        )
    if isinstance(star, exp.Star):
        reject_unused(star, ())
        return site.scope.star((), span_of(call))
    reject_unused(star.this, ())
    return site.scope.star([p.name for p in star.parts[:-1]], span_of(star))


def with_stars_expanded(node: Any, site: Site) -> Any:
    """A copy of a select item with stars among call arguments written out, for its automatic name."""
    copy = node.copy()
    for call in list(copy.find_all(exp.Anonymous, exp.Distinct)):
        args = []
        for arg in call.expressions:
            if is_star(arg) and not (isinstance(call, exp.Anonymous) and call.name.lower() == "count"):
                qualifier = [] if isinstance(arg, exp.Star) else [p.name for p in arg.parts[:-1]]
                args += [exp.column(name) for name, _ in site.scope.star(qualifier, None)]
            else:
                args.append(arg)
        call.set("expressions", args)
    copy.parent = node.parent  # named windows are looked up there
    return copy


def _lambda(b: Binder, node: Any, site: Site) -> UnboundLambda:
    reject_unused(node, ("this", "expressions"))
    names = tuple(p.name for p in node.expressions)

    def bind(variables: tuple[LambdaVar, ...]) -> Expr:
        known = {n.lower(): v for n, v in zip(names, variables, strict=True)}
        return b.expr(node.this, replace(site, lambdas={**site.lambdas, **known}))

    return UnboundLambda(names, bind, span_of(node))


def allowed_aggregate(b: Binder, node: Any, site: Site, extras: dict[str, Any]) -> AggCall:
    """An aggregate call, where one may stand."""
    if site.inside == "filter":
        raise AnalysisError(
            f"an aggregate function inside FILTER: {text_of(node)}",
            condition="INVALID_AGGREGATE_FILTER.CONTAINS_AGGREGATE",
            span=span_of(node),
        )
    if site.inside == "aggregate":
        raise AnalysisError(
            f"an aggregate function inside another one: {text_of(node)}",
            condition="NESTED_AGGREGATE_FUNCTION",
            span=span_of(node),
            hint="aggregate in a subquery first",
        )
    if not site.aggregates:
        condition = {
            "WHERE": "INVALID_WHERE_CONDITION",
            "GROUP BY": "GROUP_BY_AGGREGATE",
            "QUALIFY": "QUALIFY_AGGREGATE_NOT_ALLOWED",
        }.get(site.clause, "UNSUPPORTED_EXPR_FOR_OPERATOR")
        raise AnalysisError(
            f"aggregate functions are not allowed in {site.clause}: {text_of(node)}",
            condition=condition,
            span=span_of(node),
            hint="filter groups with HAVING" if site.clause == "WHERE" else None,
        )
    return aggregate_call(b, node, site, extras, "aggregate")


def aggregate_call(b: Binder, node: Any, site: Site, extras: dict[str, Any], inside: str) -> AggCall:
    """An aggregate or window function; its arguments see FROM's columns first."""
    inner = replace(site, inside=inside) if inside == "window" else replace(site, inside=inside, prefer=None)
    distinct = False
    call = node
    if len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Distinct):
        distinct = True
        reject_unused(node.expressions[0], ("expressions",))
        call = node.expressions[0]
    call, extras = _inner_modifiers(call, extras)
    name = node.name.lower()
    only = call.expressions[0] if len(call.expressions) == 1 else None
    if name == "count" and not distinct and only is not None and is_star(only):
        if not isinstance(only, exp.Star):
            raise AnalysisError(
                f"count({text_of(only)}) could mean rows or columns",
                condition="INVALID_USAGE_OF_STAR_WITH_TABLE_IDENTIFIER_IN_COUNT",
                span=span_of(node),
                hint="write count(*) for rows",
            )
        reject_unused(only, ())
        args: list[Any] = [Literal(1, INT)]
    else:
        args = []
        for arg in call.expressions:
            if is_star(arg):
                args.extend(e for _, e in _star_columns(node, arg, inner))
            elif isinstance(arg, (exp.Kwarg, exp.PropertyEQ, exp.Lambda, exp.Order, exp.Limit)):
                raise unsupported(arg, f"this argument of {name}()")
            else:
                args.append(b.expr(arg, inner))
    if name in CONSTANT_SECOND and len(args) > 1 and any(isinstance(n, Column) for n in args[1].walk()):
        raise AnalysisError(
            f"the second argument of {name}() is a constant",
            condition="DATATYPE_MISMATCH.NON_FOLDABLE_INPUT",
            span=span_of(node),
        )
    condition = extras.get("filter")
    order = tuple(sort_key(b, o, inner) for o in extras.get("order", ()))
    return make_aggregate(
        name,
        args,
        distinct=distinct,
        filter=b.predicate(condition, replace(inner, inside="filter"), "FILTER")
        if condition is not None
        else None,
        order_by=order,
        ignore_nulls=bool(extras.get("ignore_nulls", False)),
        span=span_of(node),
    )


def _inner_modifiers(call: Any, extras: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """`f(x IGNORE NULLS)` and `f(x ORDER BY k)`: modifiers written inside the parentheses."""
    args = list(call.expressions)
    for i, arg in enumerate(args):
        if isinstance(arg, (exp.IgnoreNulls, exp.RespectNulls)):
            extras = {**extras, "ignore_nulls": isinstance(arg, exp.IgnoreNulls)}
            args[i] = arg.this
        elif isinstance(arg, exp.Order):
            reject_unused(arg, ("this", "expressions"))
            extras = {**extras, "order": arg.expressions}
            args[i] = arg.this
    return exp.Tuple(expressions=args) if args != call.expressions else call, extras


def sort_key(b: Binder, node: Any, site: Site) -> SortKey:
    """One ORDER BY item; Spark puts nulls first when ascending, last when descending."""
    if not isinstance(node, exp.Ordered):
        return SortKey(collations.key(b.expr(node, site)))
    reject_unused(node, ("this", "desc", "nulls_first"))
    ascending = not node.args.get("desc")
    nulls_first = node.args.get("nulls_first")
    return SortKey(
        collations.key(b.expr(node.this, site)),
        ascending,
        ascending if nulls_first is None else bool(nulls_first),
    )


def bind_generator(b: Binder, node: Any, site: Site) -> tuple[Call, tuple[Column, ...], bool] | None:
    """A generator call, its columns, whether it is the `_outer` form; None when `node` is something else."""
    if not isinstance(node, exp.Anonymous):
        return None
    name = node.name.lower()
    row = registry.lookup(name) or registry.lookup(name.removesuffix("_outer"))
    written = b.ctx.resolve_function((node.name,)) if row is None else None
    if written is not None and written.table and written.python is not None:
        from sqlshell.plan import bind_function

        call, fields = bind_function.generator(b, written, node, site)
        columns = tuple(Column(fresh_id(), f.name, f.type, f.nullable) for f in fields)
        return call, columns, False
    if row is None or row.kind != "generator":
        return None
    reject_unused(node, ("this", "expressions"))
    args, named_args = arguments(b, node, replace(site, generators=True))
    call, fields = make_generator(name, args, span_of(node), named_args or None)
    outer = name.endswith("_outer")
    columns = tuple(Column(fresh_id(), f.name, f.type, f.nullable or outer) for f in fields)
    return call, columns, outer


def make_struct(b: Binder, items: Sequence[Any], site: Site, span: Span | None) -> Expr:
    """struct(a, b AS c, *): fields take their columns' names, else col1, col2 ..."""
    args: list[Expr] = []
    for item in items:
        if is_star(item):
            fake = exp.Anonymous(this="struct")
            for name, e in _star_columns(fake, item, site):
                args += [Literal(name, STRING), e]
            continue
        inner = item
        if isinstance(item, (exp.Alias, exp.PropertyEQ, exp.Kwarg)):
            name = item.alias if isinstance(item, exp.Alias) else item.this.name
            inner = item.this if isinstance(item, exp.Alias) else item.expression
        elif isinstance(item, (exp.Column, exp.Identifier)):
            name = item.name
        elif isinstance(item, exp.Dot) and isinstance(item.expression, exp.Identifier):
            name = item.expression.name
        else:
            name = f"col{len(args) // 2 + 1}"
        args += [Literal(name, STRING), b.expr(inner, site)]
    return make_call("named_struct", args, span=span)


def _grouping(b: Binder, node: Any, name: str, site: Site, span: Span | None) -> Expr:
    """A placeholder `bind_group` replaces; elsewhere it is refused."""
    if not site.aggregates:
        raise AnalysisError(
            f"{name}() needs GROUP BY with GROUPING SETS, CUBE or ROLLUP",
            condition="UNSUPPORTED_GROUPING_EXPRESSION",
            span=span,
        )
    args = tuple(b.expr(a, replace(site, inside="aggregate", prefer=None)) for a in node.expressions)
    return Call(name, args, TINYINT if name == "grouping" else BIGINT, False, span)
