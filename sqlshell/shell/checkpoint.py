"""`--checkpoint FILE`: a record of the statements of a script that are done; `--resume` goes on behind them.

The file has one JSON object per line, on disk before the next statement starts. A step is known by its place (script,
statement, branch or turn of a block, statement in there ...) and by its text; the variables after it, the rows of
a .foreach and the branch of an .if are kept, so that they are the same the second time. Statements that only change
the session (SET, USE, temporary views ...) run again. A statement that was running when the process died runs again,
too: it was not done; so do all of a transaction that was not committed.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlshell.shell.exits import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

    from sqlshell.shell.script import Step

AGAIN = frozenset({
    "SetVariable", "Reset", "UseSchema", "SetTimeTravel", "DeclareVariables", "SetVariables", "DropVariable",
    "CreateSecret", "DropSecret", "CacheTable", "UncacheTable", "ClearCache",
})  # fmt: skip
"""Statements that change the session alone."""
TEMPORARY = frozenset({"CreateView", "CreateFunction", "CreatePythonFunction", "DropFunction"})
"""These do when they are TEMPORARY."""
COMMANDS = frozenset({
    "read", "mode", "expanded", "width", "maxrows", "null", "header", "pager", "timer", "bail", "dialect", "cd", "keys",
})  # fmt: skip
"""Commands that change the session alone (of a script that is read each step is looked at); variables are in the
record."""
_TYPES: dict[str, Any] = {
    "decimal": Decimal, "timestamp": datetime.fromisoformat, "date": date.fromisoformat, "time": time.fromisoformat,
    "binary": bytes.fromhex,
}  # fmt: skip


class Checkpoint:
    """The record of one run. `resume` reads what is there; without it the file must not hold an unfinished run."""

    def __init__(self, path: str, inputs: Mapping[str, Any], *, resume: bool) -> None:
        self.path = path
        self.done: dict[str, dict[str, Any]] = {}
        head = {"checkpoint": 1, "inputs": _hash(encoded(inputs))}
        lines = self._read()
        if resume and lines:
            if lines[0] != head:
                raise UsageError(
                    f"{path} was written with other parameters or definitions",
                    hint="give those of the first run",
                )
            self.done = {str(entry["at"]): entry for entry in lines[1:] if "at" in entry}
        elif lines and "complete" not in lines[-1]:
            raise UsageError(
                f"{path} belongs to a run that did not end", hint="--resume goes on with it; else remove it"
            )
        self._out: TextIO = open(path, "a" if self.done else "w", encoding="utf-8")  # noqa: SIM115 (until close)
        if not self.done:
            self._write(head)

    def _read(self) -> list[dict[str, Any]]:
        try:
            with open(self.path, encoding="utf-8") as f:
                lines = f.read().split("\n")
            return [json.loads(line) for line in lines[:-1]]  # a line without an end was not written out
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError, ValueError) as e:
            raise UsageError(f"{self.path} is no checkpoint: {e}") from None

    def known(self, at: Sequence[int], step: Step) -> dict[str, Any] | None:
        """What is recorded of a step; None when it is still to be done. Raises when another one was done there."""
        entry = self.done.get(_place(at))
        if entry is not None and entry["step"] != _hash([step.text, step.name, step.argument]):
            raise UsageError(
                f"line {step.line} was changed since {self.path} was written: another statement was done there",
                hint="undo the change, or remove the file to begin anew",
            )
        return entry

    def note(self, at: Sequence[int], step: Step, **more: Any) -> None:
        """Record a step as done, or what an open block decided."""
        entry = {
            "at": _place(at),
            "line": step.line,
            "step": _hash([step.text, step.name, step.argument]),
            **more,
        }
        self.done[entry["at"]] = entry
        self._write(entry)

    def close(self, *, complete: bool) -> None:
        """End the record; `complete` says that nothing is left to be done."""
        if complete:
            self._write({"complete": True})
        self._out.close()

    def _write(self, entry: dict[str, Any]) -> None:
        self._out.write(json.dumps(entry) + "\n")
        self._out.flush()
        os.fsync(self._out.fileno())


def _place(at: Sequence[int]) -> str:
    return ".".join(map(str, at))


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def encoded(value: Any) -> Any:
    """A variable's value (or several, in a dict or list) as JSON that keeps its type."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return {"double": value.hex()}
        case Decimal():
            return {"decimal": str(value)}
        case datetime():
            return {"timestamp": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case time():
            return {"time": value.isoformat()}
        case bytes():
            return {"binary": value.hex()}
        case list() | tuple():
            return [encoded(v) for v in value]
        case dict():
            return {"map": [[encoded(k), encoded(v)] for k, v in value.items()]}
    raise UsageError(f"a checkpoint cannot keep the value {value!r}", hint="cast it to a string")


def decoded(value: Any) -> Any:
    """What `encoded` was given."""
    if isinstance(value, list):
        return [decoded(v) for v in value]
    if not isinstance(value, dict):
        return value
    [(kind, text)] = value.items()
    if kind == "map":
        return {decoded(k): decoded(v) for k, v in text}
    return float.fromhex(text) if kind == "double" else _TYPES[kind](text)
