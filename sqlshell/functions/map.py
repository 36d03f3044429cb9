"""Maps: lists of {key, value} entries in the kernel."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.common import let
from sqlshell.functions.registry import Function
from sqlshell.types import STRING, Array, Field, Map, SqlType, Struct

Types = tuple[SqlType, ...]


def _never(_: tuple[bool, ...]) -> bool:
    return False


def checked(k: Any, entries: Any) -> Any:
    """The map of these entries; a NULL or repeated key is an error (Spark's EXCEPTION policy)."""
    pl = k.pl

    def check(m: Any) -> Any:
        keys = m.list.eval(pl.element().struct.field("key"))
        repeated = keys.list.agg(pl.element().is_duplicated().any())
        missing = keys.list.agg(pl.element().is_null().any())
        return k.raise_if(missing, "NULL_MAP_KEY", k.raise_if(repeated & ~missing, "DUPLICATED_MAP_KEY", m))

    return let(k, check, k.masked(entries))


def _map(k: Any, *args: Any) -> Any:
    pl = k.pl
    if not args:
        return pl.lit([], dtype=k.dtype(k.call.type))
    pairs = [
        pl.struct(key.alias("key"), value.alias("value"))
        for key, value in zip(args[::2], args[1::2], strict=True)
    ]
    return checked(k, pl.concat_list(pairs))


def _map_type(types: Types, args: tuple[Any, ...]) -> SqlType:
    from sqlshell.types import VOID

    if not types:
        return Map(VOID, VOID)
    return Map(types[0], types[1], any(a.nullable for a in args[1::2]))


def entries_of(k: Any, keys: Any, values: Any, key_type: SqlType, value_type: SqlType) -> Any:
    """A list of entries from two equally long lists."""
    pl = k.pl
    dtype = pl.List(pl.Struct({"key": k.dtype(key_type), "value": k.dtype(value_type)}))

    def run(rows: Any) -> Any:
        frame = rows.struct.unnest().with_row_index("__row")
        equal = pl.col("key").list.len() == pl.col("value").list.len()
        flat = frame.filter(equal & (pl.col("key").list.len() > 0)).explode(
            "key", "value", empty_as_null=False, keep_nulls=False
        )
        lists = (
            flat.select("__row", m=pl.struct("key", "value")).group_by("__row", maintain_order=True).agg("m")
        )
        back = frame.join(lists, on="__row", how="left", maintain_order="left")
        return back.select(
            pl.when(equal).then(pl.coalesce(pl.col("m").cast(dtype), pl.lit([], dtype=dtype)))
        ).to_series()

    packed = pl.struct(keys.alias("key"), values.alias("value"))
    return packed.map_batches(run, return_dtype=dtype, is_elementwise=True)


def _from_arrays(k: Any, keys: Any, values: Any) -> Any:
    def build(a: Any, b: Any) -> Any:
        made = entries_of(k, a, b, k.type(0).element, k.type(1).element)
        return k.raise_if(a.list.len() != b.list.len(), "MAP_FROM_ARRAYS_LENGTH_MISMATCH", made)

    return checked(k, let(k, build, k.masked(keys), k.masked(values)))


def _from_arrays_type(types: Types, _: Any) -> SqlType:
    keys, values = types
    assert isinstance(keys, Array)
    assert isinstance(values, Array)
    return Map(keys.element, values.element, values.contains_null)


def _from_entries(k: Any, entries: Any) -> Any:
    pl = k.pl
    names = [f.name for f in k.type(0).element.fields]
    element = pl.element()
    renamed = pl.struct(
        element.struct.field(names[0]).alias("key"), element.struct.field(names[1]).alias("value")
    )

    def build(e: Any) -> Any:
        return pl.when(~e.list.agg(element.is_null().any())).then(e.list.eval(renamed))

    return checked(k, let(k, build, entries))


def _from_entries_type(types: Types, _: Any) -> SqlType:
    from sqlshell.errors import AnalysisError

    t = types[0]
    if not (isinstance(t, Array) and isinstance(t.element, Struct) and len(t.element.fields) == 2):
        raise AnalysisError(
            f"map_from_entries takes an array of structs of two fields, not {t}",
            condition="DATATYPE_MISMATCH.MAP_FROM_ENTRIES_WRONG_TYPE",
        )
    key, value = t.element.fields
    return Map(key.type, value.type, value.nullable)


def _keys(k: Any, m: Any) -> Any:
    return m.list.eval(k.pl.element().struct.field("key"))


def _values(k: Any, m: Any) -> Any:
    return m.list.eval(k.pl.element().struct.field("value"))


def _keys_type(types: Types, _: Any) -> SqlType:
    t = types[0]
    assert isinstance(t, Map)
    return Array(t.key, False)


def _values_type(types: Types, _: Any) -> SqlType:
    t = types[0]
    assert isinstance(t, Map)
    return Array(t.value, t.value_contains_null)


def _entries_type(types: Types, _: Any) -> SqlType:
    t = types[0]
    assert isinstance(t, Map)
    return Array(Struct((Field("key", t.key, False), Field("value", t.value, t.value_contains_null))), False)


def _contains_key(k: Any, m: Any, key: Any) -> Any:
    return let(k, lambda a, x: k.pl.when(x.is_not_null()).then(_keys(k, a).list.contains(x)), m, key)


def _concat(k: Any, *maps: Any) -> Any:
    out = maps[0]
    for m in maps[1:]:
        out = out.list.concat(m)
    return checked(k, out)


def _same(types: Types, _: Any) -> SqlType:
    return types[0]


def _str_to_map(k: Any, text: Any, *delimiters: Any) -> Any:
    """Pairs by the first delimiter, key from value by the second; constants only, taken as plain text."""
    from sqlshell.functions.common import constant

    pl = k.pl
    pair = constant(k, 1, "delimiter of pairs") if len(delimiters) > 0 else ","
    inner = constant(k, 2, "delimiter of keys and values") if len(delimiters) > 1 else ":"
    parts = pl.element().str.splitn(inner, 2)
    entry = pl.struct(
        parts.struct.field("field_0").alias("key"), parts.struct.field("field_1").alias("value")
    )
    return checked(k, text.str.split(pair).list.eval(entry))


def _str_to_map_type(_: Types, __: Any) -> SqlType:
    return Map(STRING, STRING)


FUNCTIONS: tuple[Function, ...] = (
    Function(
        "map",
        "() -> fn | K..., V... -> fn",
        "Map of alternating keys and values.",
        "map('a', 1, 'b', 2)",
        lower=_map,
        strict=False,
        fallible=True,
        returns=_map_type,
        nullable=_never,
    ),
    Function(
        "map_from_arrays",
        "array<K>, array<V> -> fn",
        "Map of the keys of one array and the values of another.",
        "map_from_arrays(array('a', 'b'), array(1, 2))",
        lower=_from_arrays,
        fallible=True,
        returns=_from_arrays_type,
    ),
    Function(
        "map_from_entries",
        "array -> fn",
        "Map of an array of (key, value) structs.",
        "map_from_entries(array(struct('a', 1)))",
        lower=_from_entries,
        fallible=True,
        returns=_from_entries_type,
    ),
    Function(
        "map_keys",
        "map -> fn",
        "The keys as an array.",
        "map_keys(map('a', 1))",
        lower=_keys,
        returns=_keys_type,
        example_result='["a"]',
    ),
    Function(
        "map_values",
        "map -> fn",
        "The values as an array.",
        "map_values(map('a', 1))",
        lower=_values,
        returns=_values_type,
        example_result="[1]",
    ),
    Function(
        "map_entries",
        "map -> fn",
        "The entries as an array of structs.",
        "map_entries(map('a', 1))",
        lower=lambda _, m: m,
        returns=_entries_type,
    ),
    Function(
        "map_contains_key",
        "map<K, V>, K -> boolean",
        "Whether the map has the key.",
        "map_contains_key(map('a', 1), 'a')",
        lower=_contains_key,
        example_result="true",
    ),
    Function(
        "map_concat",
        "map... -> fn",
        "All entries of the maps; a repeated key is an error.",
        "map_concat(map('a', 1), map('b', 2))",
        lower=_concat,
        fallible=True,
        returns=_same,
    ),
    Function(
        "str_to_map",
        "string, [string, string] -> fn",
        "Map from text: pairs between ',' and keys from values by ':', or other delimiters.",
        "str_to_map('a:1,b:2')",
        lower=_str_to_map,
        fallible=True,
        returns=_str_to_map_type,
    ),
)
