"""What sqlglot reads too leniently and the tree no longer shows, checked on the rewritten tokens.

The order of clauses, dangling commas, empty lists, set operations after ORDER BY, and forms that sqlglot
repairs in silence. Each check names the clause and raises Spark's syntax error at the token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import ParseError
from sqlshell.parser.tokens import T
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot.tokenizer_core import Token, TokenType

_RANK = {
    T.FROM: 1, T.WHERE: 2, T.GROUP_BY: 3, T.HAVING: 4, T.QUALIFY: 5, T.WINDOW: 6, T.ORDER_BY: 7,
    T.CLUSTER_BY: 7, T.DISTRIBUTE_BY: 7, T.SORT_BY: 8, T.LIMIT: 9, T.OFFSET: 10,
}  # fmt: skip
_ORDERING = 7
_SET_OPERATIONS = {T.UNION, T.INTERSECT, T.EXCEPT}
_CLOSERS = {T.R_PAREN, T.R_BRACKET, T.COMMA}
_QUERY_STARTS = {T.SELECT, T.WITH, T.FROM, T.VALUES, T.TABLE}
_NOT_AFTER_COMMA = {*_CLOSERS, *_RANK, *_SET_OPERATIONS, T.SELECT}
_PATTERN_LISTS = {T.ANY, T.SOME, T.ALL}
_LITERAL_TYPES = {
    T.DATE,
    T.TIMESTAMP,
    T.TIMESTAMPTZ,
    T.TIMESTAMPLTZ,
    T.TIMESTAMPNTZ,
    T.TIME,
    T.DOUBLE,
    T.FLOAT,
}
_WORDS = {T.VAR, T.IDENTIFIER}


@dataclass
class _Frame:
    """One level of parentheses; `rank` is the last clause of its query so far."""

    query: bool
    rank: int = 0
    last: TokenType | None = None
    selected: bool = False
    from_first: bool = False


def check(tokens: Sequence[Token], text: str) -> None:
    """Raises ParseError where the tokens break Spark's grammar in a way the parser would not notice."""
    _Checker(tokens, text).run()


