"""Types of columns in a Delta table's data files: what Polars reads them as, and their ids for Polars' mapping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.errors import NotSupportedError
from sqlshell.exec.lower_types import dtype
from sqlshell.storage.delta.schema import COLUMN_ID, NESTED_IDS, PHYSICAL_NAME, type_from_json
from sqlshell.types import Array, Decimal, Map, SqlType, Struct, Variant, Void

if TYPE_CHECKING:
    import pyarrow as pa

    from sqlshell.storage.delta.schema import TableField

FIRST_FREE_ID = 1 << 30
"""Ids for what has none in the table: far above any that a writer counts up to."""

WITHOUT_ID = {"element": 0xFFFFFFFF, "key": 0xFFFFFFFE, "value": 0xFFFFFFFD}
"""What Polars calls the parts of arrays and maps that have no id in a file."""

Names = dict[int, list[str]]


def file_dtype(t: SqlType) -> Any:
    """What Polars reads a column of a data file as, when the file has the declared type."""
    match t:
        case Decimal():
            return pl.Decimal(t.precision, t.scale)
        case Array():
            return pl.List(file_dtype(t.element))
        case Map():
            return pl.Map(file_dtype(t.key), file_dtype(t.value))
        case Struct():
            return pl.Struct([pl.Field(f.name, file_dtype(f.type)) for f in t.fields])
        case Variant() | Void():
            raise NotSupportedError(f"columns of type {t} in Delta tables cannot be read yet")
    return dtype(t)


def is_widened(column: TableField) -> bool:
    """Whether a column's type, or one inside it, was wider made since older files were written."""
    return "delta.typeChanges" in str(column.to_json())


def arrow_schema(
    columns: list[TableField], constants: dict[str, pl.Series]
) -> tuple[dict[str, int], pa.Schema, Names]:
    """Ids of the constants, and for Polars' column mapping the Arrow schema with ids and the names in files by id."""
    import pyarrow as pa

    ids = _Ids()
    fields = [ids.field(c.to_json()) for c in columns]
    found: dict[str, int] = {}
    for name, series in constants.items():
        found[name] = ids.fresh()
        ids.names[found[name]] = [name]
        fields.append(pa.field(name, series.to_arrow().type, metadata=_tag(found[name])))
    return found, pa.schema(fields), ids.names


def _tag(number: int) -> dict[bytes, bytes]:
    return {b"PARQUET:field_id": str(number).encode()}


class _Ids:
    """Hands out ids; remembers by which names files call them."""

    def __init__(self) -> None:
        self.names: Names = {}
        self._next = FIRST_FREE_ID

    def fresh(self) -> int:
        self._next += 1
        return self._next

    def field(self, body: dict[str, Any]) -> pa.Field:
        """A column or nested field from its JSON."""
        import pyarrow as pa

        metadata = body.get("metadata") or {}
        number = int(metadata.get(COLUMN_ID) or self.fresh())
        physical = str(metadata.get(PHYSICAL_NAME, body["name"]))
        self.names[number] = [physical]
        nested = metadata.get(NESTED_IDS) or {}
        return pa.field(body["name"], self.type(body["type"], physical, nested), metadata=_tag(number))

    def part(self, name: str, t: Any, path: str, nested: dict[str, int]) -> pa.Field:
        """An array's element, a map's key or value: files have ids for them where IcebergCompat asks for it."""
        import pyarrow as pa

        inner = f"{path}.{name}"
        number = int(nested.get(inner) or WITHOUT_ID[name])
        return pa.field(name, self.type(t, inner, nested), name != "key", metadata=_tag(number))

    def type(self, t: Any, path: str, nested: dict[str, int]) -> pa.DataType:
        import pyarrow as pa

        if isinstance(t, dict):
            if t["type"] == "struct":
                return pa.struct([self.field(f) for f in t["fields"]])
            if t["type"] == "array":
                return pa.large_list(self.part("element", t["elementType"], path, nested))
            key = self.part("key", t["keyType"], path, nested)
            return pa.map_(key, self.part("value", t["valueType"], path, nested))
        from sqlshell.types_arrow import to_arrow

        return to_arrow(type_from_json(t))
