"""ALTER TABLE's column actions: add, rename, drop, widen, comment, NOT NULL, default, position.

Renaming and dropping need column mapping, which is switched on by name when the table does not have it: no file is
rewritten, and readers need the feature from then on.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from sqlshell.commands.expressions import bind_over
from sqlshell.commands.table_schema import (
    CLUSTERING,
    DEFAULT,
    GENERATION,
    check_default,
    check_names,
    schema_features,
    table_field,
)
from sqlshell.errors import AnalysisError, NotSupportedError, did_you_mean
from sqlshell.expr.expr import Column
from sqlshell.parser import statement_table as st
from sqlshell.records import replace
from sqlshell.storage.delta.properties import CONSTRAINT, MAX_COLUMN_ID
from sqlshell.storage.delta.schema import (
    CHAR_TYPE,
    TableSchema,
    parse_schema,
    type_from_json,
    type_to_json,
    with_column_ids,
)
from sqlshell.storage.delta.widening import widens
from sqlshell.types import SqlType, String
from sqlshell.types_ddl import parse_type

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.relations import Target
    from sqlshell.session import Session
    from sqlshell.storage.delta.actions import Metadata

_PARTS = {"element": "elementType", "key": "keyType", "value": "valueType"}


def alter(session: Session, target: Target, action: st.AlterAction) -> None:
    """Commit one column action."""
    match action:
        case st.AddColumns():
            _add(session, target, action)
        case st.RenameColumn():
            _rename(session, target, action)
        case st.DropColumns():
            _drop(session, target, action)
        case st.AlterColumn():
            _alter(session, target, action)
        case _:
            raise NotSupportedError(f"ALTER TABLE ... {type(action).__name__}")


def _save(
    target: Target,
    schema: TableSchema,
    operation: str,
    parameters: dict[str, Any],
    features: set[str] | None = None,
    metadata: Metadata | None = None,
) -> None:
    from sqlshell.commands.alter_table import save

    changed = replace(metadata or target.snapshot.metadata, schema_string=schema.to_string())
    save(target, changed, operation, parameters, features)


Fields = list[dict[str, Any]]
"""A struct's fields as JSON: what a change edits before it becomes a schema again."""


def _fields(schema: TableSchema) -> Fields:
    return deepcopy([f.to_json() for f in schema.fields])


def _schema(fields: Fields) -> TableSchema:
    return parse_schema(json.dumps({"type": "struct", "fields": fields}))


def _inside(target: Target, fields: Fields, path: tuple[str, ...], span: Span | None) -> Fields:
    """The fields of the struct at a path (`element`, `key` and `value` step into arrays and maps)."""
    for n, part in enumerate(path):
        found: Any = fields[_index(target, fields, part, path[: n + 1], span)] if fields else None
        if found is None:
            break
        inner = found["type"]
        fields = inner["fields"] if isinstance(inner, dict) and inner["type"] == "struct" else []
        if not fields and isinstance(inner, dict):
            fields = [{"name": k, "type": inner[v]} for k, v in _PARTS.items() if v in inner]
    if not fields:
        raise AnalysisError(
            f"`{'.'.join(path)}` of `{target.name}` is no struct",
            condition="INVALID_FIELD_NAME",
            span=span,
        )
    return fields


def _index(target: Target, fields: Fields, name: str, path: tuple[str, ...], span: Span | None) -> int:
    """Where a field is. Raises UNRESOLVED_COLUMN.WITH_SUGGESTION."""
    for i, f in enumerate(fields):
        if f["name"].lower() == name.lower():
            return i
    names = [f["name"] for f in fields]
    raise AnalysisError(
        f"`{target.name}` has no column `{'.'.join(path)}`",
        condition="UNRESOLVED_COLUMN.WITH_SUGGESTION",
        span=span,
        hint=did_you_mean(name, names) or "there are " + ", ".join(names),
    )


