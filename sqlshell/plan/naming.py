"""Spark's automatic column names for unaliased select items, from the AST (`toPrettySQL`).

Names that depend on types (`date + 1` is `date_add(date, 1)`) use the bound expression where one is given,
and what the AST tells elsewhere. Recorded from Spark by tests/record/record_names_types.py.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.expr.expr import Column, GetField, LambdaVar
from sqlshell.origins import local
from sqlshell.parser.parse import span_of, split_number, type_ddl
from sqlshell.plan import naming_literals as literals
from sqlshell.plan.bind_literal import interval as bind_interval
from sqlshell.plan.bind_literal import typed
from sqlshell.plan.naming_calls import INTERVAL_FUNCTIONS, SPECIAL_CALLS, scaled_interval
from sqlshell.plan.naming_tables import (
    BARE_CALLS,
    BARE_TIMES,
    CAST_FUNCTIONS,
    DATE_FUNCTIONS,
    DEFAULTS,
    FIXED_FRAME,
    RENAMED,
    UPPER_CASE,
    VARIABLE,
)
from sqlshell.types import TIMESTAMP, Array, Date, Map, SqlType, String, Struct, Time
from sqlshell.types_ddl import parse_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.expr.expr import Expr

_EXTRACT = re.compile(r"\bextract\s*\(\s*(\w+)\s+from\b", re.IGNORECASE)

_FAR = re.compile(r"\d{5}")
"""A year that Java writes with a sign."""
_NANOS = re.compile(r"\.\d{7,9}$")
_BINARY: dict[type, str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.IntDiv: "div",
    exp.Mod: "%",
    exp.EQ: "=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "<=>",
    exp.And: "AND",
    exp.Or: "OR",
    exp.BitwiseAnd: "&",
    exp.BitwiseOr: "|",
    exp.BitwiseXor: "^",
    exp.BitwiseLeftShift: "<<",
    exp.BitwiseRightShift: ">>",
    exp.Distance: ">>>",
}


def output_name(
    node: Any,
    text: str = "",
    *,
    bound: Expr | None = None,
    shown: Callable[[Any], str | None] | None = None,
    zone: str = "UTC",
) -> str:
    """The column name Spark gives the select item `node` (`text` is the statement).

    `bound` is the bound item, whose types settle `date + 1`; `shown(column)` tells how a Column node is shown
    inside an expression (`st.x` for a field of the column st, `i` for t.i), None when no column is meant.
    """
    if shown is None and bound is not None:
        shown = shown_by(bound)
    return _Namer(text, shown, zone).top(node, bound)


def shown_by(bound: Expr) -> Callable[[Any], str | None]:
    """How a bound item's columns are shown: qualifiers that are tables vanish, structs stay."""
    chains = {_field_chain(e) for e in bound.walk()}

    def shown(column: Any) -> str | None:
        parts = [p.name for p in column.parts]
        for length in range(len(parts) - 1, 0, -1):
            if tuple(p.lower() for p in parts[-length:]) in chains:
                return ".".join(parts[-length - 1 :])
        return None

    return shown


def _field_chain(e: Any) -> tuple[str, ...]:
    """("b", "c") for field c of field b of a column; empty for other expressions."""
    if isinstance(e, GetField):
        inner = _field_chain(e.arg)
        return (*inner, e.name.lower()) if inner or isinstance(e.arg, (Column, LambdaVar)) else ()
    return ()


def _is_interval(node: Any) -> bool:
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, (exp.Add, exp.Sub)):
        return _is_interval(node.this) and _is_interval(node.expression)
    called = str(node.this).lower() if isinstance(node, exp.Anonymous) else ""
    return isinstance(node, exp.Interval) or called in INTERVAL_FUNCTIONS


def _is_date(node: Any) -> bool:
    """Whether the AST alone tells that a node is a date."""
    if isinstance(node, (exp.Cast, exp.TryCast)):
        return bool(node.to.this == exp.DataType.Type.DATE)
    return isinstance(node, exp.Anonymous) and str(node.this).lower() in DATE_FUNCTIONS


def _is_time(node: Any) -> bool:
    return isinstance(node, (exp.Cast, exp.TryCast)) and bool(node.to.this == exp.DataType.Type.TIME)


def _is_path(node: Any) -> bool:
    """a.b.c.d.e: names all the way down."""
    while isinstance(node, exp.Dot):
        node = node.this
    return isinstance(node, (exp.Column, exp.Identifier))


