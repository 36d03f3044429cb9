"""How many rows auto_split holds out."""

from __future__ import annotations


def auto_fraction(rows: int) -> float:
    """None below 500 rows, a fifth up to 50,000, then 10,000 rows."""
    if rows < 500:
        return 0.0
    return 0.2 if rows <= 50_000 else 10_000 / rows
