"""The token pass: what sqlglot's parser would misread is rewritten before it parses.

- A name before `(` gets PREFIX, so that sqlglot builds `Anonymous` and never normalises a function; the parser
  strips it from the tree. Syntax that merely looks like a call (CAST, EXTRACT, `IN (`, `EXISTS (SELECT` ...) stays.
- `1L`, `1.5BD` ... arrive as three tokens (`1 :: BIGINT`); they become one number token that keeps its suffix.
- Adjacent strings become one; raw strings become strings; `''` inside quotes is one quote.
- `DATE '...'`, `TIMESTAMP '...'` get LITERAL_MARK in the string, so that the tree can tell them from a cast.
- `t@v3` becomes `t VERSION AS OF 3`, `t@20240131120000000` becomes `t TIMESTAMP AS OF '2024-01-31 12:00:00.000'`.
- `substring(s FROM a FOR b)`, `position(a IN s)`, `overlay(s PLACING r FROM p FOR n)` become plain calls.
- `<=>` becomes an operator Spark does not have (OVERLAPS), since sqlglot puts parentheses of its own around the
  right side of `<=>`; `normalise` makes it NullSafeEQ.
- CURRENT_DATE and its kin without parentheses, IF, ANY, TRANSFORM as names: plain words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot.errors import TokenError
from sqlglot.tokens import Token, TokenType

from sqlshell.errors import NotSupportedError, ParseError
from sqlshell.parser.dialect import DIALECT
from sqlshell.parser.type_tokens import skip_type

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = "\x01"
LITERAL_MARK = "\x02"
MAX_NESTING = 200
"""Deeper parentheses would overflow the stack of the recursive-descent parser behind us."""

T = TokenType
_STRINGS = {T.STRING, T.RAW_STRING}
_FOREIGN_LITERALS = {T.NATIONAL_STRING, T.BYTE_STRING, T.BIT_STRING, T.UNICODE_STRING, T.HEREDOC_STRING}
_OPEN = {T.L_PAREN: T.R_PAREN, T.L_BRACKET: T.R_BRACKET}
_OPERATOR_WORDS = {"LIKE", "ILIKE", "RLIKE", "REGEXP", "DIV", "BETWEEN", "AND", "OR", "IN", "IS", "ESCAPE", "NOT"}
_QUANTIFIERS = {"ANY", "SOME", "ALL"}
_COMPARISONS = {T.EQ, T.NEQ, T.LT, T.LTE, T.GT, T.GTE, T.OVERLAPS, T.LIKE, T.ILIKE, T.RLIKE}
_NEVER_CALLS = {
    "SELECT", "DISTINCT", "ALL", "FROM", "WHERE", "HAVING", "QUALIFY", "ON", "USING", "CASE", "WHEN", "THEN", "ELSE",
    "END", "AS", "OVER", "JOIN", "UNION", "EXCEPT", "MINUS", "SETMINUS", "INTERSECT", "VALUES", "LATERAL", "TABLE",
    "WITH", "GROUP BY", "ORDER BY", "PARTITION BY", "SORT BY", "CLUSTER BY", "DISTRIBUTE BY", "GROUPING SETS",
    "ROLLUP", "CUBE", "LIMIT", "OFFSET", "INTERVAL", "TABLESAMPLE", "PIVOT", "UNPIVOT", "RECURSIVE",
    "CAST", "TRY_CAST", "EXTRACT", "NULL", "TRUE", "FALSE", "FOR", "NOT", "IN", "IS", "AND", "OR", "BETWEEN", "ESCAPE",
    "ASC", "DESC", "INNER", "CROSS", "NATURAL", "OUTER",
}  # fmt: skip
_NAMES_WITHOUT_CALL = {
    "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "SESSION_USER", "CONNECT_BY_ROOT", "CURDATE",
    "TRANSFORM", "IF", "FIRST", "REPLACE", "FILTER", "PERCENT", "ROWS", "RANGE",
}  # fmt: skip
_SET_OPERATIONS = {T.UNION, T.INTERSECT, T.EXCEPT}
_TYPED_LITERALS = {"DATE", "TIME", "TIMESTAMP", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ"}
_TYPES = {
    T.ARRAY, T.BINARY, T.BIGINT, T.BOOLEAN, T.TINYINT, T.CHAR, T.DECIMAL, T.DOUBLE, T.FLOAT, T.INT, T.MAP, T.SMALLINT,
    T.TEXT, T.STRUCT, T.VARCHAR, T.VARIANT, T.VOID,
}  # fmt: skip
_COMMA_FORMS = {
    "SUBSTRING": ("FROM", "FOR"),
    "SUBSTR": ("FROM", "FOR"),
    "POSITION": ("IN",),
    "OVERLAY": ("PLACING", "FROM", "FOR"),
}
_TRIM_SIDES = {"BOTH", "LEADING", "TRAILING"}
_QUERY_STARTS = {"SELECT", "WITH", "FROM", "VALUES", "TABLE"}
_TIMESTAMP_TAG = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)(\d{3})?)?")


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
        raise ParseError(f"Syntax error: the {kind} that starts here does not end", span=(start, len(text))) from None


def rewrite(tokens: Sequence[Token], text: str) -> list[Token]:
    """Tokens of a query that sqlglot's parser reads as Spark would (see the module docstring)."""
    return _complete(_mark_calls(_join_literals(tokens, text), text))


