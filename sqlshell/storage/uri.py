"""The one door to files: every path that sqlshell reads or writes passes here, and safe mode (`policy.py`) with it."""

from __future__ import annotations

import os
from glob import glob, has_magic
from typing import Any
from urllib.parse import quote, unquote, urlparse

from sqlshell.errors import NotSupportedError, SourceNotFound, did_you_mean
from sqlshell.storage import policy

URI_SAFE = "/!$&'()*+,;=:@~"
"""Characters that Hadoop leaves alone in URIs."""
REMOTE = ("s3://", "s3a://", "gs://", "gcs://", "az://", "abfs://", "abfss://")


def is_remote(path: str) -> bool:
    """Whether a path names objects in an object store."""
    return "://" in path and path.lower().startswith(REMOTE)


def resolve(uri: str, base: str | None = None, *, remote: bool = False, write: bool = False) -> str:
    """A local absolute path for a path or file: URI; `~` is the home directory.

    A location in an object store is a URI where the caller can deal with one (`remote`), and refused elsewhere.
    Relative paths count from `base` (the user's working directory: workers have their own), else from here.
    Raises SAFE_MODE for what the session may not read, or (`write`) not write.
    """
    if "://" in uri or uri.startswith("file:"):
        if is_remote(uri):
            from sqlshell.storage import objects

            path = objects.normal(uri)
            policy.check(path, write=write)
            if not remote:
                raise NotSupportedError(
                    f"this is not supported in an object store: {uri}", hint="use a local path"
                )
            return path
        parsed = urlparse(uri)
        if parsed.scheme != "file":
            raise NotSupportedError(
                f"{parsed.scheme}:// locations are not supported: {uri}",
                hint="paths are local, or start with s3://, gs:// or az://",
            )
        uri = unquote(parsed.path)
    path = os.path.abspath(os.path.join(base or "", os.path.expanduser(uri)))
    policy.check(path, write=write)
    return path


def open_binary(path: str) -> Any:
    """A file opened for reading bytes."""
    policy.check(path)
    return open_input(path) if is_remote(path) else open(path, "rb")


def expand(uri: str, base: str | None = None) -> list[str]:
    """Files a path, directory or glob names, sorted; hidden ones (`_x`, `.x`) inside directories are left out.

    Raises PATH_NOT_FOUND, naming near names in the same directory.
    """
    path = resolve(uri, base, remote=True)
    if is_remote(path):
        from sqlshell.storage import objects

        return [f.path for f in objects.find(path, uri)]
    files = _local_files(path, uri)
    if policy.active():
        for file in files:
            policy.check(file)  # a link inside may lead out
    return files


def _local_files(path: str, uri: str) -> list[str]:
    if os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        return _files_below(path)
    if has_magic(path):
        matches = sorted(glob(path, recursive=True))
        matches = [m for m in matches if not is_hidden(os.path.basename(m))]
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
        directories[:] = sorted(d for d in directories if not is_hidden(d))
        found.extend(os.path.join(root, f) for f in sorted(files) if not is_hidden(f))
    return found


def is_hidden(name: str) -> bool:
    """Spark's rule: `_x` and `.x` are bookkeeping, but `_a=1` is a partition directory."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def partition_values(root: str, file: str) -> dict[str, str | None]:
    """The `key=value` directories between `root` and `file`."""
    directory = os.path.dirname(file)
    relative = directory[len(root) :] if is_remote(root) else os.path.relpath(directory, root)
    values: dict[str, str | None] = {}
    for part in relative.split(os.sep):
        key, sep, value = part.partition("=")
        if sep:
            decoded = unquote(value)
            values[unquote(key)] = None if decoded == "__HIVE_DEFAULT_PARTITION__" else decoded
    return values


def fingerprint(uri: str, base: str | None = None) -> tuple[tuple[str, object, int], ...]:
    """(path, modification time or tag, size) of every file behind a path: equal while nothing there has changed."""
    path = resolve(uri, base, remote=True)
    if is_remote(path):
        from sqlshell.storage import objects

        return tuple((f.path, (f.modified_ns, f.tag), f.size) for f in objects.find(path, uri))
    out = []
    for found in expand(uri, base):
        stat = os.stat(found)
        out.append((found, stat.st_mtime_ns, stat.st_size))
    return tuple(out)


def version(path: str) -> tuple[str, int, int]:
    """(path, modification time in ns, size) of one file. Raises PATH_NOT_FOUND."""
    policy.check(path)
    if is_remote(path):
        from sqlshell.storage import objects

        found = objects.version(path)
        return path, found.modified_ns, found.size
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        raise SourceNotFound(f"the file '{path}' is gone") from None
    return path, stat.st_mtime_ns, stat.st_size


def open_input(path: str) -> Any:
    """What pyarrow opens to read a file: a local path, or a file over an object."""
    policy.check(path)
    if is_remote(path):
        from sqlshell.storage import objects

        return objects.open_input(path)
    return path


def scan_options(paths: list[str]) -> dict[str, Any]:
    """What Polars' scans of these files need besides the paths: nothing for local ones."""
    if policy.active():
        for path in paths:
            policy.check(path)
    if not paths or not is_remote(paths[0]):
        return {}
    from sqlshell.storage import objects

    return objects.scan_options(paths)


def file_uri(path: str) -> str:
    """A file's path as Hadoop writes its URI."""
    return path if is_remote(path) else f"file:{quote(path, safe=URI_SAFE)}"
