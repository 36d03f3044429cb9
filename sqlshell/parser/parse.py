"""`parse_statement`: one statement's text to a frozen `Statement`; the only door of the parser.

What the binder finds in `Query.ast` (sqlglot nodes; `E` stands for any expression):

Functions    `f(a, b)`             Anonymous(this="f" as written, expressions=[...]); never a sqlglot function class.
             `db.f(a)`             Dot(this=Identifier|Column, expression=Anonymous)
             `count(*)`            args [Star]; `count(t.*)` args [Column(this=Star, table=t)]
             `f(DISTINCT a, b)`    args [Distinct(expressions=[a, b])]
             `f(n => e)`           args [Kwarg(this=Var, expression=e)]
             `x -> e`, `(x, y) -> e`  Lambda(this=e, expressions=[Identifier...]); in e the parameters are Identifier
                                   nodes; a field of one (`x.a`) is Dot(Identifier, Identifier).
             `struct(a AS x)`      args [Alias]; an alias in another function's arguments is refused here.
             `f(a ORDER BY b)`     args [Order(this=a, expressions=[Ordered])]
             `f(x IGNORE NULLS)`, `f(x) IGNORE NULLS`  IgnoreNulls(this=...) around the argument or the call
             `f(x) FILTER (WHERE p)`  Filter(this=call, expression=Where(this=p))
             `f(x) WITHIN GROUP (ORDER BY k)`  WithinGroup(this=call, expression=Order)
             `f(x) OVER (...)`     Window(this=..., partition_by, order, spec=WindowSpec); `OVER w`, `OVER (w ...)`: `alias`.
             `current_date`, `user` ... without parentheses: Column; a name that resolves to no column is the function.
             `substring(s FROM a FOR b)`, `position(a IN s)`, `overlay(...PLACING...)`: as written with commas.
Native       Cast, TryCast, Extract(this=Var unit, expression), Trim (only `TRIM([BOTH|LEADING|TRAILING] [x] FROM s)`),
             Case(this?, ifs=[If(this, true)], default?), Between, In(expressions | query), Like/ILike (negate arg; right
             side Any/All of Tuple for LIKE ANY/ALL), RegexpLike, Escape(this=Like, expression), Is(expression=Null|Boolean),
             NullSafeEQ (also IS NOT DISTINCT FROM), NullSafeNEQ (IS DISTINCT FROM), Not, Neg, And, Or, Add, Sub, Mul, Div,
             IntDiv, Mod, DPipe, BitwiseAnd/Or/Xor/Not/LeftShift/RightShift, Bracket, Dot, Paren, Tuple, Collate,
             Subquery, Exists(this=query), Any/All(this=Subquery).
Literals     number: Literal(is_string=False), `this` is the text with its suffix: "1", "1.5", "1e3", "1L", "2S", "3Y",
             "1.5BD", "2D", "3F"; `split_number` takes it apart. string: Literal(is_string=True), escapes done,
             adjacent ones joined. HexString(this="1F"). Null, Boolean. `DATE '...'`, `TIMESTAMP[_NTZ|_LTZ] '...'`,
             `TIME '...'`: Cast(Literal, DataType) with `meta["typed_literal"] = True`.
             Interval(this, unit=Var|IntervalSpan|None): `1 DAY` and `'1' DAY` both have a string Literal, other values are
             E; `'1 day 2 hours'` has no unit; `INTERVAL 1 DAY 2 HOURS` is a sum of Interval nodes.
Types        Cast.to is a DataType: `type_ddl(node)` gives Spark DDL text.
Columns      Column(this, table?, db?, catalog?) for 1-4 parts, deeper ones are Dot; `.parts` gives the identifiers.
FROM         Table(this=Identifier, db, catalog, alias=TableAlias(this, columns), version=Version, sample, pivots, joins?).
             `parquet.`p``         Table(this=Identifier quoted, db=Identifier)
             `'path'`              Table(this=Identifier) with `meta["path"] = True` on the identifier
             `range(10) AS r(i)`   Table(this=Anonymous, alias); VALUES: Values; (query): Subquery; LATERAL ...: Lateral
             Select.args: "with_", "from_", "joins", "laterals" (LATERAL VIEW: Lateral(view=True, outer)), "where",
             "group" (Group: expressions, grouping_sets, rollup, cube, all), "having", "qualify", "windows", "distinct",
             "hint", "order", "sort", "cluster", "distribute", "limit", "offset".
Positions    identifiers, Anonymous, literals and stars have `meta["start"]`, `meta["end"]` (inclusive);
             `span_of(node)` spans the positions below any node, as (start, end-exclusive) into the statement's text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.errors import ErrorLevel
from sqlglot.errors import ParseError as SqlglotParseError
from sqlglot.tokens import Token, TokenType

from sqlshell.errors import NotSupportedError, ParseError
from sqlshell.parser.clauses import check
from sqlshell.parser.dialect import DIALECT
from sqlshell.parser.statement import Query, Statement
from sqlshell.parser.tokens import rewrite, tokenize, upper
from sqlshell.parser.validate import normalise, span_of, validate

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["is_query", "parse_query", "parse_statement", "span_of", "split_number", "syntax_error", "type_ddl"]
QUERY_STARTS = {"SELECT", "WITH", "FROM", "VALUES", "TABLE"}
OWN_DIALECTS = {"spark", "databricks", "sqlshell", ""}
_NUMBER = re.compile(r"(.*?[0-9.])(BD|L|S|Y|D|F)?", re.IGNORECASE)


def parse_statement(text: str, dialect: str = "spark") -> Statement:
    """The statement `text` holds; raises ParseError or NotSupportedError, with spans into `text`."""
    if dialect.lower() not in OWN_DIALECTS:
        from sqlshell.parser.foreign import transpile

        text = transpile(text, dialect)
    tokens = tokenize(text)
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        raise ParseError("Syntax error at or near end of input: the statement is empty", span=(0, len(text)))
    if is_query(tokens):
        return parse_query(tokens, text)
    from sqlshell.parser.heads import parse_head

    return parse_head(tokens, text)


def is_query(tokens: Sequence[Token]) -> bool:
    """Whether the tokens start a query."""
    i = 0
    while i < len(tokens) and tokens[i].token_type == TokenType.L_PAREN:
        i += 1
    return i < len(tokens) and upper(tokens[i]) in QUERY_STARTS


def parse_query(tokens: Sequence[Token], text: str) -> Query:
    """A query from raw tokens (without a semicolon); its offsets stay those of `text`."""
    ready = rewrite(tokens, text)
    for token in ready:
        if token.token_type == TokenType.SEMICOLON:
            raise syntax_error(token, text, hint="one statement at a time")
    check(ready, text)
    try:
        parsed = DIALECT.parser(error_level=ErrorLevel.IMMEDIATE).parse(ready, text)
    except SqlglotParseError as error:
        raise _translate(error, ready, text) from None
    except RecursionError:
        raise NotSupportedError("the statement is nested too deeply", span=(0, len(text))) from None
    ast = parsed[0] if parsed else None
    if not isinstance(ast, exp.Query):
        raise syntax_error(ready[0], text)
    ast = normalise(ast, text)
    validate(ast, text)
    return Query(text, ast, (tokens[0].start, tokens[-1].end + 1))


def syntax_error(token: Token | None, text: str, hint: str | None = None) -> ParseError:
    """`Syntax error at or near 'x'`, in Spark's words, at the token (or at the end of the text)."""
    if token is None:
        return ParseError("Syntax error at or near end of input", span=(len(text), len(text)), hint=hint)
    shown = text[token.start : token.end + 1]
    return ParseError(f"Syntax error at or near '{shown}'", span=(token.start, token.end + 1), hint=hint)


def split_number(text: str) -> tuple[str, str]:
    """A number literal's digits and its suffix in capitals: "1.5BD" -> ("1.5", "BD"), "7" -> ("7", "")."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ParseError(f"Syntax error at or near '{text}'")
    return match[1], (match[2] or "").upper()


def type_ddl(node: exp.DataType) -> str:
    """Spark DDL text of a type node."""
    return node.sql(dialect="databricks")


_EXPECTED = re.compile(r"Expect(?:ing|ed) (.{1,40}?)(?: but got.*)?$", re.DOTALL)


def _translate(error: SqlglotParseError, tokens: Sequence[Token], text: str) -> ParseError:
    details = error.errors[0] if error.errors else {}
    at = (details.get("line"), details.get("col"))
    highlight = str(details.get("highlight") or "")
    found = [t for t in tokens if (t.line, t.col) == at]
    token = next((t for t in found if text[t.start : t.end + 1] == highlight), found[-1] if found else None)
    expected = _EXPECTED.match(str(details.get("description") or ""))
    known = expected is not None and "<" not in expected[1]
    hint = f"expected {expected[1].strip()}" if expected is not None and known else None
    if token is tokens[-1] and "Required" in str(details.get("description")):
        token = None
    return syntax_error(token, text, hint)
