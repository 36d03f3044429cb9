"""The one door to files: every path that sqlshell reads or writes passes `resolve` (and, later, safe mode)."""

from __future__ import annotations

import os
from glob import glob, has_magic
from urllib.parse import unquote, urlparse

from sqlshell.errors import NotSupportedError, SourceNotFound, did_you_mean


def resolve(uri: str, base: str | None = None) -> str:
    """A local absolute path for a path or file: URI; `~` is the home directory.

    Relative paths count from `base` (the user's working directory: workers have their own), else from here.
    """
    if "://" in uri or uri.startswith("file:"):
        parsed = urlparse(uri)
        if parsed.scheme != "file":
            raise NotSupportedError(f"{parsed.scheme}:// locations are not supported yet: {uri}")
        uri = unquote(parsed.path)
    return os.path.abspath(os.path.join(base or "", os.path.expanduser(uri)))


def open_uri(uri: str, mode: str = "rb") -> object:
    """Open a local file."""
    return open(resolve(uri), mode)


def expand(uri: str, base: str | None = None) -> list[str]:
    """Files a path, directory or glob names, sorted; hidden ones (`_x`, `.x`) inside directories are left out.

    Raises PATH_NOT_FOUND, naming near names in the same directory.
    """
    path = resolve(uri, base)
    if os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        return _files_below(path)
    if has_magic(path):
        matches = sorted(glob(path, recursive=True))
        matches = [m for m in matches if not _hidden(os.path.basename(m))]
        files = [f for m in matches for f in ([m] if os.path.isfile(m) else _files_below(m))]
        if files:
            return files
        raise SourceNotFound(f"no file matches '{uri}'")
    parent = os.path.dirname(path)
    names = os.listdir(parent) if os.path.isdir(parent) else []
    hint = did_you_mean(os.path.basename(path), names)
    raise SourceNotFound(f"there is no file or directory '{uri}'", hint=hint)


def _files_below(directory: str) -> list[str]:
    found: list[str] = []
    for root, directories, files in os.walk(directory):
        directories[:] = sorted(d for d in directories if not _hidden(d))
        found.extend(os.path.join(root, f) for f in sorted(files) if not _hidden(f))
    return found


def _hidden(name: str) -> bool:
    """Spark's rule: `_x` and `.x` are bookkeeping, but `_a=1` is a partition directory."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def partition_values(root: str, file: str) -> dict[str, str | None]:
    """The `key=value` directories between `root` and `file`."""
    relative = os.path.relpath(os.path.dirname(file), root)
    values: dict[str, str | None] = {}
    for part in relative.split(os.sep):
        key, sep, value = part.partition("=")
        if sep:
            decoded = unquote(value)
            values[unquote(key)] = None if decoded == "__HIVE_DEFAULT_PARTITION__" else decoded
    return values


def fingerprint(uri: str, base: str | None = None) -> tuple[tuple[str, int, int], ...]:
    """(path, modification time, size) of every file behind a path: equal while nothing there has changed."""
    out = []
    for path in expand(uri, base):
        stat = os.stat(path)
        out.append((path, stat.st_mtime_ns, stat.st_size))
    return tuple(out)
