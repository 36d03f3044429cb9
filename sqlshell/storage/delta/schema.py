"""Delta's JSON schemas: columns with their metadata (comments, defaults, generation, column mapping), both ways.

A field keeps its JSON type as written, so that metadata of nested fields survives a change of the table.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sqlshell.errors import CorruptInputError, NotSupportedError
from sqlshell.expr.tree import cached_property
from sqlshell.records import dataclass, field
from sqlshell.types import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    SMALLINT,
    STRING,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    TINYINT,
    VARIANT,
    VOID,
    Array,
    Decimal,
    Field,
    Map,
    SqlType,
    String,
    Struct,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PHYSICAL_NAME = "delta.columnMapping.physicalName"
COLUMN_ID = "delta.columnMapping.id"
NESTED_IDS = "delta.columnMapping.nested.ids"
CHAR_TYPE = "__CHAR_VARCHAR_TYPE_STRING"

_NAMES: dict[str, SqlType] = {
    "string": STRING,
    "long": BIGINT,
    "integer": INT,
    "short": SMALLINT,
    "byte": TINYINT,
    "float": FLOAT,
    "double": DOUBLE,
    "boolean": BOOLEAN,
    "binary": BINARY,
    "date": DATE,
    "timestamp": TIMESTAMP,
    "timestamp_ntz": TIMESTAMP_NTZ,
    "variant": VARIANT,
    "void": VOID,
    "null": VOID,
    "decimal": Decimal(10, 0),
}
_SPELLINGS = {t: n for n, t in reversed(_NAMES.items()) if n not in {"decimal", "null"}}
_DECIMAL = re.compile(r"decimal\(\s*(\d+)\s*,\s*(-?\d+)\s*\)")


@dataclass(frozen=True)
class TableField:
    """A column of a table: its JSON type as written, and its metadata."""

    name: str
    json_type: Any
    nullable: bool = True
    metadata: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def type(self) -> SqlType:
        """The SQL type, nested fields under their logical names."""
        return _char_type(self.metadata) or type_from_json(self.json_type)

    @property
    def physical_name(self) -> str:
        """The column's name in data files, partition values and statistics."""
        return str(self.metadata.get(PHYSICAL_NAME, self.name))

    @cached_property
    def physical_type(self) -> SqlType:
        """The SQL type with nested fields under their physical names."""
        return type_from_json(self.json_type, physical=True)

    @property
    def comment(self) -> str | None:
        return self.metadata.get("comment")

    @property
    def column_id(self) -> int | None:
        found = self.metadata.get(COLUMN_ID)
        return None if found is None else int(found)

    def to_json(self) -> dict[str, Any]:
        """The field's JSON object."""
        return {
            "name": self.name,
            "type": self.json_type,
            "nullable": self.nullable,
            "metadata": self.metadata,
        }


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table, partition columns in their place among the others."""

    fields: tuple[TableField, ...]

    @cached_property
    def struct(self) -> Struct:
        """The columns as users see them."""
        return Struct(tuple(Field(f.name, f.type, f.nullable) for f in self.fields))

    def field(self, name: str) -> TableField | None:
        """The column called `name` (case-insensitive)."""
        lowered = name.lower()
        return next((f for f in self.fields if f.name.lower() == lowered), None)

    def to_string(self) -> str:
        """Delta's `schemaString`."""
        body = {"type": "struct", "fields": [f.to_json() for f in self.fields]}
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False)

    @property
    def is_mapped(self) -> bool:
        """Whether any column has a physical name of its own."""
        return any(PHYSICAL_NAME in f.metadata for f in self.fields)

    def column_ids(self) -> dict[tuple[str, ...], int]:
        """Physical path (`[]`, `{}` for elements, as leaf paths) to column mapping id, nested fields included."""
        found: dict[tuple[str, ...], int] = {}
        for f in self.fields:
            found.update(_ids(f.to_json(), ()))
        return found


def parse_schema(schema_string: str) -> TableSchema:
    """A table's schema from `metaData.schemaString`. Raises CORRUPT_INPUT or, for an unknown type, UNSUPPORTED."""
    try:
        body = json.loads(schema_string)
        fields = tuple(_field(f) for f in body["fields"])
    except (ValueError, KeyError, TypeError) as e:
        raise CorruptInputError(f"the table's schema is not valid: {e}") from None
    schema = TableSchema(fields)
    for f in fields:
        _check_collations(f.to_json())
        _ = f.type
    return schema


def new_field(
    name: str, sql_type: SqlType, *, nullable: bool = True, metadata: dict[str, Any] | None = None
) -> TableField:
    """A column of a SQL type."""
    extra = dict(metadata or {})
    if isinstance(sql_type, String) and sql_type.length is not None:
        extra[CHAR_TYPE] = str(sql_type)
    return TableField(name, type_to_json(sql_type), nullable, extra)


def from_struct(struct: Struct) -> TableSchema:
    """A schema without any metadata."""
    return TableSchema(tuple(new_field(f.name, f.type, nullable=f.nullable) for f in struct.fields))


def _field(body: dict[str, Any]) -> TableField:
    return TableField(
        body["name"], body["type"], bool(body.get("nullable", True)), dict(body.get("metadata") or {})
    )


