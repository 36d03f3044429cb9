"""Valid UTF-8, bytes from text forms, and texts compared or cut into words."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError
from sqlshell.functions.common import constant, failure, per_distinct
from sqlshell.functions.registry import Function
from sqlshell.types import STRING, Array, String

if TYPE_CHECKING:
    from collections.abc import Callable


def _text(k: Any, b: Any) -> Any:
    """Bytes as text, NULL where they are no UTF-8 (polars raises for them, however the cast is told)."""
    return per_distinct(k, _read_text, k.pl.String, b)


def _read_text(b: bytes) -> str | None:
    try:
        return b.decode()
    except UnicodeDecodeError:
        return None


def _is_valid(k: Any, b: Any) -> Any:
    pl = k.pl
    if isinstance(k.type(0), String):
        return pl.when(b.is_not_null()).then(pl.lit(value=True))
    return k.let([b, _text(k, b)], lambda x, s: pl.when(x.is_not_null()).then(s.is_not_null()))


def _make_valid(k: Any, b: Any) -> Any:
    if isinstance(k.type(0), String):
        return b
    return per_distinct(k, lambda x: x.decode("utf-8", errors="replace"), k.pl.String, b)


def _validate(safe: bool) -> Any:
    def lower(k: Any, b: Any) -> Any:
        if isinstance(k.type(0), String):
            return b
        if safe:
            return _text(k, b)

        def check(x: Any, s: Any) -> Any:
            bad = x.is_not_null() & s.is_null()
            return k.raise_if(
                bad, "INVALID_UTF8_STRING", s, "Invalid UTF8 byte sequence:", x.bin.encode("hex")
            )

        return k.let([b, _text(k, b)], check)

    return lower


# Bytes


def _hex(text: str) -> bytes | None:
    try:
        return bytes.fromhex("0" * (len(text) % 2) + text) if re.fullmatch("[0-9a-fA-F]*", text) else None
    except ValueError:
        return None


def _base64(text: str) -> bytes | None:
    plain = re.sub(r"\s", "", text)
    try:
        return base64.b64decode(plain, validate=True) if len(plain) % 4 == 0 else None
    except binascii.Error:
        return None


_BINARY: dict[str, Callable[[str], bytes | None]] = {
    "hex": _hex,
    "base64": _base64,
    "utf-8": lambda s: s.encode(),
    "utf8": lambda s: s.encode(),
}


def _to_binary(safe: bool) -> Any:
    def lower(k: Any, text: Any, form: Any = None) -> Any:
        name = "hex" if form is None else constant(k, 1, "format")
        pl = k.pl
        if name is None:
            return pl.lit(None, dtype=pl.Binary)
        read = _BINARY.get(str(name).lower())
        if read is None:
            if safe:
                return pl.lit(None, dtype=pl.Binary)
            raise AnalysisError(
                "the format of to_binary is a constant: 'hex', 'base64' or 'utf-8'",
                condition="DATATYPE_MISMATCH.INVALID_ARG_VALUE",
                span=k.call.span,
            )

        def run(s: str) -> bytes | None:
            value = read(s)
            if value is None and not safe:
                raise failure(k, "CONVERSION_INVALID_INPUT", f"'{s}' is not {name}")
            return value

        return per_distinct(k, run, pl.Binary, text)

    return lower


def _to_base32(k: Any, b: Any) -> Any:
    return per_distinct(k, lambda x: base64.b32encode(x).decode(), k.pl.String, b)


def _from_base32(k: Any, s: Any) -> Any:
    def run(text: str) -> bytes:
        plain = text.rstrip("=").upper()
        try:
            return base64.b32decode(plain + "=" * (-len(plain) % 8))
        except binascii.Error:
            raise failure(k, "CONVERSION_INVALID_INPUT", f"'{text}' is not base32") from None

    return per_distinct(k, run, k.pl.Binary, s)


# Words


def _winkler(a: str, b: str) -> float:
    if a == b:
        return 1.0
    reach = max(max(len(a), len(b)) // 2 - 1, 0)
    taken = [False] * len(b)
    matched = []
    for i, c in enumerate(a):
        for j in range(max(0, i - reach), min(len(b), i + reach + 1)):
            if not taken[j] and b[j] == c:
                taken[j] = True
                matched.append(c)
                break
    if not matched:
        return 0.0
    other = [c for c, t in zip(b, taken, strict=True) if t]
    moved = sum(x != y for x, y in zip(matched, other, strict=True)) // 2
    m = len(matched)
    jaro = (m / len(a) + m / len(b) + (m - moved) / m) / 3
    prefix = 0
    while prefix < min(4, len(a), len(b)) and a[prefix] == b[prefix]:
        prefix += 1
    return jaro + prefix * 0.1 * (1 - jaro)


def _jaro_winkler(k: Any, a: Any, b: Any) -> Any:
    return per_distinct(k, _winkler, k.pl.Float64, a, b)


_SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(]?[A-Z0-9])")
_WORD = re.compile(r"\d+(?:[.,]\d+)+|\w+(?:['’]\w+)*")


def _sentences(k: Any, text: Any, *_: Any) -> Any:
    def run(s: str) -> list[list[str]]:
        return [w for part in _SENTENCE.split(s) if (w := _WORD.findall(part))]

    return per_distinct(k, run, k.pl.List(k.pl.List(k.pl.String)), text)


# fmt: off
ROWS = (
    Function("is_valid_utf8", "string -> boolean | binary -> boolean", "Whether bytes are valid UTF-8.",
             "is_valid_utf8(x'61C262')", lower=_is_valid),
    Function("make_valid_utf8", "string -> string | binary -> string",
             "Bytes as text, what is no UTF-8 replaced by U+FFFD.", "make_valid_utf8(x'61C262')", lower=_make_valid),
    Function("validate_utf8", "string -> string | binary -> string", "Bytes as text; an error where they are no UTF-8.",
             "validate_utf8(x'61')", lower=_validate(False), fallible=True),
    Function("try_validate_utf8", "string -> string | binary -> string",
             "Bytes as text; NULL where they are no UTF-8.", "try_validate_utf8(x'61C262')", lower=_validate(True),
             nullable=lambda n: True),
    Function("to_binary", "string, [string] -> binary", "A text in 'hex' (unless told), 'base64' or 'utf-8' as bytes.",
             "to_binary('abc', 'utf-8')", lower=_to_binary(False), fallible=True, nullable=lambda n: True),
    Function("try_to_binary", "string, [string] -> binary", "to_binary that gives NULL where the text is malformed.",
             "try_to_binary('a!', 'base64')", lower=_to_binary(True), nullable=lambda n: True),
    Function("to_base32", "binary -> string", "Bytes in base32.", "to_base32('foobar')", lower=_to_base32),
    Function("from_base32", "string -> binary", "The bytes of a base32 text.", "from_base32('MZXW6YTBOI======')",
             lower=_from_base32, fallible=True),
    Function("jaro_winkler_similarity", "string, string -> double", "How alike two texts are, from 0 to 1.",
             "jaro_winkler_similarity('MARTHA', 'MARHTA')", lower=_jaro_winkler),
    Function("sentences", "string, [string, string] -> fn", "A text as an array of sentences, each an array of words.",
             "sentences('Hi there! Good morning.')", lower=_sentences, strict=False,
             returns=lambda types, args: Array(Array(STRING, False), False), nullable=lambda n: n[0]),
)
# fmt: on
