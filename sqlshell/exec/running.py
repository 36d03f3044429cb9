"""A query on its way: its rows can be read, file by file, while its last stage still runs.

Nobody else drives the query: whoever waits for rows hears the workers' events in the meantime, and their errors.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlshell.errors import InterfaceError, QueryCancelled, QueryTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from queue import SimpleQueue

    from sqlshell.exec.cluster.base import Event
    from sqlshell.exec.scheduler import Scheduler
    from sqlshell.exec.stage import Stage
    from sqlshell.exec.task import TaskResult


class ResultHandle:
    """The rows of a query: `rows_inline` when few, else Arrow IPC files in edge form, in order.

    Iterating gives the files as they are written; a query that fails meanwhile raises there. What tells of the
    whole result (`rows`, `paths`, `size`) waits for its end. `close()` ends the query and removes the files.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        events: SimpleQueue[Event],
        timeout: float | None,
        end: Callable[..., None],
    ) -> None:
        self.scheduler = scheduler
        self._events = events
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._end: Callable[..., None] | None = end
        """Told whether the query `finished` and whether to `keep` its files; None once they are gone."""
        self._finished = False
        scheduler.start()

    def until_rows(self) -> None:
        """Wait for the first file, or for the end."""
        self._wait_for(0)

    def finish(self) -> None:
        """Wait for the end. Raises the query's typed error; nothing of a failed query stays behind."""
        self._drive(lambda: False)

    def __iter__(self) -> Iterator[str]:
        """The files in order; from the first one on, a lost worker can no longer be made up for."""
        position = 0
        while True:
            self._wait_for(position)
            if self._end is None:
                raise InterfaceError("the result is closed")
            ref = self.scheduler.result_file(position, take=True)
            if ref is None:
                return
            yield ref.path
            position += 1

    @property
    def rows(self) -> int:
        self.finish()
        return sum(r.rows or 0 for r in self.scheduler.results())

    @property
    def rows_inline(self) -> list[tuple[Any, ...]] | None:
        """All rows of a finished query when they are few."""
        if not self.scheduler.finished:
            return None
        results = self.scheduler.results()
        if len(results) == 1 and results[0].inline is not None:
            return list(results[0].inline)
        return [] if not any(r.outputs or r.rows for r in results) else None

    @property
    def paths(self) -> list[str]:
        self.finish()
        return [ref.path for r in self.scheduler.results() for ref in r.outputs]

    @property
    def size(self) -> int:
        """Bytes of the files."""
        self.finish()
        return sum(ref.bytes for r in self.scheduler.results() for ref in r.outputs)

    @property
    def stages(self) -> list[tuple[Stage, list[TaskResult]]]:
        """What has run so far, and what each task reported."""
        return self.scheduler.stage_summaries()

    def close(self) -> None:
        """End the query if it still runs, and remove its files."""
        if self._end is not None:
            end, self._end = self._end, None
            if not self._finished and self.scheduler.error is None:
                self.scheduler.error = QueryCancelled("the result was closed")
            end(finished=self._finished, keep=False)

    def __del__(self) -> None:
        if not self._finished:  # nobody can ask for the rows any more
            self.close()

    def _wait_for(self, position: int) -> None:
        self._drive(lambda: self.scheduler.result_file(position) is not None)

    def _drive(self, enough: Callable[[], bool]) -> None:
        """Hear events until there is enough to go on with, or the query is over."""
        scheduler = self.scheduler
        try:
            while not scheduler.finished and not enough():
                self._hear()
            if scheduler.error is not None:
                raise scheduler.error
        except BaseException:  # also an interrupt, which goes on as such
            self.close()
            raise
        if scheduler.finished and not self._finished:
            self._finished = True
            if self._end is not None:
                self._end(finished=True, keep=True)

    def _hear(self) -> None:
        from queue import Empty

        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        try:
            event = self._events.get(timeout=left)
        except Empty:
            message = f"the query ran longer than {self._timeout:g} seconds"
            self.scheduler.error = QueryTimeout(message)
            return
        self.scheduler.handle(event)
