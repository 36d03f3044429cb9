"""Random numbers: a hash of the row number, so that they are cheap, lazy and, with a seed, repeatable.

With a seed the numbers are not Spark's (its generator is sequential), only as uniform and as repeatable.
"""

from __future__ import annotations

import math
import os
from typing import Any

from sqlshell.errors import AnalysisError
from sqlshell.functions.common import constant, let
from sqlshell.functions.registry import Function

_BITS = 11
"""A double holds the upper 53 of 64 bits."""


def seed_of(k: Any, at: int = 0) -> int:
    """The seed given as argument `at`, or a fresh one; kept below 2**62 so that neighbours stay usable."""
    given = constant(k, at, "seed") if len(k.call.args) > at else int.from_bytes(os.urandom(7), "big")
    return int(given or 0) % (1 << 62)


def uniform(k: Any, seed: int) -> Any:
    """A double in [0, 1) per row."""
    pl = k.pl
    return (pl.row_index().hash(seed) // (1 << _BITS)).cast(pl.Float64) * 2.0**-53


def _rand(k: Any, seed: Any = None) -> Any:
    return uniform(k, seed_of(k))


def _randn(k: Any, seed: Any = None) -> Any:
    start = seed_of(k)
    # Box and Muller; 1 - u keeps the logarithm finite.
    return (-2 * (1 - uniform(k, start)).log()).sqrt() * (2 * math.pi * uniform(k, start + 1)).cos()


def _uniform(k: Any, low: Any, high: Any, seed: Any = None) -> Any:
    pl, t = k.pl, k.call.type
    unit = uniform(k, seed_of(k, 2))
    return let(
        k,
        lambda a, b, u: (a + (b - a) * u).cast(k.dtype(t)),
        low.cast(pl.Float64),
        high.cast(pl.Float64),
        unit,
    )


_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _randstr(k: Any, length: Any, seed: Any = None) -> Any:
    pl = k.pl
    size, start = constant(k, 0, "length"), seed_of(k, 1)
    if size < 0:
        raise AnalysisError(
            f"the length of randstr is 0 or more, not {size}",
            condition="DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE",
            span=k.call.span,
        )
    at = [pl.row_index().hash(start + i) % len(_LETTERS) for i in range(size)]
    letters = [
        n.replace_strict(list(range(len(_LETTERS))), list(_LETTERS), return_dtype=pl.String) for n in at
    ]
    return pl.concat_str([pl.row_index().cast(pl.String).str.head(0), *letters])


def _uuid(k: Any) -> Any:
    pl = k.pl

    def run(s: Any) -> Any:
        from uuid import uuid4

        return pl.Series("", [str(uuid4()) for _ in range(len(s))], dtype=pl.String)

    return pl.row_index().map_batches(run, return_dtype=pl.String, is_elementwise=True)


# fmt: off
ROWS = (
    Function("rand", "[bigint] -> double", "A random number in [0, 1).", "rand() < 1", aliases=("random",),
             lower=_rand, deterministic=False, strict=False, nullable=lambda n: False),
    Function("randn", "[bigint] -> double", "A random number of the standard normal distribution.",
             "randn() < 40", lower=_randn, deterministic=False, strict=False, nullable=lambda n: False),
    Function("uniform", "T, T, [bigint] -> T", "A random number between two bounds.", "uniform(10, 20) < 21",
             lower=_uniform, deterministic=False),
    Function("randstr", "int, [bigint] -> string", "A random text of so many letters and digits.",
             "length(randstr(5)) = 5", lower=_randstr, deterministic=False, strict=False, nullable=lambda n: False),
    Function("uuid", "() -> string", "A random UUID.", "length(uuid())", lower=_uuid, deterministic=False,
             strict=False, nullable=lambda n: False),
)
# fmt: on
