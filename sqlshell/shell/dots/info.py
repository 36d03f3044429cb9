"""Commands that tell: .help, .tables, .schema, .versions, .models, .functions, .settings, .show, .history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.shell.dots import COMMANDS, usage
from sqlshell.shell.exits import Quit

if TYPE_CHECKING:
    from sqlshell.shell.runner import Runner


def leave(runner: Runner, argument: str) -> None:
    """`.quit`."""
    raise Quit


def help_about(runner: Runner, argument: str) -> None:
    """`.help [NAME]`."""
    if argument:
        from sqlshell.shell.help import about

        runner.out.write(about(runner.session, argument) + "\n")
        return
    width = max(len(c.name) + len(c.arguments) for c in COMMANDS if len(c.arguments) < 20) + 4
    for c in COMMANDS:
        aliases = f" ({', '.join(chr(92) + a for a in c.aliases)})" if c.aliases else ""
        runner.out.write(f".{c.name} {c.arguments}".ljust(width) + f" {c.doc}{aliases}\n")
    runner.out.write("\n`.help NAME` tells more about a command, function, setting or statement.\n")


def tables(runner: Runner, argument: str) -> int:
    """`.tables [PATTERN]`: * stands for anything."""
    return runner.execute("SHOW TABLES" + _like(argument))


def schema(runner: Runner, argument: str) -> int:
    """`.schema NAME`: a relation or a file; without a name the tables (psql's \\d)."""
    if not argument:
        return tables(runner, "")
    is_path = argument[0] in "'\"" or "/" in argument
    if is_path:
        path = argument.strip("'\"").replace("'", "\\'")
        return runner.execute(f"DESCRIBE QUERY SELECT * FROM '{path}'")
    return runner.execute(f"DESCRIBE TABLE {argument}")


def versions(runner: Runner, argument: str) -> int:
    """`.versions NAME`: when a table changed, how, and by whom; the newest version first."""
    if not argument:
        raise usage("versions")
    return runner.execute(f"DESCRIBE HISTORY {argument}")


def models(runner: Runner, argument: str) -> int:
    """`.models [PATTERN]`."""
    return runner.execute("SHOW MODELS" + _like(argument))


def functions(runner: Runner, argument: str) -> int:
    """`.functions [PATTERN]`."""
    return runner.execute("SHOW FUNCTIONS" + _like(argument))


def _like(pattern: str) -> str:
    if not pattern:
        return ""
    text = pattern.strip("'\"").replace("\\", "\\\\").replace("'", "\\'")
    return f" LIKE '{text}'"


def settings(runner: Runner, argument: str) -> None:
    """`.settings [PATTERN]`."""
    for key, value, doc in runner.session.settings.items():
        if argument.lower() in key.lower():
            runner.out.write(f"{key} = {'' if value is None else value}\n    {doc}\n")


def show_state(runner: Runner, argument: str) -> None:
    """`.show`."""
    o = runner.options
    state = {
        "mode": o.format,
        "width": o.style.width or "no limit",
        "maxrows": o.style.max_rows,
        "null": o.style.null,
        "header": "on" if o.style.header else "off",
        "timer": "on" if o.timer else "off",
        "bail": "on" if o.stop else "off",
        "pager": "on" if runner.pager else "off",
        "output": getattr(runner.out, "name", "?"),
        "dialect": runner.session.dialect,
    }
    runner.out.writelines(f"{name}: {value}\n" for name, value in state.items())


def history(runner: Runner, argument: str) -> None:
    """`.history [PATTERN]`, oldest first."""
    found = [h for h in runner.history if argument.lower() in h.lower()]
    runner.out.writelines(f"{h.rstrip()}\n" for h in found[-100:])
