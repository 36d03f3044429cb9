"""Scalar expressions: one small handler per AST class; anything else is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import Expr, Literal
from sqlshell.parser.parameters import unbound
from sqlshell.plan import (
    bind_call,
    bind_compare,
    bind_literal,
    bind_subquery,
    bind_type,
    bind_window,
)
from sqlshell.plan.bind_util import reject_unused, span_of, text_of, unsupported
from sqlshell.plan.call import make_call
from sqlshell.plan.coerce import cast_explicitly
from sqlshell.plan.scope import get_field
from sqlshell.types import BOOLEAN, STRING, VOID, Struct, Variant

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.errors import Span
    from sqlshell.plan.bind import Binder
    from sqlshell.plan.bind_site import Site

BINARY_OPERATORS: dict[type, str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.IntDiv: "div",
    exp.Mod: "%",
    exp.EQ: "=",
    exp.NullSafeEQ: "<=>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.BitwiseAnd: "&",
    exp.BitwiseOr: "|",
    exp.BitwiseXor: "^",
    exp.BitwiseLeftShift: "shiftleft",
    exp.BitwiseRightShift: "shiftright",
    exp.Distance: "shiftrightunsigned",
    exp.RegexpLike: "rlike",
}
_BINARY_ARGS = ("this", "expression", "typed", "safe")


def _binary(b: Binder, node: Any, site: Site) -> Expr:
    reject_unused(node, _BINARY_ARGS)
    quantified = node.expression
    if isinstance(quantified, (exp.Any, exp.All)):
        return bind_subquery.bind_quantified(b, node, BINARY_OPERATORS[type(node)], site)
    left, right = b.expr(node.this, site), b.expr(node.expression, site)
    return make_call(BINARY_OPERATORS[type(node)], [left, right], span=span_of(node))


def _not_equal(b: Binder, node: Any, site: Site) -> Expr:
    reject_unused(node, _BINARY_ARGS)
    if isinstance(node.expression, (exp.Any, exp.All)):
        return bind_subquery.bind_quantified(b, node, "!=", site)
    op = "<=>" if isinstance(node, exp.NullSafeNEQ) else "="
    equal = make_call(op, [b.expr(node.this, site), b.expr(node.expression, site)], span=span_of(node))
    return make_call("not", [equal], span=span_of(node))


def _flatten(node: Any, kind: type[Any]) -> list[Any]:
    """Operands of a chain of one associative operator, left to right, without recursion."""
    out: list[Any] = []
    stack = [node]
    while stack:
        n: Any = stack.pop()
        if type(n) is kind:
            reject_unused(n, _BINARY_ARGS)
            stack.append(n.expression)
            stack.append(n.this)
        elif isinstance(n, exp.Paren) and type(n.this) is kind:
            stack.append(n.this)
        else:
            out.append(n)
    return out


def _chain(name: str) -> Callable[[Binder, Any, Site], Expr]:
    def handler(b: Binder, node: Any, site: Site) -> Expr:
        args = [b.expr(n, site) for n in _flatten(node, type(node))]
        return make_call(name, args, span=span_of(node))

    return handler


def _concat(b: Binder, node: Any, site: Site) -> Expr:
    """`'a' 'b'`: adjacent string literals are one literal."""
    reject_unused(node, ("expressions", "safe", "coalesce"))
    parts = [b.expr(e, site) for e in node.expressions]
    if all(isinstance(p, Literal) and isinstance(p.value, str) for p in parts):
        return Literal("".join(p.value for p in parts if isinstance(p, Literal)), STRING)
    return make_call("||", parts, span=span_of(node))


def _not(b: Binder, node: Any, site: Site) -> Expr:
    reject_unused(node, ("this",))
    if isinstance(node.this, exp.Is) and isinstance(node.this.expression, exp.Null):
        return make_call("isnotnull", [b.expr(node.this.this, site)], span=span_of(node))
    return make_call("not", [b.expr(node.this, site)], span=span_of(node))


def _negative(b: Binder, node: Any, site: Site) -> Expr:
    literal = bind_literal.negative(node)
    if literal is not None:
        return literal
    return make_call("negative", [b.expr(node.this, site)], span=span_of(node))


def _paren(b: Binder, node: Any, site: Site) -> Expr:
    reject_unused(node, ("this",))
    return b.expr(node.this, site)


def _case(b: Binder, node: Any, site: Site) -> Expr:
    """Searched and simple CASE; branch values meet in their common type."""
    reject_unused(node, ("this", "ifs", "default"))
    subject = b.expr(node.this, site) if node.this is not None else None
    span = span_of(node)
    conditions: list[Expr] = []
    values: list[Expr] = []
    for branch in node.args["ifs"]:
        condition = b.expr(branch.this, site)
        if subject is not None:
            condition = make_call("=", [subject, condition], span=span_of(branch.this) or span)
        conditions.append(condition)
        values.append(b.expr(branch.args["true"], site))
    default = node.args.get("default")
    otherwise = b.expr(default, site) if default is not None else Literal(None, VOID)
    args: list[Expr] = [x for pair in zip(conditions, values, strict=True) for x in pair]
    return make_call("case", [*args, otherwise], span=span)


def _cast(b: Binder, node: Any, site: Site) -> Expr:
    reject_unused(node, ("this", "to", "safe"))
    to = bind_type.sql_type(node.args["to"])
    value = b.expr(node.this, site)
    safe = isinstance(node, exp.TryCast)
    if isinstance(value, Literal):
        if node.meta.get("typed_literal"):
            known = bind_literal.typed(node.this.this, to, b.zone, span_of(node))
            if known is not None:
                return known
        folded = bind_literal.fold_cast(value, to, b.zone)
        if folded is not None:
            return folded
    return cast_explicitly(value, to, safe=safe, span=span_of(node))


def _column(b: Binder, node: Any, site: Site) -> Expr:
    reject_unused(node, ("this", "table", "db", "catalog"))
    if isinstance(node.this, exp.Star):
        raise AnalysisError(
            f"a star cannot stand here: {text_of(node)}",
            condition="INVALID_USAGE_OF_STAR_OR_REGEX",
            span=span_of(node),
        )
    return resolve(b, tuple(p.name for p in node.parts), site, span_of(node), node)


def _identifier(b: Binder, node: Any, site: Site) -> Expr:
    return resolve(b, (node.name,), site, span_of(node), node)


def _dot(b: Binder, node: Any, site: Site) -> Expr:
    """A path: all names when it starts with a column, else a field of a value."""
    parts: list[str] = []
    base = node
    while isinstance(base, exp.Dot):
        reject_unused(base, ("this", "expression"))
        if isinstance(base.expression, exp.Anonymous):
            from sqlshell.plan import bind_function

            value = bind_function.qualified(b, base, site)
            for name in reversed(parts):
                value = get_field(value, name, span_of(node))
            return value
        if not isinstance(base.expression, exp.Identifier):
            raise unsupported(node)
        parts.append(base.expression.name)
        base = base.this
    parts.reverse()
    if isinstance(base, (exp.Column, exp.Identifier)):
        head = [p.name for p in base.parts] if isinstance(base, exp.Column) else [base.name]
        return resolve(b, (*head, *parts), site, span_of(node), node)
    value = b.expr(base, site)
    for name in parts:
        value = get_field(value, name, span_of(node))
    return value


def resolve(b: Binder, parts: tuple[str, ...], site: Site, span: Span | None, node: Any = None) -> Expr:
    """A name: lambda variable, preferred names, FROM's columns, lateral aliases, the queries around, then the
    functions that need no parentheses (current_date), at last the session's variables."""
    variable = site.lambdas.get(parts[0].lower()) or site.time_windows.get(parts[0].lower())
    if variable is not None:
        value: Expr = variable
        for name in parts[1:]:
            value = get_field(value, name, span)
        return value
    for look in (site.prefer, site.scope.find, site.fallback):
        found = look(parts, span) if look is not None else None
        if found is not None:
            return found
    outer = site.scope.parent
    while outer is not None:
        found = outer.find(parts, span)
        if found is not None:
            return found
        outer = outer.parent
    if len(parts) == 1:
        found = bind_call.session_value(b, parts[0].lower())
        if found is not None:
            return found
    known = b.ctx.resolve_variable(parts)
    if known is not None:
        if node is not None:
            node.meta["variable"] = ".".join([known.shown, *parts[known.parts :]])
        value = known.value
        for name in parts[known.parts :]:
            value = get_field(value, name, span)
        return value
    raise site.scope.unresolved(parts, span)


