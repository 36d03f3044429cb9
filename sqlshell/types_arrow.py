"""SQL types at the Arrow edge: Arrow types to ours, ours to Arrow, and kernel results to Arrow columns.

Kernel results come with decimals as decimal128(38,0) holding unscaled values, maps as list<struct<key,value>> and
year-month intervals as int32 (see `exec/edge.py`); `result_column` gives each its real Arrow type without copying
where the layout allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell import types as t
from sqlshell.errors import NotSupportedError

if TYPE_CHECKING:
    import pyarrow as pa


def from_arrow(a: pa.DataType) -> t.SqlType:
    """The SQL type of an Arrow type; unsigned integers widen, as Spark reads them."""
    import pyarrow.types as pt

    simple: list[tuple[Any, t.SqlType]] = [
        (pt.is_boolean, t.BOOLEAN),
        (pt.is_int8, t.TINYINT),
        (pt.is_int16, t.SMALLINT),
        (pt.is_int32, t.INT),
        (pt.is_int64, t.BIGINT),
        (pt.is_uint8, t.SMALLINT),
        (pt.is_uint16, t.INT),
        (pt.is_uint32, t.BIGINT),
        (pt.is_uint64, t.Decimal(20, 0)),
        (pt.is_float16, t.FLOAT),
        (pt.is_float32, t.FLOAT),
        (pt.is_float64, t.DOUBLE),
        (pt.is_date, t.DATE),
        (pt.is_time, t.TIME),
        (pt.is_duration, t.DAY_TIME),
        (pt.is_interval, t.CALENDAR),
        (pt.is_null, t.VOID),
    ]
    for test, sql_type in simple:
        if test(a):
            return sql_type
    if pt.is_string(a) or pt.is_large_string(a) or pt.is_string_view(a):
        return t.STRING
    if pt.is_binary(a) or pt.is_large_binary(a) or pt.is_binary_view(a) or pt.is_fixed_size_binary(a):
        return t.BINARY
    if pt.is_timestamp(a):
        return t.TIMESTAMP if a.tz else t.TIMESTAMP_NTZ
    if pt.is_decimal(a):
        return t.Decimal(a.precision, a.scale)
    if pt.is_dictionary(a):
        return from_arrow(a.value_type)
    if pt.is_map(a):
        return t.Map(from_arrow(a.key_type), from_arrow(a.item_type), a.item_field.nullable)
    if pt.is_list(a) or pt.is_large_list(a) or pt.is_fixed_size_list(a) or pt.is_list_view(a):
        return t.Array(from_arrow(a.value_type), a.value_field.nullable)
    if pt.is_struct(a):
        return t.Struct(tuple(t.Field(f.name, from_arrow(f.type), f.nullable) for f in a))
    raise NotSupportedError(f"Arrow type {a} has no SQL type")


def to_arrow(s: t.SqlType) -> pa.DataType:
    """The Arrow type a result column of this SQL type has."""
    import pyarrow as pa

    match s:
        case t.Decimal():
            return pa.decimal128(s.precision, s.scale)
        case t.Array():
            return pa.large_list(pa.field("element", to_arrow(s.element), s.contains_null))
        case t.Map():
            value = pa.field("value", to_arrow(s.value), s.value_contains_null)
            return pa.map_(pa.field("key", to_arrow(s.key), False), value)
        case t.Struct():
            return pa.struct([pa.field(f.name, to_arrow(f.type), f.nullable) for f in s.fields])
        case t.String():
            return pa.large_string()
        case t.Variant():
            # As Spark's Arrow writer has it.
            parts = [
                pa.field("value", pa.large_binary(), False),
                pa.field("metadata", pa.large_binary(), False),
            ]
            return pa.struct([parts[0], parts[1].with_metadata({"variant": "true"})])
        case t.YearMonthInterval():
            return pa.int32()  # Arrow has no usable year-month interval: months, as a number
        case t.DayTimeInterval():
            return pa.duration("us")
        case t.CalendarInterval():
            return pa.month_day_nano_interval()
    name = type(s)
    simple = {
        t.Void: pa.null(),
        t.Boolean: pa.bool_(),
        t.TinyInt: pa.int8(),
        t.SmallInt: pa.int16(),
        t.Int: pa.int32(),
        t.BigInt: pa.int64(),
        t.Float: pa.float32(),
        t.Double: pa.float64(),
        t.Binary: pa.large_binary(),
        t.Date: pa.date32(),
        t.Timestamp: pa.timestamp("us", tz="UTC"),
        t.TimestampNtz: pa.timestamp("us"),
        t.Time: pa.time64("ns"),
    }
    if name in simple:
        return simple[name]
    raise NotSupportedError(f"{s} does not leave as Arrow")


def result_column(array: pa.Array, s: t.SqlType) -> pa.Array:
    """A kernel result column under its real Arrow type."""
    import pyarrow as pa

    target = to_arrow(s)
    if array.type == target:
        return array
    match s:
        case t.CalendarInterval():
            rows = [r and (r["months"], r["days"], r["micros"] * 1000) for r in array.to_pylist()]
            return pa.array([r and pa.MonthDayNano(r) for r in rows], type=target)
        case t.Variant():
            return _encoded_variants(array.to_pylist(), target)
        case t.Decimal():
            # The buffer already holds unscaled values: only the type's label changes.
            return pa.Array.from_buffers(
                target, len(array), array.buffers(), null_count=array.null_count, offset=array.offset
            )
        case t.Array():
            return _rebuild_list(array, target, result_column(array.values, s.element))
        case t.Map():
            entries = array.values
            keys = result_column(entries.field(0), s.key)
            values = result_column(entries.field(1), s.value)
            offsets = array.offsets.cast(pa.int32())
            if array.null_count:
                offsets = pa.Array.from_buffers(
                    pa.int32(), len(offsets), [None, offsets.buffers()[1]], offset=offsets.offset
                )
                return pa.MapArray.from_arrays(offsets, keys, values, type=target, mask=array.is_null())
            return pa.MapArray.from_arrays(offsets, keys, values, type=target)
        case t.Struct():
            children = [result_column(_struct_child(array, i), f.type) for i, f in enumerate(s.fields)]
            return pa.StructArray.from_arrays(
                children, fields=list(target), mask=array.is_null() if array.null_count else None
            )
    return array.cast(target)


def _encoded_variants(texts: list[str | None], target: pa.DataType) -> pa.Array:
    """Kernel texts of variants in their binary form."""
    import pyarrow as pa

    from sqlshell.variant import load
    from sqlshell.variant_binary import encode

    rows = [None if x is None else encode(load(x)) for x in texts]
    return pa.array([r and {"metadata": r[0], "value": r[1]} for r in rows], type=target)


def _struct_child(array: pa.Array, i: int) -> pa.Array:
    """Child `i` cut to the struct's own offset and length."""
    child = array.field(i)
    return child if len(child) == len(array) else child.slice(array.offset, len(array))


