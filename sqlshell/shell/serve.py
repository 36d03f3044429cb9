"""`--serve NAME`: one warm session behind a Unix socket that only its user can reach.

Command lines come one at a time, with the caller's standard streams, and run as if they had been started here:
temporary views, settings and cached tables stay for the next one. Ctrl-C at the caller, or its end, cancels what runs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import select
import signal
import socket
import struct
import sys
import threading
from typing import TYPE_CHECKING

from sqlshell.errors import Error
from sqlshell.shell.client import folder
from sqlshell.shell.exits import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_USAGE,
    UsageError,
    exit_code,
    report,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.session import Session

_FIXED = ("workers", "warehouse", "memory_limit", "safe", "allow", "allow_writes")
"""Options that a session has from its start."""
MOST = 16 * 2**20


class _Stop(Exception):
    """A signal asked the server to end."""


def serve(name: str, session: Session) -> int:
    """Keep a session until SIGTERM or Ctrl-C."""
    path = _address(name)
    listener = _listen(path, name)
    session.engine.warm()
    sys.stderr.write(f"session {name} is kept by process {os.getpid()}; end it with Ctrl-C\n")
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                if _is_ours(connection):
                    connection.sendall(bytes([_answer(connection, session)]))
    except _Stop:
        return EXIT_OK
    finally:
        with contextlib.suppress(OSError):
            os.remove(path)
        listener.close()


def _stop(*_: object) -> None:
    raise _Stop


def _address(name: str) -> str:
    if not re.fullmatch(r"[\w.-]{1,64}", name):
        raise UsageError(f"a session's name is made of letters, digits, . _ and -, not `{name}`")
    where = folder()
    os.makedirs(where, mode=0o700, exist_ok=True)
    status = os.lstat(where)
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise UsageError(f"{where} is open to others: sessions need a folder of your own")
    return f"{where}/{name}.sock"


def _listen(path: str, name: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:  # nobody listens: what is left there is stale
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)
        else:
            raise UsageError(f"the session {name} is kept already")
    before = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(before)
    listener.listen(16)
    return listener


def _is_ours(connection: socket.socket) -> bool:
    """The folder's permissions keep others out; Linux also tells who is calling."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", found)
    return bool(user == os.getuid())


def _answer(connection: socket.socket, session: Session) -> int:
    """Run one request on the caller's streams and in its folder; gives the exit code."""
    connection.settimeout(10)
    header, streams, _, _ = socket.recv_fds(connection, 4, 3)
    try:
        size = int.from_bytes(header, "big")
        if len(header) != 4 or len(streams) != 3 or size > MOST:
            return EXIT_BUG
        request = b""
        while len(request) < size:
            piece = connection.recv(size - len(request))
            if not piece:
                return EXIT_INTERRUPTED
            request += piece
        texts = request.decode("utf-8", "surrogateescape").split("\0")[:-1]
        connection.settimeout(None)
        with _as_caller(streams, texts[0]), _watching(connection, session):
            return _run(texts[1:], session)
    finally:
        for stream in streams:
            os.close(stream)


@contextlib.contextmanager
def _as_caller(streams: list[int], cwd: str) -> Iterator[None]:
    """The caller's standard streams and folder instead of ours."""
    ours = [os.dup(n) for n in (0, 1, 2)]
    before = os.getcwd()
    try:
        for n, stream in enumerate(streams):
            os.dup2(stream, n)
        os.chdir(cwd)
        yield
    finally:
        for out in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                out.flush()
        for n, stream in enumerate(ours):
            os.dup2(stream, n)
            os.close(stream)
        os.chdir(before)


@contextlib.contextmanager
def _watching(connection: socket.socket, session: Session) -> Iterator[None]:
    """Cancels what runs when the caller sends anything or goes away."""
    ours, theirs = socket.socketpair()

    def watch() -> None:
        while True:
            ready, _, _ = select.select([connection, theirs], [], [])
            if theirs in ready:
                return
            heard = connection.recv(1)
            session.cancel()
            if not heard:
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ours.send(b"x")
        thread.join()
        ours.close()
        theirs.close()


def _run(arguments: list[str], session: Session) -> int:
    from sqlshell.shell import cli
    from sqlshell.shell.config_file import Config
    from sqlshell.shell.options import build_parser

    errors = "text"
    dialect, controls = session.dialect, session.controls
    timeout = controls.timeout
    try:
        options = build_parser().parse_args(arguments)
        errors = options.errors
        fixed = [f"--{n.replace('_', '-')}" for n in _FIXED if getattr(options, n) not in (None, False, [])]
        if fixed:
            raise UsageError(f"a kept session has its {', '.join(fixed)} from the start")
        for setting in options.set:
            key, _, value = setting.partition("=")
            session.settings.set(key, value)
        cli.complete(options, Config())
        scripts, missing = cli.read_scripts(options)
        if missing is not None:
            return missing
        session.dialect = options.dialect or dialect
        controls.timeout, controls.max_bytes = options.timeout, options.max_bytes
        if session.policy is not None and timeout is not None:
            controls.timeout = min(options.timeout or timeout, timeout)
        return cli.run_scripts(cli.make_runner(session, options), scripts or [], options)
    except argparse.ArgumentError as e:
        sys.stderr.write(f"sqlshell: {e}\n")
        return EXIT_USAGE
    except SystemExit as e:
        return e.code if isinstance(e.code, int) else EXIT_USAGE
    except BrokenPipeError:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (what the old one holds is lost)
        return EXIT_OK
    except Error as e:
        report(e, form=errors)
        return exit_code(e)
    finally:
        session.dialect, controls.timeout, controls.max_bytes = dialect, timeout, None
