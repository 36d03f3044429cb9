"""Text and bytes: case, cutting, padding, joining. Searching, patterns, formats, encodings are in `string_*`."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.common import all_set, int32, let, per_distinct, together
from sqlshell.functions.number_text import ROWS as NUMBERS
from sqlshell.functions.registry import Function
from sqlshell.functions.string_encoding import ROWS as ENCODING
from sqlshell.functions.string_format import ROWS as FORMAT
from sqlshell.functions.string_regexp import ROWS as REGEXP
from sqlshell.functions.string_search import ROWS as SEARCH
from sqlshell.functions.string_utf8 import ROWS as UTF8
from sqlshell.types import Array, Binary, String


def _bytes(k: Any, i: int = 0) -> bool:
    return isinstance(k.type(i), Binary)


def _upper(k: Any, s: Any) -> Any:
    return s.str.to_uppercase()


def _lower(k: Any, s: Any) -> Any:
    return s.str.to_lowercase()


def _initcap(k: Any, s: Any) -> Any:
    word = k.pl.element()
    first = word.str.head(1).str.to_uppercase()  # two letters for ß
    capital = first.str.head(1) + first.str.slice(1).str.to_lowercase() + word.str.slice(1)
    return s.str.to_lowercase().str.split(" ").list.eval(capital).list.join(" ")


def _length(k: Any, s: Any) -> Any:
    return int32(k, s.bin.size() if _bytes(k) else s.str.len_chars())


def _octet_length(k: Any, s: Any) -> Any:
    return int32(k, s.bin.size() if _bytes(k) else s.str.len_bytes())


def _bit_length(k: Any, s: Any) -> Any:
    return _octet_length(k, s) * 8


def _trimmed(k: Any, s: Any, chars: Any, side: str, i: int) -> Any:
    if k.is_literal(i) and k.literal(i):
        return getattr(s.str, side)(k.literal(i))
    # Polars reads a NULL set of characters as white space.
    return k.pl.when(chars.is_not_null()).then(getattr(s.str, side)(chars))


def _trim(side: str) -> Any:
    """`trim(text)`, `trim(chars, text)`."""

    def lower(k: Any, first: Any, second: Any = None) -> Any:
        if second is None:
            return getattr(first.str, side)(" ")
        return _trimmed(k, second, first, side, 0)

    return lower


def _btrim(k: Any, s: Any, chars: Any = None) -> Any:
    return s.str.strip_chars(" ") if chars is None else _trimmed(k, s, chars, "strip_chars", 1)


def _slice(k: Any, s: Any, start: Any, length: Any, binary: bool) -> Any:
    """Spark's substringSQL: 1-based, 0 is the start, negative counts from the end and may lie before it."""
    pl = k.pl
    start = start.cast(pl.Int64)
    offset = pl.when(start > 0).then(start - 1).otherwise(start)
    part = s.bin.slice if binary else s.str.slice
    if length is None:
        return part(offset, pl.lit(2**31, pl.Int64))
    length = length.cast(pl.Int64)
    # Polars reads a NULL length as no limit.
    return pl.when(length.is_not_null()).then(part(offset, pl.when(length > 0).then(length).otherwise(0)))


def _substring(k: Any, s: Any, start: Any, length: Any = None) -> Any:
    return _slice(k, s, start, length, _bytes(k))


def _left(k: Any, s: Any, n: Any) -> Any:
    return _slice(k, s, k.pl.lit(1), n, _bytes(k))


def _right(k: Any, s: Any, n: Any) -> Any:
    pl = k.pl
    n = n.cast(pl.Int64)
    return pl.when(n > 0).then(s.str.slice(-n, n)).when(s.is_not_null() & (n <= 0)).then(pl.lit(""))


def _repeated(k: Any, s: Any, times: Any) -> Any:
    """`s` repeated; NULL where either is."""
    pl = k.pl
    count = times.cast(pl.Int64)
    whole = s.repeat_by(pl.when(count > 0).then(count).otherwise(0)).list.join("")
    return pl.when(all_set(k, [s, times])).then(whole)


