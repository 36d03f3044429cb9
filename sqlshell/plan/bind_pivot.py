"""PIVOT and UNPIVOT of a relation, and TABLESAMPLE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError, ParseError
from sqlshell.expr.expr import Column, Expr, Literal, conjoin
from sqlshell.parser.tokens import CLAUSE_MARK
from sqlshell.plan import bind_pipe
from sqlshell.plan.bind_group import GroupBy, Grouping, has_aggregate
from sqlshell.plan.bind_site import Env, Site
from sqlshell.plan.bind_util import clause_of, reject_unused, span_of, text_of
from sqlshell.plan.call import make_aggregate, make_call, make_generator
from sqlshell.plan.coerce import can_cast, cast_explicitly, cast_to, common_type
from sqlshell.plan.logical import (
    Aggregate,
    Filter,
    Generate,
    Limit,
    Named,
    Plan,
    Project,
    fresh_column,
    passthrough,
)
from sqlshell.plan.naming import output_name
from sqlshell.plan.scope import Entry, Scope, ambiguous
from sqlshell.records import dataclass, replace
from sqlshell.types import DOUBLE, INT, STRING, Boolean, Map, Numeric, SqlType, String, Void

if TYPE_CHECKING:
    from sqlshell.plan.bind import Binder
    from sqlshell.plan.bind_from import Bound

PIVOT, UNPIVOT = CLAUSE_MARK + "PIVOT", CLAUSE_MARK + "UNPIVOT"


def bind_clause(b: Binder, left: Bound, node: Any, env: Env) -> Bound:
    """PIVOT, UNPIVOT or a pipe operator over everything to its left."""
    reject_unused(node, ("this", "alias", "joins"))
    clause = {PIVOT: pivot, UNPIVOT: unpivot}.get(clause_of(node) or "", bind_pipe.bind_operator)
    made = clause(b, left, node.this, env)
    alias = node.args.get("alias")
    if alias is None:
        return made
    from sqlshell.plan.bind_from import column_aliases

    name = alias.name.lower()
    visible = [e for e in made.entries if not e.hidden]
    names = column_aliases(alias, [e.name for e in visible])
    entries = tuple(Entry(n, e.column, (name,)) for n, e in zip(names, visible, strict=True))
    return replace(made, entries=entries, names=frozenset({name}))


@dataclass
class _Value:
    """One value of PIVOT's list: a literal for each key, and its name."""

    literals: list[Expr]
    name: str


def pivot(b: Binder, left: Bound, call: Any, env: Env) -> Bound:
    """One row for each group of the columns not named in the clause, one column for each value and aggregate."""
    aggregates, key_node, values_node = call.expressions
    site = Site(left.scope(env.outer), env, "PIVOT", aggregates=True)
    aggs = [
        (_alias(n), b.expr(n.this if isinstance(n, exp.Alias) else n, site), n)
        for n in aggregates.expressions
    ]
    for _, e, n in aggs:
        if not has_aggregate(e):
            raise AnalysisError(
                f"PIVOT needs an aggregate function, {text_of(n)} has none",
                condition="MISSING_AGGREGATION",
                span=span_of(n),
            )
    key_nodes = key_node.expressions if isinstance(key_node, exp.Tuple) else [_bare(key_node)]
    keys = [b.expr(k, replace(site, aggregates=False)) for k in key_nodes]
    for key, n in zip(keys, key_nodes, strict=True):
        if isinstance(key.type, Map):
            raise AnalysisError(
                f"PIVOT cannot compare values of type {key.type}",
                condition="INCOMPARABLE_PIVOT_COLUMN",
                span=span_of(n),
            )
    values = [_value(b, v, keys, env) for v in values_node.expressions]
    used = {c.id for e in (*keys, *(e for _, e, _ in aggs)) for c in e.walk() if isinstance(c, Column)}
    groups = [e for e in left.entries if not e.hidden and e.column.id not in used]
    single = len(aggs) == 1
    names = [
        v.name if single else f"{v.name}_{alias or output_name(n, b.text, bound=e, zone=b.zone)}"
        for v in values
        for alias, e, n in aggs
    ]
    if all(isinstance(e.type, Numeric | Boolean) for _, e, _ in aggs):
        plan, columns = _pivot_in_two(left.plan, groups, keys, aggs, values)
    else:
        plan, columns = _pivot_filtered(left.plan, groups, keys, aggs, values)
    made = tuple(Entry(n, replace(c, name=n)) for n, c in zip(names, columns, strict=True))
    return replace(left, plan=plan, entries=(*groups, *made))


def _alias(node: Any) -> str | None:
    return str(node.alias) if isinstance(node, exp.Alias) else None


