"""Where exchanges live: session folders in shared memory and on disk, their budget, and their clean-up.

    <memory or disk>/sqlshell-<uid>/<pid>-<random>/   mode 0700; `lock` is held while the session lives
        q<query>/x<stage>/m<task>-a<attempt>/         one attempt's files, published by accepting its manifest
        w<n>/                                         a worker's spill files and its error output

The kernel releases the lock on any death, so every start sweeps folders whose lock can be taken. Files are
never overwritten: a new attempt has a new folder. No polars here; `output.py` writes in workers.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import threading
from typing import TYPE_CHECKING, Protocol

from sqlshell.errors import DiskFullError, OperationalError
from sqlshell.exec import platform
from sqlshell.storage.policy import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlshell.exec.task import OutputSpec, PartitionRef, TaskInput
    from sqlshell.storage.policy import Policy

_PRODUCER = re.compile(r"/q\d+/x(\d+)/m(\d+)-a\d+/")
MAGIC = b"ARROW1"


class SessionStore:
    """The folders of one session: it names attempt directories, counts bytes, removes what is done with."""

    def __init__(self, spill_dir: str | None = None, memory_budget: int | None = None) -> None:
        platform.check_supported()
        name = f"{os.getpid()}-{os.urandom(4).hex()}"
        memory = platform.memory_folder()
        self._lock = threading.Lock()
        self._fds: list[int] = []
        self.disk = self._create(platform.disk_folder(spill_dir), name)
        self.memory = self._create(memory, name) if memory is not None else None
        if memory is None:
            self.budget = 0
        elif memory_budget is not None:
            self.budget = memory_budget
        else:
            self.budget = min(platform.total_memory() // 4, platform.free_bytes(memory) // 2)
        self._used: dict[tuple[int, int], int] = {}
        self.policy: Policy | None = None
        """What workers that start from now on may touch."""
        self._reserved: dict[str, int] = {}

    def _create(self, base: Path, name: str) -> Path:
        parent = base / f"sqlshell-{os.getuid()}"
        root = parent / name
        try:
            for again in (True, True, False):
                try:
                    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    sweep(parent)
                    root.mkdir(mode=0o700)
                    break
                except FileNotFoundError:  # the last session before us just removed the parent
                    if not again:
                        raise
            fd = os.open(root / "making", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)
            os.rename(root / "making", root / "lock")  # others see it locked or not at all
        except OSError as e:
            raise _scratch_error(parent, e) from e
        self._fds.append(fd)
        return root

    def directory(
        self, query: int, stage: int, task: int, attempt: int, *, on_disk: bool = False, estimate: int = 0
    ) -> tuple[str, bool]:
        """The folder of one attempt, not made yet, and whether its files should be compressed (on disk).

        `estimate` bytes are set aside in memory until the attempt is accepted or dropped.
        """
        tail = f"q{query}/x{stage}/m{task}-a{attempt}"
        if self.memory is None or on_disk:
            return str(self.disk / tail), True
        with self._lock:
            taken = sum(self._used.values()) + sum(self._reserved.values())
            if taken + estimate >= min(self.budget, taken + platform.free_bytes(self.memory) // 2):
                return str(self.disk / tail), True
            directory = str(self.memory / tail)
            self._reserved[directory] = estimate
            return directory, False

    def in_memory(self, directory: str) -> bool:
        """Whether an attempt's folder is backed by memory."""
        return self.memory is not None and directory.startswith(str(self.memory))

    def accept(self, query: int, directory: str, refs: Iterable[PartitionRef]) -> None:
        """Count what an accepted attempt has really written to memory."""
        with self._lock:
            for ref in refs:
                if self.in_memory(ref.path):
                    key = (query, ref.stage)
                    self._used[key] = self._used.get(key, 0) + ref.bytes
            self._release(directory)

    def drop_stage(self, query: int, stage: int) -> None:
        """Remove an exchange all of whose readers are done."""
        with self._lock:
            self._used.pop((query, stage), None)
            self._release(f"/q{query}/x{stage}/")
        for root in self._roots():
            platform.remove_tree(root / f"q{query}" / f"x{stage}")

    def drop_attempt(self, directory: str) -> None:
        """Remove what a lost or superseded attempt left."""
        with self._lock:
            self._release(directory)
        platform.remove_tree(directory)

    def gang_directory(self, query: int, stage: int, attempt: int) -> str:
        """The folder where the ranks of one attempt meet, not made yet: in memory where there is any."""
        return str((self.memory or self.disk) / f"q{query}" / f"g{stage}-a{attempt}")

    def keep_directory(self, query: int, stage: int) -> str:
        """The folder of a gang's checkpoints, not made yet: it stays until the query ends."""
        return str(self.disk / f"q{query}" / f"k{stage}")

    def drop_query(self, query: int) -> None:
        """Remove everything of a query."""
        with self._lock:
            for key in [k for k in self._used if k[0] == query]:
                del self._used[key]
            self._release(f"/q{query}/")
        for root in self._roots():
            platform.remove_tree(root / f"q{query}")

    def _release(self, part: str) -> None:
        """Give back what was set aside for directories that contain `part`."""
        for directory in [d for d in self._reserved if part in d]:
            del self._reserved[directory]

    def worker_directory(self, number: int) -> Path:
        """A folder for a worker's spill files and error output."""
        path = self.disk / f"w{number}"
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    @property
    def roots(self) -> list[str]:
        """The session's own folders."""
        return [str(r) for r in self._roots()]

    def environment(self, folder: Path) -> dict[str, str]:
        """Variables by which a worker of a safe session gets its policy, with its own folder for temporary files."""
        if self.policy is None:
            return {}
        return {VARIABLE: self.policy.packed(), "TMPDIR": str(folder)}

    def drop_worker(self, number: int) -> None:
        """Remove a dead worker's folder."""
        platform.remove_tree(self.disk / f"w{number}")

    def close(self) -> None:
        """Remove the session's folders and let go of the locks."""
        for root in self._roots():
            platform.remove_tree(root)
            with contextlib.suppress(OSError):
                root.parent.rmdir()  # only when no other session is left
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()

    def _roots(self) -> list[Path]:
        return [self.disk] if self.memory is None else [self.memory, self.disk]


