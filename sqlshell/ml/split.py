"""How many rows auto_split holds out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlshell.ml.blocks import Array


def auto_fraction(rows: int) -> float:
    """None below 500 rows, a fifth up to 50,000, then 10,000 rows."""
    if rows < 500:
        return 0.0
    return 0.2 if rows <= 50_000 else 10_000 / rows


def kept(numbers: Array, share: float, fold: int | None) -> Array:
    """Which rows train, by their numbers in [0, 1): all but the first share, or all but the share of that fold."""
    import numpy as np

    if fold is None:
        held: Array = numbers >= share
        return held
    folds = round(1.0 / share)
    found: Array = np.minimum((numbers * folds).astype(np.int64), folds - 1) != fold
    return found