def _bracket(b: Binder, node: Any, site: Site) -> Expr:
    """`array[i]`, `map[key]`, `struct['field']`."""
    reject_unused(node, ("this", "expressions", "offset", "safe"))
    if len(node.expressions) != 1 or isinstance(node.expressions[0], exp.Slice):
        raise unsupported(node, "an index other than one value")
    value, key = b.expr(node.this, site), b.expr(node.expressions[0], site)
    if isinstance(value.type, Struct) and isinstance(key, Literal) and isinstance(key.value, str):
        return get_field(value, key.value, span_of(node))
    return make_call("[]", [value, key], span=span_of(node))


def _extract(b: Binder, node: Any, site: Site) -> Expr:
    reject_unused(node, ("this", "expression"))
    field = Literal(node.this.name.lower(), STRING)
    return make_call("date_part", [field, b.expr(node.expression, site)], span=span_of(node))


def _variant_path(b: Binder, node: Any, site: Site) -> Expr:
    """`v:a.b[0]`: a part of a variant."""
    reject_unused(node, ("this", "expression", "variant_extract", "requires_json"))
    value = b.expr(node.this, site)
    if not isinstance(value.type, Variant):
        raise AnalysisError(
            f"the operator : takes parts of a variant, not of {value.type}",
            condition="COLUMN_IS_NOT_VARIANT_TYPE",
            span=span_of(node),
            hint="use . for fields of a struct, parse_json() for texts",
        )
    path = "$" + "".join(_variant_step(e) for e in node.expression.expressions[1:])
    return make_call("variant_get", [value, Literal(path, STRING)], span=span_of(node))


