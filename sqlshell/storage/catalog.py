"""The catalog: a warehouse directory whose listing is the index. No database file, any number of processes.

    <warehouse>/<schema>/_schema/_objects/NNN.json      the schema's comment and properties
    <warehouse>/<schema>/<name>/_delta_log/             a managed table's log (its first incarnation)
    <warehouse>/<schema>/<name>/_objects/NNN.json       the relation `name`: table or view
    <warehouse>/<schema>/_functions/<name>/_objects/    functions; `_models/<name>/` likewise, and so on: each
                                                        kind but table and view has names of its own

An object is a row of numbered files, each written put-if-absent and never changed: the highest number counts.
DROP writes a tombstone, so UNDROP and looking back in time fall out. A directory with a log and no object files
is a table too: one that another program put there, or whose creator died right after its first commit.
Names are case-insensitive and kept in lower case. Nothing is created before the first write.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from typing import Any
from urllib.parse import unquote

from sqlshell.errors import AnalysisError, CorruptInputError, NotSupportedError, OperationalError
from sqlshell.records import dataclass
from sqlshell.storage import object_files as files
from sqlshell.storage.uri import resolve

CATALOG_NAME = "sqlshell"
DEFAULT_SCHEMA = "default"
RELATION = "relation"
"""The kind that finds tables and views alike: they share their names."""
RELATIONS = ("table", "view")
SCHEMA = "schema"
TOMBSTONE = "tombstone"
_MAX_NAME = 200
_OBJECTS = "_objects"

QualifiedName = tuple[str, str]
"""(schema, name)."""


class CatalogConflict(OperationalError):
    """Another session changed the object between our look and our write; looking again may help."""

    retryable = True
    default_condition = "CATALOG_CONCURRENT_CHANGE"


@dataclass(frozen=True)
class CatalogObject:
    """One version of one object. `payload` is what its owner stored; `time_ms` when this version was written.

    Tables have `provider` ("delta", "parquet" ...) and `location` in their payload: a path below the warehouse
    or an absolute one (`Catalog.location`). `external` says that DROP leaves the files alone.
    """

    kind: str
    schema: str
    name: str
    version: int
    time_ms: int
    payload: dict[str, Any]

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"


def default_warehouse() -> str:
    """SQLSHELL_WAREHOUSE, else a directory among the user's data."""
    data = os.environ.get("XDG_DATA_HOME") or os.path.join("~", ".local", "share")
    return os.environ.get("SQLSHELL_WAREHOUSE") or os.path.join(data, "sqlshell", "warehouse")


