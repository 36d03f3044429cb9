"""The command line's options."""

from __future__ import annotations

import argparse
import re

from sqlshell.shell.output import FORMATS


def build_parser() -> argparse.ArgumentParser:
    """The options, also used by the test that every one is documented and by `--spec`."""
    parser = argparse.ArgumentParser(
        prog="sqlshell",
        description="A SQL-first analytics shell: Spark SQL over Parquet, CSV, JSON and more, on this machine.",
        epilog="`sqlshell run FILE...` runs scripts (- is standard input), `fmt` lays SQL out, `transpile --to"
        " DIALECT` rewrites it, `test DIR` runs tests; `sqlshell fmt --help` and so on tell more. Without -c, -f"
        " or a script sqlshell reads statements from the terminal, or from a pipe.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--version", action="store_true", help="show the version and exit")
    add("-c", "--command", action="append", metavar="SQL", help="run these statements and exit; repeatable")
    add(
        "-f", "--file", action="append", metavar="FILE", help="run a script (- is standard input); repeatable"
    )
    add("-o", "--output", metavar="FILE", help="write results to FILE, in the format of its extension")
    add("--format", choices=tuple(FORMATS), metavar="NAME", help="output format: " + ", ".join(FORMATS))
    add("--no-header", action="store_true", help="no column names above csv and tsv")
    add("-p", "--param", action="append", default=[], metavar="NAME[:TYPE]=VALUE",
        help="the value of :NAME in statements, typed: -p day:date=2026-01-01")  # fmt: skip
    add("--define", action="append", default=[], metavar="NAME=TEXT",
        help="replace ${NAME} in scripts by a text before they are parsed")  # fmt: skip
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, as SET KEY = VALUE")
    add("--dialect", help="how statements are read (default: spark)")
    add("--workers", type=_positive, metavar="N", help="run queries on N worker processes")
    add(
        "--warehouse",
        metavar="DIR",
        help="the directory of the tables (default: $SQLSHELL_WAREHOUSE, else below ~/.local/share)",
    )
    add(
        "--on-error",
        choices=("stop", "continue"),
        default="stop",
        help="what the first error does to a script",
    )
    add("--errors", choices=("text", "json"), default="text", help="how errors are written to stderr")
    add("--timeout", type=seconds, metavar="TIME", help="longest time per statement: 30s, 5m (exit code 4)")
    add("--memory-limit", metavar="SIZE", help="working memory of all workers: 4GB")
    add("--max-rows", type=_positive, metavar="N", help="write at most N rows per result and say so")
    add("--timer", action="store_true", help="show how long each statement took, on stderr")
    _before_running(parser)
    _safety(parser)
    add("-P", "--profile", metavar="NAME", help="a profile of the configuration files")
    add("--no-config", action="store_true", help="read no configuration file")
    add("--serve", metavar="NAME", help="keep a session running that `--session NAME` uses")
    add("--session", metavar="NAME", help="run on the session that `--serve NAME` keeps")
    add("--info", action="store_true", help="describe this installation as JSON")
    add("--spec", action="store_true", help="describe options, commands and formats as JSON")
    add("action", nargs="*", metavar="run FILE", help=argparse.SUPPRESS)
    return parser


def _before_running(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--check", action="store_true", help="parse and bind the statements without running them")
    add(
        "--estimate",
        action="store_true",
        help="tell files, row groups and bytes that would be read; run nothing",
    )
    add(
        "--max-bytes",
        type=_size,
        metavar="SIZE",
        help="refuse statements that would read more: 10GB (exit code 2)",
    )
    add("--checkpoint", metavar="FILE", help="keep a record of the statements that are done")
    add("--resume", action="store_true", help="with --checkpoint: skip what an earlier run has done")


def _size(text: str) -> int:
    from sqlshell.config import byte_count

    try:
        return byte_count(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None


def _safety(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--safe", action="store_true",
        help="run statements that nobody vouches for: no network, no writes, files below the working directory only,"
        " limits on time, memory and rows; nothing turns it off again")  # fmt: skip
    add("--allow", action="append", default=[], metavar="PATH",
        help="with --safe: a file, directory or s3:// prefix that may be read instead; repeatable")  # fmt: skip
    add(
        "--allow-writes",
        action="store_true",
        help="with --safe: write to the allowed paths and the warehouse",
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("a number from 1")
    return value


_SECONDS = {"": 1.0, "s": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """A duration such as `30`, `1.5s`, `5m`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if found is None or found[2] not in _SECONDS or float(found[1]) == 0:
        raise argparse.ArgumentTypeError("a time such as 30s or 5m")
    return float(found[1]) * _SECONDS[found[2]]
