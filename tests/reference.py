"""`python -m tests.reference` writes the reference pages of docs/ from the tables in the code, and what the tutorial's
statements print.

Functions and their examples come from the registry, what the examples give from the answers recorded from Spark,
settings from `config.py`, statements from `shell/statements.py`. A test says when a page is not current.
"""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from sqlshell.config import DEFINITIONS
from sqlshell.functions.registry import FAMILIES, Function, load
from sqlshell.session import Session
from sqlshell.shell.dots import COMMANDS
from sqlshell.shell.output import Style
from sqlshell.shell.runner import Options, Runner
from sqlshell.shell.statements import STATEMENTS

ROOT = Path(__file__).parent.parent
ANSWERS = ROOT / "tests" / "answers" / "functions.json"
NOTE = "<!-- Written by `python -m tests.reference`: change the tables in the code instead. -->\n"
TITLES = {
    "conditional": "Conditions and NULL", "aggregate": "Aggregates", "window": "Windows", "context": "Session",
    "generator": "Rows out of values (generators)", "operators": "Operators", "math": "Numbers", "string": "Text",
    "datetime": "Dates, times and intervals", "array": "Arrays", "map": "Maps and structs",
    "higher_order": "Functions with lambdas", "json": "JSON", "hashing": "Hashes and encodings", "bitmap": "Bitmaps",
    "csv": "CSV", "variant": "VARIANT", "clock": "TIME", "time_window": "Windows of time", "collation": "Collations",
    "vector": "Vectors and words",
}  # fmt: skip


_OUTPUT = re.compile(
    r"(^```sql\n(?P<code>.*?)^```\n)(\n```text output\n.*?^```\n)?", re.MULTILINE | re.DOTALL
)


def tutorial(session: Session) -> str:
    """The tutorial with the output of its statements behind each block; the session's warehouse is empty."""
    out = io.StringIO()
    runner = Runner(session, Options(style=Style(width=110), interactive=True, keep_last=True), out)

    def run(match: re.Match[str]) -> str:
        out.truncate(out.seek(0))
        assert runner.run_script(match["code"]) == 0, match["code"]
        shown = out.getvalue().rstrip("\n")
        return match[1] + (f"\n```text output\n{shown}\n```\n" if shown else "")

    try:
        return _OUTPUT.sub(run, (ROOT / "docs" / "tutorial.md").read_text())
    finally:
        runner.close()


def pages() -> dict[str, str]:
    """File name in docs/ to text."""
    return {"builtins.md": functions(), "settings.md": settings(), "statements.md": statements()}


def functions() -> str:
    """Every function, a table per family."""
    recorded = json.loads(ANSWERS.read_text())
    found = sorted({id(f): f for f in load().values()}.values(), key=lambda f: f.name)
    parts = [
        "# Built-in functions\n", NOTE,
        f"{len(found)} functions and operators; `help NAME` in the shell shows one, `SHOW FUNCTIONS` lists them.",
        "Examples stand behind `SELECT`; their answers were recorded from Spark. Functions of your own:",
        "[functions.md](functions.md); of models: [models.md](models.md).\n",
    ]  # fmt: skip
    for family in FAMILIES:
        members = [f for f in found if (f.family or family) == family and f.family == family]
        if members:
            parts += [
                f"## {TITLES.get(family, family.replace('_', ' ').capitalize())}",
                "| function | what it gives | example |",
                "|---|---|---|",
            ]
            parts += [_row(f, recorded.get(f.example)) for f in members] + [""]
    return "\n".join(parts)


def _row(f: Function, answer: dict[str, Any] | None) -> str:
    signatures = [s.strip() for s in f.sig.split(" | ")]
    called = "<br>".join(_code(_signature(f.name, s)) for s in signatures)
    doc = f.doc + (f" Also {', '.join(_code(a) for a in f.aliases)}." if f.aliases else "")
    result = None if answer is None or len(answer.get("rows", [])) != 1 else answer["rows"][0]
    shown = "" if not f.example else _code(f.example)
    several = "), " in f.example.partition(" FROM ")[0]
    if shown and result is not None and len(str(result)) <= 60 and not several:
        shown += f" is {_code(json.dumps(result, ensure_ascii=False))}"
    return f"| {called} | {doc.replace('|', chr(92) + '|')} | {shown} |"


def _signature(name: str, sig: str) -> str:
    takes, _, gives = sig.rpartition("->")
    gives = {"fn": "", "T": ""}.get(gives.strip(), gives.strip())
    head = f"{name}({takes.strip()})" if name[0].isalpha() else f"{name} ({takes.strip()})"
    return head + (f": {gives}" if gives else "")


def _code(text: str) -> str:
    inner = text.replace("|", "\\|").replace("\n", " ")
    mark = "``" if "`" in inner else "`"
    pad = " " if inner.startswith("`") or inner.endswith("`") else ""
    return f"{mark}{pad}{inner}{pad}{mark}"


def settings() -> str:
    """Every setting."""
    lines = [
        "# Settings\n", NOTE,
        "`SET key = value`, `--set key=value`, or `sqlshell.connect(settings={...})`; `SET` alone lists them.",
        "`spark.sql.*` names of these settings work too; other `spark.*` keys are accepted with a warning.\n",
        "| key | default | meaning |",
        "|---|---|---|",
    ]  # fmt: skip
    for d in DEFINITIONS:
        default = (
            ""
            if d.default in (None, ())
            else f"`{str(d.default).lower() if isinstance(d.default, bool) else d.default}`"
        )
        also = f" (also `{d.spark}`)" if d.spark else ""
        lines.append(f"| `{d.key}` | {default} | {d.doc.replace('|', chr(92) + '|')}{also} |")
    return "\n".join(lines) + "\n"


def statements() -> str:
    """Every statement's forms, and the shell's commands."""
    lines = [
        "# Statements and commands\n", NOTE,
        "`help NAME` shows one. What they do: [tables.md](tables.md), [models.md](models.md), [shell.md](shell.md).\n",
    ]  # fmt: skip
    for name in sorted(STATEMENTS):
        lines += [f"## {name}", "```text", STATEMENTS[name], "```", ""]
    lines += ["## Commands of the shell", "| command | what it does |", "|---|---|"]
    for c in COMMANDS:
        aliases = f" Also {', '.join(_code(chr(92) + a) for a in c.aliases)}." if c.aliases else ""
        lines.append(f"| {_code(f'.{c.name} {c.arguments}'.rstrip())} | {c.doc}{aliases} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as warehouse, Session(warehouse=warehouse) as session:
        os.chdir(ROOT / "sample_data")
        text = tutorial(session)
    (ROOT / "docs" / "tutorial.md").write_text(text)
    for name, text in pages().items():
        (ROOT / "docs" / name).write_text(text)


if __name__ == "__main__":
    main()
