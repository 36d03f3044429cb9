"""The connector under ADBC's name; `connect` takes what `sqlshell.connect` takes.

With `adbc-driver-manager` installed its Connection is a base class, which is how pandas knows Arrow connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell import (
    BINARY,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Binary,
    DatabaseError,
    DataError,
    Date,
    DateFromTicks,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
    Warning,  # noqa: A004 - PEP 249's name
    apilevel,
    paramstyle,
    threadsafety,
)
from sqlshell.connect.cursor import Cursor
from sqlshell.connect.dbapi import Connection as _Connection
from sqlshell.connect.dbapi import open_connection

if TYPE_CHECKING:
    _Marker = object
else:
    try:
        from adbc_driver_manager.dbapi import Connection as _Marker
    except ImportError:
        _Marker = object


class Connection(_Connection, _Marker):
    """A connection of `sqlshell.connect` that pandas and Polars know as one of ADBC."""

    def rollback(self) -> None:
        """As the base class's; without a transaction nothing, as pandas calls this whenever a statement fails."""
        if self.session.transaction is not None:
            super().rollback()

    def __del__(self) -> None:
        """Nothing: the base class would complain about connections of its own."""


def connect(uri: str | None = None, **options: Any) -> Connection:
    """Open a connection; `uri` is a warehouse directory or a `sqlshell:` URL."""
    return Connection(open_connection(uri, **options).session)


__all__ = [
    "BINARY",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Binary",
    "Connection",
    "Cursor",
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
    "apilevel",
    "connect",
    "paramstyle",
    "threadsafety",
]
