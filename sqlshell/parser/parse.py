"""`parse_statement`: one statement's text to a frozen `Statement`; the only door of the parser.

What the binder finds in `Query.ast` (sqlglot nodes; E stands for any expression):

Functions
    `f(a, b)`           Anonymous(this="f" as written, expressions=[...]); never a function class of sqlglot.
    `db.f(a)`           Dot(this=Identifier|Column, expression=Anonymous)
    `count(*)`          argument Star; `count(t.*)`: Column(this=Star, table=t)
    `f(DISTINCT a, b)`  argument Distinct(expressions=[a, b])
    `f(n => e)`         argument Kwarg(this=Var, expression=e)
    `x -> e`            argument Lambda(this=e, expressions=[Identifier...]); also `(x, y) -> e`. In e a
                        parameter is an Identifier, its field `x.a` is Dot(Identifier, Identifier).
    `struct(a AS x)`    argument Alias; in any other function an alias is refused here.
    `f(x IGNORE NULLS)`, `f(x) IGNORE NULLS`: IgnoreNulls around the argument or around the call.
    `f(x) FILTER (WHERE p)`: Filter(this=call, expression=Where(this=p))
    `f(x) WITHIN GROUP (ORDER BY k)`: WithinGroup(this=call, expression=Order)
    `f(x) OVER (...)`: Window(this, partition_by, order, spec=WindowSpec); `OVER w` and `OVER (w)` have
        `alias`.
    `current_date`, `user` ... without parentheses: Column; where no column has that name it is the function.
    `substring(s FROM a FOR b)`, `position(a IN s)`, `overlay(s PLACING ...)`: as written with commas.
    `f(x) AS (a, b)` in a select list: Aliases(this, expressions=[Identifier])

Native nodes
    Cast, TryCast, Extract(this=Var, expression), Trim (only for `TRIM([BOTH|LEADING|TRAILING] [x] FROM s)`),
    Case(this?, ifs=[If(this, true)], default?), Between, In(expressions | query), Like and ILike
    (argument negate; the right side is Any/All of a Tuple for LIKE ANY/ALL), RegexpLike,
    Escape(this=Like, expression), Is(expression=Null or Boolean), NullSafeEQ (also IS NOT DISTINCT FROM),
    NullSafeNEQ (IS DISTINCT FROM), Not, Neg, And, Or, Add, Sub, Mul, Div, IntDiv, Mod, DPipe, Bitwise...,
    Bracket, Dot, Paren, Tuple, Collate, Subquery, Exists(this=query), Any/All(this=Subquery).

Literals
    number    Literal(is_string=False), `this` is the text with its suffix: "1", "1.5", "1e3", "1L", "2S",
              "3Y", "1.5BD", "2D", "3F"; `split_number` takes it apart. Ranges of L, S and Y are checked
              here.
    string    Literal(is_string=True), escapes done, adjacent ones joined. HexString(this="1F"). Null.
              Boolean.
    typed     `DATE '...'`, `TIMESTAMP[_NTZ|_LTZ] '...'`, `TIME '...'`: Cast(Literal, DataType) with
              `meta["typed_literal"]`. Its value is not looked at (INVALID_TYPED_LITERAL is the binder's).
    interval  Interval(this, unit=Var|IntervalSpan|None): `1 DAY`, `'1' DAY`, `'1 day'` all have a string
              Literal and a unit; other values are Neg(Literal) or Paren(E); `'1 day 2 hours'` has no
              unit; `INTERVAL 1 DAY 2 HOURS` is read as `INTERVAL '1 DAY 2 HOURS'`.
    types     Cast.to is a DataType; `type_ddl(node)` is its Spark DDL text.

Columns
    Column(this, table?, db?, catalog?) has one to four parts, deeper ones are Dot; `.parts` gives the
    identifiers.

FROM
    table          Table(this=Identifier, db, catalog, alias=TableAlias(this, columns), version=Version,
                   sample, pivots)
    parquet.`p`    Table(this=Identifier, db=Identifier)
    'path'         Table(this=Identifier) with `meta["path"]` on the identifier
    f(x)           Table(this=Anonymous, alias)
    PIVOT, UNPIVOT Join(this=Table(this=Anonymous("\\x03PIVOT")), kind=CROSS): see `relation_clauses.py`
    VALUES         Values(expressions=[Tuple...], alias); scalars arrive as Tuple of one.
    (query) q      Subquery(this=query, alias); `(a JOIN b ON c) x`: Subquery(this=Table(joins=[Join]), alias)
    LATERAL ...    Lateral(this=Subquery|Anonymous, alias)
    join           Join(this, side LEFT|RIGHT|FULL, kind INNER|CROSS|SEMI|ANTI|OUTER, method NATURAL, on,
                   using=[Identifier]); a comma is kind=CROSS; without a condition `on` is Boolean(True).
    `VALUES ...` and `TABLE t` where a query may stand are `SELECT * FROM VALUES ...` and `SELECT * FROM t`.

Select.args: with_, from_, joins, laterals (LATERAL VIEW: Lateral(view=True, outer)), where, group,
    having, qualify, windows, distinct (Distinct without expressions), hint, order, sort, cluster,
    distribute, limit, offset. GROUP BY: Group.expressions holds E, Rollup, Cube, GroupingSets (of E,
    Paren, Tuple and nested ones) in order; `a WITH ROLLUP` is rollup=[Rollup()], `a GROUPING SETS (...)`
    is grouping_sets=[...], ALL is all=True. ORDER BY: Ordered(this, desc, nulls_first); nulls_first is
    Spark's default where not written; ALL is Var("ALL"). LIMIT ALL: Limit(expression=Var("ALL")).

Positions: identifiers, Anonymous, literals and stars have `meta["start"]` and `meta["end"]` (inclusive);
    `span_of(node)` spans the positions below any node, as (start, end-exclusive) offsets into the text.
"""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlshell.parser.lean_sqlglot  # noqa: F401  (the first to import sqlglot)

