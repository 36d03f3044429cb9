"""The safetensors format (doubles only): a JSON header of names, shapes and offsets, then the numbers.

8 bytes (little endian): length of the header; the header; the data it points into
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlshell.errors import CorruptInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


def dump(tensors: Mapping[str, Array]) -> bytes:
    """Tensors as one file."""
    import numpy as np

    header: dict[str, Any] = {}
    parts: list[bytes] = []
    at = 0
    for name, value in tensors.items():
        data = np.ascontiguousarray(value, dtype="<f8").tobytes()
        header[name] = {"dtype": "F64", "shape": list(value.shape), "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def load(content: bytes) -> dict[str, Array]:
    """The tensors of a file. Raises CorruptInputError for what is none, and for other types than doubles."""
    import numpy as np

    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        data = memoryview(content)[8 + size :]
        found = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            low, high = entry["data_offsets"]
            if entry["dtype"] != "F64" or not 0 <= low <= high <= len(data):
                raise ValueError(name)
            found[name] = np.frombuffer(data[low:high], dtype="<f8").reshape(entry["shape"])
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise CorruptInputError(f"these are no tensors: {e}", condition="MODEL_ARTIFACT_DAMAGED") from None
    return found
