"""The `sqlshell` command: decides what to do before anything heavy is imported.

stdout is data only; notes, warnings and errors go to stderr. `exits.py` lists the exit codes.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from sqlshell.session import Session
    from sqlshell.shell.config_file import Config
    from sqlshell.shell.runner import Runner

TOOLS = ("fmt", "transpile", "test")

Scripts = list[tuple[str | None, str]]
"""(file name, text) of what is to be run."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"]:
        from sqlshell.version import __version__

        sys.stdout.write(f"sqlshell {__version__}\n")
        return 0
    if sys.platform == "win32":
        sys.stderr.write("sqlshell runs on Linux and macOS; Windows is not supported\n")
        return 2
    if argv is None:  # the process is ours
        gc.set_threshold(200_000)  # imports make objects that stay: collecting among them takes 15 ms
        atexit.register(gc.freeze)  # and so does looking for cycles in what an ending process leaves
    try:
        if "SQLSHELL_SESSION" in os.environ or "--session" in arguments:
            from sqlshell.shell.client import forward

            code = forward(arguments)
            if code is not None:
                return code
        if arguments and arguments[0] in TOOLS:
            from sqlshell.shell import tools

            return tools.main(arguments)
        return _main(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) went away: not our error. Python must not complain while flushing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _main(arguments: list[str]) -> int:
    from sqlshell.shell.options import build_parser

    options = build_parser().parse_args(arguments)
    if options.version:
        return main(["--version"])
    if options.info or options.spec:
        from sqlshell.shell import describe

        describe.write(spec=options.spec)
        return 0
    from sqlshell.errors import Error
    from sqlshell.shell.exits import EXIT_USAGE, UsageError, exit_code, report

    try:
        return _run(options)
    except UsageError as e:
        if options.errors == "json":
            report(e, form="json")
        else:
            sys.stderr.write(f"sqlshell: {e.message}\n" + (f"hint: {e.hint}\n" if e.hint else ""))
        return EXIT_USAGE
    except Error as e:
        report(e, form=options.errors)
        return exit_code(e)


def _run(options: argparse.Namespace) -> int:
    from sqlshell.errors import Error
    from sqlshell.shell.config_file import Config, load
    from sqlshell.shell.exits import UsageError

    config = Config() if options.no_config else load(options.profile)
    complete(options, config)
    scripts, missing = read_scripts(options)
    if missing is not None:
        return missing
    for setting in options.set:
        if "=" not in setting:
            raise UsageError(f"a setting is KEY=VALUE, not `{setting}`")
    settings = config.settings | dict(s.partition("=")[::2] for s in options.set)
    if options.memory_limit:
        settings["sqlshell.memory_limit"] = options.memory_limit
    from sqlshell.session import Session

    interactive = scripts is None and not options.serve
    try:
        session = Session(
            dialect=options.dialect or "spark",
            workers=options.workers,
            settings=settings,
            warehouse=options.warehouse,
            warm=not interactive
            and not options.check
            and not options.estimate
            and (scripts is None or _reads(scripts)),
            safe=options.safe,
            allow=options.allow,
            allow_writes=options.allow_writes,
        )
    except Error as e:
        raise UsageError(e.message, hint=e.hint) from None
    with session:
        session.controls.timeout = options.timeout or session.controls.timeout
        session.controls.max_bytes = options.max_bytes
        if session.policy is not None:
            confine(session, options)
        runner = make_runner(session, options)
        if options.serve:
            from sqlshell.shell.serve import serve

            return serve(options.serve, session)
        if scripts is None:
            from sqlshell.shell.repl import Repl

            return Repl(runner, config.options).run()
        return run_scripts(runner, scripts, options)


def confine(session: Session, options: argparse.Namespace) -> None:
    """Put safe mode in force for the whole process, with the limits of the command line."""
    from sqlshell.storage import policy

    assert session.policy is not None
    policy.confine(session.policy)
    session.controls.max_rows = options.max_rows or session.controls.max_rows
    session.controls.cuts = True


def make_runner(session: Session, options: argparse.Namespace) -> Runner:
    """A runner with the options of the command line."""
    from sqlshell.shell.exits import UsageError
    from sqlshell.shell.output import BINARY, Style, format_of
    from sqlshell.shell.runner import Options, Runner

    name = options.format or (format_of(options.output) if options.output else "box")
    if name in BINARY and not options.output and sys.stdout.isatty():
        raise UsageError(f"{name} does not belong on a terminal", hint="add -o FILE")
    for define in options.define:
        if "=" not in define:
            raise UsageError(f"a definition is name=text, not `{define}`")
    terminal = sys.stdout.isatty() and not options.output
    most = session.controls.max_rows
    style = Style(
        colour=terminal and "NO_COLOR" not in os.environ,
        header=not options.no_header,
        limit=min(n for n in (options.max_rows, most) if n) if options.max_rows or most else None,
        null=options.null or "NULL",
    )
    return Runner(
        session,
        Options(
            format=name,
            style=style,
            auto_width=terminal,
            timer=options.timer,
            stop=options.on_error == "stop",
            errors=options.errors,
            variables=_parameters(options.param),
            defines=dict(d.partition("=")[::2] for d in options.define),
        ),
    )


