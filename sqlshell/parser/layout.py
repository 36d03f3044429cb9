"""Lays out SQL: a line per clause, select item and condition; keywords in capitals. Only white space and the
capitals of keywords change, so the statement stays the same and comments stay where they are; laying out a text
again gives it back. Needs no parser, so unfinished and foreign statements can be laid out, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlshell.parser.dialect import words
from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<line>--[^\r\n]*)
      | (?P<block>/\*.*?(?:\*/|\Z))
      | (?P<text>[rRxX](?:'[^']*'|"[^"]*") | '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `(?:[^`]|``)*` | \$\$.*?\$\$)
      | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\w*)
      | (?P<word>[^\W\d]\w*)
      | (?P<operator><=>|<=|>=|<>|!=|==|\|\||::|->|=>|/\*\+)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_KEYWORDS = words("""
    ALL AND ANTI ANY AS ASC BETWEEN BY CACHE CASE CAST CLUSTER CREATE CROSS CUBE DELETE DESC DESCRIBE
    DISTINCT DISTRIBUTE DROP ELSE END ESCAPE EXCEPT EXISTS EXPLAIN FALSE FILTER FOLLOWING FROM FULL FUNCTION
    GROUP GROUPING HAVING IF ILIKE IN INNER INSERT INTERSECT INTERVAL INTO IS JOIN LATERAL LEFT LIKE LIMIT
    MERGE MINUS NATURAL NOT NULL OFFSET ON OR ORDER OUTER OVER PARTITION PIVOT PRECEDING QUALIFY REPLACE
    RIGHT RLIKE ROLLUP ROW ROWS SELECT SEMI SET SETS SHOW SORT TABLE TABLESAMPLE TEMP TEMPORARY THEN TRUE
    TRY_CAST UNBOUNDED UNION UNPIVOT UPDATE USE USING VALUES VIEW WHEN WHERE WINDOW WITH WITHIN
