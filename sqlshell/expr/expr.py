"""Bound, typed expressions. The binder makes them; the optimizer rewrites them; `exec/lower_expr.py` runs them.

Every expression has `type` and `nullable`. Columns are opaque ids; names are for people. Operators are calls of
registry functions named by their symbol (`+`, `=`, `<=>`, `not`, `isnull`, `||`). A correlated reference needs
no node of its own: it is a Column whose id the subquery's own plan does not produce.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sqlshell.expr.tree import Node
from sqlshell.records import dataclass, field
from sqlshell.types import BIGINT, BOOLEAN, SqlType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.errors import Span
    from sqlshell.expr.python_function import PythonFunction


class Expr(Node):
    """A typed expression."""

    if TYPE_CHECKING:

        @property
        def type(self) -> SqlType:
            """The SQL type of its values."""

        @property
        def nullable(self) -> bool:
            """Whether it can be NULL."""


@dataclass(frozen=True)
class Column(Expr):
    """A column by id, as some plan node below produces it.

    `bounds` are the least and greatest value it can have, where file statistics tell (`functions/bounds.py`);
    `padded` is n for a table's column of type char(n).
    """

    id: int
    name: str = field(compare=False)
    type: SqlType
    nullable: bool = field(default=True, compare=False)
    bounds: tuple[int, int] | None = field(default=None, compare=False, repr=False)
    padded: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True)
class Literal(Expr):
    """A constant.

    `value` by type: None, bool, int, float, decimal.Decimal, str, bytes, datetime.date, datetime.datetime
    (naive; UTC for timestamp, wall clock for timestamp_ntz), datetime.time, int months (year-month) or int
    microseconds (day-time); tuples for arrays and structs; a tuple of (key, value) pairs for maps.
    """

    value: Any
    type: SqlType

    @property
    def nullable(self) -> bool:
        return self.value is None


class Value(Literal):
    """A constant that the text does not show (a variable, an argument): typed by its type, not by its digits."""


@dataclass(frozen=True)
class Call(Expr):
    """A scalar registry function applied to arguments already coerced to what the function takes."""

    child_fields: ClassVar = ("args",)
    fn: str
    args: tuple[Expr, ...]
    type: SqlType
    nullable: bool = True
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True)
class PythonCall(Expr):
    """A Python function applied to arguments of its parameters' types; an aggregate to the list of a group's rows.

    Opaque: it may fail on any row, and nothing is known of its value. A table function gives an array of structs.
    """

    child_fields: ClassVar = ("args",)
    function: PythonFunction
    args: tuple[Expr, ...]
    type: SqlType
    span: Span | None = field(default=None, compare=False)
    nullable: ClassVar[bool] = True


@dataclass(frozen=True)
class Cast(Expr):
    """ANSI cast (raises on a bad value) or, with `safe`, TRY_CAST (gives NULL).

    `stored` names the table column that the value is for: its overflow is then an error of its own.
    """

    child_fields: ClassVar = ("arg",)
    arg: Expr
    type: SqlType
    safe: bool = False
    span: Span | None = field(default=None, compare=False)
    stored: str = field(default="", compare=False)

    @property
    def nullable(self) -> bool:
        return self.safe or self.arg.nullable


@dataclass(frozen=True)
class And(Expr):
    """n-ary, flat; at least two arguments."""

    child_fields: ClassVar = ("args",)
    args: tuple[Expr, ...]
    type: ClassVar[SqlType] = BOOLEAN

    @property
    def nullable(self) -> bool:
        return any(a.nullable for a in self.args)


@dataclass(frozen=True)
class Or(Expr):
    """n-ary, flat; at least two arguments."""

    child_fields: ClassVar = ("args",)
    args: tuple[Expr, ...]
    type: ClassVar[SqlType] = BOOLEAN

    @property
    def nullable(self) -> bool:
        return any(a.nullable for a in self.args)


@dataclass(frozen=True)
class In(Expr):
    """`value IN (options...)`, all of one type. NOT IN is `not` of it."""

    child_fields: ClassVar = ("value", "options")
    value: Expr
    options: tuple[Expr, ...]
    type: ClassVar[SqlType] = BOOLEAN

    @property
    def nullable(self) -> bool:
        return self.value.nullable or any(o.nullable for o in self.options)


@dataclass(frozen=True)
class When(Node):
    """One branch of a CASE."""

    child_fields: ClassVar = ("condition", "value")
    condition: Expr
    value: Expr


@dataclass(frozen=True)
class Case(Expr):
    """Searched CASE; a missing ELSE is a NULL literal. Later branches are evaluated only where earlier fail."""

    child_fields: ClassVar = ("branches", "otherwise")
    branches: tuple[When, ...]
    otherwise: Expr
    type: SqlType

    @property
    def nullable(self) -> bool:
        return self.otherwise.nullable or any(b.value.nullable for b in self.branches)


@dataclass(frozen=True)
class GetField(Expr):
    """Field `name` of a struct, or of each struct in an array (giving an array)."""

    child_fields: ClassVar = ("arg",)
    arg: Expr
    name: str
    type: SqlType
    nullable: bool = True


@dataclass(frozen=True)
class LambdaVar(Expr):
    """A parameter of a lambda, by id."""

    id: int
    name: str = field(compare=False)
    type: SqlType
    nullable: bool = field(default=True, compare=False)


@dataclass(frozen=True)
class Lambda(Expr):
    """`(params) -> body`, an argument of a higher-order function; its type is the body's."""

    child_fields: ClassVar = ("body",)
    params: tuple[LambdaVar, ...]
    body: Expr

    @property
    def type(self) -> SqlType:
        return self.body.type

    @property
    def nullable(self) -> bool:
        return self.body.nullable


