"""Terminal cells: how wide a text is, and texts cut or padded to a width."""

from __future__ import annotations

import re

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SHOWN = {"\n": "⏎", "\t": "→"}


def one_line(text: str) -> str:
    """A text without control characters: they could move the cursor or turn the line round."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub(_picture, text)


def _picture(match: re.Match[str]) -> str:
    c = match[0]
    return _SHOWN.get(c) or (chr(0x2400 + ord(c)) if ord(c) < 32 else f"\\u{ord(c):04x}")


def width(text: str) -> int:
    """Terminal cells a text takes: two for wide characters, none for combining marks."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(c: str) -> int:
    if c < "\u0300":
        return 1
    from unicodedata import category, east_asian_width

    if category(c) in {"Mn", "Me", "Cf"} or "\u1160" <= c <= "\u11ff":
        return 0
    return 2 if east_asian_width(c) in "WF" else 1


def pad(text: str, to: int, *, right: bool = False) -> str:
    """A text filled with blanks to `to` cells."""
    space = " " * (to - width(text))
    return space + text if right else text + space


def cut(text: str, to: int) -> str:
    """A text of at most `to` cells, an ellipsis where something is missing."""
    if width(text) <= to:
        return text
    used, kept = 1, []
    for c in text:
        used += _cells(c)
        if used > to:
            break
        kept.append(c)
    return "".join(kept) + "…"
