"""Positions in bitmaps of 32,768 bits, and counting a bitmap's bits."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.registry import Function

_BITS = 32_768


def _bucket(k: Any, n: Any) -> Any:
    pl = k.pl
    return k.let([n], lambda v: pl.when(v > 0).then((v - 1) // _BITS + 1).otherwise(-((-v) // _BITS)))


def _position(k: Any, n: Any) -> Any:
    pl = k.pl
    return k.let([n], lambda v: pl.when(v > 0).then((v - 1) % _BITS).otherwise((-v) % _BITS))


def _ones(k: Any, b: Any) -> Any:
    pl = k.pl
    text = b.bin.encode("hex")
    digits = text.str.extract_all(".")
    ones = pl.element().str.to_integer(base=16, strict=False).bitwise_count_ones()
    return digits.list.eval(ones).list.sum().cast(pl.Int64)


# fmt: off
FUNCTIONS = (
    Function("bitmap_bucket_number", "bigint -> bigint", "The number of the bitmap that holds a value.",
             "bitmap_bucket_number(123)", lower=_bucket),
    Function("bitmap_bit_position", "bigint -> bigint", "The position of a value in its bitmap.",
             "bitmap_bit_position(123)", lower=_position),
    Function("bitmap_count", "binary -> bigint", "The number of bits set in a bitmap.", "bitmap_count(x'FFFF')",
             lower=_ones),
)
# fmt: on
