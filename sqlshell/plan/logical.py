"""The logical plan: frozen nodes the binder builds, rules rewrite, and the planner turns into stages.

A node always knows its `output` (columns with opaque ids) and checks itself when built. Expressions of a node
refer to ids of its inputs' output; ids that no input produces are *free* (correlated) and are legal only below
an `Apply` or inside a subquery expression, until decorrelation has run.

    leaves      Values, Scan, RecursiveRef, CachedScan
    one input   Project, Filter, Aggregate, Expand, Window, Sort, Limit, TopN, Generate, Alias
    two inputs  Join, Apply (dependent join), RecursiveCte
    many        Union
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sqlshell.errors import InternalError
from sqlshell.expr.expr import (
    AggCall,
    Call,
    Column,
    Expr,
    SortKey,
    SubqueryExpr,
    WindowCall,
    substitute,
)
from sqlshell.expr.tree import Node, cached_property, in_fields, map_fields, map_tuple
from sqlshell.records import dataclass, field, replace
from sqlshell.types import BOOLEAN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlshell.storage.source import Source

NO_IDS: frozenset[int] = frozenset()

_ids = count(1)


def fresh_id() -> int:
    """A column (or lambda variable) id never used before in this process."""
    return next(_ids)


def fresh_column(name: str, like: Expr) -> Column:
    """A new column with the type and nullability of an expression."""
    return Column(
        fresh_id(), name, like.type, like.nullable, like.bounds if isinstance(like, Column) else None
    )


@dataclass(frozen=True)
class Named(Node):
    """An expression that becomes the column `column`."""

    child_fields: ClassVar = ("expr",)
    column: Column
    expr: Expr


def named(name: str, expr: Expr) -> Named:
    """`expr` under a fresh column id."""
    return Named(fresh_column(name, expr), expr)


def passthrough(column: Column) -> Named:
    """A projection item that keeps a column under its own id."""
    return Named(column, column)


class Plan(Node):
    """Base of logical nodes. `child_fields` are the inputs; `expr_fields` hold expressions (or Named, SortKey)."""

    expr_fields: ClassVar[tuple[str, ...]] = ()

    @property
    def output(self) -> tuple[Column, ...]:
        """The columns this node produces, in order."""
        raise NotImplementedError

    @cached_property
    def output_ids(self) -> frozenset[int]:
        output = self.output
        for child in self.children:
            if child.output is output:
                ids: frozenset[int] = child.output_ids
                return ids
        return frozenset([c.id for c in output])

    @cached_property
    def input_ids(self) -> frozenset[int]:
        """Ids the inputs produce."""
        sets: list[frozenset[int]] = [child.output_ids for child in self.children]
        return sets[0] if len(sets) == 1 else NO_IDS.union(*sets)

    @property
    def exprs(self) -> tuple[Any, ...]:
        """The expressions this node holds itself (Named and SortKey wrappers included)."""
        return in_fields(self, self.expr_fields)

    def map_exprs(self, f: Callable[[Any], Any]) -> Self:
        """This node with `f` applied to each of `exprs`; `self` when nothing changed."""
        return map_fields(self, self.expr_fields, f)

    @cached_property
    def free_columns(self) -> tuple[Column, ...]:
        """Columns used in this tree that nothing in it produces: the correlated ones, without repeats."""
        found: dict[int, Column] = {}
        for child in self.children:
            for c in child.free_columns:
                if not self._binds(c.id):
                    found.setdefault(c.id, c)
        for e in self.exprs:
            for c in _expr_columns(e):
                if c.id not in self.input_ids:
                    found.setdefault(c.id, c)
        return tuple(found.values())

    def _binds(self, column_id: int) -> bool:
        """Whether this node supplies a column that is free in one of its inputs (only Apply does)."""
        return False

    def substitute_free(self, mapping: dict[int, Expr]) -> Self:
        """This tree with free columns replaced."""
        if not any(c.id in mapping for c in self.free_columns):
            return self
        node = self.map_children(lambda c: c.substitute_free(mapping))
        return node.map_exprs(lambda e: substitute(e, mapping))


def _expr_columns(e: Node) -> Iterator[Column]:
    for n in e.walk():
        if isinstance(n, Column):
            yield n
        elif isinstance(n, SubqueryExpr):
            yield from n.plan.free_columns


@dataclass(frozen=True)
class Values(Plan):
    """Constant rows. No columns and one row is the FROM-less SELECT's input."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Expr, ...], ...]

    @property
    def output(self) -> tuple[Column, ...]:
        return self.columns


ONE_ROW = Values((), ((),))


