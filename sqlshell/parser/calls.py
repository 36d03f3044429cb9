"""Second step of the token pass: every function name is marked, so that sqlglot never normalises a function.

- A name before `(` gets PREFIX, and sqlglot builds `Anonymous`. Syntax that merely looks like a call
  (CAST, EXTRACT, `IN (`, `EXISTS (SELECT` ...) stays; a name that is none (`t (a, b)`) loses its prefix
  again in the tree.
- `substring(s FROM a FOR b)`, `position(a IN s)`, `overlay(s PLACING r FROM p FOR n)` become plain calls.
- CURRENT_DATE and its kin without parentheses, IF, TRANSFORM ... as names: plain words.
- Types after `::` and in CAST are checked and left alone; parentheses are matched, and how deep they go
  is limited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot.tokenizer_core import Token

from sqlshell.errors import NotSupportedError, ParseError
from sqlshell.parser.dialect import words
from sqlshell.parser.tokens import (
    NEVER_CALLS,
    OPEN,
    PREFIX,
    T,
    after_dot,
    ends_operand,
    is_word,
    level,
    like,
    upper,
)
from sqlshell.parser.type_tokens import skip_type

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_NESTING = 200
"""Deeper parentheses would overflow the stack of the recursive-descent parser behind us."""

_QUANTIFIERS = {"ANY", "SOME", "ALL"}
_COMPARISONS = {T.EQ, T.NEQ, T.LT, T.LTE, T.GT, T.GTE, T.OVERLAPS, T.LIKE, T.ILIKE, T.RLIKE}
_NAMES_WITHOUT_CALL = words("""
    CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER SESSION_USER CONNECT_BY_ROOT CURDATE
    TRANSFORM IF FIRST REPLACE FILTER PERCENT ROWS RANGE WINDOW
""")
_OPERATOR_WORDS = words("LIKE ILIKE RLIKE REGEXP DIV")
_COMMA_FORMS = {
    "SUBSTRING": ("FROM", "FOR"),
    "SUBSTR": ("FROM", "FOR"),
    "POSITION": ("IN",),
    "OVERLAY": ("PLACING", "FROM", "FOR"),
}
_FORM_NAMES = {"SUBSTR": "substring", "POSITION": "locate"}
_TRIM_SIDES = {"BOTH", "LEADING", "TRAILING"}
_QUERY_STARTS = {"SELECT", "WITH", "FROM", "VALUES", "TABLE"}


def mark_calls(tokens: list[Token], text: str) -> list[Token]:
    """Marks the names of functions, in place."""
    depth = 0
    casts: list[int] = []  # the depths of the open CAST( whose type is still to come
    i = 0
    while i < len(tokens):
        token = tokens[i]
        kind = token.token_type
        if kind == T.L_PAREN:
            depth += 1
            if i and upper(tokens[i - 1]) in ("CAST", "TRY_CAST"):
                casts.append(depth)
        elif kind == T.R_PAREN:
            depth -= 1
            if casts and casts[-1] > depth:
                casts.pop()
        elif kind == T.ALIAS and casts and casts[-1] == depth:
            casts.pop()
            i = skip_type(tokens, i + 1, text)
            if i < len(tokens) and tokens[i].token_type != T.R_PAREN:
                raise _error(tokens[i], text, "expected ) after the type")
            continue
        elif kind == T.DCOLON:
            i = skip_type(tokens, i + 1, text)
            continue
        elif kind == T.GT:
            _join_unsigned_shift(tokens, i)
        elif is_word(token):
            _mark_word(tokens, i)
        i += 1
    return tokens


def match_parentheses(tokens: list[Token], text: str) -> list[Token]:
    """Every opener has its closer after this, which the steps that follow rely on."""
    stack: list[Token] = []
    for token in tokens:
        kind = token.token_type
        if kind in OPEN:
            stack.append(token)
            if len(stack) > MAX_NESTING:
                raise NotSupportedError(
                    f"expressions nested more than {MAX_NESTING} levels deep",
                    span=(token.start, token.end + 1),
                )
        elif kind in (T.R_PAREN, T.R_BRACKET) and (not stack or OPEN[stack.pop().token_type] != kind):
            raise _error(token, text)
    if stack:
        line = text.count("\n", 0, stack[-1].start) + 1
        raise ParseError(
            "Syntax error at or near end of input",
            span=(len(text), len(text)),
            hint=f"the '{stack[-1].text}' in line {line} is not closed",
        )
    return tokens


def _error(token: Token, text: str, hint: str | None = None) -> ParseError:
    shown = text[token.start : token.end + 1]
    return ParseError(f"Syntax error at or near '{shown}'", span=(token.start, token.end + 1), hint=hint)


def _join_unsigned_shift(tokens: list[Token], i: int) -> None:
    """`>>>` becomes the one operator of sqlglot's that Spark lacks, a Distance."""
    found = tokens[i : i + 3]
    if [t.token_type for t in found] == [T.GT] * 3 and found[-1].end == found[0].start + 2:
        first, last = found[0], found[-1]
        tokens[i : i + 3] = [
            Token(T.LR_ARROW, ">>>", first.line, last.col, first.start, last.end, last.comments)
        ]


