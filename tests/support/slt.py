"""Answer scripts (`tests/slt/*.slt`): SQL in, recorded answer below. Read, written and compared here.

A script is a list of blocks separated by blank lines; lines that start with `#` above a block belong to it.

    statement            run it; no answer
    query                rows in any order           query ordered      rows in this order
    error                the statement must fail with the recorded condition

The answer stands under `----`: for queries the schema (JSON list of `name: type`), then one JSON list per row; for
errors the condition's name. Answers are recorded from Spark by `tests/record/record_slt.py`, never typed. A block
whose head ends in `here` has no counterpart in Spark (our own formats, paths, settings): its answer is recorded
from sqlshell by the same script with `--here` and reviewed as a diff.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SLT = Path(__file__).parent.parent / "slt"
KINDS = ("statement", "query", "error")


@dataclass
class Block:
    """One statement and its answer."""

    kind: str
    flags: tuple[str, ...]
    sql: str
    line: int
    comments: list[str] = field(default_factory=list)
    schema: list[str] | None = None
    rows: list[list[Any]] = field(default_factory=list)
    condition: str | None = None

    @property
    def ours(self) -> bool:
        return "here" in self.flags

    def render(self) -> str:
        head = " ".join((self.kind, *self.flags))
        lines = [*self.comments, head, self.sql]
        if self.kind == "query" and self.schema is not None:
            lines.append("----")
            lines.append(json.dumps(self.schema, ensure_ascii=False))
            lines.extend(json.dumps(r, ensure_ascii=False) for r in self.rows)
        if self.kind == "error" and self.condition is not None:
            lines += ["----", self.condition]
        return "\n".join(lines)


def parse(text: str) -> list[Block]:
    """The blocks of a script."""
    blocks = []
    line = 1
    for piece in text.split("\n\n"):
        lines = piece.split("\n")
        start = line
        line += len(lines) + 1
        body = [x for x in lines if x.strip()]
        comments = []
        while body and body[0].startswith("#"):
            comments.append(body.pop(0))
        if not body:
            if comments:
                blocks.append(Block("comment", (), "", start, comments))
            continue
        kind, *flags = body[0].split()
        if kind not in KINDS:
            raise ValueError(f"line {start}: unknown block {kind}")
        cut = body.index("----") if "----" in body else len(body)
        block = Block(kind, tuple(flags), "\n".join(body[1:cut]), start, comments)
        answer = body[cut + 1 :]
        if answer and kind == "query":
            block.schema = json.loads(answer[0])
            block.rows = [json.loads(a) for a in answer[1:]]
        if answer and kind == "error":
            block.condition = answer[0]
        blocks.append(block)
    return blocks


def render(blocks: list[Block]) -> str:
    """The script's text."""
    parts = ["\n".join(b.comments) if b.kind == "comment" else b.render() for b in blocks]
    return "\n\n".join(parts) + "\n"