def _find(target: Target, fields: Fields, path: tuple[str, ...], span: Span | None) -> tuple[Fields, int]:
    """The struct that holds a field, and the field's place in it."""
    holder = _inside(target, fields, path[:-1], span) if len(path) > 1 else fields
    at = _index(target, holder, path[-1], path, span)
    if "metadata" not in holder[at]:
        raise NotSupportedError(
            f"`{'.'.join(path)}` is the part of an array or a map, not a field", span=span
        )
    return holder, at


def _add(session: Session, target: Target, action: st.AddColumns) -> None:
    snapshot = target.snapshot
    fields = _fields(snapshot.schema)
    mapped = snapshot.mapping_mode != "none"
    metadata = snapshot.metadata
    shown = []
    for added in action.columns:
        c = added.column
        holder = _inside(target, fields, added.path[:-1], c.span) if len(added.path) > 1 else fields
        _check_new(target, holder, c.name, c.span)
        _check_addable(c)
        check_names((c,), mapped=mapped)
        field = table_field(session, c, (c,)).to_json()
        holder.insert(_place(holder, added.position, len(holder), c.span), field)
        shown.append({"column": field, **({"position": added.position} if added.position else {})})
    schema = _schema(fields)
    if mapped:
        schema, last = with_column_ids(schema, int(snapshot.setting(MAX_COLUMN_ID) or 0), keep_names=False)
        metadata = replace(metadata, configuration={**metadata.configuration, MAX_COLUMN_ID: str(last)})
    parameters = {"columns": json.dumps(shown, separators=(",", ":"))}
    _save(target, schema, "ADD COLUMNS", parameters, schema_features(schema), metadata)


def _check_new(target: Target, holder: Fields, name: str, span: Span | None) -> None:
    if any(f["name"].lower() == name.lower() for f in holder):
        raise AnalysisError(
            f"`{target.name}` has a column `{name}` already", condition="COLUMN_ALREADY_EXISTS", span=span
        )


def _check_addable(c: st.ColumnDef) -> None:
    """What rows that exist could not hold."""
    what = None
    if not c.nullable:
        what = "NOT NULL: existing rows have no value"
    elif c.default is not None:
        what = "DEFAULT: add the column, then ALTER COLUMN ... SET DEFAULT"
    elif c.generated is not None or c.identity is not None:
        what = "GENERATED: existing rows have no value"
    elif c.checks:
        what = "CHECK: use ADD CONSTRAINT"
    if what is not None:
        raise NotSupportedError(f"ADD COLUMN `{c.name}` cannot be {what}", span=c.span)


def _place(fields: Fields, position: str | None, default: int, span: Span | None) -> int:
    if position is None:
        return default
    if position == "FIRST":
        return 0
    for i, f in enumerate(fields):
        if f["name"].lower() == position.lower():
            return i + 1
    raise AnalysisError(
        f"there is no column `{position}`", condition="DELTA_COLUMN_NOT_FOUND_IN_SCHEMA", span=span,
        hint=did_you_mean(position, [f["name"] for f in fields]),
    )  # fmt: skip


def _mapped(target: Target) -> tuple[Metadata, TableSchema, set[str]]:
    """Metadata and schema under column mapping, switched on when the table has none."""
    from sqlshell.commands.alter_table import mapped

    snapshot = target.snapshot
    if snapshot.mapping_mode != "none":
        return snapshot.metadata, snapshot.schema, set()
    metadata = mapped(snapshot.metadata, target)
    return metadata, parse_schema(metadata.schema_string), {"columnMapping"}


def _rename(session: Session, target: Target, action: st.RenameColumn) -> None:
    metadata, schema, features = _mapped(target)
    fields = _fields(schema)
    holder, at = _find(target, fields, action.path, action.span)
    old = holder[at]["name"]
    if action.to.lower() != old.lower():
        _check_new(target, holder, action.to, action.span)
    _check_unused(session, target, action.path[0], "renamed", action.span)
    holder[at]["name"] = action.to
    if len(action.path) == 1:
        partitions = tuple(action.to if p == old else p for p in metadata.partition_columns)
        metadata = replace(metadata, partition_columns=partitions)
    parameters = {
        "oldColumnPath": ".".join((*action.path[:-1], old)),
        "newColumnPath": ".".join((*action.path[:-1], action.to)),
    }
    _save(target, _schema(fields), "RENAME COLUMN", parameters, features, metadata)