def _mark_word(tokens: list[Token], i: int) -> None:
    token = tokens[i]
    word = upper(token)
    called = i + 1 < len(tokens) and tokens[i + 1].token_type == T.L_PAREN
    dotted = after_dot(tokens, i)
    if (
        word == "UNKNOWN"
        and not called
        and i
        and (upper(tokens[i - 1]) == "IS" or _words_before(tokens, i, "IS", "NOT"))
    ):
        tokens[i] = like(token, T.NULL, "NULL")
        return
    if not called:
        if dotted or word in _NAMES_WITHOUT_CALL:
            _plain(tokens, i, word, dotted)
        return
    if not dotted and not _is_call(tokens, i, word):
        return
    if word in _COMMA_FORMS:
        if _commas(tokens, i + 1, _COMMA_FORMS[word]):
            # Spark reads these forms as calls of another name.
            token = like(token, T.VAR, _FORM_NAMES.get(word, token.text))
    elif word == "TRIM" and _is_trim_form(tokens, i + 1):
        return
    tokens[i] = like(token, T.VAR, PREFIX + token.text)


def _words_before(tokens: Sequence[Token], i: int, *words: str) -> bool:
    return i >= len(words) and all(upper(tokens[i - len(words) + k]) == word for k, word in enumerate(words))


def _plain(tokens: list[Token], i: int, word: str, dotted: bool) -> None:
    """Words that sqlglot would read as a special form become plain names where they are names."""
    following = upper(tokens[i + 1]) if i + 1 < len(tokens) else ""
    previous = upper(tokens[i - 1]) if i else ""
    if not dotted:
        if word == "FIRST" and previous == "NULLS":
            return
        if word == "WINDOW" and _is_window_clause(tokens, i):
            return
        if word in ("ROWS", "RANGE") and (
            following in ("BETWEEN", "UNBOUNDED", "CURRENT") or _is_frame(tokens, i)
        ):
            return
        if (
            word in ("ROWS", "PERCENT")
            and following == ")"
            and i
            and tokens[i - 1].token_type in (T.NUMBER, T.R_PAREN)
        ):
            return
    if tokens[i].token_type not in (T.IDENTIFIER, T.STAR):
        kind = T.IDENTIFIER if word in ("IF", "TRANSFORM", "CONNECT_BY_ROOT", "CURDATE", "ANY") else T.VAR
        tokens[i] = like(tokens[i], kind, tokens[i].text)


def _is_window_clause(tokens: Sequence[Token], i: int) -> bool:
    """Whether WINDOW at `i` is followed by `name AS (`: else it names a column."""
    return i + 3 < len(tokens) and upper(tokens[i + 2]) == "AS" and tokens[i + 3].token_type == T.L_PAREN


