"""The general half of decorrelation: push a dependent join down to where nothing is correlated.

After Neumann and Kemper, "Unnesting Arbitrary Queries" (BTW 2015): with D the distinct outer values, the subquery
R is evaluated for all of D at once. `DependentJoin.push(R)` gives a plan that holds, for each d in D, the rows of
R(d) beside d, and says which of its columns carry d:

    D x Filter(p, R)       ->  Filter(p', D x R)
    D x Aggregate(k; f, R) ->  Aggregate(k, d; f, D x R)           a global one: D left join first, f counts matches
    D x Window(w, R)       ->  Window(w partitioned by d, D x R)
    D x Limit(n, R)        ->  row_number() over (partition by d) <= n
    D x (A join B)         ->  (D x A) join (D x B) on the same d, or only the side that is correlated
    D x R                  ->  cross join                          as soon as R looks at no outer column

Always applicable; the cheap way (`pull_up.py`) is tried first since D costs a distinct and a join.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import NotSupportedError
from sqlshell.expr.expr import (
    AggCall,
    Call,
    Column,
    Expr,
    SortKey,
    WindowCall,
    conjoin,
    conjuncts,
    substitute,
)
from sqlshell.optimizer.build import as_column, exposing
from sqlshell.optimizer.clone import clone
from sqlshell.optimizer.properties import is_deterministic, is_not_null, refs, same
from sqlshell.optimizer.pull_up import first_rows, with_marker
from sqlshell.optimizer.sharing import SharedLeaf
from sqlshell.plan.logical import (
    Aggregate,
    Apply,
    Expand,
    Filter,
    Generate,
    Join,
    Limit,
    Named,
    Plan,
    Project,
    Scan,
    Shared,
    Sort,
    TopN,
    Union,
    Values,
    Window,
    as_nullable,
    fresh_column,
    fresh_id,
    named,
    passthrough,
)
from sqlshell.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Pushed = tuple[Plan, dict[int, Column]]

SMALL = 8
"""Nodes of a left side that is rather computed twice than shared: filters still reach into it."""
_REPEATABLE = (
    Scan,
    Values,
    Filter,
    Project,
    Join,
    Aggregate,
    Union,
    Generate,
    Expand,
    Sort,
    Shared,
    SharedLeaf,
)


def repeatable(plan: Plan) -> bool:
    """Whether evaluating `plan` twice surely gives the same rows."""
    return all(_is_repeatable(node) for node in plan.walk())


def _is_repeatable(node: Plan) -> bool:
    return (
        isinstance(node, _REPEATABLE)
        and all(is_deterministic(e) for e in node.exprs)
        and not any(isinstance(n, AggCall) and n.order_by for e in node.exprs for n in e.walk())
    )


def _is_small(plan: Plan) -> bool:
    """Whether `plan` may stand twice in a plan: repeatable, and few nodes (copies of copies add up)."""
    nodes = 0
    todo = [plan]
    while todo:
        node = todo.pop()
        nodes += 1
        if nodes > SMALL or not _is_repeatable(node):
            return False
        if not isinstance(node, Shared):
            todo.extend(node.children)
    return True


def must_wait(left: Plan) -> bool:
    """Whether `left` should be computed once but cannot be shared, since it is still correlated itself."""
    return bool(left.free_columns) and not _is_small(left)


def shareable(left: Plan) -> tuple[Plan, Plan]:
    """`left` twice: under its own ids, and as a source for the domain."""
    if isinstance(left, Shared) or _is_small(left):
        return left, left
    inner, _ = clone(left)
    key = fresh_id()
    return Shared(key, inner, left.output), Shared(key, inner, left.output)


@dataclass(frozen=True)
class DependentJoin:
    """Pushes the domain of `columns` (of `source`) into plans."""

    source: Plan
    columns: tuple[Column, ...]
    unnest: Callable[[Apply], Plan]
    """Turns an Apply whose left side is no longer correlated into joins."""

    @property
    def outer(self) -> frozenset[int]:
        """Ids of the outer columns."""
        return frozenset(c.id for c in self.columns)

    def domain(self) -> Pushed:
        """The distinct outer values under fresh ids."""
        copy, renamed = clone(self.source)
        by_id = {c.id: c for c in copy.output}
        keys = tuple(named(c.name, by_id[renamed[c.id].id]) for c in self._produced(renamed))
        mapping = {c.id: k.column for c, k in zip(self.columns, keys, strict=True)}
        return Aggregate(copy, keys, ()), mapping

    def _produced(self, renamed: dict[int, Column]) -> tuple[Column, ...]:
        assert all(c.id in renamed for c in self.columns)
        return self.columns

    def is_free(self, node: Plan) -> bool:
        """Whether `node` looks at no outer column."""
        return not any(c.id in self.outer for c in node.free_columns)

    def crossed(self, node: Plan) -> Pushed:
        """D x node."""
        domain, mapping = self.domain()
        return Join(domain, node, "cross"), mapping

    def push(self, node: Plan) -> Pushed:
        """The rows of `node` for every d, beside d."""
        if self.is_free(node):
            return self.crossed(node)
        match node:
            case Project():
                plan, m = self.push(node.input)
                items = tuple(self.bind(i, m) for i in node.items)
                return exposing(Project(plan, items), [c.id for c in m.values()]), m
            case Filter():
                plan, m = self.push(node.input)
                return Filter(plan, self.bind(node.predicate, m)), m
            case Sort():
                return self.push(node.input)
            case Aggregate():
                return self._aggregate(node)
            case Window():
                return self._window(node)
            case Limit(input=Sort() as sort):
                return self._limit(sort.input, sort.keys, node.count, node.offset)
            case Limit():
                return self._limit(node.input, (), node.count, node.offset)
            case TopN():
                return self._limit(node.input, node.keys, node.count, node.offset)
            case Generate():
                plan, m = self.push(node.input)
                return replace(node, input=plan, generator=self.bind(node.generator, m)), m
            case Expand():
                return self._expand(node)
            case Join():
                return self._join(node)
            case Apply():
                return self._apply(node)
            case Union():
                return self._union(node)
            case _:
                raise NotSupportedError(f"a correlated {type(node).__name__}")

    def bind(self, e: Any, m: dict[int, Column]) -> Any:
        """`e` over the domain's columns instead of the outer ones."""
        return substitute(e, dict(m)) if refs(e) & m.keys() else e

    def _aggregate(self, node: Aggregate) -> Pushed:
        plan, m = self.push(node.input)
        keys = tuple(self.bind(k, m) for k in node.keys)
        aggs = tuple(self.bind(a, m) for a in node.aggs)
        if not node.keys:
            marked, marker = with_marker(plan)
            domain, d = self.domain()
            plan = Join(domain, marked, "left", conjoin([same(d[i], m[i]) for i in d]))
            matched = is_not_null(as_nullable(marker))
            aggs = tuple(replace(a, expr=_only_where(a.expr, matched)) for a in aggs)
            m = d
        carried = {i: named(c.name, c) for i, c in m.items()}
        grouped = Aggregate(plan, keys + tuple(carried.values()), aggs)
        return grouped, {i: n.column for i, n in carried.items()}

    def _window(self, node: Window) -> Pushed:
        plan, m = self.push(node.input)
        by = tuple(m.values())

        def widen(call: Named) -> Named:
            expr = self.bind(call.expr, m)
            assert isinstance(expr, WindowCall)
            return Named(call.column, replace(expr, partition_by=expr.partition_by + by))

        return Window(plan, tuple(widen(c) for c in node.calls)), m

    def _limit(self, source: Plan, order: Sequence[SortKey], count: int | None, offset: int) -> Pushed:
        plan, m = self.push(source)
        keys = tuple(self.bind(k, m) for k in order)
        return first_rows(plan, tuple(m.values()), keys, count, offset), m

    def _expand(self, node: Expand) -> Pushed:
        plan, m = self.push(node.input)
        carried = {i: fresh_column(c.name, c) for i, c in m.items()}
        projections = tuple(tuple(self.bind(e, m) for e in p) + tuple(m.values()) for p in node.projections)
        return Expand(plan, node.columns + tuple(carried.values()), projections), carried

    def _union(self, node: Union) -> Pushed:
        inputs: list[Plan] = []
        first: dict[int, Column] = {}
        for branch in node.inputs:
            plan, m = self.push(branch)
            first = first or m
            columns = (*branch.output, *(m[c.id] for c in self.columns))
            inputs.append(Project(plan, tuple(passthrough(c) for c in columns)))
        carried = {c.id: fresh_column(c.name, first[c.id]) for c in self.columns}
        columns = (*node.columns, *(carried[c.id] for c in self.columns))
        return Union(tuple(inputs), columns), carried

    def _join(self, node: Join) -> Pushed:
        left_free, right_free = self.is_free(node.left), self.is_free(node.right)
        if right_free and node.kind not in {"right", "full"}:
            plan, m = self.push(node.left)
            return self._joined(node, plan, node.right, m, ()), m
        if left_free and node.kind in {"inner", "cross", "right"}:
            plan, m = self.push(node.right)
            return self._joined(node, node.left, plan, m, ()), m
        left, m = self.push(node.left)
        right, r = self.push(node.right)
        link = tuple(same(m[i], r[i]) for i in m)
        joined = self._joined(node, left, right, m, link)
        if node.kind == "right":
            return joined, r
        if node.kind != "full":
            return joined, m
        return self._either(joined, m, r)

    def _apply(self, node: Apply) -> Pushed:
        """A dependent join that waited for this one: its right side finds the outer values beside its left rows."""
        plan, m = self.push(node.left)
        right = node.right.substitute_free(dict(m))
        condition = None if node.condition is None else self.bind(node.condition, m)
        return self.unnest(replace(node, left=plan, right=right, condition=condition)), m

    def _joined(
        self, node: Join, left: Plan, right: Plan, m: dict[int, Column], link: tuple[Expr, ...]
    ) -> Plan:
        parts = [self.bind(p, m) for p in conjuncts(node.condition)] + list(link)
        kind = node.kind
        if kind == "cross" and parts:
            kind = "inner"
        condition = conjoin(parts) if parts else node.condition
        return replace(node, left=left, right=right, kind=kind, condition=condition)

    def _either(self, joined: Plan, m: dict[int, Column], r: dict[int, Column]) -> Pushed:
        """A full join carries d on whichever side has the row."""
        carried: dict[int, Column] = {}
        for i, c in m.items():
            pick = Call("coalesce", (as_nullable(c), as_nullable(r[i])), c.type, c.nullable)
            joined, carried[i] = as_column(joined, pick, c.name)
        return joined, carried


def _only_where(e: Expr, matched: Expr) -> Expr:
    assert isinstance(e, AggCall)
    return replace(e, filter=conjoin([matched, *conjuncts(e.filter)]))
