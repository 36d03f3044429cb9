"""ALTER TABLE's column actions: add, rename, drop, widen, comment, NOT NULL, default, position.

Renaming and dropping need column mapping, which is switched on by name when the table does not have it: no file is
rewritten, and readers need the feature from then on.
"""

from __future__ import annotations

import json
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
from sqlshell.storage.delta.schema import TableField, TableSchema, new_field, type_to_json, with_column_ids
from sqlshell.types import (
    BIGINT,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    SMALLINT,
    TIMESTAMP_NTZ,
    TINYINT,
    Decimal,
    Integral,
    SqlType,
    integral_digits,
)

if TYPE_CHECKING:
    from sqlshell.errors import Span
    from sqlshell.relations import Target
    from sqlshell.session import Session
    from sqlshell.storage.delta.actions import Metadata

_WIDER: dict[SqlType, tuple[SqlType, ...]] = {
    TINYINT: (SMALLINT, INT, BIGINT, DOUBLE),
    SMALLINT: (INT, BIGINT, DOUBLE),
    INT: (BIGINT, DOUBLE),
    FLOAT: (DOUBLE,),
    DATE: (TIMESTAMP_NTZ,),
}
"""Type changes that Delta's typeWidening feature allows, besides those to and among decimals."""


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


def _position(target: Target, path: tuple[str, ...], span: Span | None) -> int:
    """The index of a top-level column. Raises DELTA_COLUMN_NOT_FOUND_IN_SCHEMA."""
    fields = target.snapshot.schema.fields
    if len(path) > 1:
        raise NotSupportedError(
            f"changing the nested field `{'.'.join(path)}` is not supported yet: only whole columns",
            span=span,
        )
    for i, f in enumerate(fields):
        if f.name.lower() == path[0].lower():
            return i
    raise AnalysisError(
        f"`{target.name}` has no column `{path[0]}`",
        condition="DELTA_COLUMN_NOT_FOUND_IN_SCHEMA",
        span=span,
        hint=did_you_mean(path[0], [f.name for f in fields]) or "it has " + ", ".join(f.name for f in fields),
    )


def _add(session: Session, target: Target, action: st.AddColumns) -> None:
    snapshot = target.snapshot
    fields = list(snapshot.schema.fields)
    mapped = snapshot.mapping_mode != "none"
    metadata = snapshot.metadata
    shown = []
    for added in action.columns:
        c = added.column
        if len(added.path) > 1:
            raise NotSupportedError(
                "adding nested fields is not supported yet: only whole columns", span=c.span
            )
        if any(f.name.lower() == c.name.lower() for f in fields):
            raise AnalysisError(
                f"`{target.name}` has a column `{c.name}` already",
                condition="FIELD_ALREADY_EXISTS",
                span=c.span,
            )
        _check_addable(c)
        check_names((c,), mapped=mapped)
        field = table_field(session, c, (c,))
        fields.insert(_place(fields, added.position, len(fields), c.span), field)
        shown.append({"column": field.to_json(), **({"position": added.position} if added.position else {})})
    schema = TableSchema(tuple(fields))
    if mapped:
        schema, last = with_column_ids(schema, int(snapshot.setting(MAX_COLUMN_ID) or 0), keep_names=False)
        metadata = replace(metadata, configuration={**metadata.configuration, MAX_COLUMN_ID: str(last)})
    parameters = {"columns": json.dumps(shown, separators=(",", ":"))}
    _save(target, schema, "ADD COLUMNS", parameters, schema_features(schema), metadata)


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


def _place(fields: list[TableField], position: str | None, default: int, span: Span | None) -> int:
    if position is None:
        return default
    if position == "FIRST":
        return 0
    for i, f in enumerate(fields):
        if f.name.lower() == position.lower():
            return i + 1
    raise AnalysisError(
        f"there is no column `{position}`", condition="DELTA_COLUMN_NOT_FOUND_IN_SCHEMA", span=span,
        hint=did_you_mean(position, [f.name for f in fields]),
    )  # fmt: skip


