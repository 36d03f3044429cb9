"""From a name to what it stands for in the warehouse: schemas, tables, persistent views, tables by path."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from sqlshell.errors import AnalysisError, NotSupportedError, did_you_mean
from sqlshell.plan.context import TableVersion
from sqlshell.records import dataclass
from sqlshell.storage import object_files
from sqlshell.storage.catalog import CATALOG_NAME, RELATION
from sqlshell.storage.uri import is_remote, resolve

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.session import Session
    from sqlshell.storage.catalog import CatalogObject, QualifiedName
    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.storage.delta.table import DeltaTable

CATALOGS = (CATALOG_NAME, "spark_catalog")
"""Our catalog's name, and the one that scripts from Spark use."""
INFORMATION_SCHEMA = "information_schema"
_PATH_VERSION = re.compile(r"(.+)@(?:[vV](\d+)|(\d{17}))")

CLOSED = "sqlshell.branch.closed"
"""The property of a branch that is being published."""
BRANCH = "branch_"
"""`t.branch_x` is the branch x of the table t."""

Name = tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """A Delta table that a statement works on: pinned at `snapshot`. `object` is None for a table by its path."""

    name: str
    table: DeltaTable
    snapshot: Snapshot
    object: CatalogObject | None = None


def qualify(name: Name, current_schema: str, span: Span | None = None) -> QualifiedName:
    """(schema, object) in lower case. Raises CATALOG_NOT_FOUND for a catalog that is not ours."""
    if len(name) > 3:
        raise AnalysisError(
            f"`{'.'.join(name)}` has too many parts: catalog.schema.name are three",
            condition="IDENTIFIER_TOO_MANY_NAME_PARTS",
            span=span,
        )
    if len(name) == 3 and name[0].lower() not in CATALOGS:
        raise AnalysisError(
            f"there is no catalog `{name[0]}`", condition="CATALOG_NOT_FOUND", span=span,
            hint=f"the warehouse is the catalog `{CATALOG_NAME}`",
        )  # fmt: skip
    schema = name[-2] if len(name) > 1 else current_schema
    return schema.lower(), name[-1].lower()


def schema_name(name: Name, span: Span | None = None) -> str:
    """A schema's name from `schema` or `catalog.schema`."""
    if len(name) > 2:
        raise AnalysisError(
            f"`{'.'.join(name)}` is no schema: catalog.schema are two parts",
            condition="REQUIRES_SINGLE_PART_NAMESPACE",
            span=span,
        )
    return qualify((*name, ""), "", span)[0]


def require_schema(session: Session, schema: str, span: Span | None) -> None:
    """Raises SCHEMA_NOT_FOUND."""
    if schema == INFORMATION_SCHEMA or session.catalog.has_schema(schema):
        return
    raise AnalysisError(
        f"there is no schema `{schema}`",
        condition="SCHEMA_NOT_FOUND",
        span=span,
        hint=did_you_mean(schema, session.catalog.schemas()) or f"CREATE SCHEMA {schema} makes it",
    )


def find(session: Session, name: Name, span: Span | None = None) -> CatalogObject | None:
    """The table or persistent view of that name, as the session sees it."""
    if len(name) == 3 and name[0].lower() not in CATALOGS:
        return None
    return session.catalog.get(RELATION, qualify(name, session.current_schema, span))


def require(session: Session, name: Name, span: Span | None) -> CatalogObject:
    """As `find`. Raises TABLE_OR_VIEW_NOT_FOUND."""
    found = find(session, name, span)
    if found is None:
        raise not_found(session, name, span)
    return found


def not_found(session: Session, name: Name, span: Span | None) -> AnalysisError:
    """The error for a name that is no table or view, with near names."""
    written = ".".join(name)
    schema, own = qualify(name[-2:], session.current_schema)
    here = [o.name for o in session.catalog.list_objects(RELATION, schema)]
    hint = did_you_mean(own, here if len(name) > 1 else [*here, *session.views])
    if hint is None and len(name) > 1 and not session.catalog.has_schema(schema):
        hint = f"there is no schema `{schema}`"
    elif hint is None:
        hint = _elsewhere(session, own) or "query a file by its path: SELECT * FROM 'data/orders.parquet'"
    if session.time_travel is not None:
        hint = f"the session looks back in time (SET TIME TRAVEL OFF ends that); {hint}"
    return AnalysisError(
        f"there is no table or view `{written}`", condition="TABLE_OR_VIEW_NOT_FOUND", span=span, hint=hint
    )


