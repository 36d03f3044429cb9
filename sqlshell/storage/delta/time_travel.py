"""Which version a number or a time means, as Delta on Spark decides it (FACTS-storage, section 3).

A commit's time is its file's modification time, made strictly monotone (each at least 1 ms after the one before), or
the in-commit timestamp from the version on that enabled those. A time means the latest commit at or before it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from sqlshell.errors import AnalysisError, OperationalError
from sqlshell.storage.delta.log import LogListing, commit_name

if TYPE_CHECKING:
    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.delta.table import DeltaTable

EPOCH = datetime(1970, 1, 1)  # naive UTC, as literals are
MILLISECOND = timedelta(milliseconds=1)
CHECKED = "checked"
"""Where a snapshot keeps the version that was the latest when its files were looked for."""


class VersionLike(Protocol):
    """`plan.context.TableVersion`: kind "version" (an int) or "timestamp" (naive UTC)."""

    @property
    def kind(self) -> str: ...

    @property
    def value(self) -> Any: ...


def resolve(table: DeltaTable, wanted: VersionLike, *, zone: str = "UTC", lenient: bool = False) -> int:
    """The version number. `lenient` takes a time after the last commit as the latest version.

    Raises DELTA_VERSION_NOT_FOUND, DELTA_TIMESTAMP_GREATER_THAN_COMMIT or
    DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION; the messages name what can be read, with times in `zone`.
    """
    if wanted.kind == "timestamp":
        if wanted.value is None:
            raise AnalysisError("the time travel timestamp is NULL", condition="DELTA_TIMESTAMP_INVALID")
        return version_at(table, to_ms(wanted.value), zone=zone, lenient=lenient)
    version = int(wanted.value)
    if table.knows(version):
        return version
    check_version(table, table.listing(), version, zone)
    return version


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch of a naive UTC time, rounded down."""
    return (moment - EPOCH) // MILLISECOND


def version_at(
    table: DeltaTable, moment_ms: int, *, zone: str = "UTC", lenient: bool = False, early: bool = False
) -> int:
    """The latest version committed at or before a time. `lenient` takes a time after the last commit as the latest
    version, `early` one before the first as that."""
    listing = table.listing()
    first = _earliest(table, listing)
    times = commit_times(table, listing, first)
    last = max(times)
    if moment_ms < times[first] and early:
        return first
    if moment_ms < times[first]:
        raise AnalysisError(
            f"the timestamp {show(moment_ms, zone)} is before the earliest version of '{table.location}' that can "
            f"be read: version {first} of {show(times[first], zone)}",
            condition="DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION",
            hint=_range_hint(times, zone),
        )
    if moment_ms > times[last] and not lenient:
        raise AnalysisError(
            f"the timestamp {show(moment_ms, zone)} is after the latest version of '{table.location}': version "
            f"{last} of {show(times[last], zone)}",
            condition="DELTA_TIMESTAMP_GREATER_THAN_COMMIT",
            hint=f"use a timestamp at or before '{show(times[last], zone)}', no time travel for the latest "
            "version, or SET sqlshell.timeTravel.lenient = true",
        )
    return max(v for v, t in times.items() if t <= moment_ms)


def check_version(table: DeltaTable, listing: LogListing, version: int, zone: str = "UTC") -> None:
    """Raise DELTA_VERSION_NOT_FOUND, naming the readable range with its times, for a version outside it."""
    first, latest = _earliest(table, listing), listing.latest
    assert latest is not None
    if first <= version <= latest:
        return
    times = commit_times(table, listing, first)
    why = ""
    if 0 <= version < first:
        why = " (older ones were removed by the cleanup of the log)"
    raise AnalysisError(
        f"'{table.location}' has no version {version}: its versions are {first} to {latest}{why}",
        condition="DELTA_VERSION_NOT_FOUND",
        hint=_range_hint(times, zone),
    )


