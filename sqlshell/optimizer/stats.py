"""Estimates: how many rows a plan gives, how many distinct values a column has, what part of rows a predicate keeps.

From file statistics (`Source.rows`, `Source.stats`: low, high, nulls), textbook formulas and these assumptions:
values are spread evenly; predicates on different columns are independent; an integer or date column has as many
values as its range or its rows allow; text has few values in big tables (`_text_values`); the keys of a filtered
table lie where the other side of the join has rows. Estimates are cached on the nodes; nothing here looks at data.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from decimal import Decimal as PyDecimal
from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import (
    AggCall,
    And,
    Call,
    Case,
    Cast,
    Column,
    Expr,
    In,
    Literal,
    Or,
    WindowCall,
    conjuncts,
)
from sqlshell.optimizer.properties import refs, split_equality
from sqlshell.plan.logical import (
    Aggregate,
    Expand,
    Filter,
    Generate,
    Join,
    Limit,
    Plan,
    Project,
    RecursiveCte,
    Scan,
    Shared,
    Sort,
    TopN,
    Union,
    Values,
    Window,
)
from sqlshell.types import (
    Array,
    Binary,
    Boolean,
    Date,
    Decimal,
    Float,
    Integral,
    Map,
    SqlType,
    String,
    Struct,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_ROWS = 100_000.0
"""Rows of a source that tells nothing and has no size."""
BYTES_PER_ROW = 100.0
"""Bytes of a row of a CSV or JSON source, to turn its size into rows."""
UNKNOWN = 0.3
"""Rows that pass a predicate nothing is known about."""
EQUAL = 0.1
"""Rows for which two unknown values are equal."""
LIKE = 0.1
MANY = 0.4
"""Distinct values per row from which a footer's count is not taken literally."""
HAVING = 0.1
"""Groups that pass a predicate on an aggregate: people look for the few."""
GENERATED = 5.0
"""Rows per row that a generator gives."""


@dataclass(frozen=True)
class Estimate:
    """Size of a plan's result."""

    rows: float
    bytes: float


@dataclass(frozen=True)
class ColumnEstimate:
    """One column: distinct values, bounds as numbers (None: unknown), the part that is NULL, rows where it is from."""

    distinct: float
    low: float | None = None
    high: float | None = None
    nulls: float = 0.0
    base_rows: float = DEFAULT_ROWS

    @property
    def is_key(self) -> bool:
        """Whether (nearly) every row may have its own value."""
        return self.distinct >= 0.9 * self.base_rows


def estimate(plan: Plan) -> Estimate:
    """Rows and bytes of a plan's output."""
    count = rows(plan)
    return Estimate(count, count * row_width(plan))


def row_width(plan: Plan) -> float:
    """Bytes of one row in memory."""
    return max(1.0, sum(width(c.type) for c in plan.output))


def width(t: SqlType) -> float:
    """Bytes of one value in memory."""
    match t:
        case Boolean():
            return 1
        case Integral():
            return t.bits / 8
        case Float() | Date():
            return 4
        case Decimal():
            return 16
        case String() | Binary():
            return 24
        case Array():
            return 4 * width(t.element)
        case Map():
            return 4 * (width(t.key) + width(t.value))
        case Struct():
            return sum(width(f.type) for f in t.fields)
        case _:
            return 8


def rows(plan: Plan) -> float:
    """Estimated rows of a plan's output, at least one."""
    cached: float | None = plan.__dict__.get("_rows")
    if cached is None:
        cached = max(1.0, _rows(plan))
        plan.__dict__["_rows"] = cached
    return cached


def _rows(plan: Plan) -> float:
    match plan:
        case Scan():
            return source_rows(plan) * selectivity(plan.filters, plan)
        case Values():
            return len(plan.rows)
        case Filter(input=Aggregate() as below):
            made = frozenset(a.column.id for a in below.aggs)
            having = [p for p in conjuncts(plan.predicate) if refs(p) & made]
            rest = [p for p in conjuncts(plan.predicate) if not refs(p) & made]
            return rows(below) * selectivity(rest, below) * (HAVING if having else 1.0)
        case Filter():
            return rows(plan.input) * selectivity(conjuncts(plan.predicate), plan.input)
        case Aggregate():
            return groups(plan.input, [k.expr for k in plan.keys])
        case Limit() | TopN():
            below = rows(plan.input) - plan.offset
            return below if plan.count is None else min(below, plan.count)
        case Expand():
            return rows(plan.input) * len(plan.projections)
        case Generate():
            return rows(plan.input) * GENERATED
        case Union():
            return sum(rows(i) for i in plan.inputs)
        case Join():
            return _join_rows(plan)
        case Project() | Window() | Sort() | Shared():
            return rows(plan.input)
        case RecursiveCte():
            return rows(plan.anchor) * 10
        case _:
            return DEFAULT_ROWS