def _mapped(target: Target) -> tuple[Metadata, TableSchema, set[str]]:
    """Metadata and schema under column mapping, switched on when the table has none."""
    from sqlshell.commands.alter_table import mapped
    from sqlshell.storage.delta.schema import parse_schema

    snapshot = target.snapshot
    if snapshot.mapping_mode != "none":
        return snapshot.metadata, snapshot.schema, set()
    metadata = mapped(snapshot.metadata, target)
    return metadata, parse_schema(metadata.schema_string), {"columnMapping"}


def _rename(session: Session, target: Target, action: st.RenameColumn) -> None:
    at = _position(target, action.path, action.span)
    field = target.snapshot.schema.fields[at]
    others = [f.name.lower() for f in target.snapshot.schema.fields if f is not field]
    if action.to.lower() in others:
        raise AnalysisError(
            f"`{target.name}` has a column `{action.to}` already",
            condition="FIELD_ALREADY_EXISTS",
            span=action.span,
        )
    _check_unused(session, target, field.name, "renamed", action.span)
    metadata, schema, features = _mapped(target)
    fields = list(schema.fields)
    fields[at] = replace(fields[at], name=action.to)
    partitions = tuple(action.to if p == field.name else p for p in metadata.partition_columns)
    metadata = replace(metadata, partition_columns=partitions)
    parameters = {"oldColumnPath": field.name, "newColumnPath": action.to}
    _save(target, TableSchema(tuple(fields)), "RENAME COLUMN", parameters, features, metadata)


def _drop(session: Session, target: Target, action: st.DropColumns) -> None:
    found: list[int] = []
    for path in action.paths:
        try:
            found.append(_position(target, path, action.span))
        except AnalysisError:
            if not action.if_exists:
                raise
    if not found:
        return
    names = [target.snapshot.schema.fields[i].name for i in found]
    if len(names) >= len(target.snapshot.schema.fields):
        raise AnalysisError(
            "the last column of a table cannot be dropped", condition="DELTA_DROP_COLUMN_ON_SINGLE_FIELD_SCHEMA",
            span=action.span,
        )  # fmt: skip
    for name in names:
        if name in target.snapshot.partition_columns:
            raise AnalysisError(
                f"`{target.name}` is partitioned by `{name}`: it cannot be dropped",
                condition="DELTA_UNSUPPORTED_DROP_PARTITION_COLUMN",
                span=action.span,
            )
        _check_unused(session, target, name, "dropped", action.span)
        _check_unclustered(target, name, action.span)
    metadata, schema, features = _mapped(target)
    left = tuple(f for i, f in enumerate(schema.fields) if i not in found)
    _save(target, TableSchema(left), "DROP COLUMNS", {"columns": json.dumps(names)}, features, metadata)


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
    at = _position(target, action.path, action.span)
    schema = target.snapshot.schema
    field = schema.fields[at]
    features: set[str] = set()
    match action.what:
        case "comment":
            changed = _with_metadata(field, "comment", action.value)
        case "default":
            text = None if action.value is None else str(action.value)
            if text is not None:
                if GENERATION in field.metadata or "delta.identity.start" in field.metadata:
                    raise AnalysisError(
                        f"`{field.name}` is a generated column: it takes no default",
                        condition="GENERATED_COLUMN_WITH_DEFAULT_VALUE",
                        span=action.span,
                    )
                check_default(session, text, field.name, field.type, action.span)
                features.add("allowColumnDefaults")
            changed = _with_metadata(field, DEFAULT, text)
        case "nullable":
            changed = replace(field, nullable=bool(action.value))
            if not action.value:
                _check_no_nulls(session, target, field, action.span)
                features.add("invariants")
        case "type":
            assert isinstance(action.value, SqlType)
            changed = _widened(session, target, field, action.value, action.span)
            if changed is not field and changed.json_type != field.json_type:
                features.add("typeWidening")
        case _:
            _reorder(target, at, str(action.value), action.span)
            return
    if changed == field:
        return
    fields = (*schema.fields[:at], changed, *schema.fields[at + 1 :])
    shown = json.dumps(changed.to_json(), separators=(",", ":"))
    _save(target, TableSchema(fields), "CHANGE COLUMN", {"column": shown}, features)


