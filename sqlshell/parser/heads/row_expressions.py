"""Expressions inside statements that sqlglot does not read as a whole: cut out by tokens, parsed as `SELECT e`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sqlshell.parser.parse import parse_query, syntax_error
from sqlshell.parser.tokens import T, like, upper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot.tokenizer_core import Token

    from sqlshell.parser.cursor import Cursor

_OPEN, _CLOSE = frozenset("(["), frozenset(")]")


def cut(c: Cursor, *stops: str) -> Sequence[Token]:
    """The tokens up to one of the words outside parentheses and CASE ... END, or up to the end."""
    start, depth = c.at, 0
    while c.token is not None:
        word = upper(c.token)
        if depth == 0 and (word in stops or word in _CLOSE):
            break
        if word in _OPEN or (word == "CASE" and not _is_name(c)):
            depth += 1
        elif word in _CLOSE or (word == "END" and depth and not _is_name(c)):
            depth -= 1
        c.at += 1
    return c.tokens[start : c.at]


def _is_name(c: Cursor) -> bool:
    """Whether the word at the cursor is part of a dotted name (`t.end`)."""
    return c.at > 0 and c.tokens[c.at - 1].token_type == T.DOT


def expression(c: Cursor, *stops: str, what: str = "an expression") -> tuple[Any, str]:
    """The expression up to one of the words (or the end), with its text."""
    tokens = cut(c, *stops)
    if not tokens:
        raise c.error(hint=f"expected {what}")
    first = tokens[0]
    query = parse_query([like(first, T.SELECT, "SELECT"), *tokens], c.text).ast
    parts = query.args.get("expressions") or []
    others = [k for k, v in query.args.items() if v and k != "expressions"]
    if len(parts) != 1 or others or isinstance(parts[0], exp.Alias):
        raise syntax_error(tokens[-1], c.text, hint=f"expected {what}")
    return parts[0], c.text[first.start : tokens[-1].end + 1]


def relation(c: Cursor, *stops: str) -> Any:
    """The relation up to one of the words, as the AST of `SELECT * FROM relation`."""
    tokens = cut(c, *stops)
    if not tokens:
        raise c.error(hint="expected a table or a query in parentheses")
    first = tokens[0]
    head = [like(first, T.SELECT, "SELECT"), like(first, T.STAR, "*"), like(first, T.FROM, "FROM")]
    query = parse_query([*head, *tokens], c.text).ast
    others = [k for k, v in query.args.items() if v and k not in {"expressions", "from_"}]
    if others:
        raise syntax_error(first, c.text, hint="expected a table or a query in parentheses")
    return query