def _repeat(k: Any, s: Any, times: Any) -> Any:
    return let(k, lambda a, b: _repeated(k, a, b), s, times)


def _space(k: Any, n: Any) -> Any:
    return _repeated(k, k.pl.lit(" "), n)


def _pad(side: str) -> Any:
    def text(k: Any, s: Any, length: Any, fill: Any) -> Any:
        pl = k.pl
        size = length.cast(pl.Int64)
        missing = size - s.str.len_chars().cast(pl.Int64)
        times = (missing / fill.str.len_chars()).ceil()
        padding = _repeated(k, fill, times.fill_nan(0).cast(pl.Int64, strict=False)).str.slice(
            0, missing.clip(0)
        )
        padded = padding + s if side == "left" else s + padding
        cut = s.str.slice(0, size.clip(0))
        return pl.when(all_set(k, [s, length, fill])).then(
            pl.when((missing > 0) & (fill != "")).then(padded).otherwise(cut)
        )

    def octets(s: bytes, size: int, fill: bytes) -> bytes:
        missing = size - len(s)
        if missing <= 0 or not fill:
            return s[: max(size, 0)]
        padding = (fill * (missing // len(fill) + 1))[:missing]
        return padding + s if side == "left" else s + padding

    def lower(k: Any, s: Any, length: Any, fill: Any = None) -> Any:
        pl = k.pl
        if _bytes(k):
            return per_distinct(k, octets, pl.Binary, s, length, pl.lit(b"\0") if fill is None else fill)
        if fill is None or (k.is_literal(2) and len(k.literal(2) or "") == 1):
            char = " " if fill is None else k.literal(2)
            size = length.cast(pl.Int64).clip(0)
            grown = s.str.pad_start(size, char) if side == "left" else s.str.pad_end(size, char)
            return grown.str.slice(0, size)
        return let(k, lambda a, b, c: text(k, a, b, c), s, length, fill)

    return lower


def _replace(k: Any, s: Any, search: Any, by: Any = None) -> Any:
    pl = k.pl
    by = pl.lit("") if by is None else by
    constant = len(k.call.args) < 3 or k.is_literal(2)
    if (constant and len(k.call.args) == 3 and k.literal(2) is None) or (
        k.is_literal(1) and k.literal(1) is None
    ):
        return pl.lit(None, dtype=pl.String)
    if not k.is_literal(1):
        return together(k, lambda a, b, c: _replace_by_split(pl, a, b, c), s, search, by)
    wanted: str = k.literal(1)
    if constant:
        return s.str.replace_all(wanted, by, literal=True) if wanted else s

    def build(a: Any, c: Any) -> Any:
        whole = a.str.replace_all(wanted, c.fill_null(""), literal=True) if wanted else a
        return pl.when(c.is_not_null()).then(whole)

    return together(k, build, s, by)


def _replace_by_split(pl: Any, s: Any, search: Any, by: Any) -> Any:
    replaced = s.str.split(search).list.join(by)
    return pl.when((search != "") | by.is_null()).then(replaced).when(search == "").then(s)


def _translated(s: str, old: str, new: str) -> str:
    table: dict[int, str | None] = {}
    for i, c in enumerate(old):
        table.setdefault(ord(c), new[i] if i < len(new) else None)
    return s.translate(table)


def _translate(k: Any, s: Any, old: Any, new: Any) -> Any:
    if not (k.is_literal(1) and k.is_literal(2)) or None in (k.literal(1), k.literal(2)):
        return per_distinct(k, _translated, k.pl.String, s, old, new)
    table: dict[str, str] = {}
    to: str = k.literal(2)
    for i, c in enumerate(k.literal(1)):
        table.setdefault(c, to[i] if i < len(to) else "")
    return s.str.replace_many(list(table), list(table.values())) if table else s


def _reverse(k: Any, s: Any) -> Any:
    if isinstance(k.type(0), Array):
        return s.list.reverse()
    if _bytes(k):
        return s.bin.encode("hex").str.extract_all("..").list.reverse().list.join("").str.decode("hex")
    # str.reverse keeps combining marks with their letter; Spark reverses code points.
    return s.str.split("").list.reverse().list.join("")


def _concat(k: Any, *args: Any) -> Any:
    pl = k.pl
    if not args:
        return pl.lit("")
    kind = k.call.type
    if isinstance(kind, Array):
        whole = pl.concat_list([*args])
        return pl.when(all_set(k, args)).then(whole) if len(args) > 1 else args[0]
    if isinstance(kind, Binary):
        total = args[0]
        for a in args[1:]:
            total = total + a
        return total
    return pl.concat_str([*args])


def _concat_ws(k: Any, sep: Any, *args: Any) -> Any:
    pl = k.pl
    lists = [isinstance(k.type(i + 1), Array) for i in range(len(args))]
    texts = [
        a if is_list or isinstance(k.type(i + 1), String) else k.cast(a, k.type(i + 1), String())
        for i, (a, is_list) in enumerate(zip(args, lists, strict=True))
    ]
    if not args:
        return pl.when(sep.is_not_null()).then(pl.lit(""))
    if not any(lists) and k.is_literal(0):
        if k.literal(0) is None:
            return pl.lit(None, pl.String)
        return pl.concat_str(texts, separator=k.literal(0), ignore_nulls=True)
    empty = pl.lit([], pl.List(pl.String))
    parts = [
        pl.when(t.is_not_null()).then(t).otherwise(empty) if is_list else t
        for t, is_list in zip(texts, lists, strict=True)
    ]
    whole = pl.concat_list(parts).list.drop_nulls()
    return together(k, lambda w, s: pl.when(s.is_not_null()).then(w.list.join(s)), whole, sep)


def _ascii(k: Any, s: Any) -> Any:
    pl = k.pl

    def build(b: Any) -> Any:
        def octet(i: int, keep: int) -> Any:
            return b.bin.get(i, null_on_oob=True).cast(pl.Int32) % keep

        first = b.bin.get(0, null_on_oob=True).cast(pl.Int32)
        return (
            pl.when(b.is_null())
            .then(pl.lit(None, pl.Int32))
            .when(first.is_null())
            .then(pl.lit(0, pl.Int32))
            .when(first < 0x80)
            .then(first)
            .when(first < 0xE0)
            .then(octet(0, 32) * 64 + octet(1, 64))
            .when(first < 0xF0)
            .then(octet(0, 16) * 4096 + octet(1, 64) * 64 + octet(2, 64))
            .otherwise(octet(0, 8) * 262144 + octet(1, 64) * 4096 + octet(2, 64) * 64 + octet(3, 64))
        )

    return let(k, build, s.cast(pl.Binary).bin.head(4))


def _chr(k: Any, n: Any) -> Any:
    pl = k.pl
    characters = (n.cast(pl.Int64) % 256).replace_strict(
        list(range(256)), [chr(i) for i in range(256)], return_dtype=pl.String
    )
    return pl.when(n < 0).then(pl.lit("")).otherwise(characters)


def _overlay(k: Any, s: Any, by: Any, start: Any, length: Any = None) -> Any:
    pl = k.pl
    binary = _bytes(k)

    def build(s: Any, by: Any, start: Any, length: Any) -> Any:
        at, size = start.cast(pl.Int64), length.cast(pl.Int64)
        own = (by.bin.size() if binary else by.str.len_chars()).cast(pl.Int64)
        size = pl.when(size >= 0).then(size).when(size < 0).then(own)
        head = _slice(k, s, pl.lit(1), at - 1, binary)
        return head + by + _slice(k, s, at + size, None, binary)

    return let(k, build, s, by, start, pl.lit(-1) if length is None else length)


# fmt: off
ROWS = (
    Function("upper", "string -> string", "The text in upper case.", "upper('Straße')",
             aliases=("ucase",), lower=_upper),
    Function("lower", "string -> string", "The text in lower case.", "lower('SparkSQL')",
             aliases=("lcase",), lower=_lower),
    Function("initcap", "string -> string", "The text with the first letter of each word in upper case.",
             "initcap('sPark sql')", lower=_initcap),
    Function("length", "string -> int | binary -> int", "The number of characters, or of bytes.",
             "length('naïve ')", aliases=("char_length", "character_length", "len"), lower=_length),
    Function("octet_length", "string -> int | binary -> int", "The number of bytes in UTF-8.",
             "octet_length('naïve')", lower=_octet_length),
    Function("bit_length", "string -> int | binary -> int", "The number of bits in UTF-8.",
             "bit_length('naïve')", lower=_bit_length),
    Function("trim", "string, [string] -> string",
             "The text without leading and trailing spaces, or (second form) the first argument's characters.",
             "trim('  Spark  ')", lower=_trim("strip_chars")),
    Function("ltrim", "string, [string] -> string",
             "The text without leading spaces; `ltrim(chars, text)` drops the characters given.",
             "ltrim('  Spark ')", lower=_trim("strip_chars_start")),
    Function("rtrim", "string, [string] -> string",
             "The text without trailing spaces; `rtrim(chars, text)` drops the characters given.",
             "rtrim(' Spark  ')", lower=_trim("strip_chars_end")),
    Function("btrim", "string, [string] -> string",
             "The text without the characters given (spaces) at both ends.",
             "btrim('SSparkSQLS', 'SL')", lower=_btrim),
    Function("substring", "string, int, [int] -> string | binary, int, [int] -> binary",
             "The part from a 1-based position (negative: from the end), of at most the length given.",
             "substring('Spark SQL', -5, 3)", aliases=("substr", "mid"), lower=_substring),
    Function("left", "string, int -> string | binary, int -> binary", "The first characters of a text.",
             "left('Spark SQL', 3)", lower=_left),
    Function("right", "string, int -> string", "The last characters of a text.",
             "right('Spark SQL', 3)", lower=_right),
    Function("repeat", "string, int -> string", "The text repeated.", "repeat('ab', 3)", lower=_repeat),
    Function("space", "int -> string", "A text of spaces.", "concat(space(2), '1')", lower=_space),
    Function("lpad", "string, int, [string] -> string | binary, int, [binary] -> binary",
             "The text padded on the left, or cut, to a length.", "lpad('hi', 5, '??')", lower=_pad("left")),
    Function("rpad", "string, int, [string] -> string | binary, int, [binary] -> binary",
             "The text padded on the right, or cut, to a length.", "rpad('hi', 5, '??')", lower=_pad("right")),
    Function("replace", "string, string, [string] -> string", "The text with every occurrence replaced.",
             "replace('ABCabc', 'abc', 'DEF')", lower=_replace),
    Function("translate", "string, string, string -> string",
             "The text with single characters replaced; characters without a partner are dropped.",
             "translate('AaBbCc', 'abc', '12')", lower=_translate),
    Function("reverse", "string -> string | binary -> binary | array<T> -> array<T>",
             "The text, bytes or array back to front.", "reverse('Spark SQL')", lower=_reverse),
    Function("concat", "() -> string | string... -> string | binary... -> binary | array<T>... -> array<T>",
             "The arguments one after the other.", "concat('Spark', 'SQL')", lower=_concat),
    Function("concat_ws", "string -> string | string, string... -> string | string, any... -> string",
             "The arguments (texts and arrays of texts) that are not NULL, with a separator between them.",
             "concat_ws('-', 'a', NULL, array('b', 'c'))", lower=_concat_ws, strict=False,
             nullable=lambda n: n[0]),
    Function("ascii", "string -> int", "The code point of the first character.", "ascii('é')", lower=_ascii),
    Function("chr", "bigint -> string", "The character of a code, modulo 256.", "chr(65)", aliases=("char",),
             lower=_chr),
    Function("overlay", "string, string, int, [int] -> string | binary, binary, int, [int] -> binary",
             "The text with a part replaced, from a position on.", "overlay('Spark SQL', 'ANSI ', 7, 0)",
             lower=_overlay),
)
# fmt: on

FUNCTIONS = (*ROWS, *SEARCH, *REGEXP, *FORMAT, *ENCODING, *NUMBERS, *UTF8)
