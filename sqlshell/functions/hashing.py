"""Checksums and digests, by Python's hashlib over distinct values (polars has none of them)."""

from __future__ import annotations

import hashlib
import zlib
from typing import Any

from sqlshell.functions.common import per_distinct
from sqlshell.functions.registry import Function

_SHA2 = {0: "sha256", 224: "sha224", 256: "sha256", 384: "sha384", 512: "sha512"}


def _digest(name: str) -> Any:
    def lower(k: Any, data: Any) -> Any:
        return per_distinct(
            k, lambda b: hashlib.new(name, b, usedforsecurity=False).hexdigest(), k.pl.String, data
        )

    return lower


def _sha2(k: Any, data: Any, bits: Any) -> Any:
    def run(b: bytes, size: int) -> str | None:
        name = _SHA2.get(size)
        return None if name is None else hashlib.new(name, b).hexdigest()

    return per_distinct(k, run, k.pl.String, data, bits)


def _crc32(k: Any, data: Any) -> Any:
    return per_distinct(k, zlib.crc32, k.pl.Int64, data)


# fmt: off
FUNCTIONS = (
    Function("md5", "binary -> string", "The MD5 digest in hexadecimal.", "md5('Spark')", lower=_digest("md5")),
    Function("sha1", "binary -> string", "The SHA-1 digest in hexadecimal.", "sha1('Spark')", aliases=("sha",),
             lower=_digest("sha1")),
    Function("sha2", "binary, int -> string", "The SHA-2 digest of 224, 256, 384 or 512 bits (0: 256).",
             "sha2('Spark', 256)", lower=_sha2, nullable=lambda n: True),
    Function("crc32", "binary -> bigint", "The CRC-32 checksum.", "crc32('Spark')", lower=_crc32),
)
# fmt: on
