"""The actions of a Delta commit as frozen records, to and from the log's JSON lines (Delta protocol, "Actions")."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlshell.errors import CorruptInputError
from sqlshell.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable

PartitionValues = tuple[tuple[str, str | None], ...]
"""Physical column name and serialised value; None and the empty string are NULL."""


@dataclass(frozen=True)
class DeletionVector:
    """Where the positions of a file's deleted rows are: `u` (uuid file), `p` (absolute path) or `i` (inline)."""

    storage_type: str
    path_or_inline: str
    size: int
    cardinality: int
    offset: int | None = None

    @property
    def unique_id(self) -> str:
        """What tells one deletion vector from another (part of a file's key in the log)."""
        base = self.storage_type + self.path_or_inline
        return base if self.offset is None else f"{base}@{self.offset}"


@dataclass(frozen=True)
class Add:
    """A data file that belongs to the table. `path` is as in the log: percent-encoded, relative or absolute."""

    path: str
    partition_values: PartitionValues
    size: int
    modification_time: int
    data_change: bool = True
    stats: str | None = None
    tags: tuple[tuple[str, str | None], ...] = ()
    deletion_vector: DeletionVector | None = None
    base_row_id: int | None = None
    default_row_commit_version: int | None = None
    clustering_provider: str | None = None

    @property
    def key(self) -> str:
        """Path and deletion vector: what a later `remove` names."""
        return file_key(self.path, self.deletion_vector)

    def removed(self, deletion_timestamp: int, *, data_change: bool = True) -> Remove:
        """The action that takes this file out of the table."""
        return Remove(
            self.path,
            deletion_timestamp,
            data_change,
            self.partition_values,
            self.size,
            self.tags,
            self.deletion_vector,
            self.base_row_id,
            self.default_row_commit_version,
        )


@dataclass(frozen=True)
class Remove:
    """A data file that no longer belongs to the table (a tombstone)."""

    path: str
    deletion_timestamp: int | None
    data_change: bool = True
    partition_values: PartitionValues | None = None
    size: int | None = None
    tags: tuple[tuple[str, str | None], ...] = ()
    deletion_vector: DeletionVector | None = None
    base_row_id: int | None = None
    default_row_commit_version: int | None = None

    @property
    def key(self) -> str:
        return file_key(self.path, self.deletion_vector)


@dataclass(frozen=True)
class Cdc:
    """A file of row-level changes of this commit (change data feed)."""

    path: str
    partition_values: PartitionValues
    size: int
    tags: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True)
class Metadata:
    """The table's schema, partition columns and properties."""

    id: str
    schema_string: str
    partition_columns: tuple[str, ...] = ()
    configuration: dict[str, str] = field(default_factory=dict)
    name: str | None = None
    description: str | None = None
    created_time: int | None = None
    provider: str = "parquet"


@dataclass(frozen=True)
class Protocol:
    """What a reader and a writer must understand. Features are None below reader 3 / writer 7."""

    min_reader: int
    min_writer: int
    reader_features: frozenset[str] | None = None
    writer_features: frozenset[str] | None = None


@dataclass(frozen=True)
class Txn:
    """The newest version an application wrote, for idempotent writes."""

    app_id: str
    version: int
    last_updated: int | None = None


@dataclass(frozen=True)
class DomainMetadata:
    """Configuration of a named domain (clustering, row tracking, users')."""

    domain: str
    configuration: str
    removed: bool = False


@dataclass(frozen=True)
class CommitInfo:
    """Who did what: free-form JSON, as written."""

    values: dict[str, Any]

    @property
    def timestamp(self) -> int | None:
        """Milliseconds; says nothing about order (see `time_travel.py`)."""
        return _int(self.values.get("timestamp"))

    @property
    def in_commit_timestamp(self) -> int | None:
        return _int(self.values.get("inCommitTimestamp"))

    @property
    def operation(self) -> str:
        return str(self.values.get("operation") or "unknown operation")

    @property
    def user(self) -> str | None:
        name = self.values.get("userName") or self.values.get("userId")
        return None if name is None else str(name)

    @property
    def is_blind_append(self) -> bool:
        return self.values.get("isBlindAppend") is True

    @property
    def txn_id(self) -> str | None:
        found = self.values.get("txnId")
        return None if found is None else str(found)


