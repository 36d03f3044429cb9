"""From declared columns to a Delta table's schema, properties and protocol, everything checked."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlshell.commands.expressions import bind_over, check_predicate
from sqlshell.errors import AnalysisError, NotSupportedError
from sqlshell.expr.expr import Column
from sqlshell.plan.coerce import can_store, store_assign
from sqlshell.plan.renew import is_deterministic
from sqlshell.records import dataclass, replace
from sqlshell.storage.delta.actions import DomainMetadata, Metadata
from sqlshell.storage.delta.properties import CONSTRAINT, MAPPING_MODE, MAX_COLUMN_ID, checked, features_of
from sqlshell.storage.delta.protocol import new_protocol, with_features
from sqlshell.storage.delta.schema import PHYSICAL_NAME, TableField, TableSchema, new_field, with_column_ids
from sqlshell.types import BIGINT, Array, Field, Map, Struct, TimestampNtz, Variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlshell.errors import Span
    from sqlshell.parser.statement_table import Check, ColumnDef
    from sqlshell.session import Session
    from sqlshell.storage.delta.actions import Action, Protocol
    from sqlshell.storage.delta.snapshot import Snapshot
    from sqlshell.types import SqlType

GENERATION = "delta.generationExpression"
DEFAULT = "CURRENT_DEFAULT"
CLUSTERING = "delta.clustering"
_INVALID = set(" ,;{}()\n\t=")
_MAX_CLUSTERING = 4


@dataclass(frozen=True)
class TableDefinition:
    """What a new (or replaced) table is, as actions."""

    protocol: Protocol
    metadata: Metadata
    schema: TableSchema
    clustering: tuple[tuple[str, ...], ...] = ()

    def actions(self) -> list[Action]:
        """Protocol and metadata, and the clustering columns when there are any."""
        out: list[Action] = [self.protocol, self.metadata]
        if self.clustering:
            out.append(clustering_domain(self.schema, self.clustering))
        return out


def clustering_domain(schema: TableSchema, columns: Iterable[tuple[str, ...]]) -> DomainMetadata:
    """The action that names the clustering columns, by physical names."""
    physical = [translated(schema, path, to_physical=True) for path in columns]
    body = {"clusteringColumns": physical, "domainName": CLUSTERING}
    return DomainMetadata(CLUSTERING, json.dumps(body, separators=(",", ":")))


def translated(schema: TableSchema, path: tuple[str, ...], *, to_physical: bool) -> tuple[str, ...]:
    """A column's path in physical names from logical ones (in any case), or the other way round."""
    fields: Any = [f.to_json() for f in schema.fields]
    out: list[str] = []
    for part in path:
        for f in fields if isinstance(fields, list) else ():
            names = f["name"], (f.get("metadata") or {}).get(PHYSICAL_NAME, f["name"])
            if (names[0].lower() == part.lower()) if to_physical else (names[1] == part):
                out.append(names[to_physical])
                fields = (
                    f["type"]["fields"] if isinstance(f["type"], dict) and "fields" in f["type"] else None
                )
                break
        else:
            out.append(part)
    return tuple(out)


def define(
    session: Session,
    columns: Iterable[ColumnDef],
    *,
    partition_by: tuple[str, ...] = (),
    cluster_by: tuple[tuple[str, ...], ...] = (),
    properties: Mapping[str, str] | None = None,
    comment: str | None = None,
    checks: Iterable[Check] = (),
    replaced: Snapshot | None = None,
    span: Span | None = None,
) -> TableDefinition:
    """The definition of a table from its declaration."""
    columns = tuple(columns)
    given = dict(properties or {})
    if session.settings.get("sqlshell.deletionVectors") and not any(
        k.lower() == "delta.enabledeletionvectors" for k in given
    ):
        given["delta.enableDeletionVectors"] = "true"
    configuration = checked(given)
    mapped = configuration.get(MAPPING_MODE, "none") != "none"
    check_names(columns, mapped=mapped)
    partition_by = _partitioning(columns, partition_by, span)
    _check_clustering(columns, partition_by, cluster_by, span)
    fields = tuple(table_field(session, c, columns, partition_by) for c in columns)
    every = [*checks, *(k for c in columns for k in c.checks)]
    for name, text in constraints(session, every, columns).items():
        configuration[CONSTRAINT + name] = text
    schema = TableSchema(fields)
    if mapped:
        start = int((replaced.setting(MAX_COLUMN_ID) if replaced else None) or 0)
        schema, last = with_column_ids(schema, start, keep_names=False)
        configuration[MAX_COLUMN_ID] = str(last)
    needed = features_of(given) | schema_features(schema, every, clustered=bool(cluster_by))
    protocol = with_features(replaced.protocol, needed) if replaced else new_protocol(needed)
    metadata = Metadata(
        replaced.metadata.id if replaced else str(uuid4()),
        schema.to_string(),
        partition_by,
        configuration,
        description=comment,
        created_time=int(time.time() * 1000),
    )
    return TableDefinition(protocol, metadata, schema, cluster_by)


