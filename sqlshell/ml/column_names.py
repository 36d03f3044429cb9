"""What people call the columns that a feature becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlshell.ml.model import Feature


def column_names(f: Feature) -> list[str]:
    """`x`, `color=red`, `words[17]`."""
    if f.kind == "numeric":
        return [f.name]
    if f.kind == "category":
        return [f"{f.name}={c}" for c in f.columns]
    return [f"{f.name}[{f.slots[i] if f.slots else i}]" for i in range(f.width)]
