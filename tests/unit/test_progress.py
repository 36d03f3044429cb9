"""The line of progress: what it makes of the engine's events."""

from __future__ import annotations

from sqlshell.exec.gang import GangEvent
from sqlshell.exec.run_state import QueryEvent
from sqlshell.shell.progress import Progress, fitting


def test_a_query() -> None:
    progress = Progress(started=0.0)
    for event in (
        QueryEvent("stage_planned", 0, total=4, bytes=9_000),
        QueryEvent("stage_planned", 1, total=2, bytes=1_000),
        QueryEvent("stage_started", 0, total=4),
        QueryEvent("task_done", 0, 0, done=1, total=4, bytes=500),
        QueryEvent("task_retried", 0, 1),
        QueryEvent("task_done", 0, 1, done=2, total=4, bytes=1_500_000),
    ):
        progress.hear(event)
    progress.memory, progress.spilled = 250_000_000, 1_000_000
    assert progress.share == 0.45
    assert progress.line(9.0)[2:] == (
        "9.0 s · stage 1 of 2 · 2 of 4 partitions · 1.5 MB written · memory 250.0 MB · spilled 1.0 MB"
        " · 1 retried · 11 s left"
    )
    progress.hear(QueryEvent("stage_started", 1, total=2))
    progress.hear(QueryEvent("chunk", 1, 0, rows=30_000))
    assert "stage 1 of 2 · 2 of 6 partitions · 30,000 rows (1,000/s)" in progress.line(30.0)
    assert fitting("a · b · c · 11 s left", 16) == "a · 11 s left"
    assert fitting("abcdef", 4) == "abc"


def test_a_solo_query_promises_nothing() -> None:
    progress = Progress(started=0.0)
    progress.hear(QueryEvent("stage_planned", 0, total=1, bytes=9))
    progress.hear(QueryEvent("stage_started", 0, total=1))
    assert progress.line(75.0)[2:] == "75.0 s · stage 1 · 0 of 1 partition"


def test_training() -> None:
    progress = Progress(started=0.0)
    progress.hear(QueryEvent("stage_planned", 3, total=8))
    progress.hear(GangEvent("gang_queued", 3))
    assert "waiting for ranks" in progress.line(1.0)
    progress.hear(GangEvent("progress", 3, rank=1, values={"iteration": 7, "loss": 0.25}))
    assert "training, iteration 7, loss 0.25" in progress.line(1.0)
    progress.hear(GangEvent("gang_restarted", 3, detail="lost"))
    assert "1 retried" in progress.line(1.0)
    progress.hear(GangEvent("gang_done", 3))
    assert progress.share == 1.0
