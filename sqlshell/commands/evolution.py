"""WITH SCHEMA EVOLUTION: the table's columns with those that a statement's rows bring (delta docs, "Schema evolution").

New columns, and new fields of structs at any depth, come last. With `delta.enableTypeWidening` a column also takes the
wider type of its values, among whole numbers, among decimals, and from float to double; other types are left to store
assignment. The change is part of the statement's own commit.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from sqlshell.commands.table_schema import check_names, schema_features
from sqlshell.errors import AnalysisError
from sqlshell.parser.statement_table import ColumnDef
from sqlshell.plan.bind import Binder
from sqlshell.plan.bind_dml import merge_columns
from sqlshell.plan.bind_insert import insert_columns
from sqlshell.records import replace
from sqlshell.storage.delta.properties import MAX_COLUMN_ID
from sqlshell.storage.delta.protocol import with_features
from sqlshell.storage.delta.schema import parse_schema, type_from_json, type_to_json, with_column_ids
from sqlshell.storage.delta.snapshot import Snapshot
from sqlshell.storage.delta.widening import widens
from sqlshell.types import Decimal, Fractional, Integral, SqlType, Void

if TYPE_CHECKING:
    from sqlshell.commands.dml import Writing
    from sqlshell.errors import Span
    from sqlshell.parser.statement_dml import Insert, Merge
    from sqlshell.storage.delta.actions import Action

_INNER = ("elementType", "keyType", "valueType")


def for_insert(w: Writing, s: Insert) -> Writing:
    """The target of an INSERT with the columns that its query gives."""
    return _evolved(w, insert_columns(_binder(w), s, w.schema), s.target.span)


def for_merge(w: Writing, s: Merge) -> Writing:
    """The target of a MERGE with the source's columns that its clauses store: all for `*`, else those named."""
    return _evolved(w, merge_columns(_binder(w), s, w.schema), s.target.span)


def _binder(w: Writing) -> Binder:
    binder = Binder(w.binder.ctx)
    binder.text = w.binder.text
    return binder


def _evolved(w: Writing, columns: list[tuple[str, SqlType]], span: Span | None) -> Writing:
    """The attempt on a snapshot with the new schema, whose commit has `changes` in it."""
    old = w.snapshot
    fields: list[dict[str, Any]] = deepcopy([f.to_json() for f in old.schema.fields])
    evolution = _Evolution(old.is_enabled("delta.enableTypeWidening"), span)
    evolution.merge(fields, [_field(n, t) for n, t in columns])
    if not evolution.changed:
        return w
    mapped = old.mapping_mode != "none"
    known = {f.name for f in old.schema.fields}
    types = dict(columns)
    check_names(
        (ColumnDef(f["name"], types[f["name"]]) for f in fields if f["name"] not in known), mapped=mapped
    )
    schema = parse_schema(json.dumps({"type": "struct", "fields": fields}))
    settings = dict(old.metadata.configuration)
    if mapped:
        schema, last = with_column_ids(schema, int(old.setting(MAX_COLUMN_ID) or 0), keep_names=False)
        settings[MAX_COLUMN_ID] = str(last)
    metadata = replace(old.metadata, schema_string=schema.to_string(), configuration=settings)
    features = schema_features(schema) | ({"typeWidening"} if evolution.widened else set())
    protocol = with_features(old.protocol, features)
    state = old.state.copy()
    state.metadata, state.protocol = metadata, protocol
    changes: list[Action] = [metadata] if protocol == old.protocol else [protocol, metadata]
    snapshot = Snapshot(old.location, old.version, old.timestamp_ms, state)
    return replace(w, snapshot=snapshot, changes=tuple(changes))


def _field(name: str, t: SqlType) -> dict[str, Any]:
    return {"name": name, "type": _nullable(type_to_json(t)), "nullable": True, "metadata": {}}


def _nullable(t: Any) -> Any:
    """A type whose fields and elements may be NULL: in the rows that are there they are."""
    if not isinstance(t, dict):
        return t
    may = {k: True for k in ("nullable", "containsNull", "valueContainsNull") if k in t}
    parts = {k: _nullable(t[k]) for k in ("type", *_INNER) if isinstance(t.get(k), dict)}
    fields = {"fields": [_nullable(f) for f in t["fields"]]} if "fields" in t else {}
    return t | may | parts | fields


class _Evolution:
    """Merges the JSON of a schema's fields with that of new ones."""

    def __init__(self, widen: bool, span: Span | None) -> None:
        self._widen = widen
        self._span = span
        self.changed = self.widened = False

    def merge(self, fields: list[dict[str, Any]], given: list[dict[str, Any]]) -> None:
        known = {f["name"].lower(): f for f in fields}
        for new in given:
            field = known.get(new["name"].lower())
            if field is None:
                if new["type"] == "void":
                    raise AnalysisError(
                        f"the new column `{new['name']}` has the type {Void()}",
                        condition="DELTA_NULL_SCHEMA_IN_STREAMING_WRITE",
                        span=self._span,
                        hint="CAST it to the type the column is to have",
                    )
                fields.append(new)
                self.changed = True
                continue
            self._type(field, "type", new["type"], field)

    def _type(self, holder: dict[str, Any], key: str, new: Any, field: dict[str, Any]) -> None:
        """Merge the type at `holder[key]`; `field` is the field it is or is part of."""
        old = holder[key]
        if isinstance(old, dict) and isinstance(new, dict):
            if old["type"] == new["type"] == "struct":
                self.merge(old["fields"], new["fields"])
            elif old["type"] == new["type"]:
                for inner in _INNER:
                    if inner in old:
                        self._type(old, inner, new[inner], field)
        elif self._widen and holder is field and _widens(old, new):
            changes = field["metadata"].get("delta.typeChanges", [])
            changed = [*changes, {"fromType": old, "toType": new}]
            field["metadata"] = {**field["metadata"], "delta.typeChanges": changed}
            field["type"] = new
            self.changed = self.widened = True


def _widens(old: Any, new: Any) -> bool:
    """Delta widens by itself within a family of types only; whole numbers to decimals or doubles it leaves alone."""
    if isinstance(old, dict) or isinstance(new, dict) or old == new:
        return False
    before, after = type_from_json(old), type_from_json(new)
    same = any(isinstance(before, k) and isinstance(after, k) for k in (Integral, Fractional, Decimal))
    return same and widens(before, after)
