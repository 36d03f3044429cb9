"""Settings: one table of definitions, one `Settings` per session.

`spark.sql.*` keys that mean something here are mapped; the rest are accepted with a warning, so that scripts
from Spark run. Unknown `sqlshell.*` keys are errors with a suggestion.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, SafeModeError, did_you_mean
from sqlshell.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in {"true", "1", "on", "yes"}:
        return True
    if lowered in {"false", "0", "off", "no"}:
        return False
    raise ValueError("true or false")


def _positive(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise ValueError("a number from 1")
    return int(text)


_UNITS = {"": 1, "b": 1, "k": 10**3, "kb": 10**3, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9}
_UNITS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "t": 10**12, "tb": 10**12, "tib": 2**40}


def byte_count(text: str) -> int:
    """A size such as `1GB`, `512 MiB`, `4000000`."""
    stripped = text.strip().lower()
    digits = stripped.rstrip("bkmgti ")
    unit = stripped[len(digits) :].strip()
    if unit not in _UNITS:
        raise ValueError("a size such as 512MB or 4GiB")
    try:
        value = int(float(digits) * _UNITS[unit])
    except ValueError:
        value = 0
    if value < 1:
        raise ValueError("a size such as 512MB or 4GiB")
    return value


def _time_zone(text: str) -> str:
    from zoneinfo import ZoneInfo

    name = text.strip()
    if name.upper() in {"UTC", "Z", "GMT"}:
        return "UTC"
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("a time zone such as UTC or Europe/Berlin") from None
    return name


def _names(text: str) -> tuple[str, ...]:
    return tuple(n.strip() for n in text.split(",") if n.strip())


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        lowered = text.strip().lower()
        if lowered not in allowed:
            raise ValueError(" or ".join(allowed))
        return lowered

    return parse


@dataclass(frozen=True)
class Definition:
    """One setting: its parser (ValueError text says what is expected), default, doc, and Spark spelling."""

    key: str
    parse: Callable[[str], Any]
    default: Any
    doc: str
    spark: str | None = None


DEFINITIONS = (
    Definition(
        "sqlshell.workers", _positive, None, "Pool worker processes; above 1 makes the pool the default."
    ),
    Definition(
        "sqlshell.partitions",
        _positive,
        None,
        "Partitions of every exchange; above 1 forces the pool.",
    ),
    Definition(
        "sqlshell.memory_limit",
        byte_count,
        None,
        "Working memory of all workers together; default 70 % of RAM.",
    ),
    Definition(
        "sqlshell.timeZone",
        _time_zone,
        "UTC",
        "Session time zone: how timestamps are read and shown.",
        "spark.sql.session.timeZone",
    ),
    Definition("sqlshell.optimizer.disabled", _names, (), "Optimizer rules to skip, by name."),
    Definition(
        "sqlshell.deterministic", _boolean, False, "Ordered joins and aggregates: equal bits every run."
    ),
    Definition(
        "sqlshell.gang_slots",
        _positive,
        None,
        "Ranks that all barrier stages together may run; default 8, or two per core where that is more.",
    ),
    Definition(
        "sqlshell.timeTravel.lenient",
        _boolean,
        False,
        "TIMESTAMP AS OF a time after a table's last commit reads the latest version; else it is an error.",
    ),
    Definition(
        "sqlshell.deletionVectors",
        _boolean,
        True,
        "New tables allow deletion vectors: small deletes and updates do not rewrite files.",
        "spark.databricks.delta.properties.defaults.enableDeletionVectors",
    ),
    Definition(
        "sqlshell.vacuum.retentionCheck",
        _boolean,
        True,
        "VACUUM refuses to remove files that the table's delta.deletedFileRetentionDuration keeps.",
        "spark.databricks.delta.retentionDurationCheck.enabled",
    ),
    Definition(
        "sqlshell.commit.userMetadata",
        str,
        None,
        "A text that every commit keeps beside it; DESCRIBE HISTORY shows it.",
        "spark.databricks.delta.commitInfo.userMetadata",
    ),
    Definition(
        "sqlshell.safe",
        _boolean,
        False,
        "Safe mode, on for good once it is: files below the working directory only, no network, no writes.",
    ),
    Definition("sqlshell.spill_dir", str, None, "Where exchanges go that do not fit in memory."),
    Definition(
        "sqlshell.broadcast_limit",
        byte_count,
        64 * 2**20,
        "Largest build side that is sent to every pool worker.",
        "spark.sql.autoBroadcastJoinThreshold",
    ),
    Definition(
        "sqlshell.write.codec",
        _choice("zstd", "snappy", "gzip", "lz4", "none", "uncompressed"),
        "zstd",
        "Compression of Parquet files that statements write.",
        "spark.sql.parquet.compression.codec",
    ),
    Definition("sqlshell.write.level", _positive, None, "Compression level; unset is the codec's own."),
    Definition("sqlshell.write.rowGroupRows", _positive, 122_880, "Rows of a Parquet row group."),
    Definition(
        "sqlshell.write.partitionOverwriteMode",
        _choice("static", "dynamic"),
        "static",
        "What INSERT OVERWRITE replaces: all partitions, or those that it writes to.",
        "spark.sql.sources.partitionOverwriteMode",
    ),
)

_BY_KEY = {d.key.lower(): d for d in DEFINITIONS} | {d.spark.lower(): d for d in DEFINITIONS if d.spark}

_SPARK_FIXED = {"spark.sql.ansi.enabled": "true", "spark.sql.casesensitive": "false"}
"""Spark settings with one supported value: setting another is refused, not ignored."""


class Settings:
    """The settings of one session; reads are by canonical key and typed."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._foreign: dict[str, str] = {}
        self._open: frozenset[str] | None = None
        """The keys, in lower case, that can still be set; None is all."""

    def lock(self, keys: frozenset[str]) -> None:
        """From now on only these keys (lower case) can be set or reset, and safe mode stays on."""
        self._open = keys

    def _check_open(self, key: str, text: str | None) -> None:
        lowered = key.lower()
        if self._open is None or (lowered not in _BY_KEY and not lowered.startswith("sqlshell.")):
            return
        canonical = _BY_KEY[lowered].key.lower() if lowered in _BY_KEY else lowered
        if canonical == "sqlshell.safe":
            if text is None or not _boolean(text):
                raise SafeModeError("safe mode stays on")
        elif canonical not in self._open:
            raise SafeModeError(f"safe mode does not allow to change {key}")

    def state(self) -> tuple[dict[str, Any], dict[str, str]]:
        """What is set now, for `restore`."""
        return dict(self._values), dict(self._foreign)

    def take(self, other: Settings) -> None:
        """Begin where others are, with what is locked there."""
        self._values, self._foreign, self._open = dict(other._values), dict(other._foreign), other._open

    def restore(self, state: tuple[dict[str, Any], dict[str, str]]) -> None:
        """Back to what `state` gave; what is locked stays."""
        locked = {
            k: v for k, v in self._values.items() if self._open is not None and k.lower() not in self._open
        }
        safe = {"sqlshell.safe": True} if self._open is not None else {}
        self._values, self._foreign = dict(state[0]) | locked | safe, dict(state[1])

    def get(self, key: str) -> Any:
        """The typed value of a known key (canonical or Spark spelling)."""
        definition = _BY_KEY[key.lower()]
        return self._values.get(definition.key, definition.default)

    def set(self, key: str, text: str) -> str | None:
        """Set a key from text; gives a warning to show, or None. Raises AnalysisError for a bad key or value."""
        lowered = key.lower()
        definition = _BY_KEY.get(lowered)
        self._check_open(key, text)
        if definition is not None:
            try:
                self._values[definition.key] = definition.parse(text)
            except ValueError as e:
                raise AnalysisError(
                    f"the setting {key} takes {e}, not '{text}'", condition="INVALID_CONF_VALUE"
                ) from None
            return None
        if lowered in _SPARK_FIXED:
            if text.strip().lower() != _SPARK_FIXED[lowered]:
                raise AnalysisError(
                    f"{key} is always {_SPARK_FIXED[lowered]} in sqlshell", condition="INVALID_CONF_VALUE"
                )
            return None
        if lowered.startswith("sqlshell."):
            raise AnalysisError(
                f"there is no setting {key}",
                condition="UNKNOWN_CONFIG",
                hint=did_you_mean(key, [d.key for d in DEFINITIONS]),
            )
        self._foreign[key] = text
        return f"{key} has no effect in sqlshell" if lowered.startswith("spark.") else None

    def text(self, key: str) -> str | None:
        """The value of any key as text; None when it is not set."""
        definition = _BY_KEY.get(key.lower())
        if definition is None:
            return self._foreign.get(key, _SPARK_FIXED.get(key.lower()))
        value = self.get(key)
        if isinstance(value, tuple):
            return ",".join(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        return None if value is None else str(value)

    def reset(self, key: str | None = None) -> None:
        """Back to defaults: one key, or all of them."""
        if key is None:
            self.restore(({}, {}))
            return
        self._check_open(key, None)
        definition = _BY_KEY.get(key.lower())
        if definition is not None:
            self._values.pop(definition.key, None)
        self._foreign.pop(key, None)

    def items(self) -> Iterator[tuple[str, str | None, str]]:
        """(key, value as text, doc) of every definition, then what was set of other keys."""
        for d in DEFINITIONS:
            yield d.key, self.text(d.key), d.doc
        for key, value in self._foreign.items():
            yield key, value, ""

    def snapshot(self) -> dict[str, Any]:
        """All typed values by canonical key: what tasks carry."""
        return {d.key: self.get(d.key) for d in DEFINITIONS}


@dataclass
class Controls:
    """What a door asks of every statement of a session: progress events, a limit in seconds, results as text.

    `export` is the text format that workers may write large results in (`exec/export.py`).
    """

    on_event: Callable[[Any], None] | None = None
    timeout: float | None = None
    export: str | None = None
    max_rows: int | None = None
    """Results with more rows are an error (safe mode), unless the door `cuts` them there and says so."""
    cuts: bool = False
    max_bytes: int | None = None
    """Statements that would read more are refused before they run."""


def total_memory() -> int:
    """Bytes of physical memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
