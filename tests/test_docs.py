"""Every example in README and docs runs: Python blocks as they stand, `sqlshell -c` lines through the command."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sqlshell.parser.heads import _HEADS
from sqlshell.shell.statements import STATEMENTS
from tests import reference

if TYPE_CHECKING:
    from sqlshell.session import Session

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> list[tuple[str, str]]:
    """(where, code) of every fenced block in a language."""
    found = []
    for page in PAGES:
        for n, match in enumerate(re.finditer(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)):
            found.append((f"{page.name}-{n}", match.group(1)))
    return found


def commands() -> list[tuple[str, str]]:
    """(where, line) of every `sqlshell -c "..."` example."""
    lines = [(where, line) for where, code in blocks("") for line in code.splitlines()]
    return [(where, line) for where, line in lines if line.startswith("sqlshell -c") and "..." not in line]


@pytest.mark.parametrize(("where", "code"), blocks("python"))
def test_python(where: str, code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("where", "line"), commands())
def test_command(where: str, line: str) -> None:
    arguments = shlex.split(line)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "sqlshell.shell.cli", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize(("where", "code"), blocks("script"))
def test_script(where: str, code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sqlshell.shell.cli"],
        cwd=ROOT,
        input=code,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize(("where", "code"), blocks("toml"))
def test_configuration(where: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlshell.shell.config_file import load

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".sqlshell.toml").write_text(code)
    assert load("nightly").options["format"] == "jsonl"


# the page of object stores runs against their server, in test_object_stores.py; the tutorial runs as a whole, below
LOCAL_SQL = [b for b in blocks("sql") if not b[0].startswith(("object-stores.md", "tutorial.md"))]


@pytest.mark.parametrize(("where", "code"), LOCAL_SQL)
def test_sql(where: str, code: str, session: object) -> None:
    for _, result in session.script(code):  # type: ignore[attr-defined]
        list(result.rows())
        result.close()


@pytest.mark.parametrize("name", reference.pages())
def test_reference_is_current(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == reference.pages()[name], "run python -m tests.reference"


def test_tutorial_prints_what_it_says(session: Session) -> None:
    assert (ROOT / "docs" / "tutorial.md").read_text() == reference.tutorial(session)


def test_every_statement_has_help() -> None:
    heads = {h.split()[0] for h in _HEADS} - {"DESC"}
    assert heads - {s.split()[0] for s in STATEMENTS} == set()


def test_pages_name_files_that_exist() -> None:
    named = [(p, n) for p in PAGES for n in re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`", p.read_text())]
    assert [n for _, n in named if not (ROOT / n).exists() and not (ROOT / "sqlshell" / n).exists()] == []
