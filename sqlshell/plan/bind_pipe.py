"""The operators of pipe syntax, each over the relation to its left (see `parser/pipes.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError, NotSupportedError
from sqlshell.functions import registry
from sqlshell.parser.tokens import CLAUSE_MARK
from sqlshell.plan import bind_order
from sqlshell.plan.bind_group import Item
from sqlshell.plan.bind_site import Site
from sqlshell.plan.bind_util import reject_unused, span_of, text_of
from sqlshell.plan.logical import Filter
from sqlshell.plan.scope import Entry
from sqlshell.records import replace

if TYPE_CHECKING:
    from sqlshell.plan.bind import Binder
    from sqlshell.plan.bind_from import Bound
    from sqlshell.plan.bind_site import Env

PIPE = CLAUSE_MARK + "PIPE_"
_HANDLED = {
    "WHERE": ("where",),
    "ORDER": ("order", "sort", "cluster", "distribute", "limit", "offset"),
    "EXTEND": ("windows",),
    "AGGREGATE": ("group",),
}


def bind_operator(b: Binder, left: Bound, call: Any, env: Env) -> Bound:
    """One operator over everything to its left."""
    name = call.name.removeprefix(PIPE)
    if name == "AS":
        return left
    select = call.expressions[0]
    while isinstance(select, exp.Subquery):
        select = select.this
    site = Site(left.scope(env.outer), env, "WHERE")
    if name in _HANDLED:
        if not isinstance(select, exp.Select):
            raise NotSupportedError(
                f"a set operation inside |> {name} is not supported",
                span=span_of(select),
                hint="write |> UNION ...",
            )
        reject_unused(select, ("expressions", "from_", *_HANDLED[name]))
    if name == "WHERE":
        plan = Filter(left.plan, b.predicate(select.args["where"].this, site, "WHERE"))
        return replace(left, plan=plan)
    if name == "ORDER":
        site = replace(site, clause="ORDER BY")
        items = [Item(e.name, e.column, select) for e in left.entries if not e.hidden]
        bind_order.check_distribution(b, select, site)
        keys = bind_order.bind_keys(b, bind_order.order_items(select), items, site)
        return replace(left, plan=bind_order.sort_and_limit(b, left.plan, [k for k, _ in keys], select, site))
    if name == "EXTEND":
        for e in select.expressions[1:]:
            if _aggregates(e):
                raise AnalysisError(
                    f"|> EXTEND takes no aggregate function: {text_of(e)}",
                    condition="PIPE_OPERATOR_CONTAINS_AGGREGATE_FUNCTION",
                    span=span_of(e),
                    hint="use |> AGGREGATE",
                )
    if name == "AGGREGATE":
        for e in select.expressions[int(call.expressions[1].this) :]:
            if not _aggregates(e):
                raise AnalysisError(
                    f"|> AGGREGATE needs an aggregate function: {text_of(e)}",
                    condition="PIPE_OPERATOR_AGGREGATE_EXPRESSION_CONTAINS_NO_AGGREGATE_FUNCTION",
                    span=span_of(e),
                    hint="put it behind GROUP BY",
                )
    bound = b.query(select, replace(env, piped=left))
    known = {(e.column.id, e.name): e for e in left.entries}
    entries = []
    for n, c in zip(bound.names, bound.plan.output, strict=True):
        before = known.get((c.id, n))
        entries.append(Entry(n, replace(c, name=n), before.qualifier if before is not None else ()))
    return replace(left, plan=bound.plan, entries=tuple(entries))


def _aggregates(node: Any) -> bool:
    """Whether an aggregate function stands in a node, outside OVER and subqueries."""
    if isinstance(node, exp.Window | exp.Query):
        return False
    if isinstance(node, exp.Anonymous):
        row = registry.lookup(node.name)
        if row is not None and row.kind == "aggregate":
            return True
    return any(_aggregates(c) for c in node.iter_expressions())
