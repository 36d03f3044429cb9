"""The signature mini-language of `functions/registry.py`: parse once, match against argument types.

`match(row, shapes)` finds the first alternative whose arguments fit exactly, else the first whose arguments fit
by ANSI implicit casts, and gives a `Match`: the type each argument is to be cast to, the parameter types of each
lambda, and (once lambda bodies are known) the return type.

Classes: `any` (taken as it is), `num`, `integral`, `frac`, `decimal`, `interval`, `datetime`, `atomic`, `orderable`,
`array`, `map`, `struct`; a single capital letter is a type variable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from re import compile as regex

from sqlshell.errors import InternalError
from sqlshell.functions import result_types as rt
from sqlshell.types import (
    BIGINT,
    BINARY,
    BOOLEAN,
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
    Fractional,
    Integral,
    Interval,
    Map,
    Numeric,
    SqlType,
    String,
    Struct,
    Temporal,
    Void,
    as_decimal,
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
        """One pattern per argument, or None when the number does not fit. A repeated tail of several params cycles."""
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


@dataclass(frozen=True)
class LambdaShape:
    """What is known of a lambda argument before it is bound: how many parameters it names."""

    arity: int


Shape = SqlType | LambdaShape


@dataclass
class Match:
    """A chosen alternative: `targets[i]` is what argument i is cast to (None: left alone, or a lambda)."""

    alternative: Alternative
    patterns: tuple[Pattern, ...]
    targets: list[SqlType | None]
    variables: dict[str, SqlType] = field(default_factory=dict)
    mismatch: int | None = None

    def lambda_params(self, i: int) -> tuple[SqlType, ...]:
        """Types of the parameters of the lambda at argument i."""
        return tuple(build(p, self.variables) for p in self.patterns[i].parts[:-1])

    def accept_body(self, i: int, body: SqlType) -> SqlType | None:
        """The type the lambda's body is to have; a new variable takes the body's own. None when it cannot."""
        wanted = self.patterns[i].parts[-1]
        if wanted.kind == "class":
            return body if fit_class(wanted.name, body, exact=True) is not None else None
        for name in wanted.variables():
            if name not in self.variables and wanted.kind == "var":
                self.variables[name] = body
        target = build(wanted, self.variables)
        if rt.same_type(target, body) or isinstance(body, Void):
            return target
        # Spark refuses a merge function whose type is not the accumulator's own; narrowing would lose values.
        return target if rt.tightest_common_type(target, body) == target else None

    def result(self) -> SqlType | None:
        """The return type; None when the row's `returns` tells."""
        pattern = self.alternative.result
        return None if pattern is None else build(pattern, self.variables)


@dataclass(frozen=True)
class Mismatch:
    """Why nothing matched: the number of arguments, or argument `index`."""

    counts: tuple[Alternative, ...] = ()
    index: int | None = None
    wanted: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Promotion:
    alone: bool
    inside: bool


def match(
    sig: str, shapes: tuple[Shape, ...], *, promote_strings: bool = True, promote_inside: bool = False
) -> Match | Mismatch:
    """Choose an alternative of `sig` for arguments of these shapes.

    Text gives way to other types where a variable stands alone (`promote_strings`), and inside arrays and maps
    only with `promote_inside`.
    """
    promote = _Promotion(promote_strings, promote_inside)
    alternatives = parse_signature(sig)
    fitting = [(a, p) for a in alternatives if (p := a.expand(len(shapes))) is not None]
    if not fitting:
        return Mismatch(counts=alternatives)
    for exact in (True, False):
        for alternative, patterns in fitting:
            found = _try(alternative, patterns, shapes, exact=exact, promote=promote)
            if found.mismatch is None:
                return found
    worst = max(
        (_try(a, p, shapes, exact=False, promote=promote) for a, p in fitting),
        key=lambda m: -1 if m.mismatch is None else m.mismatch,
    )
    index = worst.mismatch or 0
    wanted = {describe(p[index]): None for _, p in fitting if index < len(p)}
    return Mismatch(index=index, wanted=tuple(wanted))


def _try(
    alternative: Alternative,
    patterns: tuple[Pattern, ...],
    shapes: tuple[Shape, ...],
    *,
    exact: bool,
    promote: _Promotion,
) -> Match:
    m = Match(alternative, patterns, [None] * len(shapes))
    bound = _bind_variables(patterns, shapes, exact=exact, promote=promote)
    if isinstance(bound, int):
        m.mismatch = bound
        return m
    m.variables = bound
    for i, (pattern, shape) in enumerate(zip(patterns, shapes, strict=True)):
        if pattern.kind == "lambda" or isinstance(shape, LambdaShape):
            if not isinstance(shape, LambdaShape) or len(pattern.parts) != shape.arity + 1:
                m.mismatch = i
                return m
            continue
        target = _fit(pattern, shape, bound, exact=exact)
        if target is None:
            m.mismatch = i
            return m
        m.targets[i] = target
    return m


