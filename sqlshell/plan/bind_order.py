"""ORDER BY, SORT BY, LIMIT and OFFSET, for select blocks and set operations alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import Column, Expr, Literal, SortKey
from sqlshell.plan.bind_call import sort_key
from sqlshell.plan.bind_util import reject_unused, span_of, text_of, unsupported
from sqlshell.plan.coerce import is_orderable
from sqlshell.plan.logical import Limit, Named, Plan, Sort
from sqlshell.types import Integral

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.plan.bind import Binder
    from sqlshell.plan.bind_group import Item
    from sqlshell.plan.bind_site import Site

MAX_INT = 2**31 - 1


def order_items(node: Any) -> list[Any]:
    """The sort items of a query: ORDER BY, SORT BY or CLUSTER BY (DISTRIBUTE BY promises no order)."""
    given = [k for k in ("order", "sort", "cluster") if node.args.get(k) is not None]
    if not given:
        return []
    if len(given) > 1 or (given == ["order"] and node.args.get("distribute") is not None):
        raise AnalysisError(
            "ORDER BY, SORT BY, CLUSTER BY and DISTRIBUTE BY do not go together",
            condition="UNSUPPORTED_FEATURE.COMBINATION_QUERY_RESULT_CLAUSES",
            span=span_of(node.args[given[-1]]),
        )
    clause = node.args[given[0]]
    reject_unused(clause, ("expressions",))
    items: list[Any] = clause.expressions
    return items


def check_distribution(b: Binder, node: Any, site: Site) -> None:
    """DISTRIBUTE BY changes no result here, but its expressions must be right."""
    clause = node.args.get("distribute")
    if clause is not None:
        reject_unused(clause, ("expressions",))
        for e in clause.expressions:
            sort_key(b, e, site)


def bind_keys(
    b: Binder, nodes: Sequence[Any], items: Sequence[Item], site: Site
) -> list[tuple[SortKey, Any]]:
    """Sort keys with their AST: positions and ALL stand for select items."""
    out: list[tuple[SortKey, Any]] = []
    for node in nodes:
        target = node.this if isinstance(node, exp.Ordered) else node
        if isinstance(target, exp.Var) and target.name.upper() == "ALL" and len(nodes) == 1:
            directed = _direction(node)
            out += [(SortKey(i.expr, *directed), i.node) for i in items]
            continue
        position = _position(target, len(items))
        key = (
            SortKey(items[position].expr, *_direction(node))
            if position is not None
            else sort_key(b, node, site)
        )
        if not is_orderable(key.expr.type):
            raise AnalysisError(
                f"values of type {key.expr.type} have no order",
                condition="DATATYPE_MISMATCH.INVALID_ORDERING_TYPE",
                span=span_of(node),
            )
        out.append((key, node))
    return out


def _direction(node: Any) -> tuple[bool, bool]:
    if not isinstance(node, exp.Ordered):
        return True, True
    reject_unused(node, ("this", "desc", "nulls_first"))
    ascending = not node.args.get("desc")
    first = node.args.get("nulls_first")
    return ascending, ascending if first is None else bool(first)


def _position(node: Any, count: int) -> int | None:
    if not (isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit()):
        return None
    n = int(node.this)
    if not 1 <= n <= count:
        raise AnalysisError(
            f"ORDER BY position {n} is not in the select list (1 to {count})",
            condition="ORDER_BY_POS_OUT_OF_RANGE",
            span=span_of(node),
        )
    return n - 1


def over_output(
    keys: Sequence[SortKey], items: Sequence[Named], below: frozenset[int]
) -> tuple[list[SortKey], list[Column]]:
    """Sort keys over a projection's output, and the columns from below it they still need."""
    columns: dict[Expr, Column] = {}
    for i in items:
        columns.setdefault(i.expr, i.column)
    have = {i.column.id for i in items}
    hidden: dict[int, Column] = {}

    def over(e: Any) -> Any:
        if isinstance(e, Expr) and not isinstance(e, Literal) and e in columns:
            return columns[e]
        if isinstance(e, Column) and e.id in below and e.id not in have:
            hidden.setdefault(e.id, e)
        return e.map_children(over)

    return [over(k) for k in keys], list(hidden.values())


def not_in_distinct(column: Column, node: Any) -> AnalysisError:
    """ORDER BY of something SELECT DISTINCT has dropped."""
    return AnalysisError(
        f"with SELECT DISTINCT, ORDER BY can only use the select list; `{column.name}` is not in it",
        condition="UNRESOLVED_COLUMN.WITH_SUGGESTION",
        span=span_of(node.args["order"]) if node.args.get("order") is not None else span_of(node),
        hint=f"add `{column.name}` to the select list",
    )


def sort_and_limit(b: Binder, plan: Plan, keys: Sequence[SortKey], node: Any, site: Site) -> Plan:
    """Sort and Limit over `plan` as the query says."""
    if keys:
        plan = Sort(plan, tuple(keys))
    limit, offset = node.args.get("limit"), node.args.get("offset")
    if limit is None and offset is None:
        return plan
    count = None if limit is None else _rows(b, limit, "LIMIT", site)
    skip = 0 if offset is None else _rows(b, offset, "OFFSET", site) or 0
    if count is None and skip == 0:
        return plan
    return Limit(plan, count, skip)


def _rows(b: Binder, node: Any, clause: str, site: Site) -> int | None:
    """The number LIMIT or OFFSET asks for; None for LIMIT ALL."""
    if not isinstance(node, (exp.Limit, exp.Offset)):
        raise unsupported(node)
    reject_unused(node, ("expression",))
    e = node.expression
    if clause == "LIMIT" and isinstance(e, (exp.Var, exp.Column)) and e.name.upper() == "ALL":
        return None
    return row_count(b, e, clause, site)


def row_count(b: Binder, e: Any, clause: str, site: Site) -> int:
    """A constant number of rows."""
    value = b.constant(e, site, clause)
    problem = None
    if not isinstance(value.type, Integral):
        problem = "DATA_TYPE", f"must be a whole number, not {value.type}"
    elif value.value is None:
        problem = "IS_NULL", "must not be NULL"
    elif value.value < 0:
        problem = "IS_NEGATIVE", f"must not be negative, but {value.value} is"
    elif value.value > MAX_INT:
        problem = "DATA_TYPE", f"must fit a 32-bit integer, {value.value} does not"
    if problem is not None:
        raise AnalysisError(
            f"{clause} {text_of(e)} {problem[1]}",
            condition=f"INVALID_LIMIT_LIKE_EXPRESSION.{problem[0]}",
            span=span_of(e),
        )
    return int(value.value)
