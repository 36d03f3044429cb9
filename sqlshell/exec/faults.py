"""Injected failures, for fault tests: reached only through `TaskSpec.faults`, which production never sets."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sqlshell.errors import DiskFullError, OutOfMemoryError

if TYPE_CHECKING:
    from sqlshell.exec.gang import GangSpec
    from sqlshell.exec.task import Fault, TaskSpec

LATER = 0.02
"""Seconds until a `kill_later` strikes, when native code runs."""


def act(fault: Fault, spec: TaskSpec | GangSpec) -> None:
    """Do one fault's action in this process."""
    match fault.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "kill_later":
            threading.Thread(target=_kill_soon, daemon=True).start()
        case "exit":
            os._exit(0)
        case "hang":
            time.sleep(3600)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "oom":
            raise OutOfMemoryError("injected")
        case "disk_full":
            raise DiskFullError("injected")
        case "raise":
            raise RuntimeError("injected")
        case "fill_disk":
            os.makedirs(spec.output.directory, exist_ok=True)
            os.symlink("/dev/full", f"{spec.output.directory}/0.ipc")
        case "delete_output":
            for file in Path(spec.output.directory).rglob("*.ipc"):
                file.unlink()
        case "truncate_output":
            for file in Path(spec.output.directory).rglob("*.ipc"):
                os.truncate(file, file.stat().st_size // 2)
        case unknown:
            raise ValueError(f"no fault action {unknown}")


def _kill_soon() -> None:
    time.sleep(LATER)
    os.kill(os.getpid(), signal.SIGKILL)