@dataclass(frozen=True)
class Scan(Plan):
    """Rows of a source (files, one table version, registered data).

    `columns[i]` is the source field `fields[i]`. `filters` are AND-ed predicates over `columns`, applied by the
    scan exactly (and used to skip files and row groups). `leaves`, when set, are the leaf paths to read below
    nested columns (nested schema pruning; `rules/prune_nested_fields.py`): values of other leaves are absent from
    the produced structs. A path is (field, then struct field names, "[]" for an array's element, "{}" and "key" or
    "value" for a map's): ("items", "[]", "qty"). It may end early: all below; a field without paths is read whole.
    `limit` is a hint: reading may stop once so many rows passed the filters.
    """

    expr_fields: ClassVar = ("filters",)
    source: Source
    columns: tuple[Column, ...]
    fields: tuple[str, ...]
    filters: tuple[Expr, ...] = ()
    leaves: frozenset[tuple[str, ...]] | None = None
    limit: int | None = None

    @property
    def output(self) -> tuple[Column, ...]:
        return self.columns

    @cached_property
    def input_ids(self) -> frozenset[int]:
        return self.output_ids


@dataclass(frozen=True)
class Project(Plan):
    child_fields: ClassVar = ("input",)
    expr_fields: ClassVar = ("items",)
    input: Plan
    items: tuple[Named, ...]

    @cached_property
    def output(self) -> tuple[Column, ...]:
        return tuple([i.column for i in self.items])


@dataclass(frozen=True)
class Filter(Plan):
    child_fields: ClassVar = ("input",)
    expr_fields: ClassVar = ("predicate",)
    input: Plan
    predicate: Expr

    def __post_init__(self) -> None:
        if self.predicate.type != BOOLEAN:
            raise InternalError(f"a filter needs a boolean, not {self.predicate.type}")

    @property
    def output(self) -> tuple[Column, ...]:
        return self.input.output


@dataclass(frozen=True)
class Aggregate(Plan):
    """GROUP BY `keys`; no keys is one group over all rows (one row even for empty input).

    Keys and no aggregates is DISTINCT. Aggregate expressions are `AggCall`s over the input's columns.
    """

    child_fields: ClassVar = ("input",)
    expr_fields: ClassVar = ("keys", "aggs")
    input: Plan
    keys: tuple[Named, ...]
    aggs: tuple[Named, ...]

    def __post_init__(self) -> None:
        if any(not isinstance(a.expr, AggCall) for a in self.aggs):
            raise InternalError("Aggregate holds AggCalls only")

    @cached_property
    def output(self) -> tuple[Column, ...]:
        return tuple(k.column for k in self.keys) + tuple(a.column for a in self.aggs)


@dataclass(frozen=True)
class Expand(Plan):
    """Each input row once per projection (ROLLUP, CUBE, GROUPING SETS): `projections[i][j]` gives `columns[j]`."""

    child_fields: ClassVar = ("input",)
    input: Plan
    columns: tuple[Column, ...]
    projections: tuple[tuple[Expr, ...], ...]

    @property
    def output(self) -> tuple[Column, ...]:
        return self.columns

    @property
    def exprs(self) -> tuple[Any, ...]:
        return tuple(e for p in self.projections for e in p)

    def map_exprs(self, f: Callable[[Any], Any]) -> Self:
        mapped = map_tuple(self.projections, lambda p: map_tuple(p, f))
        return self if mapped is self.projections else replace(self, projections=mapped)


@dataclass(frozen=True)
class Window(Plan):
    """The input's columns plus one per `WindowCall`."""

    child_fields: ClassVar = ("input",)
    expr_fields: ClassVar = ("calls",)
    input: Plan
    calls: tuple[Named, ...]

    def __post_init__(self) -> None:
        if any(not isinstance(c.expr, WindowCall) for c in self.calls):
            raise InternalError("Window holds WindowCalls only")

    @cached_property
    def output(self) -> tuple[Column, ...]:
        return self.input.output + tuple(c.column for c in self.calls)


@dataclass(frozen=True)
class Sort(Plan):
    """Total order (stable only where the keys say so)."""

    child_fields: ClassVar = ("input",)
    expr_fields: ClassVar = ("keys",)
    input: Plan
    keys: tuple[SortKey, ...]

    @property
    def output(self) -> tuple[Column, ...]:
        return self.input.output


@dataclass(frozen=True)
class Limit(Plan):
    """At most `count` rows (None: all) after skipping `offset`."""

    child_fields: ClassVar = ("input",)
    input: Plan
    count: int | None
    offset: int = 0

    @property
    def output(self) -> tuple[Column, ...]:
        return self.input.output


@dataclass(frozen=True)
class TopN(Plan):
    """Limit over Sort, as one operator."""

    child_fields: ClassVar = ("input",)
    expr_fields: ClassVar = ("keys",)
    input: Plan
    keys: tuple[SortKey, ...]
    count: int
    offset: int = 0

    @property
    def output(self) -> tuple[Column, ...]:
        return self.input.output