def _bare(node: Any) -> Any:
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def _value(b: Binder, node: Any, keys: list[Expr], env: Env) -> _Value:
    site = Site(Scope((), None), env, "PIVOT")
    inner = _bare(node.this if isinstance(node, exp.Alias) else node)
    parts = inner.expressions if isinstance(inner, exp.Tuple) and len(keys) > 1 else [inner]
    if len(parts) != len(keys):
        raise AnalysisError(
            f"a value of PIVOT has {len(parts)} parts for {len(keys)} columns",
            condition="PIVOT_VALUE_DATA_TYPE_MISMATCH",
            span=span_of(node),
        )
    literals: list[Expr] = []
    shown: list[str] = []
    for part, key in zip(parts, keys, strict=True):
        if part.find(exp.Column) is not None:
            raise AnalysisError(
                f"PIVOT's values are constants, not {text_of(part)}",
                condition="NON_LITERAL_PIVOT_VALUES",
                span=span_of(part),
            )
        value = b.constant(part, site, "PIVOT")
        if not can_cast(value.type, key.type):
            raise AnalysisError(
                f"a value of PIVOT is {value.type}, its column {key.type}",
                condition="PIVOT_VALUE_DATA_TYPE_MISMATCH",
                span=span_of(part),
            )
        literals.append(b.evaluate(cast_explicitly(value, key.type, span=span_of(part))))
        text = b.evaluate(cast_explicitly(value, STRING)).value
        shown.append("null" if text is None else str(text))
    name = _alias(node) or (shown[0] if len(shown) == 1 else "{" + ", ".join(shown) + "}")
    return _Value(literals, name)


def _matches(keys: list[Any], value: _Value) -> Expr:
    return conjoin([make_call("<=>", [k, v]) for k, v in zip(keys, value.literals, strict=True)])


def _pivot_in_two(
    plan: Plan, groups: list[Entry], keys: list[Expr], aggs: list[Any], values: list[_Value]
) -> tuple[Plan, list[Column]]:
    """Spark's way for numbers: aggregate by groups and keys, then spread; what has no rows is NULL, counts too."""
    group = GroupBy([*(g.column for g in groups)])
    at = [group.index(k) for k in keys]
    grouping = Grouping(plan, group)
    results = [grouping.over(e, n) for _, e, n in aggs]
    first = grouping.plan()
    shown = [Named(fresh_column("value", r), r) for r in results]
    key_columns = [grouping.keys[i].column for i in at]
    kept = [passthrough(k.column) for k in grouping.keys]
    spread = Project(first, (*kept, *shown))
    out = []
    for value in values:
        condition = _matches(key_columns, value)
        for s in shown:
            call = make_aggregate("first", [s.column], filter=condition)
            out.append(
                Named(replace(fresh_column("pivot", call), nullable=True), replace(call, nullable=True))
            )
    by = tuple(passthrough(g.column) for g in groups)
    return Aggregate(spread, by, tuple(out)), [n.column for n in out]


def _pivot_filtered(
    plan: Plan, groups: list[Entry], keys: list[Expr], aggs: list[Any], values: list[_Value]
) -> tuple[Plan, list[Column]]:
    """Each aggregate over the rows of each value."""
    from sqlshell.expr.expr import AggCall

    grouping = Grouping(plan, GroupBy([g.column for g in groups]))
    results = []
    for value in values:
        condition = _matches(keys, value)

        def narrowed(e: Any, condition: Expr = condition) -> Any:
            if not isinstance(e, AggCall):
                return e
            return replace(e, filter=condition if e.filter is None else conjoin([e.filter, condition]))

        results += [grouping.over(e.transform_up(narrowed), n) for _, e, n in aggs]
    shown = [Named(fresh_column("pivot", r), r) for r in results]
    kept = [passthrough(k.column) for k in grouping.keys]
    return Project(grouping.plan(), (*kept, *shown)), [s.column for s in shown]


