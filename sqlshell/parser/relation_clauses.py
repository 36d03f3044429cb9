"""PIVOT, UNPIVOT and TABLESAMPLE, which sqlglot reads too narrowly or ties to the wrong relation.

- `r PIVOT (aggregates FOR key IN (values))` takes all of `r`, joins included, as in Spark: it becomes
  `r CROSS JOIN <PIVOT>(struct(aggregates), key, struct(values))`, which the binder knows by the mark.
- `r UNPIVOT [INCLUDE NULLS] (value FOR name IN (columns)) u` likewise:
  `r CROSS JOIN <UNPIVOT>(include, struct(value), name, struct(columns)) u`.
- `(query) TABLESAMPLE (...) t` becomes `(query) t TABLESAMPLE (...)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import NotSupportedError, ParseError
from sqlshell.parser.tokens import (
    CLAUSE_MARK,
    NEVER_CALLS,
    T,
    after_dot,
    close_of,
    ends_operand,
    is_word,
    level,
    like,
    upper,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot.tokenizer_core import Token

_STARTS = {"PIVOT", "UNPIVOT"}


def rewrite_relations(tokens: list[Token], text: str) -> list[Token]:
    """The tokens with PIVOT, UNPIVOT and TABLESAMPLE as described above."""
    words = {upper(t) for t in tokens}
    if words & {"VERSIONS", "TIMESTAMPS", "DIFF"}:
        from sqlshell.parser.history_clauses import rewrite_history

        tokens = rewrite_history(tokens, text)
    if words & {"TABLESAMPLE"}:
        tokens = _samples(tokens, text)
    if not words & _STARTS:
        return tokens
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        if _is_clause(tokens, i):
            _refuse_unclear(tokens, i)
            i = (_pivot if upper(tokens[i]) == "PIVOT" else _unpivot)(tokens, i, out, text)
        else:
            out.append(tokens[i])
            i += 1
    return out


def _is_clause(tokens: Sequence[Token], i: int) -> bool:
    if upper(tokens[i]) not in _STARTS or after_dot(tokens, i) or not i:
        return False
    if not ends_operand(tokens[i - 1]) and not tokens[i - 1].text.startswith(CLAUSE_MARK):
        return False
    following = [upper(t) for t in tokens[i + 1 : i + 3]]
    return following[:1] == ["("] or following in (["INCLUDE", "NULLS"], ["EXCLUDE", "NULLS"])


def _refuse_unclear(tokens: Sequence[Token], i: int) -> None:
    """What stands before a comma or LATERAL VIEW would have to stay out of, or come into, the clause."""
    depth, at = 0, i - 1
    while at >= 0:
        kind = tokens[at].token_type
        depth += {T.R_PAREN: 1, T.L_PAREN: -1}.get(kind, 0)
        if depth < 0 or (depth == 0 and kind == T.FROM):
            return
        if depth == 0 and ((kind == T.COMMA and not _in_values(tokens, at)) or kind == T.VIEW):
            what = "a comma" if kind == T.COMMA else "LATERAL VIEW"
            raise NotSupportedError(
                f"{upper(tokens[i])} after {what} is not supported",
                span=(tokens[i].start, tokens[i].end + 1),
                hint="put what it applies to into a subquery",
            )
        at -= 1


def _in_values(tokens: Sequence[Token], i: int) -> bool:
    """Whether the comma at `i` stands between rows of VALUES."""
    depth = 0
    for at in range(i, -1, -1):
        kind = tokens[at].token_type
        depth += {T.R_PAREN: 1, T.L_PAREN: -1}.get(kind, 0)
        if depth < 0 or (depth == 0 and kind in (T.FROM, T.JOIN, T.ALIAS)):
            return False
        if depth == 0 and kind == T.VALUES:
            return True
    return False


def _find(tokens: Sequence[Token], opener: int, word: str, text: str) -> int:
    """The index of a word directly inside the parenthesis that opens at `opener`."""
    for i in level(tokens, opener):
        if upper(tokens[i]) == word and not after_dot(tokens, i):
            return i
    close = tokens[min(close_of(tokens, opener), len(tokens) - 1)]
    raise ParseError(
        f"Syntax error at or near '{text[close.start : close.end + 1]}'",
        span=(close.start, close.end + 1),
        hint=f"expected {word}",
    )


def _parts(tokens: Sequence[Token], opener: int, text: str) -> tuple[list[list[Token]], int]:
    """What stands before FOR, before IN and inside the list, and the index after the clause."""
    for_ = _find(tokens, opener, "FOR", text)
    in_ = next((i for i in level(tokens, opener) if i > for_ and upper(tokens[i]) == "IN"), None)
    close = close_of(tokens, opener)
    if in_ is None or in_ + 1 >= len(tokens) or tokens[in_ + 1].token_type != T.L_PAREN:
        in_ = _find(tokens, opener, "IN", text) if in_ is None else in_
        raise _error(tokens[in_ + 1], text, "expected a list in parentheses")
    last = close_of(tokens, in_ + 1)
    if last + 1 != close:
        raise _error(tokens[last + 1], text, "expected )")
    parts = [
        list(tokens[opener + 1 : for_]),
        list(tokens[for_ + 1 : in_]),
        list(tokens[in_ + 2 : last]),
    ]
    for part, after in zip(parts, (for_, in_, last), strict=True):
        if not part:
            raise _error(tokens[after], text)
    return parts, close + 1


def _error(token: Token, text: str, hint: str | None = None) -> ParseError:
    shown = text[token.start : token.end + 1]
    return ParseError(f"Syntax error at or near '{shown}'", span=(token.start, token.end + 1), hint=hint)


def _pivot(tokens: Sequence[Token], i: int, out: list[Token], text: str) -> int:
    (aggregates, key, values), end = _parts(tokens, i + 1, text)
    _call(tokens[i], [_struct(tokens[i], aggregates), key, _struct(tokens[i], values)], out)
    return end


def _unpivot(tokens: Sequence[Token], i: int, out: list[Token], text: str) -> int:
    include = upper(tokens[i + 1]) == "INCLUDE"
    opener = i + 1 if tokens[i + 1].token_type == T.L_PAREN else i + 3
    if opener >= len(tokens) or tokens[opener].token_type != T.L_PAREN:
        raise _error(tokens[i], text, "expected (value FOR name IN (columns))")
    (values, name, columns), end = _parts(tokens, opener, text)
    flag = like(tokens[i], T.TRUE if include else T.FALSE, "TRUE" if include else "FALSE")
    _call(tokens[i], [[flag], _struct(tokens[i], values), name, _struct(tokens[i], columns)], out)
    return end


def _struct(at: Token, items: list[Token]) -> list[Token]:
    """The items, which may have aliases, as one argument."""
    return [like(at, T.VAR, "struct"), like(at, T.L_PAREN, "("), *items, like(at, T.R_PAREN, ")")]


def _call(at: Token, args: list[list[Token]], out: list[Token]) -> None:
    out += [like(at, T.CROSS, "CROSS"), like(at, T.JOIN, "JOIN"), like(at, T.VAR, CLAUSE_MARK + upper(at))]
    out.append(like(at, T.L_PAREN, "("))
    for n, arg in enumerate(args):
        if n:
            out.append(like(at, T.COMMA, ","))
        out += arg
    out.append(like(at, T.R_PAREN, ")"))


def _samples(tokens: list[Token], text: str) -> list[Token]:
    """TABLESAMPLE of a parenthesised query goes behind the query's alias."""
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if upper(token) != "TABLESAMPLE" or after_dot(tokens, i) or i + 1 >= len(tokens):
            out.append(token)
            i += 1
            continue
        if tokens[i + 1].token_type != T.L_PAREN:
            raise NotSupportedError(
                f"TABLESAMPLE {upper(tokens[i + 1])} is not supported",
                span=(token.start, tokens[i + 1].end + 1),
                hint="write TABLESAMPLE (10 PERCENT) or TABLESAMPLE (100 ROWS)",
            )
        end = close_of(tokens, i + 1) + 1
        if end + 1 < len(tokens) and upper(tokens[end]) == "REPEATABLE":
            end = close_of(tokens, end + 1) + 1
        last = _alias_end(tokens, end) if _after_query(tokens, i) else end
        out += [*tokens[end:last], *_size(tokens[i : close_of(tokens, i + 1) + 1], text)]
        out += tokens[close_of(tokens, i + 1) + 1 : end]
        i = last
    return out


