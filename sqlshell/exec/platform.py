"""Every difference between operating systems: scratch folders, resident memory, killing, lifelines.

Linux and macOS. Windows is unsupported and says so.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

from sqlshell.errors import NotSupportedError

SHARED_MEMORY = Path("/dev/shm")
SIGNAL_NAMES = {int(s): s.name for s in signal.Signals}


def check_supported() -> None:
    """Raise on systems whose processes we cannot manage."""
    if sys.platform == "win32":
        raise NotSupportedError("sqlshell runs on Linux and macOS, not on Windows")


def cpu_count() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def memory_folder() -> Path | None:
    """A folder backed by memory that we may write to; None where there is none (macOS)."""
    if SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK):
        return SHARED_MEMORY
    return None


def disk_folder(configured: str | None = None) -> Path:
    """The folder for what does not fit in memory."""
    return Path(configured or os.environ.get("TMPDIR") or "/tmp")


def remove_tree(path: Path | str) -> None:
    """Remove a folder of ours as far as possible; what is gone already is no error.

    Importing `shutil` for this would cost a cold start 2 ms.
    """
    for folder, _, files in os.walk(path, topdown=False):
        for name in files:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def bytes_below(folder: Path | str) -> int:
    """Bytes of all files below a folder; those that are removed meanwhile do not count."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(where, name)).st_size
    return total


def allocate(fd: int, size: int) -> None:
    """Give an empty file `size` bytes that are really there. Raises OSError when there is no room."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
        return
    zeros = bytes(1 << 20)  # macOS
    for start in range(0, size, len(zeros)):
        os.write(fd, zeros[: size - start])


def free_bytes(path: Path) -> int:
    """Bytes that can still be written below `path`."""
    stat = os.statvfs(path)
    return stat.f_bavail * stat.f_frsize


def total_memory() -> int:
    """Bytes of memory this process may use: physical, or its control group's limit when that is lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total


def resident_bytes(pid: int) -> int | None:
    """Private (anonymous) resident memory of a process; None when it is gone or the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return None
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")


def kill(pid: int) -> None:
    """End a process at once; a dead one is no error. SIGTERM would wait for native code."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def describe_exit(code: int | None) -> str:
    """A return code as people read it: `signal SIGKILL` or `exit code 3`."""
    if code is None:
        return "an unknown reason"
    if code < 0:
        return f"signal {SIGNAL_NAMES.get(-code, str(-code))}"
    return f"exit code {code}"


def hold_lifeline(fd: int) -> None:
    """End this process as soon as the other end of `fd` is closed, whatever native code is running."""

    def wait() -> None:
        while True:
            try:
                if not os.read(fd, 1):
                    break
            except InterruptedError:
                continue
            except OSError:
                break
        os._exit(0)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
