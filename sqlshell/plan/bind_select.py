"""One SELECT block, from FROM to LIMIT.

Every expression of the block is bound over FROM's columns first (aggregates and window calls stay inside it);
then the plan is built bottom up, and each expression is rewritten into what the node below it produces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError, NotSupportedError
from sqlshell.expr.expr import Call, Column, Expr, GetField, Literal, ScalarSubquery, SortKey
from sqlshell.plan import bind_call, bind_from, bind_order, bind_set, collations
from sqlshell.plan.bind_group import Grouping, Item, bind_group_by, has_aggregate
from sqlshell.plan.bind_site import Env, Site
from sqlshell.plan.bind_time_window import add_time_windows
from sqlshell.plan.bind_util import reject_unused, span_of, text_of, unresolved_column
from sqlshell.plan.bind_window import extract_windows, has_window
from sqlshell.plan.call import make_call
from sqlshell.plan.context import BoundQuery
from sqlshell.plan.logical import Aggregate, Filter, Generate, Named, Plan, Project, fresh_column, passthrough
from sqlshell.plan.naming import output_name, shown_by
from sqlshell.plan.renew import is_deterministic
from sqlshell.plan.scope import ambiguous, get_field
from sqlshell.records import replace
from sqlshell.types import STRING, VOID, Struct

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.plan.bind import Binder

HANDLED = frozenset(
    [
        "with_",
        "hint",
        "distinct",
        "expressions",
        "from_",
        "joins",
        "laterals",
        "where",
        "group",
        "having",
        "qualify",
        "windows",
        "order",
        "sort",
        "distribute",
        "cluster",
        "limit",
        "offset",
    ]
)


def bind_select(b: Binder, node: Any, env: Env) -> BoundQuery:
    """The plan and output names of a SELECT."""
    reject_unused(node, HANDLED)
    return _Select(b, node, env).bind()


class _Select:
    """The state of one block while it is bound."""

    def __init__(self, b: Binder, node: Any, env: Env) -> None:
        self.b, self.node, self.env = b, node, env
        self.items: list[Item] = []
        self.generators: list[tuple[Call, tuple[Column, ...], bool]] = []
        self.lateral_names: set[str] = set()

    def bind(self) -> BoundQuery:
        b, node = self.b, self.node
        self.plan, scope = bind_from.bind_from(b, node, self.env)
        named = {w.this.name.lower(): w for w in node.args.get("windows") or []}
        self.site = Site(scope, self.env, "SELECT", windows_named=named)
        where = node.args.get("where")
        if where is not None:
            self.plan = Filter(
                self.plan, b.predicate(where.this, replace(self.site, clause="WHERE"), "WHERE")
            )
        self.plan, self.site = add_time_windows(b, node, self.plan, self.site)
        self._bind_items()
        group = bind_group_by(b, node.args.get("group"), self.items, replace(self.site, clause="GROUP BY"))
        having, qualify = self._bind_having(), self._bind_qualify()
        order = self._bind_order()
        self._build(group, having, qualify, order)
        names = tuple(i.name for i in self.items)
        return BoundQuery(self._finish(), names)

    # Binding, all over FROM's columns

    def _bind_items(self) -> None:
        site = replace(
            self.site, aggregates=True, windows=True, generators=True, fallback=self._lateral_alias
        )
        for e in self.node.expressions:
            self._bind_item(e, site)

    def _bind_item(self, e: Any, site: Site) -> None:
        if bind_call.is_star(e):
            self.items += expand_star(self.b, e, site)
            return
        inner, alias, aliases = e, None, None
        if isinstance(e, exp.Alias):
            reject_unused(e, ("this", "alias"))
            inner, alias = e.this, e.args["alias"].name
        elif isinstance(e, exp.Aliases):
            inner, aliases = e.this, [a.name for a in e.expressions]
        while isinstance(inner, exp.Paren) and isinstance(inner.this, exp.Anonymous):
            inner = inner.this
        made = bind_call.bind_generator(self.b, inner, site)
        if made is not None:
            self._bind_generator(inner, made, [alias] if alias is not None else aliases)
            return
        if aliases is not None:
            raise AnalysisError(
                f"several aliases for one value: {text_of(e)}",
                condition="MULTI_ALIAS_WITHOUT_GENERATOR",
                span=span_of(e),
            )
        self.lateral_names.clear()
        bound = self.b.expr(inner, site)
        if collations.collation_of(bound):
            raise collations.refused("the select list", span_of(e))
        name = alias if alias is not None else self._automatic_name(inner, bound)
        self.items.append(Item(name, bound, e, alias is not None))

    def _bind_generator(
        self, node: Any, made: tuple[Call, tuple[Column, ...], bool], aliases: list[str] | None
    ) -> None:
        call, columns, outer = made
        columns = bind_from.renamed(columns, aliases, span_of(node))
        self.generators.append((call, columns, outer))
        self.items += [Item(c.name, c, node, True) for c in columns]

    def _automatic_name(self, node: Any, bound: Expr) -> str:
        if isinstance(bound, ScalarSubquery) and not isinstance(node, exp.Anonymous | exp.Dot):
            return f"scalarsubquery({', '.join(c.name for c in bound.plan.free_columns)})"
        if any(bind_call.is_star(n) for n in node.find_all(exp.Star, exp.Column)):
            node = bind_call.with_stars_expanded(node, self.site)
        if isinstance(node, exp.Column):
            return output_name(node, self.b.text, bound=bound, zone=self.b.zone)
        default = shown_by(bound)

        def shown(column: Any) -> str | None:
            if column.name.lower() in self.lateral_names and len(column.parts) == 1:
                return f"lateralAliasReference({column.name})"
            return default(column)

        return output_name(node, self.b.text, bound=bound, shown=shown, zone=self.b.zone)

    def _lateral_alias(self, parts: tuple[str, ...], span: Span | None) -> Expr | None:
        """An alias defined earlier in the same select list."""
        wanted = parts[0].lower()
        hits = [i for i in self.items if i.aliased and i.name.lower() == wanted]
        if not hits:
            return None
        if len(hits) > 1:
            raise AnalysisError(
                f"the alias `{parts[0]}` is defined {len(hits)} times in this select list",
                condition="AMBIGUOUS_LATERAL_COLUMN_ALIAS",
                span=span,
            )
        if not is_deterministic(hits[0].expr):
            raise NotSupportedError(
                f"using the alias `{parts[0]}` of a non-deterministic expression in the same select list",
                span=span,
                hint="compute it in a subquery",
            )
        if not any(hits[0].expr == c for _, columns, _ in self.generators for c in columns):
            self.lateral_names.add(wanted)
        return _fields(hits[0].expr, parts[1:], span)

    def _output(self, parts: tuple[str, ...], span: Span | None) -> Expr | None:
        """A column of the select list by name (what ORDER BY and HAVING see first)."""
        wanted = parts[0].lower()
        hits = [i for i in self.items if i.name.lower() == wanted]
        if not hits:
            return None
        if any(i.expr != hits[0].expr for i in hits[1:]):
            raise ambiguous(parts, [text_of(i.node) for i in hits], span)
        return _fields(hits[0].expr, parts[1:], span)

    def _bind_having(self) -> Expr | None:
        node = self.node.args.get("having")
        if node is None:
            return None
        site = replace(self.site, clause="HAVING", aggregates=True, prefer=self._output)
        return self.b.predicate(node.this, site, "HAVING")

    def _bind_qualify(self) -> Expr | None:
        node = self.node.args.get("qualify")
        if node is None:
            return None
        site = replace(
            self.site, clause="QUALIFY", aggregates=True, windows=True, fallback=self._lateral_alias
        )
        bound = self.b.predicate(node.this, site, "QUALIFY")
        if not has_window(bound) and not any(has_window(i.expr) for i in self.items):
            raise AnalysisError(
                "QUALIFY needs a window function, in it or in the select list",
                condition="QUALIFY_REQUIRES_WINDOW_FUNCTION",
                span=span_of(node),
                hint="use WHERE or HAVING",
            )
        return bound

    def _bind_order(self) -> list[tuple[SortKey, Any]]:
        nodes = bind_order.order_items(self.node)
        site = replace(self.site, clause="ORDER BY", aggregates=True, windows=True, prefer=self._output)
        bind_order.check_distribution(self.b, self.node, site)
        return bind_order.bind_keys(self.b, nodes, self.items, site)

    # Building, bottom up

    def _build(
        self,
        group: Any,
        having: Expr | None,
        qualify: Expr | None,
        order: list[tuple[SortKey, Any]],
    ) -> None:
        exprs: list[Any] = [i.expr for i in self.items]
        nodes: list[Any] = [i.node for i in self.items]
        exprs += [k for k, _ in order]
        nodes += [n for _, n in order]
        if qualify is not None:
            exprs.append(qualify)
            nodes.append(self.node.args["qualify"])
        exprs += [g[0] for g in self.generators]
        nodes += [self.node] * len(self.generators)
        if group is not None or having is not None or any(has_aggregate(e) for e in exprs):
            grouping = Grouping(self.plan, group)
            self._check_order_aggregates(group, having, order)
            exprs = [grouping.over(e, n) for e, n in zip(exprs, nodes, strict=True)]
            condition = grouping.over(having, self.node.args["having"]) if having is not None else None
            self.plan = grouping.plan()
            if condition is not None:
                self.plan = Filter(self.plan, condition)
        if self.generators:
            made = exprs[-len(self.generators) :]
            del exprs[-len(self.generators) :]
            for call, (_, columns, outer) in zip(made, self.generators, strict=True):
                self.plan = Generate(self.plan, call, columns, outer)
        if any(has_window(e) for e in exprs):
            self.plan, exprs = extract_windows(self.plan, exprs)
        if qualify is not None:
            self.plan = Filter(self.plan, exprs.pop())
        self.outputs = exprs[: len(self.items)]
        self.keys = exprs[len(self.items) :]

    def _check_order_aggregates(self, group: Any, having: Any, order: list[tuple[SortKey, Any]]) -> None:
        """Aggregates in ORDER BY alone do not make a query an aggregate one."""
        if group is not None or having is not None or any(has_aggregate(i.expr) for i in self.items):
            return
        for key, node in order:
            if has_aggregate(key):
                raise AnalysisError(
                    f"ORDER BY uses an aggregate function, but the query does not aggregate: {text_of(node)}",
                    condition="UNSUPPORTED_EXPR_FOR_OPERATOR",
                    span=span_of(node),
                    hint="add GROUP BY",
                )

    def _finish(self) -> Plan:
        """Projection, DISTINCT, ORDER BY, LIMIT; columns only the order needs are dropped at the end."""
        below = self.plan.output_ids
        named = unique_items([i.name for i in self.items], self.outputs, below)
        distinct = self.node.args.get("distinct")
        if distinct is not None:
            reject_unused(distinct, ())
        keys, hidden = bind_order.over_output(self.keys, named, below)
        if hidden and distinct is not None:
            raise bind_order.not_in_distinct(hidden[0], self.node)
        plan = project(self.plan, [*named, *(passthrough(c) for c in hidden)])
        if distinct is not None:
            bind_set.refuse_unordered(plan, "DISTINCT", self.node)
            plan = Aggregate(plan, tuple(passthrough(c) for c in plan.output), ())
        plan = bind_order.sort_and_limit(self.b, plan, keys, self.node, self.site)
        if hidden:
            plan = Project(plan, tuple(passthrough(n.column) for n in named))
        return plan


def _fields(e: Expr, names: tuple[str, ...], span: Span | None) -> Expr:
    for name in names:
        e = get_field(e, name, span)
    return e


def unique_items(names: list[str], exprs: list[Expr], below: frozenset[int]) -> list[Named]:
    """Projection items under unique ids: a column from below keeps its id the first time."""
    seen: set[int] = set()
    out: list[Named] = []
    for name, e in zip(names, exprs, strict=True):
        if isinstance(e, Column) and e.id in below and e.id not in seen:
            seen.add(e.id)
            out.append(Named(e if e.name == name else replace(e, name=name), e))
        else:
            out.append(Named(fresh_column(name, e), e))
    return out


def project(plan: Plan, items: list[Named]) -> Plan:
    """A Project, left out when it would change nothing."""
    same = len(items) == len(plan.output) and all(
        isinstance(i.expr, Column) and i.expr.id == i.column.id == c.id
        for i, c in zip(items, plan.output, strict=True)
    )
    return plan if same else Project(plan, tuple(items))


def expand_star(b: Binder, node: Any, site: Site) -> list[Item]:
    """`*`, `t.*`, `s.*` with EXCEPT (...) taken out."""
    star, qualifier = node, []
    if isinstance(node, exp.Column):
        star, qualifier = node.this, [p.name for p in node.parts[:-1]]
    elif isinstance(node, exp.Dot):
        star, qualifier = node.expression, [p.name for p in node.parts[:-1]]
    reject_unused(star, ("except_", "replace"))
    span = span_of(node)
    columns = site.scope.star(qualifier, span)
    if not columns and not site.scope.entries and not site.scope.names:
        raise AnalysisError("* needs a FROM clause", condition="INVALID_USAGE_OF_STAR_OR_REGEX", span=span)
    for left_out in star.args.get("except_") or []:
        columns = _without(columns, left_out, site)
    for replaced in star.args.get("replace") or []:
        columns = _replaced(b, columns, replaced, site)
    return [Item(name, e, node) for name, e in columns]


def _replaced(b: Binder, columns: list[tuple[str, Expr]], node: Any, site: Site) -> list[tuple[str, Expr]]:
    """The columns with one computed anew in its place (`REPLACE (a + 1 AS a)`)."""
    name = node.alias.lower()
    if name not in {n.lower() for n, _ in columns}:
        raise unresolved_column([node.alias], [n for n, _ in columns], span_of(node))
    value = b.expr(node.this, site)
    return [(n, value if n.lower() == name else e) for n, e in columns]


def _without(columns: list[tuple[str, Expr]], node: Any, site: Site) -> list[tuple[str, Expr]]:
    """The columns with one left out, or with a field of a struct column left out."""
    parts = [p.name for p in node.parts] if isinstance(node, (exp.Column, exp.Dot)) else [node.name]
    wanted = site.scope.find(parts, span_of(node))
    kept = [(n, e) for n, e in columns if e != wanted]
    if wanted is None:
        raise site.scope.unresolved(parts, span_of(node))
    if len(kept) < len(columns):
        return kept
    path = []
    base = wanted
    while isinstance(base, GetField):
        path.append(base.name)
        base = base.arg
    path.reverse()
    if not path or all(e != base for _, e in columns):
        raise site.scope.unresolved(parts, span_of(node))
    return [(n, _without_field(e, path) if e == base else e) for n, e in columns]


def _without_field(e: Expr, path: list[str]) -> Expr:
    """A struct rebuilt without the field at `path`."""
    args: list[Expr] = []
    assert isinstance(e.type, Struct)
    for f in e.type.fields:
        value = get_field(e, f.name, None)
        if f.name == path[0]:
            if len(path) == 1:
                continue
            value = _without_field(value, path[1:])
        args += [Literal(f.name, STRING), value]
    made = make_call("named_struct", args)
    if not e.nullable:
        return made
    return make_call("if", [make_call("isnull", [e]), Literal(None, VOID), made])
