"""Java regular expressions in Rust's dialect.

Both dialects agree on most patterns people write. Where Java means something else (`\\d`, `\\w`, `\\s` are ASCII,
`.` stops at every line terminator, `$` also matches before a final one, `\\Z`, `\\h`, class intersections), the
pattern is rewritten. What Rust has not (look-around, back references, atomic groups) is left to Python's `re`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ASCII_CLASSES = {
    "d": "0-9",
    "w": "a-zA-Z_0-9",
    "s": r"\t\n\x0B\f\r ",
    "h": r"\t \u00A0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000",
    "v": r"\n\x0B\f\r\u0085\u2028\u2029",
}
POSIX = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": r"\x00-\x7F",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": r"!-/:-@\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1F\x7F",
    "XDigit": "0-9a-fA-F",
    "Space": r"\t\n\x0B\f\r ",
}
SETS = frozenset("dDwWsShHvVpP")
LINE_END = r"\n\r\u0085\u2028\u2029"


class BadPattern(Exception):
    """The pattern is no regular expression in Java either."""


class Unsupported(Exception):
    """The pattern is valid, but cannot be run here."""


@dataclass(frozen=True)
class Pattern:
    """A translated pattern.

    `rust` or `python` is None where that dialect cannot say it. `test` is `rust` for questions of yes and no,
    where `$` may swallow the line terminator that Java lets stand behind it.
    """

    rust: str | None
    test: str | None
    python: str | None
    groups: int
    can_be_empty: bool
    names: Mapping[str, int]


class _Needs(Exception):
    """This dialect cannot say it."""


@lru_cache(maxsize=256)
def translate(java: str) -> Pattern:
    """`java` for Rust and for Python; BadPattern when it is not valid in Java."""
    rust, test, python = (_attempt(java, dialect) for dialect in ("rust", "test", "python"))
    if python is None:
        groups = len(re.findall(r"(?<!\\)\((?!\?[^<P]|\?<[=!])", rust or ""))
        return Pattern(rust, test, None, groups, can_be_empty=False, names={})
    try:
        found = re.compile(python)
    except (re.error, OverflowError, RecursionError) as e:
        raise BadPattern(java) from e
    return Pattern(rust, test, python, found.groups, _can_be_empty(python), dict(found.groupindex))


def _can_be_empty(python: str) -> bool:
    # The only place that knows the least width of a match is the parser behind `re.compile`.
    parser = import_module("re._parser")
    return bool(parser.parse(python).getwidth()[0] == 0)


def _attempt(java: str, dialect: str) -> str | None:
    try:
        return _Translator(java, dialect).run()
    except _Needs:
        return None


@lru_cache(maxsize=4096)
def compiled(java: str) -> re.Pattern[str]:
    """`java` as a Python pattern; Unsupported where only Rust could run it."""
    python = translate(java).python
    if python is None:
        raise Unsupported(java)
    return re.compile(python)


def matches(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Java's successive `Matcher.find()`: after an empty match the search goes on one character further."""
    at = 0
    while at <= len(text):
        m = pattern.search(text, at)
        if m is None:
            return
        yield m
        at = m.end() + (m.start() == m.end())


def plain(java: str) -> str | None:
    """The text that `java` matches when it holds no operator (`\\.` is a dot), else None."""
    out, at = [], 0
    while at < len(java):
        c = java[at]
        if c == "\\" and at + 1 < len(java) and not java[at + 1].isalnum():
            out.append(java[at + 1])
            at += 2
        elif c in r"\.^$|?*+()[]{}":
            return None
        else:
            out.append(c)
            at += 1
    return "".join(out)


