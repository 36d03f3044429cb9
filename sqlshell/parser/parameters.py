"""Statement parameters: `?` and `:name` become literals of the caller's values before the statement is parsed.

As in Spark 4 a marker may stand wherever a literal may (LIMIT, IN lists, VALUES, IDENTIFIER, DDL, stored views). A
value is written as one literal, apart from its neighbours, with everything special escaped: it can never be
read as anything else.
"""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlshell.errors import InterfaceError, ProgrammingError, did_you_mean
from sqlshell.parser.dialect import words
from sqlshell.parser.tokens import STRINGS, T, ends_operand, is_word, tokenize, upper
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlglot.tokenizer_core import Token

    from sqlshell.errors import Span

    Parameters = Mapping[str, Any] | Sequence[Any]

_BEFORE = words("""
    LIKE ILIKE RLIKE REGEXP DIV RETURN DEFAULT SET REPEATABLE ELSEIF WHILE UNTIL IF IMMEDIATE OF DO TO LOCATION
    COMMENT ANY SOME ZONE OPTIONS PATH RETAIN SQLSTATE VALUE CONTAINS INTO DESCRIPTION
""")
"""Words that a value may follow, besides those that can end no operand anywhere."""
_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"})
_MAX_DIGITS = 38


@dataclass(frozen=True)
class Rendered:
    """A value that is a literal's text already."""

    text: str


@dataclass(frozen=True)
class Marker:
    """A `?` (name is None) or `:name`, with its span."""

    name: str | None
    span: Span


def find_markers(tokens: Sequence[Token]) -> list[Marker]:
    """The parameter markers among the tokens; the `:` of a path (`column:field`) or a label is none."""
    found: list[Marker] = []
    for i, token in enumerate(tokens):
        if token.token_type == T.PLACEHOLDER:
            found.append(Marker(None, (token.start, token.end + 1)))
        elif token.token_type == T.COLON and i + 1 < len(tokens):
            name = tokens[i + 1]
            before = tokens[i - 1] if i else None
            touches = name.start == token.end + 1 and is_word(name)
            if touches and _may_precede(before):
                found.append(Marker(name.text, (token.start, name.end + 1)))
    return found


def marker_names(text: str, dialect: str) -> list[str]:
    """The markers' names in order, each named one once; `?` are `?1`, `?2` ..."""
    from sqlshell.parser.parse import OWN_DIALECTS

    if dialect.lower() not in OWN_DIALECTS:
        from sqlshell.parser.foreign import transpile

        text = transpile(text, dialect)
    found = find_markers(tokenize(text))
    names = [m.name or f"?{i}" for i, m in enumerate(found, 1)]
    return list(dict.fromkeys(names))


def _may_precede(token: Token | None) -> bool:
    """Whether a value may follow the token: after an operand it would turn a name into a call, `x (-1)`."""
    return token is None or not ends_operand(token) or upper(token) in _BEFORE


def substitute(text: str, parameters: Parameters, dialect: str = "spark") -> str:
    """The statement with every marker replaced by its value's literal, in our own dialect.

    Positional values must be as many as the markers; of named ones every marker needs one, others are ignored.
    """
    from sqlshell.parser.parse import OWN_DIALECTS

    if dialect.lower() not in OWN_DIALECTS:
        from sqlshell.parser.foreign import transpile

        text = transpile(_named(text, dialect) if _is_sequence(parameters) else text, dialect)
        if _is_sequence(parameters):
            parameters = {f"p{i}": v for i, v in enumerate(parameters)}
    tokens = tokenize(text)
    markers = find_markers(tokens)
    _refuse_neighbours(tokens, markers)
    values = [_value(m, i, markers, parameters) for i, m in enumerate(markers)]
    if _is_sequence(parameters) and len(parameters) > len(markers):
        raise ProgrammingError(
            f"{len(parameters)} parameters are given, the statement has {len(markers)} markers",
            condition="PARAMETER_COUNT_MISMATCH",
            hint="write ? in the statement for each value",
        )
    out, at = [], 0
    for marker, value in zip(markers, values, strict=True):
        out += [text[at : marker.span[0]], f" {literal(value)} "]
        at = marker.span[1]
    return "".join([*out, text[at:]])


def _is_sequence(parameters: Parameters) -> bool:
    return not hasattr(parameters, "keys")


def _named(text: str, dialect: str) -> str:
    """Another dialect's text with `?` numbered, since transpiling may move clauses."""
    from sqlglot.dialects.dialect import Dialect

    out, at, count = [], 0, 0
    for token in Dialect.get_or_raise(dialect.lower()).tokenize(text):
        if token.token_type == T.PLACEHOLDER:
            out += [text[at : token.start], f":p{count}"]
            at, count = token.end + 1, count + 1
    return "".join([*out, text[at:]])