class _Checker:
    def __init__(self, tokens: Sequence[Token], text: str) -> None:
        self.tokens = tokens
        self.text = text
        self.frames = [_Frame(query=True)]

    def kind(self, i: int) -> TokenType | None:
        return self.tokens[i].token_type if 0 <= i < len(self.tokens) else None

    def error(self, i: int, hint: str | None = None, condition: str | None = None) -> ParseError:
        from sqlshell.parser.parse import syntax_error

        error = syntax_error(self.tokens[i] if i < len(self.tokens) else None, self.text, hint)
        if condition is not None:
            error.condition = condition
        return error

    def run(self) -> None:
        for i, token in enumerate(self.tokens):
            kind = token.token_type
            if kind in (T.L_PAREN, T.L_BRACKET):
                self.frames.append(_Frame(kind == T.L_PAREN and self.starts_query(i + 1)))
            elif kind in (T.R_PAREN, T.R_BRACKET):
                self.frames.pop()
            elif self.frames[-1].query:
                self.clause(i, kind)
            self.local(i, kind)

    def starts_query(self, i: int) -> bool:
        while self.kind(i) == T.L_PAREN:
            i += 1
        return self.kind(i) in _QUERY_STARTS

    def clause(self, i: int, kind: TokenType) -> None:
        frame = self.frames[-1]
        if kind in _SET_OPERATIONS and not self.star_except(i):
            if frame.rank >= _ORDERING:
                raise self.error(i, "put the query before it in parentheses")
            if self.kind(i + 1) == T.ALL and self.kind(i + 2) == T.DISTINCT:
                raise self.error(i + 2)
            self.frames[-1] = _Frame(query=True)
        elif kind == T.SELECT:
            if frame.selected:
                raise self.error(i)
            frame.selected = True
            frame.rank = 1 if frame.from_first else 0
        elif kind == T.LATERAL and self.kind(i + 1) == T.VIEW and frame.rank > 1:
            raise self.error(i, "LATERAL VIEW comes right after FROM")
        elif kind == T.COMMA and frame.rank >= _RANK[T.LIMIT]:
            raise self.error(i, "write LIMIT count OFFSET start")
        elif kind in _RANK and not self.distinct_from(i, kind):
            self.ranked(i, kind, frame)

    def ranked(self, i: int, kind: TokenType, frame: _Frame) -> None:
        rank = _RANK[kind]
        if kind == T.FROM and not frame.selected:
            frame.from_first = True
        if frame.from_first and not frame.selected and kind in (T.WHERE, T.GROUP_BY, T.HAVING, T.QUALIFY):
            raise self.error(i, "FROM needs a SELECT before this clause")
        if kind == T.WINDOW:
            if frame.rank > _RANK[T.SORT_BY]:
                raise self.error(i)
            return
        if rank < frame.rank or (rank == frame.rank and rank not in (1, _ORDERING)):
            raise self.error(i, f"{self.tokens[i].text.upper()} comes too late here")
        if rank == 1 and frame.rank == 1:
            raise self.error(i)
        orders = rank in (_ORDERING, _RANK[T.SORT_BY]) and frame.rank in (_ORDERING, _RANK[T.SORT_BY])
        if orders and (frame.last, kind) != (T.DISTRIBUTE_BY, T.SORT_BY):
            raise ParseError(
                "ORDER BY, SORT BY, DISTRIBUTE BY and CLUSTER BY cannot be combined",
                condition="UNSUPPORTED_FEATURE.COMBINATION_QUERY_RESULT_CLAUSES",
                span=(self.tokens[i].start, self.tokens[i].end + 1),
            )
        frame.rank, frame.last = rank, kind

    def distinct_from(self, i: int, kind: TokenType) -> bool:
        """Whether FROM belongs to IS [NOT] DISTINCT FROM."""
        return kind == T.FROM and self.kind(i - 1) == T.DISTINCT and self.kind(i - 2) in (T.IS, T.NOT)

    def star_except(self, i: int) -> bool:
        return self.kind(i) == T.EXCEPT and self.kind(i - 1) == T.STAR and self.kind(i + 1) == T.L_PAREN

    def local(self, i: int, kind: TokenType) -> None:
        """Checks that need only the neighbours."""
        following = self.kind(i + 1)
        if kind == T.COMMA:
            if following is None or following in _NOT_AFTER_COMMA:
                raise self.error(i + 1, "something is missing after the comma")
            if self.kind(i - 1) in (None, T.L_PAREN, T.L_BRACKET, T.SELECT, T.FROM, T.GROUP_BY, T.ORDER_BY):
                raise self.error(i, "something is missing before the comma")
        elif kind == T.SELECT:
            at = i + 2 if following in (T.ALL, T.DISTINCT, T.HINT) else i + 1
            if self.kind(at) is None or self.kind(at) in _NOT_AFTER_COMMA:
                raise self.error(at, "the select list is empty")
        elif kind == T.GROUP_BY and (
            following is None or following in _NOT_AFTER_COMMA or following == T.DISTINCT
        ):
            raise self.error(i + 1, "expected grouping expressions")
        elif kind == T.IN:
            self.in_list(i)
        elif kind in (T.LIKE, T.ILIKE) and following in _PATTERN_LISTS:
            if self.kind(i + 2) != T.L_PAREN or self.kind(i + 3) == T.R_PAREN:
                raise self.error(i + 2, "expected a list of patterns in parentheses")
        elif kind == T.USING:
            self.using(i)
        elif kind in (T.ROWS, T.RANGE) and following == T.BETWEEN:
            self.frame_bounds(i)
        else:
            self.pairs(i, kind, following)

    def pairs(self, i: int, kind: TokenType, following: TokenType | None) -> None:
        if kind in (T.ASC, T.DESC) and following in (T.ASC, T.DESC):
            raise self.error(i + 1)
        if kind == T.ALIAS and following == T.STRING and self.text[self.tokens[i + 1].start] != '"':
            raise self.error(i + 1, "a name goes in `backquotes`")
        if kind == T.STAR and following == T.EXCEPT and self.kind(i + 2) not in (
            T.SELECT, T.ALL, T.DISTINCT, T.FROM, T.TABLE, T.VALUES,
        ) and (self.kind(i + 2) != T.L_PAREN or self.kind(i + 3) == T.R_PAREN):  # fmt: skip
            raise self.error(i + 2, "expected the columns in parentheses")
        if kind == T.COLON and following == T.EQ:
            raise self.error(i)
        if kind == T.ON and (following is None or following in _NOT_AFTER_COMMA):
            raise self.error(i + 1, "expected the join's condition")
        if kind in _LITERAL_TYPES and following == T.NUMBER:
            raise self.error(i + 1, f"write {self.tokens[i].text.upper()} '...'")
        if kind == T.PLACEHOLDER and following == T.PLACEHOLDER:
            raise self.error(i)

    def in_list(self, i: int) -> None:
        if self.kind(i + 1) != T.L_PAREN:
            raise self.error(i + 1, "expected a list or a query in parentheses")
        if self.kind(i + 2) == T.R_PAREN:
            raise self.error(i + 2, "the list after IN is empty", "INVALID_SQL_SYNTAX.EMPTY_IN_PREDICATE")

    def using(self, i: int) -> None:
        """USING of a join takes plain column names in parentheses."""
        at = i + 1
        if self.kind(at) != T.L_PAREN:
            raise self.error(at, "expected the columns in parentheses")
        while True:
            if self.kind(at + 1) in (None, *_CLOSERS):
                raise self.error(at + 1, "expected a column name")
            at += 2
            if self.kind(at) == T.R_PAREN:
                return
            if self.kind(at) != T.COMMA:
                raise self.error(at, "USING takes unqualified column names")

    def frame_bounds(self, i: int) -> None:
        depth = 0
        for at in range(i + 2, len(self.tokens)):
            kind = self.kind(at)
            depth += {T.L_PAREN: 1, T.R_PAREN: -1}.get(kind, 0) if kind is not None else 0
            if depth < 0:
                raise self.error(at, "expected AND and the end of the frame")
            if depth == 0 and kind == T.AND:
                return
