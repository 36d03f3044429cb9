"""What people call the columns that a feature becomes, and the values of options."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlshell.ml.model import Feature


def column_names(f: Feature) -> list[str]:
    """`x`, `color=red`, `words[17]`."""
    if f.kind == "numeric":
        return [f.name]
    if f.kind == "category":
        return [f"{f.name}={c}" for c in f.columns]
    return [f"{f.name}[{f.slots[i] if f.slots else i}]" for i in range(f.width)]


def option_text(value: Any) -> str:
    """An option's value as text: `0.5`, `random`, `true`, `["y"]`."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
