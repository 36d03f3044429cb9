"""`sqlshell fmt`, `sqlshell transpile`, `sqlshell test`: tools that need no terminal."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from sqlshell.errors import Error
from sqlshell.shell.exits import EXIT_OK, EXIT_SOURCE, EXIT_SQL, UsageError, exit_code, report

if TYPE_CHECKING:
    from collections.abc import Iterator


def main(arguments: list[str]) -> int:
    """Run one tool; gives the exit code."""
    parser = argparse.ArgumentParser(prog="sqlshell", allow_abbrev=False)
    tools = parser.add_subparsers(dest="tool", required=True)
    fmt = tools.add_parser("fmt", help="lay SQL out; files are rewritten in place")
    fmt.add_argument("file", nargs="*", help="scripts; without one standard input to standard output")
    fmt.add_argument(
        "--check", action="store_true", help="change nothing; exit code 1 when a file would change"
    )
    transpile = tools.add_parser("transpile", help="rewrite SQL in another dialect")
    transpile.add_argument("file", nargs="*", help="scripts; without one standard input")
    transpile.add_argument("--to", required=True, metavar="DIALECT", help="the dialect to write")
    transpile.add_argument(
        "--from", dest="read", default="spark", metavar="DIALECT", help="the dialect to read"
    )
    test = tools.add_parser("test", help="run the tests (*.slt) below folders")
    test.add_argument("path", nargs="+", help="folders or files")
    test.add_argument("--complete", action="store_true", help="write the answers that we give into the files")
    options = parser.parse_args(arguments)
    try:
        if options.tool == "fmt":
            return _fmt(options)
        if options.tool == "transpile":
            return _transpile(options)
        from sqlshell.shell.slt import run_tests

        return run_tests(options.path, complete=options.complete)
    except Error as e:
        report(e)
        return exit_code(e)


def _texts(files: list[str]) -> Iterator[tuple[str | None, str]]:
    if not files:
        yield None, sys.stdin.read()
    for name in files:
        try:
            with open(name, encoding="utf-8") as f:
                yield name, f.read()
        except (OSError, UnicodeDecodeError) as e:
            raise UsageError(f"cannot read {name}: {e}") from None


def _fmt(options: argparse.Namespace) -> int:
    from sqlshell.shell.output.files import replacing
    from sqlshell.shell.script import layout_script

    code = EXIT_OK
    for name, text in _texts(options.file):
        laid_out = layout_script(text)
        if options.check:
            if laid_out != text:
                sys.stderr.write(f"{name or 'standard input'}: would change\n")
                code = EXIT_SQL
        elif name is None:
            sys.stdout.write(laid_out)
        elif laid_out != text:
            try:
                with replacing(name) as out:
                    out.write(laid_out)
            except OSError as e:
                sys.stderr.write(f"sqlshell: cannot write {name}: {e.strerror}\n")
                return EXIT_SOURCE
            sys.stderr.write(f"{os.path.relpath(name)}: laid out\n")
    return code


def _transpile(options: argparse.Namespace) -> int:
    from sqlshell.parser.foreign import to_dialect
    from sqlshell.parser.script import split

    code = EXIT_OK
    for name, text in _texts(options.file):
        for chunk in split(text):
            try:
                sys.stdout.write(to_dialect(chunk.text, options.read, options.to) + ";\n\n")
            except Error as e:
                report(e, chunk.text, name, chunk.line)
                code = exit_code(e)
    return code