def upper(token: Token) -> str:
    """The token's word in capitals; empty for strings and quoted names."""
    return "" if token.token_type in _STRINGS or token.token_type == T.IDENTIFIER else token.text.upper()


def _like(token: Token, kind: TokenType, text: str) -> Token:
    return Token(kind, text, token.line, token.col, token.start, token.end, token.comments)


def _join_literals(tokens: Sequence[Token], text: str) -> list[Token]:
    out: list[Token] = []
    i, n = 0, len(tokens)
    while i < n:
        token = tokens[i]
        kind = token.token_type
        if kind == T.NUMBER and i + 2 < n and tokens[i + 1].start == token.start:
            out.append(Token(T.NUMBER, text[token.start : tokens[i + 2].end + 1], token.line, tokens[i + 2].col,
                             token.start, tokens[i + 2].end, tokens[i + 2].comments))  # fmt: skip
            i += 3
            continue
        if kind in _STRINGS:
            i = _join_strings(tokens, i, text, out)
            continue
        if kind == T.HEX_STRING and text[token.start] == "0":
            token = _like(token, T.VAR, text[token.start : token.end + 1])
        if kind == T.NULLSAFE_EQ:
            token = _like(token, T.OVERLAPS, "<=>")
        if kind == T.PARAMETER and token.text == "@" and i + 1 < n and out:
            out.extend(_version(tokens[i + 1], text))
            i += 2
            continue
        if kind in _FOREIGN_LITERALS:
            raise ParseError("Syntax error: Spark has no such literal", span=(token.start, token.end + 1))
        if kind in (T.L_BRACE, T.R_BRACE, T.BACKSLASH, T.HASH) or kind == T.PARAMETER:
            raise ParseError(f"Syntax error at or near '{token.text}'", span=(token.start, token.end + 1))
        out.append(token)
        i += 1
    return out


def _join_strings(tokens: Sequence[Token], i: int, text: str, out: list[Token]) -> int:
    first = last = tokens[i]
    if text[first.start] == "$":
        raise ParseError("Syntax error: $$ ... $$ is for function bodies only", span=(first.start, first.end + 1))
    parts = [first.text]
    i += 1
    while i < len(tokens) and tokens[i].token_type in _STRINGS:
        token = tokens[i]
        quote = text[token.start]
        if token.start == last.end + 1 and quote == text[last.end] and quote in "'\"":
            parts.append(quote)
        parts.append(token.text)
        last = token
        i += 1
    value = "".join(parts)
    before = out[-1] if out else None
    if before is not None and upper(before) in _TYPED_LITERALS and not _after_dot(out, len(out) - 1):
        value = LITERAL_MARK + value
    elif before is not None and before.token_type in _TYPES and not _after_dot(out, len(out) - 1):
        raise ParseError(
            f'Literals of the type "{before.text.upper()}" are not supported', condition="UNSUPPORTED_TYPED_LITERAL",
            span=(before.start, last.end + 1), hint="use CAST",
        )  # fmt: skip
    out.append(Token(T.STRING, value, first.line, last.col, first.start, last.end, last.comments))
    return i


def _after_dot(tokens: Sequence[Token], i: int) -> bool:
    return i > 0 and tokens[i - 1].token_type == T.DOT