def source_rows(scan: Scan) -> float:
    """Rows of the source, filters not applied."""
    known = scan.source.rows
    if known is not None:
        return float(known)
    size = scan.source.size
    return max(1.0, size / BYTES_PER_ROW) if size else DEFAULT_ROWS


def groups(plan: Plan, keys: Iterable[Expr]) -> float:
    """Distinct combinations of `keys` in a plan's rows."""
    limit = rows(plan)
    total = 1.0
    for key in keys:
        total *= distinct(plan, key)
        if total >= limit:
            return limit
    return total


def distinct(plan: Plan, e: Expr) -> float:
    """Distinct values of an expression over a plan's rows."""
    if isinstance(e, Literal):
        return 1.0
    if isinstance(e, Column):
        return max(1.0, min(column(plan, e.id).distinct, rows(plan)))
    if isinstance(e.type, Boolean):
        return 2.0
    total = 1.0
    for i in refs(e):
        total *= column(plan, i).distinct
    return max(1.0, min(total, rows(plan)))


# Columns


def column(plan: Plan, column_id: int) -> ColumnEstimate:
    """What is known about a column of a plan's output."""
    cache: dict[int, ColumnEstimate] = plan.__dict__.setdefault("_columns", {})
    found = cache.get(column_id)
    if found is None:
        found = cache[column_id] = _column(plan, column_id)
    return found


def _column(plan: Plan, column_id: int) -> ColumnEstimate:
    match plan:
        case Scan():
            base = _source_column(plan, column_id)
            return _filtered(base, column_id, plan.filters)
        case Filter():
            base = column(plan.input, column_id)
            return _filtered(base, column_id, conjuncts(plan.predicate))
        case Project():
            return _item(plan, column_id, plan.items)
        case Aggregate():
            return _item(plan, column_id, plan.keys + plan.aggs)
        case Window():
            if column_id in plan.input.output_ids:
                return column(plan.input, column_id)
            return _unknown(plan)
        case Join():
            side = plan.left if column_id in plan.left.output_ids else plan.right
            return column(side, column_id) if column_id in side.output_ids else _unknown(plan)
        case Sort() | Limit() | TopN():
            return column(plan.input, column_id)
        case Generate() if column_id in plan.input.output_ids:
            return column(plan.input, column_id)
        case Shared():
            at = next(i for i, c in enumerate(plan.columns) if c.id == column_id)
            return column(plan.input, plan.input.output[at].id)
        case Union():
            return _union_column(plan, column_id)
        case Expand():
            return _expand_column(plan, column_id)
        case _:
            return _unknown(plan)


def _unknown(plan: Plan) -> ColumnEstimate:
    count = rows(plan)
    return ColumnEstimate(max(1.0, count**0.75), base_rows=count)


def _item(plan: Project | Aggregate, column_id: int, items: Iterable[Any]) -> ColumnEstimate:
    """A computed column; a grouping key keeps its bounds but comes from the groups."""
    item = next((i for i in items if i.column.id == column_id), None)
    if item is None:
        return _unknown(plan)
    e, below = item.expr, plan.input
    if isinstance(e, Cast) and isinstance(e.arg, Column):
        e = e.arg
    if isinstance(e, Column) and e.id in below.output_ids:
        own = column(below, e.id)
        if isinstance(plan, Aggregate):
            return replace(own, distinct=min(own.distinct, rows(below)), base_rows=max(1.0, rows(plan)))
        return own
    if isinstance(e, Literal):
        value = as_number(e.value)
        return ColumnEstimate(1.0, value, value, 0.0, rows(below))
    if isinstance(e, AggCall | WindowCall):
        return _unknown(plan)
    return ColumnEstimate(distinct(below, e), base_rows=rows(below))


