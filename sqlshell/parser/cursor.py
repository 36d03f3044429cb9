"""A cursor over the tokens of one statement, for the heads that have parsers of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot.tokenizer_core import Token, TokenType

from sqlshell.errors import NotSupportedError
from sqlshell.parser.tokens import upper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlshell.errors import ParseError, Span

_STRINGS = (TokenType.STRING, TokenType.RAW_STRING)


class Cursor:
    """Reads words, names, strings and option lists; every `expect_` raises ParseError at its token."""

    def __init__(self, tokens: Sequence[Token], text: str) -> None:
        self.tokens = tokens
        self.text = text
        self.at = 0

    @property
    def token(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def peek(self, offset: int = 0) -> str:
        """The word `offset` tokens ahead, in capitals; empty at the end and for literals."""
        at = self.at + offset
        return upper(self.tokens[at]) if at < len(self.tokens) else ""

    def followed(self) -> bool:
        """Whether the next token is not the last one, nor the first part of a dotted name."""
        return self.at + 1 < len(self.tokens) and self.tokens[self.at + 1].text != "."

    def take(self, *words: str) -> bool:
        """Steps over the words if they come next."""
        if all(self.peek(i) == word for i, word in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def take_any(self, *words: str) -> str:
        """Steps over one of the words and returns it, else returns ""."""
        word = self.peek()
        if word and word in words:
            self.at += 1
            return word
        return ""

    def expect(self, *words: str) -> None:
        for word in words:
            if not self.take(word):
                raise self.error(hint=f"expected {word}")

    def error(self, hint: str | None = None) -> ParseError:
        from sqlshell.parser.parse import syntax_error

        return syntax_error(self.token, self.text, hint)

    def unsupported(self, what: str) -> NotSupportedError:
        return NotSupportedError(
            f"{what} is not supported", span=(self.tokens[0].start, self.tokens[-1].end + 1)
        )

    def end(self) -> None:
        """Nothing may follow."""
        if self.token is not None:
            raise self.error()

    def rest(self) -> Sequence[Token]:
        return self.tokens[self.at :]

    def span_from(self, start: int) -> Span:
        """The span from token index `start` to the token before the cursor."""
        return self.tokens[start].start, self.tokens[self.at - 1].end + 1

    def string(self) -> str | None:
        """A string literal, or None; `'it''s'` arrives as two tokens that touch."""
        token = self.token
        if token is None or token.token_type not in _STRINGS:
            return None
        value, end = token.text, token.end
        self.at += 1
        while (token := self.token) is not None and token.token_type in _STRINGS and token.start == end + 1:
            value, end = value + self.text[end] + token.text, token.end
            self.at += 1
        return value

    def expect_string(self) -> str:
        value = self.string()
        if value is None:
            raise self.error(hint="expected a string")
        return value

    def word(self) -> str | None:
        """An identifier as written, without its quotes, or None."""
        token = self.token
        if token is None or token.token_type in _STRINGS:
            return None
        if token.token_type != TokenType.IDENTIFIER and not (
            token.text[:1].isalnum() or token.text[:1] == "_"
        ):
            return None
        if token.token_type == TokenType.NUMBER:
            return None
        self.at += 1
        return (
            token.text if token.token_type == TokenType.IDENTIFIER else self.text[token.start : token.end + 1]
        )

    def name(self) -> tuple[str, ...]:
        """A dotted name."""
        parts = []
        while True:
            word = self.word()
            if word is None:
                raise self.error(hint="expected a name")
            parts.append(word)
            if not self.take("."):
                return tuple(parts)

    def parenthesised(self) -> str:
        """The text inside the parentheses that come next."""
        self.expect("(")
        start, depth = self.at, 1
        while self.token is not None:
            depth += {"(": 1, ")": -1}.get(self.peek(), 0)
            self.at += 1
            if depth == 0:
                first, last = self.tokens[start - 1].end + 1, self.tokens[self.at - 1].start
                return self.text[first:last].strip()
        raise self.error(hint="the '(' is not closed")

    def options(self) -> dict[str, str]:
        """`(key [=] value, ...)` with keys as dotted names or strings, values as literals or words."""
        self.expect("(")
        found: dict[str, str] = {}
        while not self.take(")"):
            if found:
                self.expect(",")
            key = self.string() or ".".join(self.name())
            if not self.take("="):
                self.take("==")
            found[key] = self._value()
        return found

    def _value(self) -> str:
        text = self.string()
        if text is not None:
            return text
        start = self.at
        self.take("-")
        token = self.token
        if token is None or token.text in ("(", ")", ",", "="):
            raise self.error(hint="expected a value")
        self.at += 1
        while self.token is not None and self.token.start == token.start:
            self.at += 1
        first, last = self.span_from(start)
        return self.text[first:last]