def _version(tag: Token, text: str) -> list[Token]:
    """Tokens of `VERSION AS OF n` or `TIMESTAMP AS OF '...'` for the tag after `@`."""
    word = text[tag.start : tag.end + 1]
    if re.fullmatch(r"[vV]\d+", word):
        return [_like(tag, T.VAR, "VERSION"), _like(tag, T.ALIAS, "AS"), _like(tag, T.VAR, "OF"),
                _like(tag, T.NUMBER, word[1:])]  # fmt: skip
    match = _TIMESTAMP_TAG.fullmatch(word)
    if match is None:
        raise ParseError(
            f"Syntax error at or near '@{word}'",
            span=(tag.start - 1, tag.end + 1),
            hint="write t@v3 for a version or t@yyyyMMddHHmmssSSS for a time",
        )
    year, month, day, hour, minute, second, millis = match.groups(default="0")
    stamp = f"{year}-{month}-{day} {hour:0>2}:{minute:0>2}:{second:0>2}.{millis:0>3}"
    return [_like(tag, T.TIMESTAMP, "TIMESTAMP"), _like(tag, T.ALIAS, "AS"), _like(tag, T.VAR, "OF"),
            _like(tag, T.STRING, stamp)]  # fmt: skip


def _complete(tokens: list[Token]) -> list[Token]:
    """`VALUES ...` and `TABLE t` where a query is expected become `SELECT * FROM ...`; an AS that may be left
    out is put in: `struct(a b)`, `LATERAL VIEW explode(x) t c`."""
    out: list[Token] = []
    implied = _implied_as(tokens)
    for i, token in enumerate(tokens):
        if i in implied:
            out.append(_like(token, T.ALIAS, "AS"))
        if token.token_type in (T.VALUES, T.TABLE) and i + 1 < len(tokens) and _in_query_position(tokens, i):
            out += [_like(token, T.SELECT, "SELECT"), _like(token, T.STAR, "*"), _like(token, T.FROM, "FROM")]
            if token.token_type == T.TABLE:
                continue
        out.append(token)
    return out


def _implied_as(tokens: Sequence[Token]) -> set[int]:
    found: set[int] = set()
    for i, token in enumerate(tokens):
        if token.text.lower() == PREFIX + "struct":
            found |= {j for j in _level(tokens, i + 1) if _is_bare_alias(tokens, j)}
        elif token.token_type == T.VIEW and i and tokens[i - 1].token_type == T.LATERAL:
            opener = next((j for j in range(i, len(tokens)) if tokens[j].token_type == T.L_PAREN), None)
            if opener is None:
                continue
            at = _close_of(tokens, opener) + 2
            if at < len(tokens) and _is_plain_word(tokens[at]) and _is_plain_word(tokens[at - 1]):
                found.add(at)
    return found


def _is_plain_word(token: Token) -> bool:
    return token.token_type in (T.VAR, T.IDENTIFIER)


def _is_bare_alias(tokens: Sequence[Token], i: int) -> bool:
    ends = tokens[i + 1].token_type in (T.COMMA, T.R_PAREN)
    before = tokens[i - 1]
    return ends and _is_plain_word(tokens[i]) and before.token_type != T.ALIAS and _ends_operand(before)


def _close_of(tokens: Sequence[Token], opener: int) -> int:
    depth = 0
    for i in range(opener, len(tokens)):
        depth += {T.L_PAREN: 1, T.R_PAREN: -1}.get(tokens[i].token_type, 0)
        if depth == 0:
            return i
    return len(tokens)


def _in_query_position(tokens: Sequence[Token], i: int) -> bool:
    if tokens[i + 1].token_type in (T.R_PAREN, T.COMMA, T.DOT, T.EQ):
        return False
    before = i - 1
    if before >= 1 and tokens[before].token_type in (T.ALL, T.DISTINCT):
        before -= 1
        return tokens[before].token_type in _SET_OPERATIONS
    if before < 0 or tokens[before].token_type in _SET_OPERATIONS:
        return True
    if tokens[before].token_type == T.R_PAREN:
        return _closes_cte(tokens, before)
    if tokens[before].token_type != T.L_PAREN:
        return False
    return before == 0 or not tokens[before - 1].text.startswith(PREFIX)