def _union_column(plan: Union, column_id: int) -> ColumnEstimate:
    at = next(i for i, c in enumerate(plan.columns) if c.id == column_id)
    parts = [column(i, i.output[at].id) for i in plan.inputs]
    lows = [p.low for p in parts if p.low is not None]
    highs = [p.high for p in parts if p.high is not None]
    bounded = len(lows) == len(parts) == len(highs)
    return ColumnEstimate(
        min(rows(plan), max(p.distinct for p in parts) * 1.2),
        min(lows) if bounded else None,
        max(highs) if bounded else None,
        max(p.nulls for p in parts),
        rows(plan),
    )


def _expand_column(plan: Expand, column_id: int) -> ColumnEstimate:
    at = next(i for i, c in enumerate(plan.columns) if c.id == column_id)
    total = 0.0
    for e in {p[at] for p in plan.projections}:
        total += distinct(plan.input, e)
    return ColumnEstimate(max(1.0, total), base_rows=rows(plan))


def _source_column(scan: Scan, column_id: int) -> ColumnEstimate:
    at = next(i for i, c in enumerate(scan.columns) if c.id == column_id)
    count = source_rows(scan)
    stats = dict(scan.source.stats).get(scan.fields[at])
    t = scan.columns[at].type
    if stats is None:
        return ColumnEstimate(_guess_distinct(t, count, None, None), base_rows=count)
    low, high = as_number(stats.low), as_number(stats.high)
    values = _guess_distinct(t, count, low, high, stats.low, stats.high)
    if stats.distinct:
        # A count near the rows only says "many": the range of a number then knows better.
        many = stats.distinct >= MANY * count
        values = count if many and isinstance(t, String) else values if many else float(stats.distinct)
    nulls = (stats.nulls or 0) / count if count else 0.0
    return ColumnEstimate(max(1.0, values), low, high, min(1.0, nulls), count)


def _guess_distinct(
    t: SqlType, count: float, low: float | None, high: float | None, first: Any = None, last: Any = None
) -> float:
    match t:
        case Boolean():
            return 2.0
        case Integral() | Date() if low is not None and high is not None:
            return min(count, high - low + 1)
        case Decimal() if low is not None and high is not None:
            return min(count, (high - low) * 10**t.scale + 1)
        case String():
            return _text_values(count, first, last)
        case _:
            return count


def _text_values(count: float, first: Any, last: Any) -> float:
    """Text: all different in small tables, codes and categories in big ones."""
    if isinstance(first, str) and isinstance(last, str) and max(len(first), len(last)) <= 1:
        return min(count, abs(ord(last or " ") - ord(first or " ")) + 1.0)
    return count if count <= 100 else max(30.0, count**0.4)


def as_number(value: Any) -> float | None:
    """A literal on a number line, or None."""
    match value:
        case bool() | int() | float() | PyDecimal():
            return float(value)
        case datetime.datetime():
            return value.replace(tzinfo=datetime.UTC).timestamp()
        case datetime.date():
            return float(value.toordinal())
        case _:
            return None


def _filtered(base: ColumnEstimate, column_id: int, parts: Iterable[Expr]) -> ColumnEstimate:
    """A column after predicates on itself: narrower bounds, fewer values."""
    low, high, values, nulls = base.low, base.high, base.distinct, base.nulls
    for part in parts:
        if refs(part) != {column_id}:
            continue
        nulls = 0.0
        test = _bound(part)
        if test is None:
            if isinstance(part, In):
                values = min(values, len(part.options))
            continue
        op, limit = test
        if op == "=":
            values = 1.0
            if limit is not None:
                low = high = limit
        elif limit is not None and low is not None and high is not None and high > low:
            old = high - low
            if op in {"<", "<="}:
                high = max(low, min(high, limit))
            else:
                low = min(high, max(low, limit))
            values = max(1.0, values * (high - low) / old)
    if (low, high, values, nulls) == (base.low, base.high, base.distinct, base.nulls):
        return base
    return replace(base, low=low, high=high, distinct=values, nulls=nulls)


