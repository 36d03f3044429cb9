"""Window functions: specifications, named windows, Spark's default frames, and moving them into Windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError
from sqlshell.expr.expr import Column, Expr, Frame, Literal, SortKey, WindowCall
from sqlshell.functions import registry
from sqlshell.plan import bind_call, collations
from sqlshell.plan.bind_util import reject_unused, span_of, text_of, unsupported
from sqlshell.plan.coerce import cast_to
from sqlshell.plan.logical import Named, Plan, Window, fresh_column
from sqlshell.records import dataclass, replace
from sqlshell.types import Date, DayTimeInterval, Integral, Interval, Numeric, Temporal

if TYPE_CHECKING:
    from sqlshell.plan.bind import Binder
    from sqlshell.plan.bind_site import Site

WHOLE = Frame("rows", None, None)
RUNNING_ROWS = Frame("rows", None, 0)
RUNNING_RANGE = Frame("range", None, 0)
RANKING = {"row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile"}
OFFSETS = {"lag", "lead"}


def bind_window(b: Binder, node: Any, site: Site) -> Expr:
    """`call OVER (...)` as a WindowCall; `extract_windows` later moves it below the projection."""
    if b.features is not None and str(node.this.name).lower().startswith("ml_"):
        reject_unused(node, ("this", "over"))
        return b.expr(node.this, site)  # ML.STANDARD_SCALER(x) OVER (): over all training rows
    if not site.windows or site.inside:
        raise _not_allowed(node, site)
    call_node, extras = bind_call.unwrap(b, node.this, site)
    name = call_node.name.lower()
    row = registry.lookup(name)
    if row is None or row.kind not in {"aggregate", "window"}:
        if row is None:
            b.expr(call_node, site)
        raise AnalysisError(
            f"{name}() is no aggregate or window function, so it takes no OVER clause",
            condition="UNSUPPORTED_EXPR_FOR_WINDOW",
            span=span_of(node),
        )
    inner = replace(site, inside="window")
    partition, order, frame_node = _specification(b, node, inner, frozenset())
    call = bind_call.aggregate_call(b, call_node, site, extras, "window")
    if call.distinct:
        raise AnalysisError(
            f"DISTINCT is not possible in a window function: {text_of(node)}",
            condition="DISTINCT_WINDOW_FUNCTION_UNSUPPORTED",
            span=span_of(node),
        )
    _check_numbers(call, node)
    frame = _frame(b, frame_node, order, inner)
    return WindowCall(call, partition, order, _check_frame(name, row.kind, frame, order, node))


_NUMBERS = {"ntile": 0, "nth_value": 1, "lag": 1, "lead": 1}


def _check_numbers(call: Any, node: Any) -> None:
    """The number of ntile, nth_value, lag and lead is a constant, that of the first two positive."""
    at = _NUMBERS.get(call.fn)
    if at is None or len(call.args) <= at:
        return
    number = call.args[at]
    if any(isinstance(n, Column) for n in number.walk()):
        raise AnalysisError(
            f"the number of {call.fn}() is a constant",
            condition="DATATYPE_MISMATCH.NON_FOLDABLE_INPUT",
            span=span_of(node),
        )
    value = number.value if isinstance(number, Literal) else None
    if call.fn in ("ntile", "nth_value") and isinstance(value, int) and value < 1:
        raise AnalysisError(
            f"the number of {call.fn}() is positive, not {value}",
            condition="DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE",
            span=span_of(node),
        )


def _not_allowed(node: Any, site: Site) -> AnalysisError:
    if site.inside:
        around = "an aggregate" if site.inside == "aggregate" else "another window"
        return AnalysisError(
            f"a window function inside {around} function",
            condition="NESTED_WINDOW_FUNCTION" if site.inside == "window" else "NESTED_AGGREGATE_FUNCTION",
            span=span_of(node),
            hint="compute the inner one in a subquery",
        )
    return AnalysisError(
        f"window functions are not allowed in {site.clause}: {text_of(node)}",
        condition="WINDOW_FUNCTION_NOT_ALLOWED_IN_CLAUSE",
        span=span_of(node),
        hint="filter on a window function with QUALIFY, or in an outer query",
    )


def _specification(
    b: Binder, node: Any, site: Site, seen: frozenset[str]
) -> tuple[tuple[Expr, ...], tuple[SortKey, ...], Any]:
    """PARTITION BY, ORDER BY and the frame's AST, named windows followed."""
    reject_unused(node, ("this", "partition_by", "order", "spec", "over", "alias", "first"))
    base = node.args.get("alias")
    partition: tuple[Expr, ...] = ()
    order: tuple[SortKey, ...] = ()
    frame: Any = None
    if base is not None:
        partition, order, frame = _named_window(b, base, site, seen)
    own = node.args.get("partition_by") or []
    if own:
        partition = tuple(collations.key(b.expr(p, site)) for p in own)
    if node.args.get("order") is not None:
        reject_unused(node.args["order"], ("expressions",))
        order = tuple(bind_call.sort_key(b, o, site) for o in node.args["order"].expressions)
    return partition, order, node.args.get("spec") or frame


def _named_window(
    b: Binder, name: Any, site: Site, seen: frozenset[str]
) -> tuple[tuple[Expr, ...], tuple[SortKey, ...], Any]:
    key = name.name.lower()
    definition = site.windows_named.get(key)
    if definition is None or key in seen:
        raise AnalysisError(
            f"the WINDOW clause defines no window `{name.name}`",
            condition="MISSING_WINDOW_SPECIFICATION",
            span=span_of(name),
        )
    return _specification(b, definition, site, seen | {key})


