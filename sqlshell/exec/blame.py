"""Which file it was: Polars does not always name the file it failed to read, so each is read alone. In
workers.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sqlshell.errors import CorruptInputError
from sqlshell.exec.collect import batches
from sqlshell.exec.errors import translate
from sqlshell.exec.lower import lower_plan
from sqlshell.exec.task import Split, TaskInput
from sqlshell.plan.logical import Scan
from sqlshell.storage.source import MemorySource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlshell.plan.logical import Plan
    from sqlshell.storage.source import Source

ROWS = 100_000


def name_corrupt_file(error: CorruptInputError, plan: Plan, task: TaskInput) -> CorruptInputError:
    """The same error, naming the first file of the task that cannot be read alone, if it names none yet."""
    pieces = list(_pieces(plan, task))
    if any(path in error.message for _, _, path in pieces):
        return error
    for scan, split, path in pieces:
        alone = TaskInput(splits=((split,),), settings=task.settings)
        try:
            deque(batches(lower_plan(scan, alone), ROWS), maxlen=0)
        except Exception as e:
            found = translate(e, path)
            if isinstance(found, CorruptInputError):
                return found
    return error


def _pieces(plan: Plan, task: TaskInput) -> Iterator[tuple[Scan, Split, str]]:
    for scan, splits in zip(plan.collect(Scan), task.splits, strict=True):
        source: Source | MemorySource = scan.source
        paths = source.paths if isinstance(source, MemorySource) else [f.path for f in source.files]
        for split in splits if splits is not None else (Split(i) for i in range(len(paths))):
            yield scan, split, paths[split.file]