def _bound(part: Expr) -> tuple[str, float | None] | None:
    """(operator, number) of `column op literal`."""
    if not isinstance(part, Call) or len(part.args) != 2:
        return None
    a, b = part.args
    flip = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}
    if part.fn not in flip:
        return None
    if isinstance(a, Column) and isinstance(b, Literal):
        return part.fn, as_number(b.value)
    if isinstance(b, Column) and isinstance(a, Literal):
        return flip[part.fn], as_number(a.value)
    return None


# Predicates


def selectivity(parts: Iterable[Expr], below: Plan) -> float:
    """Part of `below`'s rows that pass all `parts`; two bounds on one column count as one range."""
    total = 1.0
    ranges: dict[int, list[tuple[str, float]]] = {}
    for part in parts:
        bound = _bound(part)
        if bound is not None and bound[0] != "=" and bound[1] is not None:
            (i,) = refs(part)
            ranges.setdefault(i, []).append((bound[0], bound[1]))
        else:
            total *= _passes(part, below)
    for i, limits in ranges.items():
        total *= _range(limits, _own(below, i))
    return max(total, 1e-9)


def _own(below: Plan, column_id: int) -> ColumnEstimate:
    """A column before the predicates of the node whose selectivity is asked for."""
    return _source_column(below, column_id) if isinstance(below, Scan) else column(below, column_id)


def _values_of(below: Plan, e: Expr) -> float:
    if isinstance(e, Column) and e.id in below.output_ids:
        return _own(below, e.id).distinct
    total = 1.0
    for i in refs(e) & below.output_ids:
        total *= _own(below, i).distinct
    return total


def _range(limits: list[tuple[str, float]], c: ColumnEstimate) -> float:
    if c.low is None or c.high is None:
        return UNKNOWN if len(limits) == 1 else 0.25 * UNKNOWN
    low, high = c.low, c.high
    for op, limit in limits:
        if op in {"<", "<="}:
            high = min(high, limit)
        else:
            low = max(low, limit)
    if high < low:
        return 0.0
    if c.high == c.low:
        return 1.0
    part = (high - low) / (c.high - c.low)
    return max(part, 1.0 / max(1.0, c.distinct)) * (1 - c.nulls)


def _passes(part: Expr, below: Plan) -> float:
    match part:
        case Literal():
            return 1.0 if part.value else 0.0
        case And():
            return selectivity(part.args, below)
        case Or():
            none = 1.0
            for a in part.args:
                none *= 1.0 - _passes(a, below)
            return 1.0 - none
        case In():
            return min(1.0, len(part.options) / max(1.0, _values_of(below, part.value)))
        case Call():
            return _call_passes(part, below)
        case Case():
            return UNKNOWN
        case _:
            return 0.5


def _call_passes(part: Call, below: Plan) -> float:
    match part.fn:
        case "not":
            return 1.0 - _passes(part.args[0], below)
        case "isnull" | "isnotnull":
            null = 0.05
            if isinstance(part.args[0], Column) and part.args[0].id in below.output_ids:
                null = _own(below, part.args[0].id).nulls
            return null if part.fn == "isnull" else 1.0 - null
        case "=" | "<=>":
            return _equal_passes(part, below)
        case "<" | "<=" | ">" | ">=":
            bound = _bound(part)
            if bound is not None and bound[1] is not None:
                (i,) = refs(part)
                return _range([(bound[0], bound[1])], _own(below, i))
            return UNKNOWN
        case "like" | "ilike" | "rlike" | "contains" | "startswith" | "endswith":
            return LIKE
        case _:
            return UNKNOWN


def _equal_passes(part: Call, below: Plan) -> float:
    a, b = part.args
    bound = _bound(part)
    if bound is not None and bound[1] is not None:
        (i,) = refs(part)
        own = _own(below, i)
        if own.low is not None and own.high is not None and not own.low <= bound[1] <= own.high:
            return 0.0
        return (1 - own.nulls) / max(1.0, own.distinct)
    most = 1.0
    for side in (a, b):
        if refs(side):
            most = max(most, _values_of(below, side))
    return 1.0 / most if most > 1 else EQUAL


# Joins


