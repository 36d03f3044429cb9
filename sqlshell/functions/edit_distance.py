"""Edit distances of many pairs of texts at once: a cell of the table of distances is a numpy column over the pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST = 64
"""Letters of a text that goes this way; longer ones would make every row's table large."""
CHUNK = 1 << 15


def distances(pairs: Sequence[tuple[str, str]]) -> list[int]:
    """Levenshtein's distance of each pair; texts have at most LONGEST letters.

    Wagner and Fischer's table, a cell of all pairs at a time; pairs go by chunks so that the columns stay in cache.
    """
    out: list[int] = []
    for at in range(0, len(pairs), CHUNK):
        part = pairs[at : at + CHUNK]
        out += _chunk([a for a, _ in part], [b for _, b in part])
    return out


def _chunk(a: Sequence[str], b: Sequence[str]) -> list[int]:
    import numpy as np

    left, right = _letters(a), _letters(b)
    size_a = np.fromiter(map(len, a), np.int16, len(a))
    size_b = np.fromiter(map(len, b), np.int16, len(b))
    width = right.shape[0]
    row = [np.full(len(a), j, np.int16) for j in range(width + 1)]
    # The distance stands in the cell (len(a), len(b)): taken when its row is done.
    found = size_b.copy()
    rows = np.arange(len(a))
    for i in range(left.shape[0]):
        letter = left[i]
        new = [np.full(len(a), i + 1, np.int16)]
        for j in range(width):
            replaced = row[j] + (letter != right[j])
            new.append(np.minimum(np.minimum(row[j + 1], new[j]) + 1, replaced).astype(np.int16))
        row = new
        done = rows[size_a == i + 1]
        if len(done):
            found[done] = np.stack(row)[size_b[done], done]
    return [int(x) for x in found]


def _letters(texts: Sequence[str]) -> Any:
    """A matrix of code points: a row per position, a column per text; 0 past the end."""
    import numpy as np

    longest = max(map(len, texts), default=0)
    if not longest:
        return np.zeros((0, len(texts)), np.uint32)
    packed = np.array(texts, dtype=f"<U{longest}")
    return np.ascontiguousarray(packed.view(np.uint32).reshape(len(texts), longest).T)
