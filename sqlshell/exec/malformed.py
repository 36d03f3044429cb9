"""Where a malformed record is: after a CSV or JSON scan failed, the files are read once more, slowly, to find it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import CorruptInputError, DataError, Error
from sqlshell.plan.logical import Plan, Scan
from sqlshell.storage.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable

HINT = "mode => 'PERMISSIVE' reads what does not fit as NULL, 'DROPMALFORMED' skips such records"


def locate(plan: Plan, error: Error) -> Error:
    """The error with file, line and column when a text scan below `plan` holds a malformed record; else as it was."""
    if not isinstance(error, (DataError, CorruptInputError)) or error.condition not in {
        "MALFORMED_RECORD_IN_PARSING",
        CorruptInputError.default_condition,
    }:
        return error
    for scan in plan.collect(Scan):
        source = scan.source
        if isinstance(source, Source) and source.format in {"csv", "json"}:
            place = _finder(source.format)(source)
            if place:
                return CorruptInputError(place, condition="MALFORMED_RECORD_IN_PARSING", hint=HINT)
    return error


def _finder(format: str) -> Callable[[Source], str | None]:
    if format == "csv":
        from sqlshell.storage.csv_schema import find_malformed
    else:
        from sqlshell.storage.json_schema import find_malformed
    return find_malformed
