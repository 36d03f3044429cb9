"""`await sqlshell.aio.connect(...)`: the connector for asyncio."""

from __future__ import annotations

from sqlshell.connect.aio import AsyncConnection, AsyncCursor, connect

__all__ = ["AsyncConnection", "AsyncCursor", "connect"]
