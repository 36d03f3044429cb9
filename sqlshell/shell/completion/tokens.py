"""The statement around a cursor as tokens. The word that is being typed is taken out and a CURSOR token put in its
place, so that the rest reads as if it were finished; nothing here fails on unfinished text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<line>--[^\r\n]*)
      | (?P<block>/\*.*?(?:\*/|\Z))
      | (?P<string>[rRxX]?'(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | \$\$.*?\$\$)
      | (?P<quoted>`(?:[^`]|``)*`)
      | (?P<open>['"`])
      | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\w*)
      | (?P<word>[^\W\d]\w*)
      | (?P<other><=>|<=|>=|<>|!=|==|\|\||::|->|=>|.)""",
    re.VERBOSE | re.DOTALL,
)
WINDOW = 20_000
"""Only so many characters before the cursor are looked at: a pasted megabyte must not slow typing."""


class Token(NamedTuple):
    """`kind` is word, quoted, string, number, other or cursor; `upper` compares words (quoted ones never match)."""

    kind: str
    text: str
    upper: str
    start: int
    end: int

    @property
    def name(self) -> str:
        """A name without its quotes."""
        return self.text[1:-1].replace("``", "`") if self.kind == "quoted" else self.text

    @property
    def is_name(self) -> bool:
        return self.kind in ("word", "quoted")


@dataclass(frozen=True)
class Place:
    """Where the cursor is: the tokens of its statement, its index among them, the word typed so far, and where that
    starts. `quote` is the quote the cursor is inside of, `comment` whether it is in a comment.
    """

    tokens: tuple[Token, ...]
    at: int
    prefix: str
    start: int
    text: str
    quote: str = ""
    comment: bool = False

    def before(self, n: int = 1) -> Token | None:
        """The n-th token before the cursor."""
        return self.tokens[self.at - n] if self.at - n >= 0 else None

    def word(self, n: int = 1) -> str:
        """The n-th word before the cursor in capitals; nothing when it is no word."""
        token = self.before(n)
        return token.upper if token is not None and token.kind == "word" else ""


def locate(text: str, cursor: int) -> Place:
    """The place of a cursor in a text of one or more statements."""
    low = max(0, cursor - WINDOW)
    if low:
        low = text.find("\n", low, cursor) + 1 or low
    reader = _Reader(text, cursor, low)
    reader.read()
    if reader.at < 0:
        reader.put_cursor()
    return Place(
        tuple(reader.found), reader.at, reader.prefix, reader.start, text, reader.quote, reader.comment
    )


class _Reader:
    """Reads tokens from `low` on, keeping those of the cursor's statement."""

    def __init__(self, text: str, cursor: int, low: int) -> None:
        self.text, self.cursor, self.position = text, cursor, low
        self.end = min(len(text), cursor + WINDOW)
        self.found: list[Token] = []
        self.at, self.prefix, self.start = -1, "", cursor
        self.quote, self.comment = "", False

    def put_cursor(self) -> None:
        self.at = len(self.found)
        self.found.append(Token("cursor", "", "", self.start, self.cursor))

    def _typed(self, start: int, quote: str) -> None:
        """The cursor is inside a word or a literal that starts there."""
        self.quote, self.start = quote, start
        self.prefix = self.text[start : self.cursor]
        self.put_cursor()

    def read(self) -> None:
        while self.position < self.end:
            match = _TOKEN.match(self.text, self.position, self.end)
            assert match is not None
            kind, word, begin, self.position = str(match.lastgroup), match[0], match.start(), match.end()
            if self.at < 0 and begin >= self.cursor:
                self.put_cursor()
            if kind in ("space", "line", "block"):
                at_end = kind == "line" and self.cursor == self.position
                if self.at < 0 and kind != "space" and (self.cursor < self.position or at_end):
                    self.comment = True
                    self.put_cursor()
            elif word == ";":
                if self.at >= 0:
                    return
                self.found.clear()
            elif kind == "open":  # a quote that does not end: the rest of the line is inside
                line_end = self.text.find("\n", begin)
                self.position = self.end if line_end < 0 else line_end
                if self.at < 0 and (line_end < 0 or self.cursor <= line_end):
                    self._typed(begin + 1, word)
                    if word == "`":  # a name is short: what follows the cursor is not part of it
                        self.position = max(self.cursor, begin + 1)
            elif self.at < 0 and kind == "word" and begin < self.cursor <= self.position:
                self._typed(begin, "")
            elif self.at < 0 and kind in ("string", "quoted") and begin < self.cursor < self.position:
                self._typed(begin + 1, self.text[begin])
            else:
                upper = word.upper() if kind == "word" else word
                self.found.append(Token(kind, word, upper, begin, self.position))


_ENDS_EXPRESSION = {"FROM", "WHERE", "GROUP", "HAVING", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "QUALIFY"}


def closed(tokens: Sequence[Token], at: int) -> Sequence[Token]:
    """The tokens with the parentheses closed that are still open at the cursor, before the clause that follows it:
    in `sum(▮ FROM t` the FROM is not inside. Those of subqueries stay open.
    """
    open_ones: list[int] = []
    for i, token in enumerate(tokens[:at]):
        if token.text in ("(", "["):
            open_ones.append(i)
        elif token.text in (")", "]") and open_ones:
            open_ones.pop()
    calls = 0
    for i in reversed(open_ones):
        if i + 1 < at and tokens[i + 1].upper in ("SELECT", "WITH", "FROM", "VALUES"):
            break
        calls += 1
    depth = 0
    for j in range(at + 1, len(tokens)):
        text = tokens[j].text
        depth += (text in ("(", "[")) - (text in (")", "]"))
        if depth < 0:
            calls, depth = calls - 1, 0
        if calls <= 0:
            break
        if depth == 0 and tokens[j].kind == "word" and tokens[j].upper in _ENDS_EXPRESSION:
            end = Token("other", ")", ")", tokens[j].start, tokens[j].start)
            return [*tokens[:j], *[end] * calls, *tokens[j:]]
    return tokens


def matching(tokens: Sequence[Token]) -> list[int]:
    """For each opening parenthesis the index of its closing one; len(tokens) where there is none."""
    match = [-1] * len(tokens)
    stack: list[int] = []
    for i, token in enumerate(tokens):
        if token.text in ("(", "["):
            stack.append(i)
        elif token.text in (")", "]") and stack:
            match[stack.pop()] = i
    for i in stack:
        match[i] = len(tokens)
    return match
