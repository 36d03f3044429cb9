"""AES, by the package `cryptography` (extra `crypto`): one call of OpenSSL for each distinct value."""

from __future__ import annotations

import os
from typing import Any

from sqlshell.errors import NotSupportedError
from sqlshell.functions.common import failure, per_distinct
from sqlshell.functions.registry import Function

_TAG = 16
_BLOCK = 16
_NONCES = {"GCM": 12, "CBC": 16, "ECB": 0}
_PADDINGS = {"GCM": {"NONE", "DEFAULT"}, "CBC": {"PKCS", "DEFAULT"}, "ECB": {"PKCS", "DEFAULT"}}


def _ciphers(k: Any) -> Any:
    try:
        from cryptography.hazmat.primitives import ciphers
    except ImportError:
        raise NotSupportedError(
            f"{k.call.fn} needs the package cryptography",
            span=k.call.span,
            hint="pip install 'sqlshell-analytics[crypto]'",
        ) from None
    return ciphers


def _mode(k: Any, key: bytes, mode: str, padding: str) -> str:
    mode = mode.upper()
    if len(key) not in (16, 24, 32):
        raise failure(
            k,
            "INVALID_PARAMETER_VALUE.AES_KEY_LENGTH",
            f"an AES key has 16, 24 or 32 bytes, not {len(key)}",
        )
    if padding.upper() not in _PADDINGS.get(mode, ()):
        raise failure(k, "UNSUPPORTED_FEATURE.AES_MODE", f"AES-{mode} with the padding {padding}")
    return mode


def _run(k: Any, key: bytes, mode: str, nonce: bytes, data: bytes, aad: bytes, encrypt: bool) -> bytes:
    """One pass of the cipher; raises ValueError or InvalidTag for data that is none of this key's."""
    from cryptography.hazmat.primitives.ciphers import algorithms, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.padding import PKCS7

    ciphers = _ciphers(k)
    if mode == "GCM":
        gcm = AESGCM(key)
        return bytes((gcm.encrypt if encrypt else gcm.decrypt)(nonce, data, aad or None))
    if not encrypt and not data:
        return b""  # Java's final step over no block
    cipher = ciphers.Cipher(algorithms.AES(key), modes.CBC(nonce) if mode == "CBC" else modes.ECB())
    step, pad = (cipher.encryptor(), PKCS7(_BLOCK * 8).padder()) if encrypt else (cipher.decryptor(), None)
    if pad is not None:
        padded = pad.update(data) + pad.finalize()
        return bytes(step.update(padded) + step.finalize())
    unpad = PKCS7(_BLOCK * 8).unpadder()
    return bytes(unpad.update(step.update(data) + step.finalize()) + unpad.finalize())


def _words(k: Any, mode: Any, padding: Any) -> tuple[Any, Any]:
    pl = k.pl
    return (pl.lit("GCM") if mode is None else mode), (pl.lit("DEFAULT") if padding is None else padding)


def _encrypt(
    k: Any, data: Any, key: Any, mode: Any = None, padding: Any = None, iv: Any = None, aad: Any = None
) -> Any:
    _ciphers(k)

    def run(data: bytes, key: bytes, mode: str, padding: str, iv: bytes, aad: bytes) -> bytes:
        mode = _mode(k, key, mode, padding)
        size = _NONCES[mode]
        if iv and not size:
            raise failure(k, "UNSUPPORTED_FEATURE.AES_MODE_IV", f"AES-{mode} takes no initialization vector")
        if iv and len(iv) != size:
            raise failure(
                k,
                "INVALID_PARAMETER_VALUE.AES_IV_LENGTH",
                f"the initialization vector of AES-{mode} has {size} bytes, not {len(iv)}",
            )
        if aad and mode != "GCM":
            raise failure(k, "UNSUPPORTED_FEATURE.AES_MODE_AAD", f"AES-{mode} takes no authenticated data")
        nonce = iv or os.urandom(size)
        return nonce + _run(k, key, mode, nonce, data, aad, encrypt=True)

    empty = k.pl.lit(b"")
    iv, aad = (empty if e is None else e for e in (iv, aad))
    return _each(k, run, data, key, *_words(k, mode, padding), iv, aad)


def _each(k: Any, run: Any, data: Any, *rest: Any) -> Any:
    """`run` per row: two rows of the same value have nonces of their own."""
    pl = k.pl
    names = [f"_{i}" for i in range(1 + len(rest))]

    def over(rows: Any) -> Any:
        values = [None if None in row else run(*row) for row in rows.struct.unnest().iter_rows()]
        return pl.Series("_r", values, dtype=pl.Binary)

    packed = pl.struct([e.alias(n) for n, e in zip(names, (data, *rest), strict=True)])
    return packed.map_batches(over, return_dtype=pl.Binary, is_elementwise=True)


def _decrypt(safe: bool) -> Any:
    def lower(k: Any, data: Any, key: Any, mode: Any = None, padding: Any = None, aad: Any = None) -> Any:
        _ciphers(k)
        from cryptography.exceptions import InvalidTag

        def run(data: bytes, key: bytes, mode: str, padding: str, aad: bytes) -> bytes | None:
            try:
                mode = _mode(k, key, mode, padding)
            except ValueError:
                if safe:
                    return None
                raise
            size = _NONCES[mode]
            try:
                return _run(k, key, mode, data[:size], data[size:], aad, encrypt=False)
            except (InvalidTag, ValueError) as e:
                if safe:
                    return None
                raise _refused(k, e) from None

        aad = k.pl.lit(b"") if aad is None else aad
        return per_distinct(k, run, k.pl.Binary, data, key, *_words(k, mode, padding), aad)

    return lower


def _refused(k: Any, e: Exception) -> Exception:
    why = "the data is not what this key encrypted" if not str(e) else str(e)
    return failure(k, "INVALID_PARAMETER_VALUE.AES_CRYPTO_ERROR", why)


_WORDS = "[string, string"

# fmt: off
FUNCTIONS = (
    Function("aes_encrypt", f"binary, binary, {_WORDS}, binary, binary] -> binary",
             "Data encrypted by AES: mode GCM, CBC or ECB, padding, initialization vector, authenticated data.",
             "hex(aes_encrypt('Spark', 'abcdefghijklmnop', 'ECB'))", lower=_encrypt, fallible=True,
             deterministic=False, nullable=lambda n: True,
             params=("expr", "key", "mode", "padding", "iv", "aad")),
    Function("aes_decrypt", f"binary, binary, {_WORDS}, binary] -> binary", "What aes_encrypt encrypted.",
             "aes_decrypt(aes_encrypt('Spark', 'abcdefghijklmnop'), 'abcdefghijklmnop')", lower=_decrypt(False),
             fallible=True, nullable=lambda n: True, params=("expr", "key", "mode", "padding", "aad")),
    Function("try_aes_decrypt", f"binary, binary, {_WORDS}, binary] -> binary",
             "aes_decrypt that gives NULL for what cannot be decrypted.",
             "try_aes_decrypt(x'00', 'abcdefghijklmnop')", lower=_decrypt(True), nullable=lambda n: True,
             params=("expr", "key", "mode", "padding", "aad")),
)
# fmt: on
