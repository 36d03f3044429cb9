"""`--info` and `--spec`: this installation and the command line as JSON, for tools."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from typing import Any

from sqlshell.config import Settings
from sqlshell.shell.dots import COMMANDS
from sqlshell.shell.exits import EXITS
from sqlshell.shell.options import build_parser
from sqlshell.shell.output import EXTENSIONS, FORMATS
from sqlshell.shell.parameters import TYPES
from sqlshell.version import __version__


def write(*, spec: bool) -> None:
    """Write one JSON object to stdout."""
    json.dump(specification() if spec else information(), sys.stdout, indent=2)
    sys.stdout.write("\n")


def information() -> dict[str, Any]:
    """What runs where, and with which settings."""
    from importlib.metadata import version

    from sqlshell.shell.config_file import files

    packages = ("sqlglot", "polars", "pyarrow", "numpy", "prompt_toolkit")
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version(name) for name in packages},
        "configuration": list(files()),
        "settings": {key: value for key, value, _ in Settings().items()},
    }


def specification() -> dict[str, Any]:
    """Options, commands, formats, exit codes."""
    return {
        "version": __version__,
        "options": [_option(a) for a in build_parser()._actions if a.option_strings],
        "commands": [
            {"name": c.name, "arguments": c.arguments, "doc": c.doc, "aliases": list(c.aliases)}
            for c in COMMANDS
        ],
        "formats": list(FORMATS),
        "extensions": EXTENSIONS,
        "parameter_types": list(TYPES),
        "exit_codes": {str(code): doc for code, doc in EXITS.items()},
        "error_fields": [
            "error", "message", "hint", "fault", "retryable", "exit_code", "file", "line", "column",
            "start", "end", "statement",
        ],
    }  # fmt: skip


def _option(action: argparse.Action) -> dict[str, Any]:
    return {
        "flags": list(action.option_strings),
        "value": None if action.nargs == 0 else action.metavar or action.dest.upper(),
        "choices": list(action.choices) if action.choices else None,
        "repeatable": isinstance(action, argparse._AppendAction),
        "doc": action.help,
    }
