"""After sqlglot: the tree is put in order (`normalise`), and what it should not hold is refused (`validate`).

`allowed.ALLOWED` lists every node and argument that Spark's grammar can produce (and we hand to the binder):
anything else that sqlglot knows from other dialects is refused by name, never ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from sqlshell.errors import Error, NotSupportedError, ParseError
from sqlshell.parser.allowed import ALLOWED
from sqlshell.parser.precedence import COMPARISONS, PREDICATES, is_operator, regroup
from sqlshell.parser.tokens import LITERAL_MARK, PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.errors import Span

_CLAUSE_NAMES = {
    ("Select", "locks"): "FOR UPDATE",
    ("Select", "kind"): "SELECT AS",
    ("Select", "into"): "SELECT INTO",
    ("Distinct", "on"): "DISTINCT ON",
    ("Limit", "expressions"): "LIMIT ... BY",
    ("WindowSpec", "exclude"): "EXCLUDE in a window frame",
    ("Between", "symmetric"): "BETWEEN SYMMETRIC",
    ("Table", "hints"): "WITH (...) after a table",
}
_NODE_NAMES = {
    "AtTimeZone": "AT TIME ZONE",
    "Slice": "the slice [from:to]",
    "Array": "the array literal [...]",
    "QueryTransform": "TRANSFORM ... USING",
    "Unnest": "UNNEST",
    "Fetch": "FETCH FIRST",
}
_JOINS = {
    ("", ""), ("", "INNER"), ("", "CROSS"), ("LEFT", ""), ("LEFT", "OUTER"), ("RIGHT", ""), ("RIGHT",
    "OUTER"), ("FULL", ""), ("FULL", "OUTER"), ("LEFT", "SEMI"), ("LEFT", "ANTI"), ("", "SEMI"), ("",
    "ANTI"),
}  # fmt: skip
_RELATIONS = (exp.Table, exp.Subquery, exp.Lateral, exp.Values)
_UNITS = {
    unit + plural
    for unit in (
        "YEAR",
        "QUARTER",
        "MONTH",
        "WEEK",
        "DAY",
        "HOUR",
        "MINUTE",
        "SECOND",
        "MILLISECOND",
        "MICROSECOND",
    )
    for plural in ("", "S")
}
_SUFFIX_BITS = {"Y": (7, "TINYINT"), "S": (15, "SMALLINT"), "L": (63, "BIGINT")}


def span_of(node: exp.Expr) -> Span | None:
    """The span of all positions at or below `node`, or None where it has none."""
    starts: list[int] = []
    ends: list[int] = []
    for part in node.walk():
        start = part.meta.get("start")
        if start is not None:
            starts.append(start)
            ends.append(part.meta["end"] + 1)
    return (min(starts), max(ends)) if starts else None


def normalise(ast: exp.Query, text: str) -> exp.Query:
    """Strips the token pass's marks and regroups operators by Spark's precedence, in place."""
    operators: list[exp.Expr] = []
    fields: list[exp.Anonymous] = []
    for node in ast.walk():
        if is_operator(node) or isinstance(node, exp.Overlaps):
            operators.append(node)
            continue
        this = node.args.get("this")
        if isinstance(this, str):
            if this.startswith(PREFIX):
                node.set("this", this[1:])
                if isinstance(node, exp.Anonymous) and _is_field(node):
                    fields.append(node)
            elif this.startswith(LITERAL_MARK):
                _, word, text_of_it = this.split(LITERAL_MARK, 2)
                node.set("this", text_of_it)
                if isinstance(node.parent, exp.Cast):
                    _put_type_first(node.parent, word)
                    node.parent.meta["typed_literal"] = True
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            start = node.this.meta.get("start")
            if start is not None and text[start] in "'\"rR" and node.this.args.get("quoted"):
                node.this.meta["path"] = True
    for field in fields:
        field.replace(exp.Var(this=field.this).update_positions(field))
    for i, node in enumerate(operators):
        if isinstance(node, exp.Overlaps):
            operators[i] = node.replace(exp.NullSafeEQ(this=node.this, expression=node.expression))
    regroup(ast, operators)
    return ast


_LITERAL_TYPES = {
    "DATE": ("DATE",),
    "TIME": ("TIME",),
    "TIMESTAMP": ("TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPLTZ"),
    "TIMESTAMP_LTZ": ("TIMESTAMPTZ", "TIMESTAMPLTZ"),
    "TIMESTAMP_NTZ": ("TIMESTAMPNTZ",),
}


def _put_type_first(cast: exp.Cast, word: str) -> None:
    """sqlglot reads `DATE '...'::STRING` as DATE ('...'::STRING): the literal's own type comes first."""
    casts = [cast]
    while casts[-1].to.this.name not in _LITERAL_TYPES[word]:
        parent = casts[-1].parent
        if not isinstance(parent, exp.Cast):
            return
        casts.append(parent)
    types = [c.to for c in casts]
    for c, t in zip(casts, [types[-1], *types[:-1]], strict=True):
        c.set("to", t)


