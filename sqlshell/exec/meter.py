"""What EXPLAIN ANALYZE and `.profile` want to know of a task: rows and times per operator, memory, spill. In workers.

Each operator's frame is led through a function that counts and hands on: Polars streams through it, but moves no
filter or slice past it (our own optimizer has done that), so that counts are those of the plan as it is shown.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from sqlshell.exec.platform import bytes_below, resident_bytes
from sqlshell.exec.task import Metrics

if TYPE_CHECKING:
    import polars as pl

    from sqlshell.plan.logical import Plan

SAMPLE_SECONDS = 0.02


class Meter:
    """Counts for one task. Operators are numbered as `plan.walk()` meets them."""

    def __init__(self, plan: Plan) -> None:
        self._numbers: dict[int, int] = {}
        for number, node in enumerate(plan.walk()):
            self._numbers.setdefault(id(node), number)
            size = number + 1
        self._rows: list[int | None] = [None] * size
        self._last = [0.0] * size
        self._start = time.perf_counter()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._memory = self._spilled = 0
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()

    def watch(self, node: Plan, lf: pl.LazyFrame) -> pl.LazyFrame:
        """The same rows, counted. A node that is not the plan's own (an iteration's) is left alone."""
        number = self._numbers.get(id(node))
        if number is None:
            return lf
        with self._lock:
            self._rows[number] = self._rows[number] or 0

        def count(frame: pl.DataFrame) -> pl.DataFrame:
            now = time.perf_counter() - self._start
            with self._lock:
                self._rows[number] = (self._rows[number] or 0) + frame.height
                self._last[number] = max(self._last[number], now)
            return frame

        return lf.map_batches(
            count, streamable=True, validate_output_schema=False, schema=lf.collect_schema()
        )

    def finish(self) -> Metrics:
        """What was counted; nothing is from now on."""
        self._over.set()
        self._sampler.join()
        return Metrics(tuple(self._rows), tuple(self._last), self._memory, self._spilled)

    def _sample(self) -> None:
        folder = os.environ.get("POLARS_OOC_SPILL_DIR")
        while True:
            self._memory = max(self._memory, resident_bytes(os.getpid()) or 0)
            if folder is not None:
                self._spilled = max(self._spilled, bytes_below(folder))
            if self._over.wait(SAMPLE_SECONDS):
                return
