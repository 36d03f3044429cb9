"""`IDENTIFIER(constant)`: a name computed when the statement is read. It is replaced, in the text, by the name it
stands for, quoted part by part, so that it can only ever be a name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError, ParseError
from sqlshell.parser.tokens import STRINGS, T, after_dot, close_of, level, tokenize, upper

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.errors import Span

_CALL = re.compile(r"\bidentifier\s*(?:/\*.*?\*/\s*)*\(", re.IGNORECASE | re.DOTALL)
_PART = re.compile(r"`((?:[^`]|``)+)`|(\w+)")


def expand_identifiers(text: str, evaluate: Callable[[str, Span], object]) -> str:
    """The statement with its IDENTIFIER(...) clauses replaced; `evaluate(expression, span)` gives a text's value."""
    if _CALL.search(text) is None:
        return text
    tokens = tokenize(text)
    out: list[str] = []
    at = i = 0
    while i < len(tokens) - 1:
        token = tokens[i]
        if upper(token) != "IDENTIFIER" or tokens[i + 1].token_type != T.L_PAREN or after_dot(tokens, i):
            i += 1
            continue
        close = close_of(tokens, i + 1)
        if any(tokens[j].token_type == T.COMMA for j in level(tokens, i + 1)):
            raise AnalysisError(
                "IDENTIFIER takes one text", condition="UNRESOLVED_ROUTINE", span=(token.start, token.end + 1)
            )
        if close >= len(tokens) or close == i + 2:
            raise ParseError("Syntax error: IDENTIFIER takes one text", span=(token.start, token.end + 1))
        span = (tokens[i + 2].start, tokens[close - 1].end + 1)
        inner = tokens[i + 2 : close]
        if len(inner) == 1 and inner[0].token_type in STRINGS:
            value: object = inner[0].text
        else:
            value = evaluate(text[span[0] : span[1]], span)
        out += [text[at : token.start], quoted_name(value, span)]
        at, i = tokens[close].end + 1, close + 1
    return "".join([*out, text[at:]])


def quoted_name(value: object, span: Span | None) -> str:
    """A name of several parts, every part in backquotes; whatever is no name is refused."""
    if not isinstance(value, str):
        raise AnalysisError(
            f"IDENTIFIER takes a text, not {'NULL' if value is None else value}",
            condition="NOT_A_CONSTANT_STRING.WRONG_TYPE",
            span=span,
        )
    parts: list[str] = []
    at = 0
    if not value.strip():
        raise ParseError("Syntax error: the name is empty", condition="PARSE_EMPTY_STATEMENT", span=span)
    while True:
        match = _PART.match(value.strip(), at)
        if match is None:
            raise ParseError(
                f"Syntax error: '{value}' is no name",
                span=span,
                hint="put parts with other characters than letters, digits and _ in backquotes",
            )
        parts.append("`" + (match[1] if match[1] is not None else match[2]) + "`")
        at = match.end()
        if at == len(value.strip()):
            return ".".join(parts)
        if value.strip()[at] != ".":
            raise ParseError(f"Syntax error: '{value}' is no name", span=span)
        at += 1
