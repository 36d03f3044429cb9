"""Third step of the token pass: what Spark lets people leave out is put in.

- `INTERVAL 1 DAY 2 HOURS` becomes `INTERVAL '1 DAY 2 HOURS'`.
- `VALUES ...` and `TABLE t` where a query is expected become `SELECT * FROM ...`.
- AS in `struct(a b)` and `LATERAL VIEW explode(x) t c`.
- ON TRUE for a join without a condition, which is what it means in Spark; sqlglot would look ahead for a
  condition over all the joins that follow, in time exponential in their number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.parser.tokens import (
    OPEN,
    PREFIX,
    SET_OPERATIONS,
    T,
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

_CONSTRUCTORS = {"LIST", "ARRAY"}
_UNITS = {"YEAR", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND"}
_JOIN_WORDS = {T.LEFT, T.RIGHT, T.FULL, T.INNER, T.OUTER, T.CROSS, T.NATURAL, T.SEMI, T.ANTI}
_JOIN_ENDS = {
    T.JOIN, *_JOIN_WORDS, T.COMMA, T.WHERE, T.GROUP_BY, T.HAVING, T.QUALIFY, T.WINDOW, T.ORDER_BY,
    T.SORT_BY, T.CLUSTER_BY, T.DISTRIBUTE_BY, T.LIMIT, T.OFFSET, T.UNION, T.EXCEPT, T.INTERSECT, T.SELECT,
}  # fmt: skip


def complete(tokens: list[Token]) -> list[Token]:
    """`VALUES ...` and `TABLE t` where a query is expected become `SELECT * FROM ...`; an AS that may be left
    out is put in: `struct(a b)`, `LATERAL VIEW explode(x) t c`."""
    out: list[Token] = []
    implied = _implied_as(tokens)
    done = 0
    for i, token in enumerate(tokens):
        if i < done:
            continue
        if i in implied:
            out.append(like(token, T.ALIAS, "AS"))
        if token.token_type in (T.VALUES, T.TABLE) and i + 1 < len(tokens) and _in_query_position(tokens, i):
            out += [like(token, T.SELECT, "SELECT"), like(token, T.STAR, "*"), like(token, T.FROM, "FROM")]
            if token.token_type == T.TABLE:
                continue
        if _is_extract_field(tokens, i):
            # as a call it keeps its spelling and its position; `normalise` makes it Var again
            out.append(like(token, T.VAR, PREFIX + token.text))
            out += [like(token, T.L_PAREN, "("), like(token, T.R_PAREN, ")")]
            continue
        if upper(token) in _CONSTRUCTORS and i + 1 < len(tokens) and tokens[i + 1].token_type == T.L_BRACKET:
            token = like(token, T.VAR, PREFIX + token.text)  # noqa: PLW2901 (sqlglot reads `list[0]` as a list)
        if token.token_type == T.INTERVAL:
            done = _interval(tokens, i, out)
            continue
        if token.token_type == T.VALUES:
            done = _values(tokens, i, out)
            continue
        out.append(token)
    return _complete_joins(out)


def _interval(tokens: Sequence[Token], i: int, out: list[Token]) -> int:
    """Several amounts as one text; in parentheses before `+ 1`, which sqlglot takes for one more amount."""
    amounts, end = _amounts(tokens, i + 1)
    read = [tokens[i], *tokens[i + 1 : end]]
    if len(amounts) > 1:
        read = [tokens[i], like(tokens[i + 1], T.STRING, " ".join(amounts))]
    elif amounts and end + 1 < len(tokens) and upper(tokens[end]) == "TO":
        read += tokens[end : end + 2]
        end += 2
    if not amounts:
        out.append(tokens[i])
        return i + 1
    following = [t.token_type for t in tokens[end : end + 2]]
    if len(following) == 2 and following[0] == T.PLUS and following[1] in (T.NUMBER, T.STRING):
        read = [like(tokens[i], T.L_PAREN, "("), *read, like(tokens[end - 1], T.R_PAREN, ")")]
    out += read
    return end


def _values(tokens: Sequence[Token], i: int, out: list[Token]) -> int:
    """`VALUES 1, 2 AS v`: the last bare row goes into parentheses, or sqlglot gives the name to it."""
    out.append(tokens[i])
    depth = 0
    start = i + 1
    for at in range(i + 1, len(tokens)):
        kind = tokens[at].token_type
        depth += (kind in OPEN) - (kind in (T.R_PAREN, T.R_BRACKET))
        if depth < 0:
            break
        if depth == 0 and kind == T.COMMA:
            start = at + 1
        if depth == 0 and (
            kind == T.ALIAS or (_is_plain_word(tokens[at]) and at > start and ends_operand(tokens[at - 1]))
        ):
            if tokens[start].token_type == T.L_PAREN or at == start:
                break
            out += tokens[i + 1 : start]
            row = tokens[start:at]
            out += [like(row[0], T.L_PAREN, "("), *row, like(row[-1], T.R_PAREN, ")")]
            return at
        if depth == 0 and kind in _JOIN_ENDS and kind != T.COMMA:
            break
    return i + 1


def _amounts(tokens: Sequence[Token], i: int) -> tuple[list[str], int]:
    """The `1 DAY 2 HOURS` that starts at `i`, and where it ends."""
    found: list[str] = []
    while True:
        sign = tokens[i].text if i < len(tokens) and tokens[i].token_type in (T.DASH, T.PLUS) else ""
        at = i + bool(sign)
        if at + 1 >= len(tokens) or tokens[at].token_type not in (T.NUMBER, T.STRING):
            return found, i
        unit = tokens[at + 1]
        if not is_word(unit) or upper(unit).removesuffix("S") not in _UNITS:
            return found, i
        found.append(f"{sign}{tokens[at].text} {unit.text}")
        i = at + 2


def _is_extract_field(tokens: Sequence[Token], i: int) -> bool:
    """Whether the token is the field of `EXTRACT(field FROM value)`."""
    if i < 2 or upper(tokens[i - 2]) != "EXTRACT" or tokens[i - 1].token_type != T.L_PAREN:
        return False
    return is_word(tokens[i]) and tokens[i + 1].token_type == T.FROM


def _in_query_position(tokens: Sequence[Token], i: int) -> bool:
    if tokens[i + 1].token_type in (T.R_PAREN, T.COMMA, T.DOT, T.EQ):
        return False
    before = i - 1
    if before >= 1 and tokens[before].token_type in (T.ALL, T.DISTINCT):
        before -= 1
        return tokens[before].token_type in SET_OPERATIONS
    if before < 0 or tokens[before].token_type in SET_OPERATIONS:
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


def _complete_joins(tokens: list[Token]) -> list[Token]:
    """ON TRUE after each join that has no condition."""
    ends: set[int] = set()
    for i, token in enumerate(tokens):
        if token.token_type == T.JOIN and not _unconditional(tokens, i):
            end = _join_end(tokens, i + 1)
            if end is not None:
                ends.add(end)
    if not ends:
        return tokens
    out: list[Token] = []
    for i in range(len(tokens) + 1):
        if i in ends:
            out += [like(tokens[i - 1], T.ON, "ON"), like(tokens[i - 1], T.TRUE, "TRUE")]
        if i < len(tokens):
            out.append(tokens[i])
    return out


def _unconditional(tokens: Sequence[Token], i: int) -> bool:
    """Whether the words before JOIN include CROSS or NATURAL."""
    at = i - 1
    while at >= 0 and tokens[at].token_type in _JOIN_WORDS:
        if tokens[at].token_type in (T.CROSS, T.NATURAL):
            return True
        at -= 1
    return False


def _join_end(tokens: Sequence[Token], i: int) -> int | None:
    """Where the right side that starts at `i` ends, or None where a condition follows it."""
    depth = 0
    in_rows = i < len(tokens) and tokens[i].token_type == T.VALUES
    for at in range(i, len(tokens)):
        kind = tokens[at].token_type
        if depth == 0 and at > i:
            if kind == T.COMMA and in_rows:
                continue
            if kind == T.ALIAS or (_is_plain_word(tokens[at]) and ends_operand(tokens[at - 1])):
                in_rows = False  # the relation's name: a comma behind it is a cross join
            if kind in (T.ON, T.USING):
                return None
            if kind in _JOIN_ENDS or (
                kind == T.LATERAL and at + 1 < len(tokens) and tokens[at + 1].token_type == T.VIEW
            ):
                return at
        if kind in OPEN:
            depth += 1
        elif kind in (T.R_PAREN, T.R_BRACKET):
            depth -= 1
            if depth < 0:
                return at
    return len(tokens)


def _implied_as(tokens: Sequence[Token]) -> set[int]:
    found: set[int] = set()
    for i, token in enumerate(tokens):
        if token.text.lower() == PREFIX + "struct":
            found |= {j for j in level(tokens, i + 1) if _is_bare_alias(tokens, j)}
        elif token.token_type == T.VIEW and i and tokens[i - 1].token_type == T.LATERAL:
            opener = next((j for j in range(i, len(tokens)) if tokens[j].token_type == T.L_PAREN), None)
            if opener is None:
                continue
            at = close_of(tokens, opener) + 2
            if at < len(tokens) and _is_plain_word(tokens[at]) and _is_plain_word(tokens[at - 1]):
                found.add(at)
    return found


def _is_plain_word(token: Token) -> bool:
    return token.token_type in (T.VAR, T.IDENTIFIER)


def _is_bare_alias(tokens: Sequence[Token], i: int) -> bool:
    ends = tokens[i + 1].token_type in (T.COMMA, T.R_PAREN)
    before = tokens[i - 1]
    return ends and _is_plain_word(tokens[i]) and before.token_type != T.ALIAS and ends_operand(before)
