"""The files of a table for a clone of it: referred to where they are, or copied."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

from sqlshell.records import replace
from sqlshell.storage.delta.deletion_vectors import file_of
from sqlshell.storage.delta.source import absolute_path
from sqlshell.storage.object_files import copy

if TYPE_CHECKING:
    from sqlshell.storage.delta.actions import Add
    from sqlshell.storage.delta.snapshot import Snapshot


def shallow(snapshot: Snapshot, add: Add) -> Add:
    """The same file under its absolute path."""
    path = quote(absolute_path(snapshot.location, add.path))
    vector = add.deletion_vector
    if vector is not None and vector.storage_type == "u":
        place = quote(file_of(snapshot.location, vector))
        vector = replace(vector, storage_type="p", path_or_inline=place)
    return replace(add, path=path, deletion_vector=vector, data_change=True)


def deep(snapshot: Snapshot, add: Add, location: str) -> Add:
    """A copy of the file below `location`. Data files never change, so a hard link does where there can be one."""
    source = absolute_path(snapshot.location, add.path)
    inside = source.startswith(snapshot.location + os.sep)
    name = os.path.relpath(source, snapshot.location) if inside else f"{uuid4()}-{os.path.basename(source)}"
    copy(source, os.path.join(location, name))
    vector = add.deletion_vector
    if vector is not None and vector.storage_type != "i":
        marks = file_of(snapshot.location, vector)
        if vector.storage_type == "u":  # its name holds for any location
            copy(marks, os.path.join(location, os.path.relpath(marks, snapshot.location)))
        else:
            copied = os.path.join(location, os.path.basename(marks))
            copy(marks, copied)
            vector = replace(vector, path_or_inline=quote(copied))
    return replace(add, path=quote(name, safe="/=!$&'()*+,;@-._~"), deletion_vector=vector, data_change=True)
