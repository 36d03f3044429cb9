"""GROUP BY, ROLLUP, CUBE, GROUPING SETS, and replacing aggregates and keys in the expressions above.

Select-list, HAVING and ORDER BY expressions are bound over FROM's columns with AggCalls in place.
`Grouping.over` then swaps whole subexpressions equal to a grouping expression for its key column and AggCalls
for aggregate columns; a column of FROM that is left is MISSING_AGGREGATION.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import (
    AggCall,
    Call,
    Column,
    Expr,
    Lambda,
    LambdaVar,
    Literal,
    SubqueryExpr,
    WindowCall,
    long,
)
from sqlshell.plan import collations
from sqlshell.plan.bind_util import reject_unused, span_of, text_of
from sqlshell.plan.bind_window import has_window
from sqlshell.plan.call import make_call
from sqlshell.plan.coerce import cast_to
from sqlshell.plan.logical import (
    Aggregate,
    Expand,
    Named,
    Plan,
    as_nullable,
    fresh_column,
    fresh_id,
    passthrough,
)
from sqlshell.records import dataclass, field, replace
from sqlshell.types import BIGINT, INT, STRING, TINYINT, CalendarInterval, Map, Variant

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.plan.bind import Binder
    from sqlshell.plan.bind_site import Site

MAX_GROUPING_SETS = 4096


@dataclass
class Item:
    """One column of a select list while the block is bound."""

    name: str
    expr: Expr
    node: Any
    aliased: bool = False


@dataclass
class GroupBy:
    """What the clause says: the distinct grouping expressions and, for ROLLUP and its kin, their sets."""

    keys: list[Expr] = field(default_factory=list)
    sets: list[tuple[int, ...]] | None = None

    def index(self, e: Expr) -> int:
        """The position of `e` among the keys, added when new."""
        wanted = canonical(e)
        for i, k in enumerate(self.keys):
            if canonical(k) == wanted:
                return i
        self.keys.append(e)
        return len(self.keys) - 1


def canonical(e: Any) -> Any:
    """`e` in a form in which equal lambdas, and equal subqueries, compare equal."""
    if not any(isinstance(n, Lambda | SubqueryExpr) for n in e.walk()):
        return e
    ids: dict[int, int] = {}

    def swap(n: Any) -> Any:
        if isinstance(n, LambdaVar):
            return replace(n, id=ids.setdefault(n.id, -1 - len(ids)))
        if isinstance(n, Lambda):
            return replace(n, params=tuple(swap(p) for p in n.params))
        if isinstance(n, SubqueryExpr):
            from sqlshell.plan.explain import format_plan, normalize_ids

            free = frozenset(c.id for c in n.plan.free_columns)
            text = normalize_ids(format_plan(n.plan), keep=free)
            return Call(type(n).__name__, (*n.children, Literal(text, STRING)), n.type)
        return n

    return e.transform_up(swap)


def bind_group_by(b: Binder, node: Any, items: list[Item], site: Site) -> GroupBy | None:
    """The GROUP BY clause of a select; None when there is none."""
    if node is None:
        return None
    reject_unused(node, ("expressions", "all", "rollup", "cube", "grouping_sets"))
    group = GroupBy()
    if node.args.get("all"):
        for item in items:
            if not has_aggregate(item.expr):
                group.index(item.expr)
        return group
    key = _KeyBinder(b, group, items, site)
    parts: list[list[tuple[int, ...]]] = []
    grouped = False
    for e in node.expressions:
        sets = _sets(key, e)
        grouped = grouped or isinstance(e, (exp.Rollup, exp.Cube, exp.GroupingSets))
        parts.append(sets)
    for kind in ("rollup", "cube", "grouping_sets"):
        for e in node.args.get(kind) or []:
            grouped = True
            if kind == "grouping_sets" and parts:
                parts = [_sets(key, e)]
            elif e.expressions:
                parts.append(_sets(key, e))
            else:
                plain = [p[0] for p in parts]
                parts = [_rollup(plain) if kind == "rollup" else _cube(plain)]
    if grouped:
        group.sets = [tuple(dict.fromkeys(i for s in combo for i in s)) for combo in product(*parts)]
        if len(group.sets) > MAX_GROUPING_SETS:
            raise AnalysisError(
                f"{len(group.sets)} grouping sets, more than {MAX_GROUPING_SETS}",
                condition="GROUPING_SIZE_LIMIT_EXCEEDED",
            )
    return group


def _rollup(parts: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    return [tuple(i for p in parts[:n] for i in p) for n in range(len(parts), -1, -1)]


def _cube(parts: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    n = len(parts)
    if n > 12:
        raise AnalysisError(
            f"CUBE of {n} expressions makes more than {MAX_GROUPING_SETS} grouping sets",
            condition="GROUPING_SIZE_LIMIT_EXCEEDED",
        )
    # all subsets, larger and earlier ones first: bit j of the mask stands for part n-1-j
    masks = range(2**n - 1, -1, -1)
    return [tuple(i for j, p in enumerate(parts) if m >> (n - 1 - j) & 1 for i in p) for m in masks]


def _sets(key: _KeyBinder, node: Any) -> list[tuple[int, ...]]:
    """The grouping sets one GROUP BY element stands for (an expression: the one set of itself)."""
    if isinstance(node, (exp.Rollup, exp.Cube)):
        reject_unused(node, ("expressions",))
        parts = [_one_set(key, e) for e in node.expressions]
        return _rollup(parts) if isinstance(node, exp.Rollup) else _cube(parts)
    if isinstance(node, exp.GroupingSets):
        reject_unused(node, ("expressions",))
        return [s for e in node.expressions for s in _sets_of_element(key, e)]
    return [_one_set(key, node)]


def _sets_of_element(key: _KeyBinder, node: Any) -> list[tuple[int, ...]]:
    if isinstance(node, (exp.Rollup, exp.Cube, exp.GroupingSets)):
        return _sets(key, node)
    return [_one_set(key, node)]


def _one_set(key: _KeyBinder, node: Any) -> tuple[int, ...]:
    if isinstance(node, exp.Tuple):
        return tuple(key.bind(e) for e in node.expressions)
    if isinstance(node, exp.Paren):
        return _one_set(key, node.this)
    return (key.bind(node),)


@dataclass
class _KeyBinder:
    """Binds single grouping expressions: ordinals, columns, then aliases of the select list."""

    b: Binder
    group: GroupBy
    items: list[Item]
    site: Site

    def bind(self, node: Any) -> int:
        item = self._ordinal(node)
        if item is not None:
            self._refuse_aggregate(item.expr, node, "GROUP_BY_POS_AGGREGATE")
            return self.group.index(item.expr)
        e = collations.key(self.b.expr(node, replace(self.site, fallback=self._alias)))
        self._refuse_aggregate(e, node, "GROUP_BY_AGGREGATE")
        if isinstance(e.type, (Map, Variant, CalendarInterval)):
            raise AnalysisError(
                f"cannot group by a value of type {e.type}",
                condition="GROUP_EXPRESSION_TYPE_IS_NOT_ORDERABLE",
                span=span_of(node),
            )
        return self.group.index(e)

    def _ordinal(self, node: Any) -> Item | None:
        number = node.this if isinstance(node, exp.Neg) else node
        if not (isinstance(number, exp.Literal) and not number.is_string and number.this.isdigit()):
            return None
        n = -int(number.this) if number is not node else int(number.this)
        if not 1 <= n <= len(self.items):
            raise AnalysisError(
                f"GROUP BY position {n} is not in the select list (1 to {len(self.items)})",
                condition="GROUP_BY_POS_OUT_OF_RANGE",
                span=span_of(node),
            )
        return self.items[n - 1]

    def _alias(self, parts: tuple[str, ...], span: Span | None) -> Expr | None:
        if len(parts) != 1:
            return None
        for item in self.items:
            if item.aliased and item.name.lower() == parts[0].lower():
                return item.expr
        return None

    @staticmethod
    def _refuse_aggregate(e: Expr, node: Any, condition: str) -> None:
        if has_aggregate(e) or has_window(e):
            raise AnalysisError(
                f"aggregate and window functions are not allowed in GROUP BY: {text_of(node)}",
                condition=condition,
                span=span_of(node),
            )


def has_aggregate(e: Any) -> bool:
    """Whether an aggregate stands in `e` outside a window call's own function."""
    if isinstance(e, AggCall):
        return True
    if isinstance(e, Call) and e.fn in {"grouping", "grouping_id"}:
        return True
    if isinstance(e, WindowCall):
        parts = (*e.call.children, *e.partition_by, *e.order_by)
        return any(has_aggregate(p) for p in parts)
    return any(has_aggregate(c) for c in e.children)