def _frame(b: Binder, spec: Any, order: tuple[SortKey, ...], site: Site) -> Frame | None:
    """The frame as written; None when there is none."""
    if spec is None:
        return None
    reject_unused(spec, ("kind", "start", "start_side", "end", "end_side"))
    unit = str(spec.args["kind"]).lower()
    if unit not in {"rows", "range"}:
        raise unsupported(spec, f"a frame in {unit.upper()}")
    bounds = _Bounds(b, unit, order, site)
    start = bounds.bind(spec.args.get("start"), spec.args.get("start_side"))
    end = bounds.bind(spec.args["end"], spec.args.get("end_side")) if spec.args.get("end") is not None else 0
    if spec.args.get("start") == "UNBOUNDED" and str(spec.args.get("start_side")).upper() == "FOLLOWING":
        raise _bad_frame(spec, "a frame cannot start at UNBOUNDED FOLLOWING")
    if str(spec.args.get("end")) == "UNBOUNDED" and str(spec.args.get("end_side")).upper() == "PRECEDING":
        raise _bad_frame(spec, "a frame cannot end at UNBOUNDED PRECEDING")
    low, high = _number(start), _number(end)
    if low is not None and high is not None and low > high:
        raise _bad_frame(spec, "the frame's start lies after its end")
    return Frame(unit, start, end)


def _bad_frame(spec: Any, message: str) -> AnalysisError:
    return AnalysisError(
        message, condition="DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_WRONG_COMPARISON", span=span_of(spec)
    )


def _number(bound: Any) -> Any:
    value = bound.value if isinstance(bound, Literal) else bound
    return value if isinstance(value, int) else None


@dataclass(frozen=True)
class _Bounds:
    """Binds the bounds of one frame."""

    b: Binder
    unit: str
    order: tuple[SortKey, ...]
    site: Site

    def bind(self, value: Any, side: Any) -> Any:
        """None: unbounded, 0: the current row, else an int (rows) or Literal (range), negative before it."""
        if value is None or (isinstance(value, str) and value.upper() == "UNBOUNDED"):
            return None
        if isinstance(value, str) and value.upper() == "CURRENT ROW":
            return 0
        literal = self.b.constant(value, self.site, "a window frame")
        preceding = str(side).upper() == "PRECEDING"
        if self.unit == "range":
            offset = self._in_key_type(literal, value)
            return Literal(-offset.value, offset.type) if preceding else offset
        if not isinstance(literal.type, Integral) or literal.value is None:
            raise _bad_frame(value, "a ROWS frame counts whole rows")
        return -literal.value if preceding else literal.value

    def _in_key_type(self, literal: Literal, node: Any) -> Literal:
        """A RANGE offset in the type of the ordering key, or an interval."""
        if len(self.order) != 1:
            problem = "RANGE_FRAME_MULTI_ORDER" if self.order else "RANGE_FRAME_WITHOUT_ORDER"
            raise AnalysisError(
                "a RANGE frame with an offset needs exactly one ORDER BY expression",
                condition=f"DATATYPE_MISMATCH.{problem}",
                span=span_of(node),
            )
        key = self.order[0].expr.type
        if isinstance(key, Numeric) and isinstance(literal.type, Numeric):
            made = cast_to(literal, key)
            return made if isinstance(made, Literal) else self.b.evaluate(made)
        if isinstance(key, Date) and isinstance(literal.type, Integral):
            return Literal(literal.value * 86_400_000_000, DayTimeInterval("day", "day"))
        if isinstance(key, (Temporal, Interval)) and isinstance(literal.type, Interval):
            return literal
        raise AnalysisError(
            f"a RANGE frame cannot offset {key} by {literal.type}",
            condition="DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_UNACCEPTED_TYPE",
            span=span_of(node),
        )


def _check_frame(name: str, kind: str, frame: Frame | None, order: tuple[SortKey, ...], node: Any) -> Frame:
    """The frame in force: ranking and offset functions have their own and need an order."""
    if kind == "window" and (name in RANKING or name in OFFSETS):
        if not order:
            raise AnalysisError(
                f"{name}() needs an ORDER BY in its window",
                condition="WINDOW_FUNCTION_FRAME_NOT_ORDERED",
                span=span_of(node),
            )
        if frame is not None and (name in OFFSETS or frame != RUNNING_ROWS):
            raise AnalysisError(
                f"{name}() has a frame of its own",
                condition="WINDOW_FUNCTION_AND_FRAME_MISMATCH",
                span=span_of(node),
            )
        return RUNNING_ROWS if name in RANKING else WHOLE
    if frame is not None:
        if frame.unit == "range" and not order and frame != Frame("range", None, None):
            raise AnalysisError(
                "a RANGE frame needs an ORDER BY",
                condition="DATATYPE_MISMATCH.RANGE_FRAME_WITHOUT_ORDER",
                span=span_of(node),
            )
        return frame
    return RUNNING_RANGE if order else WHOLE


def extract_windows(plan: Plan, exprs: list[Expr]) -> tuple[Plan, list[Expr]]:
    """`exprs` with window calls replaced by columns of Window nodes over `plan`, one per specification."""
    columns: dict[WindowCall, Column] = {}

    def swap(n: Any) -> Any:
        if isinstance(n, WindowCall):
            if n not in columns:
                columns[n] = fresh_column(n.call.fn, n)
            return columns[n]
        return n

    out = [e.transform_up(swap) for e in exprs]
    groups: dict[Any, list[Named]] = {}
    for call, column in columns.items():
        groups.setdefault((call.partition_by, call.order_by), []).append(Named(column, call))
    for calls in groups.values():
        plan = Window(plan, tuple(calls))
    return plan, out


def has_window(e: Any) -> bool:
    """Whether a window call stands anywhere in `e`."""
    return any(isinstance(n, WindowCall) for n in e.walk())
