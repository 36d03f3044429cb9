"""Model functions in a query: what the binder hands to the session, which alone knows models.

`ML.PREDICT(MODEL m, data, STRUCT(...))` in FROM arrives as `ml_predict('m', (query), struct(...))` (see
`parser/model_tokens.py`); `ml_predict('m', struct(*))` and `ml_predict('m', x => a)` in an expression give one value.
Feature functions with statistics (`ML.STANDARD_SCALER(x) OVER ()`) are bound by `Binder.features` inside TRANSFORM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import Expr, Literal
from sqlshell.plan import bind_call
from sqlshell.plan.bind_site import Cte, Env, Site
from sqlshell.plan.bind_util import reject_unused, span_of
from sqlshell.plan.scope import get_field
from sqlshell.types import Struct

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.plan.bind import Binder
    from sqlshell.plan.context import BoundQuery

PREFIX = "ml_"
VALUES = ("ml_predict", "ml_predict_proba")
"""Model functions that give one value."""


def relation(b: Binder, call: Any, env: Env) -> BoundQuery:
    """`FROM ML.X(MODEL m [, data] [, STRUCT(...)])`."""
    reject_unused(call, ("this", "expressions"))
    name, span = call.name.lower(), span_of(call)
    arguments = list(call.expressions)
    reference = _reference(arguments[0] if arguments else None, name, span)
    data: BoundQuery | None = None
    options: dict[str, Any] = {}
    for arg in arguments[1:]:
        if isinstance(arg, (exp.Subquery, exp.Select, exp.SetOperation)) and data is None and not options:
            data = b.query(arg, env)
        elif isinstance(arg, exp.Anonymous) and arg.name.lower() == "struct":
            options.update(_options(b, arg, env))
        elif isinstance(arg, (exp.Kwarg, exp.PropertyEQ)):
            options[arg.this.name.lower()] = _constant(b, arg.expression, env)
        else:
            raise AnalysisError(
                f"{_shown(name)} takes a model, rows and options",
                condition="INVALID_MODEL_FUNCTION_ARGUMENT",
                span=span_of(arg) or span,
                hint=f"{_shown(name)}(MODEL m, TABLE t, STRUCT(0.5 AS threshold)); a query stands in parentheses",
            )
    query, wrapper = b.ctx.model_relation(name, reference, span, data, options)
    return query if wrapper is None else around(b, wrapper, query)


def around(b: Binder, text: str, query: BoundQuery) -> BoundQuery:
    """A query of our own over `query`, which it calls `__input`."""
    inner = type(b)(b.ctx)
    inner.text = text
    inner.features = b.features
    return inner.query(b.ctx.parse_query(text, "spark"), Env({"__input": Cte("__input", query)}))


def value(b: Binder, node: Any, name: str, site: Site) -> Expr:
    """A model function, or a feature function, in an expression."""
    span = span_of(node)
    if name in VALUES:
        arguments = list(node.expressions)
        reference = _reference(arguments[0] if arguments else None, name, span)
        return b.ctx.model_value(name, reference, span, _inputs(b, arguments[1:], site, name, span))
    if b.features is not None:
        args, named = bind_call.arguments(b, node, site)
        found = b.features.call(name, args, named, span)
        if found is not None:
            return found
    raise b.ctx.unknown_model_function(name, span)


def _inputs(b: Binder, arguments: list[Any], site: Site, name: str, span: Span | None) -> dict[str, Expr]:
    """The model's input columns by lower-case name, from struct(...) or named arguments."""
    found: dict[str, Expr] = {}
    for arg in arguments:
        if isinstance(arg, (exp.Kwarg, exp.PropertyEQ)):
            found[arg.this.name.lower()] = b.expr(arg.expression, site)
            continue
        bound = b.expr(arg, site)
        if not isinstance(bound.type, Struct):
            raise AnalysisError(
                f"{name}() takes the model's inputs as struct(*), struct(a, b) or by name (x => a)",
                condition="INVALID_MODEL_FUNCTION_ARGUMENT",
                span=span_of(arg) or span,
            )
        for field in bound.type.fields:
            found[field.name.lower()] = _field(bound, field.name)
    return found


def _field(struct: Expr, name: str) -> Expr:
    """A field of a struct; of `struct(a, b)` the very expression, so that columns can be pruned."""
    args = getattr(struct, "args", ())
    if getattr(struct, "fn", "") == "named_struct":
        for key, item in zip(args[::2], args[1::2], strict=True):
            if isinstance(key, Literal) and key.value == name:
                return item  # type: ignore[no-any-return]
    return get_field(struct, name, None)


def _reference(node: Any, name: str, span: Span | None) -> str:
    if not (isinstance(node, exp.Literal) and node.is_string):
        raise AnalysisError(
            f"{_shown(name)} takes a model first",
            condition="INVALID_MODEL_FUNCTION_ARGUMENT",
            span=span_of(node) if node is not None else span,
            hint="write MODEL name, or the name in quotes: 'm', 'm@v3', 'm@champion'",
        )
    return str(node.this)


def _options(b: Binder, struct: Any, env: Env) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for item in struct.expressions:
        if not isinstance(item, (exp.Alias, exp.PropertyEQ, exp.Kwarg)):
            raise AnalysisError(
                "the options of a model function have names: STRUCT(0.5 AS threshold)",
                condition="INVALID_MODEL_FUNCTION_ARGUMENT",
                span=span_of(item),
            )
        key = item.alias if isinstance(item, exp.Alias) else item.this.name
        out[key.lower()] = _constant(b, item.this if isinstance(item, exp.Alias) else item.expression, env)
    return out


def _constant(b: Binder, node: Any, env: Env) -> Any:
    from sqlshell.plan.scope import Scope

    return b.constant(node, Site(Scope(), env, "a model's options"), "a model's option").value


def _shown(name: str) -> str:
    return "ML." + name.removeprefix(PREFIX).upper()
