"""The signature mini-language of `functions/registry.py`: parse once, match against argument types.

`match(sig, shapes)` finds the first alternative whose arguments fit exactly, else the first whose arguments
fit by ANSI implicit casts, and gives a `Match`: the type each argument is to be cast to, the parameter types
of each lambda, and (once lambda bodies are known) the return type.
"""

from __future__ import annotations

from sqlshell.functions import result_types as rt
from sqlshell.functions.signature_text import Alternative, Pattern, build, parse_signature
from sqlshell.records import dataclass, field
from sqlshell.types import (
    BIGINT,
    DOUBLE,
    STRING,
    TIMESTAMP,
    Array,
    Decimal,
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
    apart: bool = False

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
    together: bool = False
    """Whether the argument only fails beside the others (a shared type variable)."""


@dataclass(frozen=True)
class _Promotion:
    alone: bool
    inside: bool


def match(
    sig: str, shapes: tuple[Shape, ...], *, promote_strings: bool = True, promote_inside: bool = False
) -> Match | Mismatch:
    """Choose an alternative of `sig` for arguments of these shapes.

    Text gives way to other types where a variable stands alone (`promote_strings`), and inside arrays and
    maps only with `promote_inside`.
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
    together = worst.apart
    wanted = {describe(p[index]): None for _, p in fitting if index < len(p)}
    return Mismatch(index=index, wanted=tuple(wanted), together=together)


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
        shape = shapes[bound]
        m.apart = isinstance(shape, SqlType) and _collect(patterns[bound], shape, {})
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