def _variant_step(node: Any) -> str:
    if isinstance(node, exp.JSONPathSubscript) and isinstance(node.this, int):
        return f"[{node.this}]"
    if isinstance(node, exp.JSONPathKey) and isinstance(node.this, str):
        return f"['{node.this}']" if "'" not in node.this else f'["{node.this}"]'
    raise unsupported(node, "a path other than names and positions")


def _tuple(b: Binder, node: Any, site: Site) -> Expr:
    return bind_call.make_struct(b, node.expressions, site, span_of(node))


def _trim(b: Binder, node: Any, site: Site) -> Expr:
    """TRIM([BOTH | LEADING | TRAILING] [chars] FROM text)."""
    reject_unused(node, ("this", "expression", "position"))
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "trim")
    chars = node.args.get("expression")
    text = b.expr(node.this, site)
    if chars is None:
        return make_call(name, [text], span=span_of(node))
    return make_call(name, [b.expr(chars, site), text], span=span_of(node))


def _named_args(name: str, keys: tuple[str, ...]) -> Callable[[Binder, Any, Site], Expr]:
    """SUBSTRING(a FROM b FOR c) and the like: native nodes whose arguments are a plain call's."""

    def handler(b: Binder, node: Any, site: Site) -> Expr:
        reject_unused(node, keys)
        args = [b.expr(node.args[k], site) for k in keys if node.args.get(k) is not None]
        return make_call(name, args, span=span_of(node))

    return handler


