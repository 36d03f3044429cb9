"""Variants with parts added, replaced or taken away; a `Refused` says why that cannot be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell import variant as v

if TYPE_CHECKING:
    from collections.abc import Callable


class Refused(Exception):
    """The change does not fit the variant; the first argument is the error condition."""


def insert(tree: Any, path: v.Path, value: Any) -> Any:
    """`value` as a new field, or pushed in before an array's element."""

    def put(holder: Any, step: str | int) -> None:
        if isinstance(step, int):
            _pad(holder, step)
            holder.insert(step, value)
        elif v.TEXT + step in holder:
            raise Refused("VARIANT_DUPLICATE_KEY")
        else:
            holder[v.TEXT + step] = value

    return _change(tree, path, put, create=True)


def assign(tree: Any, path: v.Path, value: Any, *, create: bool = True) -> Any:
    """`value` in place of what is at the path, or where nothing is (`create`)."""

    def put(holder: Any, step: str | int) -> None:
        if isinstance(step, int):
            if step < len(holder):
                holder[step] = value
            elif create:
                _pad(holder, step)
                holder.append(value)
        elif create or v.TEXT + step in holder:
            holder[v.TEXT + step] = value

    return _change(tree, path, put, create=create)


def append(tree: Any, path: v.Path, value: Any) -> Any:
    """`value` at the end of the array at the path; nothing changes where nothing is there."""
    found = v.find(tree, path)
    if found is v.MISSING:
        return tree
    if not isinstance(found, list):
        raise Refused("VARIANT_PATH_TYPE_MISMATCH")
    found.append(value)
    return tree


def delete(tree: Any, path: v.Path) -> Any:
    """The variant without what is at the path."""
    holder = v.find(tree, path[:-1])
    step = path[-1]
    if isinstance(step, int):
        if isinstance(holder, list) and step < len(holder):
            del holder[step]
    elif isinstance(holder, dict):
        holder.pop(v.TEXT + step, None)
    return tree


def strip_nulls(tree: Any, *, arrays: bool = True) -> Any:
    """Without fields that are null, and without such elements (`arrays`)."""
    if isinstance(tree, dict):
        return {k: strip_nulls(x, arrays=arrays) for k, x in tree.items() if x is not None}
    if isinstance(tree, list):
        return [strip_nulls(x, arrays=arrays) for x in tree if x is not None or not arrays]
    return tree


def _pad(items: list[Any], size: int) -> None:
    items.extend([None] * (size - len(items)))


def _change(tree: Any, path: v.Path, put: Callable[[Any, str | int], None], *, create: bool) -> Any:
    """Goes to the holder of the last step, making objects and arrays on the way (`create`)."""
    if not path:
        raise Refused("INVALID_VARIANT_PATH")
    holder: Any = tree
    for i, step in enumerate(path):
        wanted: Any = list if isinstance(step, int) else dict
        if not isinstance(holder, wanted):
            raise Refused("VARIANT_PATH_TYPE_MISMATCH")
        if i == len(path) - 1:
            put(holder, step)
            break
        following: Any = v.find(holder, (step,))
        if following is v.MISSING:
            if not create:
                break
            following = [] if isinstance(path[i + 1], int) else {}
            if isinstance(step, int):
                _pad(holder, step)
                holder.append(following)
            else:
                holder[v.TEXT + step] = following
        holder = following
    return tree
