"""Finding, choosing and comparing parts of texts."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.common import all_set, let, per_distinct, together
from sqlshell.functions.edit_distance import LONGEST, distances
from sqlshell.functions.registry import Function
from sqlshell.types import Binary


def _bytes(k: Any, i: int = 0) -> bool:
    return isinstance(k.type(i), Binary)


def _position(k: Any, s: Any, sub: Any) -> Any:
    """1-based character index of the first `sub`, 0 when there is none, 1 for the empty text."""
    pl = k.pl
    before = s.str.splitn(sub, 2).struct.field("field_0").str.len_chars().cast(pl.Int32)
    found = s.str.contains(sub, literal=True)
    return (
        pl.when(sub == "")
        .then(pl.when(s.is_not_null()).then(pl.lit(1, pl.Int32)))
        .when(found)
        .then(before + 1)
        .when(~found)
        .then(pl.lit(0, pl.Int32))
    )


def _instr(k: Any, s: Any, sub: Any, start: Any = None, nth: Any = None) -> Any:
    if start is not None:
        nth = k.pl.lit(1, k.pl.Int32) if nth is None else nth
        return per_distinct(k, _nth_position, k.pl.Int32, s, sub, start, nth)
    return together(k, lambda a, b: _position(k, a, b), s, sub)


def _nth_position(s: str, sub: str, start: int, nth: int) -> int:
    """The 1-based place of the n-th `sub` from a position on; a negative position searches backwards."""
    if start == 0 or nth < 1:
        return 0
    if start > 0:
        at = start - 2
        for _ in range(nth):
            at = s.find(sub, at + 1)
            if at < 0:
                return 0
        return at + 1
    last = len(s) + start
    for _ in range(nth):
        if last < 0:
            return 0
        at = s.rfind(sub, 0, last + len(sub))
        last = at - 1
    return at + 1


def _locate(k: Any, sub: Any, s: Any, start: Any = None) -> Any:
    pl = k.pl
    if start is None:
        return _instr(k, s, sub)

    def build(s: Any, sub: Any, start: Any) -> Any:
        at = start.cast(pl.Int64)
        within = _position(k, s.str.slice(at.clip(1) - 1), sub)
        zero = pl.lit(0, pl.Int32)
        return (
            pl.when(at.is_null())
            .then(zero)
            .when(s.is_null() | sub.is_null())
            .then(pl.lit(None, pl.Int32))
            .when(at < 1)
            .then(zero)
            .when(sub == "")
            .then(pl.lit(1, pl.Int32))
            .when(within == 0)
            .then(zero)
            .otherwise(within + (at - 1).cast(pl.Int32, strict=False))
        )

    return together(k, build, s, sub, start)


def _split_part(k: Any, s: Any, delimiter: Any, n: Any) -> Any:
    pl = k.pl

    def build(s: Any, delimiter: Any, n: Any) -> Any:
        at = n.cast(pl.Int64)
        whole = pl.when(delimiter == "").then(pl.concat_list([s])).otherwise(s.str.split(delimiter))
        part = whole.list.get(pl.when(at > 0).then(at - 1).otherwise(at), null_on_oob=True).fill_null("")
        return pl.when(all_set(k, [s, delimiter, n])).then(part)

    return let(k, build, s, delimiter, k.raise_if(n == 0, "INVALID_INDEX_OF_ZERO", n))


def _affix(method: str) -> Any:
    def lower(k: Any, s: Any, part: Any) -> Any:
        if _bytes(k):
            return getattr(s.bin, method)(part)
        if method == "contains":
            return s.str.contains(part, literal=True)
        return getattr(s.str, method)(part)

    return lower


def _substring_index(k: Any, s: Any, delimiter: Any, count: Any) -> Any:
    pl = k.pl

    def build(s: Any, delimiter: Any, count: Any) -> Any:
        n = count.cast(pl.Int64)
        parts = s.str.split(delimiter)
        kept = pl.when(n > 0).then(parts.list.head(n.clip(0))).otherwise(parts.list.tail((-n).clip(0)))
        return pl.when(all_set(k, [s, delimiter, count])).then(
            pl.when((n == 0) | (delimiter == "")).then(pl.lit("")).otherwise(kept.list.join(delimiter))
        )

    return together(k, build, s, delimiter, count)


def _distance(a: str, b: str) -> int:
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (x != y)))
        previous = current
    return previous[-1]


def _levenshtein(k: Any, left: Any, right: Any, limit: Any = None) -> Any:
    """Pairs of short texts go through numpy all at once, others one by one."""
    pl = k.pl

    def run(rows: Any) -> Any:
        pairs = list(zip(*(rows.struct.field(n).to_list() for n in "ab"), strict=True))
        known = [i for i, (a, b) in enumerate(pairs) if a is not None and b is not None]
        short = [i for i in known if max(map(len, pairs[i])) <= LONGEST]
        found: list[int | None] = [None] * len(pairs)
        for i, d in zip(short, distances([pairs[i] for i in short]), strict=True):
            found[i] = d
        for i in known if len(short) < len(known) else ():
            found[i] = _distance(*pairs[i]) if found[i] is None else found[i]
        return pl.Series("d", found, dtype=pl.Int32)

    packed = pl.struct(left.alias("a"), right.alias("b"))
    distance = packed.map_batches(run, return_dtype=pl.Int32, is_elementwise=True)
    if limit is None:
        return distance

    def within(d: Any, most: Any) -> Any:
        far = pl.when((most >= 0) & (d > most)).then(pl.lit(-1, dtype=pl.Int32)).otherwise(d)
        return pl.when(most.is_not_null()).then(far)

    return let(k, within, distance, limit)


_SOUNDEX = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "01230127022455012623017202", strict=True))


def _sound(s: str) -> str:
    """Spark's soundex: H and W (7) keep the code before them alive; other text is given back."""
    if not s or s[0].upper() not in _SOUNDEX or not s[0].isascii():
        return s
    code, last = s[0].upper(), _SOUNDEX[s[0].upper()]
    for c in s[1:]:
        digit = _SOUNDEX.get(c.upper() if c.isascii() else c)
        if digit is None:
            last = "0"
            continue
        if digit == "7":
            continue
        if digit not in ("0", last):
            code += digit
            if len(code) == 4:
                return code
        last = digit
    return code.ljust(4, "0")


