"""Pipe syntax: `FROM t |> WHERE a |> SELECT b` becomes a FROM whose joins are the operators.

Each operator works on everything to its left, as a join does, so `base |> OP rest` is read as
`SELECT * FROM base CROSS JOIN <PIPE_OP>((SELECT ... FROM <IN> ...))`. The binder knows both names by their mark: the
first by what to do, the second as the relation so far. JOIN operators stay joins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import NotSupportedError, ParseError
from sqlshell.parser.tokens import CLAUSE_MARK, OPEN, PIPED_INPUT, T, close_of, like, upper

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlglot.tokenizer_core import Token, TokenType

_JOINS = {"JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL", "SEMI", "ANTI"}
_SETS = {"UNION", "EXCEPT", "MINUS", "INTERSECT"}
_ORDERS = {T.ORDER_BY, T.SORT_BY, T.CLUSTER_BY, T.DISTRIBUTE_BY, T.LIMIT, T.OFFSET}
_FORBIDDEN = {T.FROM, T.WHERE, T.GROUP_BY, T.HAVING, T.QUALIFY}


def rewrite_pipes(tokens: list[Token], text: str) -> list[Token]:
    """The tokens without `|>`."""
    if not any(_is_pipe(tokens, i) for i in range(len(tokens))):
        return tokens
    return _Rewriter(text).level(tokens)


def _is_pipe(tokens: Sequence[Token], i: int) -> bool:
    if tokens[i].token_type != T.PIPE or i + 1 >= len(tokens):
        return False
    return tokens[i + 1].token_type == T.GT and tokens[i + 1].start == tokens[i].end + 1


class _Rewriter:
    def __init__(self, text: str) -> None:
        self.text = text

    def level(self, tokens: Sequence[Token]) -> list[Token]:
        """What stands between two parentheses, with those inside it done first."""
        segments: list[list[Token]] = [[]]
        pipes: list[Token] = []
        i = 0
        while i < len(tokens):
            if tokens[i].token_type == T.L_PAREN:
                close = close_of(tokens, i)
                segments[-1] += [tokens[i], *self.level(tokens[i + 1 : close])]
                i = close
                if i < len(tokens):
                    segments[-1].append(tokens[i])
            elif _is_pipe(tokens, i):
                pipes.append(tokens[i])
                segments.append([])
                i += 1
            else:
                segments[-1].append(tokens[i])
            i += 1
        if not pipes:
            return segments[0]
        if not segments[0]:
            raise self.error(pipes[0], "a query comes before |>")
        out = self.base(segments[0], pipes[0])
        for pipe, segment in zip(pipes, segments[1:], strict=True):
            if not segment:
                raise self.error(pipe, "an operator comes after |>")
            self.operator(segment, out)
        return out

    def error(self, token: Token, hint: str | None = None) -> ParseError:
        shown = self.text[token.start : token.end + 1]
        return ParseError(f"Syntax error at or near '{shown}'", span=(token.start, token.end + 1), hint=hint)

    def base(self, tokens: list[Token], pipe: Token) -> list[Token]:
        """WITH and the query before the first operator, as the start of a FROM."""
        start = 0
        if upper(tokens[0]) == "WITH":
            start = _with_end(tokens)
        head, rest = tokens[:start], tokens[start:]
        if not rest:
            raise self.error(pipe, "a query comes before |>")
        kinds = {t.token_type for t in _outside(rest)}
        if kinds & _ORDERS:
            raise self.error(pipe, "put ORDER BY and LIMIT behind |>, or the query into parentheses")
        at = rest[0]
        word = upper(at)
        if word == "TABLE" or (word == "FROM" and not kinds & {T.SELECT, T.VIEW}):
            relation = rest[1:]
        elif word == "FROM" and T.SELECT not in kinds:
            relation = _parentheses([like(at, T.SELECT, "SELECT"), like(at, T.STAR, "*"), *rest])
        else:
            relation = _parentheses(rest)
        return [
            *head,
            like(at, T.SELECT, "SELECT"),
            like(at, T.STAR, "*"),
            like(at, T.FROM, "FROM"),
            *relation,
        ]

    def operator(self, tokens: list[Token], out: list[Token]) -> None:
        """Appends one operator; an ORDER BY or LIMIT after it is one of its own."""
        word = upper(tokens[0])
        cut = next((i for i, t in _numbered(tokens) if i and t.token_type in _ORDERS), None)
        if cut is not None and tokens[0].token_type not in _ORDERS and word not in _SETS:
            self.operator(tokens[:cut], out)
            self.operator(tokens[cut:], out)
            return
        at, rest = tokens[0], tokens[1:]
        source = [like(at, T.FROM, "FROM"), like(at, T.VAR, PIPED_INPUT)]
        star = [like(at, T.SELECT, "SELECT"), like(at, T.STAR, "*")]
        if word in _JOINS:
            out += tokens
        elif word == "WHERE":
            self.refuse(rest, _FORBIDDEN)
            self.call(at, "WHERE", [*star, *source, *tokens], out)
        elif at.token_type in _ORDERS:
            self.call(at, "ORDER", [*star, *source, *tokens], out)
        elif word in ("TABLESAMPLE", "PIVOT", "UNPIVOT") or word in _SETS:
            self.call(at, "SELECT", [*star, *source, *tokens], out)
        elif word in ("SELECT", "EXTEND"):
            self.refuse(rest, _FORBIDDEN)
            window = next((i for i, t in _numbered(rest) if t.token_type == T.WINDOW), len(rest))
            items = rest[:window] if word == "SELECT" else [like(at, T.COMMA, ","), *rest[:window]]
            first = star[:1] if word == "SELECT" else star
            self.call(at, word, [*first, *items, *source, *rest[window:]], out)
        elif word == "SET":
            for assignment in _split(rest):
                self.assignment(at, assignment, [*star], source, out)
        elif word == "DROP":
            inner = _parentheses(rest) if rest else []
            self.call(at, "SELECT", [*star, like(at, T.EXCEPT, "EXCEPT"), *inner, *source], out)
        elif word == "AS":
            if len(rest) != 1:
                raise self.error(rest[1] if rest else at, "expected an alias")
            self.call(at, "AS", [], out)
            out += rest
        elif word == "AGGREGATE":
            self.aggregate(at, rest, source, out)
        else:
            raise self.error(at, "operators: SELECT, EXTEND, SET, DROP, AS, WHERE, AGGREGATE, JOIN, ORDER BY, "
                                 "LIMIT, UNION ..., TABLESAMPLE, PIVOT, UNPIVOT")  # fmt: skip

    def refuse(self, tokens: Sequence[Token], kinds: set[TokenType]) -> None:
        for i, token in _numbered(tokens):
            distinct_from = token.token_type == T.FROM and i and tokens[i - 1].token_type == T.DISTINCT
            if token.token_type in kinds and not distinct_from:
                raise self.error(token, "that is an operator of its own: write |> before it")

    def assignment(
        self, at: Token, tokens: list[Token], star: list[Token], source: list[Token], out: list[Token]
    ) -> None:
        if len(tokens) < 3 or tokens[1].token_type != T.EQ:
            raise self.error(tokens[1] if len(tokens) > 1 else at, "write SET column = value")
        replaced = _parentheses([*tokens[2:], like(at, T.ALIAS, "AS"), tokens[0]])
        self.call(at, "SELECT", [*star, like(at, T.REPLACE, "REPLACE"), *replaced, *source], out)

    def aggregate(self, at: Token, rest: list[Token], source: list[Token], out: list[Token]) -> None:
        self.refuse(rest, _FORBIDDEN - {T.GROUP_BY})
        cut = next((i for i, t in _numbered(rest) if t.token_type == T.GROUP_BY), len(rest))
        keys = _split(rest[cut + 1 :]) if cut < len(rest) else []
        for key in keys:
            if len(key) == 1 and key[0].token_type == T.NUMBER:
                raise NotSupportedError(
                    "positions in GROUP BY of |> AGGREGATE are not supported",
                    span=(key[0].start, key[0].end + 1),
                    hint="name the column",
                )
        items = [*keys, *_split(rest[:cut])]
        if not items:
            raise self.error(at, "expected aggregate functions")
        select = [like(at, T.SELECT, "SELECT"), *_joined(items, at), *source]
        if keys:
            select += [rest[cut], *_joined([_without_alias(k) for k in keys], at)]
        self.call(at, "AGGREGATE", select, out, [like(at, T.NUMBER, str(len(keys)))])

    def call(
        self, at: Token, name: str, select: list[Token], out: list[Token], more: Iterable[Token] = ()
    ) -> None:
        out += [like(at, T.CROSS, "CROSS"), like(at, T.JOIN, "JOIN")]
        out += [like(at, T.VAR, f"{CLAUSE_MARK}PIPE_{name}"), like(at, T.L_PAREN, "(")]
        if select:
            out += _parentheses(select)
        for token in more:
            out += [like(at, T.COMMA, ","), token]
        out.append(like(at, T.R_PAREN, ")"))


def _parentheses(tokens: Sequence[Token]) -> list[Token]:
    return [like(tokens[0], T.L_PAREN, "("), *tokens, like(tokens[-1], T.R_PAREN, ")")]


def _numbered(tokens: Sequence[Token]) -> list[tuple[int, Token]]:
    """The tokens outside parentheses, with their indexes."""
    depth, found = 0, []
    for i, token in enumerate(tokens):
        if token.token_type in OPEN:
            depth += 1
        elif token.token_type in (T.R_PAREN, T.R_BRACKET):
            depth -= 1
        elif depth == 0:
            found.append((i, token))
    return found


def _outside(tokens: Sequence[Token]) -> list[Token]:
    return [t for _, t in _numbered(tokens)]


def _split(tokens: list[Token]) -> list[list[Token]]:
    """The parts between the commas outside parentheses."""
    cuts = [i for i, t in _numbered(tokens) if t.token_type == T.COMMA]
    parts = [tokens[a + 1 : b] for a, b in zip([-1, *cuts], [*cuts, len(tokens)], strict=True)]
    return [p for p in parts if p] if len(parts) == 1 else parts


def _joined(parts: Sequence[Sequence[Token]], at: Token) -> list[Token]:
    out: list[Token] = []
    for i, part in enumerate(parts):
        if i:
            out.append(like(at, T.COMMA, ","))
        out += part
    return out


def _without_alias(tokens: list[Token]) -> list[Token]:
    if len(tokens) > 2 and tokens[-2].token_type == T.ALIAS:
        return tokens[:-2]
    return tokens


def _with_end(tokens: Sequence[Token]) -> int:
    """The index after the list of WITH."""
    i = 1
    while i < len(tokens):
        while i < len(tokens) and not (
            tokens[i].token_type == T.ALIAS and tokens[i + 1].token_type == T.L_PAREN
        ):
            i += 1
        if i >= len(tokens):
            return i
        i = close_of(tokens, i + 1) + 1
        if i >= len(tokens) or tokens[i].token_type != T.COMMA:
            return i
        i += 1
    return i
