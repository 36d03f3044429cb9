"""Plans and expressions as text, for EXPLAIN and golden tests: an indented tree, columns as `name#id`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlshell.expr.expr import (
    AggCall,
    And,
    Call,
    Case,
    Cast,
    Column,
    Exists,
    Frame,
    GetField,
    In,
    InSubquery,
    Lambda,
    LambdaVar,
    Literal,
    Or,
    PythonCall,
    ScalarSubquery,
    SortKey,
    Value,
    WindowCall,
)
from sqlshell.types import Array, DayTimeInterval, Decimal, Map, String, Struct, YearMonthInterval

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlshell.plan.context import BoundQuery
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
        RecursiveCte,
        RecursiveRef,
        Scan,
        Shared,
        Sort,
        TopN,
        Union,
        Values,
        Window,
    )
    from sqlshell.plan.logical_write import Assert
    from sqlshell.types import SqlType

INFIX = {
    "+",
    "-",
    "*",
    "/",
    "%",
    "=",
    "<=>",
    "<",
    "<=",
    ">",
    ">=",
    "&",
    "|",
    "^",
    "||",
    "div",
    "like",
    "ilike",
    "rlike",
}
MAX_ROWS = 5
_ID = re.compile(r"#(\d+)")


def format_plan(plan: Plan, *, normalize: bool = False) -> str:
    """The plan as an indented tree; with `normalize`, ids count from 1 in order of appearance."""
    lines: list[str] = []
    _tree(plan, "", "", lines)
    text = "\n".join(lines)
    return normalize_ids(text) if normalize else text


def format_query(query: BoundQuery, *, normalize: bool = False) -> str:
    """A bound query: its output names with types, then its plan."""
    columns = zip(query.names, query.plan.output, strict=True)
    head = ", ".join(f"{n}#{c.id} {c.type}{'' if c.nullable else ' not null'}" for n, c in columns)
    text = f"[{head}]\n{format_plan(query.plan)}"
    return normalize_ids(text) if normalize else text


def normalize_ids(text: str, keep: frozenset[int] = frozenset()) -> str:
    """Column ids renumbered in order of appearance, so that texts of equal plans are equal; `keep` stays."""
    seen: dict[str, str] = {str(i): f"free{i}" for i in keep}
    return _ID.sub(lambda m: f"#{seen.setdefault(m[1], str(len(seen) + 1))}", text)


def _tree(plan: Plan, first: str, rest: str, lines: list[str]) -> None:
    lines.append(first + describe(plan))
    below: list[tuple[str, Plan]] = [("", c) for c in plan.children]
    # Subqueries hang under the node whose expressions hold them.
    below[:0] = [(f"subquery {i + 1}: ", s.plan) for i, s in enumerate(_subqueries(plan))]
    for i, (label, child) in enumerate(below):
        last = i == len(below) - 1
        _tree(child, rest + ("└─ " if last else "├─ ") + label, rest + ("   " if last else "│  "), lines)


def _subqueries(plan: Plan) -> list[Any]:
    kinds = (ScalarSubquery, Exists, InSubquery)
    return [n for e in plan.exprs for n in e.walk() if isinstance(n, kinds)]


def describe(plan: Plan) -> str:
    """One line for a node, its inputs left out."""
    numbers = {id(s): i + 1 for i, s in enumerate(_subqueries(plan))}
    return _Text(numbers).node(plan)


def format_expr(e: Any) -> str:
    """An expression (or SortKey, Named) as SQL-like text."""
    return _Text({}).expr(e)


def _items(parts: Iterable[str]) -> str:
    return ", ".join(parts)


class _Text:
    """Renders nodes and expressions; knows the numbers of the subqueries of the node at hand."""

    def __init__(self, subqueries: dict[int, int]) -> None:
        self.subqueries = subqueries

    def node(self, p: Plan) -> str:
        handler = getattr(self, "_" + type(p).__name__.lower(), None)
        return handler(p) if handler is not None else f"{type(p).__name__} [{self.list(p.exprs)}]"

    def list(self, es: Iterable[Any]) -> str:
        return _items(self.expr(e) for e in es)

    # Nodes

    def _assert(self, p: Assert) -> str:
        return f"Assert [{self.list(c.predicate for c in p.checks)}]"

    def _values(self, p: Values) -> str:
        rows = [f"({self.list(r)})" for r in p.rows[:MAX_ROWS]]
        if len(p.rows) > MAX_ROWS:
            rows.append(f"... {len(p.rows)} rows")
        return f"Values [{self.list(p.columns)}] {_items(rows)}"

    def _scan(self, p: Scan) -> str:
        text = f"Scan {p.source.name} [{self.list(p.columns)}]"
        if p.filters:
            text += f" where {' AND '.join(self.expr(f) for f in p.filters)}"
        if p.leaves is not None:
            text += f" leaves {_items(sorted('.'.join(path) for path in p.leaves))}"
        table = getattr(p.source, "table", None)
        if table is not None and len(p.source.files) < table.files:
            text += f" files {len(p.source.files)} of {table.files}"
        return text if p.limit is None else f"{text} limit {p.limit}"

    def _project(self, p: Project) -> str:
        return f"Project [{self.list(p.items)}]"

    def _filter(self, p: Filter) -> str:
        return f"Filter {self.expr(p.predicate)}"

    def _aggregate(self, p: Aggregate) -> str:
        return f"Aggregate keys=[{self.list(p.keys)}] aggs=[{self.list(p.aggs)}]"

    def _partialaggregate(self, p: Any) -> str:
        return f"PartialAggregate keys=[{self.list(p.keys)}] aggs=[{self.list(p.aggs)}]"

    def _finalaggregate(self, p: Any) -> str:
        return f"FinalAggregate keys=[{self.list(p.keys)}] aggs=[{self.list(p.aggs)}]"

    def _expand(self, p: Expand) -> str:
        keep = len(p.input.output)
        shown = " | ".join(self.list(row[keep:]) for row in p.projections)
        return f"Expand [{self.list(p.columns[keep:])}] <- {shown}"

    def _window(self, p: Window) -> str:
        return f"Window [{self.list(p.calls)}]"

    def _sort(self, p: Sort) -> str:
        return f"Sort [{self.list(p.keys)}]"

    def _limit(self, p: Limit) -> str:
        return f"Limit {'all' if p.count is None else p.count}{f' offset {p.offset}' if p.offset else ''}"

    def _topn(self, p: TopN) -> str:
        return f"TopN {p.count} [{self.list(p.keys)}]{f' offset {p.offset}' if p.offset else ''}"

    def _join(self, p: Join) -> str:
        return f"Join {self._join_words(p)}{f' hint={p.hint}' if p.hint else ''}"

    def _apply(self, p: Apply) -> str:
        return f"Apply {self._join_words(p)}"

    def _join_words(self, p: Join | Apply) -> str:
        words = [p.kind]
        if p.null_aware:
            words.append("null-aware")
        if p.mark is not None:
            words.append(f"mark={self.expr(p.mark)}")
        if p.condition is not None:
            words.append(f"on {self.expr(p.condition)}")
        return " ".join(words)

    def _union(self, p: Union) -> str:
        return f"Union [{self.list(p.columns)}]"

    def _generate(self, p: Generate) -> str:
        return f"Generate {'outer ' if p.outer else ''}{self.expr(p.generator)} -> [{self.list(p.columns)}]"

    def _recursiveref(self, p: RecursiveRef) -> str:
        return f"RecursiveRef {p.name} [{self.list(p.columns)}]"

    def _recursivecte(self, p: RecursiveCte) -> str:
        return f"RecursiveCte {p.name} [{self.list(p.columns)}]{' distinct' if p.distinct else ''}"

    def _shared(self, p: Shared) -> str:
        return f"Shared #{p.key} [{self.list(p.columns)}]"

    # Expressions

    def expr(self, e: Any) -> str:
        handler = getattr(self, "e_" + type(e).__name__.lower(), None)
        return handler(e) if handler is not None else f"{type(e).__name__}({self.list(e.children)})"

    def e_column(self, e: Column) -> str:
        return f"{e.name}#{e.id}"

    def e_lambdavar(self, e: LambdaVar) -> str:
        return f"{e.name}#{e.id}"

    def e_named(self, e: Named) -> str:
        if isinstance(e.expr, Column) and e.expr.id == e.column.id:
            return self.expr(e.column)
        return f"{self.expr(e.expr)} AS {self.expr(e.column)}"

    def e_literal(self, e: Literal) -> str:
        if isinstance(e.value, bytes) and len(e.value) > 64:
            return f"<{len(e.value)} bytes>"
        return format_value(e.value, e.type)

    def e_value(self, e: Value) -> str:
        return self.e_literal(e)

    def e_call(self, e: Call) -> str:
        if e.fn in INFIX and len(e.args) == 2:
            return f"({self.expr(e.args[0])} {e.fn} {self.expr(e.args[1])})"
        if e.fn in {"like", "ilike"} and isinstance(e.args[2], Literal) and e.args[2].value == "\\":
            return f"({self.expr(e.args[0])} {e.fn} {self.expr(e.args[1])})"
        if e.fn == "[]":
            return f"{self.expr(e.args[0])}[{self.expr(e.args[1])}]"
        if e.fn == "not":
            return f"NOT {self.expr(e.args[0])}"
        if e.fn in {"isnull", "isnotnull"}:
            return f"({self.expr(e.args[0])} IS {'NOT ' if e.fn == 'isnotnull' else ''}NULL)"
        return f"{e.fn}({self.list(e.args)})"

    def e_cast(self, e: Cast) -> str:
        return f"{'try_cast' if e.safe else 'cast'}({self.expr(e.arg)} as {e.type})"

    def e_and(self, e: And) -> str:
        return "(" + " AND ".join(self.expr(a) for a in e.args) + ")"

    def e_or(self, e: Or) -> str:
        return "(" + " OR ".join(self.expr(a) for a in e.args) + ")"

    def e_in(self, e: In) -> str:
        return f"({self.expr(e.value)} IN ({self.list(e.options)}))"

    def e_case(self, e: Case) -> str:
        branches = "".join(f" WHEN {self.expr(w.condition)} THEN {self.expr(w.value)}" for w in e.branches)
        return f"CASE{branches} ELSE {self.expr(e.otherwise)} END"

    def e_getfield(self, e: GetField) -> str:
        return f"{self.expr(e.arg)}.{e.name}"

    def e_lambda(self, e: Lambda) -> str:
        return f"({self.list(e.params)}) -> {self.expr(e.body)}"

    def e_sortkey(self, e: SortKey) -> str:
        text = self.expr(e.expr) + ("" if e.ascending else " DESC")
        if e.nulls_first != e.ascending:
            text += f" NULLS {'FIRST' if e.nulls_first else 'LAST'}"
        return text

    def e_pythoncall(self, e: PythonCall) -> str:
        return f"{e.function.name}({', '.join(self.expr(a) for a in e.args)})"

    def e_aggcall(self, e: AggCall) -> str:
        text = f"{e.fn}({'DISTINCT ' if e.distinct else ''}{self.list(e.args)})"
        if e.ignore_nulls:
            text += " IGNORE NULLS"
        if e.order_by:
            text += f" WITHIN GROUP (ORDER BY {self.list(e.order_by)})"
        return text if e.filter is None else f"{text} FILTER (WHERE {self.expr(e.filter)})"

    def e_windowcall(self, e: WindowCall) -> str:
        parts = []
        if e.partition_by:
            parts.append(f"PARTITION BY {self.list(e.partition_by)}")
        if e.order_by:
            parts.append(f"ORDER BY {self.list(e.order_by)}")
        parts.append(self.frame(e.frame))
        return f"{self.expr(e.call)} OVER ({' '.join(parts)})"

    def frame(self, f: Frame) -> str:
        start, end = self.bound(f.start, "PRECEDING"), self.bound(f.end, "FOLLOWING")
        return f"{f.unit.upper()} BETWEEN {start} AND {end}"

    def bound(self, value: Any, side: str) -> str:
        if value is None:
            return f"UNBOUNDED {side}"
        number = value.value if isinstance(value, Literal) else value
        if not isinstance(value, Literal) and number == 0:
            return "CURRENT ROW"
        size = format_value(abs(number), value.type) if isinstance(value, Literal) else str(abs(number))
        return f"{size} {'PRECEDING' if number < 0 else 'FOLLOWING'}"

    def e_scalarsubquery(self, e: ScalarSubquery) -> str:
        return f"scalar({self.sub(e)})"

    def e_exists(self, e: Exists) -> str:
        return f"exists({self.sub(e)})"

    def e_insubquery(self, e: InSubquery) -> str:
        return f"(({self.list(e.values)}) IN {self.sub(e)})"

    def sub(self, e: Any) -> str:
        number = self.subqueries.get(id(e))
        return f"subquery {number}" if number is not None else "subquery"


def format_value(value: Any, t: SqlType) -> str:
    """A literal's value as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(t, String):
        return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(t, Decimal):
        return f"{value:f}BD"
    if isinstance(t, YearMonthInterval):
        return f"INTERVAL '{value}' MONTH"
    if isinstance(t, DayTimeInterval):
        return f"INTERVAL '{value}' MICROSECOND"
    if isinstance(t, Array):
        return f"[{_items(format_value(v, t.element) for v in value)}]"
    if isinstance(t, Map):
        return "{" + _items(f"{format_value(k, t.key)}: {format_value(v, t.value)}" for k, v in value) + "}"
    if isinstance(t, Struct):
        shown = zip(t.fields, value, strict=True)
        return "{" + _items(f"{f.name}: {format_value(v, f.type)}" for f, v in shown) + "}"
    if isinstance(value, bytes):
        return f"X'{value.hex().upper()}'"
    if isinstance(value, (int, float)):
        return str(value)
    return f"{t.ddl.upper()} '{value}'"