def _drop(session: Session, target: Target, action: st.DropColumns) -> None:
    metadata, schema, features = _mapped(target)
    fields = _fields(schema)
    dropped: list[str] = []
    for path in action.paths:
        try:
            holder, at = _find(target, fields, path, action.span)
        except AnalysisError:
            if action.if_exists:
                continue
            raise
        if len(holder) == 1:
            raise AnalysisError(
                f"the last column of a {'struct' if len(path) > 1 else 'table'} cannot be dropped",
                condition="DELTA_DROP_COLUMN_ON_SINGLE_FIELD_SCHEMA",
                span=action.span,
            )
        _check_droppable(session, target, path, holder[at]["name"], action.span)
        dropped.append(".".join((*path[:-1], holder.pop(at)["name"])))
    if dropped:
        _save(target, _schema(fields), "DROP COLUMNS", {"columns": json.dumps(dropped)}, features, metadata)


def _check_droppable(
    session: Session, target: Target, path: tuple[str, ...], name: str, span: Span | None
) -> None:
    if len(path) == 1 and name in target.snapshot.partition_columns:
        raise AnalysisError(
            f"`{target.name}` is partitioned by `{name}`: it cannot be dropped",
            condition="DELTA_UNSUPPORTED_DROP_PARTITION_COLUMN",
            span=span,
        )
    _check_unused(session, target, path[0], "dropped", span)
    _check_unclustered(target, path[0], span)


def _check_unclustered(target: Target, name: str, span: Span | None) -> None:
    domain = target.snapshot.domains.get(CLUSTERING)
    field = target.snapshot.schema.field(name)
    columns = json.loads(domain.configuration)["clusteringColumns"] if domain else []
    if field is not None and any(c[0] == field.physical_name for c in columns):
        raise AnalysisError(
            f"`{target.name}` is clustered by `{name}`: it cannot be dropped",
            condition="DELTA_UNSUPPORTED_DROP_CLUSTERING_COLUMN",
            span=span,
            hint=f"ALTER TABLE {target.name} CLUSTER BY NONE first",
        )


def _check_unused(session: Session, target: Target, name: str, verb: str, span: Span | None) -> None:
    """Raises when a constraint or a generated column needs the column."""
    snapshot = target.snapshot
    rules = {
        f"the constraint `{k[len(CONSTRAINT) :]}`": v
        for k, v in snapshot.metadata.configuration.items()
        if k.lower().startswith(CONSTRAINT)
    }
    rules |= {
        f"the generated column `{f.name}`": str(f.metadata[GENERATION])
        for f in snapshot.schema.fields
        if GENERATION in f.metadata
    }
    for what, text in rules.items():
        bound = bind_over(session, text, snapshot.schema.struct.fields, what, span)
        if any(isinstance(n, Column) and n.name.lower() == name.lower() for n in bound.walk()):
            raise AnalysisError(
                f"`{name}` cannot be {verb}: {what} uses it ({text})",
                condition="DELTA_CONSTRAINT_DEPENDENT_COLUMN_CHANGE"
                if what.startswith("the con")
                else "DELTA_GENERATED_COLUMNS_DEPENDENT_COLUMN_CHANGE",
                span=span,
            )


