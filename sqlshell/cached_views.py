"""CACHE TABLE: temporary views whose rows are kept as Arrow IPC files, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError
from sqlshell.records import dataclass
from sqlshell.result import Result
from sqlshell.storage.source import MemorySource
from sqlshell.types import Struct, quote_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.session import Session

STORAGE_LEVELS = ("MEMORY_ONLY", "MEMORY_AND_DISK", "DISK_ONLY")


@dataclass
class _Cached:
    """A cached view: where its rows are, or that they are still to be computed (`lazy`)."""

    level: str
    source: MemorySource | None = None
    result: Result | None = None


class CachedViews:
    """The cached views of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._entries: dict[str, _Cached] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._entries))

    def keep(self, name: str, level: str, *, lazy: bool) -> None:
        """Keep the view's rows until `forget`; lazy waits for the first use. Raises INVALID_STORAGE_LEVEL."""
        if level not in STORAGE_LEVELS:
            raise AnalysisError(
                f"unknown storage level {level}",
                condition="INVALID_STORAGE_LEVEL",
                hint="levels are " + ", ".join(STORAGE_LEVELS),
            )
        self._entries[name] = _Cached(level)
        if not lazy:
            self.source(name)

    def source(self, name: str) -> MemorySource:
        """The rows of a cached view, computed now when they are not there yet."""
        session = self._session
        entry = self._entries.pop(name)  # while it is computed the view itself must be read
        if entry.source is None:
            bound = session.bind_text(f"SELECT * FROM {'.'.join(quote_name(p) for p in name.split('.'))}")
            plan = session.optimize(bound.plan).plan
            handle = session.engine.store(session.stages(plan), entry.level)
            schema = Struct(tuple(bound.fields(plan)))
            entry.source = MemorySource(name, schema, tuple(handle.paths), handle.rows, handle.size)
            entry.result = Result((), (), on_close=handle.close)
        self._entries[name] = entry
        return entry.source

    def forget(self, name: str) -> bool:
        """Drop a cached view's rows; False when it was not cached."""
        entry = self._entries.pop(name, None)
        if entry is None:
            return False
        if entry.result is not None:
            entry.result.close()
        return True
