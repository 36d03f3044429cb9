"""Spark DDL text to types: `parse_type("array<int>")`, `parse_schema("a int, b string not null")`."""

from __future__ import annotations

import re

from sqlshell.errors import NotSupportedError, ParseError
from sqlshell.types import (
    BIGINT,
    BINARY,
    BOOLEAN,
    CALENDAR,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    MAX_PRECISION,
    SMALLINT,
    STRING,
    TIME,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    TINYINT,
    VARIANT,
    VOID,
    Array,
    DayTimeInterval,
    Decimal,
    Field,
    Map,
    SqlType,
    String,
    Struct,
    Time,
    YearMonthInterval,
)

SIMPLE: dict[str, SqlType] = {
    "boolean": BOOLEAN,
    "tinyint": TINYINT,
    "byte": TINYINT,
    "smallint": SMALLINT,
    "short": SMALLINT,
    "int": INT,
    "integer": INT,
    "bigint": BIGINT,
    "long": BIGINT,
    "float": FLOAT,
    "real": FLOAT,
    "double": DOUBLE,
    "string": STRING,
    "binary": BINARY,
    "date": DATE,
    "timestamp": TIMESTAMP,
    "timestamp_ltz": TIMESTAMP,
    "timestamp_ntz": TIMESTAMP_NTZ,
    "variant": VARIANT,
    "void": VOID,
}

_YEAR_MONTH_UNITS = ("year", "month")
_DAY_TIME_UNITS = ("day", "hour", "minute", "second")
_TOKEN = re.compile(
    r"\s*(?:(?P<quoted>`(?:[^`]|``)*`)|(?P<string>'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<word>[^\W\d]\w*)|(?P<number>\d+)|(?P<mark>[<>(),:]))"
)


def parse_type(ddl: str) -> SqlType:
    """The type that `ddl` spells."""
    parser = _Parser(ddl)
    t = parser.type()
    parser.end()
    return t