JOIN_KINDS = ("inner", "left", "right", "full", "semi", "anti", "cross", "mark", "single")


@dataclass(frozen=True)
class Join(Plan):
    """A join on `condition` (None for cross).

    semi/anti/mark keep the left columns; mark adds the nullable boolean `mark`. An anti or mark join with `null_aware`
    follows NOT IN / IN: an unknown comparison keeps no row (anti) or marks NULL (mark). `single` is a left join that
    raises SCALAR_SUBQUERY_TOO_MANY_ROWS when a left row meets two right rows.
    """

    child_fields: ClassVar = ("left", "right")
    expr_fields: ClassVar = ("condition",)
    left: Plan
    right: Plan
    kind: str
    condition: Expr | None = None
    mark: Column | None = None
    null_aware: bool = False
    hint: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in JOIN_KINDS:
            raise InternalError(f"unknown join kind {self.kind}")
        if (self.mark is not None) != (self.kind == "mark"):
            raise InternalError("a mark join, and no other, has a mark column")
        if self.condition is not None and self.condition.type != BOOLEAN:
            raise InternalError(f"a join condition is boolean, not {self.condition.type}")

    @cached_property
    def output(self) -> tuple[Column, ...]:
        return join_output(self)


@dataclass(frozen=True)
class Apply(Plan):
    """A dependent join: `right` is evaluated for each left row, whose columns are free in it.

    Made for LATERAL and for subqueries; `rules/decorrelate_subqueries.py` turns every Apply into Joins.
    """

    child_fields: ClassVar = ("left", "right")
    expr_fields: ClassVar = ("condition",)
    left: Plan
    right: Plan
    kind: str  # inner, left, semi, anti, mark, single
    condition: Expr | None = None
    mark: Column | None = None
    null_aware: bool = False

    @cached_property
    def output(self) -> tuple[Column, ...]:
        return join_output(self)

    def _binds(self, column_id: int) -> bool:
        return column_id in self.left.output_ids


def join_output(j: Join | Apply) -> tuple[Column, ...]:
    """Left and right columns as the kind says; the side that can be missing becomes nullable."""
    left, right = j.left.output, j.right.output
    if j.kind in {"semi", "anti"}:
        return left
    if j.kind == "mark":
        assert j.mark is not None
        return (*left, j.mark)
    if j.kind in {"left", "full", "single"}:
        right = tuple(as_nullable(c) for c in right)
    if j.kind in {"right", "full"}:
        left = tuple(as_nullable(c) for c in left)
    return left + right


def as_nullable(c: Column) -> Column:
    """The same column, allowed to be NULL."""
    return c if c.nullable else replace(c, nullable=True)


@dataclass(frozen=True)
class Union(Plan):
    """UNION ALL, by position; `columns` are fresh ids, inputs already have the columns' types."""

    child_fields: ClassVar = ("inputs",)
    inputs: tuple[Plan, ...]
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        for p in self.inputs:
            if [c.type for c in p.output] != [c.type for c in self.columns]:
                raise InternalError("UNION inputs must have the union's types")

    @property
    def output(self) -> tuple[Column, ...]:
        return self.columns


@dataclass(frozen=True)
class Generate(Plan):
    """explode, posexplode, inline, stack ...: each input row beside the rows its generator gives.

    `outer` keeps rows whose generator gives none (NULLs). `columns` are the generator's; the input's columns
    come first in the output.
    """

    child_fields: ClassVar = ("input",)
    expr_fields: ClassVar = ("generator",)
    input: Plan
    generator: Call
    columns: tuple[Column, ...]
    outer: bool = False

    @cached_property
    def output(self) -> tuple[Column, ...]:
        return self.input.output + self.columns


@dataclass(frozen=True)
class RecursiveRef(Plan):
    """The rows of the previous round inside a recursive CTE."""

    name: str
    columns: tuple[Column, ...]

    @property
    def output(self) -> tuple[Column, ...]:
        return self.columns


@dataclass(frozen=True)
class RecursiveCte(Plan):
    """anchor UNION [ALL] step, until a round gives nothing; `step` reads RecursiveRef(name)."""

    child_fields: ClassVar = ("anchor", "step")
    name: str
    anchor: Plan
    step: Plan
    columns: tuple[Column, ...]
    distinct: bool = False
    max_rounds: int = 100
    limit: int | None = None
    """Rounds may end once so many rows are there."""

    @property
    def output(self) -> tuple[Column, ...]:
        return self.columns


@dataclass(frozen=True)
class Shared(Plan):
    """A subplan computed once and read several times; all Shared with one `key` hold the same plan."""

    child_fields: ClassVar = ("input",)
    key: int
    input: Plan
    columns: tuple[Column, ...] = field(default=())
    """This reader's own ids for `input.output`, by position."""

    @property
    def output(self) -> tuple[Column, ...]:
        return self.columns
