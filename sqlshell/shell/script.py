"""Scripts of SQL statements and commands: `.name arguments` or `\\name arguments` on a line of its own.

A command line counts only where a statement could begin: inside strings, comments and unfinished statements such
a line is part of the SQL. A statement may end in `\\gset [PREFIX]`, `\\gexec`, `\\gx` or `\\g [FILE]` instead of `;`.
`.if`, `.elif`, `.else`, `.foreach` and `.end` make blocks of the steps between them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlshell.errors import ParseError
from sqlshell.parser.script import is_complete, split, unterminated
from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterator

_CANDIDATE = re.compile(
    r"^[ \t]*(?P<line>\.[A-Za-z]\w*|\\(?:[A-Za-z]\w*[+]?|[!?])|!(?!=))(?P<rest>[^\n]*)$"
    r"|(?P<suffix>\\(?:gset|gexec|gx|g|G)\b)[ \t]*(?P<argument>[^\n;]*);?[ \t]*$",
    re.MULTILINE,
)
BLOCKS = {"if", "elif", "else", "foreach", "end", "endif", "endforeach"}


SOURCE = re.compile(r"source\s+(?P<path>[^\s;]+|'[^']+')\s*;?", re.IGNORECASE)
"""The statement that runs another script."""


@dataclass(frozen=True)
class Step:
    """A statement (`name` is empty, or the `\\g...` that ends it) or a command (`text` is empty)."""

    text: str
    name: str
    argument: str
    line: int

    @property
    def is_command(self) -> bool:
        return not self.text


@dataclass(frozen=True)
class Branches:
    """`.if ... .elif ... .else ... .end`: conditions with their steps; the condition of `.else` is None."""

    arms: tuple[tuple[Step, tuple[Node, ...]], ...]


@dataclass(frozen=True)
class Loop:
    """`.foreach NAME... in QUERY ... .end`."""

    head: Step
    body: tuple[Node, ...]


Node = Step | Branches | Loop


def steps(text: str) -> Iterator[Step]:
    """The steps of a script, in order."""
    at, line = 0, 1
    for match in _CANDIDATE.finditer(text):
        if match.start() < at:
            continue
        before = text[at : match.start()]
        suffix = match["suffix"]
        if not (_ends_here(before) if suffix else _is_boundary(before)):
            continue
        found = list(_statements(before, line))
        last = found.pop() if suffix and found else None
        yield from found
        here = line + before.count("\n")
        if suffix and last is not None:
            yield Step(last.text, suffix[1:], match["argument"].strip(), last.line)
        elif not suffix:
            yield Step("", match["line"].lstrip(".\\"), match["rest"].strip(), here)
        line = here + match[0].count("\n")
        at = match.end()
    yield from _statements(text[at:], line)


def _statements(text: str, line: int) -> Iterator[Step]:
    for chunk in split(text):
        yield Step(chunk.text, "", "", chunk.line + line - 1)


def _is_boundary(before: str) -> bool:
    return not before.strip() or is_complete(before) or not split(before)


def _ends_here(before: str) -> bool:
    """Whether a suffix behind `before` is neither in a literal nor in a comment, and ends a statement."""
    if is_complete(before) or unterminated(before) is not None:
        return False
    marked = split(before + "\0")
    return bool(marked) and marked[-1].text.endswith("\0") and len(marked[-1].text) > 1


def is_ready(text: str) -> bool:
    """Whether a prompt may run `text` now: its statements are complete and its blocks closed."""
    at = depth = 0
    for match in _CANDIDATE.finditer(text):
        before = text[at : match.start()]
        if match.start() < at or not (_ends_here(before) if match["suffix"] else _is_boundary(before)):
            continue
        at = match.end()
        name = (match["line"] or "").lstrip(".\\")
        depth += (name in ("if", "foreach")) - (name in ("end", "endif", "endforeach"))
    tail = text[at:]
    return depth <= 0 and (not tail.strip() or is_complete(tail))


def nodes(script: list[Step]) -> tuple[Node, ...]:
    """The steps as a tree of blocks; raises ParseError for blocks that do not match."""
    reader = _Reader(script)
    found = reader.block(())
    if reader.at < len(script):
        raise _unmatched(script[reader.at])
    return found


@dataclass
class _Reader:
    steps: list[Step]
    at: int = field(default=0)

    def block(self, ends: tuple[str, ...]) -> tuple[Node, ...]:
        """Nodes up to one of the commands `ends`, which is not taken."""
        out: list[Node] = []
        while self.at < len(self.steps):
            step = self.steps[self.at]
            name = step.name if step.is_command else ""
            if name in ends:
                break
            if name in BLOCKS - {"if", "foreach"}:
                raise _unmatched(step)
            self.at += 1
            if name == "if":
                out.append(self._branches(step))
            elif name == "foreach":
                out.append(Loop(step, self.block(("end", "endforeach"))))
                self._close(step)
            else:
                out.append(step)
        return tuple(out)

    def _branches(self, head: Step) -> Branches:
        arms = []
        step = head
        while True:
            arms.append((step, self.block(("elif", "else", "end", "endif"))))
            if self.at >= len(self.steps) or self.steps[self.at].name in ("end", "endif"):
                break
            if step.name == "else":
                raise _unmatched(self.steps[self.at])
            step = self.steps[self.at]
            self.at += 1
        self._close(head)
        return Branches(tuple(arms))

    def _close(self, head: Step) -> None:
        if self.at >= len(self.steps):
            raise ParseError(f"the .{head.name} in line {head.line} has no .end")
        self.at += 1


def _unmatched(step: Step) -> ParseError:
    return ParseError(f"the .{step.name} in line {step.line} belongs to no .if or .foreach")


def layout_script(text: str) -> str:
    """A script with its statements laid out; command lines, and what ends in a `\\g...`, stay as they are."""
    from sqlshell.parser.layout import layout

    parts: list[str] = []
    at = 0
    for match in _CANDIDATE.finditer(text):
        if match.start() < at:
            continue
        before = text[at : match.start()]
        if match["suffix"] and _ends_here(before):
            parts.append(f"{layout(before)} {match[0].strip()}")
        elif not match["suffix"] and _is_boundary(before):
            parts += [layout(before), match[0].strip()]
        else:
            continue
        at = match.end()
    parts.append(layout(text[at:]))
    kept = [p for p in parts if p]
    out = ""
    for previous, part in zip([None, *kept], kept, strict=False):
        both = previous is not None and previous[0] in ".\\!" and part[0] in ".\\!"
        out += ("" if previous is None else "\n" if both else "\n\n") + part
    return out + "\n" if out else ""