@dataclass(frozen=True)
class SortKey(Node):
    """One ORDER BY item; null order is always explicit here (Spark: nulls first iff ascending)."""

    child_fields: ClassVar = ("expr",)
    expr: Expr
    ascending: bool = True
    nulls_first: bool = True


@dataclass(frozen=True)
class AggCall(Expr):
    """An aggregate function; stands only in `Aggregate.aggs` and inside `WindowCall`."""

    child_fields: ClassVar = ("args", "filter", "order_by")
    fn: str
    args: tuple[Expr, ...]
    type: SqlType
    nullable: bool = True
    distinct: bool = False
    filter: Expr | None = None
    order_by: tuple[SortKey, ...] = ()
    ignore_nulls: bool = False
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Frame:
    """A window frame. `unit` is rows or range; a bound is None (unbounded), 0 (current row) or an offset.

    Offsets are ints for rows (negative = preceding); for range, a Literal of the ordering key's own type or an
    interval, negated when preceding.
    """

    unit: str
    start: Any
    end: Any


@dataclass(frozen=True)
class WindowCall(Expr):
    """`fn(...) OVER (PARTITION BY ... ORDER BY ... frame)`; `fn` is an aggregate or a window function."""

    child_fields: ClassVar = ("call", "partition_by", "order_by")
    call: AggCall
    partition_by: tuple[Expr, ...]
    order_by: tuple[SortKey, ...]
    frame: Frame

    @property
    def type(self) -> SqlType:
        return self.call.type

    @property
    def nullable(self) -> bool:
        return self.call.nullable


class SubqueryExpr(Expr):
    """A subquery inside an expression. `plan` is a bound logical plan; decorrelation removes these nodes.

    The plan is not a child: walks over expressions do not enter it. Use `plan.logical.free_columns`.
    """

    plan: Any


@dataclass(frozen=True)
class ScalarSubquery(SubqueryExpr):
    """The one value of a one-column plan; NULL when empty, SCALAR_SUBQUERY_TOO_MANY_ROWS past one row."""

    plan: Any
    type: SqlType
    nullable: bool = True
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Exists(SubqueryExpr):
    """Whether the plan gives any row."""

    plan: Any
    type: ClassVar[SqlType] = BOOLEAN
    nullable: ClassVar[bool] = False


@dataclass(frozen=True)
class InSubquery(SubqueryExpr):
    """`(values) IN (plan)` with SQL's three-valued logic; one value per output column of the plan."""

    child_fields: ClassVar = ("values",)
    values: tuple[Expr, ...]
    plan: Any
    type: ClassVar[SqlType] = BOOLEAN
    nullable: ClassVar[bool] = True


TRUE = Literal(True, BOOLEAN)
FALSE = Literal(False, BOOLEAN)


def long(value: int) -> Literal:
    """A bigint literal."""
    return Literal(value, BIGINT)


def conjuncts(e: Expr | None) -> tuple[Expr, ...]:
    """The AND-ed parts of a predicate; () for None or TRUE."""
    if e is None or e == TRUE:
        return ()
    return e.args if isinstance(e, And) else (e,)


def conjoin(parts: tuple[Expr, ...] | list[Expr]) -> Expr:
    """AND of the parts, flattened; TRUE when there are none."""
    flat: list[Expr] = []
    for p in parts:
        flat.extend(conjuncts(p))
    if not flat:
        return TRUE
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def disjoin(parts: tuple[Expr, ...] | list[Expr]) -> Expr:
    """OR of the parts, flattened; FALSE when there are none."""
    flat: list[Expr] = []
    for p in parts:
        flat.extend(p.args if isinstance(p, Or) else (p,))
    if not flat:
        return FALSE
    return flat[0] if len(flat) == 1 else Or(tuple(flat))


def columns_of(e: Expr | SortKey) -> set[int]:
    """Ids of the columns `e` mentions, those free in its subqueries included."""
    out: set[int] = set()
    for n in _walk_into_subqueries(e):
        if isinstance(n, Column):
            out.add(n.id)
    return out


def _walk_into_subqueries(e: Node) -> Iterator[Any]:
    for n in e.walk():
        yield n
        if isinstance(n, SubqueryExpr):
            yield from n.plan.free_columns


def substitute(e: Any, mapping: dict[int, Expr]) -> Any:
    """`e` with columns replaced by id, also inside subquery plans."""
    if not mapping:
        return e

    def swap(n: Any) -> Any:
        if isinstance(n, Column):
            return mapping.get(n.id, n)
        if isinstance(n, SubqueryExpr):
            plan = n.plan.substitute_free(mapping)
            if plan is not n.plan:
                from sqlshell.records import replace

                return replace(n, plan=plan)  # type: ignore[type-var]
        return n

    return e.transform_up(swap)
