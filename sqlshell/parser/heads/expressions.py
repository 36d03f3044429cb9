"""Expressions, types and lists of them inside the statements that have parsers of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from sqlshell.parser.parse import parse_query, syntax_error
from sqlshell.parser.tokens import OPEN, T, like

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlglot.tokenizer_core import Token

    from sqlshell.parser.cursor import Cursor
    from sqlshell.parser.statement import Query

_PLAIN = {"expressions"}


def take_until(c: Cursor, stop: Callable[[], bool]) -> Sequence[Token]:
    """The tokens up to where `stop` holds outside parentheses, or to the end."""
    start, depth = c.at, 0
    while (token := c.token) is not None:
        if depth == 0 and stop():
            break
        if token.token_type in OPEN:
            depth += 1
        elif token.token_type in (T.R_PAREN, T.R_BRACKET):
            depth -= 1
            if depth < 0:
                break
        c.at += 1
    return c.tokens[start : c.at]


def expressions(c: Cursor, tokens: Sequence[Token], *, aliases: bool = False, single: bool = True) -> Query:
    """The query that selects the expressions the tokens are; anything more (FROM, a star) is refused."""
    if not tokens:
        raise c.error(hint="expected an expression")
    query = parse_query([like(tokens[0], T.SELECT, "SELECT"), *tokens], c.text)
    select = query.ast
    used = {k for k, v in select.args.items() if v}
    bad = not isinstance(select, exp.Select) or used - _PLAIN or (single and len(select.expressions) != 1)
    if not bad:
        bad = any(
            isinstance(e, exp.Star | exp.Aliases) or (isinstance(e, exp.Alias) and not aliases)
            for e in select.expressions
        )
    if bad:
        raise syntax_error(tokens[-1], c.text, "expected an expression")
    return query


def text_of(c: Cursor, tokens: Sequence[Token]) -> str:
    """The tokens as written."""
    return c.text[tokens[0].start : tokens[-1].end + 1]


def parenthesised_query(c: Cursor) -> Query:
    """`( query )`."""
    if c.peek() != "(":
        raise c.error(hint="expected a query in parentheses")
    c.at += 1
    inner = take_until(c, lambda: False)
    c.expect(")")
    if not inner:
        raise c.error(hint="expected a query")
    return parse_query(inner, c.text)
