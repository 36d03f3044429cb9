"""A rehearsal (`--check`): statements that make, change or drop objects run for real, but what they write goes to a
folder that is thrown away, and is read from there first. Logs and catalogs only: nobody writes data in a rehearsal.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.storage.delta.store import LocalStore, LogFile, LogStore

_folder: ContextVar[str | None] = ContextVar("rehearsal", default=None)


@contextlib.contextmanager
def begin() -> Iterator[None]:
    """Rehearse what this thread does in the block."""
    with tempfile.TemporaryDirectory(prefix="sqlshell-check-") as folder:
        token = _folder.set(folder)
        try:
            yield
        finally:
            _folder.reset(token)


def shadow(path: str) -> str | None:
    """Where a rehearsal keeps the file or folder `path` (absolute, or a URI); None when this is none."""
    folder = _folder.get()
    return None if folder is None else os.path.join(folder, path.replace("://", "/").lstrip("/"))


class RehearsalStore:
    """A table's log (`LogStore`) in a rehearsal: `real`, with what was written since in `own` before it."""

    def __init__(self, real: LogStore, own: LocalStore) -> None:
        self.real = real
        self.own = own

    def path(self, name: str) -> str:
        return self.real.path(name)

    def names(self, folder: str) -> list[str]:
        own = [
            n for n in self.own.names(folder) if ".checkpoint" not in n
        ]  # workers, who read these, see none
        return [*own, *(n for n in self.real.names(folder) if n not in own)]

    def stat(self, name: str) -> LogFile | None:
        return self.own.stat(name) or self.real.stat(name)

    def read(self, name: str) -> bytes:
        return (self.real if self.own.stat(name) is None else self.own).read(name)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        return self.real.stat(name) is None and self.own.put_if_absent(name, data)

    def put(self, name: str, data: bytes) -> None:
        self.own.put(name, data)

    def delete(self, name: str) -> bool:
        return self.own.stat(name) is not None and self.own.delete(name)
