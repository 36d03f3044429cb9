"""Calls of SQL functions: the body takes the call's place, with the arguments in place of the parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError, Error, NotSupportedError, did_you_mean
from sqlshell.expr.expr import Literal, PythonCall, Value
from sqlshell.functions import registry
from sqlshell.functions.aggregate_values import PYTHON_INPUT
from sqlshell.plan import bind_call
from sqlshell.plan.bind_site import Env, Site
from sqlshell.plan.bind_subquery import cast_output
from sqlshell.plan.bind_util import span_of, text_of
from sqlshell.plan.call import make_generator
from sqlshell.plan.coerce import cast_explicitly
from sqlshell.plan.context import BoundQuery
from sqlshell.plan.renew import is_deterministic
from sqlshell.plan.scope import Scope, get_field
from sqlshell.records import dataclass, field, replace
from sqlshell.types import Array, Field, Struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlshell.errors import Span
    from sqlshell.expr.expr import Call, Expr
    from sqlshell.plan.bind import Binder
    from sqlshell.plan.context import SqlFunction

_BUILTIN = {("builtin",), ("system", "builtin")}


@dataclass(frozen=True)
class ParameterScope(Scope):
    """The parameters of a function, by name or `function.name`, as the arguments of one call."""

    values: Mapping[str, Expr] = field(default_factory=dict)
    owner: str = ""
    used: dict[str, int] = field(default_factory=dict)

    def find(self, parts: Sequence[str], span: Span | None) -> Expr | None:
        """The argument a parameter stands for."""
        names = [p.lower() for p in parts]
        at = 1 if len(names) > 1 and names[0] == self.owner and names[1] in self.values else 0
        if names[at] not in self.values:
            return None
        self.used[names[at]] = self.used.get(names[at], 0) + 1
        value = self.values[names[at]]
        for name in parts[at + 1 :]:
            value = get_field(value, name, span)
        return value

    def candidates(self) -> list[str]:
        """The parameters' names."""
        return list(self.values)


def qualified(b: Binder, node: Any, site: Site) -> Expr:
    """`schema.f(...)`, `session.f(...)`, `builtin.f(...)`."""
    head = node.this
    call = node.expression
    parts = tuple(p.name for p in head.parts) if isinstance(head, exp.Column | exp.Dot) else (head.name,)
    if tuple(p.lower() for p in parts) in _BUILTIN and registry.lookup(call.name) is not None:
        return b.expr(call, site)
    fn = b.ctx.resolve_function((*parts, call.name))
    if fn is None:
        raise AnalysisError(
            f"there is no function `{text_of(node)}`", condition="UNRESOLVED_ROUTINE", span=span_of(node)
        )
    return value(b, fn, call, site, {})


def value(b: Binder, fn: SqlFunction, node: Any, site: Site, extras: dict[str, Any]) -> Expr:
    """A call in an expression: of a scalar function, or of an aggregate with what stands around it."""
    if fn.python is not None and fn.python.kind == "aggregate":
        return aggregate(b, fn, node, site, extras)
    if extras:
        raise AnalysisError(
            f"{fn.key}() is no aggregate function: FILTER, WITHIN GROUP and IGNORE NULLS do not fit it",
            condition="INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX",
            span=span_of(node),
        )
    return scalar(b, fn, node, site)


def scalar(b: Binder, fn: SqlFunction, node: Any, site: Site) -> Expr:
    """The value of a call."""
    span = span_of(node)
    if fn.table:
        raise AnalysisError(
            f"{fn.key}() gives a table: it stands in FROM", condition="NOT_A_SCALAR_FUNCTION", span=span
        )
    scope = _scope(b, fn, node, site)
    if fn.python is not None:
        return _python(fn, scope, span)
    value = expression(b, fn, scope, span)
    for name, count in scope.used.items():
        if count > 1 and not is_deterministic(scope.values[name]):
            raise NotSupportedError(
                f"{fn.key}() uses its parameter `{name}` more than once, and the argument is random",
                span=span,
                hint="compute the argument in a subquery",
            )
    return value