def _is_field(node: exp.Anonymous) -> bool:
    """Whether the call is the field of EXTRACT, which the token pass made one."""
    return isinstance(node.parent, exp.Extract) and node.arg_key == "this" and not node.expressions


def validate(ast: exp.Query, text: str) -> None:
    """Raises ParseError or NotSupportedError for what the tree should not hold."""
    for node in ast.walk(prune=lambda n: isinstance(n, exp.Hint)):
        try:
            _validate_node(node)
        except Error as error:
            if error.span is None:
                error.span = _near(node) or (0, len(text))
            raise


def _near(node: exp.Expr) -> Span | None:
    """The span of the closest node above that has one."""
    above: exp.Expr | None = node
    while above is not None:
        span = span_of(above)
        if span is not None:
            return span
        above = above.parent
    return None


def _validate_node(node: exp.Expr) -> None:
    kind = type(node)
    allowed = ALLOWED.get(kind)
    if allowed is None:
        name = _NODE_NAMES.get(kind.__name__) or f"`{_shown(node)}`"
        raise NotSupportedError(f"{name} is not supported", span=span_of(node))
    for key, value in node.args.items():
        if key not in allowed and value is not None and value is not False and value != []:
            raise _unsupported_clause(node, key, value)
    special = _CHECKS.get(kind)
    if special is not None:
        special(node)


def _shown(node: exp.Expr) -> str:
    shown = node.sql(dialect="databricks")
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _unsupported_clause(node: exp.Expr, key: str, value: object) -> NotSupportedError:
    name = _CLAUSE_NAMES.get((type(node).__name__, key))
    part = value[0] if isinstance(value, list) else value
    if name is None:
        name = f"`{_shown(part)}`" if isinstance(part, exp.Expr) else key.replace("_", " ").strip().upper()
        name += f" in `{_shown(node)}`"
    span = (span_of(part) if isinstance(part, exp.Expr) else None) or span_of(node)
    return NotSupportedError(f"{name} is not supported", span=span)


def _syntax(node: exp.Expr, what: str, hint: str | None = None, condition: str | None = None) -> Error:
    return ParseError(f"Syntax error: {what}", span=span_of(node), hint=hint, condition=condition)


def _check_join(node: exp.Expr) -> None:
    side, kind, method = (str(node.args.get(key) or "").upper() for key in ("side", "kind", "method"))
    shown = " ".join(word for word in (method, side, kind, "JOIN") if word)
    if (side, kind) not in _JOINS or method not in ("", "NATURAL"):
        raise NotSupportedError(f"{shown} is not supported", span=span_of(node.this))
    if not isinstance(node.this, _RELATIONS):
        raise _syntax(node.this, f"{shown} needs a table, a function or a query in parentheses")
    on = node.args.get("on")
    if method and kind == "CROSS":
        raise ParseError(
            "The join types NATURAL and CROSS are incompatible",
            condition="INCOMPATIBLE_JOIN_TYPES",
            span=span_of(node.this),
        )
    if method and (on is not None or node.args.get("using")):
        raise _syntax(on or node, "NATURAL JOIN takes no condition")