def _rebuild_list(array: pa.Array, target: pa.DataType, values: pa.Array) -> pa.Array:
    import pyarrow as pa

    mask = array.is_null() if array.null_count else None
    return pa.LargeListArray.from_arrays(array.offsets.cast(pa.int64()), values, type=target, mask=mask)


def array_from_python(values: Any, s: t.SqlType) -> pa.Array:
    """An Arrow column of Python values as `Result.rows` gives them."""
    import pyarrow as pa

    return pa.array([_arrow_ready(v, s) for v in values], type=to_arrow(s))


def _arrow_ready(value: Any, s: t.SqlType) -> Any:
    """Dicts of maps become lists of pairs; everything else pyarrow takes as it is."""
    if value is None:
        return None
    match s:
        case t.Map():
            items = value.items() if isinstance(value, dict) else value
            return [(k, _arrow_ready(v, s.value)) for k, v in items]
        case t.Array():
            return [_arrow_ready(v, s.element) for v in value]
        case t.Struct():
            return {f.name: _arrow_ready(value[f.name], f.type) for f in s.fields}
        case t.CalendarInterval():
            import pyarrow as pa

            return pa.MonthDayNano(tuple(value))
        case t.Variant():
            from sqlshell.variant import VariantJson, from_json, load
            from sqlshell.variant_binary import encode

            metadata, body = encode(
                load(value.kernel) if isinstance(value, VariantJson) else from_json(value)
            )
            return {"metadata": metadata, "value": body}
    return value


def map_key(value: Any) -> Any:
    """A map's key as a dict can hold it: arrays and structs as tuples."""
    if isinstance(value, list):
        return tuple(map_key(v) for v in value)
    if isinstance(value, dict):
        return tuple(map_key(v) for v in value.values())
    return value
