"""Relations over a table's past, as table functions that the binder knows by their names.

- `t VERSIONS | TIMESTAMPS BETWEEN a AND b` becomes `<VERSIONS>(t, 'versions', a, b)`.
- `DIFF t VERSION AS OF a [WITH VERSION AS OF b] [ON key | ON (key, ...)]` becomes
  `<DIFF>(t, 'version', a, 'version', b, key, ...)`; without WITH, b is NULL: the latest version.

`a` and `b` are literals, calls, variables or parenthesised expressions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import ParseError
from sqlshell.parser.tokens import STRINGS, T, close_of, is_word, like, upper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot.tokenizer_core import Token

VERSIONS, DIFF = "versions\x03", "diff\x03"
"""Names that no function can have."""
_BEFORE = {"FROM", "JOIN", ",", "("}
_AS_OF = {"VERSION": "version", "TIMESTAMP": "timestamp"}


def rewrite_history(tokens: list[Token], text: str) -> list[Token]:
    """The tokens with the clauses as described above."""
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        word = upper(tokens[i])
        if word == "DIFF" and _before(out) and _is_diff(tokens, i):
            i = _diff(tokens, i, out, text)
        elif word in ("VERSIONS", "TIMESTAMPS") and i + 1 < len(tokens) and upper(tokens[i + 1]) == "BETWEEN":
            start = _name_start(out)
            if start is None:
                out.append(tokens[i])
                i += 1
                continue
            i = _versions(tokens, i, start, out, text)
        else:
            out.append(tokens[i])
            i += 1
    return out


def is_diff(tokens: Sequence[Token]) -> bool:
    """Whether a statement starts with DIFF and a table."""
    return upper(tokens[0]) == "DIFF" and _is_diff(tokens, 0)


def _before(out: list[Token]) -> bool:
    """Whether a relation may come next."""
    return not out or upper(out[-1]) in _BEFORE


def _is_diff(tokens: Sequence[Token], i: int) -> bool:
    """Whether DIFF is followed by a table's name and AS OF."""
    end = _name_end(tokens, i + 1)
    return end is not None and _kind(tokens, end) is not None


def _kind(tokens: Sequence[Token], i: int) -> str | None:
    """`version` or `timestamp` where VERSION AS OF or TIMESTAMP AS OF stands."""
    words = [upper(t) for t in tokens[i : i + 3]]
    return _AS_OF.get(words[0]) if words[1:] == ["AS", "OF"] else None


def _name_end(tokens: Sequence[Token], i: int) -> int | None:
    """The index after the dotted name or the path at `i`; None when there is none."""
    if i < len(tokens) and tokens[i].token_type in STRINGS:
        return i + 1
    while i < len(tokens) and is_word(tokens[i]):
        if i + 1 >= len(tokens) or tokens[i + 1].token_type != T.DOT:
            return i + 1
        i += 2
    return None


def _name_start(out: list[Token]) -> int | None:
    """Where the dotted name (or the path) that ends the tokens starts, if a relation may stand there."""
    i = len(out) - 1
    while i >= 0 and (is_word(out[i]) or out[i].token_type in STRINGS) and upper(out[i]) not in _BEFORE:
        if i == 0 or out[i - 1].token_type != T.DOT:
            return i if i > 0 and upper(out[i - 1]) in {"FROM", "JOIN", ","} else None
        i -= 2
    return None


def _name(tokens: list[Token]) -> list[Token]:
    """A table's name; delta.`path` for a path."""
    first = tokens[0]
    if first.token_type not in STRINGS:
        return tokens
    return [like(first, T.VAR, "delta"), like(first, T.DOT, "."), like(first, T.IDENTIFIER, first.text)]


def _versions(tokens: list[Token], i: int, start: int, out: list[Token], text: str) -> int:
    at = tokens[i]
    name = _name(out[start:])
    del out[start:]
    first, end = _operand(tokens, i + 2, text)
    if end >= len(tokens) or upper(tokens[end]) != "AND":
        raise _error(tokens, end, text, "expected AND")
    last, end = _operand(tokens, end + 1, text)
    _call(at, VERSIONS, [name, [like(at, T.STRING, upper(at).lower())], first, last], out)
    return end


def _diff(tokens: list[Token], i: int, out: list[Token], text: str) -> int:
    at = tokens[i]
    end = _name_end(tokens, i + 1)
    assert end is not None
    name = _name(tokens[i + 1 : end])
    kind, old, end = _as_of(tokens, end, text)
    new_kind, new = "version", [like(at, T.NULL, "NULL")]
    if end < len(tokens) and upper(tokens[end]) == "WITH":
        new_kind, new, end = _as_of(tokens, end + 1, text)
    keys: list[list[Token]] = []
    if end < len(tokens) and upper(tokens[end]) == "ON":
        keys, end = _keys(tokens, end + 1, text)
    texts = [[like(at, T.STRING, k)] for k in (kind, new_kind)]
    _call(at, DIFF, [name, texts[0], old, texts[1], new, *keys], out)
    return end


def _as_of(tokens: list[Token], i: int, text: str) -> tuple[str, list[Token], int]:
    kind = _kind(tokens, i)
    if kind is None:
        raise _error(tokens, i, text, "expected VERSION AS OF or TIMESTAMP AS OF")
    operand, end = _operand(tokens, i + 3, text)
    return kind, operand, end


def _keys(tokens: list[Token], i: int, text: str) -> tuple[list[list[Token]], int]:
    """`a` or `(a, b)`."""
    if i < len(tokens) and tokens[i].token_type != T.L_PAREN:
        if not is_word(tokens[i]):
            raise _error(tokens, i, text, "expected a column")
        return [[tokens[i]]], i + 1
    close = close_of(tokens, i)
    inner = tokens[i + 1 : close]
    if not inner or any(
        (not is_word(t)) if n % 2 == 0 else t.token_type != T.COMMA for n, t in enumerate(inner)
    ):
        raise _error(tokens, i, text, "expected columns: ON (a, b)")
    return [[t] for t in inner[::2]], close + 1


def _operand(tokens: list[Token], i: int, text: str) -> tuple[list[Token], int]:
    """A literal, a typed literal, a call, a name or a parenthesised expression."""
    start = i
    if i < len(tokens) and tokens[i].token_type == T.DASH:
        i += 1
    if i >= len(tokens):
        raise _error(tokens, i, text, "expected a value")
    if tokens[i].token_type == T.L_PAREN:
        end = close_of(tokens, i) + 1
    elif is_word(tokens[i]):
        end = _name_end(tokens, i) or i + 1
        if end < len(tokens) and tokens[end].token_type == T.L_PAREN:
            end = close_of(tokens, end) + 1
        elif end < len(tokens) and tokens[end].token_type in STRINGS:
            end += 1
    else:
        end = i + 1
    return tokens[start:end], end


def _error(tokens: Sequence[Token], i: int, text: str, hint: str) -> ParseError:
    if i >= len(tokens):
        return ParseError("Syntax error at or near end of input", span=(len(text), len(text)), hint=hint)
    token = tokens[i]
    shown = text[token.start : token.end + 1]
    return ParseError(f"Syntax error at or near '{shown}'", span=(token.start, token.end + 1), hint=hint)


def _call(at: Token, name: str, args: list[list[Token]], out: list[Token]) -> None:
    out += [like(at, T.VAR, name), like(at, T.L_PAREN, "(")]
    for n, arg in enumerate(args):
        if n:
            out.append(like(at, T.COMMA, ","))
        out += arg
    out.append(like(at, T.R_PAREN, ")"))