def _check_hint(node: exp.Expr) -> None:
    """What is in a hint changes no answer, and Spark ignores hints it does not know: only COALESCE is looked at."""
    for part in node.walk():
        part.meta.pop("start", None)  # it counts from the start of the hint
    for hint in node.expressions:
        if isinstance(hint, exp.Coalesce):
            only = hint.this
            if hint.expressions or not isinstance(only, exp.Literal) or only.is_string:
                raise ParseError(
                    "the hint COALESCE takes a number of partitions",
                    condition="INVALID_SQL_SYNTAX",
                    hint="write /*+ COALESCE(3) */",
                )


def _check_from(node: exp.Expr) -> None:
    if not isinstance(node.this, _RELATIONS):
        raise _syntax(node.this, "FROM needs a table, a function or a query in parentheses")


def _check_select(node: exp.Expr) -> None:
    for clause in ("joins", "laterals"):
        if node.args.get(clause) and not node.args.get("from_"):
            raise _syntax(node.args[clause][0], "a join needs FROM before it")


def _check_lateral(node: exp.Expr) -> None:
    if node.args.get("view"):
        if not isinstance(node.this, (exp.Anonymous, exp.Dot)):
            raise _syntax(
                node, "LATERAL VIEW needs a function", "write LATERAL VIEW explode(column) alias AS name"
            )
        alias = node.args.get("alias")
        if alias is not None and alias.args.get("this") is None and alias.args.get("columns"):
            # `explode(x) AS c` gives the relation the name `as` in Spark, whose keywords are names too
            alias.set("this", exp.to_identifier("as"))
        if alias is None or alias.args.get("this") is None:
            raise _syntax(
                node, "LATERAL VIEW needs an alias", "write LATERAL VIEW explode(column) alias AS name"
            )
    elif not isinstance(node.this, (exp.Subquery, exp.Anonymous)):
        raise ParseError(
            "LATERAL can only be used with a subquery or a table function",
            condition="INVALID_SQL_SYNTAX.LATERAL_WITHOUT_SUBQUERY_OR_TABLE_VALUED_FUNC", span=span_of(node),
        )  # fmt: skip


def _check_is(node: exp.Expr) -> None:
    if not isinstance(node.expression, (exp.Null, exp.Boolean)):
        raise _syntax(node, "IS is followed by NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM")


def _check_call(node: exp.Expr) -> None:
    name = node.this if isinstance(node.this, str) else node.this.name
    for arg in node.expressions:
        if isinstance(arg, exp.Alias) and name.lower() != "struct":
            raise _syntax(
                arg, f"an argument of {name} cannot have an alias", "only STRUCT names its arguments with AS"
            )
        if isinstance(arg, exp.Order):
            raise _syntax(
                arg,
                f"{name} takes no ORDER BY",
                f"write {name}(...) WITHIN GROUP (ORDER BY ...) if it takes one",
            )
        if isinstance(arg, exp.Limit):
            raise _syntax(arg, f"{name} takes no LIMIT")


def _check_lambda(node: exp.Expr) -> None:
    parent = node.parent
    if not isinstance(parent, (exp.Anonymous, exp.Kwarg)):
        raise _syntax(node, "a lambda can only be an argument of a function")


def _check_bracket(node: exp.Expr) -> None:
    if len(node.expressions) != 1:
        raise _syntax(node, "an index is one value")


def _check_tuple(node: exp.Expr) -> None:
    if not node.expressions and not isinstance(
        node.parent, (exp.Group, exp.GroupingSets, exp.Rollup, exp.Cube)
    ):
        raise _syntax(node.parent or node, "the parentheses are empty")


def _check_interval(node: exp.Expr) -> None:
    value, unit = node.this, node.args.get("unit")
    if isinstance(node.parent, exp.DataType):
        return
    if value is None:
        raise _syntax(node, "INTERVAL needs a value", "write INTERVAL 1 DAY, for example")
    inner = value.this if isinstance(value, exp.Neg) else value
    if unit is None:
        if not isinstance(inner, exp.Literal) or not any(c.isalpha() for c in inner.this):
            raise _syntax(node, "INTERVAL needs a unit", "write INTERVAL 1 DAY, for example")
        return
    for part in (unit.this, unit.expression) if isinstance(unit, exp.IntervalSpan) else (unit,):
        if part.name.upper() not in _UNITS:
            raise _syntax(
                node,
                f"{part.name} is not a unit of INTERVAL",
                "units are YEAR, MONTH, WEEK, DAY, HOUR, MINUTE, SECOND",
            )
    if not isinstance(inner, (exp.Literal, exp.Paren)):
        raise _syntax(node, "the value of INTERVAL needs parentheses", "write INTERVAL (value) DAY")


