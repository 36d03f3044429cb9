"""JSON in text columns: paths, lengths, keys, and conversion from and to values."""

from __future__ import annotations

import re
from typing import Any

from sqlshell.errors import AnalysisError, ParseError
from sqlshell.functions import json_text
from sqlshell.functions.common import constant, per_distinct, unsupported
from sqlshell.functions.json_decode import decode, schema_ddl
from sqlshell.functions.json_encode import OPTIONS, encode
from sqlshell.functions.options import format_name, options_of, read_by
from sqlshell.functions.registry import Function
from sqlshell.records import replace
from sqlshell.types import STRING, Array, Map, SqlType, Struct

# What serde and Jackson read differently: single quotes, integers past 64 bits, doubled keys cannot be seen.
_DOUBTFUL = r"'|\d{19}|^\s*[^\s{\[\"0-9tfn-]|[^\s\]}\"0-9a-z]\s*$|\}\s*\S+$"

_LEADING_ZEROS = re.compile(r'("(?:[^"\\]|\\.)*")|(?<=[\[:,\s-])0+(?=\d)')
"""Zeros before a number, or (group 1) a text, which stays."""

_NUMBERS = r"0\.00|\d{8}\.\d|[eE][+-]?\d"
"""Doubles that Java writes with an exponent, or Rust does."""


def _get_json_object(k: Any, text: Any, path: Any) -> Any:
    pl = k.pl
    if not k.is_literal(1):
        return per_distinct(k, _extract, pl.String, text, path)
    steps = None if k.literal(1) is None else json_text.read_path(k.literal(1))
    if steps is None or any(kind == "fields" for kind, _ in steps):
        return pl.lit(None, dtype=pl.String)
    if not steps or any(kind == "all" for kind, _ in steps) or any('"' in str(s) for _, s in steps):
        return per_distinct(k, lambda t: json_text.extract(t, steps), pl.String, text)
    rust = "$" + "".join(f"[{s}]" if kind == "index" else f'["{s}"]' for kind, s in steps)

    def run(s: Any) -> Any:
        found = s.str.json_path_match(rust)
        doubtful = s.str.contains(_DOUBTFUL).fill_null(value=False) | found.str.contains(_NUMBERS).fill_null(
            value=False
        )
        if not doubtful.any():
            return found
        again = pl.Series([json_text.extract(t, steps) for t in s.filter(doubtful)], dtype=pl.String)
        return found.scatter(doubtful.arg_true(), again)

    return text.map_batches(run, return_dtype=pl.String, is_elementwise=True)


def _extract(text: str, path: str) -> str | None:
    steps = json_text.read_path(path)
    if steps is None or any(kind == "fields" for kind, _ in steps):
        return None
    return json_text.extract(text, steps)


def _array_length(k: Any, text: Any) -> Any:
    def run(text: str) -> int | None:
        value = json_text.parse(text)
        return len(value) if isinstance(value, list) else None

    return per_distinct(k, run, k.pl.Int32, text)


def _object_keys(k: Any, text: Any) -> Any:
    def run(text: str) -> list[str] | None:
        value = json_text.parse(text)
        return list(value) if isinstance(value, dict) else None

    return per_distinct(k, run, k.pl.List(k.pl.String), text)


def _options(k: Any, i: int, known: set[str]) -> dict[str, str]:
    return options_of(k.call.args, i, known, k.call.fn, k.call.span)


def _to_json(k: Any, value: Any, _: Any = None) -> Any:
    return encode(k, value, k.type(0), _options(k, 1, OPTIONS))


def _from_json(k: Any, text: Any, schema: Any, _: Any = None) -> Any:
    from zoneinfo import ZoneInfo

    t, zone = k.call.type, ZoneInfo(k.tz)
    options = _options(k, 2, {"timestampformat", "timestampntzformat", "dateformat", "mode"})
    if options.get("mode", "PERMISSIVE").upper() != "PERMISSIVE":
        raise unsupported(k, "from_json reads in PERMISSIVE mode only")
    read = _as_text(t, options)
    found = per_distinct(k, lambda s: decode(s, read, zone), k.dtype(read), text)
    return found if read == t else _formatted(k, found, t, options)


