"""The Python connector: PEP 249 cursors, Arrow results. `sqlshell.connect(...)` calls this module.

`dbapi.py` holds Connection and Cursor; both only translate between PEP 249 and `Session`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _CallableModule(ModuleType):
    """`sqlshell.connect` is a package and PEP 249's constructor at once."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from sqlshell.connect.dbapi import open_connection

        return open_connection(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
