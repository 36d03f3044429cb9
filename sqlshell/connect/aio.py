"""Coroutines for connections and cursors (`sqlshell.aio`): the same names, nothing blocks the event loop.

A connection's statements run on one thread of its own. Cancelling the task that awaits one cancels the statement.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from sqlshell.connect.dbapi import Connection, open_connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import pyarrow as pa

    from sqlshell.connect.cursor import Cursor
    from sqlshell.parser.parameters import Parameters


async def connect(warehouse: str | None = None, **options: Any) -> AsyncConnection:
    """As `sqlshell.connect`."""
    pool = ThreadPoolExecutor(1, "sqlshell-aio")
    try:
        call = partial(open_connection, warehouse, **options)
        connection = await asyncio.get_running_loop().run_in_executor(pool, call)
    except BaseException:
        pool.shutdown(wait=False)
        raise
    return AsyncConnection(connection, pool)


class AsyncConnection:
    """A connection whose methods are coroutines; `sync` is the connection itself."""

    def __init__(self, connection: Connection, pool: ThreadPoolExecutor) -> None:
        self.sync = connection
        self._pool = pool

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a function on the connection's thread."""
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._pool, partial(function, *args, **kwargs))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            while not future.done():  # what is still being planned cannot hear it yet
                self.sync.cancel()
                await asyncio.wait([future], timeout=0.05)
            future.exception()
            raise

    def cursor(self) -> AsyncCursor:
        """A new cursor."""
        return AsyncCursor(self, self.sync.cursor())

    async def execute(
        self, sql: str, parameters: Parameters | None = None, *, timeout: float | None = None
    ) -> AsyncCursor:
        """A new cursor with `sql` run on it."""
        return await self.cursor().execute(sql, parameters, timeout=timeout)

    async def register(self, name: str, data: Any) -> None:
        """Make Arrow data a temporary view."""
        await self.call(self.sync.register, name, data)

    async def create_function(self, name: str, fn: Any, *args: Any, **options: Any) -> None:
        """Make a Python function a temporary SQL function (see `Connection.create_function`)."""
        await self.call(lambda: self.sync.create_function(name, fn, *args, **options))

    def cancel(self) -> None:
        """Stop the running statement."""
        self.sync.cancel()

    async def close(self) -> None:
        """Stop the workers and the thread."""
        try:
            await self.call(self.sync.close)
        finally:
            self._pool.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        if not self.sync.closed:
            await self.close()


class AsyncCursor:
    """A cursor whose methods are coroutines; `async for` gives rows."""

    def __init__(self, connection: AsyncConnection, cursor: Cursor) -> None:
        self.connection = connection
        self.sync = cursor

    @property
    def description(self) -> tuple[tuple[Any, ...], ...] | None:
        """As PEP 249 has it."""
        return self.sync.description

    async def execute(
        self, sql: str, parameters: Parameters | None = None, *, timeout: float | None = None
    ) -> Self:
        """Run one statement."""
        await self.connection.call(self.sync.execute, sql, parameters, timeout=timeout)
        return self

    async def executemany(self, sql: str, seq_of_parameters: Any) -> Self:
        """Run one statement for each set of values."""
        await self.connection.call(self.sync.executemany, sql, seq_of_parameters)
        return self

    async def rowcount(self) -> int:
        """Rows of the query, once it has ended, or those that the statement changed."""
        found: int = await self.connection.call(lambda: self.sync.rowcount)
        return found

    async def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, or None."""
        found: tuple[Any, ...] | None = await self.connection.call(self.sync.fetchone)
        return found

    async def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """The next `size` rows."""
        found: list[tuple[Any, ...]] = await self.connection.call(self.sync.fetchmany, size)
        return found

    async def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows not fetched yet."""
        found: list[tuple[Any, ...]] = await self.connection.call(self.sync.fetchall)
        return found

    async def fetch_arrow_table(self) -> pa.Table:
        """All rows as an Arrow table."""
        return await self.connection.call(self.sync.fetch_arrow_table)

    async def batches(self) -> AsyncIterator[pa.RecordBatch]:
        """The rows as record batches, as they arrive."""
        found = self.sync.fetch_record_batches()
        while (batch := await self.connection.call(next, found, None)) is not None:
            yield batch

    async def __aiter__(self) -> AsyncIterator[tuple[Any, ...]]:
        while rows := await self.fetchmany(1024):
            for row in rows:
                yield row

    async def close(self) -> None:
        """Drop the result and its files."""
        await self.connection.call(self.sync.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
