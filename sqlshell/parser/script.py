"""Scripts: text to statements, and whether a statement typed so far is complete. Needs no sqlglot.

One scanner knows strings (`'`, `"`, r'..', $$ bodies), quoted names, comments (nested `/* */`) and
compound blocks (`BEGIN ... END`, whose inner semicolons end nothing).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEXEME = re.compile(
    r"""(?P<space>\s+)
      | (?P<line>--[^\r\n]*)
      | (?P<block>/\*)
      | (?P<text>[rR](?:'[^']*'|"[^"]*") | '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*"
              | `(?:[^`]|``)*` | \$\$.*?\$\$)
      | (?P<open>['"`]|\$\$)
      | (?P<word>\w+)
      | (?P<semicolon>;)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_AFTER_END = {"IF", "WHILE", "LOOP", "REPEAT", "FOR"}
_BLOCK_LEADERS = {"", "BEGIN", "THEN", "ELSE", "DO", "LOOP", "REPEAT", ":"}
_TRANSACTION = {"TRANSACTION", "WORK", ""}


@dataclass(frozen=True)
class Chunk:
    """One statement of a script, from its first token to its last, without the semicolon.

    `start` is its offset in the script, `line` the 1-based line it starts on.
    """

    text: str
    start: int
    line: int


class _Lexeme(NamedTuple):
    kind: str
    start: int
    end: int


def _scan(text: str) -> Iterator[_Lexeme]:
    """Lexemes without space and comments; an `open` one, always the last, is a literal that does not end."""
    at = 0
    while at < len(text):
        match = _LEXEME.match(text, at)
        assert match is not None and match.lastgroup is not None
        kind, start, at = match.lastgroup, at, match.end()
        if kind == "block":
            end = _comment_end(text, at)
            if end is None:
                yield _Lexeme("open", start, len(text))
                return
            at = end
        elif kind == "open":
            yield _Lexeme("open", start, len(text))
            return
        elif kind not in ("space", "line"):
            yield _Lexeme(kind, start, at)


def _comment_end(text: str, at: int) -> int | None:
    depth = 1
    while match := _COMMENT_EDGE.search(text, at):
        depth += 1 if match[0] == "/*" else -1
        at = match.end()
        if depth == 0:
            return at
    return None


class _Blocks:
    """Follows the words of a statement and knows how deep inside compound blocks it is."""

    def __init__(self) -> None:
        self.depth = 0
        self.words: list[str] = []  # the statement's first words
        self.previous = ""
        self.pending_begin = False
        self.closing = False  # an END was counted, which END IF and the like take back

    def word(self, word: str) -> None:
        if self.pending_begin:
            self.pending_begin = False
            if word in _TRANSACTION:
                self.depth -= 1
        if word == "BEGIN" and self._starts_statement():
            self.depth += 1
            self.pending_begin = self.depth == 1 and not self.words
        elif self.previous == "END" and word in _AFTER_END:
            self.depth += self.closing
        elif self.depth and word == "CASE" and self.previous != "END":
            self.depth += 1
        elif self.depth and word == "END":
            self.depth -= 1
            self.closing = True
        self._remember(word)

    def other(self, char: str) -> bool:
        """Takes a character or a literal; says whether it ends the statement."""
        if char == ";" and self.pending_begin:
            self.depth -= 1
            self.pending_begin = False
        if char == ";" and self.depth == 0:
            return True
        self._remember("" if char == ";" else char)
        return False

    def _remember(self, word: str) -> None:
        self.previous = word
        if len(self.words) < 8:
            self.words.append(word)

    def _starts_statement(self) -> bool:
        if not self.words:
            return True
        if self.words[0] == "CREATE" and self.depth == 0:
            return self.previous == "AS" and not {"PROCEDURE", "FUNCTION"}.isdisjoint(self.words)
        if self.depth == 0:
            return self.previous == ":" and len(self.words) == 2
        return self.previous in _BLOCK_LEADERS


def split(text: str) -> list[Chunk]:
    """The statements of a script, in order; empty ones are left out. Never fails: a literal that does not end
    runs to the end of the text, and the parser reports it."""
    chunks: list[Chunk] = []
    blocks = _Blocks()
    first, last, line, counted = -1, 0, 1, 0
    for lexeme in _scan(text):
        if lexeme.kind == "word":
            blocks.word(text[lexeme.start : lexeme.end].upper())
        elif blocks.other(text[lexeme.start] if lexeme.kind != "text" else "'"):
            if first >= 0:
                line, counted = line + text.count("\n", counted, first), first
                chunks.append(Chunk(text[first:last], first, line))
            first, blocks = -1, _Blocks()
            continue
        if first < 0:
            first = lexeme.start
        last = lexeme.end
    if first >= 0:
        chunks.append(Chunk(text[first:last], first, line + text.count("\n", counted, first)))
    return chunks


def is_complete(text: str) -> bool:
    """Whether a prompt may run `text` now: nothing is open and the last statement has its semicolon."""
    blocks = _Blocks()
    complete = True
    for lexeme in _scan(text):
        complete = False
        if lexeme.kind == "open":
            return False
        if lexeme.kind == "word":
            blocks.word(text[lexeme.start : lexeme.end].upper())
        elif blocks.other(text[lexeme.start] if lexeme.kind != "text" else "'"):
            complete, blocks = True, _Blocks()
    return complete


def unterminated(text: str) -> int | None:
    """Where the literal, quoted name or comment starts that does not end, or None."""
    for lexeme in _scan(text):
        if lexeme.kind == "open":
            return lexeme.start
    return None
