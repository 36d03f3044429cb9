"""Checksums and digests, by Python's hashlib over distinct values (polars has none of them)."""

from __future__ import annotations

import hashlib
import zlib
from typing import Any

from sqlshell.functions.common import failure, per_distinct
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


def _spark_hash(bits: int) -> Any:
    def lower(k: Any, *values: Any) -> Any:
        return k.hashes.hashed(list(values), [a.type for a in k.call.args], bits)

    return lower


_HMAC = {
    "SHA-1": "sha1",
    "SHA-224": "sha224",
    "SHA-256": "sha256",
    "SHA-384": "sha384",
    "SHA-512": "sha512",
    "MD5": "md5",
}


def _hmac(k: Any, key: Any, message: Any, name: Any = None) -> Any:
    import hmac

    def run(key: bytes, message: bytes, name: str) -> bytes:
        found = _HMAC.get(name.upper(), _HMAC.get(name.upper().replace("SHA", "SHA-")))
        if found is None:
            raise failure(k, "INVALID_PARAMETER_VALUE.HMAC_ALGORITHM", f"there is no HMAC algorithm {name}")
        return hmac.new(key, message, found).digest()

    name = k.pl.lit("SHA-256") if name is None else name
    return per_distinct(k, run, k.pl.Binary, key, message, name)


# fmt: off
FUNCTIONS = (
    Function("hash", "any... -> int", "Spark's 32-bit hash (Murmur3) of the values.", "hash('Spark', array(123), 2)",
             lower=_spark_hash(32), strict=False, nullable=lambda n: False),
    Function("xxhash64", "any... -> bigint", "The 64-bit xxHash of the values.",
             "xxhash64('Spark', array(123), 2)", lower=_spark_hash(64), strict=False, nullable=lambda n: False),
    Function("hmac", "binary, binary, [string] -> binary", "The keyed digest of a message (SHA-256 unless told).",
             "hex(hmac('key', 'message'))", lower=_hmac, fallible=True),
    Function("md5", "binary -> string", "The MD5 digest in hexadecimal.", "md5('Spark')", lower=_digest("md5")),
    Function("sha1", "binary -> string", "The SHA-1 digest in hexadecimal.", "sha1('Spark')", aliases=("sha",),
             lower=_digest("sha1")),
    Function("sha2", "binary, int -> string", "The SHA-2 digest of 224, 256, 384 or 512 bits (0: 256).",
             "sha2('Spark', 256)", lower=_sha2, nullable=lambda n: True),
    Function("crc32", "binary -> bigint", "The CRC-32 checksum.", "crc32('Spark')", lower=_crc32),
)
# fmt: on
