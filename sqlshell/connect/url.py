"""Connection URLs: `sqlshell:///warehouse?workers=8&dialect=duckdb`, also written `jdbc:sqlshell:...`.

As in SQLAlchemy three slashes lead to a path from the working directory, four to an absolute one; none is the
default warehouse. Besides `dialect`, `workers`, `timeout` (seconds), `warehouse` and `safe` (true), every setting that
starts with `sqlshell.` or `spark.` can be given.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sqlshell.errors import InterfaceError, did_you_mean

SCHEME = "sqlshell:"
OPTIONS = ("dialect", "workers", "timeout", "warehouse", "safe")


def is_url(text: str) -> bool:
    """Whether a warehouse is given as a URL."""
    return text.startswith((SCHEME, "jdbc:" + SCHEME))


def parse_url(text: str) -> dict[str, Any]:
    """Keyword arguments of `connect` from a URL. Raises InterfaceError for what it does not know."""
    parts = urlsplit(text.removeprefix("jdbc:"))
    if parts.netloc:
        raise InterfaceError(
            f"a connection URL names no host, not '{parts.netloc}'",
            hint="sqlshell:///relative/path or sqlshell:////absolute/path",
        )
    found: dict[str, Any] = {}
    if parts.path not in {"", "/"}:
        found["warehouse"] = unquote(parts.path[1:])
    settings: dict[str, str] = {}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key.startswith(("sqlshell.", "spark.")):
            settings[key] = value
        elif key in OPTIONS:
            found[key] = _typed(key, value)
        else:
            raise InterfaceError(
                f"a connection URL has no option '{key}'",
                hint=did_you_mean(key, OPTIONS) or "options are " + ", ".join(OPTIONS),
            )
    if settings:
        found["settings"] = settings
    return found


def _typed(key: str, value: str) -> Any:
    kinds: dict[str, Any] = {"workers": int, "timeout": float}
    if key == "safe":
        if value.lower() not in ("true", "1", "false", "0"):
            raise InterfaceError(f"the option safe is true or false, not '{value}'")
        return value.lower() in ("true", "1")
    try:
        return kinds.get(key, str)(value)
    except ValueError:
        raise InterfaceError(f"the option {key} takes a number, not '{value}'") from None