def _as_text(t: SqlType, options: dict[str, str]) -> SqlType:
    """`t` with text in place of what a pattern reads."""
    if isinstance(t, Struct):
        return Struct(tuple(replace(f, type=_as_text(f.type, options)) for f in t.fields))
    if isinstance(t, Array):
        return replace(t, element=_as_text(t.element, options))
    if isinstance(t, Map):
        return replace(t, value=_as_text(t.value, options))
    return STRING if format_name(t) in options else t


def _formatted(k: Any, e: Any, t: SqlType, options: dict[str, str]) -> Any:
    pl = k.pl
    if isinstance(t, Struct):

        def build(s: Any) -> Any:
            parts = [_formatted(k, s.struct.field(f.name), f.type, options).alias(f.name) for f in t.fields]
            return pl.when(s.is_not_null()).then(pl.struct(parts))

        return k.let([e], build)
    if isinstance(t, Array):
        return e.list.eval(_formatted(k, pl.element(), t.element, options))
    if isinstance(t, Map):
        value = _formatted(k, pl.element().struct.field("value"), t.value, options)
        return e.list.eval(pl.struct(pl.element().struct.field("key"), value.alias("value")))
    form = options.get(format_name(t))
    return e if form is None else read_by(k, e, t, form)


def _schema_type(types: tuple[SqlType, ...], args: tuple[Any, ...]) -> SqlType:
    from sqlshell.types_ddl import parse_schema, parse_type

    text = getattr(args[1], "value", None)
    if not isinstance(text, str):
        raise AnalysisError(
            "the schema of from_json is a constant text", condition="INVALID_SCHEMA.NON_STRING_LITERAL"
        )
    try:
        return parse_type(text)
    except ParseError:
        return parse_schema(text)


def _schema_of(k: Any, text: Any, _: Any = None) -> Any:
    pl = k.pl
    options = _options(k, 1, {"allownumericleadingzeros"})
    sample = constant(k, 0, "sample")
    if sample is not None and options.get("allownumericleadingzeros", "false").lower() == "true":
        sample = _LEADING_ZEROS.sub(lambda m: m.group(1) or "", sample)
    value = None if sample is None else json_text.parse(sample)
    if sample is None or value is json_text.MISSING:
        return pl.lit(None, dtype=pl.String)
    return pl.lit(schema_ddl(value))


# fmt: off
FUNCTIONS = (
    Function("get_json_object", "string, string -> string", "What a JSON path leads to, as text.",
             """get_json_object('{"a":"b"}', '$.a')""", lower=_get_json_object, nullable=lambda n: True),
    Function("json_array_length", "string -> int", "The number of elements of the outermost JSON array.",
             "json_array_length('[1,2,3,4]')", lower=_array_length, nullable=lambda n: True),
    Function("json_object_keys", "string -> fn", "The keys of the outermost JSON object.",
             """json_object_keys('{"f1":"abc","f2":{"f3":"a"}}')""", lower=_object_keys,
             returns=lambda types, args: Array(STRING), nullable=lambda n: True),
    Function("to_json", " | ".join(f"{t}, [map] -> string" for t in ("struct", "array", "map", "variant")),
             "A value as JSON.",
             "to_json(named_struct('a', 1, 'b', 2))", lower=_to_json),
    Function("from_json", "string, string, [map] -> fn", "A JSON text as a value of a type given in DDL.",
             """from_json('{"a":1, "b":0.8}', 'a INT, b DOUBLE')""", lower=_from_json, returns=_schema_type,
             nullable=lambda n: True),
    Function("schema_of_json", "string, [map] -> string", "The schema of a JSON sample in DDL.",
             """schema_of_json('{"col":0}')""", lower=_schema_of, nullable=lambda n: True),
)
# fmt: on
