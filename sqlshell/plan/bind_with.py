"""WITH: items in order, each seeing those before it; WITH RECURSIVE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError
from sqlshell.plan import bind_from
from sqlshell.plan.bind_site import Cte, Env
from sqlshell.plan.bind_subquery import cast_output
from sqlshell.plan.bind_util import reject_unused, span_of
from sqlshell.plan.coerce import can_cast
from sqlshell.plan.context import BoundQuery
from sqlshell.plan.logical import RecursiveCte, RecursiveRef, fresh_id
from sqlshell.plan.renew import is_repeatable
from sqlshell.records import replace

if TYPE_CHECKING:
    from sqlshell.plan.bind import Binder

MAX_ROUNDS = 100


def bind_with(b: Binder, node: Any, env: Env) -> Env:
    """The environment with the WITH items added; an inner name shadows an outer one."""
    reject_unused(node, ("expressions", "recursive"))
    recursive = bool(node.args.get("recursive"))
    seen: set[str] = set()
    for item in node.expressions:
        reject_unused(item, ("this", "alias"))
        name = item.args["alias"].name
        if name.lower() in seen:
            raise AnalysisError(
                f"WITH defines `{name}` twice",
                condition="DUPLICATED_CTE_NAMES",
                span=span_of(item.args["alias"]),
            )
        seen.add(name.lower())
        if recursive and _refers_to(item.this, name.lower()):
            query = _bind_recursive(b, item, name, env)
        else:
            query = b.query(item.this, env)
            names = tuple(bind_from.column_aliases(item.args["alias"], list(query.names)))
            query = BoundQuery(query.plan, names)
        shared = None if is_repeatable(query.plan) else fresh_id()
        env = replace(env, ctes={**env.ctes, name.lower(): Cte(name, query, shared_key=shared)})
    return env


def _refers_to(node: Any, name: str) -> bool:
    return any(len(t.parts) == 1 and t.name.lower() == name for t in node.find_all(exp.Table))


def _bind_recursive(b: Binder, item: Any, name: str, env: Env) -> BoundQuery:
    """anchor UNION [ALL] step, where the step reads the rows of the round before."""
    union = item.this
    while isinstance(union, exp.Subquery):
        union = union.this
    if not isinstance(union, exp.Union) or _refers_to(union.left, name.lower()):
        raise AnalysisError(
            f"the recursive `{name}` must be: a query without it UNION ALL a query with it",
            condition="INVALID_RECURSIVE_CTE",
            span=span_of(item.args["alias"]),
        )
    reject_unused(union, ("this", "expression", "distinct", "with_"))
    if union.args.get("with_") is not None:
        env = bind_with(b, union.args["with_"], env)
    anchor = b.query(union.left, env)
    names = tuple(bind_from.column_aliases(item.args["alias"], list(anchor.names)))
    key = f"{name}#{fresh_id()}"
    # Later rounds may bring NULLs where the anchor has none.
    shown = zip(anchor.plan.output, names, strict=True)
    rows = RecursiveRef(key, tuple(replace(c, name=n, nullable=True) for c, n in shown))
    self_reference = Cte(name, BoundQuery(rows, names), recursive_key=key)
    step = b.query(union.right, replace(env, ctes={**env.ctes, name.lower(): self_reference}))
    if len(step.names) != len(names):
        raise AnalysisError(
            f"the recursive part of `{name}` gives {len(step.names)} columns, the first part {len(names)}",
            condition="NUM_COLUMNS_MISMATCH",
            span=span_of(item.args["alias"]),
        )
    for c, s, n in zip(anchor.plan.output, step.plan.output, names, strict=True):
        if not can_cast(s.type, c.type):
            raise AnalysisError(
                f"column `{n}` of `{name}` is {c.type} at first and {s.type} in the recursive part",
                condition="INCOMPATIBLE_COLUMN_TYPE",
                span=span_of(item.args["alias"]),
            )
    types = [c.type for c in anchor.plan.output]
    columns = tuple(
        replace(c, id=fresh_id(), name=n, nullable=True)
        for c, n in zip(anchor.plan.output, names, strict=True)
    )
    plan = RecursiveCte(
        key,
        anchor.plan,
        cast_output(step.plan, types),
        columns,
        union.args.get("distinct") is not False,
        MAX_ROUNDS,
    )
    return BoundQuery(plan, names)
