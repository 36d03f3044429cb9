"""Spark's grammar of types over tokens: sqlglot takes many types that Spark does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import ParseError
from sqlshell.parser.dialect import words
from sqlshell.parser.tokens import T

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot.tokenizer_core import Token

_PARAMETERS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(
        words(
            "BOOLEAN TINYINT BYTE SMALLINT SHORT INT INTEGER BIGINT LONG FLOAT REAL DOUBLE DATE TIMESTAMP "
            "TIMESTAMP_LTZ TIMESTAMP_NTZ STRING BINARY VOID VARIANT"
        ),
        (0, 0),
    ),
    "TIME": (0, 1),
    **dict.fromkeys(("DECIMAL", "DEC", "NUMERIC"), (0, 2)),
    **dict.fromkeys(("CHAR", "CHARACTER", "VARCHAR"), (1, 1)),
}
"""How many numbers a type takes in parentheses: at least, at most."""
_NESTED = {"ARRAY": 1, "MAP": 2}
_YEAR_MONTH = {"YEAR", "MONTH"}
_DAY_TIME = {"DAY", "HOUR", "MINUTE", "SECOND"}


def skip_type(tokens: Sequence[Token], i: int, text: str) -> int:
    """The index after the type that starts at `i`; raises ParseError where it is no Spark type."""
    return _Types(tokens, text).type(i)


class _Types:
    def __init__(self, tokens: Sequence[Token], text: str) -> None:
        self.tokens = tokens
        self.text = text

    def word(self, i: int) -> str:
        return self.tokens[i].text.upper() if i < len(self.tokens) else ""

    def expect(self, i: int, word: str) -> int:
        if self.word(i) != word:
            raise self.error(i, f"expected {word}")
        return i + 1

    def error(self, i: int, hint: str | None = None) -> ParseError:
        from sqlshell.parser.parse import syntax_error

        return syntax_error(self.tokens[i] if i < len(self.tokens) else None, self.text, hint)

    def type(self, i: int) -> int:
        word = self.word(i)
        if word in _NESTED:
            return self.nested(i, word)
        if word == "STRUCT":
            return self.struct(i)
        if word == "INTERVAL":
            return self.interval(i + 1)
        if word not in _PARAMETERS:
            if not word[:1].isalpha():
                raise self.error(i, "expected a type")
            token = self.tokens[i]
            raise ParseError(
                f'Unsupported data type "{word}"',
                condition="UNSUPPORTED_DATATYPE",
                span=(token.start, token.end + 1),
            )
        i = self.parameters(i, word)
        if word == "TIME" and self.word(i) == "WITHOUT":
            return self.expect(self.expect(i + 1, "TIME"), "ZONE")
        if word == "STRING" and self.word(i) == "COLLATE":
            return self.name(i + 1)
        return i

    def name(self, i: int) -> int:
        if not self.word(i)[:1].isalpha():
            raise self.error(i, "expected a name")
        return i + 1

    def parameters(self, i: int, word: str) -> int:
        least, most = _PARAMETERS[word]
        at, count = i + 1, 0
        if self.word(at) == "(" and (most or self.tokens[at + 1].token_type == T.NUMBER):
            at += 1
            while True:
                if at >= len(self.tokens) or self.tokens[at].token_type != T.NUMBER:
                    raise self.error(at, "expected a number")
                count += 1
                at += 1
                if self.word(at) != ",":
                    break
                at += 1
            at = self.expect(at, ")")
        if not least <= count <= most:
            start, end = self.tokens[i].start, self.tokens[at - 1].end + 1
            if count < least:
                raise ParseError(
                    f'Data type "{word}" requires a length parameter', condition="DATATYPE_MISSING_SIZE",
                    span=(start, end), hint=f"write {word}(10), for example",
                )  # fmt: skip
            shown = self.text[start:end]
            raise ParseError(
                f'Unsupported data type "{shown}"', condition="UNSUPPORTED_DATATYPE", span=(start, end)
            )
        return at

    def nested(self, i: int, word: str) -> int:
        if self.word(i + 1) != "<":
            example = "ARRAY<INT>" if word == "ARRAY" else "MAP<STRING, INT>"
            token = self.tokens[i]
            raise ParseError(
                f"The definition of `{word}` type is incomplete",
                condition=f"INCOMPLETE_TYPE_DEFINITION.{word}",
                span=(token.start, token.end + 1), hint=f"write {example}, for example",
            )  # fmt: skip
        at = self.type(i + 2)
        for _ in range(_NESTED[word] - 1):
            at = self.type(self.expect(at, ","))
        return self.expect(at, ">")

    def struct(self, i: int) -> int:
        if self.word(i + 1) == "<>":
            return i + 2
        if self.word(i + 1) != "<":
            token = self.tokens[i]
            raise ParseError(
                "The definition of `STRUCT` type is incomplete",
                condition="INCOMPLETE_TYPE_DEFINITION.STRUCT",
                span=(token.start, token.end + 1), hint="write STRUCT<name: STRING>, for example",
            )  # fmt: skip
        at = i + 1
        while True:
            at += 2  # the bracket or comma, and the field's name
            if self.word(at) == ":":
                at += 1
            at = self.type(at)
            if self.word(at) == "NOT":
                at = self.expect(at + 1, "NULL")
            if self.word(at) == "COMMENT":
                at += 2
            if self.word(at) != ",":
                return self.expect(at, ">")

    def interval(self, i: int) -> int:
        first, last = self.word(i), self.word(i + 2)
        family = _YEAR_MONTH if first in _YEAR_MONTH else _DAY_TIME
        if first in (")", ">", ",", ""):
            return i
        if first not in family:
            raise self.error(i, "expected a unit: YEAR, MONTH, DAY, HOUR, MINUTE or SECOND")
        if self.word(i + 1) != "TO":
            return i + 1
        if last not in family:
            raise self.error(i + 2, "expected a smaller unit")
        return i + 3
