"""Results as text or files, streamed: box and table for people, csv, json and the like for programs.

`write_result` picks a writer by format name; its module loads when first used. Text formats write to a text
stream, `parquet` and `arrow` to a binary one. NULL and the empty text differ in every format that can tell.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, TextIO

from sqlshell.errors import InterfaceError
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from sqlshell.result import Result

FORMATS = {
    "box": "boxes.box",
    "table": "boxes.table",
    "markdown": "boxes.markdown",
    "vertical": "documents.vertical",
    "csv": "lines.csv",
    "tsv": "lines.tsv",
    "json": "lines.json",
    "jsonl": "lines.jsonl",
    "html": "documents.html",
    "latex": "documents.latex",
    "insert": "documents.insert",
    "parquet": "files.parquet",
    "arrow": "files.arrow",
    "none": "",
}
"""Format name to the function that writes it."""

BINARY = frozenset({"parquet", "arrow"})
FOR_PEOPLE = frozenset({"box", "table", "markdown", "vertical"})
"""These show the message of a statement without rows, too."""

EXPORTED = frozenset({"csv", "tsv", "jsonl"})
"""Formats that workers write themselves where the result is large (`exec/export.py`)."""

EXTENSIONS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".md": "markdown",
    ".html": "html",
    ".htm": "html",
    ".tex": "latex",
    ".sql": "insert",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".ipc": "arrow",
    ".feather": "arrow",
    ".txt": "table",
}


@dataclass(frozen=True)
class Style:
    """How values are shown. `width` is the terminal's, None where lines may be as long as they like."""

    zone: str = "UTC"
    width: int | None = None
    max_rows: int = 1000
    """A box, table or vertical listing shows so many rows and says how many more there are."""
    null: str = "NULL"
    colour: bool = False
    header: bool = True
    limit: int | None = None
    """No format gives more rows than this (`--max-rows`)."""


def write_result(result: Result, out: TextIO, format: str, style: Style | None = None) -> int:
    """Write a result's rows (or, for people, a command's message) to `out`; gives the number of rows
    left out by `style.limit`.
    """
    if not result.is_query:
        if result.message and format in FOR_PEOPLE:
            out.write(result.message + "\n")
        return 0
    style = style or Style()
    if result.is_text:
        from sqlshell.shell.output.lines import copy_exported

        copy_exported(result, out, format, style)
    elif FORMATS[format]:
        module, function = FORMATS[format].split(".")
        target: Any = out.buffer if format in BINARY and hasattr(out, "buffer") else out
        getattr(import_module(f"{__name__}.{module}"), function)(result, target, style)
    out.flush()
    return 0 if style.limit is None else max(0, result.row_count - style.limit)


def format_of(path: str, default: str | None = None) -> str:
    """The format a file's extension asks for; `default` for an extension that says nothing."""
    name = path.lower()
    dot = name.rfind(".")
    found = EXTENSIONS.get(name[dot:]) if dot >= 0 else None
    if found is None and default is None:
        raise InterfaceError(
            f"the extension of {path} names no format",
            hint="give --format, or use one of " + ", ".join(sorted(EXTENSIONS)),
        )
    return found or default or "table"