def _refuse_neighbours(tokens: Sequence[Token], markers: Sequence[Marker]) -> None:
    """A literal beside a string would become part of it, one after a name its arguments."""
    starts = {m.span[0]: m for m in markers}
    ends = {m.span[1] for m in markers}
    for i, token in enumerate(tokens):
        marker = starts.get(token.start)
        before = tokens[i - 1] if i else None
        joined = before is not None and before.end + 1 in ends and (marker or token.token_type in STRINGS)
        if joined or (marker is not None and not _may_precede(before)):
            at = marker.span if marker is not None else (token.start, token.end + 1)
            raise ProgrammingError(
                "Syntax error: a parameter stands where no value can stand",
                condition="PARSE_SYNTAX_ERROR",
                span=at,
                hint="to join texts write || between them",
            )


def _value(marker: Marker, i: int, markers: Sequence[Marker], parameters: Parameters) -> Any:
    if any((m.name is None) != (marker.name is None) for m in markers):
        raise ProgrammingError(
            "a statement takes ? or :name markers, not both",
            condition="INVALID_QUERY_MIXED_QUERY_PARAMETERS",
            span=marker.span,
        )
    if _is_sequence(parameters):
        if marker.name is None and i < len(parameters):
            return parameters[i]  # type: ignore[index]
        raise unbound(marker.name, marker.span, list(map(str, range(len(parameters)))))
    named: Mapping[str, Any] = parameters  # type: ignore[assignment]
    if marker.name is None:
        raise unbound(None, marker.span, [])
    if marker.name in named:
        return named[marker.name]
    lowered = {k.lower(): v for k, v in named.items()}
    if marker.name.lower() in lowered:
        return lowered[marker.name.lower()]
    raise unbound(marker.name, marker.span, list(named))


def unbound(name: str | None, span: Span | None, known: Sequence[str]) -> ProgrammingError:
    """The error for a marker without a value."""
    name = None if name == "?" else name  # as sqlglot calls it
    shown = f":{name}" if name else "?"
    return ProgrammingError(
        f"the parameter {shown} has no value",
        condition="UNBOUND_SQL_PARAMETER",
        span=span,
        hint=(did_you_mean(name, known) if name else None)
        or "give values: execute(sql, [1, 'a']) for ?, execute(sql, {'name': 1}) for :name",
    )


def literal(value: Any) -> str:
    """A Python value as one Spark SQL literal (or array() and map() of them)."""
    item = getattr(value, "item", None)
    if item is not None and getattr(value, "ndim", None) == 0:
        value = item()  # a scalar of numpy
    match value:
        case Rendered():
            return value.text
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return _integer(value)
        case float():
            return _double(value)
        case Decimal():
            return _decimal(value)
        case str():
            return "'" + value.translate(_ESCAPES) + "'"
        case bytes() | bytearray() | memoryview():
            return f"X'{bytes(value).hex()}'"
        case datetime():
            return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
        case date():
            return f"DATE '{value.isoformat()}'"
        case time():
            return f"TIME '{value.isoformat()}'"
        case timedelta():
            return _interval(value)
        case list() | tuple():
            return f"array({', '.join(map(literal, value))})"
        case dict():
            return f"map({', '.join(f'{literal(k)}, {literal(v)}' for k, v in value.items())})"
    raise InterfaceError(
        f"a parameter cannot be of type {type(value).__name__}",
        hint="None, bool, int, float, Decimal, str, bytes, date, datetime, timedelta, list, tuple, dict",
    )


def _integer(value: int) -> str:
    if len(str(abs(value))) > _MAX_DIGITS:
        raise InterfaceError(f"the parameter {value} has more than {_MAX_DIGITS} digits")
    return str(value) if value >= 0 else f"({value})"


def _double(value: float) -> str:
    if math.isnan(value) or math.isinf(value):
        text = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return f"CAST('{text}' AS DOUBLE)"
    return f"{value!r}D" if math.copysign(1, value) > 0 else f"({value!r}D)"


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise InterfaceError(f"the parameter {value} is no number")
    text = f"{value:f}BD"
    return text if not value.is_signed() else f"({text})"


def _interval(value: timedelta) -> str:
    micros = value // timedelta(microseconds=1)
    sign, rest = "-" if micros < 0 else "", abs(micros)
    seconds, fraction = divmod(rest, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"INTERVAL '{sign}{day} {hour:02}:{minute:02}:{second:02}.{fraction:06}' DAY TO SECOND"
