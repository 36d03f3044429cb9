"""Bitmaps of 32,768 bits: positions, counting, and the aggregates that build and join them."""

from __future__ import annotations

from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Any

from sqlshell.functions.aggregate_row import aggregate_row, never
from sqlshell.functions.common import failure
from sqlshell.functions.registry import AggState, Function
from sqlshell.types import BIGINT, BINARY, Array

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_BITS = 32_768
_BYTES = _BITS // 8


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


# Aggregates keep the distinct inputs of a group, and make one bitmap of them at the end.


def _distinct(_: Any, a: Any) -> Any:
    return a.drop_nulls().unique().implode()


def _merged(_: Any, state: Any) -> Any:
    return state.explode().drop_nulls().unique().implode()


def _final(make: Callable[[Any, Iterable[Any]], bytes]) -> Any:
    """`make(k, values)` per group; groups are few, and a bitmap is one Python integer."""

    def final(k: Any, state: Any) -> Any:
        pl = k.pl

        def run(groups: Any) -> Any:
            return pl.Series("_", [make(k, g) for g in groups.to_list()], dtype=pl.Binary)

        return state.map_batches(run, return_dtype=pl.Binary, is_elementwise=True)

    return final


def _construct(k: Any, positions: Iterable[int]) -> bytes:
    bits = 0
    for p in positions:
        if not 0 <= p < _BITS:
            raise failure(k, "INVALID_BITMAP_POSITION", f"{p} is no position in a bitmap of {_BITS} bits")
        bits |= 1 << p
    return bits.to_bytes(_BYTES, "little")


def _joined(operator: Callable[[int, int], int], start: int) -> Callable[[Any, Iterable[bytes]], bytes]:
    def make(k: Any, bitmaps: Iterable[bytes]) -> bytes:
        numbers = (int.from_bytes(b[:_BYTES], "little") for b in bitmaps)
        return reduce(operator, numbers, start).to_bytes(_BYTES, "little")

    return make


def _row(name: str, sig: str, doc: str, example: str, make: Any, element: Any) -> Function:
    state = AggState("inputs", lambda _: Array(element, False), _distinct, _merged)
    return aggregate_row(
        name, sig, doc, example, states=(state,), final=_final(make), nullable=never, strict=False
    )


# fmt: off
FUNCTIONS = (
    Function("bitmap_bucket_number", "bigint -> bigint", "The number of the bitmap that holds a value.",
             "bitmap_bucket_number(123)", lower=_bucket),
    Function("bitmap_bit_position", "bigint -> bigint", "The position of a value in its bitmap.",
             "bitmap_bit_position(123)", lower=_position),
    Function("bitmap_count", "binary -> bigint", "The number of bits set in a bitmap.", "bitmap_count(x'FFFF')",
             lower=_ones),
    _row("bitmap_construct_agg", "bigint -> binary", "The bitmap with a bit at each position of the group.",
         "bitmap_count(bitmap_construct_agg(x)) FROM VALUES (0), (9) AS t(x)", _construct, BIGINT),
    _row("bitmap_or_agg", "binary -> binary", "The bits set in any bitmap of the group.",
         "bitmap_count(bitmap_or_agg(x)) FROM VALUES (x'10'), (x'20') AS t(x)", _joined(or_, 0), BINARY),
    _row("bitmap_and_agg", "binary -> binary", "The bits set in all bitmaps of the group.",
         "bitmap_count(bitmap_and_agg(x)) FROM VALUES (x'F0'), (x'70') AS t(x)",
         _joined(and_, (1 << _BITS) - 1), BINARY),
)
# fmt: on
