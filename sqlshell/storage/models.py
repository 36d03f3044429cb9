"""Versions of models as data: append-only folders below the catalog's object, nothing in them is ever executed.

    <warehouse>/<schema>/_models/<name>/_objects/NNNNNN.json    current version, aliases, the list of versions
    <warehouse>/<schema>/_models/<name>/_versions/<folder>/     one version, never changed
        model.json          what the model is: type, options, features, statistics, statement, sources, metrics
        parameters.json     numbers by name, with their shapes; parameters.arrow instead when they are many
        booster.ubj ...     artifacts in a library's own format
        manifest.json       sha256 of the files above; the catalog entry holds the manifest's own

JSON writes doubles so that they read back to the same bits.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError, CorruptInputError, did_you_mean
from sqlshell.records import dataclass, field
from sqlshell.storage import object_files as files

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlshell.errors import Span
    from sqlshell.storage.catalog import Catalog, CatalogObject, QualifiedName

KIND = "model"
MANY = 20_000
"""Numbers above which parameters are an Arrow file: JSON takes 20 bytes and 0.3 us for each."""


@dataclass(frozen=True)
class Parameter:
    """Numbers in row-major order."""

    shape: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class ModelVersion:
    """One version of a model as stored: `data` is model.json."""

    name: str
    version: int
    created_ms: int
    data: dict[str, Any]
    parameters: dict[str, Parameter]
    folder: str = ""
    """Where its files are."""
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    """Artifacts by file name."""


@dataclass(frozen=True)
class Reference:
    """`name[@vN | @alias | @timestamp:text]`."""

    name: tuple[str, ...]
    kind: str = ""  # version, alias, timestamp
    value: Any = None


def parse_reference(text: str) -> Reference:
    """The parts of a model reference as people (and the token pass) write it."""
    name, at, tag = text.partition("@")
    parts = tuple(p.strip("` ") for p in name.split("."))
    if not at:
        return Reference(parts)
    if tag[:1] in "vV" and tag[1:].isdigit():
        return Reference(parts, "version", int(tag[1:]))
    if tag.startswith("timestamp:"):
        return Reference(parts, "timestamp", tag.removeprefix("timestamp:"))
    return Reference(parts, "alias", tag)


class Models:
    """The models of a catalog. `schema()` completes names of one part."""

    def __init__(self, catalog: Catalog, schema: Callable[[], str]) -> None:
        self.catalog = catalog
        self.schema = schema
        self._loaded: dict[str, ModelVersion] = {}
        self._described: dict[str, dict[str, Any]] = {}

    # -- looking

    def qualified(self, name: tuple[str, ...], span: Span | None = None) -> QualifiedName:
        """(schema, name), lower case."""
        if len(name) > 2:
            raise AnalysisError(
                f"`{'.'.join(name)}` is no model name: write schema.model",
                condition="IDENTIFIER_TOO_MANY_NAME_PARTS",
                span=span,
            )
        schema = name[0] if len(name) == 2 else self.schema()
        return schema.lower(), name[-1].lower()

    def entry(self, name: tuple[str, ...], span: Span | None = None) -> CatalogObject:
        """The catalog entry of a model. Raises MODEL_NOT_FOUND with near names."""
        schema, own = self.qualified(name, span)
        found = self.catalog.get(KIND, (schema, own))
        if found is None:
            known = [o.name for o in self.catalog.list_objects(KIND, schema)]
            raise AnalysisError(
                f"there is no model `{'.'.join(name)}`",
                condition="MODEL_NOT_FOUND",
                span=span,
                hint=did_you_mean(own, known) or "SHOW MODELS lists them",
            )
        return found

    def exists(self, name: tuple[str, ...]) -> bool:
        """Whether there is a model of this name."""
        return self.catalog.get(KIND, self.qualified(name)) is not None

    def resolve(self, reference: Reference, span: Span | None = None) -> ModelVersion:
        """The version a reference means. Raises MODEL_NOT_FOUND, MODEL_VERSION_NOT_FOUND."""
        entry = self.entry(reference.name, span)
        return self.load(entry, self.version_of(entry, reference, span))

    def version_of(self, entry: CatalogObject, reference: Reference, span: Span | None = None) -> int:
        """The number of the version a reference means."""
        versions = [int(v) for v in entry.payload["versions"]]
        aliases = entry.payload.get("aliases", {})
        value = reference.value
        if reference.kind == "version" and isinstance(value, str):
            value = aliases.get(value.lower())
        elif reference.kind == "alias":
            value = aliases.get(str(value).lower())
        elif reference.kind == "timestamp":
            value = self._at(entry, str(value), span)
        elif not reference.kind:
            value = entry.payload["current"]
        if value not in versions:
            what = "version" if reference.kind == "version" else "alias"
            listed = (
                f"versions {versions[0]} to {versions[-1]}" if len(versions) > 1 else f"version {versions[0]}"
            )
            named = f"; aliases: {', '.join(sorted(aliases))}" if aliases else ""
            raise AnalysisError(
                f"the model `{entry.name}` has no {what} {reference.value}",
                condition="MODEL_VERSION_NOT_FOUND",
                span=span,
                hint=f"it has {listed}{named}",
            )
        return int(value)

    def _at(self, entry: CatalogObject, text: str, span: Span | None) -> int | None:
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            raise AnalysisError(
                f"'{text}' is no timestamp", condition="INVALID_TIME_TRAVEL_TIMESTAMP_EXPR", span=span
            ) from None
        ms = int(instant.replace(tzinfo=instant.tzinfo or UTC).timestamp() * 1000)
        then = self.catalog.get(KIND, (entry.schema, entry.name), ms)
        if then is None:
            raise AnalysisError(
                f"the model `{entry.name}` did not exist at {text}",
                condition="MODEL_VERSION_NOT_FOUND",
                span=span,
            )
        return int(then.payload["current"])

    def load(self, entry: CatalogObject, version: int) -> ModelVersion:
        """A version's data, its checksums checked; read once per session."""
        item = entry.payload["versions"][str(version)]
        home = self.catalog.directory(KIND, (entry.schema, entry.name))
        folder = os.path.join(home, "_versions", item["folder"])
        if folder not in self._loaded:
            self._loaded[folder] = _read(folder, item, entry.full_name, version)
        return self._loaded[folder]

    def described(self, entry: CatalogObject, version: int) -> dict[str, Any]:
        """A version's model.json only, its checksum checked; read once per session."""
        item = entry.payload["versions"][str(version)]
        home = self.catalog.directory(KIND, (entry.schema, entry.name))
        folder = os.path.join(home, "_versions", item["folder"])
        if folder in self._loaded:
            return self._loaded[folder].data
        if folder not in self._described:
            sums = json.loads(_checked(folder, "manifest.json", item["sha256"], entry.full_name))
            text = _checked(folder, "model.json", sums["model.json"], entry.full_name)
            self._described[folder] = json.loads(text)
        return self._described[folder]

    def listed(self, schema: str | None = None) -> list[CatalogObject]:
        """The models of a schema, by name."""
        return self.catalog.list_objects(KIND, (schema or self.schema()).lower())

    # -- writing

    def add(
        self,
        name: tuple[str, ...],
        data: dict[str, Any],
        parameters: dict[str, Parameter],
        description: str = "",
        artifacts: dict[str, bytes] | None = None,
    ) -> ModelVersion:
        """Append a version and make it the current one."""
        target = self.qualified(name)
        head = self.catalog.head(KIND, target)
        before = head.payload if head is not None and head.kind == KIND else {}
        versions = dict(before.get("versions", {}))
        number = max((int(v) for v in versions), default=0) + 1
        folder_name = f"{number:06d}-{secrets.token_hex(4)}"
        folder = os.path.join(self.catalog.directory(KIND, target), "_versions", folder_name)
        now = int(time.time() * 1000)
        manifest = _write(folder, {**data, "version": number, "created_ms": now}, parameters, artifacts or {})
        versions[str(number)] = {"folder": folder_name, "created_ms": now, "sha256": manifest}
        pins = {(s["location"], s["version"]) for s in data.get("sources", ()) if s.get("location")}
        versions[str(number)]["tables"] = sorted([self.catalog.relative(where), v] for where, v in pins)
        payload = {**before, "current": number, "versions": versions}
        if description:
            payload["description"] = description
        self.catalog.put(KIND, target, payload, head.version if head is not None else 0)
        return ModelVersion(".".join(target), number, now, data, parameters, folder, artifacts or {})

    def change(self, entry: CatalogObject, **changes: Any) -> None:
        """Write the model's entry anew: current version, aliases, description."""
        self.catalog.put(KIND, (entry.schema, entry.name), {**entry.payload, **changes}, entry.version)

    def rename(self, entry: CatalogObject, new: tuple[str, ...], span: Span | None = None) -> None:
        """Give a model another name: its versions are copied, the old name gets a tombstone."""
        target = self.qualified(new, span)
        if self.catalog.get(KIND, target) is not None:
            raise exists_error(new, span)
        old = self.catalog.directory(KIND, (entry.schema, entry.name))
        made = self.catalog.directory(KIND, target)
        for item in entry.payload["versions"].values():
            for file in files.names_in(os.path.join(old, "_versions", item["folder"])):
                data = files.read(os.path.join(old, "_versions", item["folder"], file))
                files.put_if_absent(os.path.join(made, "_versions", item["folder"], file), data)
        head = self.catalog.head(KIND, target)
        self.catalog.put(KIND, target, entry.payload, head.version if head is not None else 0)
        self.catalog.drop(KIND, (entry.schema, entry.name), entry.version, gone="renamed")

    def drop(self, entry: CatalogObject) -> None:
        """End a model with a tombstone; its versions stay on disk."""
        self.catalog.drop(KIND, (entry.schema, entry.name), entry.version)