def unpivot(b: Binder, left: Bound, call: Any, env: Env) -> Bound:
    """One row for each row and listed column (or group of columns); without the NULL ones unless included."""
    flag, values_node, name_node, columns_node = call.expressions
    names = _names(values_node)
    site = Site(left.scope(env.outer), env, "UNPIVOT")
    rows: list[tuple[str, list[Expr]]] = []
    for node in columns_node.expressions:
        inner = _bare(node.this if isinstance(node, exp.Alias) else node)
        parts = inner.expressions if isinstance(inner, exp.Tuple) else [inner]
        cells = [b.expr(p, site) for p in parts]
        if any(not isinstance(c, Column) for c in cells):
            raise AnalysisError(
                f"UNPIVOT takes columns, not {text_of(inner)}",
                condition="UNPIVOT_REQUIRES_ATTRIBUTES",
                span=span_of(node),
            )
        if len(cells) != len(names):
            raise AnalysisError(
                f"UNPIVOT makes {len(names)} value columns, {text_of(inner)} has {len(cells)}",
                condition="UNPIVOT_VALUE_SIZE_MISMATCH",
                span=span_of(node),
            )
        default = "_".join(c.name for c in cells if isinstance(c, Column))
        rows.append((_alias(node) or default, cells))
    types = [_common(b, [r[1][i] for r in rows], call) for i in range(len(names))]
    args: list[Expr] = [Literal(len(rows), INT)]
    for label, cells in rows:
        args += [Literal(label, STRING), *(cast_to(c, t) for c, t in zip(cells, types, strict=True))]
    generator, fields = make_generator("stack", args)
    variable = _names(name_node)[0]
    shown = [variable, *names]
    columns = tuple(
        replace(fresh_column(n, generator), type=f.type, nullable=i > 0)
        for i, (n, f) in enumerate(zip(shown, fields, strict=True))
    )
    plan: Plan = Generate(left.plan, generator, columns)
    used = {c.id for _, cells in rows for c in cells if isinstance(c, Column)}
    rest = [e for e in left.entries if not e.hidden and e.column.id not in used]
    if not flag.this:
        for e in rest:
            if e.name.lower() in {n.lower() for n in names}:
                raise ambiguous([e.name], [f"`{e.name}`", e.full_name], span_of(values_node))
        present = [make_call("isnotnull", [c]) for c in columns[1:]]
        plan = Filter(plan, present[0] if len(present) == 1 else make_call("or", present))
    plan = Project(plan, (*(passthrough(e.column) for e in rest), *(passthrough(c) for c in columns)))
    return replace(left, plan=plan, entries=(*rest, *(Entry(c.name, c) for c in columns)))


def _common(b: Binder, cells: list[Expr], call: Any) -> SqlType:
    found = common_type([c.type for c in cells])
    texts = {isinstance(c.type, String) for c in cells if not isinstance(c.type, Void)}
    if found is None or len(texts) > 1:  # no text from numbers here, nor the other way
        shown = ", ".join(dict.fromkeys(str(c.type) for c in cells))
        raise AnalysisError(
            f"the columns of UNPIVOT have no common type: {shown}",
            condition="UNPIVOT_VALUE_DATA_TYPE_MISMATCH",
            span=span_of(call),
        )
    return found


def _names(node: Any) -> list[str]:
    """The plain names of `v`, `(v, w)` or a struct of one of them."""
    if isinstance(node, exp.Anonymous):
        return [n for e in node.expressions for n in _names(e)]
    if isinstance(node, exp.Tuple):
        return [n for e in node.expressions for n in _names(e)]
    node = _bare(node)
    if isinstance(node, exp.Column) and len(node.parts) == 1:
        return [str(node.name)]
    raise ParseError(f"Syntax error at or near '{text_of(node)}'", span=span_of(node), hint="expected a name")


# TABLESAMPLE


def sampled(b: Binder, bound: Bound, node: Any) -> Bound:
    """TABLESAMPLE (n ROWS | p PERCENT | BUCKET x OUT OF y) [REPEATABLE (seed)]: each row by chance, or the first n."""
    reject_unused(node, ("percent", "size", "bucket_numerator", "bucket_denominator", "seed"))
    site = Site(Scope(), Env(), "TABLESAMPLE")
    if node.args.get("size") is not None:
        from sqlshell.plan.bind_order import row_count

        count = row_count(b, node.args["size"], "LIMIT", site)
        return replace(bound, plan=Limit(bound.plan, count))
    if node.args.get("percent") is not None:
        fraction = _number(b, node.args["percent"], site) / 100
    else:
        above, below = (_number(b, node.args[k], site) for k in ("bucket_numerator", "bucket_denominator"))
        fraction = above / below if below else -1
    if not 0 <= fraction <= 1:
        raise ParseError(
            f"Syntax error: TABLESAMPLE takes a share between nothing and everything, not {fraction:g}",
            condition="INVALID_TABLESAMPLE_FRACTION",
            span=span_of(node),
        )
    seed = node.args.get("seed")
    draw = make_call("rand", [b.constant(seed, site, "REPEATABLE")] if seed is not None else [])
    keep = make_call("<", [draw, Literal(fraction, DOUBLE)])
    return replace(bound, plan=Filter(bound.plan, keep))


def _number(b: Binder, node: Any, site: Site) -> float:
    value = b.constant(node, site, "TABLESAMPLE").value
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise ParseError(f"Syntax error: TABLESAMPLE takes a number, not {text_of(node)}", span=span_of(node))
    return float(value)
