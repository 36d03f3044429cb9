"""One worker process as the pool sees it: how it starts, what it knows, how it ends."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlshell.exec import platform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from multiprocessing.connection import Connection

    from sqlshell.exec.cluster.base import Event
    from sqlshell.exec.task import TaskSpec

_PACKAGE_ROOT = str(Path(__file__).resolve().parents[3])


class Call:
    """A pending `call`; the dispatcher hands its outcome to `finish`."""

    def __init__(
        self, number: int, name: str, args: tuple[Any, ...], finish: Callable[[Any, Exception | None], None]
    ) -> None:
        self.id = number
        self.name = name
        self.args = args
        self.finish = finish


class Job:
    """A queued or running task and who hears of it."""

    def __init__(self, spec: TaskSpec, sink: Callable[[Event], None]) -> None:
        self.spec = spec
        self.sink = sink


class Worker:
    """A process with one socket and one lifeline; at most one job or call at a time.

    Plain class, and `connection` made late: starting a process must not wait for imports (10 ms) that only
    talking to it needs.
    """

    def __init__(
        self,
        number: int,
        kind: str,
        *,
        process: subprocess.Popen[bytes],
        end: socket.socket,
        lifeline: int,
        folder: Path,
    ) -> None:
        self.number = number
        self.kind = kind
        self.process = process
        self.lifeline = lifeline
        self.folder = folder
        self.ready = False
        self.job: Job | None = None
        self.call: Call | None = None
        self.known: set[tuple[int, int, int]] = set()
        self.peak = 0
        self.killed_for: str | None = None
        self._end = end

    @cached_property
    def connection(self) -> Connection:
        """The message channel over the socket."""
        from multiprocessing.connection import Connection

        return Connection(self._end.detach())

    @property
    def idle(self) -> bool:
        return self.job is None and self.call is None

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """End the process at once and wait for it: afterwards it writes nothing any more."""
        platform.kill(self.pid)
        self.process.wait()

    def release(self) -> None:
        """Close this side's descriptors."""
        if "connection" in self.__dict__:
            self.connection.close()
        else:
            self._end.close()
        with contextlib.suppress(OSError):
            os.close(self.lifeline)

    def error_output(self) -> str:
        """The last lines the process wrote before it died."""
        try:
            return (self.folder / "stderr").read_text(errors="replace")[-4000:]
        except OSError:
            return ""


def start_worker(
    number: int,
    kind: str,
    threads: int,
    folder: Path,
    env: Mapping[str, str],
    module: str = "sqlshell.exec.worker",
) -> Worker:
    """Start a process and return at once; it can be sent messages before it has said hello."""
    ours, theirs = socket.socketpair()
    life_read, life_write = os.pipe()
    environment = {
        **os.environ,
        "POLARS_MAX_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        **env,
        # -P keeps the user's folder (which may hold a polars.py) off the path; ours must be on it.
        "PYTHONPATH": os.pathsep.join(p for p in (_PACKAGE_ROOT, os.environ.get("PYTHONPATH")) if p),
    }
    command = [sys.executable, "-P", "-m", module, str(theirs.fileno()), str(life_read)]
    with theirs, open(folder / "stderr", "wb") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            pass_fds=(theirs.fileno(), life_read),
            env=environment,
            process_group=0,  # a terminal's Ctrl-C must not reach workers
        )
    os.close(life_read)
    return Worker(number, kind, process=process, end=ours, lifeline=life_write, folder=folder)
