"""CSV in text columns: records to structs and back. Cutting a record runs in Python over distinct texts."""

from __future__ import annotations

import csv
import re
from typing import Any

from sqlshell.errors import AnalysisError, ParseError
from sqlshell.functions.common import constant, unsupported
from sqlshell.functions.options import format_name, options_of, read_by
from sqlshell.functions.registry import Function
from sqlshell.types import (
    STRING,
    Array,
    Binary,
    Field,
    Map,
    SqlType,
    String,
    Struct,
    Timestamp,
    TimestampNtz,
)

_KNOWN = {
    "sep",
    "delimiter",
    "quote",
    "nullvalue",
    "timestampformat",
    "dateformat",
    "timestampntzformat",
    "mode",
}


def cells(text: str, sep: str = ",", quote: str = '"') -> list[str | None]:
    """The fields of one record; an empty one that was not quoted is NULL."""
    try:
        row = next(
            csv.reader([text], delimiter=sep, quotechar=quote or None, escapechar="\\", strict=False), [""]
        )
    except csv.Error:
        return [text]
    return [v if v else None for v in row]


def _options(k: Any, i: int) -> dict[str, str]:
    return options_of(k.call.args, i, _KNOWN, k.call.fn, k.call.span)


def _sep(options: dict[str, str]) -> str:
    return options.get("sep") or options.get("delimiter") or ","


def _from_csv(k: Any, text: Any, schema: Any, _: Any = None) -> Any:
    pl, t, options = k.pl, k.call.type, _options(k, 2)
    sep, quote = _sep(options), options.get("quote", '"')
    null = options.get("nullvalue")
    if options.get("mode", "PERMISSIVE").upper() != "PERMISSIVE":
        raise unsupported(k, "from_csv reads in PERMISSIVE mode only")

    def run(s: str) -> list[str | None]:
        return [None if v == null else v for v in cells(s, sep, quote)]

    def build(record: Any) -> Any:
        fields = [
            _read(k, record.list.get(i, null_on_oob=True), f.type, options).alias(f.name)
            for i, f in enumerate(t.fields)
        ]
        return pl.when(record.is_not_null()).then(pl.struct(fields))

    return k.let([_records(k, text, run, sep, quote, null)], build)


def _records(k: Any, text: Any, cut: Any, sep: str, quote: str, null: str | None) -> Any:
    """The cells of each record; only records with quotes, escapes or line ends need Python's reader (`cut`)."""
    pl = k.pl
    special = "[" + re.escape(quote) + r"\\\r\n]"
    cell = pl.element()
    empty = (cell == "") if null is None else (cell == "") | (cell == null)

    def run(s: Any) -> Any:
        plain = s.str.split(sep).list.eval(pl.when(~empty).then(cell))
        hard = s.str.contains(special).fill_null(value=False)
        if not hard.any():
            return plain
        made = [cut(t) if h else None for t, h in zip(s.to_list(), hard.to_list(), strict=True)]
        return plain.zip_with(~hard, pl.Series("r", made, dtype=pl.List(pl.String)))

    return text.map_batches(run, return_dtype=pl.List(pl.String), is_elementwise=True)


def _read(k: Any, e: Any, t: SqlType, options: dict[str, str]) -> Any:
    if isinstance(t, (Array, Map, Struct)):
        raise unsupported(k, f"a CSV field cannot be {t}")
    form = options.get(format_name(t))
    return k.cast(e, STRING, t, True) if form is None else read_by(k, e, t, form)


def _schema_type(types: tuple[SqlType, ...], args: tuple[Any, ...]) -> SqlType:
    from sqlshell.types_ddl import parse_schema, parse_type

    text = getattr(args[1], "value", None)
    if not isinstance(text, str):
        raise AnalysisError(
            "the schema of from_csv is a constant text", condition="INVALID_SCHEMA.NON_STRING_LITERAL"
        )
    try:
        found = parse_type(text)
    except ParseError:
        found = parse_schema(text)
    if not isinstance(found, Struct):
        raise AnalysisError("the schema of from_csv is a struct", condition="INVALID_SCHEMA.NON_STRUCT_TYPE")
    return found


def _to_csv(k: Any, record: Any, _: Any = None) -> Any:
    pl, t, options = k.pl, k.type(0), _options(k, 1)
    sep, quote = _sep(options), options.get("quote", '"')
    special = "[" + re.escape(sep + quote) + r"\r\n]"

    def field(s: Any, f: Field) -> Any:
        text = _written(k, s.struct.field(f.name), f.type, options)
        if isinstance(f.type, String):
            text = _quoted(pl, text, quote, special)
        return text.fill_null(options.get("nullvalue", ""))

    def build(s: Any) -> Any:
        line = pl.concat_str([field(s, f) for f in t.fields], separator=sep)
        return pl.when(s.is_not_null()).then(line)

    return k.let([record], build)


def _quoted(pl: Any, text: Any, quote: str, special: str) -> Any:
    inner = text.str.replace_all(quote, "\\" + quote, literal=True)
    wrapped = pl.lit(quote) + inner + pl.lit(quote)
    return pl.when(text.str.contains(special) | (text == "")).then(wrapped).otherwise(text)


def _written(k: Any, e: Any, t: SqlType, options: dict[str, str]) -> Any:
    from sqlshell.functions import datetime_pattern

    if isinstance(t, (Array, Map, Struct, Binary)):
        raise unsupported(k, f"to_csv does not write {t}")
    form = options.get(format_name(t))
    if isinstance(t, Timestamp):
        return datetime_pattern.write(k, k.to_wall(e), e, form or "yyyy-MM-dd'T'HH:mm:ss.SSSXXX")
    if isinstance(t, TimestampNtz):
        return e.dt.strftime("%Y-%m-%dT%H:%M:%S%.3f")
    return k.cast(e, t, STRING)


def _schema_of(k: Any, text: Any, _: Any = None) -> Any:
    pl, options = k.pl, _options(k, 1)
    sample = constant(k, 0, "sample")
    if sample is None:
        return pl.lit(None, dtype=pl.String)
    fields = []
    for i, value in enumerate(cells(sample, _sep(options), options.get("quote", '"'))):
        found = STRING if value is None else k.infer([value])
        fields.append(f"_c{i}: {str(found).upper()}")
    return pl.lit("STRUCT<" + ", ".join(fields) + ">")


# fmt: off
FUNCTIONS = (
    Function("from_csv", "string, string, [map] -> fn", "A CSV record as a struct given in DDL.",
             "from_csv('1, 0.8', 'a INT, b DOUBLE')", lower=_from_csv, returns=_schema_type, nullable=lambda n: True),
    Function("to_csv", "struct, [map] -> string", "A struct as a CSV record.", "to_csv(named_struct('a', 1, 'b', 2))",
             lower=_to_csv),
    Function("schema_of_csv", "string, [map] -> string", "The schema of a CSV sample in DDL.", "schema_of_csv('1,abc')",
             lower=_schema_of, nullable=lambda n: True),
)
# fmt: on