def exists_error(name: tuple[str, ...], span: Span | None) -> AnalysisError:
    """The error for a model that is there already."""
    return AnalysisError(
        f"the model `{'.'.join(name)}` exists already",
        condition="MODEL_ALREADY_EXISTS",
        span=span,
        hint="CREATE OR REPLACE MODEL adds a version; CREATE MODEL IF NOT EXISTS keeps the one there is",
    )


def parameter_hash(parameters: dict[str, Parameter], artifacts: dict[str, bytes] | None = None) -> str:
    """sha256 over all parameters' names, shapes and bits, and over the artifacts."""
    import struct

    digest = hashlib.sha256()
    for name in sorted(parameters):
        p = parameters[name]
        digest.update(f"{name}{p.shape}".encode())
        digest.update(struct.pack(f"<{len(p.values)}d", *p.values))
    for name, content in sorted((artifacts or {}).items()):
        digest.update(f"{name}{len(content)}".encode())
        digest.update(content)
    return digest.hexdigest()


def _write(
    folder: str, data: dict[str, Any], parameters: dict[str, Parameter], artifacts: dict[str, bytes]
) -> str:
    """Write a version's files; returns the manifest's sha256."""
    contents = contents_of(data, parameters, artifacts)
    for name, content in contents.items():
        files.put_if_absent(os.path.join(folder, name), content)
    return hashlib.sha256(contents["manifest.json"]).hexdigest()