def _python(fn: SqlFunction, scope: ParameterScope, span: Span | None) -> Expr:
    """A call of a Python function, its arguments in the parameters' types."""
    assert fn.python is not None
    values = tuple(scope.values[n.lower()] for n, _, _ in fn.parameters)
    returns = fn.returns
    if fn.table:
        returns = Array(Struct(tuple(Field(n, t) for n, t in fn.columns)))
    assert returns is not None
    return PythonCall(fn.python, values, returns, span)


def aggregate(b: Binder, fn: SqlFunction, node: Any, site: Site, extras: dict[str, Any]) -> Expr:
    """A call of a Python aggregate: the function over the rows of the group, in its parameters' types."""
    assert fn.python is not None
    assert fn.returns is not None
    span = span_of(node)
    rows = node.copy()
    rows.set("this", PYTHON_INPUT)
    call = bind_call.allowed_aggregate(b, rows, site, extras)
    if len(call.args) != len(fn.parameters):
        raise AnalysisError(
            f"{fn.key}() takes {len(fn.parameters)} arguments, not {len(call.args)}",
            condition="WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
            span=span,
        )
    pairs = zip(call.args, fn.parameters, strict=True)
    args = tuple(a if a.type == t else cast_explicitly(a, t, span=span) for a, (_, t, _) in pairs)
    fields = tuple(Field(f"p{i}", a.type) for i, a in enumerate(args))
    call = replace(call, args=args, type=Array(Struct(fields), False))
    return PythonCall(fn.python, (call,), fn.returns, span)


def generator(b: Binder, fn: SqlFunction, node: Any, site: Site) -> tuple[Call, list[Field]]:
    """A call of a Python table function as a generator, and its columns."""
    made = _python(fn, _scope(b, fn, node, site), span_of(node))
    return make_generator("inline", [made], span_of(node))


def expression(b: Binder, fn: SqlFunction, scope: ParameterScope, span: Span | None) -> Expr:
    """A scalar function's body over its parameters, in the type it returns."""
    inner = _binder(b, fn, span)
    try:
        ast, inner.text = inner.ctx.parse_stored(f"function {fn.key}", fn.body, "spark", prefix="SELECT ")
        value = inner.expr(ast.expressions[0], Site(scope, Env(), "a SQL function"))
        return value if fn.returns is None or value.type == fn.returns else cast_explicitly(value, fn.returns)
    except Error as e:
        raise _inside(e, fn, span) from None


def table(b: Binder, fn: SqlFunction, node: Any, site: Site) -> BoundQuery:
    """The rows of a call in FROM."""
    span = span_of(node)
    if not fn.table:
        raise AnalysisError(f"{fn.key}() gives a value, no rows", condition="NOT_A_TABLE_FUNCTION", span=span)
    return query(b, fn, _scope(b, fn, node, site), span)


def query(b: Binder, fn: SqlFunction, scope: ParameterScope, span: Span | None) -> BoundQuery:
    """A table function's body over its parameters, with the columns it declares."""
    inner = _binder(b, fn, span)
    try:
        ast, inner.text = inner.ctx.parse_stored(f"function {fn.key}", fn.body, "spark")
        bound = inner.query(ast, Env(outer=scope))
    except Error as e:
        raise _inside(e, fn, span) from None
    if not fn.columns:
        return bound
    if len(fn.columns) != len(bound.names):
        raise AnalysisError(
            f"{fn.key}() declares {len(fn.columns)} columns, its query gives {len(bound.names)}",
            condition="USER_DEFINED_FUNCTIONS.RETURN_COLUMN_COUNT_MISMATCH",
            span=span,
        )
    plan = cast_output(bound.plan, [t for _, t in fn.columns])
    return BoundQuery(plan, tuple(n for n, _ in fn.columns))