def _parameters(texts: list[str]) -> dict[str, object]:
    """The values of `-p`."""
    if not texts:
        return {}
    from sqlshell.shell.parameters import typed

    return dict(map(typed, texts))


def run_scripts(runner: Runner, scripts: Scripts, options: argparse.Namespace) -> int:
    """Run (or only check) scripts one after the other; gives the exit code."""
    from contextlib import ExitStack

    if options.check:
        from sqlshell.shell.check import check_script

        o = runner.options
        codes = [
            check_script(runner.session, runner.define(t), n, errors=o.errors, variables=o.variables)
            for n, t in scripts
        ]
        return max(codes)
    if options.estimate:
        from sqlshell.shell.estimate import estimate_scripts

        return estimate_scripts(runner, scripts)
    from sqlshell.shell.exits import Quit

    with ExitStack() as stack:
        stack.callback(runner.close)
        record(runner, options)
        if options.output:
            from sqlshell.shell.dots.output import destination

            stack.enter_context(_only_if_fine(runner))
            runner.out = stack.enter_context(destination(options.output))
            stack.enter_context(_failing(runner))
        try:
            for number, (name, text) in enumerate(scripts):
                code = runner.run_script(text, name, number)
                if code != 0 and (runner.options.stop or code == 130):
                    break
        except Quit:
            pass
    return runner.failed


def record(runner: Runner, options: argparse.Namespace) -> None:
    """Open the record of `--checkpoint`."""
    from sqlshell.shell.exits import UsageError

    if options.checkpoint is None:
        if options.resume:
            raise UsageError("--resume needs the record of the first run", hint="add --checkpoint FILE")
        return
    if options.output:
        raise UsageError("-o and --checkpoint exclude each other: a resumed run has not all results")
    from sqlshell.shell.checkpoint import Checkpoint
    from sqlshell.storage.uri import resolve

    o = runner.options
    path = resolve(options.checkpoint, write=True)
    runner.checkpoint = Checkpoint(path, o.variables | {"": [*o.defines.items()]}, resume=options.resume)


class _Unfinished(Exception):
    """Unwinds the output file of a failed run."""


class _failing:  # noqa: N801 (a context manager)
    """Raises at the end of a block whose run failed, so that `-o` leaves what was there before."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is None and self.runner.failed:
            raise _Unfinished


class _only_if_fine(_failing):  # noqa: N801
    """Swallows what `_failing` raised."""

    def __exit__(self, kind: object, *rest: object) -> bool:  # type: ignore[override]
        return kind is _Unfinished


def complete(options: argparse.Namespace, config: Config) -> None:
    """Fill in from the configuration what the command line leaves open."""
    import argparse

    from sqlshell.shell.exits import UsageError
    from sqlshell.shell.options import seconds
    from sqlshell.shell.output import FORMATS

    for key in ("dialect", "workers", "format", "memory_limit", "max_rows", "warehouse"):
        if getattr(options, key) is None:
            setattr(options, key, config.options.get(key))
    if options.safe or "safe" not in config.options:  # the command line's safe mode is its own
        if (options.allow or options.allow_writes) and not options.safe:
            raise UsageError("--allow and --allow-writes say what --safe allows", hint="add --safe")
    else:
        options.safe = config.options["safe"]
        options.allow = options.allow or config.options.get("allow", [])
        options.allow_writes = options.allow_writes or config.options.get("allow_writes", False)
    options.timer = options.timer or config.options.get("timer", False)
    options.null = config.options.get("null")
    if options.format is not None and options.format not in FORMATS:
        raise UsageError(f"{config.origins['format']}: there is no format {options.format}")
    if options.timeout is None and "timeout" in config.options:
        try:
            options.timeout = seconds(config.options["timeout"])
        except argparse.ArgumentTypeError as e:
            raise UsageError(f"{config.origins['timeout']}: timeout takes {e}") from None


def read_scripts(options: argparse.Namespace) -> tuple[Scripts | None, int | None]:
    """What is to be run (None: ask the terminal), or the exit code when a file cannot be read."""
    from sqlshell.shell.exits import EXIT_SOURCE, UsageError

    files = list(options.file or [])
    if options.action:
        if options.action[0] != "run" or len(options.action) < 2:
            raise UsageError("usage: sqlshell run FILE...   (or: sqlshell -c SQL)")
        if options.command is not None:
            raise UsageError("-c and `run FILE` exclude each other")
        files += options.action[1:]
    scripts: Scripts = []
    for name in files:
        try:
            scripts.append((name, _read(name)))
        except (OSError, UnicodeDecodeError) as e:
            sys.stderr.write(f"sqlshell: cannot read {name}: {e}\n")
            return None, EXIT_SOURCE
    scripts += [(None, text) for text in options.command or []]
    if not scripts and not options.serve and not sys.stdin.isatty():
        scripts.append(("standard input", sys.stdin.read()))
    return scripts or None, None


def _reads(scripts: Scripts) -> bool:
    """Whether a script seems to read data: then its worker starts beside the parser. A guess costs no answer."""
    return any("from" in text.lower() for _, text in scripts)


def _read(name: str) -> str:
    if name == "-":
        return sys.stdin.read()
    from sqlshell.storage import policy

    policy.check(os.path.abspath(name))  # a kept session may be a safe one
    with open(name, encoding="utf-8") as f:
        return f.read()


if __name__ == "__main__":
    sys.exit(main())