def _join_rows(node: Join) -> float:
    left, right = rows(node.left), rows(node.right)
    if node.kind in {"mark", "single"}:
        return left
    pairs = equi_columns(node)
    rest = _residual(node)
    if node.kind in {"semi", "anti"}:
        part = semi_selectivity(node, pairs) if pairs else 0.5
        return left * (part if node.kind == "semi" else max(0.05, 1 - part * rest))
    matched = inner_rows(node.left, node.right, pairs) * rest
    match node.kind:
        case "left":
            return max(left, matched)
        case "right":
            return max(right, matched)
        case "full":
            return max(left, matched) + max(0.0, right - matched)
        case _:
            return matched


def equi_columns(node: Join) -> list[tuple[Expr, Expr]]:
    """(left, right) sides of the equalities between the inputs."""
    out: list[tuple[Expr, Expr]] = []
    for part in conjuncts(node.condition):
        sides = split_equality(part)
        if sides is None and isinstance(part, Call) and part.fn == "<=>":
            sides = (part.args[0], part.args[1])
        if sides is None:
            continue
        a, b = sides
        if not (refs(a) and refs(b)):
            continue
        if refs(a) <= node.left.output_ids and refs(b) <= node.right.output_ids:
            out.append((a, b))
        elif refs(b) <= node.left.output_ids and refs(a) <= node.right.output_ids:
            out.append((b, a))
    return out


def _residual(node: Join) -> float:
    keys = equi_columns(node)
    others = len(conjuncts(node.condition)) - len(keys)
    return 0.5 ** max(0, others) if keys else UNKNOWN ** min(2, others)


def side(plan: Plan, e: Expr) -> ColumnEstimate:
    """A join key as a column."""
    if isinstance(e, Column) and e.id in plan.output_ids:
        return column(plan, e.id)
    return ColumnEstimate(distinct(plan, e), base_rows=rows(plan))


def inner_rows(left: Plan, right: Plan, pairs: list[tuple[Expr, Expr]]) -> float:
    """Rows of an inner join on the pairs' equality."""
    keys = [(side(left, a), side(right, b)) for a, b in pairs]
    return rows(left) * rows(right) / max(1.0, match_values(keys, rows(left), rows(right)))


def match_values(
    keys: list[tuple[ColumnEstimate, ColumnEstimate]], left_rows: float, right_rows: float
) -> float:
    """How many values (or combinations) the two sides of a join are spread over."""
    if len(keys) == 1:
        return _shared_values(*keys[0], left_rows, right_rows)
    left = right = 1.0
    left_base = right_base = 1.0
    for a, b in keys:
        left *= a.distinct
        right *= b.distinct
        left_base, right_base = max(left_base, a.base_rows), max(right_base, b.base_rows)
    # Several columns that are together more than the table has rows are its key; the other side refers to it.
    full_left, full_right = left >= left_base, right >= right_base
    left, right = min(left, left_base), min(right, right_base)
    return min(left, right) if full_left and full_right else max(left, right)


def _shared_values(
    a: ColumnEstimate, b: ColumnEstimate, left_rows: float, right_rows: float
) -> float:
    values_a, values_b = a.distinct, b.distinct
    if a.low is not None and a.high is not None and b.low is not None and b.high is not None:
        overlap = min(a.high, b.high) - max(a.low, b.low) + 1
        if overlap >= 1:
            # A filtered dimension (one year of dates) lies where the facts are.
            values_a = _within(values_a, a, overlap, left_rows)
            values_b = _within(values_b, b, overlap, right_rows)
    if a.is_key and b.is_key:
        return min(values_a, values_b)
    return max(values_a, values_b)


def _within(values: float, c: ColumnEstimate, overlap: float, count: float) -> float:
    """Values inside the overlap of the ranges, but as many as the rows need when those were filtered."""
    if count > 0.5 * c.base_rows:
        return values
    span = (c.high or 0.0) - (c.low or 0.0) + 1
    return max(1.0, min(values, max(values * overlap / max(span, overlap), min(count, values))))


def semi_selectivity(node: Join, pairs: list[tuple[Expr, Expr]]) -> float:
    """Part of the left rows that find a match."""
    part = 1.0
    for a, b in pairs:
        mine = side(node.left, a).distinct
        theirs = min(side(node.right, b).distinct, rows(node.right))
        part = min(part, theirs / max(1.0, mine))
    return min(1.0, max(part, 1e-6))