def check_files(table: DeltaTable, snapshot: Snapshot) -> None:
    """Raise DELTA_FILE_NOT_FOUND when files of an old version are gone, telling who removed them.

    Only files that the latest version does not have are looked for, once while no version is added: who removes files
    says so in the log.
    """
    latest = table.latest().version
    if snapshot.version != latest and snapshot.derived.get(CHECKED) != latest:
        check_paths(table, snapshot, snapshot.files().column("path", lambda a: a.path))
        snapshot.derived[CHECKED] = latest


def check_paths(table: DeltaTable, snapshot: Snapshot, paths: list[str]) -> None:
    """As `check_files`, for files that versions up to that of `snapshot` had."""
    latest = table.latest()
    live = {*latest.files().column("path", lambda a: a.path)}
    gone = [p for p in paths if p not in live and not _is_there(table, p)]
    if not gone:
        return
    vacuums = [h for h in table.history() if h.info is not None and h.info.operation.startswith("VACUUM")]
    by = next((h for h in vacuums if h.version > snapshot.version), None)
    who = "" if by is None else f"; VACUUM ran as version {by.version}"
    if by is not None and by.info is not None and by.info.user:
        who += f" (by {by.info.user})"
    raise OperationalError(
        f"version {snapshot.version} of '{table.location}' cannot be read any more: {len(gone)} of its "
        f"{len(paths)} data files were removed ({gone[0]}){who}",
        condition="DELTA_FILE_NOT_FOUND_DETAILED",
        hint=f"version {latest.version} is the latest; DESCRIBE HISTORY lists all",
    )


def _is_there(table: DeltaTable, path: str) -> bool:
    from sqlshell.storage.delta.source import absolute_path

    return table.store.stat(absolute_path(table.location, path)) is not None


def commit_times(table: DeltaTable, listing: LogListing, first: int) -> dict[int, int]:
    """Version to commit time (ms), monotone, for every commit from `first` on."""
    since = table.latest().in_commit_since()
    times: dict[int, int] = {}
    before: int | None = None
    versions = [v for v in listing.commits if v >= first]
    if not versions or versions[0] > first:
        versions.insert(0, first)  # only its checkpoint is left
    for version in versions:
        own = _own_time(table, version, listing, in_commit=since is not None and version >= since)
        before = own if before is None or own > before else before + 1
        times[version] = before
    return times


def _own_time(table: DeltaTable, version: int, listing: LogListing, *, in_commit: bool) -> int:
    if in_commit:
        info = table.commit_info(version) if version in listing.commits else None
        if info is not None and info.in_commit_timestamp is not None:
            return info.in_commit_timestamp
    found = table.store.stat(commit_name(version))
    if found is None:
        names = [c.files[0] for c in listing.checkpoints if c.version == version]
        found = table.store.stat(names[0]) if names else None
    return found.modified_ms if found is not None else 0


def _earliest(table: DeltaTable, listing: LogListing) -> int:
    first = listing.earliest_recreatable
    if first is None:
        raise AnalysisError(
            f"no version of '{table.location}' can be read: the log starts at commit {listing.commits[0]} and "
            "there is no complete checkpoint",
            condition="DELTA_NO_RECREATABLE_HISTORY_FOUND",
        )
    return first


def _range_hint(times: dict[int, int], zone: str) -> str:
    first, last = min(times), max(times)
    return (
        f"readable are versions {first} ({show(times[first], zone)}) to {last} ({show(times[last], zone)}); "
        "DESCRIBE HISTORY lists them"
    )


def show(moment_ms: int, zone: str) -> str:
    """A time as Spark prints timestamps: in the session's zone, without trailing zeros."""
    from zoneinfo import ZoneInfo

    moment = datetime.fromtimestamp(moment_ms // 1000, UTC).astimezone(ZoneInfo(zone))
    text = moment.strftime("%Y-%m-%d %H:%M:%S")
    millis = moment_ms % 1000
    return f"{text}.{millis:03d}".rstrip("0") if millis else text