@dataclass(frozen=True)
class Sidecar:
    """A file of a V2 checkpoint that holds add and remove actions."""

    path: str
    size: int


@dataclass(frozen=True)
class CheckpointMetadata:
    """The mark of a V2 checkpoint."""

    version: int


Action = (
    Add
    | Remove
    | Cdc
    | Metadata
    | Protocol
    | Txn
    | DomainMetadata
    | CommitInfo
    | Sidecar
    | CheckpointMetadata
)


def file_key(path: str, vector: DeletionVector | None) -> str:
    """Path and deletion vector as one text."""
    return path if vector is None else f"{path}\0{vector.unique_id}"


def _int(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


# -- JSON to actions


def parse_line(line: str | bytes) -> Action | None:
    """The action of one log line; None for a kind this protocol version does not know (to be ignored)."""
    for kind, body in json.loads(line).items():
        parse = _PARSERS.get(kind)
        if parse is not None and body is not None:
            return parse(body)
    return None


def parse_commit(text: bytes, name: str) -> list[Action]:
    """All actions of a commit file. Raises CORRUPT_INPUT naming the file and the line."""
    actions: list[Action] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            action = parse_line(line)
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            what = f"no field {e}" if isinstance(e, KeyError) else str(e)
            raise CorruptInputError(f"'{name}', line {number}: not a Delta log action ({what})") from None
        if action is not None:
            actions.append(action)
    return actions


def parse_vector(body: dict[str, Any] | None) -> DeletionVector | None:
    """A deletion vector descriptor."""
    if not body:
        return None
    return DeletionVector(
        body["storageType"],
        body["pathOrInlineDv"],
        int(body["sizeInBytes"]),
        int(body["cardinality"]),
        body.get("offset"),
    )


def _pairs(body: dict[str, Any] | None) -> tuple[tuple[str, Any], ...]:
    return tuple(body.items()) if body else ()


def _add(body: dict[str, Any]) -> Add:
    get = body.get
    vector = get("deletionVector")
    return Add(
        body["path"],
        _pairs(get("partitionValues")),
        body["size"],
        body["modificationTime"],
        get("dataChange", True),
        get("stats"),
        _pairs(get("tags")),
        parse_vector(vector) if vector else None,
        get("baseRowId"),
        get("defaultRowCommitVersion"),
        get("clusteringProvider"),
    )


def _remove(body: dict[str, Any]) -> Remove:
    values = body.get("partitionValues")
    return Remove(
        body["path"],
        body.get("deletionTimestamp"),
        body.get("dataChange", True),
        None if values is None else _pairs(values),
        body.get("size"),
        _pairs(body.get("tags")),
        parse_vector(body.get("deletionVector")),
        body.get("baseRowId"),
        body.get("defaultRowCommitVersion"),
    )


def _cdc(body: dict[str, Any]) -> Cdc:
    return Cdc(body["path"], _pairs(body.get("partitionValues")), body["size"], _pairs(body.get("tags")))


def _metadata(body: dict[str, Any]) -> Metadata:
    return Metadata(
        body["id"],
        body["schemaString"],
        tuple(body.get("partitionColumns") or ()),
        dict(body.get("configuration") or {}),
        body.get("name"),
        body.get("description"),
        body.get("createdTime"),
        (body.get("format") or {}).get("provider") or "parquet",
    )


def _features(names: Any) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _protocol(body: dict[str, Any]) -> Protocol:
    return Protocol(
        int(body["minReaderVersion"]),
        int(body["minWriterVersion"]),
        _features(body.get("readerFeatures")),
        _features(body.get("writerFeatures")),
    )


def _txn(body: dict[str, Any]) -> Txn:
    return Txn(body["appId"], int(body["version"]), body.get("lastUpdated"))


def _domain(body: dict[str, Any]) -> DomainMetadata:
    return DomainMetadata(body["domain"], body.get("configuration") or "", bool(body.get("removed")))


def _sidecar(body: dict[str, Any]) -> Sidecar:
    return Sidecar(body["path"], int(body["sizeInBytes"]))


def _mark(body: dict[str, Any]) -> CheckpointMetadata:
    return CheckpointMetadata(int(body["version"]))


_PARSERS: dict[str, Callable[[dict[str, Any]], Action]] = {
    "add": _add,
    "remove": _remove,
    "cdc": _cdc,
    "metaData": _metadata,
    "protocol": _protocol,
    "txn": _txn,
    "domainMetadata": _domain,
    "commitInfo": CommitInfo,
    "sidecar": _sidecar,
    "checkpointMetadata": _mark,
}


# -- actions to JSON


def to_json(action: Action) -> str:
    """One log line, without the newline."""
    kind, body = to_body(action)
    return json.dumps({kind: body}, separators=(",", ":"), ensure_ascii=False)


def to_body(action: Action) -> tuple[str, dict[str, Any]]:
    """The action's kind and its JSON object."""
    match action:
        case Add():
            body = _file_body(action)
            body["modificationTime"] = action.modification_time
            _set(body, stats=action.stats, clusteringProvider=action.clustering_provider)
            return "add", body
        case Remove():
            body = _file_body(action)
            _set(body, deletionTimestamp=action.deletion_timestamp)
            body["extendedFileMetadata"] = action.partition_values is not None and action.size is not None
            return "remove", body
        case Cdc():
            body = {
                "path": action.path,
                "partitionValues": dict(action.partition_values),
                "size": action.size,
                "dataChange": False,
            }
            return "cdc", _set(body, tags=dict(action.tags) or None)
        case Metadata():
            return "metaData", _metadata_body(action)
        case Protocol():
            body = {"minReaderVersion": action.min_reader, "minWriterVersion": action.min_writer}
            reader, writer = action.reader_features, action.writer_features
            return "protocol", _set(
                body,
                readerFeatures=None if reader is None else sorted(reader),
                writerFeatures=None if writer is None else sorted(writer),
            )
        case Txn():
            body = {"appId": action.app_id, "version": action.version}
            return "txn", _set(body, lastUpdated=action.last_updated)
        case DomainMetadata():
            body = {"domain": action.domain, "configuration": action.configuration}
            return "domainMetadata", body | {"removed": action.removed}
        case CommitInfo():
            return "commitInfo", action.values
        case Sidecar():
            return "sidecar", {"path": action.path, "sizeInBytes": action.size}
        case CheckpointMetadata():
            return "checkpointMetadata", {"version": action.version}


def _set(body: dict[str, Any], **values: Any) -> dict[str, Any]:
    body.update((k, v) for k, v in values.items() if v is not None)
    return body


def _file_body(action: Add | Remove) -> dict[str, Any]:
    body: dict[str, Any] = {"path": action.path}
    values, vector = action.partition_values, action.deletion_vector
    return _set(
        body,
        partitionValues=None if values is None else dict(values),
        size=action.size,
        dataChange=action.data_change,
        tags=dict(action.tags) or None,
        deletionVector=None if vector is None else vector_body(vector),
        baseRowId=action.base_row_id,
        defaultRowCommitVersion=action.default_row_commit_version,
    )


def vector_body(vector: DeletionVector) -> dict[str, Any]:
    """The JSON object of a deletion vector."""
    body = {"storageType": vector.storage_type, "pathOrInlineDv": vector.path_or_inline}
    _set(body, offset=vector.offset)
    return body | {"sizeInBytes": vector.size, "cardinality": vector.cardinality}


def _metadata_body(m: Metadata) -> dict[str, Any]:
    body: dict[str, Any] = {"id": m.id}
    _set(body, name=m.name, description=m.description)
    body["format"] = {"provider": m.provider, "options": {}}
    body["schemaString"] = m.schema_string
    body["partitionColumns"] = list(m.partition_columns)
    body["configuration"] = m.configuration
    return _set(body, createdTime=m.created_time)
