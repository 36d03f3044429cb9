"""How the aggregate tables make their rows."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.registry import Function


def never(_: tuple[bool, ...]) -> bool:
    """Nullability of counts and collections."""
    return False


def always(_: tuple[bool, ...]) -> bool:
    """Nullability of aggregates that give NULL for no rows."""
    return True


def aggregate_row(name: str, sig: str, doc: str, example: str, **more: Any) -> Function:
    """A registry row of an aggregate, nullable unless it says otherwise."""
    more.setdefault("nullable", always)
    return Function(name, sig, doc, example, kind="aggregate", **more)