def _binder(b: Binder, fn: SqlFunction, span: Span | None) -> Binder:
    from sqlshell.plan.bind import Binder as New

    key = f"function {fn.key}"
    if key in b.views:
        raise AnalysisError(f"{fn.key}() calls itself", condition="RECURSIVE_FUNCTION", span=span)
    inner = New(b.ctx.for_function(fn))
    inner.views = (*b.views, key)
    inner.query_depth = b.query_depth
    return inner


_COMPLEX = {
    "UNSUPPORTED_EXPR_FOR_OPERATOR",
    "WINDOW_FUNCTION_NOT_ALLOWED_IN_CLAUSE",
    "UNSUPPORTED_GENERATOR.OUTSIDE_SELECT",
}


def _inside(e: Error, fn: SqlFunction, span: Span | None) -> Error:
    if e.condition in _COMPLEX and not fn.table:
        e.condition = "USER_DEFINED_FUNCTIONS.CANNOT_CONTAIN_COMPLEX_FUNCTIONS"
    e.message = f"in function {fn.key}: {e.message}"
    e.args = (e.message,)
    e.span = e.span or span
    return e


def _scope(b: Binder, fn: SqlFunction, node: Any, site: Site) -> ParameterScope:
    """The call's arguments by parameter, cast to the parameters' types."""
    span = span_of(node)
    given, by_name = bind_call.arguments(b, node, site)
    names = [n for n, _, _ in fn.parameters]
    lowered = [n.lower() for n in names]
    for name in by_name:
        if name not in lowered:
            raise AnalysisError(
                f"{fn.key}() has no parameter `{name}`",
                condition="UNRECOGNIZED_PARAMETER_NAME",
                span=span,
                hint=did_you_mean(name, names),
            )
        if lowered.index(name) < len(given):
            raise AnalysisError(
                f"{fn.key}() gets `{name}` twice",
                condition="DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.BOTH_POSITIONAL_AND_NAMED",
                span=span,
            )
    required = sum(1 for _, _, d in fn.parameters if d is None)
    if len(given) > len(names) or (not by_name and len(given) < required):
        raise AnalysisError(
            f"{fn.key}() takes {len(names)} arguments, not {len(given)}",
            condition="WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
            span=span,
            hint=f"its parameters: {', '.join(names)}" if names else None,
        )
    nodes = {a.this.name.lower(): a.expression for a in node.expressions if isinstance(a, exp.Kwarg)}
    values: dict[str, Expr] = {}
    shown: list[Any] = list(node.expressions[: len(given)])
    for i, (name, type_, default) in enumerate(fn.parameters):
        key = name.lower()
        if i < len(given):
            value = given[i]
        elif key in by_name:
            value = by_name[key]
            shown.append(nodes[key])
        elif default is not None:
            value = _default(b, fn, default, span)
            if by_name:
                shown.append(default)
        else:
            raise AnalysisError(
                f"{fn.key}() needs its parameter `{name}`",
                condition="REQUIRED_PARAMETER_NOT_FOUND",
                span=span,
            )
        if not hasattr(value, "type"):
            raise AnalysisError(
                f"{fn.key}() takes no lambda", condition="INVALID_LAMBDA_FUNCTION_CALL.NON_HIGHER_ORDER_FUNCTION",
                span=span,
            )  # fmt: skip
        value = value if value.type == type_ else cast_explicitly(value, type_, span=span)
        values[key] = Value(value.value, value.type) if isinstance(value, Literal) else value
    node.meta["routine"] = (fn.key if fn.schema is None else f"spark_catalog.{fn.key}", shown)
    return ParameterScope((), None, values=values, owner=fn.key.rsplit(".", 1)[-1].lower())


def _default(b: Binder, fn: SqlFunction, text: str, span: Span | None) -> Expr:
    empty = replace(fn, body=text, returns=None, key=fn.key)
    return expression(b, empty, ParameterScope((), None), span)
