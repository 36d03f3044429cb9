"""Small files that are written once: list, read, put-if-absent. The catalog's versions are such files."""

from __future__ import annotations

import os
import secrets
import shutil

from sqlshell.storage.uri import resolve


def names_in(directory: str) -> list[str]:
    """Names directly inside a directory; none when it does not exist."""
    try:
        return os.listdir(resolve(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_directory(path: str) -> bool:
    """Whether there is such a directory."""
    return os.path.isdir(resolve(path))


def read(path: str) -> bytes:
    """The whole file. Raises FileNotFoundError."""
    with open(resolve(path), "rb") as f:
        return f.read()


def put_if_absent(path: str, data: bytes) -> bool:
    """Write a file that did not exist; False, and nothing changed, when it does. Readers never see half of it."""
    target = resolve(path, write=True)
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


def remove_tree(directory: str) -> None:
    """Remove a directory and all below it; one that is not there is fine."""
    shutil.rmtree(resolve(directory, write=True), ignore_errors=True)
