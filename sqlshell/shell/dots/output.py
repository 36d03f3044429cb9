"""Where results go and what they look like: .mode, .output, .once, .tee, .width ..."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING, Any

from sqlshell.errors import SafeModeError, did_you_mean
from sqlshell.records import replace
from sqlshell.shell.dots import switch, usage
from sqlshell.shell.exits import UsageError
from sqlshell.shell.output import FORMATS, format_of
from sqlshell.storage import policy
from sqlshell.storage.uri import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.shell.runner import Runner


def mode(runner: Runner, argument: str) -> None:
    """`.mode FORMAT`."""
    name = argument.lower()
    if name not in FORMATS:
        raise UsageError(
            f"there is no format {argument}".rstrip(),
            hint=did_you_mean(name, FORMATS) or "formats: " + ", ".join(FORMATS),
        )
    runner.options.format = name


def expanded(runner: Runner, argument: str) -> None:
    """`.expanded`: vertical, or box again."""
    on = switch("expanded", argument, runner.options.format == "vertical")
    runner.options.format = "vertical" if on else "box"


def output(runner: Runner, argument: str) -> None:
    """`.output [FILE]`."""
    import sys

    runner.files.close()
    runner.files = contextlib.ExitStack()
    runner.out = sys.stdout
    if argument:
        path = _unquoted(argument)
        if not path.startswith("|"):
            runner.options.format = format_of(path, runner.options.format)
        runner.out = runner.files.enter_context(destination(path))


def once(runner: Runner, argument: str) -> None:
    """`.once FILE`."""
    if not argument:
        raise usage("once")
    send_once(runner, argument)


def send_once(runner: Runner, argument: str) -> None:
    """The next result goes to a file, in the format of its extension, or to a command."""
    runner.once = _unquoted(argument)
    check_target(runner.once)


def tee(runner: Runner, argument: str) -> None:
    """`.tee [FILE]`."""
    if runner.tee is not None:
        runner.tee.close()
        runner.tee = None
    if argument:
        path = _unquoted(argument)
        check_target(path)
        try:
            runner.tee = open(path, "w", encoding="utf-8", newline="")  # noqa: SIM115
        except OSError as e:
            raise UsageError(f"cannot write {argument}: {e.strerror}") from None
        runner.files.callback(runner.tee.close)


def _unquoted(argument: str) -> str:
    if len(argument) > 1 and argument[0] == argument[-1] and argument[0] in "'\"":
        return argument[1:-1]
    return argument


def check_target(target: str) -> None:
    """Raises SAFE_MODE for files that may not be written, and for commands."""
    if target.startswith("|"):
        no_commands()
    else:
        resolve(target, write=True)


def no_commands() -> None:
    """Raises SAFE_MODE where no command of the system may run."""
    if policy.active():
        raise SafeModeError("safe mode runs no commands of the system")


@contextlib.contextmanager
def destination(target: str) -> Iterator[Any]:
    """A text stream to a file, which gets its name at the end, or to the input of `| command`."""
    from sqlshell.shell.output.files import replacing

    check_target(target)
    if not target.startswith("|"):
        try:
            with replacing(target) as out:
                yield out
        except OSError as e:
            if e.filename is None:
                raise
            raise UsageError(f"cannot write {target}: {e.strerror}") from None
        return
    process = subprocess.Popen(target[1:], shell=True, stdin=subprocess.PIPE, text=True, encoding="utf-8")
    assert process.stdin is not None
    try:
        with contextlib.suppress(BrokenPipeError):
            yield process.stdin
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()


def _number(name: str, argument: str) -> int:
    if not argument.isdecimal():
        raise usage(name)
    return int(argument)


def width(runner: Runner, argument: str) -> None:
    """`.width [N]`."""
    wanted = _number("width", argument) if argument else 0
    runner.options.auto_width = not argument
    runner.options.style = replace(runner.options.style, width=wanted or None)


def max_rows(runner: Runner, argument: str) -> None:
    """`.maxrows N`."""
    runner.options.style = replace(runner.options.style, max_rows=_number("maxrows", argument))


def null(runner: Runner, argument: str) -> None:
    """`.null TEXT`."""
    runner.options.style = replace(runner.options.style, null=_unquoted(argument))


def header(runner: Runner, argument: str) -> None:
    """`.header on|off`."""
    on = switch("header", argument, runner.options.style.header)
    runner.options.style = replace(runner.options.style, header=on)


def pager(runner: Runner, argument: str) -> None:
    """`.pager on|off`."""
    from sqlshell.shell.pager import paged

    no_commands()
    runner.pager = paged if switch("pager", argument, runner.pager is not None) else None


def print_line(runner: Runner, argument: str) -> None:
    """`.print TEXT`."""
    runner.out.write(_unquoted(argument) + "\n")
    runner.out.flush()