def check_names(columns: Iterable[ColumnDef], *, mapped: bool) -> None:
    """Raises COLUMN_ALREADY_EXISTS and DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES."""
    seen: set[str] = set()
    for c in columns:
        if c.name.lower() in seen:
            raise AnalysisError(
                f"the column `{c.name}` is there twice", condition="COLUMN_ALREADY_EXISTS", span=c.span
            )
        seen.add(c.name.lower())
        for name in (c.name, *_nested_names(c.type)):
            if not mapped and _INVALID & set(name):
                raise AnalysisError(
                    f"the column name `{name}` has one of the characters ' ,;{{}}()\\n\\t='",
                    condition="DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES",
                    span=c.span,
                    hint="TBLPROPERTIES ('delta.columnMapping.mode' = 'name') allows any name",
                )


def _nested_names(t: SqlType) -> Iterator[str]:
    if isinstance(t, Struct):
        for f in t.fields:
            yield f.name
            yield from _nested_names(f.type)
    elif isinstance(t, Array):
        yield from _nested_names(t.element)
    elif isinstance(t, Map):
        yield from _nested_names(t.key)
        yield from _nested_names(t.value)


def _partitioning(
    columns: tuple[ColumnDef, ...], names: tuple[str, ...], span: Span | None
) -> tuple[str, ...]:
    by_name = {c.name.lower(): c for c in columns}
    found = []
    for name in names:
        column = by_name.get(name.lower())
        if column is None:
            raise AnalysisError(
                f"there is no column `{name}` to partition by",
                condition="COLUMN_NOT_DEFINED_IN_TABLE",
                span=span,
            )
        if isinstance(column.type, Struct | Array | Map | Variant):
            raise AnalysisError(
                f"a table cannot be partitioned by `{name}`: it is {column.type}",
                condition="INVALID_PARTITION_COLUMN_DATA_TYPE",
                span=span,
            )
        found.append(column.name)
    if len(set(found)) < len(found):
        raise AnalysisError("a partition column is named twice", condition="COLUMN_ALREADY_EXISTS", span=span)
    if columns and len(found) == len(columns):
        raise AnalysisError(
            "a table needs a column that it is not partitioned by",
            condition="ALL_PARTITION_COLUMNS_NOT_ALLOWED",
            span=span,
        )
    return tuple(found)


def _check_clustering(
    columns: tuple[ColumnDef, ...],
    partition_by: tuple[str, ...],
    cluster_by: tuple[tuple[str, ...], ...],
    span: Span | None,
) -> None:
    if cluster_by and partition_by:
        raise AnalysisError(
            "a table is partitioned or clustered, not both",
            condition="SPECIFY_CLUSTER_BY_WITH_PARTITIONED_BY_IS_NOT_ALLOWED",
            span=span,
        )
    fields = Struct(tuple(Field(c.name, c.type) for c in columns))
    check_clustering(fields, cluster_by, span)


def check_clustering(fields: Struct, cluster_by: tuple[tuple[str, ...], ...], span: Span | None) -> None:
    """Whether a table can be clustered by these columns."""
    if len(cluster_by) > _MAX_CLUSTERING:
        raise AnalysisError(
            f"CLUSTER BY takes up to {_MAX_CLUSTERING} columns, not {len(cluster_by)}",
            condition="DELTA_CLUSTER_BY_INVALID_NUM_COLUMNS",
            span=span,
        )
    for path in cluster_by:
        inside: SqlType | None = fields
        for part in path:
            at = inside.index(part) if isinstance(inside, Struct) else None
            inside = inside.fields[at].type if isinstance(inside, Struct) and at is not None else None
        if inside is None:
            raise AnalysisError(
                f"there is no column `{'.'.join(path)}` to cluster by",
                condition="COLUMN_NOT_DEFINED_IN_TABLE",
                span=span,
            )
        if isinstance(inside, Struct | Array | Map | Variant):
            raise AnalysisError(
                f"a table cannot be clustered by `{'.'.join(path)}`: {inside} has no order to skip files by",
                condition="DELTA_CLUSTERING_COLUMNS_DATATYPE_NOT_SUPPORTED",
                span=span,
            )


def table_field(
    session: Session, c: ColumnDef, columns: tuple[ColumnDef, ...], partition_by: tuple[str, ...] = ()
) -> TableField:
    """A declared column as it stands in the log, its expressions checked."""
    metadata: dict[str, Any] = {}
    if c.comment is not None:
        metadata["comment"] = c.comment
    if sum(x is not None for x in (c.default, c.generated, c.identity)) > 1:
        raise AnalysisError(
            f"the column `{c.name}` has more than one of DEFAULT, GENERATED AS and IDENTITY",
            condition="GENERATED_COLUMN_WITH_DEFAULT_VALUE",
            span=c.span,
        )
    if c.default is not None:
        metadata[DEFAULT] = metadata["EXISTS_DEFAULT"] = check_default(
            session, c.default, c.name, c.type, c.span
        )
    if c.generated is not None:
        metadata[GENERATION] = _check_generated(session, c, columns)
    if c.identity is not None:
        if c.type != BIGINT or c.name in partition_by:
            raise AnalysisError(
                f"the identity column `{c.name}` must be bigint and no partition column, not {c.type}",
                condition="DELTA_IDENTITY_COLUMNS_UNSUPPORTED_DATA_TYPE"
                if c.type != BIGINT
                else "DELTA_IDENTITY_COLUMNS_PARTITION_NOT_SUPPORTED",
                span=c.span,
            )
        metadata["delta.identity.start"] = c.identity.start
        metadata["delta.identity.step"] = c.identity.step
        metadata["delta.identity.allowExplicitInsert"] = not c.identity.always
    return new_field(c.name, c.type, nullable=c.nullable, metadata=metadata)