class Grouping:
    """Builds the Aggregate of a block while the expressions above it are rewritten."""

    def __init__(self, source: Plan, group: GroupBy | None) -> None:
        self.grouped = group is not None
        self.group = group or GroupBy()
        self.raw_ids = source.output_ids
        self.aggs: dict[AggCall, Column] = {}
        self.grouping_id: Column | None = None
        self.extra_keys: list[Column] = []
        if self.group.sets is None:
            self.input = source
            self.keys = [self._key(e) for e in self.group.keys]
        else:
            self.input, self.keys = self._expand(source, self.group.keys, self.group.sets)
        self.by_expr = {canonical(e): k.column for e, k in zip(self.group.keys, self.keys, strict=True)}
        self.needs_canonical = any(canonical(e) is not e for e in self.group.keys)

    def _key(self, e: Expr) -> Named:
        if isinstance(e, Column) and e.id in self.raw_ids:
            return passthrough(e)
        return Named(fresh_column("key", e), e)

    def _expand(
        self, source: Plan, keys: list[Expr], sets: list[tuple[int, ...]]
    ) -> tuple[Plan, list[Named]]:
        columns = [as_nullable(fresh_column(k.name if isinstance(k, Column) else "key", k)) for k in keys]
        self.grouping_id = Column(fresh_id(), "spark_grouping_id", BIGINT, False)
        self.extra_keys = [self.grouping_id]
        repeated = len({frozenset(s) for s in sets}) < len(sets)
        if repeated:
            self.extra_keys.append(Column(fresh_id(), "grouping_position", INT, False))
        projections = []
        for position, members in enumerate(sets):
            shown = [k if i in members else Literal(None, k.type) for i, k in enumerate(keys)]
            mask = sum(1 << (len(keys) - 1 - i) for i in range(len(keys)) if i not in members)
            row = [*source.output, *shown, long(mask)]
            projections.append(tuple([*row, Literal(position, INT)] if repeated else row))
        out = (*source.output, *columns, *self.extra_keys)
        return Expand(source, out, tuple(projections)), [passthrough(c) for c in columns]

    def over(self, e: Any, node: Any) -> Any:
        """`e` in terms of the Aggregate's output."""
        if isinstance(e, Expr) and not (isinstance(e, Literal) and self.grouping_id is None):
            key = self.by_expr.get(canonical(e) if self.needs_canonical else e)
            if key is not None:
                return key
        if isinstance(e, AggCall):
            if e not in self.aggs:
                self.aggs[e] = fresh_column(e.fn, e)
            return self.aggs[e]
        if isinstance(e, Column):
            if e.id in self.raw_ids:
                raise self._missing(e, node)
            return e
        if isinstance(e, Call) and e.fn in {"grouping", "grouping_id"}:
            return self._grouping_call(e, node)
        if isinstance(e, SubqueryExpr):
            return self._subquery(e, node)
        if isinstance(e, WindowCall):
            return replace(
                e,
                call=e.call.map_children(lambda c: self.over(c, node)),
                partition_by=tuple(self.over(p, node) for p in e.partition_by),
                order_by=tuple(self.over(o, node) for o in e.order_by),
            )
        return e.map_children(lambda c: self.over(c, node))

    def _subquery(self, e: SubqueryExpr, node: Any) -> Any:
        try:
            mapping = {c.id: self.over(c, node) for c in e.plan.free_columns}
        except AnalysisError as error:
            error.condition = "SCALAR_SUBQUERY_IS_IN_GROUP_BY_OR_AGGREGATE_FUNCTION"
            raise
        changed = {i: c for i, c in mapping.items() if not (isinstance(c, Column) and c.id == i)}
        new = e.map_children(lambda c: self.over(c, node))
        return replace(new, plan=new.plan.substitute_free(changed)) if changed else new  # type: ignore[type-var]

    def _missing(self, e: Column, node: Any) -> AnalysisError:
        late = isinstance(node, (exp.Having, exp.Ordered))
        return AnalysisError(
            f"`{e.name}` is neither grouped nor inside an aggregate function",
            condition="UNRESOLVED_COLUMN.WITH_SUGGESTION"
            if late
            else "MISSING_AGGREGATION"
            if self.grouped
            else "MISSING_GROUP_BY",
            span=span_of(node) if node is not None else None,
            hint=f"add it to GROUP BY, or write any_value({e.name}) if any of its values will do",
        )

    def _grouping_call(self, e: Call, node: Any) -> Expr:
        gid = self.grouping_id
        if gid is None:
            raise AnalysisError(
                f"{e.fn}() needs GROUP BY with GROUPING SETS, CUBE or ROLLUP",
                condition="UNSUPPORTED_GROUPING_EXPRESSION",
                span=e.span,
            )
        keys = self.group.keys
        if e.fn == "grouping_id":
            if e.args and list(e.args) != keys:
                raise AnalysisError(
                    "grouping_id() takes no argument or all grouping expressions in their order",
                    condition="GROUPING_ID_COLUMN_MISMATCH",
                    span=e.span,
                )
            return gid
        if len(e.args) != 1 or e.args[0] not in keys:
            raise AnalysisError(
                "grouping() takes one of the grouping expressions",
                condition="GROUPING_COLUMN_MISMATCH",
                span=e.span,
            )
        shift = len(keys) - 1 - keys.index(e.args[0])
        shifted = make_call("shiftright", [gid, Literal(shift, INT)]) if shift else gid
        return cast_to(make_call("&", [shifted, long(1)]), TINYINT)

    def plan(self) -> Plan:
        """The Aggregate, once every expression above has been rewritten."""
        keys = (*self.keys, *(passthrough(c) for c in self.extra_keys))
        return Aggregate(self.input, keys, tuple(Named(c, a) for a, c in self.aggs.items()))