def _soundex(k: Any, s: Any) -> Any:
    return per_distinct(k, _sound, k.pl.String, s)


def _find_in_set(k: Any, word: Any, words: Any) -> Any:
    pl = k.pl

    def build(words: Any, word: Any) -> Any:
        listed, wanted = pl.lit(",") + words + ",", pl.lit(",") + word + ","
        found = listed.str.contains(wanted, literal=True) & ~word.str.contains(",", literal=True)
        before = listed.str.splitn(wanted, 2).struct.field("field_0")
        place = before.str.count_matches(",", literal=True).cast(pl.Int32) + 1
        hit = pl.when(found).then(place).otherwise(pl.lit(0, pl.Int32))
        return pl.when(all_set(k, [word, words])).then(hit)

    return together(k, build, words, word)


def _elt(k: Any, n: Any, *values: Any) -> Any:
    pl = k.pl
    bad = (n < 1) | (n > len(values))
    n = k.raise_if(bad, "INVALID_ARRAY_INDEX", n, n, pl.lit(len(values)))

    def build(n: Any, *values: Any) -> Any:
        chain = pl.when(n == 1).then(values[0])
        for i, v in enumerate(values[1:], 2):
            chain = chain.when(n == i).then(v)
        return chain.otherwise(None)

    return let(k, build, n, *values)