def check_default(session: Session, text: str, name: str, kind: SqlType, span: Span | None) -> str:
    """A column default's text. Raises INVALID_DEFAULT_VALUE.*."""
    try:
        bound = bind_over(session, text, (), f"the default of `{name}`", span)
        if not can_store(bound.type, kind):
            raise AnalysisError(
                f"the default of `{name}` ({text}) is {bound.type}, the column {kind}",
                condition="INVALID_DEFAULT_VALUE.DATA_TYPE",
                span=span,
            )
        store_assign(bound, kind, column=name, span=span)
    except AnalysisError as e:
        if e.condition.startswith("UNRESOLVED_COLUMN"):
            e.condition = "INVALID_DEFAULT_VALUE.NOT_CONSTANT"
        elif e.condition == "UNSUPPORTED_EXPR_FOR_TABLE":
            e.condition = "INVALID_DEFAULT_VALUE.SUBQUERY_EXPRESSION"
        raise
    return text


def _check_generated(session: Session, c: ColumnDef, columns: tuple[ColumnDef, ...]) -> str:
    assert c.generated is not None
    fields = [Field(o.name, o.type) for o in columns]
    bound = bind_over(session, c.generated, fields, f"the generated column `{c.name}`", c.span)
    used = {n.name.lower() for n in bound.walk() if isinstance(n, Column)}
    if any(o.generated is not None and o.name.lower() in used for o in columns):
        raise AnalysisError(
            f"the generated column `{c.name}` uses a generated column",
            condition="DELTA_INVALID_GENERATED_COLUMN_REFERENCES",
            span=c.span,
        )
    if not is_deterministic(bound):
        raise AnalysisError(
            f"the generated column `{c.name}` is not the same every time",
            condition="DELTA_NON_DETERMINISTIC_EXPRESSION_IN_GENERATED_COLUMN",
            span=c.span,
        )
    if bound.type != c.type:
        raise AnalysisError(
            f"the generated column `{c.name}` is {c.type}, its expression gives {bound.type}",
            condition="DELTA_GENERATED_COLUMNS_EXPR_TYPE_MISMATCH",
            span=c.span,
            hint=f"GENERATED ALWAYS AS (CAST({c.generated} AS {c.type}))",
        )
    return c.generated


def constraints(session: Session, checks: Iterable[Check], columns: Iterable[ColumnDef]) -> dict[str, str]:
    """CHECK constraints by name; those without a name get one."""
    fields = [Field(c.name, c.type) for c in columns]
    found: dict[str, str] = {}
    for check in checks:
        name = (check.name or f"check_{len(found) + 1}").lower()
        if name in found:
            raise AnalysisError(
                f"there are two constraints `{name}`",
                condition="DELTA_CONSTRAINT_ALREADY_EXISTS",
                span=check.span,
            )
        check_predicate(session, check.text, fields, name, check.span)
        found[name] = check.text
    return found


def schema_features(schema: TableSchema, checks: Iterable[Any] = (), *, clustered: bool = False) -> set[str]:
    """Table features that a schema, its constraints and its clustering need."""
    found: set[str] = set()
    for f in schema.fields:
        if DEFAULT in f.metadata:
            found.add("allowColumnDefaults")
        if GENERATION in f.metadata:
            found.add("generatedColumns")
        if "delta.identity.start" in f.metadata:
            found.add("identityColumns")
        if not f.nullable:
            found.add("invariants")
        _type_features(f.type, found)
    if any(True for _ in checks):
        found.add("checkConstraints")
    if clustered:
        found |= {"clustering", "domainMetadata"}
    return found


def _type_features(t: SqlType, found: set[str]) -> None:
    match t:
        case TimestampNtz():
            found.add("timestampNtz")
        case Variant():
            raise NotSupportedError("Delta tables with VARIANT columns are not supported yet")
        case Struct():
            for f in t.fields:
                _type_features(f.type, found)
        case Array():
            _type_features(t.element, found)
        case Map():
            _type_features(t.key, found)
            _type_features(t.value, found)
        case _:
            pass


def with_schema(metadata: Metadata, schema: TableSchema) -> Metadata:
    """The metadata with another schema."""
    return replace(metadata, schema_string=schema.to_string())