def _size(clause: list[Token], text: str) -> list[Token]:
    """`TABLESAMPLE ( size )` with an expression before ROWS or PERCENT in parentheses of its own."""
    inner = clause[2:-1]
    words = [upper(t) for t in inner]
    if words[:1] == ["BUCKET"]:
        if "ON" in words:
            raise _error(inner[words.index("ON")], text, "Spark has no TABLESAMPLE by the value of a column")
        return clause
    if len(inner) < 2 or words[-1] not in ("ROWS", "PERCENT"):
        raise _error(clause[-1], text, "expected ROWS or PERCENT")
    if len(inner) == 2:
        return clause
    return [*clause[:2], *_parentheses(inner[:-1]), inner[-1], clause[-1]]


def _parentheses(tokens: list[Token]) -> list[Token]:
    return [like(tokens[0], T.L_PAREN, "("), *tokens, like(tokens[-1], T.R_PAREN, ")")]


def _after_query(tokens: Sequence[Token], i: int) -> bool:
    """Whether the clause at `i` follows a parenthesis that is no call."""
    depth = 0
    for at in range(i - 1, -1, -1):
        depth += {T.R_PAREN: 1, T.L_PAREN: -1}.get(tokens[at].token_type, 0)
        if depth == 0:
            before = tokens[at - 1] if at else None
            called = before is not None and is_word(before) and upper(before) not in NEVER_CALLS
            return tokens[at].token_type == T.L_PAREN and not called
    return False


def _alias_end(tokens: Sequence[Token], i: int) -> int:
    """The index after the alias, with its column list, that may stand at `i`."""
    at = i + 1 if i < len(tokens) and tokens[i].token_type == T.ALIAS else i
    if at >= len(tokens) or tokens[at].token_type not in (T.VAR, T.IDENTIFIER):
        return i
    at += 1
    if at < len(tokens) and tokens[at].token_type == T.L_PAREN:
        return close_of(tokens, at) + 1
    return at