def _closes_cte(tokens: Sequence[Token], i: int) -> bool:
    """Whether the parenthesis closed at `i` is the body of a common table expression (`AS (...)`)."""
    depth = 0
    for at in range(i, -1, -1):
        depth += {T.R_PAREN: 1, T.L_PAREN: -1}.get(tokens[at].token_type, 0)
        if depth == 0:
            return at > 0 and tokens[at - 1].token_type == T.ALIAS
    return False


def _mark_calls(tokens: list[Token], text: str) -> list[Token]:
    stack: list[Token] = []  # openers; those of CAST end calls after their AS
    type_depth: list[int] = []
    i, n = 0, len(tokens)
    while i < n:
        token = tokens[i]
        kind = token.token_type
        if kind in _OPEN:
            stack.append(token)
            if len(stack) > MAX_NESTING:
                raise NotSupportedError(
                    f"expressions nested more than {MAX_NESTING} levels deep", span=(token.start, token.end + 1)
                )
            if kind == T.L_PAREN and i and upper(tokens[i - 1]) in ("CAST", "TRY_CAST"):
                type_depth.append(len(stack))
        elif kind in (T.R_PAREN, T.R_BRACKET):
            if not stack or _OPEN[stack.pop().token_type] != kind:
                raise ParseError(f"Syntax error at or near '{token.text}'", span=(token.start, token.end + 1))
            if type_depth and type_depth[-1] > len(stack):
                type_depth.pop()
        elif kind == T.ALIAS and type_depth and type_depth[-1] == len(stack):
            i = skip_type(tokens, i + 1, text)
            if i < n and tokens[i].token_type != T.R_PAREN:
                raise ParseError(
                    f"Syntax error at or near '{text[tokens[i].start : tokens[i].end + 1]}'",
                    span=(tokens[i].start, tokens[i].end + 1), hint="expected ) after the type",
                )  # fmt: skip
            continue
        elif kind == T.DCOLON:
            i = skip_type(tokens, i + 1, text)
            continue
        elif kind in (T.PIPE, T.GT):
            _refuse_operators(tokens, i)
        elif _is_word(token):
            _mark_word(tokens, i)
        i += 1
    if stack:
        raise ParseError("Syntax error at or near end of input", span=(len(text), len(text)), hint=_unclosed(stack[-1], text))
    return tokens


def _refuse_operators(tokens: Sequence[Token], i: int) -> None:
    for shape, advice in ((">>>", "use shiftrightunsigned(value, bits)"), ("|>", "write the query with subqueries")):
        found = tokens[i : i + len(shape)]
        start = tokens[i].start
        if "".join(t.text for t in found) == shape and found[-1].end == start + len(shape) - 1:
            raise NotSupportedError(f"the operator {shape} is not supported", span=(start, start + len(shape)), hint=advice)


def _unclosed(token: Token, text: str) -> str:
    line = text.count("\n", 0, token.start) + 1
    return f"the '{token.text}' in line {line} is not closed"


def _is_word(token: Token) -> bool:
    if token.token_type == T.IDENTIFIER:
        return True
    first = token.text[:1]
    return token.token_type not in _STRINGS and (first.isalpha() or first == "_")


def _mark_word(tokens: list[Token], i: int) -> None:
    token = tokens[i]
    word = upper(token)
    called = i + 1 < len(tokens) and tokens[i + 1].token_type == T.L_PAREN
    after_dot = _after_dot(tokens, i)
    if word == "UNKNOWN" and not called and i and (upper(tokens[i - 1]) == "IS" or _words_before(tokens, i, "IS", "NOT")):
        tokens[i] = _like(token, T.NULL, "NULL")
        return
    if not called:
        if after_dot or word in _NAMES_WITHOUT_CALL:
            _plain(tokens, i, word, after_dot)
        return
    if not after_dot and not _is_call(tokens, i, word):
        return
    if word in _COMMA_FORMS:
        _commas(tokens, i + 1, _COMMA_FORMS[word])
    elif word == "TRIM" and _is_trim_form(tokens, i + 1):
        return
    tokens[i] = _like(token, T.VAR, PREFIX + token.text)


def _words_before(tokens: Sequence[Token], i: int, *words: str) -> bool:
    return i >= len(words) and all(upper(tokens[i - len(words) + k]) == word for k, word in enumerate(words))


