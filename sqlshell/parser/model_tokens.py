"""The token pass for models, before all others: what only model functions can hold becomes plain SQL.

- `ML.PREDICT(` becomes `ML_PREDICT(`, and so on for every `ML.x(`.
- `MODEL a.b` as an argument becomes the string 'a.b'; with `VERSION AS OF 3` 'a.b@v3', with `VERSION AS OF 'best'`
  'a.b@best', with `TIMESTAMP AS OF '...'` 'a.b@timestamp:...'.
- `TABLE t` as an argument becomes `(SELECT * FROM t)`, and a query without parentheses gets them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import ParseError
from sqlshell.parser.tokens import OPEN, STRINGS, T, close_of, is_word, like, upper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot.tokenizer_core import Token

_QUERY_STARTS = ("SELECT", "WITH", "FROM", "VALUES")


def join_models(tokens: Sequence[Token], text: str) -> list[Token]:
    """Tokens with the forms above replaced; the same list when the text has none."""
    if not any(upper(t).startswith("ML_") or upper(t) == "ML" for t in tokens):
        return list(tokens)
    out = _dotted(tokens)
    i = 0
    while i < len(out):
        if upper(out[i]).startswith("ML_") and i + 1 < len(out) and out[i + 1].token_type == T.L_PAREN:
            close = close_of(out, i + 1)
            out[i + 2 : close] = _arguments(out[i + 2 : close], text)
        i += 1
    return out


def _dotted(tokens: Sequence[Token]) -> list[Token]:
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if (
            upper(token) == "ML"
            and i + 3 < len(tokens)
            and tokens[i + 1].token_type == T.DOT
            and is_word(tokens[i + 2])
            and tokens[i + 3].token_type == T.L_PAREN
            and not (i and tokens[i - 1].token_type == T.DOT)
        ):
            out.append(like(token, T.VAR, "ml_" + tokens[i + 2].text.lower()))
            i += 3
            continue
        out.append(token)
        i += 1
    return out


def _arguments(tokens: list[Token], text: str) -> list[Token]:
    """The tokens between a call's parentheses, argument by argument."""
    out: list[Token] = []
    start = depth = 0
    for i, token in enumerate([*tokens, None]):
        if token is not None:
            if token.token_type in OPEN:
                depth += 1
            elif token.token_type in (T.R_PAREN, T.R_BRACKET):
                depth -= 1
            if depth or token.token_type != T.COMMA:
                continue
        argument = tokens[start:i]
        query = bool(argument) and upper(argument[0]) in _QUERY_STARTS
        if query and token is not None:
            continue  # commas of a query without parentheses: it takes the rest
        out += _argument(argument, text)
        if token is not None:
            out.append(token)
        start = i + 1
    return out


def _argument(tokens: list[Token], text: str) -> list[Token]:
    if len(tokens) < 2:
        return tokens
    first = tokens[0]
    word = upper(first)
    if word == "MODEL" and is_word(tokens[1]):
        return [like(first, T.STRING, _reference(tokens[1:], text))]
    if word == "TABLE" and (is_word(tokens[1]) or tokens[1].token_type in STRINGS):
        select = [like(first, T.SELECT, "SELECT"), like(first, T.STAR, "*"), like(first, T.FROM, "FROM")]
        return _parenthesised([*select, *tokens[1:]])
    if word in _QUERY_STARTS:
        return _parenthesised(tokens)
    return tokens


def _parenthesised(tokens: list[Token]) -> list[Token]:
    return [like(tokens[0], T.L_PAREN, "("), *tokens, like(tokens[-1], T.R_PAREN, ")")]


def _reference(tokens: Sequence[Token], text: str) -> str:
    """`name [VERSION AS OF v | TIMESTAMP AS OF t]` as one text."""
    parts: list[str] = []
    i = 0
    while i < len(tokens) and is_word(tokens[i]):
        parts.append(tokens[i].text)
        i += 1
        if i < len(tokens) and tokens[i].token_type == T.DOT:
            i += 1
        else:
            break
    name = ".".join(parts)
    rest = tokens[i:]
    if not rest:
        return name
    if rest[0].token_type == T.PARAMETER and len(rest) == 2:  # m@v3, m@best
        return f"{name}@{rest[1].text}"
    words = [upper(t) for t in rest[:3]]
    if len(rest) < 4 or words[0] not in ("VERSION", "TIMESTAMP") or words[1:3] != ["AS", "OF"]:
        raise ParseError(
            f"Syntax error at or near '{rest[0].text}'", span=(rest[0].start, rest[-1].end + 1),
            hint="write MODEL name, MODEL name VERSION AS OF n or MODEL name TIMESTAMP AS OF '...'",
        )  # fmt: skip
    value = rest[3]
    if words[0] == "TIMESTAMP":
        if value.token_type not in STRINGS:
            raise ParseError("TIMESTAMP AS OF takes a text here", span=(value.start, value.end + 1))
        return f"{name}@timestamp:{value.text}"
    return f"{name}@{value.text}" if value.token_type in STRINGS else f"{name}@v{value.text}"
