"""The text of function signatures (grammar: `functions/registry.py`), parsed once into `Alternative`s.

Classes: `any` (taken as it is), `num`, `integral`, `frac`, `decimal`, `interval`, `datetime`, `atomic`,
`orderable`, `array`, `map`, `struct`; a single capital letter is a type variable.
"""

from __future__ import annotations

from functools import cache
from re import compile as regex

from sqlshell.errors import InternalError
from sqlshell.records import dataclass
from sqlshell.types import (
    BIGINT,
    BINARY,
    BOOLEAN,
    CALENDAR,
    DATE,
    DAY_TIME,
    DOUBLE,
    FLOAT,
    INT,
    SMALLINT,
    STRING,
    TIME,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    TINYINT,
    VARIANT,
    VOID,
    YEAR_MONTH,
    Array,
    Decimal,
    Field,
    Map,
    SqlType,
    Struct,
)


@dataclass(frozen=True)
class Pattern:
    """A type as signatures write it: a class, a variable, a named type, or a container of patterns."""

    kind: str  # class, var, type, array, map, lambda
    name: str = ""
    type: SqlType | None = None
    parts: tuple[Pattern, ...] = ()

    def variables(self) -> set[str]:
        """Names of the type variables in it."""
        if self.kind == "var":
            return {self.name}
        return {v for p in self.parts for v in p.variables()}


@dataclass(frozen=True)
class Param:
    """One argument place."""

    pattern: Pattern
    optional: bool = False
    repeated: bool = False


@dataclass(frozen=True)
class Alternative:
    """One signature. `result` is None for `fn` (the row's `returns` tells)."""

    params: tuple[Param, ...]
    result: Pattern | None

    @property
    def at_least(self) -> int:
        return sum(not p.optional for p in self.params)

    @property
    def at_most(self) -> int | None:
        """None when the last parameter repeats."""
        return None if any(p.repeated for p in self.params) else len(self.params)

    def expand(self, count: int) -> tuple[Pattern, ...] | None:
        """One pattern per argument, or None when the number does not fit; a repeated tail cycles."""
        most = self.at_most
        if count < self.at_least or (most is not None and count > most):
            return None
        patterns = [p.pattern for p in self.params[:count]]
        if count > len(self.params):
            tail = [p.pattern for p in self.params if p.repeated]
            extra = count - len(self.params)
            if extra % len(tail):
                return None
            patterns.extend(tail * (extra // len(tail)))
        return tuple(patterns)


CLASSES = {
    "any",
    "num",
    "integral",
    "frac",
    "decimal",
    "interval",
    "datetime",
    "atomic",
    "orderable",
    "array",
    "map",
    "struct",
}

NAMED: dict[str, SqlType] = {
    "void": VOID,
    "boolean": BOOLEAN,
    "tinyint": TINYINT,
    "smallint": SMALLINT,
    "int": INT,
    "bigint": BIGINT,
    "float": FLOAT,
    "double": DOUBLE,
    "string": STRING,
    "binary": BINARY,
    "date": DATE,
    "timestamp": TIMESTAMP,
    "timestamp_ntz": TIMESTAMP_NTZ,
    "time": TIME,
    "variant": VARIANT,
    "year_month": YEAR_MONTH,
    "day_time": DAY_TIME,
    "calendar": CALENDAR,
}

_TOKEN = regex(r"\s*(->|\.\.\.|[\[\](),<>:|]|[A-Za-z_0-9]+)")


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[str] = []
        at = 0
        while at < len(text.rstrip()):
            m = _TOKEN.match(text, at)
            if m is None:
                raise InternalError(f"bad signature {text!r} at {at}")
            self.tokens.append(m.group(1))
            at = m.end()
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            raise InternalError(
                f"bad signature {self.text!r}: {expected or 'more'} expected, {token!r} found"
            )
        self.at += 1
        return token

    def alternatives(self) -> tuple[Alternative, ...]:
        out = [self.alternative()]
        while self.peek() == "|":
            self.take()
            out.append(self.alternative())
        if self.peek():
            raise InternalError(f"bad signature {self.text!r}: {self.peek()!r} left over")
        return tuple(out)

    def alternative(self) -> Alternative:
        params: list[Param] = []
        if self.peek() == "(" and self.tokens[self.at + 1 : self.at + 2] == [")"]:
            self.at += 2
        while self.peek() != "->":
            if self.peek() == ",":
                self.take()
            if self.peek() == "[":
                self.take()
                while self.peek() != "]":
                    if self.peek() == ",":
                        self.take()
                    params.append(self.param(optional=True))
                self.take("]")
            else:
                params.append(self.param(optional=False))
        self.take("->")
        if self.peek() == "fn":
            self.take()
            return Alternative(tuple(params), None)
        return Alternative(tuple(params), self.pattern())

    def param(self, *, optional: bool) -> Param:
        pattern = self.pattern()
        repeated = self.peek() == "..."
        if repeated:
            self.take()
        return Param(pattern, optional, repeated)

    def pattern(self) -> Pattern:
        token = self.take()
        if token == "(":
            parts = [] if self.peek() == ")" else [self.pattern()]
            while self.peek() == ",":
                self.take()
                parts.append(self.pattern())
            self.take(")")
            self.take("->")
            return Pattern("lambda", parts=(*parts, self.pattern()))
        if token in {"array", "map"} and self.peek() == "<":
            self.take("<")
            parts = [self.pattern()]
            if token == "map":
                self.take(",")
                parts.append(self.pattern())
            self.take(">")
            return Pattern(token, parts=tuple(parts))
        if token == "decimal" and self.peek() == "(":
            self.take("(")
            precision = int(self.take())
            self.take(",")
            scale = int(self.take())
            self.take(")")
            return Pattern("type", type=Decimal(precision, scale))
        if token == "struct" and self.peek() == "<":
            return Pattern("type", type=self.struct())
        if len(token) == 1 and token.isupper():
            return Pattern("var", token)
        if token in NAMED:
            return Pattern("type", type=NAMED[token])
        if token in CLASSES:
            return Pattern("class", token)
        raise InternalError(f"bad signature {self.text!r}: unknown type {token}")

    def struct(self) -> Struct:
        fields: list[Field] = []
        self.take("<")
        while self.peek() != ">":
            if fields:
                self.take(",")
            name = self.take()
            self.take(":")
            fields.append(Field(name, build(self.pattern(), {})))
        self.take(">")
        return Struct(tuple(fields))


@cache
def parse_signature(text: str) -> tuple[Alternative, ...]:
    """The alternatives of a signature."""
    return _Parser(text).alternatives()


def build(pattern: Pattern, variables: dict[str, SqlType]) -> SqlType:
    """The type a pattern denotes once its variables are known."""
    if pattern.kind == "type" and pattern.type is not None:
        return pattern.type
    if pattern.kind == "var" and pattern.name in variables:
        return variables[pattern.name]
    if pattern.kind == "array":
        return Array(build(pattern.parts[0], variables))
    if pattern.kind == "map":
        return Map(build(pattern.parts[0], variables), build(pattern.parts[1], variables))
    raise InternalError(f"a signature cannot produce {pattern.kind} {pattern.name}")