""")
_CLAUSES = {"SELECT", "FROM", "WHERE", "HAVING", "QUALIFY", "LIMIT", "OFFSET", "WINDOW", "VALUES", "SET"}
_BY_CLAUSES = {"GROUP", "ORDER", "SORT", "CLUSTER", "DISTRIBUTE", "PARTITION"}
_SET_OPERATIONS = {"UNION", "EXCEPT", "INTERSECT", "MINUS"}
_JOIN_WORDS = {"LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL", "SEMI", "ANTI", "OUTER", "LATERAL"}
_LISTS = {"SELECT", "GROUP", "ORDER", "SET", "WITH"}
_CALL_WORDS = {
    "CAST",
    "TRY_CAST",
    "IF",
    "EXISTS",
    "LEFT",
    "RIGHT",
    "REPLACE",
    "ANY",
    "ROW",
    "VALUES",
    "FILTER",
}
INDENT = "  "


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    fresh: bool
    """Whether it begins a line in the source (comments stay behind what they stood behind)."""
    glued: bool
    """Whether nothing stands between it and the token before."""


def _tokens(text: str) -> Iterator[_Token]:
    fresh, glued = True, False
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        if kind == "space":
            fresh, glued = fresh or "\n" in match[0], False
            continue
        word = match[0]
        if kind == "word" and word.upper() in _KEYWORDS:
            kind, word = "keyword", word.upper()
        yield _Token(kind, word.rstrip() if kind == "line" else word, fresh, glued)
        fresh, glued = False, True


@dataclass
class _Scope:
    """What an open parenthesis (or the statement itself) holds: a query is laid out over lines."""

    query: bool
    indent: int
    clause: str = ""
    between: bool = False
    cases: int = 0
    start: bool = True


@dataclass
class _Writer:
    out: list[str] = field(default_factory=list)
    scopes: list[_Scope] = field(default_factory=lambda: [_Scope(True, 0)])
    before: _Token | None = None
    at_start: bool = True
    must_break: bool = False
    binary: bool = False
    """Whether the sign just written stands between two operands."""

    def newline(self, indent: int) -> None:
        if not self.at_start:
            self.out.append("\n" + INDENT * indent)
            self.at_start = True
        elif self.out:
            self.out[-1] = "\n" + INDENT * indent
        self.must_break = False

    def write(self, token: _Token, *, space: bool) -> None:
        if space and not self.at_start:
            self.out.append(" ")
        self.out.append(token.text)
        self.at_start = False
        self.binary = token.text in _SIGNS and _ends_operand(self.before)
        self.before = token


def layout(text: str) -> str:
    """The laid out text; statements keep their semicolons, an empty line between them."""
    tokens = list(_tokens(text))
    w = _Writer()
    for i, token in enumerate(tokens):
        _one(w, tokens, i, token)
    return "".join(w.out).rstrip()


def _one(w: _Writer, tokens: list[_Token], i: int, token: _Token) -> None:
    scope = w.scopes[-1]
    before = w.before
    if token.kind in ("line", "block"):
        _comment(w, scope, token)
        return
    if before is not None and before.text == ";" and before.kind == "other" and len(w.scopes) == 1:
        w.out.append("\n\n")
        w.at_start, w.must_break = True, False
        w.scopes[-1] = scope = _Scope(True, 0)
    if w.must_break:
        w.newline(scope.indent + (0 if _starts_clause(token, tokens, i) else 1))
    space = w.binary or _space_before(before, token)
    if token.text == "(":
        following = next((t for t in tokens[i + 1 :] if t.kind not in ("line", "block")), None)
        is_query = following is not None and following.text in {"SELECT", "WITH", "FROM"}
        is_query = is_query and following is not None and following.kind == "keyword"
        w.write(token, space=space)
        w.scopes.append(_Scope(is_query, scope.indent + 1 if scope.query or is_query else scope.indent))
        if is_query:
            w.scopes[-1].indent = scope.indent + 1
            w.newline(scope.indent + 1)
        return
    if token.text == ")" and len(w.scopes) > 1:
        closed = w.scopes.pop()
        if closed.query:
            w.newline(w.scopes[-1].indent if w.scopes[-1].query else closed.indent - 1)
        w.write(token, space=False)
        return
    if scope.query and token.kind == "keyword":
        _keyword(w, scope, tokens, i, token, space)
        return
    w.write(token, space=space)
    if token.text == "," and scope.query and scope.clause in _LISTS:
        w.newline(scope.indent + (0 if scope.clause == "WITH" else 1))


def _comment(w: _Writer, scope: _Scope, token: _Token) -> None:
    if token.fresh and w.out:
        inside = scope.query and scope.clause not in ("", "WITH")
        if w.before is not None and w.before.text == ";" and len(w.scopes) == 1:
            w.out.append("\n\n")
            w.at_start, w.must_break = True, False
            w.before = None
            w.scopes[-1] = _Scope(True, 0)
        elif not w.at_start or w.must_break:
            w.newline(scope.indent + inside)
    elif w.at_start and w.out and not token.fresh and w.out[-1].startswith("\n"):
        w.out[-1] = " "  # behind a comma: back on its line
    elif w.out and not w.at_start:
        w.out.append(" ")
    w.out.append(token.text)
    w.at_start = False
    w.must_break = token.kind == "line" or (token.fresh and "\n" in token.text)


def _starts_clause(token: _Token, tokens: list[_Token], i: int) -> bool:
    word = token.text
    if token.kind != "keyword":
        return False
    if word in _BY_CLAUSES:
        return _word(tokens, i + 1) == "BY"
    return word in _CLAUSES or word in _SET_OPERATIONS or word == "WITH" or _starts_join(tokens, i)


def _starts_join(tokens: list[_Token], i: int) -> bool:
    """JOIN or the first of the words before it; LATERAL VIEW as well."""
    word = tokens[i].text
    if word == "LATERAL" and _word(tokens, i + 1) == "VIEW":
        return True
    if i and _word(tokens, i - 1) in _JOIN_WORDS - {"LATERAL"}:
        return False
    while word in _JOIN_WORDS:
        i += 1
        word = _word(tokens, i)
    return word == "JOIN"


def _word(tokens: list[_Token], i: int) -> str:
    return tokens[i].text if 0 <= i < len(tokens) and tokens[i].kind == "keyword" else ""


def _keyword(w: _Writer, scope: _Scope, tokens: list[_Token], i: int, token: _Token, space: bool) -> None:
    word = token.text
    previous = _word(tokens, i - 1)
    if _starts_clause(token, tokens, i) and not (word in _CALL_WORDS and _word_is_call(tokens, i)):
        own_line = previous not in ("INSERT", "IN") and not (word == "WITH" and scope.clause == "GROUP")
        if own_line and not scope.start and w.before is not None and w.before.text != "(":
            w.newline(scope.indent)
        if word in _SET_OPERATIONS:
            scope.clause = ""
        elif word not in _JOIN_WORDS and word != "JOIN":
            scope.clause = word
        w.write(token, space=not w.at_start)
        scope.start = False
        if word == "SELECT" and _word(tokens, i + 1) not in ("DISTINCT", "ALL"):
            _break_list(w, scope, tokens, i)
        return
    scope.start = False
    if word == "BETWEEN":
        scope.between = True
    elif word == "CASE":
        scope.cases += 1
    elif word == "END" and scope.cases:
        scope.cases -= 1
    elif word in ("AND", "OR") and scope.cases == 0:
        if scope.between and word == "AND":
            scope.between = False
        elif scope.clause in ("WHERE", "HAVING", "QUALIFY", "FROM"):
            w.newline(scope.indent + 1)
    w.write(token, space=space or not w.at_start)
    if (word == "BY" and previous in ("GROUP", "ORDER")) or (word == "DISTINCT" and previous == "SELECT"):
        _break_list(w, scope, tokens, i)


def _word_is_call(tokens: list[_Token], i: int) -> bool:
    return (
        i + 1 < len(tokens)
        and tokens[i + 1].text == "("
        and tokens[i + 1].glued
        and tokens[i].text != "VALUES"
    )


def _break_list(w: _Writer, scope: _Scope, tokens: list[_Token], i: int) -> None:
    """A list of several items stands on lines of its own."""
    depth = 0
    for at in range(i + 1, len(tokens)):
        text, kind = tokens[at].text, tokens[at].kind
        if kind in ("other", "operator"):
            depth += (text in "([{") - (text in ")]}")
            if depth < 0 or (depth == 0 and text == ";"):
                return
            if depth == 0 and text == ",":
                w.newline(scope.indent + 1)
                return
        elif depth == 0 and kind == "keyword" and _starts_clause(tokens[at], tokens, at):
            return


_SIGNS = {"-", "+"}


def _ends_operand(token: _Token | None) -> bool:
    if token is None:
        return False
    if token.kind in ("word", "number", "text"):
        return True
    return token.text in (")", "]", "END", "NULL", "TRUE", "FALSE")


_TIGHT_AFTER = {"(", "[", ".", "::", "{", ":"}
_TIGHT_BEFORE = {")", "]", ",", ";", ".", "[", "::", "}"}


def _space_before(before: _Token | None, token: _Token) -> bool:
    """Whether a blank belongs between two tokens; where it could change the meaning the source decides."""
    if before is None:
        return False
    if token.text in _TIGHT_BEFORE and token.kind in ("other", "operator"):
        return token.text == "." and not token.glued
    if before.text in _TIGHT_AFTER and before.kind in ("other", "operator"):
        return before.text in (".", ":") and not token.glued
    if token.text == "(":
        if before.kind == "text":
            return not token.glued
        is_call = before.text in _CALL_WORDS and token.glued
        return before.kind in ("keyword", "operator", "other") and not is_call
    if before.kind in ("other", "operator") and before.text in ("-", "+", "~", "@", "$", "?", "!", ":"):
        return not token.glued
    if token.kind in ("other", "operator") and token.text in (":", "@", "?", "$", "!"):
        return not token.glued
    return True