def _scratch_error(folder: Path, e: OSError) -> OperationalError:
    message = f"cannot make a scratch folder in {folder}: {e.strerror}"
    hint = "SET sqlshell.spill_dir to a folder that can be written"
    return (DiskFullError if e.errno == 28 else OperationalError)(message, hint=hint)


def sweep(parent: Path) -> None:
    """Remove the folders of sessions whose process is gone: those whose lock can be taken."""
    for entry in list(parent.iterdir()):
        try:
            fd = os.open(entry / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # a folder being made just now has no lock yet
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            platform.remove_tree(entry)
        except OSError:
            pass
        finally:
            os.close(fd)


def producer(path: str) -> tuple[int, int] | None:
    """The (stage, task) that wrote an exchange file, from its path."""
    found = _PRODUCER.search(path)
    return (int(found[1]), int(found[2])) if found else None


def complete(path: str) -> bool:
    """Whether an exchange file is there to its end: Arrow IPC files close with their magic."""
    try:
        with open(path, "rb") as f:
            f.seek(-len(MAGIC), os.SEEK_END)
            return f.read() == MAGIC
    except OSError:
        return False


class Reads(Protocol):
    """A task, or anything else that reads exchange files."""

    @property
    def input(self) -> TaskInput: ...


def lost_input(spec: Reads) -> tuple[int, int] | None:
    """The producer of the first missing or short file this task reads, or None."""
    for paths in spec.input.exchange_paths.values():
        for path in paths:
            if not complete(path):
                return producer(path)
    return None


def discard(output: OutputSpec) -> None:
    """Remove what a failed attempt has written so far."""
    platform.remove_tree(output.directory)
