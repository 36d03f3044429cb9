"""Files by their paths, on the local disk or in an object store: list, read, write once, copy, remove.

The catalog's versions, tags and models are such files; so are the data files that writes make, undo and clean up.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from typing import TYPE_CHECKING

from sqlshell.storage import rehearsal
from sqlshell.storage.uri import is_remote, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator


def names_in(directory: str) -> list[str]:
    """Names directly inside a directory; none when it does not exist."""
    path = resolve(directory, remote=True)
    made = _listed(rehearsal.shadow(path))
    if is_remote(path):
        from sqlshell.storage import objects

        return [*made, *(n for n in objects.names(path) if n not in made)]
    found = _listed(path)
    return [*made, *(n for n in found if n not in made)] if made else found


def _listed(path: str | None) -> list[str]:
    try:
        return [] if path is None else os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_directory(path: str) -> bool:
    """Whether there is such a directory; in an object store, whether anything lies below."""
    path = resolve(path, remote=True)
    return bool(names_in(path)) if is_remote(path) or _made(path) else os.path.isdir(path)


def _made(path: str) -> bool:
    """Whether a rehearsal has made this file or folder."""
    shadow = rehearsal.shadow(path)
    return shadow is not None and os.path.lexists(shadow)


def exists(path: str) -> bool:
    """Whether there is such a file, link or directory."""
    path = resolve(path, remote=True)
    if is_remote(path):
        from sqlshell.storage import objects

        return _made(path) or objects.look(path) is not None or bool(objects.names(path))
    return _made(path) or os.path.lexists(path)


def read(path: str) -> bytes:
    """The whole file. Raises FileNotFoundError."""
    path = resolve(path, remote=True)
    shadow = rehearsal.shadow(path)
    if shadow is not None and os.path.isfile(shadow):
        path = shadow
    if is_remote(path):
        from sqlshell.storage import objects

        if objects.look(path) is None:
            raise FileNotFoundError(path)
        return objects.read(path)
    with open(path, "rb") as f:
        return f.read()


def put_if_absent(path: str, data: bytes) -> bool:
    """Write a file that did not exist; False, and nothing changed, when it does. Readers never see half of it."""
    target = resolve(path, remote=True, write=True)
    shadow = rehearsal.shadow(target)
    if shadow is not None:
        return not exists(target) and _put(shadow, data)
    if is_remote(target):
        from sqlshell.storage import objects

        return objects.put(target, data, create=True)
    return _put(target, data)


def _put(target: str, data: bytes) -> bool:
    directory = os.path.dirname(target)
    os.makedirs(directory, exist_ok=True)
    temporary = os.path.join(directory, f".{os.path.basename(target)}.{secrets.token_hex(8)}")
    try:
        with open(temporary, "xb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.link(temporary, target)
    except FileExistsError:
        return False
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    return True


def below(directory: str) -> Iterator[str]:
    """The paths of all files below a directory."""
    path = resolve(directory, remote=True)
    if is_remote(path):
        from sqlshell.storage import objects

        yield from (f.path for f in objects.below(path))
        return
    for folder, _, files in os.walk(path):
        yield from (os.path.join(folder, name) for name in files)


def copy(source: str, target: str) -> bool:
    """Make `target` the same file; False, and nothing changed, when it is there already.

    For files that never change: on one disk it is a hard link where there can be one.
    """
    source, target = resolve(source, remote=True), resolve(target, remote=True, write=True)
    if rehearsal.shadow(target) is not None:
        return not exists(target)
    if is_remote(source) or is_remote(target):
        from sqlshell.storage import objects

        return objects.copy(source, target)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError:
        if os.path.exists(target):
            return False
        shutil.copyfile(source, target)
    return True


def remove(path: str) -> bool:
    """Remove a file; False when it was not there."""
    path = resolve(path, remote=True, write=True)
    if rehearsal.shadow(path) is not None:
        return exists(path)
    if is_remote(path):
        from sqlshell.storage import objects

        return objects.delete(path)
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def discard(path: str) -> None:
    """Remove a file if that can be done; VACUUM gets what stays."""
    from sqlshell.errors import Error

    with contextlib.suppress(OSError, Error):
        remove(path)


def remove_tree(directory: str) -> None:
    """Remove a directory and all below it; one that is not there is fine."""
    path = resolve(directory, remote=True, write=True)
    if rehearsal.shadow(path) is not None:
        return
    if is_remote(path):
        for file in list(below(path)):
            discard(file)
    else:
        shutil.rmtree(path, ignore_errors=True)
