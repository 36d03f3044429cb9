"""Tokens of sqlglot, and what the token pass knows about them.

The pass rewrites what sqlglot's parser would misread, in four steps: `literals.py`, `relation_clauses.py`,
`calls.py`, `complete.py`. Its marks are PREFIX before a function's name and LITERAL_MARK (and the type) before the
text of `DATE '...'`; `validate.normalise` strips them from the tree. CLAUSE_MARK stays, for the binder, before the name
of a clause that is dressed up as a table function.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

from sqlshell.errors import ParseError
from sqlshell.parser.dialect import DIALECT, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    T = TokenType
else:
    # Before Python 3.12 the enum runs Python code whenever a member is named: a fifth of parsing.
    T = SimpleNamespace(**TokenType.__members__)

PREFIX = "\x01"
LITERAL_MARK = "\x02"
CLAUSE_MARK = "\x03"
PIPED_INPUT = CLAUSE_MARK + "IN"
STRINGS = {T.STRING, T.RAW_STRING}
OPEN = {T.L_PAREN: T.R_PAREN, T.L_BRACKET: T.R_BRACKET}
SET_OPERATIONS = {T.UNION, T.INTERSECT, T.EXCEPT}
NEVER_CALLS = words("""
    SELECT DISTINCT ALL FROM WHERE HAVING QUALIFY ON USING CASE WHEN THEN ELSE END AS OVER JOIN UNION
    EXCEPT MINUS INTERSECT VALUES LATERAL TABLE WITH ROLLUP CUBE LIMIT OFFSET INTERVAL TABLESAMPLE PIVOT
    UNPIVOT RECURSIVE CAST TRY_CAST EXTRACT NULL TRUE FALSE FOR NOT IN IS AND OR BETWEEN ESCAPE ASC DESC
    INNER CROSS NATURAL OUTER
""") | {"GROUP BY", "ORDER BY", "PARTITION BY", "SORT BY", "CLUSTER BY", "DISTRIBUTE BY", "GROUPING SETS"}


def tokenize(text: str) -> list[Token]:
    """The raw tokens of `text`; a string or comment that does not end is a ParseError."""
    try:
        return DIALECT.tokenize(text)
    except TokenError:
        from sqlshell.parser.script import unterminated

        start = unterminated(text)
        what = {"'": "string", '"': "string", "`": "quoted name", "/": "comment", "$": "$$ body"}
        if start is None:
            raise ParseError("Syntax error: a literal cannot be read", span=(0, len(text))) from None
        kind = what.get(text[start], "string")
        raise ParseError(
            f"Syntax error: the {kind} that starts here does not end", span=(start, len(text))
        ) from None


def upper(token: Token) -> str:
    """The token's word in capitals; empty for strings and quoted names."""
    return "" if token.token_type in STRINGS or token.token_type == T.IDENTIFIER else token.text.upper()


def like(token: Token, kind: TokenType, text: str) -> Token:
    return Token(kind, text, token.line, token.col, token.start, token.end, token.comments)


def is_word(token: Token) -> bool:
    if token.token_type == T.IDENTIFIER:
        return True
    first = token.text[:1]
    return token.token_type not in STRINGS and (first.isalpha() or first == "_")


def after_dot(tokens: Sequence[Token], i: int) -> bool:
    return i > 0 and tokens[i - 1].token_type == T.DOT


def ends_operand(token: Token) -> bool:
    kind = token.token_type
    if kind in (T.R_PAREN, T.R_BRACKET, T.NUMBER, T.HEX_STRING, T.IDENTIFIER) or kind in STRINGS:
        return True
    word = upper(token)
    return is_word(token) and (word in ("NULL", "TRUE", "FALSE", "END") or word not in NEVER_CALLS)


def level(tokens: Sequence[Token], i: int) -> list[int]:
    """Indexes of the tokens directly inside the parenthesis that opens at `i`."""
    depth, found = 0, []
    for j in range(i, len(tokens)):
        kind = tokens[j].token_type
        if kind in OPEN:
            depth += 1
        elif kind in (T.R_PAREN, T.R_BRACKET):
            depth -= 1
            if depth == 0:
                break
        elif depth == 1:
            found.append(j)
    return found


def close_of(tokens: Sequence[Token], opener: int) -> int:
    depth = 0
    for i in range(opener, len(tokens)):
        depth += {T.L_PAREN: 1, T.R_PAREN: -1}.get(tokens[i].token_type, 0)
        if depth == 0:
            return i
    return len(tokens)
