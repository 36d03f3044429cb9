"""Names for versions: tags of a table, and tags of the whole lake (a version of every table at one instant).

    <table>/_tags/<name>/NNNNNN.json        {"version": v, ...}
    <warehouse>/_tags/<name>/NNNNNN.json    {"at": ms, "tables": {location: version}, ...}
    <table>/_branches/<name>/NNNNNN.json    {"version": v, "folder": name of a folder beside these, ...}

Each version of a tag is a file written put-if-absent; the last one counts, and `"dropped": true` ends it. Names are
kept in lower case. What a tag names, VACUUM and the cleanup of the log leave alone (`holders`).
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from sqlshell.errors import AnalysisError, CorruptInputError, did_you_mean
from sqlshell.records import dataclass
from sqlshell.storage import object_files as files
from sqlshell.storage.catalog import CatalogConflict
from sqlshell.storage.models import KIND as MODEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlshell.errors import Span
    from sqlshell.storage.catalog import Catalog
    from sqlshell.storage.delta.table import DeltaTable

TAGS = "_tags"
BRANCHES = "_branches"


@dataclass(frozen=True)
class Tag:
    """A tag as stored: `payload` has `version` (of a table) or `at` and `tables` (of the lake)."""

    name: str
    payload: dict[str, Any]

    @property
    def created_ms(self) -> int:
        return int(self.payload["created"])


class TagFolder:
    """The tags of one table or of the lake, or a table's branches. `what` names their owner in messages."""

    def __init__(self, home: str, what: str, folder: str = TAGS) -> None:
        self.home = os.path.join(home, folder)
        self.what = what
        self.noun = "branch" if folder == BRANCHES else "tag"
        self._plural = "branches" if folder == BRANCHES else "tags"

    def all(self) -> list[Tag]:
        """The tags there are, by name."""
        found = (self.get(unquote(n)) for n in sorted(files.names_in(self.home)))
        return [t for t in found if t is not None]

    def get(self, name: str) -> Tag | None:
        """A tag, in any case; None when there is none."""
        number, payload = self._head(name.lower())
        return None if number == 0 or payload.get("dropped") else Tag(name.lower(), payload)

    def require(self, name: str, span: Span | None = None) -> Tag:
        """As `get`. Raises DELTA_TAG_NOT_FOUND with near names."""
        found = self.get(name)
        if found is None:
            known = [t.name for t in self.all()]
            listed = (
                f"its {self._plural} are {', '.join(known[:10])}" if known else f"it has no {self._plural}"
            )
            raise AnalysisError(
                f"{self.what} has no {self.noun} '{name}'",
                condition=f"DELTA_{self.noun.upper()}_NOT_FOUND",
                span=span,
                hint=did_you_mean(name.lower(), known) or listed,
            )
        return found

    def put(self, name: str, payload: dict[str, Any], *, replace: bool, span: Span | None = None) -> Tag:
        """Make a tag. Raises DELTA_TAG_ALREADY_EXISTS unless `replace`, CatalogConflict when another was faster."""
        lowered = name.lower()
        if not lowered or lowered.isdecimal() or len(quote(lowered, safe="")) > 200:
            raise AnalysisError(
                f"'{name}' cannot name a {self.noun}: numbers are versions, and names have 1 to 200 characters",
                condition="INVALID_IDENTIFIER",
                span=span,
            )
        number, before = self._head(lowered)
        if number and not before.get("dropped") and not replace:
            raise AnalysisError(
                f"{self.what} has a {self.noun} '{lowered}' already",
                condition=f"DELTA_{self.noun.upper()}_ALREADY_EXISTS",
                span=span,
                hint=f"CREATE OR REPLACE {self.noun.upper()} takes its place",
            )
        payload = {**payload, "created": time.time_ns() // 1_000_000}
        self._write(lowered, number + 1, payload)
        return Tag(lowered, payload)

    def drop(self, name: str, span: Span | None = None) -> None:
        """End a tag. Raises DELTA_TAG_NOT_FOUND."""
        self.require(name, span)
        number, payload = self._head(name.lower())
        self._write(name.lower(), number + 1, {**payload, "dropped": True})

    def _folder(self, name: str) -> str:
        return os.path.join(self.home, quote(name, safe=" "))

    def _head(self, name: str) -> tuple[int, dict[str, Any]]:
        folder = self._folder(name)
        number = max((int(n[:-5]) for n in files.names_in(folder) if n[:-5].isdecimal()), default=0)
        if number == 0:
            return 0, {}
        path = os.path.join(folder, f"{number:06d}.json")
        try:
            return number, dict(json.loads(files.read(path)))
        except (ValueError, TypeError):
            raise CorruptInputError(f"the tag file '{path}' is damaged") from None

    def _write(self, name: str, number: int, payload: dict[str, Any]) -> None:
        path = os.path.join(self._folder(name), f"{number:06d}.json")
        text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        if not files.put_if_absent(path, text.encode()):
            raise CatalogConflict(
                f"the {self.noun} '{name}' was changed by another session meanwhile",
                hint=f"look at SHOW {self._plural.upper()} and run the statement again",
            )


def table_tags(location: str) -> TagFolder:
    """The tags of the table at a location."""
    return TagFolder(location, f"'{location}'")


def table_branches(location: str) -> TagFolder:
    """The branches of the table at a location."""
    return TagFolder(location, f"'{location}'", BRANCHES)


def lake_tags(catalog: Catalog) -> TagFolder:
    """The tags of the whole warehouse."""
    return TagFolder(catalog.warehouse, "the lake")


def tagged_version(catalog: Catalog, location: str, name: str) -> int:
    """The version a tag names: one of the table's own, else of the lake's. Raises DELTA_TAG_NOT_FOUND."""
    folder = table_tags(location)
    tag = folder.get(name)
    lake = lake_tags(catalog).get(name) if tag is None else None
    for where, version in lake.payload["tables"].items() if lake is not None else ():
        if catalog.absolute(where) == location:
            return int(version)
    return int((tag or folder.require(name)).payload["version"])


@dataclass(frozen=True)
class Holder:
    """Why a version of a table stays readable."""

    what: str
    version: int

    def __str__(self) -> str:
        return f"{self.what} (version {self.version})"


def holders(catalog: Catalog, location: str) -> Iterator[Holder]:
    """All tags and model versions that name a version of the table at a location."""
    for tag in table_tags(location).all():
        yield Holder(f"tag {tag.name}", int(tag.payload["version"]))
    for branch in table_branches(location).all():
        yield Holder(f"branch {branch.name}", int(branch.payload["version"]))
    for tag in lake_tags(catalog).all():
        for pinned, version in tag.payload["tables"].items():
            if catalog.absolute(pinned) == location:
                yield Holder(f"tag {tag.name} of the lake", int(version))
    yield from _models(catalog, location)


def held_versions(catalog: Catalog, table: DeltaTable) -> list[int]:
    """The versions that something holds, of those that can be read at all."""
    listing = table.listing()
    first, last = listing.earliest_recreatable, listing.latest
    if first is None or last is None:
        return []
    return sorted({h.version for h in holders(catalog, table.location) if first <= h.version <= last})


def _models(catalog: Catalog, location: str) -> Iterable[Holder]:
    for schema in catalog.schemas():
        for model in catalog.list_objects(MODEL, schema):
            for number, item in model.payload["versions"].items():
                for pinned, version in item.get("tables", ()):
                    if catalog.absolute(pinned) == location:
                        yield Holder(f"model {model.full_name} version {number}", int(version))
