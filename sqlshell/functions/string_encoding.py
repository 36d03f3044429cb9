"""Bytes and text forms of bytes: hexadecimal, base64, character sets, URLs."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus, unquote_to_bytes

from sqlshell.functions.common import failure, let, per_distinct, together
from sqlshell.functions.registry import Function
from sqlshell.functions.result_types import common_type
from sqlshell.types import Binary, Integral, SqlType, String

CHARSETS = {
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "utf-8": "utf-8",
    "utf-16": "utf-16",
    "utf-16be": "utf-16-be",
    "utf-16le": "utf-16-le",
    "utf-32": "utf-32-be",
}


def octets(k: Any, s: Any, i: int = 0) -> Any:
    """Argument `i` (text or binary) as bytes."""
    return s if isinstance(k.type(i), Binary) else s.cast(k.pl.Binary)


def by_bytes(k: Any, n: Any, table: list[str]) -> Any:
    """A 64-bit number written byte by byte through a table of 256 texts, without leading zeros."""
    pl = k.pl

    def build(u: Any) -> Any:
        digits = [
            (u // (256**i) % 256).replace_strict(list(range(256)), table, return_dtype=pl.String)
            for i in range(7, -1, -1)
        ]
        return pl.concat_str(digits).str.strip_chars_start("0")

    def whole(text: Any) -> Any:
        return pl.when(text == "").then(pl.lit("0")).otherwise(text)

    return let(k, whole, let(k, build, n.cast(pl.Int64).reinterpret(signed=False)))


def _hex(k: Any, x: Any) -> Any:
    if isinstance(k.type(0), Integral):
        return by_bytes(k, x, [f"{i:02X}" for i in range(256)])
    return octets(k, x).bin.encode("hex").str.to_uppercase()


def _unhex(k: Any, s: Any) -> Any:
    pl = k.pl

    def build(s: Any) -> Any:
        even = pl.when(s.str.len_chars() % 2 == 1).then(pl.lit("0") + s).otherwise(s)
        return pl.when(s.str.contains("^[0-9A-Fa-f]*$")).then(even).str.decode("hex", strict=False)

    return let(k, build, s)


def _base64(k: Any, b: Any) -> Any:
    return octets(k, b).bin.encode("base64")


def _unbase64(k: Any, s: Any) -> Any:
    pl = k.pl
    # As Java's MIME decoder: other characters are skipped, padding may lack.
    letters = s.str.replace_all("[^A-Za-z0-9+/]", "")

    def build(t: Any) -> Any:
        rest = t.str.len_chars() % 4
        fill = pl.when(rest == 2).then(pl.lit("==")).when(rest == 3).then(pl.lit("=")).otherwise(pl.lit(""))
        whole = k.raise_if(rest == 1, "CONVERSION_INVALID_INPUT", t, t)
        return (whole + fill).str.decode("base64", strict=False)

    return let(k, build, letters)


def _charset(k: Any, name: str) -> str:
    python = CHARSETS.get(name.lower())
    if python is None:
        raise failure(
            k,
            "INVALID_PARAMETER_VALUE.CHARSET",
            f"the charset of `{k.call.fn}` is one of {', '.join(sorted(CHARSETS))}, but got {name}",
        )
    return python


def _malformed(k: Any, charset: str) -> Exception:
    return failure(
        k,
        "MALFORMED_CHARACTER_CODING",
        f"Invalid value found when performing `{k.call.fn}` with {charset}",
    )


def _encode(k: Any, s: Any, charset: Any) -> Any:
    pl = k.pl
    if k.is_literal(1) and str(k.literal(1)).lower() == "utf-8":
        return s.cast(pl.Binary)

    def run(s: str, charset: str) -> bytes:
        codec = _charset(k, charset)
        try:
            # Java's UTF-16 writes its byte order, big end first.
            return s.encode("utf-16-be").join([b"\xfe\xff", b""]) if codec == "utf-16" else s.encode(codec)
        except UnicodeEncodeError:
            raise _malformed(k, charset) from None

    return per_distinct(k, run, pl.Binary, s, charset)


def _decode_bytes(k: Any, b: Any, charset: Any) -> Any:
    def run(b: bytes, charset: str) -> str:
        codec = _charset(k, charset)
        if codec == "utf-16" and b[:2] not in (b"\xfe\xff", b"\xff\xfe"):
            codec = "utf-16-be"
        try:
            return b.decode(codec)
        except UnicodeDecodeError:
            raise _malformed(k, charset) from None

    return per_distinct(k, run, k.pl.String, b, charset)


def _decode(k: Any, value: Any, *rest: Any) -> Any:
    """`decode(bytes, charset)`, or `decode(value, search, result, ..., default)` that compares null-safely."""
    if len(rest) == 1:
        if not isinstance(k.type(0), Binary):
            value = k.cast(value, k.type(0), Binary())
        return _decode_bytes(k, value, rest[0])
    pl = k.pl
    types = [a.type for a in k.call.args]
    compared = common_type([types[0], *types[1 : len(types) - 1 : 2]]) or types[0]
    target = k.call.type

    def cast(i: int, to: SqlType) -> Any:
        return k.cast((value, *rest)[i], types[i], to)

    searches = range(1, len(types) - 1, 2)
    chain: Any = pl
    for i in searches:
        chain = chain.when(cast(0, compared).eq_missing(cast(i, compared))).then(cast(i + 1, target))
    return chain.otherwise(cast(len(types) - 1, target) if len(types) % 2 == 0 else None)


def _decode_type(types: tuple[SqlType, ...], args: tuple[Any, ...]) -> SqlType:
    if len(types) == 2:
        return String()
    results = [*types[2::2], *([types[-1]] if len(types) % 2 == 0 else [])]
    return common_type(results) or String()


def _url_encode(k: Any, s: Any) -> Any:
    def run(s: str) -> str:
        return quote_plus(s, safe="*-._").replace("~", "%7E")

    return per_distinct(k, run, k.pl.String, s)


def _decoded_url(s: str) -> str | None:
    at = s.find("%")
    while at >= 0:
        if len(s) < at + 3 or not all(c in "0123456789abcdefABCDEF" for c in s[at + 1 : at + 3]):
            return None
        at = s.find("%", at + 1)
    return unquote_to_bytes(s.replace("+", " ")).decode("utf-8", errors="replace")


def _url_decode(k: Any, s: Any) -> Any:
    def run(s: str) -> str:
        text = _decoded_url(s)
        if text is None:
            raise failure(k, "CANNOT_DECODE_URL", f"The provided URL cannot be decoded: {s}")
        return text

    return per_distinct(k, run, k.pl.String, s)


def _try_url_decode(k: Any, s: Any) -> Any:
    return per_distinct(k, _decoded_url, k.pl.String, s)


# java.net.URI: scheme, authority, path, query, fragment.
_URL = r"^(?:([A-Za-z][A-Za-z0-9+.\-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$"
_ILLEGAL = r'[\x00-\x20"<>\\^`{|}\x7F]|%(?:[^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?$)'
_PARTS = {"PROTOCOL": 1, "AUTHORITY": 2, "PATH": 3, "QUERY": 4, "REF": 5}


def _url_part(k: Any, url: Any, part: str) -> Any:
    pl = k.pl
    if part in _PARTS:
        return url.str.extract(_URL, _PARTS[part])
    if part == "HOST":
        return url.str.extract(_URL, 2).str.extract(r"^(?:[^@]*@)?(\[[^\]]*\]|[A-Za-z0-9.\-]+)(?::\d*)?$", 1)
    if part == "USERINFO":
        return url.str.extract(_URL, 2).str.extract("^([^@]*)@", 1)
    if part == "FILE":
        return url.str.extract(r"^(?:[A-Za-z][A-Za-z0-9+.\-]*:)?(?://[^/?#]*)?([^#]*)", 1)
    return pl.lit(None, pl.String)


def _parse_url(safe: bool) -> Any:
    def lower(k: Any, url: Any, part: Any, key: Any = None) -> Any:
        pl = k.pl

        def build(url: Any, part: Any, *keys: Any) -> Any:
            bad = url.str.contains(_ILLEGAL)
            good = pl.when(~bad).then(url) if safe else k.raise_if(bad, "INVALID_URL", url, url)
            chain: Any = pl
            for name in (*_PARTS, "HOST", "USERINFO", "FILE"):
                if not k.is_literal(1) or k.literal(1) == name:
                    chain = chain.when(part == name).then(_url_part(k, good, name))
            found = pl.lit(None, pl.String) if chain is pl else chain.otherwise(None)
            if not keys:
                return found
            return _value_of(k, pl.when(part == "QUERY").then(found), keys[0])

        return let(k, build, url, part, *([] if key is None else [key]))

    return lower


def _value_of(k: Any, query: Any, key: Any) -> Any:
    """What follows the first `key=` that starts a pair, up to the next `&`."""
    pl = k.pl

    def after(padded: Any, name: Any) -> Any:
        return padded.str.splitn(pl.lit("&") + name + "=", 2).struct.field("field_1")

    return together(k, after, pl.lit("&") + query, key).str.splitn("&", 2).struct.field("field_0")


# fmt: off
ROWS = (
    Function("hex", "bigint -> string | string -> string | binary -> string",
             "A number, text or bytes in hexadecimal.", "hex('Spark SQL')", lower=_hex),
    Function("unhex", "string -> binary", "The bytes of a hexadecimal text; NULL if it is none.",
             "decode(unhex('537061726B2053514C'), 'UTF-8')", lower=_unhex, nullable=lambda n: True),
    Function("base64", "binary -> string", "Bytes in base64.", "base64('Spark SQL')", lower=_base64),
    Function("unbase64", "string -> binary", "The bytes of a base64 text.", "unbase64('U3BhcmsgU1FM')",
             lower=_unbase64, fallible=True),
    Function("encode", "string, string -> binary", "A text in a character set.", "encode('abc', 'utf-8')",
             lower=_encode, fallible=True),
    Function("decode", "binary, string -> fn | any, any, any... -> fn",
             "Bytes of a character set as text; with more arguments, the result paired with the value found.",
             "decode(2, 1, 'Southlake', 2, 'San Francisco', 'other')", lower=_decode, returns=_decode_type,
             fallible=True, strict=False, nullable=lambda n: True),
    Function("url_encode", "string -> string", "A text in application/x-www-form-urlencoded form.",
             "url_encode('https://spark.apache.org')", lower=_url_encode),
    Function("url_decode", "string -> string", "A text from application/x-www-form-urlencoded form.",
             "url_decode('https%3A%2F%2Fspark.apache.org')", lower=_url_decode, fallible=True),
    Function("try_url_decode", "string -> string", "url_decode that gives NULL for a malformed text.",
             "try_url_decode('http%3A%2F%2spark')", lower=_try_url_decode, nullable=lambda n: True),
    Function("parse_url", "string, string, [string] -> string",
             "A part of a URL: HOST, PATH, QUERY, REF, PROTOCOL, FILE, AUTHORITY, USERINFO.",
             "parse_url('http://spark.apache.org/path?query=1', 'QUERY', 'query')", lower=_parse_url(False),
             fallible=True, nullable=lambda n: True),
    Function("try_parse_url", "string, string, [string] -> string", "parse_url that gives NULL for no URL.",
             "try_parse_url('http://spark.apache.org/path?query=1', 'HOST')", lower=_parse_url(True),
             nullable=lambda n: True),
)
# fmt: on