class Catalog:
    """Schemas and objects of one warehouse. Every call looks at the directory: nothing here goes stale."""

    def __init__(self, warehouse: str | None = None) -> None:
        self.warehouse = resolve(warehouse or default_warehouse(), remote=True)
        self.at_ms: int | None = None
        """The instant at which everything is looked up (SET TIME TRAVEL); None is the present."""

    # -- objects

    def get(self, kind: str, name: QualifiedName, as_of_ms: int | None = None) -> CatalogObject | None:
        """The object, or None when there is none (or it is dropped); `as_of_ms` looks back in time."""
        found = self.head(kind, name, as_of_ms)
        wanted = RELATIONS if kind == RELATION else (kind,)
        return found if found is not None and found.kind in wanted else None

    def head(self, kind: str, name: QualifiedName, as_of_ms: int | None = None) -> CatalogObject | None:
        """As `get`, but a dropped object is told by its tombstone. Its `version` is what `put` expects."""
        as_of_ms = self.at_ms if as_of_ms is None else as_of_ms
        directory = self.directory(kind, name)
        for number in reversed(_numbers(directory)):
            found = self._read(directory, name, number)
            if as_of_ms is None or found.time_ms <= as_of_ms:
                return found
        if kind in (RELATION, *RELATIONS) and not _numbers(directory):
            return self._adopted(directory, name)
        return None

    def versions(self, kind: str, name: QualifiedName) -> list[CatalogObject]:
        """Every version ever written, oldest first, tombstones too."""
        directory = self.directory(kind, name)
        return [self._read(directory, name, n) for n in _numbers(directory)]

    def list_objects(self, kind: str, schema: str, as_of_ms: int | None = None) -> list[CatalogObject]:
        """The objects of a kind in a schema, by name. RELATION gives tables and views."""
        wanted = RELATION if kind in RELATIONS else kind
        names = sorted(
            {_decode(n).lower() for n in files.names_in(self._home(wanted, schema)) if _visible(n)}
        )
        found = (self.get(wanted, (schema, n), as_of_ms) for n in names)
        return [o for o in found if o is not None and kind in (wanted, o.kind)]

    def put(
        self, kind: str, name: QualifiedName, payload: dict[str, Any], expected_version: int = 0
    ) -> CatalogObject:
        """Write the next version of an object. `expected_version` is the one it replaces, tombstones included;
        0 when the name was never used. Raises CatalogConflict when somebody else was faster."""
        return self._write(kind, kind, name, payload, expected_version)

    def drop(self, kind: str, name: QualifiedName, expected_version: int, **facts: Any) -> CatalogObject:
        """Write a tombstone: `facts` are remembered beside the version that it ends."""
        if expected_version == 0:  # a bare log has no object file yet, and UNDROP needs one
            found = self.get(kind, name)
            if found is None:
                raise CatalogConflict(f"`{'.'.join(name)}` was dropped by another session meanwhile")
            expected_version = self.put(found.kind, name, found.payload, found.version).version
        return self._write(kind, TOMBSTONE, name, {**facts, "dropped": expected_version}, expected_version)

    def undrop(self, kind: str, name: QualifiedName) -> CatalogObject:
        """Take back the last drop: what the tombstone ended becomes a new version. Raises UNDROP_NOT_POSSIBLE."""
        head = self.head(kind, name)
        problem = None
        if head is None or head.kind != TOMBSTONE:
            problem = f"there is no dropped {kind} `{'.'.join(name)}`"
        elif head.payload.get("gone"):
            problem = f"`{'.'.join(name)}` was {head.payload['gone']}: it cannot come back"
        else:
            last = self._read(self.directory(kind, name), name, head.payload["dropped"])
            if last.kind == kind:
                return self._write(kind, last.kind, name, last.payload, head.version)
            problem = f"what was dropped as `{'.'.join(name)}` is a {last.kind}"
        raise AnalysisError(problem, condition="UNDROP_NOT_POSSIBLE")

    def dropped(self, schema: str) -> list[CatalogObject]:
        """Tombstones of tables and views in a schema."""
        names = sorted(
            {_decode(n).lower() for n in files.names_in(self._home(RELATION, schema)) if _visible(n)}
        )
        heads = (self.head(RELATION, (schema, n)) for n in names)
        return [h for h in heads if h is not None and h.kind == TOMBSTONE]

    def bury(self, name: QualifiedName, tombstone: CatalogObject, why: str) -> None:
        """Say of a dropped table that it cannot come back."""
        self._write(RELATION, TOMBSTONE, name, {**tombstone.payload, "gone": why}, tombstone.version)

    # -- schemas

    def schemas(self, as_of_ms: int | None = None) -> list[str]:
        """Names of the schemas, `default` among them."""
        found = {_decode(n).lower() for n in files.names_in(self.warehouse) if _visible(n)}
        return sorted(n for n in {*found, DEFAULT_SCHEMA} if self.has_schema(n, as_of_ms))

    def has_schema(self, schema: str, as_of_ms: int | None = None) -> bool:
        """Whether there is such a schema."""
        lowered = schema.lower()
        if lowered == DEFAULT_SCHEMA:
            return True
        as_of_ms = self.at_ms if as_of_ms is None else as_of_ms
        head = self.head(SCHEMA, (lowered, ""), as_of_ms)
        if head is not None:
            return head.kind != TOMBSTONE
        known = as_of_ms is not None and _numbers(self.directory(SCHEMA, (lowered, "")))
        return not known and _match(self.warehouse, lowered) is not None

    # -- places

    def directory(self, kind: str, name: QualifiedName) -> str:
        """Where an object lives; below it are its `_objects`, and what its owner keeps there."""
        schema, own = (p.lower() for p in name)
        if kind == SCHEMA:
            return os.path.join(self.schema_directory(schema), "_schema")
        home = self._home(kind, schema)
        return os.path.join(home, _match(home, own) or _encode(own))

    def location(self, table: CatalogObject) -> str:
        """The absolute location of a table's files."""
        return self.absolute(str(table.payload["location"]))

    def absolute(self, location: str) -> str:
        """A stored location: an absolute path or URI stays, others count from the warehouse."""
        if "://" in location or os.path.isabs(location):
            return location
        return os.path.join(self.warehouse, location)

    def relative(self, location: str) -> str:
        """A location as it is stored: from the warehouse when it lies inside, so that warehouses can be moved."""
        inside = self.warehouse + os.sep
        return location[len(inside) :] if location.startswith(inside) else location

    def new_location(self, name: QualifiedName) -> str:
        """Where a managed table to be made keeps its files: its own directory when the name was never used,
        else a fresh one inside it (the files of a dropped table stay for UNDROP)."""
        directory = self.directory(RELATION, name)
        numbers = _numbers(directory)
        if not numbers and not files.names_in(directory):
            return directory
        return os.path.join(directory, f"_table{len(numbers)}-{secrets.token_hex(4)}")

    def _home(self, kind: str, schema: str) -> str:
        directory = self.schema_directory(schema)
        return directory if kind in (RELATION, *RELATIONS) else os.path.join(directory, f"_{kind}s")

    def schema_directory(self, schema: str) -> str:
        """Where a schema's objects live."""
        return os.path.join(self.warehouse, _match(self.warehouse, schema.lower()) or _encode(schema.lower()))

    # -- files

    def _write(
        self, kind: str, written: str, name: QualifiedName, payload: dict[str, Any], expected: int
    ) -> CatalogObject:
        if self.at_ms is not None:
            raise NotSupportedError("the catalog looks back in time: it only reads")
        schema, own = (p.lower() for p in name)
        directory = self.directory(kind, name)
        before = self._read(directory, name, expected).time_ms if expected else 0
        now = max(int(time.time() * 1000), before + 1)
        made = CatalogObject(written, schema, own, expected + 1, now, payload)
        data = {"kind": written, "name": name[1], "time": now, "payload": payload}
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        path = os.path.join(directory, _OBJECTS, f"{made.version:06d}.json")
        if not files.put_if_absent(path, text.encode()):
            raise CatalogConflict(
                f"`{'.'.join(name)}` was changed by another session meanwhile",
                hint="look at what is there now and run the statement again",
            )
        return made

    def _read(self, directory: str, name: QualifiedName, number: int) -> CatalogObject:
        path = os.path.join(directory, _OBJECTS, f"{number:06d}.json")
        try:
            data = json.loads(files.read(path))
            kind, written, payload = str(data["kind"]), int(data["time"]), dict(data["payload"])
        except FileNotFoundError:
            raise CatalogConflict(f"`{'.'.join(name)}` vanished from the catalog meanwhile") from None
        except (ValueError, KeyError, TypeError):
            raise CorruptInputError(f"the catalog file '{path}' is damaged") from None
        return CatalogObject(kind, name[0].lower(), name[1].lower(), number, written, payload)

    def _adopted(self, directory: str, name: QualifiedName) -> CatalogObject | None:
        """A log without an object file: a managed table all the same."""
        if not files.names_in(os.path.join(directory, "_delta_log")):
            return None
        payload = {"provider": "delta", "location": self.relative(directory)}
        return CatalogObject("table", name[0].lower(), name[1].lower(), 0, 0, payload)


def _numbers(directory: str) -> list[int]:
    """The versions of the object in a directory, ascending."""
    names = files.names_in(os.path.join(directory, _OBJECTS))
    return sorted(int(n[:-5]) for n in names if n.endswith(".json") and n[:-5].isdigit())


def _match(home: str, name: str) -> str | None:
    """The entry of a directory that is called `name` in any case."""
    encoded = _encode(name)
    if files.is_directory(os.path.join(home, encoded)):
        return encoded
    entries = files.names_in(home)
    return next((e for e in sorted(entries) if _visible(e) and _decode(e).lower() == name), None)


def _visible(entry: str) -> bool:
    return not entry.startswith(("_", "."))


def _encode(name: str) -> str:
    """A name as one path component: percent signs for what a file system or a URI could misread."""
    encoded = "".join(c if c.isalnum() or c in "_- " else _percent(c) for c in name)
    if encoded[:1] == "_":
        encoded = _percent("_") + encoded[1:]
    if len(encoded.encode()) > _MAX_NAME:
        raise AnalysisError(f"the name `{name[:40]}...` is too long", condition="INVALID_IDENTIFIER")
    return encoded


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def _decode(entry: str) -> str:
    return unquote(entry)
