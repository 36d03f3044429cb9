"""The `sqlshell` command: decides what to do before anything heavy is imported.

stdout is data only; notes, warnings and errors go to stderr. Exit codes: 0 fine, 1 a statement failed, 2 usage,
3 a source could not be reached, 70 a bug in sqlshell, 130 interrupted.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_OK, EXIT_SQL, EXIT_USAGE, EXIT_SOURCE, EXIT_BUG, EXIT_INTERRUPTED = 0, 1, 2, 3, 70, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    if argv is None:  # the process is ours
        gc.set_threshold(200_000)  # imports make objects that stay: collecting among them takes 15 ms
        atexit.register(gc.freeze)  # and so does looking for cycles in what an ending process leaves
    options = build_parser().parse_args(argv)
    if options.version:
        from sqlshell.version import __version__

        sys.stdout.write(f"sqlshell {__version__}\n")
        return EXIT_OK
    if sys.platform == "win32":
        sys.stderr.write("sqlshell runs on Linux and macOS; Windows is not supported\n")
        return EXIT_USAGE
    try:
        return _run(options)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) went away: not our error. Python must not complain while flushing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


def build_parser() -> argparse.ArgumentParser:
    """The options, also used by the test that every one is documented."""
    parser = argparse.ArgumentParser(
        prog="sqlshell",
        description="A SQL-first analytics shell: Spark SQL over Parquet, CSV, JSON and more, on this machine.",
        epilog="Without -c or a script, sqlshell reads statements from the terminal (or from a pipe).",
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    parser.add_argument("-c", "--command", metavar="SQL", help="run these statements and exit")
    parser.add_argument("--dialect", default="spark", help="how statements are read (default: spark)")
    parser.add_argument("--workers", type=_positive, metavar="N", help="run queries on N worker processes")
    parser.add_argument(
        "--format", choices=("box", "csv", "json", "jsonl"), help="output format (default: box)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, as SET KEY = VALUE"
    )
    parser.add_argument(
        "--warehouse",
        metavar="DIR",
        help="the directory of the tables (default: $SQLSHELL_WAREHOUSE, else below ~/.local/share)",
    )
    parser.add_argument("--timer", action="store_true", help="show how long each statement took, on stderr")
    parser.add_argument(
        "action", nargs="*", metavar="run FILE", help="`run FILE...` runs scripts (- is standard input)"
    )
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("a number from 1")
    return value


def _run(options: argparse.Namespace) -> int:
    from sqlshell.errors import Error
    from sqlshell.shell.runner import Runner, report

    texts: list[tuple[str | None, str]] = []
    if options.command is not None:
        if options.action:
            return _usage("-c and `run FILE` exclude each other")
        texts.append((None, options.command))
    elif options.action:
        if options.action[0] != "run" or len(options.action) < 2:
            return _usage("usage: sqlshell run FILE...   (or: sqlshell -c SQL)")
        for name in options.action[1:]:
            try:
                texts.append((name, _read(name)))
            except (OSError, UnicodeDecodeError) as e:
                sys.stderr.write(f"sqlshell: cannot read {name}: {e}\n")
                return EXIT_SOURCE
    elif not sys.stdin.isatty():
        texts.append(("standard input", sys.stdin.read()))
    settings = dict(s.partition("=")[::2] for s in options.set)
    from sqlshell.session import Session

    try:
        session = Session(
            dialect=options.dialect,
            workers=options.workers,
            settings=settings,
            warehouse=options.warehouse,
            warm=not texts or any(_reads(text) for _, text in texts),
        )
    except Error as e:
        report(e)
        return EXIT_USAGE
    with session:
        if not texts:
            from sqlshell.shell.repl import Repl

            return Repl(session, options.format or "box").run()
        runner = Runner(session, options.format or "box", timer=options.timer)
        for name, text in texts:
            code = runner.run_script(text, name)
            if code != EXIT_OK:
                return code
    return EXIT_OK


def _reads(text: str) -> bool:
    """Whether a script seems to read data: then its worker starts beside the parser. A guess costs no answer."""
    return "from" in text.lower()


def _read(name: str) -> str:
    if name == "-":
        return sys.stdin.read()
    with open(name, encoding="utf-8") as f:
        return f.read()


def _usage(message: str) -> int:
    sys.stderr.write(f"sqlshell: {message}\n")
    return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main())
