"""sqlshell: a SQL-first analytics shell. `sqlshell.connect()` opens a session from Python (PEP 249).

Importing the package is cheap: nothing heavy is loaded before the first statement needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlshell.connect.dbapi import Connection
    from sqlshell.errors import (
        DatabaseError,
        DataError,
        Error,
        IntegrityError,
        InterfaceError,
        InternalError,
        NotSupportedError,
        OperationalError,
        ProgrammingError,
    )

apilevel = "2.0"
threadsafety = 2
paramstyle = "qmark"


if TYPE_CHECKING:

    def connect(
        warehouse: str | None = None,
        *,
        dialect: str = "spark",
        workers: int | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> Connection:
        """Open a connection; see `sqlshell.connect.dbapi.open_connection`."""

else:
    # The room `sqlshell/connect/` is itself callable, so that importing it never hides the function.
    from sqlshell import connect

    def __getattr__(name: str) -> Any:
        """PEP 249's errors, loaded when first asked for: `sqlshell --version` needs none."""
        if name not in __all__:
            raise AttributeError(f"module 'sqlshell' has no attribute {name!r}")
        from sqlshell import errors

        return getattr(errors, name)


__all__ = [
    "DataError",
    "DatabaseError",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "__version__",
    "apilevel",
    "connect",
    "paramstyle",
    "threadsafety",
]
