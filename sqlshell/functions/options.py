"""Options maps of from_csv, to_json and their kin."""

from __future__ import annotations

from typing import Any

from sqlshell.errors import AnalysisError, NotSupportedError
from sqlshell.expr.expr import Call, Literal
from sqlshell.types import Date, SqlType, Timestamp, TimestampNtz


def options_of(args: Any, i: int, known: set[str], fn: str, span: Any = None) -> dict[str, str]:
    """The options map (constants) at argument `i` by lower-case name; unknown ones are refused."""
    if len(args) <= i:
        return {}
    arg = args[i]
    if isinstance(arg, Literal) and isinstance(arg.value, tuple):
        found = {str(n): str(v) for n, v in arg.value}
    elif isinstance(arg, Call) and arg.fn == "map" and all(isinstance(a, Literal) for a in arg.args):
        values = [str(a.value) for a in arg.args if isinstance(a, Literal)]
        found = dict(zip(values[::2], values[1::2], strict=True))
    else:
        raise AnalysisError(
            f"the options of {fn} are a map of constants",
            condition="INVALID_OPTIONS.NON_MAP_FUNCTION",
            span=span,
        )
    for name in found:
        if name.lower() not in known:
            raise NotSupportedError(f"the option {name} of {fn} is not supported", span=span)
    return {n.lower(): v for n, v in found.items()}


def format_name(t: SqlType) -> str:
    """The option that holds the pattern of a type; empty for types without one."""
    if isinstance(t, Date):
        return "dateformat"
    if isinstance(t, TimestampNtz):
        return "timestampntzformat"
    return "timestampformat" if isinstance(t, Timestamp) else ""


def read_by(k: Any, text: Any, t: SqlType, pattern: str) -> Any:
    """Text as a date or timestamp by a pattern; NULL where it does not fit."""
    from sqlshell.functions.datetime_format import parsed

    instant = parsed(k, text, pattern)
    if isinstance(t, Timestamp):
        return instant
    wall = k.to_wall(instant)
    return wall.dt.date() if isinstance(t, Date) else wall
