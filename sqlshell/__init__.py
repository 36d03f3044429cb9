"""sqlshell: a SQL-first analytics shell. `sqlshell.connect()` opens a session from Python (PEP 249).

Importing the package is cheap: nothing heavy is loaded before the first statement needs it.
"""

from __future__ import annotations

from importlib import import_module
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
        Warning,  # noqa: A004 - PEP 249's name
    )

apilevel = "2.0"
threadsafety = 2
paramstyle = "qmark"


_PEP_249 = frozenset({
    "BINARY", "DATETIME", "NUMBER", "ROWID", "STRING", "Binary", "Date", "DateFromTicks", "Time", "TimeFromTicks",
    "Timestamp", "TimestampFromTicks",
})  # fmt: skip

if TYPE_CHECKING:
    from sqlshell.connect.pep249 import (
        BINARY,
        DATETIME,
        NUMBER,
        ROWID,
        STRING,
        Binary,
        Date,
        DateFromTicks,
        Time,
        TimeFromTicks,
        Timestamp,
        TimestampFromTicks,
    )

    def connect(
        warehouse: str | None = None,
        *,
        dialect: str = "spark",
        workers: int | None = None,
        timeout: float | None = None,
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
        if name in _PEP_249:
            from sqlshell.connect import pep249

            return getattr(pep249, name)
        from sqlshell import errors

        return getattr(errors, name)


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext sqlshell`: the magics of `sqlshell.notebook`."""
    # by name: the package itself depends on neither the doors nor IPython
    import_module("sqlshell.notebook").load(shell)


__all__ = [
    "BINARY",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Binary",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Warning",
    "__version__",
    "apilevel",
    "connect",
    "paramstyle",
    "threadsafety",
]
