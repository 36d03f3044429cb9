"""Table properties that mean something to Delta: their values checked, and the table features they need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError, NotSupportedError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

_BOOLEAN = ("true", "false")
_NUMBER = re.compile(r"-?\d+")
_SIZE = re.compile(r"\d+\s*([kmgt]i?b?|b)?", re.IGNORECASE)
_INTERVAL = re.compile(
    r"(interval\s+)?\d+\s+(microsecond|millisecond|second|minute|hour|day|week)s?", re.IGNORECASE
)

KNOWN: dict[str, tuple[str, ...] | re.Pattern[str] | None] = {
    "delta.appendOnly": _BOOLEAN,
    "delta.autoOptimize.autoCompact": None,
    "delta.autoOptimize.optimizeWrite": _BOOLEAN,
    "delta.checkpoint.writeStatsAsJson": _BOOLEAN,
    "delta.checkpoint.writeStatsAsStruct": _BOOLEAN,
    "delta.checkpointInterval": _NUMBER,
    "delta.checkpointPolicy": ("classic", "v2"),
    "delta.columnMapping.mode": ("none", "name", "id"),
    "delta.dataSkippingNumIndexedCols": _NUMBER,
    "delta.dataSkippingStatsColumns": None,
    "delta.deletedFileRetentionDuration": _INTERVAL,
    "delta.enableChangeDataFeed": _BOOLEAN,
    "delta.enableDeletionVectors": _BOOLEAN,
    "delta.enableExpiredLogCleanup": _BOOLEAN,
    "delta.enableInCommitTimestamps": _BOOLEAN,
    "delta.enableTypeWidening": _BOOLEAN,
    "delta.isolationLevel": ("serializable", "writeserializable"),
    "delta.logRetentionDuration": _INTERVAL,
    "delta.parquet.compression.codec": ("snappy", "zstd", "gzip", "lz4", "uncompressed"),
    "delta.randomizeFilePrefixes": _BOOLEAN,
    "delta.setTransactionRetentionDuration": _INTERVAL,
    "delta.targetFileSize": _SIZE,
    "delta.tuneFileSizesForRewrites": _BOOLEAN,
}
_REFUSED = {
    "delta.enablerowtracking": "row tracking",
    "delta.enableicebergcompatv1": "Iceberg compatibility",
    "delta.enableicebergcompatv2": "Iceberg compatibility",
    "delta.universalformat.enabledformats": "universal format",
    "delta.compatibility.symlinkformatmanifest.enabled": "symlink manifests",
}
_FEATURES = {
    "delta.appendonly": "appendOnly",
    "delta.enablechangedatafeed": "changeDataFeed",
    "delta.enabledeletionvectors": "deletionVectors",
    "delta.enableincommittimestamps": "inCommitTimestamp",
    "delta.enabletypewidening": "typeWidening",
}
_BY_KEY = {k.lower(): k for k in KNOWN}
MAPPING_MODE = "delta.columnMapping.mode"
MAX_COLUMN_ID = "delta.columnMapping.maxColumnId"
CONSTRAINT = "delta.constraints."
_PROTOCOL = ("delta.minreaderversion", "delta.minwriterversion")


def checked(properties: Mapping[str, str]) -> dict[str, str]:
    """Properties as they are stored, with Delta's spelling of its own keys.

    `delta.feature.*` and the protocol's versions stay out: they are no properties but switches (`features_of`).
    Raises DELTA_UNKNOWN_CONFIGURATION or DELTA_VIOLATE_TABLE_PROPERTY_VALIDATION_FAILED.
    """
    found: dict[str, str] = {}
    for key, value in properties.items():
        lowered = key.lower()
        if not lowered.startswith("delta."):
            found[key] = value
        elif lowered in _REFUSED:
            if value.lower() != "false":
                raise NotSupportedError(f"{_REFUSED[lowered]} ({key}) is not supported")
        elif lowered in _BY_KEY:
            _check_value(key, value)
            found[_BY_KEY[lowered]] = value
        elif not lowered.startswith("delta.feature.") and lowered not in _PROTOCOL:
            raise AnalysisError(
                f"there is no table property {key}",
                condition="DELTA_UNKNOWN_CONFIGURATION",
                hint=did_you_mean(key, KNOWN)
                or "constraints are set by ADD CONSTRAINT; a key of your own must not start with delta.",
            )
    return found


def _check_value(key: str, value: str) -> None:
    allowed = KNOWN[_BY_KEY[key.lower()]]
    good = (
        allowed is None
        or (isinstance(allowed, tuple) and value.strip().lower() in allowed)
        or (isinstance(allowed, re.Pattern) and allowed.fullmatch(value.strip()) is not None)
    )
    if not good:
        hint = "one of " + ", ".join(allowed) if isinstance(allowed, tuple) else None
        if allowed is _INTERVAL:
            hint = "write it as 'interval 30 days'"
        raise AnalysisError(
            f"the table property {key} cannot be '{value}'",
            condition="DELTA_VIOLATE_TABLE_PROPERTY_VALIDATION_FAILED",
            hint=hint,
        )


def features_of(properties: Mapping[str, str]) -> set[str]:
    """The table features that properties switch on."""
    found: set[str] = set()
    for key, value in properties.items():
        lowered, enabled = key.lower(), value.strip().lower()
        if lowered.startswith("delta.feature.") and enabled in ("supported", "enabled"):
            found.add(key[len("delta.feature.") :])
        elif lowered in _FEATURES and enabled == "true":
            found.add(_FEATURES[lowered])
        elif lowered == MAPPING_MODE.lower() and enabled != "none":
            found.add("columnMapping")
        elif lowered == "delta.checkpointpolicy" and enabled == "v2":
            found.add("v2Checkpoint")
    if "clustering" in found:
        found.add("domainMetadata")
    return found


_MILLISECONDS = {
    "microsecond": 0.001,
    "millisecond": 1,
    "second": 1000,
    "minute": 60_000,
    "hour": 3_600_000,
    "day": 86_400_000,
    "week": 604_800_000,
}


def duration_ms(value: str | None, default: str) -> int:
    """Milliseconds of a property such as `interval 30 days`; of `default` when it is not set or not readable."""
    for text in (value or "", default):
        parts = re.findall(r"(\d+)\s+([a-z]+?)s?\b", text.lower())
        if parts and all(unit in _MILLISECONDS for _, unit in parts):
            return int(sum(int(number) * _MILLISECONDS[unit] for number, unit in parts))
    raise ValueError(default)
