"""Which Delta tables we read and write: table features by name. What is not listed here is refused by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlshell.errors import NotSupportedError
from sqlshell.storage.delta.actions import Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

READABLE = frozenset(
    {
        "columnMapping",
        "deletionVectors",
        "timestampNtz",
        "typeWidening",
        "typeWidening-preview",
        "v2Checkpoint",
        "vacuumProtocolCheck",
    }
)
"""Reader features (each is a writer feature too)."""

WRITABLE = READABLE | {
    "allowColumnDefaults",
    "appendOnly",
    "changeDataFeed",
    "checkConstraints",
    "clustering",
    "domainMetadata",
    "generatedColumns",
    "identityColumns",
    "inCommitTimestamp",
    "invariants",
}
"""Writer features."""

_LEGACY_WRITER = {
    2: ("appendOnly", "invariants"),
    3: ("checkConstraints",),
    4: ("changeDataFeed", "generatedColumns"),
    5: ("columnMapping",),
    6: ("identityColumns",),
}
"""What a writer version below 7 says, on top of the version before it."""

_LEGACY_VERSIONS = {f: v for v, names in _LEGACY_WRITER.items() for f in names}


def features(protocol: Protocol) -> frozenset[str]:
    """All features of a table, those that version numbers imply included."""
    if protocol.min_writer >= 7:
        return (protocol.writer_features or frozenset()) | (protocol.reader_features or frozenset())
    return frozenset(f for f, v in _LEGACY_VERSIONS.items() if v <= protocol.min_writer)


def check_readable(protocol: Protocol, location: str) -> None:
    """Raise UNSUPPORTED_FEATURE, naming the features, when the table needs a reader that we are not."""
    if protocol.min_reader > 3:
        raise _unsupported(location, f"reader version {protocol.min_reader}", "read")
    if protocol.min_reader == 3:
        _check(protocol.reader_features or frozenset(), READABLE, location, "read")


def check_writable(protocol: Protocol, location: str) -> None:
    """Raise UNSUPPORTED_FEATURE, naming the features, when the table needs a writer that we are not."""
    check_readable(protocol, location)
    if protocol.min_writer > 7:
        raise _unsupported(location, f"writer version {protocol.min_writer}", "write")
    _check(features(protocol), WRITABLE, location, "write")


def _check(needed: Iterable[str], known: frozenset[str], location: str, verb: str) -> None:
    missing = sorted(set(needed) - known)
    if missing:
        plural = "s" if len(missing) > 1 else ""
        raise _unsupported(location, f"the table feature{plural} {', '.join(missing)}", verb)


def _unsupported(location: str, what: str, verb: str) -> NotSupportedError:
    return NotSupportedError(
        f"the Delta table '{location}' needs {what}, which sqlshell cannot {verb} yet",
        condition="DELTA_UNSUPPORTED_FEATURES_FOR_READ"
        if verb == "read"
        else "DELTA_UNSUPPORTED_FEATURES_FOR_WRITE",
    )


def new_protocol(names: Iterable[str] = ()) -> Protocol:
    """The lowest protocol of a new table that has these features (Delta's default, (1, 2), without any)."""
    return with_features(Protocol(1, 2), names)


def with_features(protocol: Protocol, names: Iterable[str]) -> Protocol:
    """The protocol with further features: by version numbers while those can say it, else by name."""
    have = features(protocol)
    wanted = have | frozenset(names)
    if wanted == have:
        return protocol
    if protocol.min_writer < 7 and all(f in _LEGACY_VERSIONS for f in wanted):
        writer = max(_LEGACY_VERSIONS[f] for f in wanted)
        implied = frozenset(f for f, v in _LEGACY_VERSIONS.items() if v <= writer)
        if implied == wanted:
            return Protocol(2 if "columnMapping" in wanted else protocol.min_reader, writer)
    readers = wanted & READABLE
    if not readers:
        return Protocol(1, 7, None, wanted)
    return Protocol(3, 7, readers, wanted)
