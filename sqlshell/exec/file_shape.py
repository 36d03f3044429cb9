"""How a column of one data file becomes a column of its Delta table: which leaves to read, and what to make of them.

Names may be physical, types older, fields absent, whatever is not wanted is left out. An absent field is NULL where
the struct around it is there: of a struct (or of an array's elements) whose wanted fields are all absent, a cheap
leaf that the file has is read instead. Maps become lists of entries, as kernels have them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from sqlshell.errors import CorruptInputError, NotSupportedError
from sqlshell.records import dataclass
from sqlshell.storage.delta.schema import COLUMN_ID, PHYSICAL_NAME, type_from_json
from sqlshell.types import Variant, Void
from sqlshell.types_arrow import to_arrow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Part = tuple["str | None", "Shape"]
Wanted = frozenset[tuple[str, ...]]
"""Paths below a value (`storage/parquet_leaves.py`), in lower case; () is all of it."""
WHOLE: Wanted = frozenset({()})


@dataclass(frozen=True)
class Shape:
    """What to make of a value: `kind` is leaf, struct, array or map; `parts` are (name in the file, shape) of a
    struct's fields, of an array's element or of a map's key and value; a part without a name is absent."""

    kind: str
    target: Any
    parts: tuple[Part, ...] = ()

    def below(self, step: str) -> Part | None:
        """The part that a step of a leaf path leads to."""
        if self.kind == "struct":
            names = [f.name.lower() for f in self.target]
            return self.parts[names.index(step)] if step in names else None
        return (step, self.parts[0][1]) if self.kind == "array" and step == "[]" else None


class ShapeMaker:
    """Shapes of a file's columns; collects the indexes of the leaves to read. `mapping` is none, name or id."""

    def __init__(self, mapping: str) -> None:
        self.mapping = mapping
        self.leaves: set[int] = set()
        self.casts = False
        """Whether a leaf changes its type in a way that Polars' reader does not know."""

    def columns(self, schema: pa.Schema, columns: Iterable[dict[str, Any]]) -> Iterator[Part]:
        """(name in the file, shape) of each column, given as Delta's JSON."""
        have = self._fields(schema, 0)
        for c in columns:
            yield self._field(c, have)

    def _fields(self, fields: Any, at: int) -> dict[str, tuple[pa.Field, int]]:
        """Fields of a file's schema or struct with the index of their first leaf, by what finds them."""
        found: dict[str, tuple[pa.Field, int]] = {}
        for f in fields:
            found.setdefault((self.mapping == "id" and _id(f)) or f.name, (f, at))
            if self.mapping == "none":
                found.setdefault(f"{f.name.lower()}\0", (f, at))
            at += _count(f.type)
        return found

    def _field(self, body: dict[str, Any], have: dict[str, tuple[pa.Field, int]]) -> Part:
        metadata = body.get("metadata") or {}
        name = str(metadata.get(PHYSICAL_NAME, body["name"]))
        # Files without ids are read by name.
        key = str(metadata.get(COLUMN_ID)) if self.mapping == "id" else name
        found = have.get(key) or have.get(name) or have.get(f"{name.lower()}\0")
        if found is None:
            return None, Shape("leaf", target(body["type"]))
        field, at = found
        return field.name, self._shape(body["type"], field.type, at)

    def _shape(self, t: Any, kind: pa.DataType, at: int) -> Shape:
        goal = target(t)
        if not isinstance(t, dict):
            _check(not _children(kind), kind, t)
            self.leaves.add(at)
            self.casts |= not _as_read(kind, goal)
            return Shape("leaf", goal)
        if t["type"] == "struct":
            _check(pt.is_struct(kind), kind, t)
            have = self._fields(kind, at)
            fields = [self._field(f, have) for f in t["fields"]]
            if not self.leaves & set(range(at, at + _count(kind))):
                self.leaves.add(_cheapest(kind, at))
            return Shape("struct", goal, tuple(fields))
        if t["type"] == "array":
            _check(_is_list(kind), kind, t)
            return Shape(
                "array", goal, ((kind.value_field.name, self._shape(t["elementType"], kind.value_type, at)),)
            )
        _check(pt.is_map(kind), kind, t)
        entry = [(kind.key_field, at), (kind.item_field, at + _count(kind.key_type))]
        parts = [
            (field.name, self._shape(t[part], field.type, start))
            for part, (field, start) in zip(("keyType", "valueType"), entry, strict=True)
            if part in t
        ]
        return Shape("map", goal, tuple(parts))


def narrowed(t: Any, wanted: Wanted) -> Any:
    """A JSON type without the parts that are not wanted: struct fields, a map's keys or values."""
    if () in wanted or not isinstance(t, dict):
        return t
    if t["type"] == "struct":
        fields = [(f, _below(f["name"].lower(), wanted)) for f in t["fields"]]
        return t | {"fields": [f | {"type": narrowed(f["type"], w)} for f, w in fields if w]}
    if t["type"] == "array":
        return t | {"elementType": narrowed(t["elementType"], _below("[]", wanted))}
    entry = _below("{}", wanted)
    if () in entry:
        return t
    parts = {f"{p}Type": _below(p, entry) for p in ("key", "value")}
    return {"type": "map"} | {p: narrowed(t[p], w) for p, w in parts.items() if w}


