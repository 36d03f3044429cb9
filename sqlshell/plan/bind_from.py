"""FROM: tables, files, derived tables, WITH items, views, VALUES, every join kind, LATERAL, LATERAL VIEW."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError, did_you_mean
from sqlshell.expr.expr import Column, Expr, conjoin
from sqlshell.plan import bind_call, bind_table
from sqlshell.plan.bind_site import Env, Site
from sqlshell.plan.bind_util import clause_of, reject_unused, span_of, text_of, unsupported
from sqlshell.plan.call import make_call
from sqlshell.plan.logical import (
    ONE_ROW,
    Apply,
    Filter,
    Generate,
    Join,
    Limit,
    Named,
    Plan,
    Project,
    Sort,
    fresh_column,
    passthrough,
)
from sqlshell.plan.scope import Entry, Scope
from sqlshell.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.errors import Span
    from sqlshell.plan.bind import Binder
    from sqlshell.plan.context import BoundQuery

JOIN_HINTS = dict.fromkeys(("BROADCAST", "BROADCASTJOIN", "MAPJOIN"), "broadcast") | dict.fromkeys(
    ("MERGE", "SHUFFLE_MERGE", "MERGEJOIN", "SHUFFLE_HASH"), "shuffle"
)
"""What a hint asks for: one side in every task, or both sides hashed (there is no merge join here)."""


@dataclass(frozen=True)
class Bound:
    """A part of FROM: its plan, its columns by name, and its relation names."""

    plan: Plan
    entries: tuple[Entry, ...]
    names: frozenset[str] = frozenset()

    def scope(self, parent: Scope | None) -> Scope:
        return Scope(self.entries, parent, self.names)


def bind_from(b: Binder, node: Any, env: Env) -> tuple[Plan, Scope]:
    """The plan of a select's FROM, joins and LATERAL VIEWs, and the scope they make."""
    from_ = node.args.get("from_")
    hints = _join_hints(node.args.get("hint"))
    if from_ is None:
        bound = Bound(ONE_ROW, ())
    else:
        reject_unused(from_, ("this",))
        bound = _relation(b, from_.this, env)
    for join in node.args.get("joins") or []:
        bound = _join(b, bound, join, env, hints)
    for lateral in node.args.get("laterals") or []:
        bound = _lateral_view(b, bound, lateral, env)
    return bound.plan, bound.scope(env.outer)


def _join_hints(hint: Any) -> dict[str, str]:
    """What hints ask for, by lower-case relation name; Spark ignores hints it does not know, and so do we."""
    names: dict[str, str] = {}
    for h in hint.expressions if hint is not None else []:
        asked = JOIN_HINTS.get(str(h.name or h.this).upper())
        if isinstance(h, (exp.JoinHint, exp.Anonymous)) and asked is not None:
            names |= {e.name.lower(): asked for e in h.expressions}
    return names


def _relation(b: Binder, node: Any, env: Env) -> Bound:
    """One item of FROM, with the joins nested in it."""
    bound = _item(b, node, env)
    sample = node.args.get("sample")
    if sample is not None:
        from sqlshell.plan import bind_pivot

        bound = bind_pivot.sampled(b, bound, sample)
    for join in node.args.get("joins") or []:
        bound = _join(b, bound, join, env, {})
    return bound


def _item(b: Binder, node: Any, env: Env) -> Bound:
    if isinstance(node, exp.Table):
        if isinstance(node.this, exp.Anonymous):
            return bind_table.table_function(b, node, env)
        return bind_table.bind_table(b, node, env)
    if isinstance(node, exp.Subquery):
        reject_unused(node, ("this", "alias", "joins", "with_", "order", "limit", "offset", "sample"))
        if isinstance(node.this, (exp.Table, exp.Subquery)) and not _is_query(node):
            inner = _relation(b, node.this, env)
            return inner if node.args.get("alias") is None else _aliased(inner, node)
        query = node
        if node.args.get("sample") is not None:  # taken by `_relation`
            query = node.copy()
            query.set("sample", None)
        return relation(b.query(query, env), node.args.get("alias"))
    if isinstance(node, (exp.Select, exp.SetOperation)):
        return relation(b.query(node, env), None)
    if isinstance(node, exp.Values):
        reject_unused(node, ("expressions", "alias", "joins"))
        return relation(bind_table.values(b, node, env), node.args.get("alias"))
    raise unsupported(node)