def contents_of(
    data: dict[str, Any], parameters: dict[str, Parameter], artifacts: dict[str, bytes]
) -> dict[str, bytes]:
    """A version's files by name; the manifest, with the sha256 of all others, comes last."""
    contents = {"model.json": json.dumps(data, ensure_ascii=False, indent=1).encode()}
    if sum(len(p.values) for p in parameters.values()) > MANY:
        contents["parameters.arrow"] = _to_arrow(parameters)
    else:
        plain = {n: {"shape": list(p.shape), "values": list(p.values)} for n, p in parameters.items()}
        contents["parameters.json"] = json.dumps(plain).encode()
    contents |= artifacts
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    contents["manifest.json"] = json.dumps(sums, indent=1).encode()
    return contents


def _read(folder: str, item: dict[str, Any], name: str, version: int) -> ModelVersion:
    data, parameters, artifacts = read_contents(folder, item["sha256"], name)
    return ModelVersion(name, version, int(item["created_ms"]), data, parameters, folder, artifacts)


def read_contents(
    folder: str, sha256: str | None, name: str
) -> tuple[dict[str, Any], dict[str, Parameter], dict[str, bytes]]:
    """model.json, parameters and artifacts, checksums checked; the manifest's own where it is known."""
    manifest = _checked(folder, "manifest.json", sha256, name)
    sums: dict[str, str] = json.loads(manifest)
    if any(not isinstance(n, str) or os.path.basename(n) != n or n.startswith(".") for n in sums):
        raise CorruptInputError(
            f"the manifest in '{folder}' names files elsewhere", condition="MODEL_ARTIFACT_DAMAGED"
        )
    data = json.loads(_checked(folder, "model.json", sums["model.json"], name))
    if "parameters.arrow" in sums:
        parameters = _from_arrow(_checked(folder, "parameters.arrow", sums["parameters.arrow"], name))
    else:
        plain = json.loads(_checked(folder, "parameters.json", sums["parameters.json"], name))
        parameters = {
            n: Parameter(tuple(p["shape"]), tuple(float(v) for v in p["values"])) for n, p in plain.items()
        }
    known = ("model.json", "parameters.json", "parameters.arrow")
    artifacts = {n: _checked(folder, n, s, name) for n, s in sums.items() if n not in known}
    return data, parameters, artifacts


def _checked(folder: str, file: str, sha256: str | None, name: str) -> bytes:
    path = os.path.join(folder, file)
    try:
        content = files.read(path)
    except FileNotFoundError:
        raise CorruptInputError(
            f"the file '{path}' of the model `{name}` is missing", condition="MODEL_ARTIFACT_DAMAGED"
        ) from None
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise CorruptInputError(
            f"the file '{path}' of the model `{name}` is not what was written: its checksum differs",
            condition="MODEL_ARTIFACT_DAMAGED",
            hint="restore the file, or train the model again: SHOW CREATE MODEL prints its statement",
        )
    return content


def _to_arrow(parameters: dict[str, Parameter]) -> bytes:
    import pyarrow as pa

    names = list(parameters)
    table = pa.table({
        "name": pa.array(names, pa.string()),
        "shape": pa.array([list(parameters[n].shape) for n in names], pa.list_(pa.int64())),
        "values": pa.array([list(parameters[n].values) for n in names], pa.large_list(pa.float64())),
    })  # fmt: skip
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _from_arrow(content: bytes) -> dict[str, Parameter]:
    import pyarrow as pa

    table = pa.ipc.open_file(pa.BufferReader(content)).read_all()
    rows = zip(*(table[c].to_pylist() for c in ("name", "shape", "values")), strict=True)
    return {name: Parameter(tuple(shape), tuple(values)) for name, shape, values in rows}