def _bind_variables(
    patterns: tuple[Pattern, ...], shapes: tuple[Shape, ...], *, exact: bool, promote: _Promotion
) -> dict[str, SqlType] | int:
    """Each variable's type from every argument that mentions it; the index of an argument that has none."""
    found: dict[str, list[SqlType]] = {}
    nested: set[str] = set()
    for i, (pattern, shape) in enumerate(zip(patterns, shapes, strict=True)):
        if isinstance(shape, LambdaShape) or pattern.kind == "lambda":
            continue
        if pattern.kind != "var":
            nested |= pattern.variables()
        if not _collect(pattern, shape, found):
            return i
    out: dict[str, SqlType] = {}
    for name, types in found.items():
        if exact:
            known = [t for t in types if not isinstance(t, Void)] or types
            if any(not rt.same_type(t, known[0]) for t in known):
                return _first_use(patterns, name)
            out[name] = known[0]
            continue
        strings = promote.inside if name in nested else promote.alone
        common = rt.common_type(types) if strings else rt.common_type_without_strings(types)
        if common is None:
            return _first_use(patterns, name)
        out[name] = common
    return out


def _first_use(patterns: tuple[Pattern, ...], name: str) -> int:
    """The last argument that mentions the variable: the one whose type does not go with the others."""
    return max(i for i, p in enumerate(patterns) if name in p.variables())


def _collect(pattern: Pattern, t: SqlType, found: dict[str, list[SqlType]]) -> bool:
    if pattern.kind == "var":
        found.setdefault(pattern.name, []).append(t)
        return True
    if pattern.kind in {"array", "map"} and isinstance(t, Void):
        return all(_collect(p, t, found) for p in pattern.parts)
    if pattern.kind == "array":
        return isinstance(t, Array) and _collect(pattern.parts[0], t.element, found)
    if pattern.kind == "map":
        return (
            isinstance(t, Map)
            and _collect(pattern.parts[0], t.key, found)
            and _collect(pattern.parts[1], t.value, found)
        )
    return True


def _fit(pattern: Pattern, t: SqlType, variables: dict[str, SqlType], *, exact: bool) -> SqlType | None:
    """What an argument of type `t` is cast to for `pattern`, or None."""
    if pattern.kind == "class":
        return fit_class(pattern.name, t, exact=exact)
    if pattern.kind in {"array", "map"} and not isinstance(t, Void):
        return _fit_container(pattern, t, variables, exact=exact)
    target = build(pattern, variables)
    if rt.same_type(t, target):
        return t
    if isinstance(t, Void):
        return target
    if exact:
        return STRING if target == STRING and isinstance(t, String) else None
    if pattern.kind == "var":
        # The variable already is a common type of this argument and others.
        return target
    return target if rt.can_implicitly_cast(t, target) else None


def _fit_container(
    pattern: Pattern, t: SqlType, variables: dict[str, SqlType], *, exact: bool
) -> SqlType | None:
    if pattern.kind == "array" and isinstance(t, Array):
        element = _fit(pattern.parts[0], t.element, variables, exact=exact)
        return None if element is None else Array(element, t.contains_null)
    if pattern.kind == "map" and isinstance(t, Map):
        key = _fit(pattern.parts[0], t.key, variables, exact=exact)
        value = _fit(pattern.parts[1], t.value, variables, exact=exact)
        return None if key is None or value is None else Map(key, value, t.value_contains_null)
    return None


_KINDS: dict[str, tuple[type[SqlType], ...]] = {
    "num": (Numeric,),
    "integral": (Integral,),
    "frac": (Fractional, Decimal),
    "decimal": (Decimal,),
    "interval": (Interval,),
    "datetime": (Temporal,),
    "atomic": rt.ATOMIC,
    "array": (Array,),
    "map": (Map,),
    "struct": (Struct,),
}

_DEFAULTS: dict[str, SqlType] = {
    "num": DOUBLE,
    "frac": DOUBLE,
    "integral": BIGINT,
    "decimal": Decimal(38, 18),
    "datetime": TIMESTAMP,
}


def fit_class(name: str, t: SqlType, *, exact: bool) -> SqlType | None:
    """What an argument of type `t` becomes for a class of types: itself if it is in the class."""
    if name == "any":
        return t
    if name == "orderable":
        return t if rt.is_orderable(t) else None
    if isinstance(t, _KINDS[name]):
        return t
    default = _DEFAULTS.get(name)
    if isinstance(t, Void):
        return default or t
    if exact or default is None:
        return None
    if isinstance(t, String):
        return default
    if name == "decimal" and isinstance(t, Integral):
        return as_decimal(t)
    if name == "frac" and isinstance(t, Integral):
        return DOUBLE
    return None


def describe(pattern: Pattern) -> str:
    """A pattern for messages."""
    if pattern.kind == "type":
        return str(pattern.type)
    if pattern.kind in {"array", "map"}:
        return f"{pattern.kind}<{','.join(describe(p) for p in pattern.parts)}>"
    if pattern.kind == "lambda":
        return "a lambda function of " + str(len(pattern.parts) - 1) + " parameters"
    if pattern.kind == "var":
        return "the type of the other arguments"
    return {"num": "a number", "integral": "an integer", "frac": "a fractional number"}.get(
        pattern.name, pattern.name
    )