def _collate(b: Binder, node: Any, site: Site) -> Expr:
    reject_unused(node, ("this", "expression"))
    name = Literal(node.expression.name, STRING)
    return make_call("collate", [b.expr(node.this, site), name], span=span_of(node))


def _alias(b: Binder, node: Any, site: Site) -> Expr:
    raise AnalysisError(
        f"an alias cannot stand inside an expression: {text_of(node)}",
        condition="PARSE_SYNTAX_ERROR",
        span=span_of(node),
    )


def _star(b: Binder, node: Any, site: Site) -> Expr:
    raise AnalysisError(
        "a star cannot stand here", condition="INVALID_USAGE_OF_STAR_OR_REGEX", span=span_of(node)
    )


def _marker(b: Binder, node: Any, site: Site) -> Expr:
    """A `?` or `:name` that got no value."""
    raise unbound(node.name or None, span_of(node), ())


HANDLERS: dict[type, Callable[[Any, Any, Any], Expr]] = {
    **dict.fromkeys(BINARY_OPERATORS, _binary),
    exp.NEQ: _not_equal,
    exp.NullSafeNEQ: _not_equal,
    exp.And: _chain("and"),
    exp.Or: _chain("or"),
    exp.DPipe: _chain("||"),
    exp.Concat: _concat,
    exp.Not: _not,
    exp.Neg: _negative,
    exp.BitwiseNot: lambda b, n, s: make_call("~", [b.expr(n.this, s)], span=span_of(n)),
    exp.Paren: _paren,
    exp.Is: bind_compare.bind_is,
    exp.Between: bind_compare.bind_between,
    exp.In: bind_compare.bind_in_list,
    exp.Like: bind_compare.like("like"),
    exp.ILike: bind_compare.like("ilike"),
    exp.Escape: bind_compare.bind_escape,
    exp.Case: _case,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Column: _column,
    exp.Identifier: _identifier,
    exp.Dot: _dot,
    exp.Bracket: _bracket,
    exp.Literal: lambda b, n, s: bind_literal.plain(n),
    exp.RawString: lambda b, n, s: Literal(n.this, STRING),
    exp.HexString: lambda b, n, s: bind_literal.binary(n),
    exp.Boolean: lambda b, n, s: Literal(bool(n.this), BOOLEAN),
    exp.Null: lambda b, n, s: Literal(None, VOID),
    exp.Interval: lambda b, n, s: bind_literal.interval(n),
    exp.Extract: _extract,
    exp.JSONExtract: _variant_path,
    exp.Tuple: _tuple,
    exp.Trim: _trim,
    exp.Substring: _named_args("substring", ("this", "start", "length")),
    exp.StrPosition: _named_args("position", ("substr", "this", "position")),
    exp.Overlay: _named_args("overlay", ("this", "expression", "from_", "for_")),
    exp.Collate: _collate,
    exp.Alias: _alias,
    exp.Star: _star,
    exp.Placeholder: _marker,
    exp.Anonymous: bind_call.bind_call,
    exp.Filter: bind_call.bind_wrapped,
    exp.WithinGroup: bind_call.bind_wrapped,
    exp.IgnoreNulls: bind_call.bind_wrapped,
    exp.RespectNulls: bind_call.bind_wrapped,
    exp.Window: bind_window.bind_window,
    exp.Subquery: bind_subquery.bind_scalar,
    exp.Select: bind_subquery.bind_scalar,
    exp.Exists: bind_subquery.bind_exists,
    exp.CurrentDate: lambda b, n, s: bind_call.session_node(b, n, "current_date"),
    exp.CurrentTimestamp: lambda b, n, s: bind_call.session_node(b, n, "current_timestamp"),
    exp.CurrentUser: lambda b, n, s: bind_call.session_node(b, n, "current_user"),
}