def _luhn_check(k: Any, s: Any) -> Any:
    pl = k.pl
    # int_range counts from the last digit, whose weight is one.
    digit = pl.element().cast(pl.Int64) * (1 + pl.int_range(0, pl.len()) % 2)
    digits = s.str.extract_all("[0-9]").list.reverse().list.eval(digit - 9 * (digit > 9).cast(pl.Int64))
    return let(k, lambda a, d: a.str.contains("^[0-9]+$") & (d.list.sum() % 10 == 0), s, digits)


def _mask(k: Any, s: Any, upper: Any = None, lower: Any = None, digit: Any = None, other: Any = None) -> Any:
    pl = k.pl

    def masked(
        s: str | None, up: str | None, low: str | None, number: str | None, rest: str | None
    ) -> str | None:
        if s is None:
            return None
        out = []
        for c in s:
            by = up if c.isupper() else low if c.islower() else number if c.isdecimal() else rest
            out.append(c if by is None else by)
        return "".join(out)

    defaults = ("X", "x", "n", None)
    given = [
        pl.lit(d, pl.String) if g is None else g
        for g, d in zip((upper, lower, digit, other), defaults, strict=True)
    ]
    return per_distinct(k, masked, pl.String, s, *given, nulls=True)


def _quote(k: Any, s: Any) -> Any:
    return k.pl.lit("'") + s.str.replace_all("'", "\\'", literal=True) + "'"


# fmt: off
ROWS = (
    Function("instr", "string, string, [int, int] -> int",
             "The 1-based position of the second text in the first (the n-th, from a position on), or 0.",
             "instr('SparkSQL', 'SQL')", lower=_instr),
    Function("locate", "string, string, [int] -> int",
             "The 1-based position of the first text in the second, from a position on, or 0.",
             "locate('bar', 'foobarbar', 5)", aliases=("position",), lower=_locate, strict=False),
    Function("split_part", "string, string, int -> string",
             "One part of a text cut at a delimiter; a negative number counts from the end.",
             "split_part('11.12.13', '.', 3)", lower=_split_part, fallible=True),
    Function("startswith", "string, string -> boolean | binary, binary -> boolean",
             "Whether a text starts with another.", "startswith('Spark SQL', 'Spark')",
             lower=_affix("starts_with")),
    Function("endswith", "string, string -> boolean | binary, binary -> boolean",
             "Whether a text ends with another.", "endswith('Spark SQL', 'SQL')", lower=_affix("ends_with")),
    Function("contains", "string, string -> boolean | binary, binary -> boolean",
             "Whether a text contains another.", "contains('Spark SQL', 'ark')", lower=_affix("contains")),
    Function("substring_index", "string, string, int -> string",
             "The part before the n-th delimiter (negative: after the n-th from the end).",
             "substring_index('www.apache.org', '.', 2)", lower=_substring_index),
    Function("levenshtein", "string, string, [int] -> int",
             "The edit distance of two texts; -1 past a limit.", "levenshtein('kitten', 'sitting')",
             lower=_levenshtein),
    Function("soundex", "string -> string", "The Soundex code of a text.", "soundex('Miller')", lower=_soundex),
    Function("find_in_set", "string, string -> int", "The 1-based place of a word in a comma-separated list.",
             "find_in_set('ab', 'abc,b,ab,c,def')", lower=_find_in_set),
    Function("elt", "int, string... -> string", "The n-th of the other arguments.", "elt(2, 'scala', 'java')",
             lower=_elt, fallible=True, strict=False, nullable=lambda n: True),
    Function("luhn_check", "string -> boolean", "Whether a text of digits passes the Luhn check.",
             "luhn_check('8112189876')", lower=_luhn_check),
    Function("mask", "string, [string, string, string, string] -> string",
             "The text with capitals, small letters, digits (and others) replaced by one character each.",
             "mask('AbCD123-@$#')", lower=_mask, strict=False),
    Function("quote", "string -> string", "The text in single quotes, escaped.", "quote('Don')", lower=_quote),
)
# fmt: on