def _is_frame(tokens: Sequence[Token], i: int) -> bool:
    """Whether ROWS or RANGE at `i` starts a frame of one bound (`ROWS 2 PRECEDING`)."""
    depth = 0
    for token in tokens[i + 1 : i + 20]:
        depth += {T.L_PAREN: 1, T.R_PAREN: -1}.get(token.token_type, 0)
        if depth < 0:
            return False
        if upper(token) in ("PRECEDING", "FOLLOWING"):
            return True
    return False


def _is_call(tokens: Sequence[Token], i: int, word: str) -> bool:
    """Whether the word at `i`, which stands before `(`, names a function."""
    before = tokens[i - 1] if i else None
    previous = upper(before) if before is not None else ""
    if word in _QUANTIFIERS:
        return word != "ALL" and not (before is not None and before.token_type in _COMPARISONS)
    if word == "EXISTS":
        return not _starts_query(tokens, i + 1)
    if word in NEVER_CALLS:
        return False
    if word in _OPERATOR_WORDS:
        return before is None or not ends_operand(before)
    if word == "FILTER":
        return not (before is not None and before.token_type == T.R_PAREN and upper(tokens[i + 2]) == "WHERE")
    if word == "REPLACE" and before is not None and before.token_type in (T.STAR, T.R_PAREN):
        return not _is_star_clause(tokens, i)
    if word == "GROUP":
        return previous != "WITHIN"
    if word == "OF":
        return previous != "AS"
    if word == "NULLS":
        return previous not in ("INCLUDE", "EXCLUDE")
    if word == "REPEATABLE":
        return not (before is not None and before.token_type == T.R_PAREN)
    return True


def _is_star_clause(tokens: Sequence[Token], i: int) -> bool:
    """Whether REPLACE at `i` belongs to `*` or `* EXCEPT (...)`, not to a product."""
    at = i - 1
    if tokens[at].token_type == T.R_PAREN:
        depth = 1
        while depth and at:
            at -= 1
            depth += {T.R_PAREN: 1, T.L_PAREN: -1}.get(tokens[at].token_type, 0)
        at -= 2
        if at < 0 or upper(tokens[at + 1]) != "EXCEPT":
            return False
    before = tokens[at - 1] if at else None
    return tokens[at].token_type == T.STAR and before is not None and not ends_operand(before)


def _starts_query(tokens: Sequence[Token], i: int) -> bool:
    while i < len(tokens) and tokens[i].token_type == T.L_PAREN:
        i += 1
    return i < len(tokens) and upper(tokens[i]) in _QUERY_STARTS


def _is_trim_form(tokens: Sequence[Token], i: int) -> bool:
    """Whether the arguments are `[BOTH | LEADING | TRAILING] [characters] FROM text`."""
    if any(upper(tokens[j]) == "FROM" for j in level(tokens, i)):
        return True
    first = tokens[i + 1]
    if upper(first) in _TRIM_SIDES and tokens[i + 2].token_type not in (T.R_PAREN, T.COMMA, T.DOT):
        raise ParseError(
            "Syntax error: TRIM with a side needs FROM", span=(first.start, first.end + 1),
            hint=f"write TRIM({upper(first)} FROM text)",
        )  # fmt: skip
    return False


def _commas(tokens: list[Token], i: int, words: tuple[str, ...]) -> bool:
    """Turns the words, which must come in this order, into commas; whether there were any."""
    at = 0
    for j in level(tokens, i):
        word = upper(tokens[j])
        if word in words:
            if at >= len(words) or word != words[at]:
                raise ParseError(
                    f"Syntax error at or near '{tokens[j].text}'", span=(tokens[j].start, tokens[j].end + 1)
                )
            at += 1
            tokens[j] = like(tokens[j], T.COMMA, ",")
    return at > 0
