"""Bound expressions to polars expressions.

`Kernel.lower` walks an expression and asks each function's registry row for its polars form. It carries the
*active mask*: under CASE, AND, OR and lazy functions, and under an aggregate's FILTER, a call that may raise
gets its first column argument nulled where its value is not wanted. Polars' own masking of branches is not
enough.

Polars evaluates an expression that occurs twice twice (common subexpression elimination stays off, see the
design notes), so a lowering that needs a value twice binds it with `Kernel.let`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.errors import InternalError, NotSupportedError
from sqlshell.exec import lower_types
from sqlshell.exec.collect import materialized
from sqlshell.exec.errors import CLOSE, SEP, marker
from sqlshell.expr.expr import (
    AggCall,
    And,
    Call,
    Case,
    Cast,
    Column,
    Expr,
    GetField,
    In,
    Lambda,
    LambdaVar,
    Literal,
    Or,
    PythonCall,
    Value,
    columns_of,
)
from sqlshell.functions import registry
from sqlshell.functions.fallible import call_can_fail, can_fail, cast_can_fail
from sqlshell.types import Array, Date, SqlType, Timestamp, TimestampNtz

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlshell.errors import Span


STORE_OVERFLOW = "CAST_OVERFLOW_IN_TABLE_INSERT"
_OVERFLOWS = ("CAST_OVERFLOW", "NUMERIC_VALUE_OUT_OF_RANGE")


class Kernel:
    """Lowers expressions for one session's settings; a lowering gets a view of it with `call` set."""

    pl = pl

    def __init__(
        self, settings: Any = None, tz: str | None = None, *, deterministic: bool = False, partition: int = 0
    ) -> None:
        self.settings = settings
        self.partition = partition
        """The number of the task among those of its stage."""
        self.deterministic = deterministic
        self.tz: str = tz or (settings.get("sqlshell.timeZone") if settings else None) or "UTC"
        self.mask: pl.Expr | None = None
        """Where the value of the call being lowered is wanted; None for everywhere."""
        self._call: Call | AggCall | Cast | PythonCall | None = None
        self._env: dict[int, pl.Expr] = {}

    def _view(self, **changes: Any) -> Kernel:
        view = Kernel.__new__(Kernel)
        view.__dict__.update(self.__dict__)
        view.__dict__.update(changes)
        return view

    def materialized(self, lf: pl.LazyFrame) -> pl.LazyFrame:
        """The rows computed now, for a plan that reads them more than once."""
        return materialized(lf, deterministic=self.deterministic)

    @property
    def vectors(self) -> Any:
        """The kernels of vectors and text, loaded when a query uses them."""
        from sqlshell.exec import vectors

        return vectors

    @property
    def hashes(self) -> Any:
        """The kernels of Spark's hash functions."""
        from sqlshell.exec import hashes

        return hashes

    def infer(self, values: Sequence[str]) -> SqlType:
        """The type that CSV inference gives to these values."""
        from sqlshell.storage.inference import infer

        return infer(values)

    @property
    def trees(self) -> Any:
        """The kernel of tree ensembles."""
        from sqlshell.exec import trees

        return trees

    @property
    def attributions(self) -> Any:
        """The kernels that explain predictions."""
        from sqlshell.exec import attributions

        return attributions

    @property
    def onnx(self) -> Any:
        """The kernel of ONNX graphs."""
        from sqlshell.exec import onnx

        return onnx

    @property
    def network(self) -> Any:
        """The kernel of feed-forward networks."""
        from sqlshell.exec import network

        return network

    @property
    def factors(self) -> Any:
        """The kernels of matrix factorizations."""
        from sqlshell.exec import factors

        return factors

    # What a lowering may ask about its call

    @property
    def call(self) -> Any:
        """The bound call being lowered."""
        if self._call is None:
            raise InternalError("no call is being lowered")
        return self._call

    def type(self, i: int) -> SqlType:
        """The type of argument `i`."""
        return self.call.args[i].type  # type: ignore[no-any-return]

    def is_literal(self, i: int) -> bool:
        """Whether argument `i` exists and is a constant."""
        args = self.call.args
        return i < len(args) and isinstance(args[i], Literal)

    def literal(self, i: int) -> Any:
        """The python value of argument `i` when it is a constant, else None (as for a NULL constant)."""
        args = self.call.args
        return args[i].value if i < len(args) and isinstance(args[i], Literal) else None

    def dtype(self, t: SqlType) -> Any:
        """The polars dtype of kernel columns of type `t`."""
        return lower_types.dtype(t)

    def lit(self, value: Any, t: SqlType) -> pl.Expr:
        """A constant of an SQL type, typed exactly."""
        return lower_types.literal(value, t)

    # Sharing and raising

    def let(self, values: Sequence[pl.Expr], body: Callable[..., pl.Expr]) -> pl.Expr:
        """`body(*values)` with each value computed once. The body uses only its parameters and constants."""
        if all(v.meta.is_column() or v.meta.is_literal() for v in values):
            return body(*values)
        names = [f"v{i}" for i in range(len(values))]
        # A struct is free to build, and `with_fields` sees its fields as already computed columns.
        bound = pl.struct(*(v.alias(n) for v, n in zip(values, names, strict=True)))
        result = body(*(pl.field(n) for n in names))
        return bound.struct.with_fields(result.alias("o")).struct.field("o")

    def raise_if(self, bad: pl.Expr, condition: str, value: pl.Expr, *details: Any) -> pl.Expr:
        """`value` where `bad` is false or NULL; the statement fails with `condition` where it is true.

        Details are texts, or polars expressions that are shown for the failing row. Bind what `bad` and
        `value` share with `let`.
        """
        stored = self._stored(condition)
        if stored is not None:
            condition, details = STORE_OVERFLOW, stored
        return raise_where(bad, condition, self._span(), value, details)

    def failure(self, condition: str, *details: str) -> Exception:
        """What the Python body of a lowering raises for a value it refuses (`translate` types it)."""
        return ValueError(marker(condition, self._span(), *details))

    def named(self, e: pl.Expr, condition: str, *details: str) -> pl.Expr:
        """`e`, such that a strict polars cast of it fails as `condition`, the value being the last detail."""
        stored = self._stored(condition)
        name = (
            marker(STORE_OVERFLOW, self._span(), *stored)
            if stored
            else marker(condition, self._span(), *details)
        )
        # Inner aliases are dropped by polars; a struct's field name is not, and shows up in its error text.
        return pl.struct(e.alias(name)).struct.field(name)

    def _stored(self, condition: str) -> tuple[str, ...] | None:
        """The details of an overflow that a cast into a table column means; None for anything else."""
        call = self._call
        if not isinstance(call, Cast) or not call.stored or not condition.startswith(_OVERFLOWS):
            return None
        return str(call.arg.type).upper(), str(call.type).upper(), call.stored

    def masked(self, e: pl.Expr) -> pl.Expr:
        """`e` where its value is wanted, NULL elsewhere (for functions that raise on NULL arguments)."""
        return e if self.mask is None else pl.when(self.mask).then(e)

    def _span(self) -> Span | None:
        return None if self._call is None else self._call.span

    # Casts, zones, lambdas

    def cast(self, e: pl.Expr, source: SqlType, target: SqlType, safe: bool = False) -> pl.Expr:
        """`e` of type `source` as `target`; NULL (safe) or an error where the value does not fit."""
        from sqlshell.exec.lower_cast import cast

        return cast(self, e, source, target, safe)

    def to_wall(self, e: pl.Expr) -> pl.Expr:
        """A timestamp as the session zone's wall clock (timestamp_ntz)."""
        if self.tz == "UTC":
            return e.dt.replace_time_zone(None)
        return e.dt.convert_time_zone(self.tz).dt.replace_time_zone(None)

    def from_wall(self, e: pl.Expr) -> pl.Expr:
        """A wall clock of the session zone as an instant; gaps move forward, overlaps take the earlier."""
        return self.wall_in_zone(e, self.tz)

    def move_wall(self, instant: pl.Expr, move: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
        """The instant whose wall clock is `move` of this one's; it keeps its offset where that exists there.

        `instant` is mentioned twice, and `move` may use columns besides its parameter.
        """

        def place(now: pl.Expr, wall: pl.Expr, target: pl.Expr) -> pl.Expr:
            same = now + (target - wall)
            return pl.when(self.to_wall(same) == target).then(same).otherwise(self.from_wall(target))

        wall = self.to_wall(instant)
        return self.let([instant, wall, move(wall)], place)

    def wall_in_zone(self, e: pl.Expr, zone: str) -> pl.Expr:
        """A wall clock of a named zone as an instant (timestamp)."""
        if zone == "UTC":
            return e.dt.replace_time_zone("UTC")

        def place(wall: pl.Expr) -> pl.Expr:
            there = wall.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
            return there.dt.convert_time_zone("UTC")

        # In a gap java.time keeps the offset from before it: that of a few hours earlier.
        early = pl.duration(hours=3)

        def fill_gaps(wall: pl.Expr, found: pl.Expr) -> pl.Expr:
            lost = pl.when(found.is_null()).then(wall)
            return pl.coalesce(found, place(lost - early) + early)

        return self.let([e], lambda wall: self.let([wall, place(wall)], fill_gaps))

    def lambda_of(self, i: int) -> Lambda:
        """Argument `i` as a lambda."""
        arg = self.call.args[i]
        if not isinstance(arg, Lambda):
            raise InternalError(f"argument {i} of {self.call.fn} is not a lambda")
        return arg

    def apply_lambda(self, i: int, *params: pl.Expr) -> pl.Expr:
        """The body of lambda argument `i` over these parameter values."""
        fn = self.lambda_of(i)
        env = self._env | {p.id: e for p, e in zip(fn.params, params, strict=False)}
        return self._view(_env=env, mask=None, _call=None).lower(fn.body)

    def lambda_outer(self, i: int) -> bool:
        """Whether lambda argument `i` uses columns, or parameters of a lambda around it."""
        fn = self.lambda_of(i)
        inner = {p.id for n in fn.collect(Lambda) for p in n.params}
        return bool(columns_of(fn.body)) or any(v.id not in inner for v in fn.body.collect(LambdaVar))

    def over_elements(self, i: int, lists: Sequence[pl.Expr], params: Any, *, keep: bool = False) -> pl.Expr:
        """Lambda argument `i` over the elements of lists; see `exec/lower_lambda.py`."""
        from sqlshell.exec.lower_lambda import over_elements

        return over_elements(self, i, lists, params, keep=keep)

    def sorted_by(self, i: int, items: pl.Expr) -> pl.Expr:
        """Lists sorted by the comparator at argument `i`; see `exec/lower_lambda.py`."""
        from sqlshell.exec.lower_lambda import sorted_by

        return sorted_by(self, i, items)

    def fold(self, items: pl.Expr, start: pl.Expr, merge: int, finish: int | None) -> pl.Expr:
        """Lambda argument `merge` from `start` over a list's elements; see `exec/lower_lambda.py`."""
        from sqlshell.exec.lower_lambda import fold

        return fold(self, items, start, merge, finish)

    def bind(self, env: dict[int, pl.Expr]) -> Kernel:
        """A kernel that knows these lambda variables (by id), and no mask."""
        return self._view(_env=self._env | env, mask=None, _call=None)

    def under(self, mask: pl.Expr | None) -> Kernel:
        """A kernel whose expressions are wanted only where `mask` is true."""
        return self if mask is None else self._view(mask=_and(self.mask, mask))

    # Lowering

    def lower(self, e: Expr) -> pl.Expr:
        """The polars expression of `e` over columns named `c{id}`."""
        handler = _HANDLERS.get(type(e))
        if handler is None:
            raise NotSupportedError(f"cannot run an expression of kind {type(e).__name__}")
        return handler(self, e)

    def lower_args(self, call: Call | AggCall) -> list[Any]:
        """The arguments of a call, masked as the call needs; None stands for lambdas."""
        row = registry.get(call.fn)
        out: list[Any] = []
        skipped: list[pl.Expr] = []
        for a in call.args:
            if isinstance(a, Lambda):
                out.append(None)
                continue
            view = self.under(_all(skipped)) if skipped and can_fail(a) else self
            out.append(view.lower(a))
            if row.lazy:
                skipped.append(out[-1].is_null())
        if self.mask is not None and call_can_fail(call):
            at = _masked_argument(call)
            if at is not None:
                lambdas = any(isinstance(a, Lambda) for a in call.args)
                out[at] = _blank(self.mask, out[at], call.args[at].type, hidden=lambdas)
        return out

    def at(self, call: Call | AggCall | Cast | PythonCall) -> Kernel:
        """The view a lowering of `call` gets."""
        return self._view(_call=call)


def _masked_argument(call: Call | AggCall) -> int | None:
    """Which argument to blank outside the mask: the first that is no constant, else the first."""
    usable = [i for i, a in enumerate(call.args) if not isinstance(a, Lambda)]
    moving = [i for i in usable if not isinstance(call.args[i], Literal)]
    return next(iter(moving or usable), None)


def _blank(mask: pl.Expr, e: pl.Expr, t: SqlType, *, hidden: bool) -> pl.Expr:
    """NULL outside the mask; with `hidden`, lists become empty."""
    if hidden and isinstance(t, Array):
        # `list.eval` also evaluates the values that lie hidden below NULL lists; an empty list hides none.
        return pl.when(mask).then(e).otherwise(pl.lit([], dtype=lower_types.dtype(t)))
    return pl.when(mask).then(e)


def raise_where(
    bad: pl.Expr, condition: str, span: Span | None, value: pl.Expr, details: Sequence[Any] = ()
) -> pl.Expr:
    """`value`, failing natively with `condition` and the details in the error's text where `bad` holds."""
    message = pl.lit(marker(condition, span, *(str(d) for d in details if not isinstance(d, pl.Expr))))
    if any(isinstance(d, pl.Expr) for d in details):
        message = pl.lit(marker(condition, span).removesuffix(CLOSE))
        for d in details:
            message = message + pl.lit(SEP) + (_shown(bad, d) if isinstance(d, pl.Expr) else pl.lit(str(d)))
        message = message + pl.lit(CLOSE)
    # Only text can carry a message into polars' cast error; the cast never succeeds, so `failed` is all NULL.
    failed = pl.when(bad).then(message).cast(pl.Int8, strict=True)
    return pl.when(failed.is_null()).then(value)


def _shown(bad: pl.Expr, detail: pl.Expr) -> pl.Expr:
    """A detail as text; NULL on good rows, where making the text would cost time."""
    return pl.coalesce(pl.when(bad).then(detail).cast(pl.String), pl.when(bad).then(pl.lit("NULL")))


def _and(a: pl.Expr | None, b: pl.Expr) -> pl.Expr:
    return b if a is None else a & b


def _all(parts: list[pl.Expr]) -> pl.Expr:
    out = parts[0]
    for p in parts[1:]:
        out = out & p
    return out


def _column(k: Kernel, e: Column) -> pl.Expr:
    return pl.col(f"c{e.id}")


def _literal(k: Kernel, e: Literal) -> pl.Expr:
    return lower_types.literal(e.value, e.type)


def _call(k: Kernel, e: Call) -> pl.Expr:
    row = registry.get(e.fn)
    if row.lower is None:
        raise NotSupportedError(f"function {e.fn} cannot run here", span=e.span)
    args = k.lower_args(e)
    return row.lower(k.at(e), *args)  # type: ignore[no-any-return]


def _python_call(k: Kernel, e: PythonCall) -> pl.Expr:
    from sqlshell.exec import python_calls

    return python_calls.lower(k, e)


def _cast(k: Kernel, e: Cast) -> pl.Expr:
    if (
        isinstance(e.arg, Literal)
        and e.arg.value == "epoch"
        and isinstance(e.type, (Date, Timestamp, TimestampNtz))
    ):
        return pl.lit(0, dtype=pl.Int32 if isinstance(e.type, Date) else pl.Int64).cast(
            lower_types.dtype(e.type)
        )
    arg = k.lower(e.arg)
    if k.mask is not None and not e.safe and cast_can_fail(e.arg.type, e.type):
        arg = pl.when(k.mask).then(arg)
    return k.at(e).cast(arg, e.arg.type, e.type, e.safe)


def _and_expr(k: Kernel, e: And) -> pl.Expr:
    # As in Spark, a later part counts where no earlier one is false: true or NULL.
    parts: list[pl.Expr] = []
    for a in e.args:
        view = k.under(_all([p.fill_null(value=True) for p in parts])) if parts and can_fail(a) else k
        parts.append(view.lower(a))
    return _all(parts)


def _or_expr(k: Kernel, e: Or) -> pl.Expr:
    parts: list[pl.Expr] = []
    for a in e.args:
        view = k
        if parts and can_fail(a):
            view = k.under(_all([~p.fill_null(value=False) for p in parts]))
        parts.append(view.lower(a))
    out = parts[0]
    for p in parts[1:]:
        out = out | p
    return out


def _in(k: Kernel, e: In) -> pl.Expr:
    value = k.lower(e.value)
    t = e.value.type
    if all(isinstance(o, Literal) for o in e.options) and not lower_types.is_nested(t):
        constants = [o.value for o in e.options if isinstance(o, Literal)]
        present = [c for c in constants if c is not None]
        hit = value.is_in(lower_types.literal_series(present, t).implode())
        if len(present) == len(constants):
            return hit
        return pl.when(hit).then(pl.lit(value=True))
    options = [k.lower(o) for o in e.options]

    def either(v: pl.Expr, *others: pl.Expr) -> pl.Expr:
        out = v == others[0]
        for o in others[1:]:
            out = out | (v == o)
        return out

    return k.let([value, *options], either)


def _case(k: Kernel, e: Case) -> pl.Expr:
    done: list[pl.Expr] = []  # "this earlier branch was not taken"
    out: Any = None
    for b in e.branches:
        view = k.under(_all(done)) if done and can_fail(b.condition) else k
        condition = view.lower(b.condition)
        here = k
        if can_fail(b.value):
            here = k.under(_all([*done, condition]))
        value = here.lower(b.value)
        out = (pl if out is None else out).when(condition).then(value)
        done.append(~condition.fill_null(value=False))
    view = k.under(_all(done)) if can_fail(e.otherwise) else k
    return out.otherwise(view.lower(e.otherwise))  # type: ignore[no-any-return]


def _get_field(k: Kernel, e: GetField) -> pl.Expr:
    arg = k.lower(e.arg)
    if isinstance(e.arg.type, Array):
        return arg.list.eval(pl.element().struct.field(e.name))
    return arg.struct.field(e.name)


def _lambda_var(k: Kernel, e: LambdaVar) -> pl.Expr:
    if e.id not in k._env:
        raise InternalError(f"lambda variable {e.name} is not bound")
    return k._env[e.id]


_HANDLERS: dict[type[Any], Callable[[Kernel, Any], pl.Expr]] = {
    Column: _column,
    Literal: _literal,
    Value: _literal,
    Call: _call,
    PythonCall: _python_call,
    Cast: _cast,
    And: _and_expr,
    Or: _or_expr,
    In: _in,
    Case: _case,
    GetField: _get_field,
    LambdaVar: _lambda_var,
}
