"""Where a malformed record is: after a CSV or JSON scan failed, its files are read again, slowly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import CorruptInputError, DataError, Error
from sqlshell.plan.logical import Plan, Scan
from sqlshell.storage.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlshell.exec.task import Split
    from sqlshell.storage.source import FileRange

HINT = "mode => 'PERMISSIVE' reads what does not fit as NULL, 'DROPMALFORMED' skips such records"


def locate(plan: Plan, error: Error, splits: Sequence[tuple[Split, ...] | None] = ()) -> Error:
    """The error with file, line and column when a text scan below `plan` holds a malformed record; else as it was.

    `splits` are the task's, where it does not read every file whole.
    """
    if not isinstance(error, (DataError, CorruptInputError)) or error.condition not in {
        "MALFORMED_RECORD_IN_PARSING",
        CorruptInputError.default_condition,
    }:
        return error
    scans = plan.collect(Scan)
    for scan, own in zip(scans, splits or (None,) * len(scans), strict=True):
        source = scan.source
        if isinstance(source, Source) and source.format in {"csv", "json"}:
            ranges: list[FileRange] = [(f, 0, None) for f in source.files]
            if own is not None:
                ranges = [(source.files[s.file], s.start, s.end) for s in own]
            place = _finder(source.format)(source, ranges)
            if place:
                return CorruptInputError(place, condition="MALFORMED_RECORD_IN_PARSING", hint=HINT)
    return error


def _finder(format: str) -> Callable[[Source, Sequence[FileRange]], str | None]:
    if format == "csv":
        from sqlshell.storage.csv_schema import find_malformed
    else:
        from sqlshell.storage.json_schema import find_malformed
    return find_malformed