def _is_query(node: Any) -> bool:
    """Whether a parenthesis in FROM holds a query (not a table or a join)."""
    inner = node.this
    if any(node.args.get(k) is not None for k in ("with_", "order", "limit", "offset")):
        return True
    return (isinstance(inner, exp.Subquery) and _is_query(inner)) or isinstance(
        inner, (exp.Select, exp.SetOperation)
    )


def _aliased(inner: Bound, node: Any) -> Bound:
    alias = node.args["alias"]
    name = alias.name.lower()
    visible = [e for e in inner.entries if not e.hidden]
    names = column_aliases(alias, [e.name for e in visible])
    entries = tuple(Entry(n, e.column, (name,)) for n, e in zip(names, visible, strict=True))
    return Bound(inner.plan, entries, frozenset({name}))


def relation(query: BoundQuery, alias: Any, default: tuple[str, ...] = ()) -> Bound:
    """A query as a relation under its alias (and column aliases), else under its own lower-case name."""
    columns = query.plan.output
    names = column_aliases(alias, list(query.names))
    qualifier = (alias.name.lower(),) if alias is not None and alias.name else default
    repeats = _repeats(query.plan) if len({n.lower() for n in names}) < len(names) else {}
    entries = tuple(
        Entry(n, c if c.name == n else replace(c, name=n), qualifier, same_as=repeats.get(c.id))
        for n, c in zip(names, columns, strict=True)
    )
    return Bound(query.plan, entries, frozenset(qualifier[-1:]))


def _repeats(plan: Plan) -> dict[int, int]:
    """Output columns that are copies of another output column, by id."""
    while isinstance(plan, Sort | Limit | Filter):
        plan = plan.input
    if not isinstance(plan, Project):
        return {}
    return {
        i.column.id: i.expr.id
        for i in plan.items
        if isinstance(i.expr, Column) and i.expr.id != i.column.id and i.expr.id in plan.output_ids
    }


def column_aliases(alias: Any, names: list[str]) -> list[str]:
    """The names of a relation's columns after `AS t(a, b)`."""
    given = [c.name for c in alias.args.get("columns") or []] if alias is not None else []
    if not given:
        return names
    if len(given) != len(names):
        raise AnalysisError(
            f"{len(given)} column aliases for {len(names)} columns",
            condition="ASSIGNMENT_ARITY_MISMATCH",
            span=span_of(alias),
            hint=f"the columns are {', '.join(names[:8])}",
        )
    return given


def renamed(columns: tuple[Column, ...], names: list[str] | None, span: Span | None) -> tuple[Column, ...]:
    """Generator columns under their aliases."""
    if not names:
        return columns
    if len(names) != len(columns):
        raise AnalysisError(
            f"{len(names)} aliases for a generator of {len(columns)} columns",
            condition="UDTF_ALIAS_NUMBER_MISMATCH",
            span=span,
        )
    return tuple(replace(c, name=n) for c, n in zip(columns, names, strict=True))


# Joins


def _kind(node: Any) -> str:
    """Our join kind from sqlglot's method, side and kind."""
    method, side, kind = (str(node.args.get(k) or "").upper() for k in ("method", "side", "kind"))
    if method not in {"", "NATURAL"}:
        raise unsupported(node, f"{method} JOIN")
    if kind in {"SEMI", "ANTI"}:
        if side not in {"", "LEFT"}:
            raise unsupported(node, f"{side} {kind} JOIN")
        return kind.lower()
    if kind == "CROSS":
        return "cross"
    if kind not in {"", "INNER", "OUTER"}:
        raise unsupported(node, f"{kind} JOIN")
    return side.lower() if side else "inner"