def _alter(session: Session, target: Target, action: st.AlterColumn) -> None:
    schema = target.snapshot.schema
    fields = _fields(schema)
    holder, at = _find(target, fields, action.path, action.span)
    field = holder[at]
    features: set[str] = set()
    parameters = {}
    match action.what:
        case "comment":
            _set_metadata(field, "comment", action.value)
        case "default":
            if action.value is not None:
                _check_default(session, action, schema)
                features.add("allowColumnDefaults")
            _set_metadata(field, DEFAULT, action.value)
        case "nullable":
            field["nullable"] = bool(action.value)
            if not action.value:
                _check_no_nulls(session, target, action)
                features.add("invariants")
        case "type":
            assert isinstance(action.value, SqlType)
            if _widen(session, target, action, field, action.value):
                features.add("typeWidening")
        case _:
            moved = holder.pop(at)
            parameters["position"] = str(action.value)
            holder.insert(_place(holder, str(action.value), at, action.span), moved)
    changed = _schema(fields)
    if changed != schema:
        parameters["column"] = json.dumps(field, separators=(",", ":"))
        _save(target, changed, "CHANGE COLUMN", parameters, features)


def _set_metadata(field: dict[str, Any], key: str, value: object) -> None:
    field["metadata"] = {k: v for k, v in field["metadata"].items() if k != key}
    if value is not None:
        field["metadata"][key] = value


def _check_default(session: Session, action: st.AlterColumn, schema: TableSchema) -> None:
    field = schema.field(action.path[0])
    if field is None or len(action.path) > 1:
        raise NotSupportedError("only whole columns have defaults", span=action.span)
    if GENERATION in field.metadata or "delta.identity.start" in field.metadata:
        raise AnalysisError(
            f"`{field.name}` is a generated column: it takes no default",
            condition="GENERATED_COLUMN_WITH_DEFAULT_VALUE",
            span=action.span,
        )
    check_default(session, str(action.value), field.name, field.type, action.span)


def _check_no_nulls(session: Session, target: Target, action: st.AlterColumn) -> None:
    from sqlshell.commands.alter_table import count_where
    from sqlshell.types import quote_name

    if len(action.path) > 1:
        raise NotSupportedError("SET NOT NULL is for whole columns", span=action.span)
    name = quote_name(action.path[0])
    nulls = count_where(session, target, f"{name} IS NULL")
    if nulls:
        raise AnalysisError(
            f"`{action.path[0]}` is NULL in {nulls} row{'s' if nulls > 1 else ''} of `{target.name}`",
            condition="DELTA_NEW_NOT_NULL_VIOLATION",
            span=action.span,
            hint=f"SELECT * FROM {target.name} WHERE {name} IS NULL shows them",
        )


def _widen(
    session: Session, target: Target, action: st.AlterColumn, field: dict[str, Any], to: SqlType
) -> bool:
    """Give a field a wider type, which readers apply to files written before; False when Delta sees no change."""
    declared = field["metadata"].get(CHAR_TYPE)
    before = parse_type(declared) if declared else type_from_json(field["type"])
    if before == to:
        return False
    written = ".".join(action.path)
    if not widens(before, to):
        raise AnalysisError(
            f"`{written}` cannot change from {before} to {to}: only to a type that holds every value it has",
            condition="DELTA_UNSUPPORTED_ALTER_TABLE_CHANGE_COL_OP",
            span=action.span,
            hint="CREATE OR REPLACE TABLE ... AS SELECT writes it anew under another type",
        )
    _check_unused(session, target, action.path[0], "changed", action.span)
    _set_metadata(field, CHAR_TYPE, str(to) if isinstance(to, String) and to.length is not None else None)
    after = type_to_json(to)
    if after == field["type"]:  # char and varchar are strings to Delta
        return False
    if not target.snapshot.is_enabled("delta.enableTypeWidening"):
        raise AnalysisError(
            f"type widening is off for `{target.name}`",
            condition="DELTA_UNSUPPORTED_ALTER_TABLE_CHANGE_COL_OP",
            span=action.span,
            hint=f"ALTER TABLE {target.name} SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')",
        )
    changes = field["metadata"].get("delta.typeChanges", [])
    _set_metadata(field, "delta.typeChanges", [*changes, {"fromType": field["type"], "toType": after}])
    field["type"] = after
    return True