def _plain(tokens: list[Token], i: int, word: str, after_dot: bool) -> None:
    """Words that sqlglot would read as a special form become plain names where they are names."""
    following = upper(tokens[i + 1]) if i + 1 < len(tokens) else ""
    previous = upper(tokens[i - 1]) if i else ""
    if not after_dot:
        if word == "FIRST" and previous == "NULLS":
            return
        if word in ("ROWS", "RANGE") and (following in ("BETWEEN", "UNBOUNDED", "CURRENT") or _is_frame(tokens, i)):
            return
        if word in ("ROWS", "PERCENT") and following == ")" and i and tokens[i - 1].token_type == T.NUMBER:
            return
    if tokens[i].token_type not in (T.IDENTIFIER, T.STAR):
        kind = T.IDENTIFIER if word in ("IF", "TRANSFORM", "CONNECT_BY_ROOT", "CURDATE", "ANY") else T.VAR
        tokens[i] = _like(tokens[i], kind, tokens[i].text)


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
    """Whether the word at `i`, which stands before `(`, names a function (or anything to be kept as written)."""
    before = tokens[i - 1] if i else None
    previous = upper(before) if before is not None else ""
    if word in _QUANTIFIERS:
        return word != "ALL" and not (before is not None and before.token_type in _COMPARISONS)
    if word == "EXISTS":
        return not _starts_query(tokens, i + 1)
    if word in _NEVER_CALLS:
        return False
    if word in _OPERATOR_WORDS:
        return before is None or not _ends_operand(before)
    if word == "FILTER":
        return not (before is not None and before.token_type == T.R_PAREN and upper(tokens[i + 2]) == "WHERE")
    if word == "GROUP":
        return previous != "WITHIN"
    if word == "OF":
        return previous != "AS"
    if word == "NULLS":
        return previous not in ("INCLUDE", "EXCLUDE")
    if word == "REPEATABLE":
        return not (before is not None and before.token_type == T.R_PAREN)
    return True


def _starts_query(tokens: Sequence[Token], i: int) -> bool:
    while i < len(tokens) and tokens[i].token_type == T.L_PAREN:
        i += 1
    return i < len(tokens) and upper(tokens[i]) in _QUERY_STARTS


def _ends_operand(token: Token) -> bool:
    kind = token.token_type
    if kind in (T.R_PAREN, T.R_BRACKET, T.NUMBER, T.HEX_STRING, T.IDENTIFIER) or kind in _STRINGS:
        return True
    word = upper(token)
    return _is_word(token) and (word in ("NULL", "TRUE", "FALSE", "END") or word not in _NEVER_CALLS)


def _is_trim_form(tokens: Sequence[Token], i: int) -> bool:
    """Whether the arguments are `[BOTH | LEADING | TRAILING] [characters] FROM text`."""
    if any(upper(tokens[j]) == "FROM" for j in _level(tokens, i)):
        return True
    first = tokens[i + 1]
    if upper(first) in _TRIM_SIDES and tokens[i + 2].token_type not in (T.R_PAREN, T.COMMA, T.DOT):
        raise ParseError(
            "Syntax error: TRIM with a side needs FROM", span=(first.start, first.end + 1),
            hint=f"write TRIM({upper(first)} FROM text)",
        )  # fmt: skip
    return False


def _commas(tokens: list[Token], i: int, words: tuple[str, ...]) -> None:
    """Turns the words, which must come in this order, into commas."""
    at = 0
    for j in _level(tokens, i):
        word = upper(tokens[j])
        if word in words:
            if at >= len(words) or word != words[at]:
                raise ParseError(f"Syntax error at or near '{tokens[j].text}'", span=(tokens[j].start, tokens[j].end + 1))
            at += 1
            tokens[j] = _like(tokens[j], T.COMMA, ",")


def _level(tokens: Sequence[Token], i: int) -> list[int]:
    """Indexes of the tokens directly inside the parenthesis that opens at `i`."""
    depth, found = 0, []
    for j in range(i, len(tokens)):
        kind = tokens[j].token_type
        if kind in _OPEN:
            depth += 1
        elif kind in (T.R_PAREN, T.R_BRACKET):
            depth -= 1
            if depth == 0:
                break
        elif depth == 1:
            found.append(j)
    return found