def replacement(java: str, groups: int, names: Mapping[str, int]) -> list[str | int] | None:
    """A Java replacement (`$1`, `${name}`, `\\$`) in pieces: texts and group numbers; None when it is not valid."""
    out: list[str | int] = []
    at = 0
    while at < len(java):
        c = java[at]
        if c == "\\":
            if at + 1 == len(java):
                return None
            out.append(java[at + 1])
            at += 2
        elif c == "$":
            named = re.match(r"\{([A-Za-z][A-Za-z0-9]*)\}", java[at + 1 :])
            if named is not None and named.group(1) in names:
                out.append(names[named.group(1)])
                at += 1 + named.end()
                continue
            number = re.match(r"[0-9]", java[at + 1 :])
            if number is None or int(number.group()) > groups:
                return None
            group, at = int(number.group()), at + 2
            # Java takes more digits as long as such a group exists.
            while at < len(java) and java[at] in "0123456789" and group * 10 + int(java[at]) <= groups:
                group, at = group * 10 + int(java[at]), at + 1
            out.append(group)
        else:
            out.append(c)
            at += 1
    return out


class _Translator:
    def __init__(self, java: str, dialect: str) -> None:
        self.java, self.dialect, self.at = java, dialect, 0
        self.for_rust = dialect != "python"
        self.multiline = self.dotall = False

    def run(self) -> str:
        out: list[str] = []
        while self.at < len(self.java):
            out.append(self.item())
        return "".join(out)

    def item(self) -> str:
        c = self.java[self.at]
        if c == "\\":
            return self.escape(in_class=False)
        if c == "[":
            return self.char_class()
        if c == "(":
            return self.group()
        self.at += 1
        if c == ".":
            return "." if self.dotall else f"[^{LINE_END}]"
        if c == "$" and not self.multiline:
            return self.end_of_text()
        if c in "*+?}" and self.java[self.at : self.at + 1] == "+" and self.for_rust:
            raise _Needs
        if c == "{" and not re.match(r"\d+(,\d*)?\}", self.java[self.at :]):
            raise BadPattern(self.java)
        if c in "}]":
            return c if c == "}" and re.search(r"\{\d+(,\d*)?$", self.java[: self.at - 1]) else "\\" + c
        return c

    def end_of_text(self) -> str:
        if self.dialect == "rust":
            # Rust cannot look ahead: here a text that ends in a line terminator differs from Java.
            return "$"
        ending = rf"(?:\r\n|[{LINE_END}])?"
        return rf"{ending}\z" if self.dialect == "test" else rf"(?={ending}\Z)"

    def group(self) -> str:
        rest = self.java[self.at :]
        flags = re.match(r"\(\?([a-zA-Z]*)(-[a-zA-Z]+)?([:)])", rest)
        named = re.match(r"\(\?<([a-zA-Z][a-zA-Z0-9]*)>", rest)
        if flags is not None:
            return self.flags(flags)
        if named is not None:
            self.at += named.end()
            return f"(?P<{named.group(1)}>"
        if re.match(r"\(\?(?:[=!>]|<[=!])", rest) and self.for_rust:
            raise _Needs
        self.at += 1
        return "("

    def flags(self, found: re.Match[str]) -> str:
        on, off, scoped = found.group(1), found.group(2) or "", found.group(3) == ":"
        if not set(on + off) <= set("ims-") or (set(on + off) & set("ms") and (scoped or self.at or off)):
            raise _Needs
        if not self.for_rust and self.at and not scoped:
            # Python wants global flags first; Java applies them from here on.
            raise _Needs
        self.multiline, self.dotall = self.multiline or "m" in on, self.dotall or "s" in on
        self.at += found.end()
        return found.group()

    def escape(self, *, in_class: bool) -> str:
        if self.at + 1 >= len(self.java):
            raise BadPattern(self.java)
        c = self.java[self.at + 1]
        self.at += 2
        if c in ASCII_CLASSES:
            return ASCII_CLASSES[c] if in_class else f"[{ASCII_CLASSES[c]}]"
        if c.lower() in ASCII_CLASSES:
            if in_class:
                if self.for_rust:
                    return f"[^{ASCII_CLASSES[c.lower()]}]"
                return rf"\{c}" if c in "DSW" else self.refuse()
            return f"[^{ASCII_CLASSES[c.lower()]}]"
        if c in "pP":
            return self.property(c, in_class=in_class)
        if c == "Q":
            end = self.java.find("\\E", self.at)
            quoted = self.java[self.at :] if end < 0 else self.java[self.at : end]
            self.at = len(self.java) if end < 0 else end + 2
            return re.escape(quoted)
        return self.simple_escape(c, in_class=in_class)

    def simple_escape(self, c: str, *, in_class: bool) -> str:
        if c in "123456789":
            if in_class:
                raise BadPattern(self.java)
            if self.for_rust:
                raise _Needs
            return f"\\{c}"
        if c in "bB" and not in_class:
            return rf"\{c}"
        if c in "AzZ" and not in_class:
            return {"A": r"\A", "z": r"\z" if self.for_rust else r"\Z", "Z": self.end_of_text()}[c]
        if c in "tnrfae":
            return {"t": r"\t", "n": r"\n", "r": r"\r", "f": r"\f", "a": r"\x07", "e": r"\x1B"}[c]
        if c == "R" and not in_class:
            return rf"(?:\r\n|[{ASCII_CLASSES['v']}])"
        if c in "xu":
            return self.hexadecimal(c)
        if c.isascii() and c.isalnum():
            return self.refuse()
        return re.escape(c) if not in_class else "\\" + c

    def hexadecimal(self, c: str) -> str:
        digits = re.match(r"[0-9A-Fa-f]{2}" if c == "x" else r"[0-9A-Fa-f]{4}", self.java[self.at :])
        if digits is None:
            return self.refuse()
        self.at += digits.end()
        return re.escape(chr(int(digits.group(), 16)))

    def property(self, c: str, *, in_class: bool) -> str:
        name = re.match(r"\{(\w+)\}|(\w)", self.java[self.at :])
        if name is None:
            raise BadPattern(self.java)
        self.at += name.end()
        word = name.group(1) or name.group(2)
        if word in POSIX:
            inverted = "^" if c == "P" else ""
            if in_class and not inverted:
                return POSIX[word]
            return f"[{inverted}{POSIX[word]}]" if self.for_rust or not in_class else self.refuse()
        if not self.for_rust:
            raise _Needs
        word = word.removeprefix("Is") if word not in ("IsAlphabetic",) else "Alphabetic"
        return f"\\{c}{{{word}}}"

    def refuse(self) -> str:
        raise _Needs

    def char_class(self) -> str:
        out, self.at = ["["], self.at + 1
        if self.java[self.at : self.at + 1] == "^":
            out.append("^")
            self.at += 1
        first = True
        while self.at < len(self.java):
            c = self.java[self.at]
            if c == "]" and not first:
                self.at += 1
                return "".join([*out, "]"])
            first = False
            if c == "\\":
                is_set = self.java[self.at + 1 : self.at + 2] in SETS
                out.append(self.escape(in_class=True))
                if is_set and self.java[self.at : self.at + 1] == "-":
                    out.append(r"\-")
                    self.at += 1
            elif c == "-" and self.java[self.at + 1 : self.at + 2] == "\\" and self.java[self.at + 2] in SETS:
                out.append(r"\-")
                self.at += 1
            elif c == "[":
                # Rust would read [:alpha:] as a POSIX class, which Java has not.
                nested = self.for_rust and not self.java.startswith("[:", self.at)
                out.append(self.char_class() if nested else self.refuse())
            elif self.java.startswith("&&", self.at):
                if not self.for_rust:
                    self.refuse()
                out.append("&&")
                self.at += 2
            else:
                out.append("\\" + c if c in "~-&" and self.java.startswith(c * 2, self.at) else c)
                self.at += 1
        raise BadPattern(self.java)
