"""Progress of running work on stderr: one line that is drawn again, from half a second on."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.config import Controls

WAIT, EVERY = 0.5, 0.1
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


@dataclass
class Progress:
    """What the engine's events have told of one statement."""

    started: float = field(default_factory=time.monotonic)
    stages: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Stage to (tasks done, tasks)."""
    rows: int = 0
    retried: int = 0

    def hear(self, event: Any) -> None:
        """Take in an event of `exec/run_state.py: QueryEvent`."""
        done, total = self.stages.get(event.stage, (0, event.total))
        match event.what:
            case "stage_started" | "replanned":
                self.stages[event.stage] = (0, event.total)
            case "task_done":
                self.stages[event.stage] = (event.done, event.total)
                self.rows += event.rows or 0
            case "task_retried":
                self.retried += 1
                self.stages[event.stage] = (done, total)

    def line(self, now: float) -> str:
        """The text of the line: time, stage, tasks, rows."""
        seconds = now - self.started
        parts = [f"{_FRAMES[int(seconds / EVERY) % len(_FRAMES)]} {seconds:.1f} s"]
        if self.stages:
            complete = sum(done >= total for done, total in self.stages.values())
            done = sum(d for d, _ in self.stages.values())
            total = sum(t for _, t in self.stages.values())
            parts.append(f"stage {min(complete + 1, len(self.stages))}")
            parts.append(f"{done} of {total} partition{'' if total == 1 else 's'}")
        if self.rows:
            parts.append(f"{self.rows:,} rows")
        if self.retried:
            parts.append(f"{self.retried} retried")
        return " · ".join(parts)


@contextlib.contextmanager
def shown(controls: Controls) -> Iterator[None]:
    """Draw the progress of what runs in the block; the line is gone afterwards."""
    progress, over = Progress(), threading.Event()

    def draw() -> None:
        if over.wait(WAIT):
            return
        while not over.wait(EVERY):
            sys.stderr.write(f"\r\x1b[K{progress.line(time.monotonic())}")
            sys.stderr.flush()
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()

    before, controls.on_event = controls.on_event, progress.hear
    thread = threading.Thread(target=draw, daemon=True)
    thread.start()
    try:
        yield
    finally:
        controls.on_event = before
        over.set()
        thread.join()
