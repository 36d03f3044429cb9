"""First step of the token pass: literals and names with a version become what Spark means by them.

- `1L`, `1.5BD` ... arrive as three tokens (`1 :: BIGINT`); they become one number token that keeps its
  suffix.
- Adjacent strings become one; raw strings become strings; `''` inside quotes is one quote.
- `DATE '...'`, `TIMESTAMP '...'` get LITERAL_MARK in the string, so that the tree can tell them from a
  cast.
- `t@v3` becomes `t VERSION AS OF 3`, `t@20240131120000000` becomes `t TIMESTAMP AS OF '2024-01-31
  12:00:00.000'`.
- `SYSTEM_VERSION AS OF` and `SYSTEM_TIME AS OF` become `VERSION AS OF` and `TIMESTAMP AS OF`.
- `<=>` becomes an operator Spark does not have (OVERLAPS), since sqlglot puts parentheses of its own
  around the right side of `<=>`; `normalise` makes it NullSafeEQ.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot.tokenizer_core import Token

from sqlshell.errors import ParseError
from sqlshell.parser.tokens import LITERAL_MARK, STRINGS, T, after_dot, ends_operand, like, upper

if TYPE_CHECKING:
    from collections.abc import Sequence


_FOREIGN_LITERALS = {T.NATIONAL_STRING, T.BYTE_STRING, T.BIT_STRING, T.UNICODE_STRING, T.HEREDOC_STRING}
_TYPED_LITERALS = {"DATE", "TIME", "TIMESTAMP", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ"}
_TYPES = {
    T.ARRAY, T.BINARY, T.BIGINT, T.BOOLEAN, T.TINYINT, T.CHAR, T.DECIMAL, T.DOUBLE, T.FLOAT, T.INT, T.MAP,
    T.SMALLINT, T.TEXT, T.STRUCT, T.VARCHAR, T.VARIANT, T.VOID,
}  # fmt: skip
_SYSTEM = {"SYSTEM_VERSION": (T.VAR, "VERSION"), "SYSTEM_TIME": (T.TIMESTAMP, "TIMESTAMP")}
_TIMESTAMP_TAG = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)(\d{3})?)?")


def join_literals(tokens: Sequence[Token], text: str) -> list[Token]:
    out: list[Token] = []
    i, n = 0, len(tokens)
    while i < n:
        token = tokens[i]
        kind = token.token_type
        if kind == T.NUMBER and i + 2 < n and tokens[i + 1].start == token.start:
            last = tokens[i + 2]
            written = text[token.start : last.end + 1]
            out.append(Token(T.NUMBER, written, token.line, last.col, token.start, last.end, last.comments))
            i += 3
            continue
        if kind in STRINGS and _is_hex(out, text, token):
            out[-1] = like(token, T.HEX_STRING, token.text)
            i += 1
            continue
        if kind in STRINGS:
            i = _join_strings(tokens, i, text, out)
            continue
        if kind == T.HEX_STRING and text[token.start] == "0":
            token = like(token, T.VAR, text[token.start : token.end + 1])
        if kind == T.NULLSAFE_EQ:
            token = like(token, T.OVERLAPS, "<=>")
        if kind == T.PARAMETER and token.text == "@" and i + 1 < n and out:
            out.extend(_version(tokens[i + 1], text))
            i += 2
            continue
        if kind == T.VAR and upper(token) in _SYSTEM and _is_version(tokens, i):
            token = like(token, *_SYSTEM[upper(token)])
        if kind in _FOREIGN_LITERALS:
            raise ParseError("Syntax error: Spark has no such literal", span=(token.start, token.end + 1))
        if kind in (T.L_BRACE, T.R_BRACE, T.BACKSLASH, T.HASH) or kind == T.PARAMETER:
            raise ParseError(f"Syntax error at or near '{token.text}'", span=(token.start, token.end + 1))
        out.append(token)
        i += 1
    return out


def _is_hex(out: list[Token], text: str, token: Token) -> bool:
    """Whether a string follows the bare word X: `X 'F0'` are bytes, as `X'F0'`."""
    follows = (
        out and out[-1].token_type == T.VAR and upper(out[-1]) == "X" and not after_dot(out, len(out) - 1)
    )
    return bool(follows) and text[token.start] == "'" and re.fullmatch("[0-9A-Fa-f]*", token.text) is not None


def _is_version(tokens: Sequence[Token], i: int) -> bool:
    """Whether the word is followed by AS OF, and follows a table (or FOR): not a column under an alias."""
    follows = i > 0 and (tokens[i - 1].token_type == T.FOR or ends_operand(tokens[i - 1]))
    return follows and [upper(t) for t in tokens[i + 1 : i + 3]] == ["AS", "OF"]


def _join_strings(tokens: Sequence[Token], i: int, text: str, out: list[Token]) -> int:
    first = last = tokens[i]
    if text[first.start] == "$":
        raise ParseError(
            "Syntax error: $$ ... $$ is for function bodies only", span=(first.start, first.end + 1)
        )
    parts = [first.text]
    i += 1
    while i < len(tokens) and tokens[i].token_type in STRINGS:
        token = tokens[i]
        quote = text[token.start]
        if token.start == last.end + 1 and quote == text[last.end] and quote in "'\"":
            parts.append(quote)
        parts.append(token.text)
        last = token
        i += 1
    value = "".join(parts)
    before = out[-1] if out else None
    if before is not None and upper(before) in _TYPED_LITERALS and not after_dot(out, len(out) - 1):
        value = LITERAL_MARK + upper(before) + LITERAL_MARK + value
    elif before is not None and before.token_type in _TYPES and not after_dot(out, len(out) - 1):
        raise ParseError(
            f'Literals of the type "{before.text.upper()}" are not supported',
            condition="UNSUPPORTED_TYPED_LITERAL",
            span=(before.start, last.end + 1), hint="use CAST",
        )  # fmt: skip
    out.append(Token(T.STRING, value, first.line, last.col, first.start, last.end, last.comments))
    return i


def _version(tag: Token, text: str) -> list[Token]:
    """Tokens of `VERSION AS OF n` or `TIMESTAMP AS OF '...'` for the tag after `@`."""
    word = text[tag.start : tag.end + 1]
    if re.fullmatch(r"[vV]\d+", word):
        return [like(tag, T.VAR, "VERSION"), like(tag, T.ALIAS, "AS"), like(tag, T.VAR, "OF"),
                like(tag, T.NUMBER, word[1:])]  # fmt: skip
    match = _TIMESTAMP_TAG.fullmatch(word)
    if match is None:
        raise ParseError(
            f"Syntax error at or near '@{word}'",
            span=(tag.start - 1, tag.end + 1),
            hint="write t@v3 for a version or t@yyyyMMddHHmmssSSS for a time",
        )
    year, month, day, hour, minute, second, millis = match.groups(default="0")
    stamp = f"{year}-{month}-{day} {hour:0>2}:{minute:0>2}:{second:0>2}.{millis:0>3}"
    return [like(tag, T.TIMESTAMP, "TIMESTAMP"), like(tag, T.ALIAS, "AS"), like(tag, T.VAR, "OF"),
            like(tag, T.STRING, stamp)]  # fmt: skip