def _check_window(node: exp.Expr) -> None:
    if (
        node.args.get("alias") is not None
        and isinstance(node.parent, exp.Select)
        and node.arg_key == "windows"
    ):
        return
    if node.args.get("alias") is not None and any(
        node.args.get(k) for k in ("partition_by", "order", "spec")
    ):
        raise _syntax(node, "a named window cannot be extended", "write the whole window in OVER (...)")


def _check_frame(node: exp.Expr) -> None:
    if str(node.args.get("kind")).upper() not in ("ROWS", "RANGE"):
        raise NotSupportedError(f"window frames of {node.args['kind']} are not supported", span=span_of(node))
    for bound in ("start", "end"):
        value = node.args.get(bound)
        side = node.args.get(f"{bound}_side")
        if value is not None and side is None and value != "CURRENT ROW":
            raise _syntax(node.parent or node, "a frame bound needs PRECEDING or FOLLOWING")


def _check_number(node: exp.Expr) -> None:
    if node.args.get("is_string") or not node.this[-1:].isalpha():
        return
    bits = _SUFFIX_BITS.get(node.this[-1].upper())
    digits = node.this[:-1]
    if bits is None or not digits.isdigit():
        return
    limit = 1 << bits[0]
    negative = isinstance(node.parent, exp.Neg)
    if int(digits) > (limit if negative else limit - 1):
        sign = "-" if negative else ""
        raise ParseError(
            f"Numeric literal {sign}{digits} is outside the valid range for {bits[1]} "
            f"with minimum value of {-limit} and maximum value of {limit - 1}",
            condition="INVALID_NUMERIC_LITERAL_RANGE",
            span=span_of(node),
        )


def _check_escape(node: exp.Expr) -> None:
    escape = node.expression
    if not isinstance(escape, exp.Literal) or not escape.is_string or len(escape.this) != 1:
        raise ParseError(
            f"Found an invalid escape string: {_shown(escape)}. It must contain only one character",
            condition="INVALID_ESC", span=span_of(escape),
        )  # fmt: skip


def _check_comparison(node: exp.Expr) -> None:
    if isinstance(node.this, PREDICATES):
        raise _syntax(node, "a predicate cannot be compared", "put it in parentheses")


def _check_extract(node: exp.Expr) -> None:
    if not isinstance(node.this, exp.Var):
        raise _syntax(node, "EXTRACT needs a field name", "write EXTRACT(YEAR FROM value)")


def _check_alias(node: exp.Expr) -> None:
    if isinstance(node.this, exp.Star) or (
        isinstance(node.this, exp.Column) and isinstance(node.this.this, exp.Star)
    ):
        raise _syntax(node, "* takes no alias")


def _check_path(node: exp.Expr) -> None:
    if not node.args.get("variant_extract"):
        raise _syntax(node, "a lambda can only be an argument of a function")
    if isinstance(node.this, exp.Literal):
        raise NotSupportedError("the slice [from:to] is not supported", span=span_of(node))


_CHECKS: dict[type[exp.Expr], Callable[[exp.Expr], None]] = {
    exp.Join: _check_join,
    exp.JSONExtract: _check_path,
    exp.From: _check_from,
    exp.Hint: _check_hint,
    exp.Select: _check_select,
    exp.Lateral: _check_lateral,
    exp.Is: _check_is,
    exp.Anonymous: _check_call,
    exp.Lambda: _check_lambda,
    exp.Bracket: _check_bracket,
    exp.Tuple: _check_tuple,
    exp.Interval: _check_interval,
    exp.Window: _check_window,
    exp.WindowSpec: _check_frame,
    exp.Literal: _check_number,
    exp.Escape: _check_escape,
    exp.Extract: _check_extract,
    exp.Alias: _check_alias,
    **dict.fromkeys(COMPARISONS, _check_comparison),
}
