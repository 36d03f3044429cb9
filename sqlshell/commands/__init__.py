"""Statements that are not queries, one module per topic.

`run_command` dispatches on the statement's class; each handler gives a `Result`. Modules load when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from sqlshell.errors import NotSupportedError

if TYPE_CHECKING:
    from sqlshell.parser.statement import Statement
    from sqlshell.result import Result
    from sqlshell.session import Session

_HANDLERS = {
    "SetVariable": "settings.set_variable",
    "Reset": "settings.reset",
    "UseSchema": "settings.use_schema",
    "CreateView": "views.create_view",
    "DropView": "views.drop_view",
    "Show": "show.show",
    "Describe": "show.describe",
    "Explain": "explain.explain",
    "CacheTable": "cache.cache",
    "UncacheTable": "cache.uncache",
    "ClearCache": "cache.clear_cache",
}


def run_command(session: Session, statement: Statement) -> Result:
    """Answer one command; raises NotSupportedError for statements we do not have."""
    kind = type(statement).__name__
    if kind not in _HANDLERS:
        raise NotSupportedError(f"{kind} is not supported")
    module, function = _HANDLERS[kind].split(".")
    result: Result = getattr(import_module(f"sqlshell.commands.{module}"), function)(session, statement)
    return result
