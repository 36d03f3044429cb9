"""Kernel columns to the types that files have: the way back of `edge.from_file`. Runs in workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.exec.lower_types import dtype
from sqlshell.types import STRING, Array, Decimal, Map, SqlType, Struct, Timestamp, TimestampNtz

if TYPE_CHECKING:
    import pyarrow as pa

    from sqlshell.exec.lower_expr import Kernel


def file_dtype(t: SqlType) -> Any:
    """The polars dtype whose Parquet form is the one that other readers expect for `t`."""
    match t:
        case Decimal():
            return pl.Decimal(t.precision, t.scale)
        case Array():
            return pl.List(file_dtype(t.element))
        case Map():
            return pl.Map(file_dtype(t.key), file_dtype(t.value))
        case Struct():
            return pl.Struct([pl.Field(f.name, file_dtype(f.type)) for f in t.fields])
    return dtype(t)


def to_file(e: pl.Expr, source: SqlType, target: SqlType) -> pl.Expr:
    """A kernel column of type `source` as files hold `target`: the same type, its fields maybe under other names."""
    if dtype(source) == file_dtype(target):
        return e
    if isinstance(target, Decimal):
        return e.reinterpret(dtype=pl.Decimal(target.precision, target.scale))
    if isinstance(target, Array) and isinstance(source, Array):
        return e.list.eval(to_file(pl.element(), source.element, target.element))
    if isinstance(target, Map) and isinstance(source, Map):
        return _map(e, source, target)
    if isinstance(target, Struct) and isinstance(source, Struct):
        return _struct(e, source, target)
    return e.cast(file_dtype(target))


def _map(e: pl.Expr, source: Map, target: Map) -> pl.Expr:
    entry = pl.element()
    key, value = entry.struct.field("key"), entry.struct.field("value")
    converted = pl.struct(
        to_file(key, source.key, target.key).alias("key"),
        to_file(value, source.value, target.value).alias("value"),
    )
    plain = dtype(source.key) == file_dtype(target.key) and dtype(source.value) == file_dtype(target.value)
    return (e if plain else e.list.eval(converted)).cast(file_dtype(target))


def _struct(e: pl.Expr, source: Struct, target: Struct) -> pl.Expr:
    parts = [
        to_file(e.struct.field(s.name), s.type, t.type).alias(t.name)
        for s, t in zip(source.fields, target.fields, strict=True)
    ]
    return pl.when(e.is_not_null()).then(pl.struct(*parts))


def partition_text(k: Kernel, e: pl.Expr, t: SqlType) -> pl.Expr:
    """Partition values as Delta writes them: casts to text, instants as ISO 8601 in UTC; NULL and '' are NULL."""
    if isinstance(t, (Timestamp, TimestampNtz)):
        text = e.dt.replace_time_zone(None) if isinstance(t, Timestamp) else e
        text = text.dt.strftime("%Y-%m-%d %H:%M:%S%.6f" if isinstance(t, TimestampNtz) else _INSTANT)
    else:
        text = k.cast(e, t, STRING)
    return pl.when(text != pl.lit("")).then(text)


_INSTANT = "%Y-%m-%dT%H:%M:%S%.6fZ"


def arrow_schema(
    columns: list[tuple[str, SqlType]], ids: tuple[tuple[tuple[str, ...], int], ...]
) -> pa.Schema:
    """The Arrow schema that carries Parquet field ids."""
    import pyarrow as pa

    by_path = dict(ids)
    return pa.schema([_field(name, t, (name,), by_path) for name, t in columns])


def _field(name: str, t: SqlType, path: tuple[str, ...], ids: dict[tuple[str, ...], int]) -> pa.Field:
    import pyarrow as pa

    number = ids.get(path)
    metadata = None if number is None else {b"PARQUET:field_id": str(number).encode()}
    return pa.field(name, _arrow(t, path, ids), metadata=metadata)


def _arrow(t: SqlType, path: tuple[str, ...], ids: dict[tuple[str, ...], int]) -> pa.DataType:
    import pyarrow as pa

    match t:
        case Struct():
            return pa.struct([_field(f.name, f.type, (*path, f.name), ids) for f in t.fields])
        case Array():
            return pa.large_list(pa.field("element", _arrow(t.element, (*path, "[]"), ids)))
        case Map():
            key = pa.field("key", _arrow(t.key, (*path, "{}", "key"), ids), nullable=False)
            return pa.map_(key, pa.field("value", _arrow(t.value, (*path, "{}", "value"), ids)))
    frame = pl.DataFrame(schema={"x": file_dtype(t)})
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest()).schema.field(0).type
