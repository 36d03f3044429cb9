"""Commands: `.name arguments`, psql's `\\name` for the common ones. The table is what `.help`, completion and
`--spec` read; a command's module loads when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from sqlshell.errors import did_you_mean
from sqlshell.records import dataclass
from sqlshell.shell.exits import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.shell.runner import Runner


@dataclass(frozen=True)
class Command:
    """One command: `takes` says what completion offers for its argument (`file`, `table`, `format`, ...)."""

    name: str
    arguments: str
    doc: str
    run: str
    takes: str = ""
    aliases: tuple[str, ...] = ()


COMMANDS = (
    Command("help", "[NAME]", "Commands, or what a command, function, setting or statement does.",
            "info.help_about", "help", ("h", "?")),
    Command("quit", "", "Leave.", "info.leave", "", ("q", "exit")),
    Command("tables", "[PATTERN]", "Tables and views.", "info.tables", "table", ("dt", "dv")),
    Command("schema", "NAME", "Columns and types of a table, view or file.", "info.schema", "table", ("d",)),
    Command("versions", "NAME", "The versions of a table.", "info.versions", "table"),
    Command("models", "[PATTERN]", "Models.", "info.models"),
    Command("functions", "[PATTERN]", "Functions by name.", "info.functions", "function", ("df",)),
    Command("settings", "[PATTERN]", "Settings and their values.", "info.settings", "setting"),
    Command("show", "", "What format, width, output and so on are set to.", "info.show_state"),
    Command("history", "[PATTERN]", "Statements run before that contain a text.", "info.history", "", ("s",)),
    Command("mode", "FORMAT", "Output format.", "output.mode", "format"),
    Command("expanded", "", "Vertical listing on or off.", "output.expanded", "", ("x",)),
    Command("output", "[FILE]", "Send results to a file or `| command`; without one back here.",
            "output.output", "file", ("o",)),
    Command("once", "FILE", "Send the next result to a file (format by extension) or `| command`.",
            "output.once", "file"),
    Command("tee", "[FILE]", "Send results to a file as well; without one stop that.", "output.tee", "file"),
    Command("width", "[N]", "Cells per line that tables take; 0 for no limit, without one the terminal's.",
            "output.width"),
    Command("maxrows", "N", "Rows that a table shows.", "output.max_rows"),
    Command("null", "TEXT", "What NULL looks like.", "output.null"),
    Command("header", "on|off", "Column names above csv and tsv.", "output.header", "switch"),
    Command("pager", "on|off", "Long results go through $PAGER.", "output.pager", "switch"),
    Command("chart", "KIND [X] [Y ...] [-o FILE.svg]",
            "The last result as a picture: bar, line, hist, scatter or heat.", "chart.chart", "chart"),
    Command("print", "TEXT", "Write a line.", "output.print_line", "", ("echo", "qecho")),
    Command("timer", "on|off", "Show how long statements take.", "run.timer", "switch", ("timing",)),
    Command("bail", "on|off", "Whether the first error ends a script.", "run.bail", "switch"),
    Command("read", "FILE", "Run a script.", "run.read", "file", ("i", "include")),
    Command("watch", "[SECONDS] QUERY", "Run a query again and again until Ctrl-C.", "run.watch"),
    Command("explain", "[MODE] QUERY", "How a query would run: extended, optimizer, stages, analyze.",
            "run.explain", "explain"),
    Command("profile", "FILE [QUERY]", "Run a query (or the last one) and draw its plan, timeline and skew as HTML.",
            "run.profile", "file"),
    Command("check", "FILE", "Parse and bind a script without running it.", "run.check", "file"),
    Command("dialect", "[NAME]", "How statements are read.", "run.dialect", "dialect"),
    Command("transpile", "DIALECT STATEMENT", "A statement in another dialect.", "run.transpile", "dialect"),
    Command("format", "STATEMENT", "A statement, laid out.", "run.format_statement"),
    Command("edit", "", "Edit the last statement in $EDITOR and run it.", "run.edit", "", ("e",)),
    Command("cd", "[DIR]", "Change the directory that paths count from.", "run.change_directory", "file"),
    Command("shell", "COMMAND", "Run a command of the system.", "run.shell", "file", ("!", "system")),
    Command("keys", "vi|emacs", "How the line editor works.", "run.keys", "keys"),
    Command("complete", "TEXT", "What Tab offers at the end of a text.", "run.complete"),
    Command("param", "set NAME VALUE | list | unset NAME", "Values of `:name` in statements; NAME:TYPE types it.",
            "control.param", "param"),
    Command("set", "NAME = EXPRESSION", "Set `:name` to the value of an SQL expression or (query).",
            "control.set_variable"),
    Command("assert", "CONDITION [, MESSAGE]", "Fail (exit code 5) unless an SQL condition holds.",
            "control.check_assertion"),
    Command("if", "CONDITION", "Run the steps up to .elif, .else or .end when an SQL condition holds.", ""),
    Command("elif", "CONDITION", "Another condition of .if.", ""),
    Command("else", "", "Otherwise.", ""),
    Command("foreach", "NAME, ... in QUERY", "Run the steps up to .end for every row, its values as `:NAME`.", ""),
    Command("end", "", "The end of .if or .foreach.", "", "", ("endif", "endforeach")),
)  # fmt: skip

_BY_NAME = {name: c for c in COMMANDS for name in (c.name, *c.aliases)}


def find(name: str) -> Command:
    """The command called `name`; raises UsageError with a suggestion."""
    command = _BY_NAME.get(name.lower().removesuffix("+"))
    if command is None:
        raise UsageError(
            f"there is no command .{name}", hint=did_you_mean(name, _BY_NAME) or "`.help` lists the commands"
        )
    return command


def run_command(runner: Runner, name: str, argument: str) -> int | None:
    """Run one command; gives an exit code, or None for fine."""
    command = find(name)
    if not command.run:
        raise UsageError(f".{command.name} belongs into a script or a pasted block")
    module, function = command.run.split(".")
    handler: Callable[[Runner, str], int | None] = getattr(import_module(f"{__name__}.{module}"), function)
    return handler(runner, argument.rstrip(";").strip() if command.name != "print" else argument)


def usage(name: str) -> UsageError:
    """How a command is called, as an error."""
    command = find(name)
    return UsageError(f"usage: .{command.name} {command.arguments}".rstrip())


def switch(name: str, argument: str, now: bool) -> bool:
    """on, off, or (empty) the other way round."""
    if argument == "":
        return not now
    if argument.lower() not in ("on", "off"):
        raise usage(name)
    return argument.lower() == "on"
