"""Workers of safe sessions: the policy they start with, and the kernel's own rules where it has Landlock (Linux).

Landlock decides when a file is opened, whoever opens it (Polars, pyarrow, Python), so that nothing can be swapped
between a look and the opening; from Linux 6.7 on it also refuses TCP. Elsewhere `storage/policy.py` stands alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import sys
from typing import TYPE_CHECKING

from sqlshell.storage import policy

if TYPE_CHECKING:
    from collections.abc import Iterator

_CREATE, _ADD, _RESTRICT = 444, 445, 446
"""The system calls, which have these numbers on every architecture."""
_VERSION = 1
_NO_NEW_PRIVILEGES = 38
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_FILE_ONLY = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
"""All rights over files by version of the interface: a right that is not handled is not refused."""
_ALL = (1 << 15) - 1
_TCP = 3

_NEEDED = (
    "/usr", "/lib", "/lib64", "/opt", "/etc/ld.so.cache", "/etc/localtime", "/etc/nsswitch.conf", "/etc/passwd",
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu", "/sys/fs/cgroup",
    "/dev/urandom", "/dev/random",
)  # fmt: skip
"""What libraries read while they load, besides the interpreter's own folders."""


def enter() -> None:
    """Put the policy that this process was started with in force; it stays so. Does nothing without one."""
    text = os.environ.get(policy.VARIABLE)
    if text is None:
        return
    found = policy.unpacked(text)
    policy.confine(found)
    if sys.platform == "linux":
        _landlock(found)


def landlock_version() -> int:
    """The version of the kernel's interface; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    found: int = _libc().syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    return max(found, 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _landlock(found: policy.Policy) -> None:
    """Threads that run already are not touched: this comes before any library starts some."""
    version = landlock_version()
    if version == 0:
        return
    libc = _libc()
    rights = _RIGHTS.get(version, _ALL)
    tcp = _TCP if version >= 4 and not found.remote else 0
    attributes = struct.pack("QQ", rights, tcp)[: 16 if version >= 4 else 8]
    ruleset = libc.syscall(_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    if ruleset < 0:
        return
    try:
        for path, wanted in _rules(found):
            _add(libc, ruleset, path, wanted & rights)
        zero = ctypes.c_ulong(0)
        libc.prctl(_NO_NEW_PRIVILEGES, ctypes.c_ulong(1), zero, zero, zero)
        if libc.syscall(_RESTRICT, ruleset, ctypes.c_uint32(0)) != 0:
            raise OSError(ctypes.get_errno(), "the kernel refused to confine a worker")
    finally:
        os.close(ruleset)


def _rules(found: policy.Policy) -> Iterator[tuple[str, int]]:
    for path in (*_NEEDED, sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path):
        yield path, _READ
    yield "/dev/null", _READ | _WRITE_FILE
    for path in found.roots:
        yield path, _ALL if found.writes else _READ
    for path in found.scratch:
        yield path, _ALL


def _add(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    with contextlib.suppress(OSError):  # what is not there needs no rule
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not os.path.isdir(path):
                rights &= _FILE_ONLY
            rule = struct.pack("=Qi", rights, handle)
            libc.syscall(_ADD, ruleset, 1, rule, ctypes.c_uint32(0))
        finally:
            os.close(handle)
