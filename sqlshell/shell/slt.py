"""`sqlshell test DIR`: tests of one's own in sqllogictest's style (`*.slt`, `*.test`).

    statement ok                      query TTI rowsort
    CREATE TEMPORARY VIEW v AS ...    SELECT a, b, c FROM v
                                      ----
    statement error DIVIDE_BY_ZERO    x  y  1
    SELECT 1/0

Blocks are separated by empty lines; lines that start with # are comments. A `query` block's letters are its
columns (any letter will do), then `nosort` (default) or `rowsort`; below `----` stands one row per line, values
separated by tabs, NULL and (empty) by these words. An error is named by its condition or a part of its text. Every
file runs on a session of its own, in its own folder. `--complete` writes the answers we give into the files.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from sqlshell.errors import Error
from sqlshell.records import dataclass
from sqlshell.shell.exits import EXIT_ASSERTION, EXIT_OK, UsageError
from sqlshell.shell.output.values import formatter, zone_info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlshell.result import Result
    from sqlshell.session import Session

_HEAD = re.compile(
    r"(?P<kind>statement|query)\s+(?:(?P<ok>ok)|error\b\s*(?P<error>.*)|(?P<types>[A-Za-z]+)"
    r"(?:\s+(?P<sort>nosort|rowsort))?)\s*"
)


@dataclass
class Block:
    """One test: its head, its statement, the expected lines, and where it begins."""

    comments: list[str]
    head: str
    sql: str
    answer: list[str]
    line: int

    def render(self) -> str:
        answer = ["----", *self.answer] if self.head.startswith("query") else []
        return "\n".join([*self.comments, *([self.head, self.sql] if self.head else []), *answer])


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a file."""
    line = 1
    for piece in re.split(r"\n[ \t]*(?=\n)", text):
        lines = piece.split("\n")
        body = [x.rstrip("\r") for x in lines]
        blank = len(body) - len([x for x in body if x.strip()])
        body = [x for x in body if x.strip()]
        comments = []
        while body and body[0].startswith("#"):
            comments.append(body.pop(0))
        at = line + blank + len(comments)
        line += len(lines)
        if not body:
            if comments:
                yield Block(comments, "", "", [], at)
            continue
        cut = body.index("----") if "----" in body else len(body)
        yield Block(comments, body[0].strip(), "\n".join(body[1:cut]), body[cut + 1 :], at)


def run_tests(paths: list[str], *, complete: bool = False) -> int:
    """Run every file below `paths`; reports to stderr, gives the exit code."""
    files = [f for p in paths for f in _files(p)]
    if not files:
        raise UsageError("no tests (*.slt, *.test) found in " + ", ".join(paths))
    passed = failed = 0
    for path in files:
        ok, bad = _run_file(path, complete=complete)
        passed, failed = passed + ok, failed + bad
    sys.stderr.write(
        f"{passed} passed, {failed} failed in {len(files)} file{'s' if len(files) > 1 else ''}\n"
    )
    return EXIT_ASSERTION if failed else EXIT_OK


def _files(path: str) -> list[str]:
    if os.path.isfile(path):
        return [path]
    found = []
    for folder, _, names in os.walk(path):
        found += [os.path.join(folder, n) for n in names if n.endswith((".slt", ".test"))]
    return sorted(found)


def _run_file(path: str, *, complete: bool) -> tuple[int, int]:
    from sqlshell.session import Session

    with open(path, encoding="utf-8") as f:
        found = list(blocks(f.read()))
    before = os.getcwd()
    os.chdir(os.path.dirname(os.path.abspath(path)))
    passed = failed = 0
    try:
        with Session() as session:
            for block in found:
                if not block.head:
                    continue
                problem = _run_block(session, block, complete=complete)
                if problem is None:
                    passed += 1
                else:
                    failed += 1
                    sys.stderr.write(f"{path}:{block.line}: {problem}\n")
    finally:
        os.chdir(before)
    if complete:
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n\n".join(b.render() for b in found) + "\n")
    return passed, failed


def _run_block(session: Session, block: Block, *, complete: bool) -> str | None:
    """What is wrong with a block, or None."""
    head = _HEAD.fullmatch(block.head)
    if head is None:
        return f"`{block.head}` is no statement ok, statement error or query"
    try:
        result = session.execute(block.sql.rstrip().removesuffix(";"))
        try:
            lines = _lines(result, session)
        finally:
            result.close()
    except Error as e:
        if head["error"] is None:
            return f"[{e.condition}] {e.message}"
        wanted = head["error"].strip()
        fits = not wanted or wanted == e.condition or wanted in e.message
        return None if fits else f"expected the error {wanted}, got [{e.condition}] {e.message}"
    if head["error"] is not None:
        return f"expected an error{' ' + head['error'] if head['error'] else ''}, got none"
    if head["kind"] == "statement":
        return None
    if len(head["types"]) != len(result.fields):
        return f"{len(result.fields)} columns, the head names {len(head['types'])}"
    wanted_lines = block.answer
    if head["sort"] == "rowsort":
        lines, wanted_lines = sorted(lines), sorted(wanted_lines)
    if complete:
        block.answer = lines
        return None
    return _difference(wanted_lines, lines)


def _lines(result: Result, session: Session) -> list[str]:
    zone = zone_info(session.settings.get("sqlshell.timeZone"))
    formats = [formatter(f.type, zone) for f in result.fields]
    return ["\t".join(map(_cell, formats, row)) for row in result.rows()]


def _cell(format: Callable[[object], str], value: object) -> str:
    return format(value).replace("\n", "\\n").replace("\t", "\\t") or "(empty)"


def _difference(wanted: list[str], got: list[str]) -> str | None:
    if wanted == got:
        return None
    if len(wanted) != len(got):
        return f"{len(got)} rows, expected {len(wanted)}"
    n = next(i for i, (a, b) in enumerate(zip(wanted, got, strict=True)) if a != b)
    return f"row {n + 1} is {got[n]!r}, expected {wanted[n]!r}"
