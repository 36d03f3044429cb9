"""Small named functions that the session runs in a worker: kernels never run in the user's process."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from sqlshell.errors import Error, InternalError

CALLS = {
    "evaluate": "sqlshell.exec.lower:evaluate",
    "describe_source": "sqlshell.storage.describe:describe_source",
    "read_checkpoint": "sqlshell.storage.delta.checkpoint_read:read_checkpoint",
    "write_checkpoint": "sqlshell.storage.delta.checkpoint_write:write_checkpoint",
    "scan_facts": "sqlshell.exec.scan_facts:scan_facts",
    "mark_deleted": "sqlshell.exec.positions:mark_deleted",
    "count_values": "sqlshell.exec.positions:count_values",
    "ping": "sqlshell.exec.worker_calls:ping",
    "sleep": "time:sleep",
}
"""Name to `module:function`. Arguments and result are small picklable values."""


def ping(value: Any) -> Any:
    """The argument back (tests, warm-up)."""
    return value


def call(name: str, args: tuple[Any, ...]) -> tuple[Any, Error | None]:
    """(value, None), or (None, the typed error)."""
    try:
        if name == "with_secrets":
            os.environ["SQLSHELL_SECRETS"], name, args = args
        if name not in CALLS:
            raise InternalError(f"no worker function {name}")
        module, function = CALLS[name].split(":")
        return getattr(import_module(module), function)(*args), None
    except Error as e:
        return None, e
    except BaseException as e:
        from sqlshell.exec.errors import translate

        return None, translate(e)
