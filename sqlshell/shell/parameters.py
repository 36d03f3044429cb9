"""Parameters from the command line: `name=text`, or `name:type=text` for a value of an SQL type."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlshell.errors import did_you_mean
from sqlshell.shell.exits import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_PARAMETER = re.compile(r"(?P<name>[A-Za-z_]\w*)(?::(?P<type>\w+))?=(?P<value>.*)", re.DOTALL)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError
    return text.lower() == "true"


def _finite(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError
    return value


TYPES: dict[str, Callable[[str], Any]] = {
    "string": str,
    "int": int,
    "bigint": int,
    "double": float,
    "decimal": _finite,
    "boolean": _boolean,
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "time": time.fromisoformat,
    "binary": bytes.fromhex,
    "null": lambda _: None,
}


def typed(text: str) -> tuple[str, Any]:
    """(name, value) of `name[:type]=text`; without a type the value is a string."""
    found = _PARAMETER.fullmatch(text)
    if found is None:
        raise UsageError(f"a parameter is name=value or name:type=value, not `{text}`")
    kind = (found["type"] or "string").lower()
    if kind not in TYPES:
        raise UsageError(
            f"parameters have no type {kind}", hint=did_you_mean(kind, TYPES) or "types: " + ", ".join(TYPES)
        )
    try:
        return found["name"], TYPES[kind](found["value"])
    except (ValueError, ArithmeticError):
        raise UsageError(f"`{found['value']}` is no {kind} (parameter {found['name']})") from None
