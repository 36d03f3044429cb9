"""Where a Delta log lives: listing, reading and put-if-absent, on the local disk."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from sqlshell.errors import DiskFullError, OperationalError, SourceNotFound
from sqlshell.records import dataclass
from sqlshell.storage import policy, rehearsal
from sqlshell.storage.uri import is_remote, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class LogFile:
    """A file of a log directory."""

    name: str
    modified_ms: int
    size: int


class LogStore(Protocol):
    """What log, commit and checkpoint code needs of a file system. Names are relative to the table's location."""

    def path(self, name: str) -> str:
        """The absolute path or URI of a file of the table."""
        ...

    def names(self, folder: str) -> list[str]:
        """File names in a folder below the table; [] when there is none."""
        ...

    def stat(self, name: str) -> LogFile | None:
        """A file's time and size; None when it is not there."""
        ...

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises PATH_NOT_FOUND."""
        ...

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Create a file whole or not at all; False when it is there already."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Create or replace a file, whole or not at all."""
        ...

    def delete(self, name: str) -> bool:
        """Remove a file; False when it was not there."""
        ...


class LocalStore:
    """A table on the local disk. Commits appear by `link`, which is atomic and never replaces a file."""

    def __init__(self, location: str, *, trusted: bool = False) -> None:
        """`trusted` places are sqlshell's own: safe mode has nothing to say there."""
        self.root = location if trusted else resolve(location)
        self._trusted = trusted

    def path(self, name: str, *, write: bool = False) -> str:
        """The absolute path of a file of the table. Raises SAFE_MODE for names that lead where they may not."""
        path = os.path.join(self.root, name)
        if not self._trusted:
            policy.check(path, write=write)
        return path

    def names(self, folder: str) -> list[str]:
        try:
            return os.listdir(self.path(folder))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def stat(self, name: str) -> LogFile | None:
        try:
            found = os.stat(self.path(name))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return LogFile(name, found.st_mtime_ns // 1_000_000, found.st_size)

    def read(self, name: str) -> bytes:
        try:
            with open(self.path(name), "rb", buffering=0) as f:
                return f.read()
        except FileNotFoundError:
            raise SourceNotFound(f"the file '{self.path(name)}' is gone") from None

    def put_if_absent(self, name: str, data: bytes) -> bool:
        target = self.path(name, write=True)
        if os.path.exists(target):
            return False
        with self._written(target, data) as temporary:
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
            except OSError as e:
                if e.errno in {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP}:
                    raise OperationalError(
                        f"the file system of '{self.root}' has no hard links: commits there would not be safe",
                        hint="keep Delta tables on a POSIX file system or in an object store",
                    ) from None
                raise
        _sync_directory(os.path.dirname(target))
        return True

    def put(self, name: str, data: bytes) -> None:
        target = self.path(name, write=True)
        with self._written(target, data) as temporary:
            os.replace(temporary, target)

    def delete(self, name: str) -> bool:
        try:
            os.unlink(self.path(name, write=True))
        except FileNotFoundError:
            return False
        return True

    @contextlib.contextmanager
    def _written(self, target: str, data: bytes) -> Iterator[str]:
        """A temporary file beside the target, on disk, removed afterwards (a killed writer leaves it: `.tmp`)."""
        folder, base = os.path.split(target)
        os.makedirs(folder, exist_ok=True)
        temporary = os.path.join(folder, f".{base}.{uuid4()}.tmp")
        try:
            with open(temporary, "wb") as f:
                f.write(data)
                f.flush()
                os.fsync(f.fileno())
            yield temporary
        except OSError as e:
            if e.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise DiskFullError(f"no space left to write '{target}': nothing was committed") from None
            raise
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)


def _sync_directory(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_store(location: str) -> LogStore:
    """The store of a table's location."""
    real: LogStore
    if is_remote(location):
        from sqlshell.storage.delta.object_store import ObjectStore

        real = ObjectStore(location)
    else:
        real = LocalStore(location)
    shadow = rehearsal.shadow(resolve(location, remote=True))
    return real if shadow is None else rehearsal.RehearsalStore(real, LocalStore(shadow, trusted=True))
