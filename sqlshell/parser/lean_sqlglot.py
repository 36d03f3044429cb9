"""Imports sqlglot without `importlib.metadata`, which is a tenth of a cold start and serves its plugins only.

For the time of the import a stand-in gives what sqlglot takes from there; asked for anything, it imports the real one.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

NAME = "importlib.metadata"


class _StandIn(ModuleType):
    def entry_points(self, **params: Any) -> Any:
        """What sqlglot calls when it meets a dialect it does not know."""
        return self._real().entry_points(**params)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system's own questions
            raise AttributeError(name)
        return getattr(self._real(), name)

    def _real(self) -> Any:
        self.leave()
        return import_module(NAME)

    def leave(self) -> None:
        """Make way for the real one."""
        if sys.modules.get(NAME) is self:
            del sys.modules[NAME]


def _import() -> None:
    stand_in = _StandIn(NAME)
    if sys.modules.setdefault(NAME, stand_in) is not stand_in:
        return
    try:
        import_module("sqlglot")
    finally:
        stand_in.leave()


_import()
