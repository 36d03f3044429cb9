"""Commands that run things: .read, .watch, .explain, .check, .transpile, .edit ..."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from sqlshell.errors import did_you_mean
from sqlshell.shell.dots import switch, usage
from sqlshell.shell.dots.output import no_commands
from sqlshell.shell.exits import EXIT_OK, UsageError
from sqlshell.storage import policy
from sqlshell.storage.uri import resolve

if TYPE_CHECKING:
    from sqlshell.shell.runner import Runner

_PROFILE = re.compile(r"(?P<file>'[^']+'|\S+)(?:\s+(?P<query>.+))?", re.DOTALL)
EXPLAIN_MODES = ("extended", "optimizer", "stages", "analyze", "cost", "formatted", "codegen")


def timer(runner: Runner, argument: str) -> None:
    """`.timer on|off`."""
    runner.options.timer = switch("timer", argument, runner.options.timer)


def bail(runner: Runner, argument: str) -> None:
    """`.bail on|off`."""
    runner.options.stop = switch("bail", argument, runner.options.stop)


def read(runner: Runner, argument: str) -> int:
    """`.read FILE`."""
    if not argument:
        raise usage("read")
    return runner.read(argument.strip("'\""))


def watch(runner: Runner, argument: str) -> int:
    """`.watch [SECONDS] QUERY`, until Ctrl-C."""
    first, _, rest = argument.partition(" ")
    seconds = 2.0
    try:
        seconds, query = float(first.removesuffix("s")), rest
    except ValueError:
        query = argument
    if not query.strip() or seconds < 0:
        raise usage("watch")
    try:
        while True:
            if runner.out.isatty():
                runner.out.write("\x1b[H\x1b[2J")
            runner.out.write(f"{time.strftime('%H:%M:%S')}  every {seconds:g} s: {query}\n")
            runner.execute(query)
            time.sleep(seconds)
    except KeyboardInterrupt:
        runner.session.cancel()
        return EXIT_OK


def explain(runner: Runner, argument: str) -> int:
    """`.explain [MODE] QUERY`."""
    if not argument:
        raise usage("explain")
    return runner.execute(f"EXPLAIN {argument}")


def profile(runner: Runner, argument: str) -> None:
    """`.profile FILE [QUERY]`."""
    from sqlshell.shell.dots.output import check_target, destination
    from sqlshell.shell.profile_page import page

    found = _PROFILE.fullmatch(argument)
    if found is None:
        raise usage("profile")
    target, text = found["file"].strip("'"), found["query"] or runner.last_text
    if text is None:
        raise UsageError("no query was run yet", hint="`.profile FILE QUERY` runs one")
    check_target(target)
    runner.query(f"EXPLAIN ANALYZE {text}", export=False).close()
    ran = runner.session.last_profile
    assert ran is not None
    with destination(target) as out:
        out.write(page(ran))


def check(runner: Runner, argument: str) -> int:
    """`.check FILE`."""
    from sqlshell.shell.check import check_script

    if not argument:
        raise usage("check")
    path = argument.strip("'\"")
    resolve(path)
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"cannot read {path}: {e}") from None
    return check_script(
        runner.session, text, path, errors=runner.options.errors, variables=runner.options.variables
    )


def dialect(runner: Runner, argument: str) -> None:
    """`.dialect [NAME]`."""
    from sqlshell.parser.foreign import dialects

    if not argument:
        runner.out.write(runner.session.dialect + "\n")
        return
    if argument.lower() not in dialects():
        raise UsageError(
            f"there is no dialect {argument}",
            hint=did_you_mean(argument, dialects()) or ", ".join(dialects()),
        )
    runner.session.dialect = argument.lower()


def transpile(runner: Runner, argument: str) -> None:
    """`.transpile DIALECT STATEMENT`."""
    from sqlshell.parser.foreign import to_dialect

    target, _, text = argument.partition(" ")
    if not text.strip():
        raise usage("transpile")
    runner.out.write(to_dialect(text, runner.session.dialect, target) + "\n")


def format_statement(runner: Runner, argument: str) -> None:
    """`.format STATEMENT`."""
    from sqlshell.parser.layout import layout

    runner.out.write(layout(argument) + "\n")


def edit(runner: Runner, argument: str) -> int:
    """`.edit`: the last statement in $EDITOR; what is saved runs."""
    no_commands()
    text = edited(argument or (runner.history[-1] if runner.history else ""))
    if not text.strip():
        return EXIT_OK
    runner.history.append(text)
    runner.out.write(text.rstrip("\n") + "\n")
    return runner.run_script(text)


def edited(text: str) -> str:
    """A text as the user leaves it in $VISUAL or $EDITOR."""
    import tempfile

    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.NamedTemporaryFile("w+", suffix=".sql", encoding="utf-8") as f:
        f.write(text)
        f.flush()
        done = subprocess.run([*command.split(), f.name], check=False)
        if done.returncode:
            raise UsageError(f"{command} ended with {done.returncode}; nothing was run")
        with open(f.name, encoding="utf-8") as saved:  # editors may replace the file
            return saved.read()


def change_directory(runner: Runner, argument: str) -> None:
    """`.cd [DIR]`."""
    if policy.active():
        resolve(argument.strip("'\"") or "~")
    try:
        os.chdir(os.path.expanduser(argument.strip("'\"") or "~"))
    except OSError as e:
        raise UsageError(f"cannot change to {argument}: {e.strerror}") from None


def shell(runner: Runner, argument: str) -> None:
    """`.shell COMMAND`; a failure is reported, not counted."""
    if not argument:
        raise usage("shell")
    no_commands()
    runner.out.flush()
    done = subprocess.run(argument, shell=True, check=False)
    if done.returncode:
        sys.stderr.write(f"the command ended with {done.returncode}\n")


def keys(runner: Runner, argument: str) -> None:
    """`.keys vi|emacs`; the line editor looks at the session's choice before each prompt."""
    if argument not in ("vi", "emacs"):
        raise usage("keys")
    runner.editing = argument


def complete(runner: Runner, argument: str) -> None:
    """`.complete TEXT`: one offer per line."""
    from sqlshell.shell.completion import Completer

    for offer in Completer(runner.session).offers(argument, len(argument)):
        runner.out.write(f"{offer.text}\t{offer.kind}\n")