def _with_metadata(field: TableField, key: str, value: object) -> TableField:
    metadata = {k: v for k, v in field.metadata.items() if k != key}
    return replace(field, metadata=metadata if value is None else {**metadata, key: value})


def _check_no_nulls(session: Session, target: Target, field: TableField, span: Span | None) -> None:
    from sqlshell.commands.alter_table import count_where
    from sqlshell.types import quote_name

    nulls = count_where(session, target, f"{quote_name(field.name)} IS NULL")
    if nulls:
        raise AnalysisError(
            f"`{field.name}` is NULL in {nulls} row{'s' if nulls > 1 else ''} of `{target.name}`",
            condition="DELTA_NEW_NOT_NULL_VIOLATION",
            span=span,
            hint=f"SELECT * FROM {target.name} WHERE {quote_name(field.name)} IS NULL shows them",
        )


def _reorder(target: Target, at: int, position: str, span: Span | None) -> None:
    fields = list(target.snapshot.schema.fields)
    moved = fields.pop(at)
    fields.insert(_place(fields, position, at, span), moved)
    shown = json.dumps(moved.to_json(), separators=(",", ":"))
    _save(target, TableSchema(tuple(fields)), "CHANGE COLUMN", {"column": shown, "position": position})


def _widened(
    session: Session, target: Target, field: TableField, to: SqlType, span: Span | None
) -> TableField:
    """The column with a wider type, which readers apply to files written before."""
    if field.type == to:
        return field
    if not widens(field.type, to):
        raise AnalysisError(
            f"`{field.name}` cannot change from {field.type} to {to}: only to a type that holds every value it has",
            condition="DELTA_UNSUPPORTED_ALTER_TABLE_CHANGE_COL_OP",
            span=span,
            hint="CREATE OR REPLACE TABLE ... AS SELECT writes it anew under another type",
        )
    if not target.snapshot.is_enabled("delta.enableTypeWidening"):
        raise AnalysisError(
            f"type widening is off for `{target.name}`",
            condition="DELTA_UNSUPPORTED_ALTER_TABLE_CHANGE_COL_OP",
            span=span,
            hint=f"ALTER TABLE {target.name} SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')",
        )
    _check_unused(session, target, field.name, "changed", span)
    made = new_field(field.name, to, nullable=field.nullable)
    before, after = type_to_json(field.type), type_to_json(to)
    metadata = {k: v for k, v in field.metadata.items() if not k.startswith("__CHAR")}
    if before == after:  # char and varchar are strings to Delta
        return replace(field, metadata={**metadata, **made.metadata})
    changes = [*metadata.get("delta.typeChanges", ()), {"fromType": before, "toType": after}]
    return replace(field, json_type=after, metadata={**metadata, "delta.typeChanges": changes})


def widens(before: SqlType, after: SqlType) -> bool:
    """Whether Delta can read values of one type as the other."""
    from sqlshell.types import String

    if isinstance(before, String) and isinstance(after, String):
        return after.length is None or (
            before.length is not None and not after.fixed and after.length >= before.length
        )
    if after in _WIDER.get(before, ()):
        return True
    if not isinstance(after, Decimal):
        return False
    if isinstance(before, Decimal):
        scale = after.scale - before.scale
        return scale >= 0 and after.precision - before.precision >= scale
    if isinstance(before, Integral):
        digits = 10 if before.bits <= 32 else integral_digits(before)
        return after.precision - after.scale >= digits
    return False