def _elsewhere(session: Session, own: str) -> str | None:
    catalog = session.catalog
    homes = [s for s in catalog.schemas() if catalog.get(RELATION, (s, own)) is not None]
    return "did you mean " + " or ".join(f"`{s}.{own}`" for s in homes[:3]) + "?" if homes else None


def path_table(name: Name, zone: str = "UTC") -> tuple[str, TableVersion | None] | None:
    """The path and version of ``delta.`path[@v3]` ``, times in `zone`; None for other names."""
    if len(name) != 2 or name[0].lower() != "delta":
        return None
    match = None if has_log(name[1]) else _PATH_VERSION.fullmatch(name[1])
    if match is None:
        return name[1], None
    path, version, stamp = match.groups()
    if version is not None:
        return path, TableVersion("version", int(version))
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    local = datetime.strptime(stamp + "000", "%Y%m%d%H%M%S%f").replace(tzinfo=ZoneInfo(zone))
    return path, TableVersion("timestamp", local.astimezone(UTC).replace(tzinfo=None))


def has_log(uri: str) -> bool:
    """Whether a path is a Delta table."""
    if is_remote(uri):
        from sqlshell.storage import objects

        path = resolve(uri, remote=True)
        return not objects.is_glob(path) and bool(object_files.names_in(f"{path}/_delta_log"))
    return "://" not in uri and object_files.is_directory(os.path.join(resolve(uri), "_delta_log"))


def branch_location(session: Session, name: Name) -> tuple[str, str] | None:
    """Name and location of the branch that `table.branch_x` means; None for other names."""
    if len(name) < 2 or not name[-1].lower().startswith(BRANCH) or find(session, name) is not None:
        return None
    parent = find(session, name[:-1])
    if parent is None or not is_delta(parent):
        return None
    from sqlshell.storage.tags import table_branches

    branches = table_branches(session.catalog.location(parent))
    own = name[-1][len(BRANCH) :]
    folder = branches.require(own).payload["folder"]
    return f"{parent.full_name}.{BRANCH}{own.lower()}", os.path.join(branches.home, folder)


def is_delta(found: CatalogObject) -> bool:
    """Whether an object is a Delta table."""
    return found.kind == "table" and found.payload["provider"] == "delta"


def target(session: Session, name: Name, span: Span | None, *, what: str = "this statement") -> Target:
    """The Delta table a statement changes or describes. Raises for views, other formats, missing names."""
    by_path = path_table(name, "UTC")
    if by_path is not None:
        if by_path[1] is not None:
            raise AnalysisError(f"{what} takes a table, not a version of one", span=span)
        table = session.tables.open(by_path[0], os.getcwd())
        return Target(f"delta.`{by_path[0]}`", table, table.latest())
    if len(name) == 1 and name[0].lower() in session.views:
        raise _expected_table(session, name, span, what)
    branch = branch_location(session, name)
    if branch is not None:
        table = session.tables.open(branch[1])
        snapshot = table.latest()
        if CLOSED in snapshot.metadata.configuration:
            raise AnalysisError(
                f"the branch `{branch[0]}` is being published: it cannot be changed",
                condition="DELTA_BRANCH_CLOSED",
                span=span,
                hint="if that was interrupted, PUBLISH BRANCH again ends it",
            )
        return Target(branch[0], table, snapshot)
    found = require(session, name, span)
    if found.kind != "table":
        raise _expected_table(session, name, span, what)
    if not is_delta(found):
        raise NotSupportedError(
            f"{what} needs a Delta table; `{found.full_name}` is a table over {found.payload['provider']} files",
            condition="DELTA_ONLY_OPERATION",
            span=span,
        )
    table = session.tables.open(session.catalog.location(found))
    return Target(found.full_name, table, table.latest(), found)


def _expected_table(session: Session, name: Name, span: Span | None, what: str) -> AnalysisError:
    return AnalysisError(
        f"{what} needs a table; `{'.'.join(name)}` is a view",
        condition="EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE",
        span=span,
    )