def _join(b: Binder, left: Bound, node: Any, env: Env, hints: dict[str, str]) -> Bound:
    reject_unused(node, ("this", "on", "using", "method", "side", "kind"))
    kind = _kind(node)
    item = node.this
    if clause_of(item) is not None:
        from sqlshell.plan import bind_pivot

        return bind_pivot.bind_clause(b, left, item, env)
    if isinstance(item, exp.Lateral):
        return _lateral_join(b, left, node, kind, env)
    right = _relation(b, item, env)
    using = _using(node, left, right)
    if using is not None:
        return _join_using(left, right, kind, using, _hint(left, right, hints))
    condition = _on(b, node, left, right, env)
    if condition is None and kind == "inner":
        kind = "cross"
    elif condition is not None and kind == "cross":
        kind = "inner"
    if condition is None and kind not in {"cross"}:
        condition = conjoin([])
    join = Join(left.plan, right.plan, kind, condition, hint=_hint(left, right, hints))
    return _joined(join, left, right)


def _hint(left: Bound, right: Bound, hints: dict[str, str]) -> str | None:
    """The hint of a join: that of its right side, else of a left side that is one relation."""
    sides = [("right", right)] + ([("left", left)] if len(left.names) == 1 else [])
    for name, side in sides:
        for asked in (hints[n] for n in side.names if n in hints):
            return f"broadcast_{name}" if asked == "broadcast" else asked
    return None


def _on(b: Binder, node: Any, left: Bound, right: Bound, env: Env) -> Expr | None:
    on = node.args.get("on")
    if on is None:
        return None
    scope = Scope(left.entries + right.entries, env.outer, left.names | right.names)
    return b.predicate(on, Site(scope, env, "JOIN ON"), "JOIN ON")


def _joined(join: Join | Apply, left: Bound, right: Bound) -> Bound:
    """The relation a join makes, with the nullability it gives its columns."""
    entries = left.entries if join.kind in {"semi", "anti"} else left.entries + right.entries
    return Bound(join, _refresh(join, entries), left.names | right.names)


