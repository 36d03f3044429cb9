"""LIKE and ILIKE. Constant patterns become equality, prefix, suffix and substring tests, or one regex."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from sqlshell.errors import AnalysisError
from sqlshell.functions.common import constant, failure, per_distinct
from sqlshell.records import dataclass

ANY, ONE = object(), object()


class EscapeError(Exception):
    """The pattern ends in its escape character, or escapes an ordinary one."""

    def __init__(self, condition: str) -> None:
        super().__init__(condition)
        self.condition = condition


@dataclass(frozen=True)
class Pattern:
    """A pattern as literal texts and wildcards."""

    parts: tuple[Any, ...]

    @property
    def texts(self) -> list[str]:
        return [p for p in self.parts if isinstance(p, str)]

    def regex(self, quote: Any = re.escape) -> str:
        """The whole pattern as a regular expression that must match from start to end."""
        return "".join(".*" if p is ANY else "." if p is ONE else quote(p) for p in self.parts)


@lru_cache(maxsize=256)
def parse(pattern: str, escape: str) -> Pattern:
    """Split a LIKE pattern; raises EscapeError as Spark does."""
    parts: list[Any] = []
    text: list[str] = []
    at = 0

    def flush() -> None:
        if text:
            parts.append("".join(text))
            text.clear()

    while at < len(pattern):
        c = pattern[at]
        if c == escape:
            at += 1
            if at == len(pattern):
                raise EscapeError("INVALID_FORMAT.ESC_AT_THE_END")
            if pattern[at] not in {"_", "%", escape}:
                raise EscapeError("INVALID_FORMAT.ESC_IN_THE_MIDDLE")
            text.append(pattern[at])
        elif c == "%":
            flush()
            if not parts or parts[-1] is not ANY:
                parts.append(ANY)
        elif c == "_":
            flush()
            parts.append(ONE)
        else:
            text.append(c)
        at += 1
    flush()
    return Pattern(tuple(parts))


def lower(k: Any, text: Any, pattern: Any, escape: Any = None) -> Any:
    """`text LIKE pattern [ESCAPE escape]`."""
    mark = _escape(k, escape)
    if not k.is_literal(1):
        return _by_row(k, text, pattern, mark)
    if k.literal(1) is None:
        return k.pl.lit(None, dtype=k.pl.Boolean)
    try:
        found = parse(k.literal(1), mark)
    except EscapeError as e:
        message = f"the pattern {k.literal(1)!r} misuses its escape character {mark!r}"
        raise AnalysisError(message, condition=e.condition, span=k.call.span) from None
    return _test(k, text, found)


def lower_ignoring_case(k: Any, text: Any, pattern: Any, escape: Any = None) -> Any:
    """`text ILIKE pattern`: LIKE of both sides in lower case."""
    mark = _escape(k, escape)
    lowered = text.str.to_lowercase()
    if not k.is_literal(1) or k.literal(1) is None:
        return lower(k, lowered, pattern.str.to_lowercase(), escape)
    try:
        found = parse(k.literal(1).lower(), mark)
    except EscapeError as e:
        message = f"the pattern {k.literal(1)!r} misuses its escape character {mark!r}"
        raise AnalysisError(message, condition=e.condition, span=k.call.span) from None
    return _test(k, lowered, found)


def _escape(k: Any, escape: Any) -> str:
    if escape is None:
        return "\\"
    return str(constant(k, 2, "escape character"))


def _test(k: Any, text: Any, pattern: Pattern) -> Any:
    pl, parts = k.pl, pattern.parts
    match parts:
        case ():
            return text == pl.lit("")
        case (str() as whole,):
            return text == pl.lit(whole)
        case (one,) if one is ANY:
            return pl.when(text.is_not_null()).then(pl.lit(value=True))
        case (str() as start, last) if last is ANY:
            return text.str.starts_with(start)
        case (first, str() as end) if first is ANY:
            return text.str.ends_with(end)
        case (first, str() as middle, last) if first is ANY and last is ANY:
            return text.str.contains(middle, literal=True)
    # `.` matches every character here, line ends too; unanchored ends save the regex engine their `.*`.
    inner = Pattern(parts[parts[0] is ANY : len(parts) - (parts[-1] is ANY)])
    start = "" if parts[0] is ANY else "^"
    end = "" if parts[-1] is ANY else "$"
    return text.str.contains(f"(?s){start}{inner.regex(_quote)}{end}")


def _quote(text: str) -> str:
    """A literal for Rust's regex dialect."""
    return re.sub(r"([\\.+*?()|\[\]{}^$#&\-~])", r"\\\1", text)


def _by_row(k: Any, text: Any, pattern: Any, mark: str) -> Any:
    def matches(value: str, raw: str) -> bool:
        try:
            found = _compiled(raw, mark)
        except EscapeError as e:
            raise failure(k, e.condition, raw) from None
        return found.fullmatch(value) is not None

    return per_distinct(k, matches, k.pl.Boolean, text, pattern)


@lru_cache(maxsize=1024)
def _compiled(pattern: str, mark: str) -> re.Pattern[str]:
    return re.compile(parse(pattern, mark).regex(), re.DOTALL)
