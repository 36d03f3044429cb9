"""What start-up may load: people type, so nothing heavy comes before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("polars", "pyarrow", "numpy", "deltalake", "prompt_toolkit", "typer", "rich", "pandas")

CASES = {
    "import": "import sqlshell",
    "connect": "import sqlshell; sqlshell.connect",
    "help": "from sqlshell.shell.options import build_parser; build_parser().format_help()",
    "literal": ("from sqlshell.shell.cli import main; assert main(['-c', \"select 1 as x, 'a' as y\"]) == 0"),
    "version": "from sqlshell.shell.cli import main; assert main(['--version']) == 0",
}


@pytest.mark.parametrize("name", CASES)
def test_loads_nothing_heavy(name: str) -> None:
    code = f"{CASES[name]}\nimport sys\nprint('LOADED', [m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout


def test_a_scan_of_a_delta_table_needs_no_pyarrow() -> None:
    """In a worker it takes as long to load as Polars does."""
    code = "import sqlshell.exec.worker, sqlshell.exec.scan_delta, sys; print('pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_sqlglot_comes_without_what_finds_its_plugins() -> None:
    """importlib.metadata, email and socket are a tenth of a cold start; whoever asks for them gets the real ones."""
    code = """
import sys
from sqlshell.parser.parse import parse_statement
parse_statement("select 1")
print([m for m in ("importlib.metadata", "email", "socket") if m in sys.modules])
import sqlglot
try:
    sqlglot.parse_one("select 1", dialect="nonesuch")
except ValueError as e:
    print(e)
import importlib.metadata
print(importlib.metadata.version("sqlglot"), importlib.metadata.entry_points.__module__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, refused, real = done.stdout.splitlines()
    assert loaded == "[]"
    assert "nonesuch" in refused
    assert real.endswith("importlib.metadata")