def _char_type(metadata: dict[str, Any]) -> SqlType | None:
    declared = metadata.get(CHAR_TYPE)
    if not declared:
        return None
    from sqlshell.types_ddl import parse_type

    return parse_type(declared)


def _check_collations(body: dict[str, Any]) -> None:
    for path, name in (body.get("metadata") or {}).get("__COLLATIONS", {}).items():
        if not str(name).upper().endswith("UTF8_BINARY"):
            raise NotSupportedError(
                f"the column {path} has the collation {name}: only UTF8_BINARY is supported"
            )
    for nested in _nested_fields(body["type"]):
        _check_collations(nested)


def _nested_fields(t: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(t, dict):
        return
    if t["type"] == "struct":
        yield from t["fields"]
    for part in ("elementType", "keyType", "valueType"):
        if part in t:
            yield from _nested_fields(t[part])


def type_from_json(t: Any, *, physical: bool = False) -> SqlType:
    """A SQL type; nested fields under their logical or physical names."""
    if isinstance(t, str):
        found = _NAMES.get(t)
        if found is not None:
            return found
        digits = _DECIMAL.fullmatch(t)
        if digits:
            return Decimal(int(digits[1]), int(digits[2]))
        if t.startswith("interval "):
            from sqlshell.types_ddl import parse_type

            return parse_type(t)
        raise NotSupportedError(f"the Delta type {t} is not supported")
    kind = t["type"]
    if kind == "struct":
        return Struct(
            tuple(
                Field(
                    _physical(f) if physical else f["name"],
                    (None if physical else _char_type(f.get("metadata") or {}))
                    or type_from_json(f["type"], physical=physical),
                    bool(f.get("nullable", True)),
                )
                for f in t["fields"]
            )
        )
    if kind == "array":
        return Array(type_from_json(t["elementType"], physical=physical), bool(t.get("containsNull", True)))
    if kind == "map":
        return Map(
            type_from_json(t["keyType"], physical=physical),
            type_from_json(t["valueType"], physical=physical),
            bool(t.get("valueContainsNull", True)),
        )
    raise NotSupportedError(f"the Delta type {kind} is not supported")


def _physical(body: dict[str, Any]) -> str:
    return str((body.get("metadata") or {}).get(PHYSICAL_NAME, body["name"]))


def type_to_json(t: SqlType) -> Any:
    """The JSON of a SQL type. Raises UNSUPPORTED for types that Delta does not have."""
    match t:
        case Struct():
            return {
                "type": "struct",
                "fields": [new_field(f.name, f.type, nullable=f.nullable).to_json() for f in t.fields],
            }
        case Array():
            return {
                "type": "array",
                "elementType": type_to_json(t.element),
                "containsNull": t.contains_null,
            }
        case Map():
            return {
                "type": "map",
                "keyType": type_to_json(t.key),
                "valueType": type_to_json(t.value),
                "valueContainsNull": t.value_contains_null,
            }
        case Decimal():
            return str(t)
        case String():
            return "string"
        case _ if t in _SPELLINGS:
            return _SPELLINGS[t]
    raise NotSupportedError(f"Delta tables cannot hold the type {t}")


# -- column mapping


def _ids(body: dict[str, Any], prefix: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    path = (*prefix, _physical(body))
    found = (body.get("metadata") or {}).get(COLUMN_ID)
    if found is not None:
        yield path, int(found)
    yield from _ids_below(body["type"], path)


def _ids_below(t: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    if not isinstance(t, dict):
        return
    if t["type"] == "struct":
        for f in t["fields"]:
            yield from _ids(f, path)
    elif t["type"] == "array":
        yield from _ids_below(t["elementType"], (*path, "[]"))
    else:
        yield from _ids_below(t["keyType"], (*path, "{}", "key"))
        yield from _ids_below(t["valueType"], (*path, "{}", "value"))


def with_column_ids(schema: TableSchema, last_id: int, *, keep_names: bool) -> tuple[TableSchema, int]:
    """The schema with a mapping id and physical name for every field that has none; and the highest id.

    `keep_names` makes the physical name the present one (files that exist already), else it is a fresh one.
    """
    counter = [last_id]
    fields = tuple(_field(_mapped(f.to_json(), counter, keep_names)) for f in schema.fields)
    return TableSchema(fields), counter[0]


def _mapped(body: dict[str, Any], counter: list[int], keep_names: bool) -> dict[str, Any]:
    from uuid import uuid4

    metadata = dict(body.get("metadata") or {})
    if COLUMN_ID not in metadata:
        counter[0] += 1
        metadata[COLUMN_ID] = counter[0]
    if PHYSICAL_NAME not in metadata:
        metadata[PHYSICAL_NAME] = body["name"] if keep_names else f"col-{uuid4()}"
    return body | {"metadata": metadata, "type": _mapped_type(body["type"], counter, keep_names)}


def _mapped_type(t: Any, counter: list[int], keep_names: bool) -> Any:
    if not isinstance(t, dict):
        return t
    if t["type"] == "struct":
        return t | {"fields": [_mapped(f, counter, keep_names) for f in t["fields"]]}
    parts = {
        p: _mapped_type(t[p], counter, keep_names) for p in ("elementType", "keyType", "valueType") if p in t
    }
    return t | parts