def _below(step: str, wanted: Wanted) -> Wanted:
    """What is wanted of a part; nothing is the empty set."""
    if () in wanted:
        return WHOLE
    return frozenset(p[1:] for p in wanted if p[0] == step)


def target(t: Any) -> pa.DataType:
    """The Arrow type of a (narrowed) JSON type, under the table's names."""
    if not isinstance(t, dict):
        found = type_from_json(t)
        if isinstance(found, Variant | Void):
            raise NotSupportedError(f"columns of type {found} in Delta tables cannot be read yet")
        return to_arrow(found)
    if t["type"] == "struct":
        return pa.struct([pa.field(f["name"], target(f["type"])) for f in t["fields"]])
    if t["type"] == "array":
        return pa.large_list(target(t["elementType"]))
    parts = [pa.field(p, target(t[f"{p}Type"])) for p in ("key", "value") if f"{p}Type" in t]
    return pa.large_list(pa.struct(parts))


def shaped(array: Any, shape: Shape) -> Any:
    """A file's array or chunked array as the table has it."""
    if isinstance(array, pa.ChunkedArray):
        return pa.chunked_array([shaped(c, shape) for c in array.chunks], shape.target)
    if array.type == shape.target:
        return array
    if shape.kind == "struct":
        return _with_fields(array, shape)
    if shape.kind != "leaf":
        return _with_elements(array, shape)
    try:
        return pc.cast(array, shape.target)
    except pa.ArrowInvalid as e:
        raise CorruptInputError(f"a data file's {array.type} cannot be read as {shape.target}: {e}") from None


def _with_fields(array: Any, shape: Shape) -> Any:
    children = [
        pa.nulls(len(array), part.target) if name is None else shaped(array.field(name), part)
        for name, part in shape.parts
    ]
    mask = array.is_null() if array.null_count else None
    return pa.StructArray.from_arrays(children, fields=list(shape.target), mask=mask)


def _with_elements(array: Any, shape: Shape) -> Any:
    """An array's elements or a map's entries; pyarrow gives a map read without one of its two as a list."""
    if pt.is_fixed_size_list(array.type):
        array = pc.cast(array, pa.large_list(array.type.value_field))
    if shape.kind == "array":
        values = shaped(array.values, shape.parts[0][1])
    else:
        entry = Shape("struct", shape.target.value_type, shape.parts)
        values = _with_fields(_entries(array) if pt.is_map(array.type) else array.values, entry)
    offsets = pc.cast(array.offsets, pa.int64())
    mask = array.is_null() if array.null_count else None
    if mask is not None and offsets.offset:
        offsets = pa.concat_arrays([offsets])
    return pa.LargeListArray.from_arrays(offsets, values, type=shape.target, mask=mask)


def _entries(array: Any) -> Any:
    kind = array.type
    return pa.StructArray.from_arrays([array.keys, array.items], [kind.key_field.name, kind.item_field.name])


def _check(right: bool, kind: pa.DataType, t: Any) -> None:
    if not right:
        raise CorruptInputError(f"a data file has {kind} for a column of type {type_from_json(t)}")


def _is_list(t: pa.DataType) -> bool:
    return bool(pt.is_list(t) or pt.is_large_list(t) or pt.is_fixed_size_list(t))


def _id(f: pa.Field) -> str:
    return ((f.metadata or {}).get(b"PARQUET:field_id") or b"").decode()


def _children(t: pa.DataType) -> list[pa.DataType]:
    if pt.is_map(t):
        return [t.key_type, t.item_type]
    if pt.is_struct(t):
        return [f.type for f in t]
    return [t.value_type] if _is_list(t) else []


def _count(t: pa.DataType) -> int:
    """Leaves below a type."""
    children = _children(t)
    return sum(map(_count, children)) if children else 1


def _leaves(t: pa.DataType, depth: int = 0) -> Iterator[tuple[pa.DataType, int]]:
    """Leaf types in file order, each with the number of lists around it."""
    children = _children(t)
    if not children:
        yield t, depth
    for c in children:
        yield from _leaves(c, depth + (not pt.is_struct(t)))


def _cheapest(t: pa.DataType, at: int) -> int:
    """The index of a small leaf: not repeated where another is not, of few bits."""
    found = list(_leaves(t))
    costs = [(d, k.bit_width if _fixed(k) else 1000) for k, d in found]
    return at + min(range(len(found)), key=lambda i: costs[i])


def _fixed(t: pa.DataType) -> bool:
    return bool(pt.is_primitive(t) or pt.is_boolean(t))


def _as_read(kind: pa.DataType, goal: pa.DataType) -> bool:
    """Whether Polars' reader makes one type of the other by itself."""
    if kind == goal or (pt.is_integer(kind) and pt.is_integer(goal)):
        return True
    if pt.is_decimal(kind) and pt.is_decimal(goal):
        return bool(kind.scale == goal.scale)
    if pt.is_floating(kind) and pt.is_floating(goal):
        return True
    return not (pt.is_decimal(goal) or pt.is_floating(goal) or pt.is_date(kind))
