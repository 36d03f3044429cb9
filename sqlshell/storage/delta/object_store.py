"""A Delta table in an object store: commits appear by a conditional PUT, which never replaces an object."""

from __future__ import annotations

from sqlshell.storage import objects, policy
from sqlshell.storage.delta.store import LogFile


class ObjectStore:
    """The `LogStore` of a table at `s3://`, `gs://` or `az://`."""

    def __init__(self, location: str) -> None:
        self.root = objects.normal(location)

    def path(self, name: str, *, write: bool = False) -> str:
        """The URI of a file of the table. Raises SAFE_MODE for names that lead where they may not."""
        path = name if "://" in name else f"{self.root}/{name}"
        policy.check(path, write=write)
        return path

    def names(self, folder: str) -> list[str]:
        return objects.names(self.path(folder))

    def stat(self, name: str) -> LogFile | None:
        found = objects.look(self.path(name))
        return None if found is None else LogFile(name, found.modified_ns // 1_000_000, found.size)

    def read(self, name: str) -> bytes:
        return objects.read(self.path(name))

    def put_if_absent(self, name: str, data: bytes) -> bool:
        return objects.put(self.path(name, write=True), data, create=True)

    def put(self, name: str, data: bytes) -> None:
        objects.put(self.path(name, write=True), data)

    def delete(self, name: str) -> bool:
        return objects.delete(self.path(name, write=True))