def _refresh(plan: Plan, entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries with the nullability the join gives their columns."""
    if isinstance(plan, Join | Apply) and plan.kind in {"inner", "cross", "semi", "anti"}:
        return tuple(entries)
    nullable = {c.id for c in plan.output if c.nullable}
    return tuple(
        e
        if e.column.nullable or e.column.id not in nullable
        else replace(e, column=replace(e.column, nullable=True))
        for e in entries
    )


def _using(node: Any, left: Bound, right: Bound) -> list[str] | None:
    """Column names of USING, or the common ones of a NATURAL join; None for a plain join."""
    given = node.args.get("using")
    if given:
        return [u.name for u in given]
    if str(node.args.get("method") or "").upper() != "NATURAL":
        return None
    right_names = {e.name.lower() for e in right.entries if not e.hidden}
    return [e.name for e in left.entries if not e.hidden and e.name.lower() in right_names]


def _using_column(side: Bound, name: str, which: str) -> Entry:
    hits = [e for e in side.entries if not e.hidden and e.name.lower() == name.lower()]
    if not hits:
        names = [e.name for e in side.entries if not e.hidden]
        raise AnalysisError(
            f"USING column `{name}` is not on the {which} side of the join",
            condition="UNRESOLVED_USING_COLUMN_FOR_JOIN",
            hint=did_you_mean(name, names) or f"columns there: {', '.join(names[:8])}",
        )
    if len({e.column.id for e in hits}) > 1:
        raise AnalysisError(
            f"USING column `{name}` is ambiguous on the {which} side of the join",
            condition="AMBIGUOUS_REFERENCE",
        )
    return hits[0]


def _join_using(left: Bound, right: Bound, kind: str, names: list[str], hint: str | None) -> Bound:
    """A join whose equal columns appear once, first; the twin of each needs its table's name."""
    pairs = [(_using_column(left, n, "left"), _using_column(right, n, "right")) for n in names]
    equal = [make_call("=", [one.column, two.column]) for one, two in pairs]
    if not equal and kind == "inner":
        kind = "cross"
    join = Join(left.plan, right.plan, kind, None if kind == "cross" else conjoin(equal), hint=hint)
    if kind in {"semi", "anti"}:
        first = [one for one, _ in pairs]
        return Bound(join, _refresh(join, [*first, *(e for e in left.entries if e not in first)]), left.names)
    merged_left, merged_right = {one.column.id for one, _ in pairs}, {two.column.id for _, two in pairs}
    rest = [e for e in left.entries if e.column.id not in merged_left]
    rest += [e for e in right.entries if e.column.id not in merged_right]
    twins = [one for one, _ in pairs], [two for _, two in pairs]
    names_ = left.names | right.names
    if kind != "full":
        shown, hidden = twins if kind != "right" else (twins[1], twins[0])
        entries = [*shown, *rest, *(replace(e, hidden=True) for e in hidden)]
        return Bound(join, _refresh(join, entries), names_)
    by_id = {c.id: c for c in join.output}
    items = []
    for one, two in pairs:
        value = make_call("coalesce", [by_id[one.column.id], by_id[two.column.id]])
        items.append(Named(fresh_column(one.name, value), value))
    plan = Project(join, (*items, *(passthrough(c) for c in join.output)))
    merged = [Entry(one.name, i.column) for (one, _), i in zip(pairs, items, strict=True)]
    others = [*rest, *(replace(e, hidden=True) for e in (*twins[0], *twins[1]))]
    return Bound(plan, (*merged, *_refresh(plan, others)), names_)


# LATERAL


def _lateral_join(b: Binder, left: Bound, node: Any, kind: str, env: Env) -> Bound:
    """JOIN LATERAL (subquery) or LATERAL generator(...)."""
    lateral = node.this
    reject_unused(lateral, ("this", "alias", "view", "outer", "ordinality"))
    if node.args.get("using") or node.args.get("method"):
        raise unsupported(node, "USING or NATURAL with LATERAL")
    if kind not in {"inner", "cross", "left"}:
        raise AnalysisError(
            f"LATERAL does not go with a {kind} join",
            condition="UNSUPPORTED_JOIN_TYPE",
            span=span_of(node),
        )
    inner_env = env.with_outer(left.scope(env.outer))
    if isinstance(lateral.this, exp.Subquery):
        right = relation(b.query(lateral.this, inner_env), lateral.args.get("alias"))
    else:
        made = bind_call.bind_generator(b, lateral.this, Site(left.scope(env.outer), env, "LATERAL"))
        if made is not None and node.args.get("on") in (None, exp.true()):
            return _generate(left, made, lateral.args.get("alias"), kind == "left" or made[2])
        right = bind_table.lateral_function(b, lateral, inner_env)
    condition = _on(b, node, left, right, env)
    apply = Apply(left.plan, right.plan, "left" if kind == "left" else "inner", condition)
    return _joined(apply, left, right)


def _generate(left: Bound, made: Any, alias: Any, outer: bool) -> Bound:
    call, columns, _ = made
    given = [c.name for c in alias.args.get("columns") or []] if alias is not None else []
    columns = renamed(columns, given or None, span_of(alias) if alias is not None else None)
    plan = Generate(left.plan, call, columns, outer)
    qualifier = (alias.name.lower(),) if alias is not None and alias.name else ()
    entries = tuple(Entry(c.name, c, qualifier) for c in columns)
    return Bound(plan, left.entries + entries, left.names | frozenset(qualifier))


def _lateral_view(b: Binder, left: Bound, node: Any, env: Env) -> Bound:
    """LATERAL VIEW [OUTER] generator(...) t AS a, b."""
    reject_unused(node, ("this", "view", "outer", "alias"))
    site = Site(left.scope(env.outer), env, "LATERAL VIEW")
    made = bind_call.bind_generator(b, node.this, site)
    if made is None:
        b.expr(node.this, site)
        raise AnalysisError(
            f"LATERAL VIEW needs a generator function, not {text_of(node.this)}",
            condition="UNSUPPORTED_GENERATOR.NOT_GENERATOR",
            span=span_of(node.this),
        )
    return _generate(left, made, node.args.get("alias"), bool(node.args.get("outer")) or made[2])