# isort: split
from sqlglot import exp
from sqlglot.errors import ErrorLevel
from sqlglot.errors import ParseError as SqlglotParseError
from sqlglot.tokenizer_core import Token, TokenType
from sqlglot.tokens import SQLGLOTC_INSTALLED

from sqlshell.errors import Error, NotSupportedError, ParseError
from sqlshell.parser.calls import mark_calls, match_parentheses
from sqlshell.parser.clauses import check
from sqlshell.parser.complete import complete
from sqlshell.parser.dialect import DIALECT
from sqlshell.parser.literals import join_literals
from sqlshell.parser.model_tokens import join_models
from sqlshell.parser.pipes import rewrite_pipes
from sqlshell.parser.relation_clauses import rewrite_relations
from sqlshell.parser.statement import Query, Statement
from sqlshell.parser.tokens import tokenize, upper
from sqlshell.parser.validate import normalise, span_of, validate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "insert_after_with",
    "is_query",
    "parse_query",
    "parse_statement",
    "span_of",
    "split_number",
    "syntax_error",
    "type_ddl",
]
QUERY_STARTS = {"SELECT", "WITH", "FROM", "VALUES", "TABLE"}
OWN_DIALECTS = {"spark", "databricks", "sqlshell", ""}
_FRAMES = 10_000
_NUMBER = re.compile(r"(.*?[0-9.])(BD|L|S|Y|D|F)?", re.IGNORECASE)


def parse_statement(text: str, dialect: str = "spark") -> Statement:
    """The statement `text` holds; raises ParseError or NotSupportedError, with spans into `text`.

    A statement of another dialect is transpiled first: its `Statement.text` is the Databricks text.
    """
    if dialect.lower() not in OWN_DIALECTS:
        from sqlshell.parser.foreign import transpile

        ours = transpile(text, dialect)
        try:
            return parse_statement(ours)
        except Error as error:
            error.span = None  # it counts in the transpiled text, which nobody has seen
            raise
    tokens = tokenize(text)
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        raise ParseError("Syntax error at or near end of input: the statement is empty", span=(0, len(text)))
    if is_query(tokens) and insert_after_with(tokens) is None:
        return parse_query(tokens, text)
    from sqlshell.parser.heads import parse_head

    return parse_head(tokens, text)


def insert_after_with(tokens: Sequence[Token]) -> int | None:
    """Where the INSERT of `WITH ... INSERT` stands, or None: such a statement is no query."""
    if not tokens or upper(tokens[0]) != "WITH":
        return None
    depth = 0
    for i, token in enumerate(tokens):
        kind = token.token_type
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(kind, 0)
        if depth == 0 and upper(token) == "INSERT" and tokens[i - 1].token_type == TokenType.R_PAREN:
            return i
    return None


def is_query(tokens: Sequence[Token]) -> bool:
    """Whether the tokens start a query."""
    i = 0
    while i < len(tokens) and tokens[i].token_type == TokenType.L_PAREN:
        i += 1
    return i < len(tokens) and upper(tokens[i]) in QUERY_STARTS


def parse_query(tokens: Sequence[Token], text: str) -> Query:
    """A query from raw tokens (without a semicolon); its offsets stay those of `text`."""
    joined = join_literals(join_models(tokens, text), text)
    ready = complete(
        mark_calls(rewrite_relations(rewrite_pipes(match_parentheses(joined, text), text), text), text)
    )
    for token in ready:
        if token.token_type == TokenType.SEMICOLON:
            raise syntax_error(token, text, hint="one statement at a time")
    check(ready, text)
    try:
        with _room():
            parsed = DIALECT.parser(error_level=ErrorLevel.IMMEDIATE).parse(ready, text)
    except SqlglotParseError as error:
        raise _translate(error, ready, text) from None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        # sqlglot trips over some invalid texts instead of refusing them
        raise ParseError("Syntax error: the statement cannot be read", span=(0, len(text))) from None
    except RecursionError:
        raise NotSupportedError("the statement is nested too deeply", span=(0, len(text))) from None
    ast = parsed[0] if parsed else None
    if not isinstance(ast, exp.Query):
        raise syntax_error(ready[0], text)
    ast = normalise(ast, text)
    validate(ast, text)
    return Query(text, ast, (tokens[0].start, tokens[-1].end + 1))


@contextmanager
def _room() -> Iterator[None]:
    """sqlglot without its compiled parts needs some 20 Python frames per level of parentheses."""
    before = sys.getrecursionlimit()
    if SQLGLOTC_INSTALLED or before >= _FRAMES:
        yield
        return
    sys.setrecursionlimit(_FRAMES)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


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
    # sqlglot's Databricks writes TIME as TIMESTAMP.
    if any(t.this == exp.DataType.Type.TIME for t in node.find_all(exp.DataType)):
        node = node.copy()
        for t in list(node.find_all(exp.DataType)):
            if t.this == exp.DataType.Type.TIME:
                digits = "".join(f"({p.name})" for p in t.expressions)
                t.set("this", exp.DataType.Type.USERDEFINED)
                t.set("kind", f"TIME{digits}")
                t.set("expressions", [])
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
