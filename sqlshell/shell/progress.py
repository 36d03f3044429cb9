"""Progress of running work on stderr: one line that is drawn again, from half a second on."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.session import Session

WAIT, EVERY = 0.5, 0.1
LOOK_EVERY = 5
"""Memory and spill are looked up with every fifth drawing."""
SURE = 0.05
"""The share of the work that must be done before the rest is estimated."""
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


@dataclass
class StageWork:
    """One stage: its tasks, those done, and its share of the work (bytes it is estimated to read)."""

    tasks: int = 1
    done: int = 0
    weight: int = 1
    started: bool = False


@dataclass
class Progress:
    """What the engine's events have told of one statement."""

    started: float = field(default_factory=time.monotonic)
    stages: dict[int, StageWork] = field(default_factory=dict)
    rows: int = 0
    bytes: int = 0
    """Written by the tasks that are done."""
    retried: int = 0
    memory: int = 0
    spilled: int = 0
    training: str = ""
    """What the ranks of a gang told last."""

    def hear(self, event: Any) -> None:
        """Take in an event of `exec/run_state.py: QueryEvent` or `exec/gang.py: GangEvent`."""
        if not hasattr(event, "total"):
            self._hear_gang(event)
            return
        stage = self.stages.setdefault(event.stage, StageWork())
        match event.what:
            case "stage_planned":
                self.stages[event.stage] = StageWork(max(1, event.total), weight=max(1, event.bytes))
            case "stage_started" | "replanned":
                stage.tasks, stage.done, stage.started = max(1, event.total), 0, True
            case "chunk":
                self.rows += event.rows or 0
            case "task_done":
                stage.done = event.done
                self.bytes += event.bytes
            case "task_retried":
                self.retried += 1

    def _hear_gang(self, event: Any) -> None:
        stage = self.stages.setdefault(event.stage, StageWork())
        stage.started = True
        match event.what:
            case "gang_queued":
                self.training = "waiting for ranks"
            case "gang_started":
                self.training = "training"
            case "gang_restarted":
                self.retried += 1
                self.training = "training again"
            case "progress":
                shown = (
                    f"{k} {v:.6g}" if isinstance(v, float) else f"{k} {v}" for k, v in event.values.items()
                )
                self.training = ", ".join(["training", *shown])
            case "gang_done":
                stage.done = stage.tasks

    @property
    def share(self) -> float:
        """The share of the work that is done: tasks, weighed by what their stages read."""
        total = sum(s.weight for s in self.stages.values())
        return (
            sum(s.weight * min(1.0, s.done / s.tasks) for s in self.stages.values()) / total if total else 0.0
        )

    def line(self, now: float) -> str:
        """Time, stage, partitions, rows and their speed, bytes, memory, spill, and the time that is left."""
        from sqlshell.commands.profile_text import size

        seconds = now - self.started
        parts = [f"{_FRAMES[int(seconds / EVERY) % len(_FRAMES)]} {seconds:.1f} s"]
        running = [s for s in self.stages.values() if s.started]
        if running:
            complete = sum(s.done >= s.tasks for s in running)
            of = f" of {len(self.stages)}" if len(self.stages) > 1 else ""
            parts.append(f"stage {min(complete + 1, len(self.stages))}{of}")
            done, total = sum(s.done for s in running), sum(s.tasks for s in running)
            parts.append(f"{done} of {total} partition{'' if total == 1 else 's'}")
        if self.training:
            parts.append(self.training)
        if self.rows:
            speed = f" ({self.rows / seconds:,.0f}/s)" if seconds >= 1 else ""
            parts.append(f"{self.rows:,} rows{speed}")
        if self.bytes:
            parts.append(f"{size(self.bytes)} written")
        if self.memory:
            parts.append(f"memory {size(self.memory)}")
        if self.spilled:
            parts.append(f"spilled {size(self.spilled)}")
        if self.retried:
            parts.append(f"{self.retried} retried")
        if SURE <= self.share < 1 and seconds >= 1:
            parts.append(f"{_left(seconds * (1 - self.share) / self.share)} left")
        return " · ".join(parts)


def _left(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def fitting(line: str, columns: int) -> str:
    """The parts of a line that fit into the terminal; a line that wraps could not be drawn again."""
    parts = line.split(" · ")
    while len(parts) > 1 and len(" · ".join(parts)) >= columns:
        parts.pop(-2 if len(parts) > 2 else -1)  # the time that is left stays longest
    return " · ".join(parts)[: max(1, columns - 1)]


@contextlib.contextmanager
def shown(session: Session) -> Iterator[None]:
    """Draw the progress of what runs in the block; the line is gone afterwards."""
    progress, over = Progress(), threading.Event()

    def draw() -> None:
        if over.wait(WAIT):
            return
        number = 0
        while True:
            if number % LOOK_EVERY == 0:
                progress.memory, progress.spilled = session.engine.usage()
            number += 1
            line = fitting(progress.line(time.monotonic()), _columns())
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
            if over.wait(EVERY):
                break
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()

    controls = session.controls
    before, controls.on_event = controls.on_event, progress.hear
    thread = threading.Thread(target=draw, daemon=True)
    thread.start()
    try:
        yield
    finally:
        controls.on_event = before
        over.set()
        thread.join()


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80