def parse_schema(ddl: str) -> Struct:
    """A struct from `name type [NOT NULL] [COMMENT '...'], ...`, or from `struct<...>`."""
    parser = _Parser(ddl)
    if parser.words[:2] == ["struct", "<"]:
        t = parser.type()
        parser.end()
        assert isinstance(t, Struct)
        return t
    fields = parser.fields("")
    parser.end()
    return Struct(fields)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.kinds: list[str] = []
        self.words: list[str] = []
        self.starts: list[int] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            m = _TOKEN.match(text, at)
            if m is None or m.lastgroup is None:
                raise self.error(at, f"`{text[at:].strip()[:20]}` is not part of a type")
            kind, word = m.lastgroup, m.group(m.lastgroup)
            self.kinds.append(kind)
            self.words.append(word.lower() if kind == "word" else word)
            self.starts.append(m.start(m.lastgroup))
            at = m.end()
        self.at = 0

    def error(self, at: int, message: str) -> ParseError:
        return ParseError(f"{message} (in the type `{self.text.strip()}`)", span=(at, at + 1))

    def here(self) -> int:
        return self.starts[self.at] if self.at < len(self.starts) else len(self.text)

    def peek(self) -> str:
        if self.at >= len(self.words):
            return ""
        return self.words[self.at] if self.kinds[self.at] != "quoted" else "`"

    def accept(self, word: str) -> bool:
        if self.peek() != word:
            return False
        self.at += 1
        return True

    def expect(self, word: str) -> None:
        if not self.accept(word):
            raise self.error(self.here(), f"`{word}` expected")

    def end(self) -> None:
        if self.at < len(self.words):
            raise self.error(self.here(), f"`{self.words[self.at]}` was not expected")

    def number(self) -> int:
        if self.at >= len(self.words) or self.kinds[self.at] != "number":
            raise self.error(self.here(), "a number expected")
        self.at += 1
        return int(self.words[self.at - 1])

    def name(self) -> str:
        if self.at >= len(self.words) or self.kinds[self.at] not in {"word", "quoted", "number"}:
            raise self.error(self.here(), "a name expected")
        start = self.starts[self.at]
        word, kind = self.words[self.at], self.kinds[self.at]
        self.at += 1
        if kind == "quoted":
            return word[1:-1].replace("``", "`")
        return self.text[start : start + len(word)]

    def type(self) -> SqlType:
        start = self.here()
        if self.at >= len(self.words) or self.kinds[self.at] != "word":
            raise self.error(start, "a type expected")
        word = self.words[self.at]
        self.at += 1
        if word in SIMPLE:
            if word == "string" and self.accept("collate"):
                raise NotSupportedError("collations are not supported", span=(start, self.here()))
            return SIMPLE[word]
        if word in {"decimal", "dec", "numeric"}:
            return self.decimal(start)
        if word in {"char", "character", "varchar"}:
            self.expect("(")
            length = self.number()
            self.expect(")")
            return String(length, fixed=word != "varchar")
        if word == "time":
            return self.time(start)
        if word == "interval":
            return self.interval(start)
        return self.container(word, start)

    def time(self, start: int) -> SqlType:
        digits = TIME.precision
        if self.accept("("):
            digits = self.number()
            self.expect(")")
        if digits > TIME.precision:
            raise ParseError(
                f"time({digits}): a time has at most {TIME.precision} digits of a second",
                condition="UNSUPPORTED_TIME_PRECISION",
                span=(start, self.here()),
            )
        return Time(digits)

    def container(self, word: str, start: int) -> SqlType:
        if word == "array":
            self.expect("<")
            element = self.type()
            self.expect(">")
            return Array(element)
        if word == "map":
            self.expect("<")
            key = self.type()
            self.expect(",")
            value = self.type()
            self.expect(">")
            return Map(key, value)
        if word == "struct":
            self.expect("<")
            fields = () if self.peek() == ">" else self.fields(">")
            self.expect(">")
            return Struct(fields)
        raise ParseError(
            f"unknown data type `{word}`", condition="UNSUPPORTED_DATATYPE", span=(start, start + len(word))
        )

    def decimal(self, start: int) -> Decimal:
        precision, scale = 10, 0
        if self.accept("("):
            precision = self.number()
            scale = self.number() if self.accept(",") else 0
            self.expect(")")
        if precision > MAX_PRECISION or precision < 1:
            raise ParseError(
                f"decimal precision {precision} is not between 1 and {MAX_PRECISION}",
                condition="DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION",
                span=(start, self.here()),
            )
        if scale > precision:
            raise ParseError(
                f"decimal scale {scale} is more than precision {precision}",
                condition="DECIMAL_SCALE_EXCEEDS_PRECISION",
                span=(start, self.here()),
            )
        return Decimal(precision, scale)

    def interval(self, start: int) -> SqlType:
        first = self.peek()
        for units, kind in ((_YEAR_MONTH_UNITS, YearMonthInterval), (_DAY_TIME_UNITS, DayTimeInterval)):
            if first in units:
                self.at += 1
                last = first
                if self.accept("to"):
                    last = self.peek()
                    self.at += 1
                if last not in units or units.index(last) < units.index(first):
                    raise self.error(start, f"`interval {first} to {last}` is not a type")
                return kind(first, last)
        return CALENDAR

    def fields(self, closing: str) -> tuple[Field, ...]:
        out: list[Field] = []
        while True:
            name = self.name()
            self.accept(":")
            t = self.type()
            nullable = True
            if self.accept("not"):
                self.expect("null")
                nullable = False
            if self.accept("comment"):
                if self.at >= len(self.words) or self.kinds[self.at] != "string":
                    raise self.error(self.here(), "a quoted comment expected")
                self.at += 1
            out.append(Field(name, t, nullable))
            if not self.accept(","):
                break
        if closing and self.peek() != closing:
            raise self.error(self.here(), f"`{closing}` expected")
        return tuple(out)
