"""GROUP BY window(...) and session_window(...): a column of windows computed below the grouping.

As in Spark, rows without a time fall away. Windows that overlap are a Generate; those of sessions come from
window functions over the query's other grouping expressions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError, NotSupportedError
from sqlshell.expr.expr import AggCall, Call, Column, Expr, Frame, Literal, SortKey, WindowCall
from sqlshell.functions.time_window import overlapping
from sqlshell.plan import bind_call
from sqlshell.plan.bind_util import span_of
from sqlshell.plan.bind_window import RUNNING_ROWS, WHOLE
from sqlshell.plan.call import make_aggregate, make_call
from sqlshell.plan.coerce import cast_to
from sqlshell.plan.logical import Filter, Generate, Named, Plan, Project, Window, fresh_column, passthrough
from sqlshell.plan.scope import get_field
from sqlshell.records import replace
from sqlshell.types import INT, STRING, Array

if TYPE_CHECKING:
    from sqlshell.plan.bind import Binder
    from sqlshell.plan.bind_site import Site

NAMES = ("window", "session_window")
_BEFORE = Frame("rows", None, -1)
_CLAUSES = ("expressions", "group", "having", "qualify", "order")


def add_time_windows(b: Binder, node: Any, plan: Plan, site: Site) -> tuple[Plan, Site]:
    """The plan with a column for the select's time windows, and a site that knows it by its name."""
    calls = _calls(node) if "window" in b.text.lower() else {}
    if not calls:
        return plan, site
    first = next(iter(calls.values()))
    if len(calls) > 1:
        raise AnalysisError(
            "a query has one kind of time windows: several calls of window() or session_window()",
            condition="_LEGACY_ERROR_TEMP_1039",
            span=span_of(first),
            hint="group a subquery by the first",
        )
    name = first.name.lower()
    args, named = bind_call.arguments(b, first, replace(site, clause="GROUP BY"))
    call = make_call(name, args, span=span_of(first), named=named or None)
    assert isinstance(call, Call)
    plan = Filter(plan, make_call("isnotnull", [call]))
    if name == "session_window":
        plan, column = _sessions(plan, call, _other_keys(b, node, site))
    elif overlapping(call):
        listed = Call("time_windows", call.args, Array(call.type, False), False, call.span)
        column = replace(fresh_column(name, call), nullable=False)
        plan = Generate(plan, Call("explode", (listed,), listed.type, True, call.span), (column,))
    else:
        column = replace(fresh_column(name, call), nullable=False)
        plan = Project(plan, (*map(passthrough, plan.output), Named(column, call)))
    return plan, replace(site, time_windows={name: column})


def _calls(node: Any) -> dict[str, Any]:
    """The calls of the select itself (not of its subqueries), each text once."""
    found: dict[str, Any] = {}
    for clause in _CLAUSES:
        part = node.args.get(clause)
        for root in part if isinstance(part, list) else [part]:
            if not isinstance(root, exp.Expr):
                continue
            for n in root.walk(prune=lambda n: isinstance(n, exp.Query)):
                if isinstance(n, exp.Anonymous) and n.name.lower() in NAMES:
                    found.setdefault(n.sql().lower(), n)
    return found


def _other_keys(b: Binder, node: Any, site: Site) -> tuple[Expr, ...]:
    """The grouping expressions besides the session."""
    group = node.args.get("group")
    if group is None:
        return ()
    others = [e for e in group.expressions if not (isinstance(e, exp.Anonymous) and e.name.lower() in NAMES)]
    if any(not isinstance(e, exp.Column | exp.Dot | exp.Anonymous | exp.Cast) for e in others) or any(
        group.args.get(k) for k in ("all", "rollup", "cube", "grouping_sets")
    ):
        raise NotSupportedError(
            "session_window() beside grouping sets, positions or operators in GROUP BY",
            span=span_of(group),
            hint="group by names of columns",
        )
    return tuple(b.expr(e, replace(site, clause="GROUP BY")) for e in others)


def _over(call: AggCall, keys: tuple[Expr, ...], order: tuple[SortKey, ...], frame: Frame) -> WindowCall:
    return WindowCall(call, keys, order, frame)


def _sessions(plan: Plan, call: Call, keys: tuple[Expr, ...]) -> tuple[Plan, Column]:
    """Each row with the session it belongs to: rows whose spans touch or overlap are one session."""
    below = plan.output
    single = fresh_column("single", call)
    plan = Project(plan, (*map(passthrough, below), Named(single, call)))
    start, end = get_field(single, "start", None), get_field(single, "end", None)
    by_start = (SortKey(start),)
    latest = _over(make_aggregate("max", [end]), keys, by_start, _BEFORE)
    reached = fresh_column("reached", latest)
    plan = Window(plan, (Named(reached, latest),))
    apart = make_call("coalesce", [make_call(">", [start, reached]), make_call("isnull", [reached])])
    begins = make_call("if", [apart, Literal(1, INT), Literal(0, INT)])
    opens = fresh_column("opens", begins)
    plan = Project(plan, (*map(passthrough, plan.output), Named(opens, begins)))
    count = _over(make_aggregate("sum", [opens]), keys, by_start, RUNNING_ROWS)
    number = fresh_column("number", count)
    plan = Window(plan, (Named(number, count),))
    session = (*keys, number)
    first, last = (
        _over(make_aggregate(f, [e]), session, (), WHOLE) for f, e in (("min", start), ("max", end))
    )
    bounds = fresh_column("first", first), fresh_column("last", last)
    plan = Window(plan, (Named(bounds[0], first), Named(bounds[1], last)))
    made = make_call("named_struct", [Literal("start", STRING), bounds[0], Literal("end", STRING), bounds[1]])
    column = replace(fresh_column("session_window", call), nullable=False)
    whole = Named(column, cast_to(made, call.type))
    return Project(plan, (*map(passthrough, below), whole)), column
