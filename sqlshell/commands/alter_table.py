"""ALTER TABLE: columns, properties, constraints, clustering, names. Each statement is one commit, or one version
of the catalog object."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlshell import relations
from sqlshell.commands import alter_columns
from sqlshell.commands.common import run_text
from sqlshell.commands.expressions import check_predicate
from sqlshell.commands.table_schema import CLUSTERING, check_clustering, clustering_domain
from sqlshell.errors import AnalysisError, NotSupportedError, did_you_mean
from sqlshell.parser import statement_table as st
from sqlshell.records import replace
from sqlshell.result import Result, command
from sqlshell.storage.catalog import RELATION, TOMBSTONE
from sqlshell.storage.delta.actions import DomainMetadata
from sqlshell.storage.delta.commit import commit
from sqlshell.storage.delta.conflicts import WHOLE_TABLE
from sqlshell.storage.delta.properties import (
    CONSTRAINT,
    MAPPING_MODE,
    MAX_COLUMN_ID,
    checked,
    features_of,
)
from sqlshell.storage.delta.protocol import with_features
from sqlshell.storage.delta.schema import with_column_ids

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.relations import Target
    from sqlshell.session import Session
    from sqlshell.storage.catalog import CatalogObject
    from sqlshell.storage.delta.actions import Action, Metadata


def alter(session: Session, s: st.Alter) -> Result:
    """ALTER TABLE and ALTER VIEW."""
    if s.kind == "view":
        from sqlshell.commands.views import alter_view

        return alter_view(session, s)
    if isinstance(s.action, st.RenameTo):
        rename(session, relations.require(session, s.name, s.name_span), s.action, "table")
        return command("OK")
    target = relations.target(session, s.name, s.name_span, what="ALTER TABLE")
    match s.action:
        case st.SetProperties():
            _set_properties(target, s.action, s.name_span)
        case st.UnsetProperties():
            _unset_properties(target, s.action, s.name_span)
        case st.AddConstraint():
            _add_constraint(session, target, s.action)
        case st.DropConstraint():
            _drop_constraint(target, s.action)
        case st.ClusterBy():
            _cluster_by(target, s.action)
        case st.RedefineView():
            raise NotSupportedError("ALTER TABLE takes no query")
        case _:
            alter_columns.alter(session, target, s.action)
    return command("OK")


def save(
    target: Target,
    metadata: Metadata,
    operation: str,
    parameters: dict[str, Any],
    features: set[str] | None = None,
    extra: tuple[Action, ...] = (),
) -> None:
    """Commit a change of the metadata, with the features that it needs."""
    protocol = with_features(target.snapshot.protocol, features or set())
    actions: list[Action] = [metadata, *extra]
    if protocol != target.snapshot.protocol:
        actions.append(protocol)
    commit(target.table, target.snapshot, actions, operation, parameters, reads=WHOLE_TABLE)


def _set_properties(target: Target, action: st.SetProperties, span: Span | None) -> None:
    snapshot = target.snapshot
    try:
        changed = checked(action.properties)
    except AnalysisError as e:
        e.span = e.span or span
        raise
    configuration = dict(snapshot.metadata.configuration)
    metadata = replace(snapshot.metadata, configuration={**configuration, **changed})
    mode = changed.get(MAPPING_MODE)
    before = snapshot.mapping_mode
    if mode is not None and mode != before:
        if (before, mode) != ("none", "name"):
            raise AnalysisError(
                f"the column mapping mode cannot change from {before} to {mode}",
                condition="DELTA_UNSUPPORTED_COLUMN_MAPPING_MODE_CHANGE",
                span=span,
            )
        metadata = mapped(metadata, target)
    stamps = "delta.enableInCommitTimestamps"
    if changed.get(stamps, "").lower() == "true" and not snapshot.in_commit_timestamps:
        configuration = dict(metadata.configuration)
        configuration["delta.inCommitTimestampEnablementVersion"] = str(snapshot.version + 1)
        configuration["delta.inCommitTimestampEnablementTimestamp"] = str(snapshot.timestamp_ms + 1)
        metadata = replace(metadata, configuration=configuration)
    shown = json.dumps(action.properties, separators=(",", ":"))
    save(target, metadata, "SET TBLPROPERTIES", {"properties": shown}, features_of(action.properties))


def mapped(metadata: Metadata, target: Target) -> Metadata:
    """The metadata with column mapping by name: present names become the physical ones."""
    last = int(target.snapshot.setting(MAX_COLUMN_ID) or 0)
    schema, last = with_column_ids(target.snapshot.schema, last, keep_names=True)
    configuration = {**metadata.configuration, MAPPING_MODE: "name", MAX_COLUMN_ID: str(last)}
    return replace(metadata, schema_string=schema.to_string(), configuration=configuration)


def _unset_properties(target: Target, action: st.UnsetProperties, span: Span | None) -> None:
    configuration = dict(target.snapshot.metadata.configuration)
    by_lower = {k.lower(): k for k in configuration}
    for key in action.keys:
        lowered = key.lower()
        if lowered.startswith((CONSTRAINT, "delta.columnmapping.", "delta.incommittimestamp")):
            raise AnalysisError(
                f"the property {key} cannot be unset",
                condition="DELTA_CANNOT_MODIFY_TABLE_PROPERTY",
                span=span,
            )
        if lowered not in by_lower:
            if action.if_exists:
                continue
            raise AnalysisError(
                f"`{target.name}` has no property {key}",
                condition="DELTA_UNSET_NON_EXISTENT_PROPERTY",
                span=span,
                hint=did_you_mean(key, configuration),
            )
        del configuration[by_lower[lowered]]
    if configuration != target.snapshot.metadata.configuration:
        shown = json.dumps(list(action.keys))
        metadata = replace(target.snapshot.metadata, configuration=configuration)
        save(target, metadata, "UNSET TBLPROPERTIES", {"properties": shown})


def _add_constraint(session: Session, target: Target, action: st.AddConstraint) -> None:
    check = action.check
    name = (check.name or "").lower()
    configuration = target.snapshot.metadata.configuration
    if not name:
        raise AnalysisError("a constraint that is added needs a name", condition="PARSE_SYNTAX_ERROR")
    if any(k.lower() == CONSTRAINT + name for k in configuration):
        raise AnalysisError(
            f"`{target.name}` has a constraint `{name}` already",
            condition="DELTA_CONSTRAINT_ALREADY_EXISTS",
            span=check.span,
        )
    check_predicate(session, check.text, target.snapshot.schema.struct.fields, name, check.span)
    _check_rows(session, target, check.text, f"the constraint `{name}` ({check.text})",
                "DELTA_NEW_CHECK_CONSTRAINT_VIOLATION", check.span)  # fmt: skip
    metadata = replace(
        target.snapshot.metadata, configuration={**configuration, CONSTRAINT + name: check.text}
    )
    save(target, metadata, "ADD CONSTRAINT", {"name": name, "expr": check.text}, {"checkConstraints"})


def _check_rows(
    session: Session, target: Target, predicate: str, what: str, condition: str, span: Span | None
) -> None:
    """Raises when a row of the table breaks a rule that is about to hold."""
    broken = count_where(session, target, f"NOT coalesce(({predicate}), true)")
    if broken:
        raise AnalysisError(
            f"{broken} row{'s' if broken > 1 else ''} of `{target.name}` break{'' if broken > 1 else 's'} {what}",
            condition=condition,
            span=span,
            hint=f"SELECT * FROM {target.name} WHERE NOT ({predicate}) shows them",
        )


def count_where(session: Session, target: Target, predicate: str) -> int:
    """How many rows of the pinned snapshot a predicate holds for."""
    if not target.snapshot.files():
        return 0
    path = target.table.location.replace("`", "``")
    text = f"SELECT count(*) FROM delta.`{path}@v{target.snapshot.version}` WHERE {predicate}"
    result = run_text(session, text)
    try:
        return int(next(iter(result.rows()))[0])
    finally:
        result.close()


def _drop_constraint(target: Target, action: st.DropConstraint) -> None:
    configuration = dict(target.snapshot.metadata.configuration)
    key = next((k for k in configuration if k.lower() == CONSTRAINT + action.name.lower()), None)
    if key is None:
        if action.if_exists:
            return
        names = [k[len(CONSTRAINT) :] for k in configuration if k.lower().startswith(CONSTRAINT)]
        raise AnalysisError(
            f"`{target.name}` has no constraint `{action.name}`",
            condition="DELTA_CONSTRAINT_DOES_NOT_EXIST",
            span=action.span,
            hint=did_you_mean(action.name, names) or ("it has " + ", ".join(names) if names else None),
        )
    text = configuration.pop(key)
    metadata = replace(target.snapshot.metadata, configuration=configuration)
    save(target, metadata, "DROP CONSTRAINT", {"name": action.name, "expr": text})


def _cluster_by(target: Target, action: st.ClusterBy) -> None:
    snapshot = target.snapshot
    if snapshot.partition_columns:
        raise AnalysisError(
            f"`{target.name}` is partitioned: it cannot be clustered too",
            condition="DELTA_ALTER_TABLE_CLUSTER_BY_ON_PARTITIONED_TABLE_NOT_ALLOWED",
            span=action.span,
        )
    check_clustering(snapshot.schema.struct, action.columns, action.span)
    domain = clustering_domain(snapshot.schema, action.columns)
    if not action.columns:
        if CLUSTERING not in snapshot.domains:
            return
        domain = DomainMetadata(CLUSTERING, "", removed=True)
    shown = ",".join(".".join(c) for c in action.columns)
    parameters = {"newClusteringColumns": shown}
    save(target, snapshot.metadata, "CLUSTER BY", parameters, {"clustering", "domainMetadata"}, (domain,))


def rename(session: Session, found: CatalogObject, action: st.RenameTo, kind: str) -> None:
    """RENAME TO: the new name stands for the same files; the old one gets a tombstone."""
    if found.kind != kind:
        raise AnalysisError(
            f"`{found.full_name}` is a {found.kind}",
            condition=f"EXPECT_{kind.upper()}_NOT_{found.kind.upper()}.USE_ALTER_{found.kind.upper()}",
            span=action.span,
            hint=f"ALTER {found.kind.upper()} {found.full_name} RENAME TO ...",
        )
    catalog = session.catalog
    to = relations.qualify(action.name, found.schema, action.span)
    relations.require_schema(session, to[0], action.span)
    head = catalog.head(RELATION, to)
    if head is not None and head.kind != TOMBSTONE:
        raise AnalysisError(
            f"the {head.kind} `{head.full_name}` exists already",
            condition="TABLE_OR_VIEW_ALREADY_EXISTS",
            span=action.span,
        )
    catalog.put(found.kind, to, found.payload, head.version if head else 0)
    catalog.drop(found.kind, (found.schema, found.name), found.version, gone=f"renamed to {'.'.join(to)}")