def _last_key(node: Any) -> str | None:
    """The name that a part of a variant (`v:a.b[0]`), cast or not, gives its column."""
    while isinstance(node, (exp.Cast, exp.TryCast, exp.Paren)):
        node = node.this
    if not isinstance(node, exp.JSONExtract):
        return None
    keys = [e.this for e in node.expression.expressions if isinstance(e, exp.JSONPathKey)]
    return str(keys[-1]) if keys else None


def _path_step(e: Any) -> str:
    if isinstance(e, exp.JSONPathSubscript):
        return f"[{e.this}]"
    return f"['{e.this}']" if e.args.get("quoted") else f".{e.this}"


class _Namer:
    def __init__(self, text: str, shown: Callable[[Any], str | None] | None, zone: str) -> None:
        self.text = text
        self.shown = shown
        self.zone = zone

    def top(self, node: Any, bound: Expr | None) -> str:
        """A whole item: columns and fields lose their qualifiers, a cast of a column is the column."""
        if isinstance(node, exp.Alias):
            return str(node.alias)
        if isinstance(node, exp.Paren):
            return self.top(node.this, bound)
        if isinstance(node, exp.Column):
            return self.column(node) if self.is_bare_call(node) else str(node.name)
        if isinstance(node, exp.Dot) and not isinstance(node.expression, exp.Anonymous) and _is_path(node):
            return str(node.name)
        if isinstance(node, exp.Anonymous) and str(node.this).lower() in {"window", "session_window"}:
            return str(node.this).lower()
        if (key := _last_key(node)) is not None:
            return key
        if isinstance(node, (exp.Cast, exp.TryCast)) and not node.meta.get("typed_literal"):
            inner = node.this
            while isinstance(inner, exp.Paren):
                inner = inner.this
            if isinstance(inner, exp.Column) and self.column(inner) == inner.name:
                return str(inner.name)
        if isinstance(node, (exp.Add, exp.Sub)) and bound is not None:
            return self.sum(
                node, getattr(getattr(bound, "args", (None,))[0], "type", None), getattr(bound, "fn", "")
            )
        return self.name(node)

    def name(self, node: Any) -> str:
        """An expression inside a name."""
        method = getattr(self, "on_" + type(node).__name__.lower(), None)
        if method is not None:
            return str(method(node))
        op = _BINARY.get(type(node))
        if op is not None:
            return f"({self.name(node.this)} {op} {self.name(node.expression)})"
        span = span_of(node)
        span = span and local(span)
        return self.text[span[0] : span[1]] if span and self.text else str(node.sql(dialect="databricks"))

    def names(self, nodes: Any) -> str:
        return ", ".join(self.name(n) for n in nodes)

    # Leaves

    def on_literal(self, node: Any) -> str:
        return str(node.this) if node.is_string else literals.number(*split_number(node.this))

    def on_boolean(self, node: Any) -> str:
        return "true" if node.this else "false"

    def on_null(self, node: Any) -> str:
        return "NULL"

    def on_star(self, node: Any) -> str:
        return "1"

    def on_hexstring(self, node: Any) -> str:
        digits = str(node.this).upper()
        return f"X'{'0' * (len(digits) % 2)}{digits}'"

    def on_interval(self, node: Any) -> str:
        literal = bind_interval(node)
        return literals.interval(literal.value, literal.type)

    def on_identifier(self, node: Any) -> str:
        return VARIABLE

    def on_column(self, node: Any) -> str:
        return self.column(node)

    def on_paren(self, node: Any) -> str:
        return self.name(node.this)

    def is_bare_call(self, node: Any) -> bool:
        """Whether a lone word is `current_date` without parentheses."""
        if node.args.get("table") is not None or node.name.lower() not in (*BARE_CALLS, *BARE_TIMES):
            return False
        return self.shown is None or self.shown(node) is None

    def column(self, node: Any) -> str:
        if "variable" in node.meta:
            return str(node.meta["variable"])
        if self.is_bare_call(node):
            return "current_time(6)" if node.name.lower() in BARE_TIMES else f"{node.name.lower()}()"
        text = self.shown(node) if self.shown is not None else None
        return str(node.name) if text is None else text

    # Operators

    def on_add(self, node: Any) -> str:
        return self.sum(node, None, "")

    on_sub = on_add

    def sum(self, node: Any, left: SqlType | None, fn: str) -> str:
        """`+` and `-`: dates and intervals have forms of their own."""
        a, b = node.this, node.expression
        op = "+" if isinstance(node, exp.Add) else "-"
        if (op == "+" and _is_interval(a) and not _is_interval(b)) or (
            op == "+"
            and not _is_date(a)
            and (_is_date(b) or (fn == "date_add" and isinstance(a, exp.Literal)))
        ):
            a, b = b, a
        if op == "-" and (isinstance(left, Time) or _is_time(a)) and not _is_interval(b):
            return f"{self.name(a)} - {self.name(b)}"
        dated = isinstance(left, Date) or _is_date(a)
        if fn in {"date_add", "date_sub"} or (dated and isinstance(b, exp.Literal) and not b.is_string):
            return f"{'date_add' if op == '+' else 'date_sub'}({self.name(a)}, {self.name(b)})"
        if _is_interval(b) and not _is_interval(a):
            shown = self.name(b)
            if dated and shown.endswith("' DAY"):
                days = f"extractansiintervaldays({shown})"
                return f"date_add({self.name(a)}, {days if op == '+' else f'(- {days})'})"
            return f"{self.name(a)} {op} {shown}"
        return f"({self.name(a)} {op} {self.name(b)})"

    def on_mul(self, node: Any) -> str:
        a, b = node.this, node.expression
        if _is_interval(b) and not _is_interval(a):
            a, b = b, a
        return scaled_interval(self, "*", a, b) or f"({self.name(a)} * {self.name(b)})"

    def on_div(self, node: Any) -> str:
        a, b = node.this, node.expression
        return scaled_interval(self, "/", a, b) or f"({self.name(a)} / {self.name(b)})"

    def on_neg(self, node: Any) -> str:
        inner = node.this
        if isinstance(inner, exp.Literal) and not inner.is_string:
            return "-" + self.name(inner)
        return f"(- {self.name(inner)})"

    def on_bitwisenot(self, node: Any) -> str:
        return "~" + self.name(node.this)

    def on_not(self, node: Any) -> str:
        inner = node.this
        if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
            return f"({self.name(inner.this)} IS NOT NULL)"
        return f"(NOT {self.name(inner)})"

    def on_neq(self, node: Any) -> str:
        return f"(NOT ({self.name(node.this)} = {self.name(node.expression)}))"

    def on_nullsafeneq(self, node: Any) -> str:
        return f"(NOT ({self.name(node.this)} <=> {self.name(node.expression)}))"

    def on_is(self, node: Any) -> str:
        if isinstance(node.expression, exp.Boolean):
            return f"({self.name(node.this)} <=> {self.name(node.expression)})"
        return f"({self.name(node.this)} IS NULL)"

    def on_in(self, node: Any) -> str:
        query = node.args.get("query")
        options = "listquery()" if query is not None else self.names(node.expressions)
        return f"({self.name(node.this)} IN ({options}))"

    def on_between(self, node: Any) -> str:
        return f"between({self.names((node.this, node.args['low'], node.args['high']))})"

    def on_like(self, node: Any, escape: str = "") -> str:
        right = node.expression
        if isinstance(right, (exp.Any, exp.All)):
            negated = "not" if node.args.get("negate") else ""
            return f"{negated}like{'any' if isinstance(right, exp.Any) else 'all'}({self.name(node.this)})"
        text = f"{self.name(node.this)} LIKE {self.name(right)}{escape}"
        return f"(NOT {text})" if node.args.get("negate") else text

    def on_escape(self, node: Any) -> str:
        if isinstance(node.this, exp.Like):
            return self.on_like(node.this, f" ESCAPE '{self.name(node.expression)}'")
        return self.name(node.this)

    def on_ilike(self, node: Any) -> str:
        right = node.expression
        if isinstance(right, (exp.Any, exp.All)):
            negated = "not" if node.args.get("negate") else ""
            return f"{negated}like{'any' if isinstance(right, exp.Any) else 'all'}(lower({self.name(node.this)}))"
        text = f"ilike({self.name(node.this)}, {self.name(node.expression)})"
        return f"(NOT {text})" if node.args.get("negate") else text

    def on_regexplike(self, node: Any) -> str:
        return f"RLIKE({self.name(node.this)}, {self.name(node.expression)})"

    def on_dpipe(self, node: Any) -> str:
        return f"concat({self.name(node.this)}, {self.name(node.expression)})"

    def on_bracket(self, node: Any) -> str:
        return f"{self.name(node.this)}[{self.names(node.expressions)}]"

    def on_jsonextract(self, node: Any) -> str:
        steps = [e for e in node.expression.expressions if not isinstance(e, exp.JSONPathRoot)]
        path = "".join(_path_step(e) for e in steps)
        return f"variant_get({self.name(node.this)}, ${path}) AS {_last_key(node)}"

    def on_dot(self, node: Any) -> str:
        if "variable" in node.meta:
            return str(node.meta["variable"])
        if isinstance(node.expression, exp.Anonymous):
            return self.name(node.expression)
        return f"{self.name(node.this)}.{node.expression.name}"

    def on_case(self, node: Any) -> str:
        subject = node.this
        parts = ["CASE"]
        for branch in node.args["ifs"]:
            condition = self.name(branch.this)
            if subject is not None:
                condition = f"({self.name(subject)} = {condition})"
            parts.append(f"WHEN {condition} THEN {self.name(branch.args['true'])}")
        default = node.args.get("default")
        if default is not None:
            parts.append(f"ELSE {self.name(default)}")
        return " ".join([*parts, "END"])

    # Casts and special syntax

    def on_cast(self, node: Any) -> str:
        if node.meta.get("typed_literal"):
            return self.typed_literal(node)
        target = parse_type(type_ddl(node.to))
        if isinstance(target, (Array, Map, Struct)):
            return self.name(node.this)
        shown = "STRING" if isinstance(target, String) else str(target).upper()
        word = "TRY_CAST" if isinstance(node, exp.TryCast) else "CAST"
        return f"{word}({self.name(node.this)} AS {shown})"

    on_trycast = on_cast

    def typed_literal(self, node: Any) -> str:
        value, target = str(node.this.this), parse_type(type_ddl(node.to))
        word = str(target).upper()
        if _NANOS.search(value):  # cut to microseconds, shown as written
            return f"{'TIMESTAMP_LTZ' if target == TIMESTAMP else word} '{value}'"
        found = typed(value, target, self.zone, None)
        if found is None:
            return f"{word} '{'+' * bool(_FAR.match(value))}{value}'"
        if isinstance(target, Date):
            return literals.date_text(found.value)
        if isinstance(target, Time):
            return literals.time_text(found.value)
        moment = found.value
        if target == TIMESTAMP and self.zone != "UTC":
            from zoneinfo import ZoneInfo

            moment = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        return literals.timestamp_text(word, moment)

    def on_extract(self, node: Any) -> str:
        # The unit is shown as written, and sqlglot keeps it in capitals only.
        unit, span = str(node.this.name), span_of(node.expression)
        written = list(_EXTRACT.finditer(self.text, 0, local(span)[0])) if span else []
        if written and written[-1][1].upper() == unit:
            unit = written[-1][1]
        return f"extract({unit} FROM {self.name(node.expression)})"

    def on_trim(self, node: Any) -> str:
        side, what = (node.args.get("position") or "BOTH").upper(), node.expression
        if what is None:
            called = {"BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}[side]
            return f"{called}({self.name(node.this)})"
        return f"TRIM({side} {self.name(what)} FROM {self.name(node.this)})"

    def on_collate(self, node: Any) -> str:
        return f"collate({self.name(node.this)}, {node.expression.name})"

    def on_subquery(self, node: Any) -> str:
        return "scalarsubquery()"

    def on_exists(self, node: Any) -> str:
        return "exists()"

    def on_tuple(self, node: Any) -> str:
        parts: list[str] = []
        for i, e in enumerate(node.expressions, 1):
            label = e.name if isinstance(e, (exp.Column, exp.Identifier)) else f"col{i}"
            parts += [label, self.name(e)]
        return f"named_struct({', '.join(parts)})"

    def on_alias(self, node: Any) -> str:
        return f"{self.name(node.this)} AS {node.alias}"

    def on_lambda(self, node: Any) -> str:
        return f"lambdafunction({', '.join([self.name(node.this), *[VARIABLE] * len(node.expressions)])})"

    def on_distinct(self, node: Any) -> str:
        return f"DISTINCT {self.names(node.expressions)}"

    def on_kwarg(self, node: Any) -> str:
        return self.name(node.expression)

    def on_order(self, node: Any) -> str:
        return self.name(node.this) if node.this is not None else self.names(node.expressions)

    # Functions

    def on_anonymous(self, node: Any) -> str:
        called = str(node.this).lower()
        routine = node.meta.get("routine")
        if routine is not None:  # a SQL function: (its name, its arguments in order, defaults filled in)
            return f"{routine[0]}({', '.join(a if isinstance(a, str) else self.name(a) for a in routine[1])})"
        special = SPECIAL_CALLS.get(called)
        if special is not None:
            text = special(self, called, node.expressions)
            if text is not None:
                return text
        if called in CAST_FUNCTIONS and len(node.expressions) == 1:
            return self.name(node.expressions[0])
        args = [self.name(a) for a in node.expressions]
        given = node.expressions
        if len(given) == 1 and isinstance(given[0], exp.Distinct):
            given = given[0].expressions
        args += DEFAULTS.get(called, {}).get(len(given), ())
        label = called.upper() if called in UPPER_CASE else RENAMED.get(called, called)
        return f"{label}({', '.join(args)})"

    def on_ignorenulls(self, node: Any) -> str:
        # Ignoring nulls rebuilds the call, which loses the alias it was called by.
        text = self.name(node.this)
        for alias in ("first_value(", "last_value("):
            text = text.replace(alias, alias.replace("_value", ""), 1) if text.startswith(alias) else text
        return text

    def on_respectnulls(self, node: Any) -> str:
        return self.name(node.this)

    def on_filter(self, node: Any) -> str:
        return f"{self.name(node.this)} FILTER (WHERE {self.name(node.expression.this)})"

    def on_withingroup(self, node: Any) -> str:
        keys = node.expression.expressions
        call = self.name(node.this)
        if call == "mode()":  # Spark reads its order the other way round
            down = "" if keys[0].args.get("desc") else " DESC"
            return f"mode() WITHIN GROUP (ORDER BY {self.name(keys[0].this)}{down})"
        if call.startswith("string_agg("):  # ordering rebuilds the call, which loses the alias
            call = "listagg" + call.removeprefix("string_agg")
        if call.startswith(("percentile_cont", "percentile_disc")):
            order = ", ".join(self.name(k.this) + (" DESC" if k.args.get("desc") else "") for k in keys)
        else:
            order = self.names(keys)
        return f"{call} WITHIN GROUP (ORDER BY {order})"

    def on_ordered(self, node: Any) -> str:
        first = "FIRST" if node.args.get("nulls_first") else "LAST"
        return f"{self.name(node.this)} {'DESC' if node.args.get('desc') else 'ASC'} NULLS {first}"

    def on_window(self, node: Any) -> str:
        partition, order, spec = self.window_parts(node)
        parts: list[str] = []
        if partition:
            parts.append(f"PARTITION BY {self.names(partition)}")
        if order is not None:
            parts.append(f"ORDER BY {self.names(order.expressions)}")
        parts.append(self.frame(node.this, order, spec))
        return f"{self.name(node.this)} OVER ({' '.join(parts)})"

    def window_parts(self, node: Any) -> tuple[Any, Any, Any]:
        """PARTITION BY, ORDER BY and frame, a named window's where the call has none."""
        own = (node.args.get("partition_by"), node.args.get("order"), node.args.get("spec"))
        alias = node.args.get("alias")
        query = node.find_ancestor(exp.Select)
        for window in (query.args.get("windows") or []) if alias is not None and query is not None else []:
            if window.name.lower() == alias.name.lower() and window is not node:
                return tuple(a or b for a, b in zip(own, self.window_parts(window), strict=True))
        return own

    def frame(self, call: Any, order: Any, spec: Any) -> str:
        while not isinstance(call, exp.Anonymous) and isinstance(call.this, exp.Expr):
            call = call.this
        called = str(call.this).lower()
        if called in {"lag", "lead"}:
            offset = self.name(call.expressions[1]) if len(call.expressions) > 1 else "1"
            offset = offset if called == "lead" else offset[1:] if offset.startswith("-") else f"-{offset}"
            return f"ROWS BETWEEN {offset} FOLLOWING AND {offset} FOLLOWING"
        if called in FIXED_FRAME:
            return FIXED_FRAME[called]
        if spec is None:
            if order is None:
                return "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
            return "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
        start = self.bound(spec.args.get("start"), spec.args.get("start_side"))
        end = self.bound(spec.args.get("end") or "CURRENT ROW", spec.args.get("end_side"))
        return f"{spec.args['kind'].upper()} BETWEEN {start} AND {end}"

    def bound(self, value: Any, side: Any) -> str:
        shown = value.upper() if isinstance(value, str) else self.name(value)
        return shown if shown == "CURRENT ROW" else f"{shown} {str(side or 'PRECEDING').upper()}"
