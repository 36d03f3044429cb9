"""Java's DateTimeFormatter patterns, as Spark uses them: read once, written or parsed piece by piece in polars."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from sqlshell.records import dataclass

CROSS_VERSION = "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION"
WEEK_BASED = "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_WEEK_BASED_PATTERN"
ILLEGAL = "INVALID_DATETIME_PATTERN.ILLEGAL_CHARACTER"
UNSUPPORTED = "UNSUPPORTED_FEATURE"

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_LONGEST = {
    **dict.fromkeys("dHhkKmsF", 2),
    **dict.fromkeys("MLQqE", 4),
    **dict.fromkeys("xXZ", 5),
    **dict.fromkeys("y", 6),
    **dict.fromkeys("zOG", 4),
    "D": 3,
    "S": 9,
    "a": 1,
    "V": 2,
}


class BadFormat(Exception):
    """The pattern is refused; `args` are a condition and a reason."""


@dataclass(frozen=True)
class Piece:
    """A pattern letter repeated `count` times, or (letter '') literal text, '[' or ']'."""

    letter: str
    count: int = 0
    text: str = ""


@lru_cache(maxsize=256)
def read(pattern: str) -> tuple[Piece, ...]:
    """The pieces of a pattern."""
    out: list[Piece] = []
    at = 0
    while at < len(pattern):
        c = pattern[at]
        if c == "'":
            text, at = _quoted(pattern, at)
            out.append(Piece("", text=text))
        elif c.isascii() and c.isalpha():
            run = re.match(f"{c}+", pattern[at:])
            count = run.end() if run else 1
            _check(c, count, pattern)
            out.append(Piece(c, count))
            at += count
        elif c in "[]":
            out.append(Piece(c))
            at += 1
        elif c in "{}#":
            raise BadFormat(ILLEGAL, f"the character '{c}' of the datetime pattern '{pattern}' is reserved")
        else:
            out.append(Piece("", text=c))
            at += 1
    return tuple(out)


def _quoted(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at : at + 2] == "''":
        return "'", at + 2
    out, at = [], at + 1
    while at < len(pattern):
        if pattern[at] != "'":
            out.append(pattern[at])
            at += 1
        elif pattern[at : at + 2] == "''":
            out.append("'")
            at += 2
        else:
            return "".join(out), at + 1
    raise BadFormat(CROSS_VERSION, f"the datetime pattern '{pattern}' has an open quote")


def _check(letter: str, count: int, pattern: str) -> None:
    if letter in "YWwu":
        raise BadFormat(
            CROSS_VERSION, f"the letter '{letter}' of the datetime pattern '{pattern}' is not recognised"
        )
    if letter in "ec":
        raise BadFormat(WEEK_BASED, f"the week-based letter '{letter}' in '{pattern}' is not supported")
    if letter not in _LONGEST:
        raise BadFormat(ILLEGAL, f"Illegal pattern character found in datetime pattern: {letter}")
    if count > _LONGEST[letter]:
        raise BadFormat(CROSS_VERSION, f"too many letters '{letter}' in the datetime pattern '{pattern}'")
    if letter == "V" and count != 2:
        raise BadFormat(ILLEGAL, f"'V' stands twice in a datetime pattern, as in 'VV': '{pattern}'")


# Writing

_CHRONO = {
    ("y", 1): "%-Y", ("y", 2): "%y", ("y", 4): "%Y",
    ("M", 1): "%-m", ("M", 2): "%m", ("M", 3): "%b", ("M", 4): "%B",
    ("L", 1): "%-m", ("L", 2): "%m", ("L", 3): "%b", ("L", 4): "%B",
    ("d", 1): "%-d", ("d", 2): "%d", ("D", 1): "%-j", ("D", 3): "%j",
    ("E", 1): "%a", ("E", 2): "%a", ("E", 3): "%a", ("E", 4): "%A",
    ("H", 1): "%-H", ("H", 2): "%H", ("h", 1): "%-I", ("h", 2): "%I",
    ("m", 1): "%-M", ("m", 2): "%M", ("s", 1): "%-S", ("s", 2): "%S",
    ("a", 1): "%p", ("S", 3): "%3f", ("S", 6): "%6f", ("S", 9): "%9f",
}  # fmt: skip


def write(k: Any, wall: Any, instant: Any, pattern: str) -> Any:
    """A wall clock (and its instant, for zone letters) written by the pattern."""
    pl = k.pl
    parts: list[Any] = []
    simple = ""
    pieces = [p for p in read(pattern) if p.letter not in ("[", "]")]
    for p in pieces:
        chrono = p.text.replace("%", "%%") if not p.letter else _CHRONO.get((p.letter, p.count))
        if chrono is not None:
            simple += chrono
            continue
        if simple:
            parts.append(_strftime(pl, wall, simple))
            simple = ""
        parts.append(_special(k, wall, instant, p))
    if simple:
        parts.append(_strftime(pl, wall, simple))
    if not parts:
        return pl.when(wall.is_not_null()).then(pl.lit(""))
    return parts[0] if len(parts) == 1 else pl.concat_str(parts)


def _strftime(pl: Any, wall: Any, form: str) -> Any:
    if "%" not in form.replace("%%", ""):
        return pl.when(wall.is_not_null()).then(pl.lit(form.replace("%%", "%")))
    return wall.dt.strftime(form)


def _special(k: Any, wall: Any, instant: Any, p: Piece) -> Any:
    pl = k.pl

    def number(e: Any, width: int) -> Any:
        return e.cast(pl.String).str.zfill(width)

    if p.letter == "S":
        digits = number(wall.dt.microsecond(), 6)
        return digits.str.head(p.count) if p.count < 6 else digits.str.pad_end(p.count, "0")
    if p.letter in "kK":
        low, size = (1, 24) if p.letter == "k" else (0, 12)
        hour = (wall.dt.hour().cast(pl.Int32) - low) % size + low
        return number(hour, p.count)
    if p.letter in "Qq":
        quarter = wall.dt.quarter()
        if p.count <= 2:
            return number(quarter, p.count)
        if p.count == 3:
            return pl.lit("Q") + quarter.cast(pl.String)
        names = ["1st quarter", "2nd quarter", "3rd quarter", "4th quarter"]
        return quarter.cast(pl.Int32).replace_strict([1, 2, 3, 4], names, return_dtype=pl.String)
    if p.letter == "F":
        return number((wall.dt.day().cast(pl.Int32) - 1) % 7 + 1, p.count)
    if p.letter == "D":
        return number(wall.dt.ordinal_day(), p.count)
    if p.letter == "y":
        return number(wall.dt.year(), p.count)
    if p.letter == "G":
        era = wall.dt.year() > 0
        return (
            pl.when(era)
            .then(pl.lit("Anno Domini" if p.count == 4 else "AD"))
            .when(~era)
            .then(pl.lit("Before Christ" if p.count == 4 else "BC"))
        )
    return _zone(k, instant, p)


def _zone(k: Any, instant: Any, p: Piece) -> Any:
    pl = k.pl
    present = instant.is_not_null()
    if p.letter == "V":
        return pl.when(present).then(pl.lit(k.tz))
    if p.letter == "z":
        if k.tz != "UTC":
            raise BadFormat(UNSUPPORTED, "zone names (z) are written only in the zone UTC")
        return pl.when(present).then(pl.lit("UTC" if p.count < 4 else "Coordinated Universal Time"))
    colon = instant.dt.convert_time_zone(k.tz).dt.strftime("%:z")
    if p.letter in "xX":
        return _offset(k, colon, p)
    if p.letter == "Z" and p.count < 4:
        return colon.str.replace(":", "", literal=True)
    if p.letter == "Z" and p.count == 5:
        return k.let([colon], lambda c: pl.when(c == "+00:00").then(pl.lit("Z")).otherwise(c))
    hours = colon if p.count == 4 else colon.str.replace("^([+-])0", "${1}").str.replace(":00$", "")
    return k.let(
        [colon, hours], lambda c, h: pl.when(c == "+00:00").then(pl.lit("GMT")).otherwise(pl.lit("GMT") + h)
    )


def _offset(k: Any, colon: Any, p: Piece) -> Any:
    """An ISO offset: +hh[mm], +hhmm, +hh:mm; with X, Z for UTC."""
    pl = k.pl

    def form(c: Any) -> Any:
        if p.count == 1:
            shown = c.str.replace(":00$", "").str.replace(":", "", literal=True)
        else:
            shown = c if p.count in (3, 5) else c.str.replace(":", "", literal=True)
        return pl.when(c == "+00:00").then(pl.lit("Z")).otherwise(shown) if p.letter == "X" else shown

    return k.let([colon], form)


# Reading


@dataclass(frozen=True)
class Reader:
    """A regular expression whose groups are the fields of `letters`, in order."""

    regex: str
    letters: tuple[str, ...]


_READERS = {
    ("M", 1): r"(\d{1,2})", ("M", 2): r"(\d{2})", ("L", 1): r"(\d{1,2})", ("L", 2): r"(\d{2})",
    ("d", 1): r"(\d{1,2})", ("d", 2): r"(\d{2})", ("D", 1): r"(\d{1,3})", ("D", 3): r"(\d{3})",
    ("y", 2): r"(\d{2})", ("a", 1): r"(AM|PM)",
    ("X", 1): r"(Z|[+-]\d{2}(?:\d{2})?)", ("X", 2): r"(Z|[+-]\d{4})", ("X", 3): r"(Z|[+-]\d{2}:\d{2})",
    ("x", 1): r"([+-]\d{2}(?:\d{2})?)", ("x", 2): r"([+-]\d{4})", ("x", 3): r"([+-]\d{2}:\d{2})",
    ("Z", 1): r"([+-]\d{4})", ("Z", 2): r"([+-]\d{4})", ("Z", 3): r"([+-]\d{4})",
    ("Z", 5): r"(Z|[+-]\d{2}:\d{2})",
    **{(letter, 1): r"(\d{1,2})" for letter in "HhkKms"},
    **{(letter, 2): r"(\d{2})" for letter in "HhkKms"},
}  # fmt: skip


@lru_cache(maxsize=256)
def reader(pattern: str) -> Reader:
    """How to parse by the pattern."""
    pieces = read(pattern)
    out, letters, depth = ["(?i)^"], [], 0
    for i, p in enumerate(pieces):
        if p.letter == "[":
            out.append("(?:")
            depth += 1
        elif p.letter == "]":
            if not depth:
                raise BadFormat(
                    CROSS_VERSION, f"the datetime pattern '{pattern}' closes a section it did not open"
                )
            out.append(")?")
            depth -= 1
        elif not p.letter:
            out.append("".join(c if c.isalnum() or c in " -:_,;'\"/%@!<>=~`" else "\\" + c for c in p.text))
        else:
            following = pieces[i + 1] if i + 1 < len(pieces) else Piece("")
            out.append(_group(p, following.letter not in ("", "[", "]"), pattern))
            letters.append(_kind(p))
    out.append(")?" * depth + "$")
    return Reader("".join(out), tuple(letters))


def _kind(p: Piece) -> str:
    if p.letter in "ML":
        return "M" if p.count <= 2 else "month name"
    if p.letter == "y" and p.count == 2:
        return "short year"
    if p.letter in "xXZ":
        return "offset"
    return p.letter


def _group(p: Piece, adjacent: bool, pattern: str) -> str:
    known = _READERS.get((p.letter, p.count))
    if known is not None:
        return known.replace(r"{1,2}", r"{1,2}?") if adjacent and "{1,2}" in known else known
    if p.letter == "S":
        return rf"(\d{{1,{p.count}}})"
    if p.letter == "y":
        if adjacent:
            return rf"(\d{{{p.count}}})"
        return r"([+-]?\d{1,9})" if p.count == 1 else rf"([+-]?\d{{{p.count},9}})"
    if p.letter in "ML" and p.count >= 3:
        return "(" + "|".join(m if p.count == 4 else m[:3] for m in MONTHS) + ")"
    if p.letter in "EFqQ":
        raise BadFormat(CROSS_VERSION, f"'{p.letter}' in the datetime pattern '{pattern}' cannot be parsed")
    raise BadFormat(
        UNSUPPORTED, f"'{p.letter * p.count}' in the datetime pattern '{pattern}' cannot be parsed"
    )
