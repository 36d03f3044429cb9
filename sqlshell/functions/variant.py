"""VARIANT: reading JSON, taking and changing parts, schemas. What kernels hold is told in `sqlshell/variant.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell import variant as v
from sqlshell.errors import AnalysisError
from sqlshell.functions import variant_change, variant_schema
from sqlshell.functions.aggregate_row import aggregate_row, never
from sqlshell.functions.common import failure, per_distinct, refuse
from sqlshell.functions.registry import Function
from sqlshell.functions.variant_cast import cast_in, cast_out
from sqlshell.types import VARIANT, Array, Map, SqlType, String, Struct

if TYPE_CHECKING:
    from collections.abc import Callable

_DOUBTFUL = r"\\|[0-9][eE]|[0-9][0-9.]{15}|0\.000|-0|^[^{\[]"
"""Texts that Polars' JSON reader (serde) may read otherwise than Spark: escapes, numbers it rounds, bare values."""


def _parse_json(safe: bool) -> Callable[..., Any]:
    def lower(k: Any, text: Any) -> Any:
        pl = k.pl

        def slow(t: str) -> str | None:
            try:
                return v.dump(v.from_json(t))
            except (ValueError, RecursionError) as e:
                if safe:
                    return None
                detail = f"no JSON ({e}): {t[:100]}"
                raise failure(k, "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", detail) from None

        def run(s: Any) -> Any:
            # Canonical text has as many colons, unless serde dropped a key that was there twice.
            found = s.str.json_path_match("$")
            doubtful = s.str.contains(_DOUBTFUL) | found.is_null() | found.str.contains("[0-9][eE]")
            doubtful |= s.str.count_matches(":", literal=True) != found.str.count_matches(":", literal=True)
            quick = found.str.replace_all(r'"([^"]*)"', '"' + v.TEXT + '${1}"')
            where = (doubtful.fill_null(value=True) & s.is_not_null()).arg_true()
            if not len(where):
                return quick
            return quick.scatter(where, pl.Series([slow(t) for t in s.gather(where)], dtype=pl.String))

        return k.masked(text).map_batches(run, return_dtype=pl.String, is_elementwise=True)

    return lower


def _path(k: Any, i: int) -> v.Path | None:
    """The constant path at argument `i`; None when it is NULL."""
    text = k.literal(i)
    if text is None:
        return None
    steps = v.read_path(text)
    if steps is None:
        raise refuse(k, "INVALID_VARIANT_GET_PATH", f"`{text}` is no path of a variant, such as $.key[0]")
    return steps


def _get(safe: bool) -> Callable[..., Any]:
    def lower(k: Any, text: Any, path: Any, _: Any = None) -> Any:
        pl, target = k.pl, k.call.type
        if k.is_literal(1):
            steps = _path(k, 1)
            return (
                pl.lit(None, dtype=k.dtype(target))
                if steps is None
                else cast_out(k, text, target, safe, steps)
            )

        def find(t: str, p: str) -> str | None:
            found = v.find(v.load(t), _steps(k, p))
            return None if found is v.MISSING else v.dump(found)

        return cast_out(k, per_distinct(k, find, pl.String, text, path), target, safe)

    return lower


def _steps(k: Any, path: str) -> v.Path:
    steps = v.read_path(path)
    if steps is None:
        raise failure(k, "INVALID_VARIANT_GET_PATH", f"{path} is no path of a variant")
    return steps


def _get_type(types: tuple[SqlType, ...], args: tuple[Any, ...]) -> SqlType:
    from sqlshell.types_ddl import parse_type

    if len(args) < 3:
        return VARIANT
    text = getattr(args[2], "value", None)
    if not isinstance(text, str):
        raise AnalysisError(
            "the type of variant_get is a constant text", condition="DATATYPE_MISMATCH.NON_FOLDABLE_INPUT"
        )
    return parse_type(text)


def _is_null(k: Any, text: Any) -> Any:
    return (text == "null").fill_null(value=False)


def _is_valid(k: Any, text: Any) -> Any:
    return text.is_not_null() | text.is_null()


def _schema(k: Any, text: Any) -> Any:
    return per_distinct(
        k, lambda t: variant_schema.text_of(variant_schema.schema_of(v.load(t))), k.pl.String, text
    )


def _object(k: Any, value: Any) -> Any:
    return cast_in(k, value, k.type(0))


def _object_type(types: tuple[SqlType, ...], args: tuple[Any, ...]) -> SqlType:
    if not isinstance(types[0], (Array, Struct, Map)) or not _keys_are_text(types[0]):
        raise AnalysisError(
            f"to_variant_object takes arrays, structs and maps with text keys, not {types[0]}",
            condition="DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION",
            span=getattr(args[0], "span", None),
        )
    return VARIANT


def _keys_are_text(t: SqlType) -> bool:
    if isinstance(t, Map):
        return isinstance(t.key, String) and _keys_are_text(t.value)
    if isinstance(t, Array):
        return _keys_are_text(t.element)
    return not isinstance(t, Struct) or all(_keys_are_text(f.type) for f in t.fields)


# Changes


def _changed(
    k: Any, change: Callable[[Any, v.Path, Any], Any], safe: bool, text: Any, path: Any, value: Any
) -> Any:
    def run(t: str, p: str, x: str) -> str | None:
        try:
            return v.dump(change(v.load(t), _steps(k, p), v.load(x)))
        except variant_change.Refused as e:
            if safe:
                return None
            raise failure(k, str(e), f"at {p}") from None

    return per_distinct(k, run, k.pl.String, text, path, cast_in(k, value, k.type(2)))


def _change_row(
    name: str, doc: str, example: str, change: Any, result: str, *, more: str = ""
) -> tuple[Function, ...]:
    def lower(safe: bool) -> Callable[..., Any]:
        def body(k: Any, text: Any, path: Any, value: Any, _: Any = None) -> Any:
            if more and len(k.call.args) > 3:
                if k.literal(3) is None:
                    return k.pl.lit(None, dtype=k.pl.String)
                return _changed(
                    k, lambda t, p, x: change(t, p, x, create=k.literal(3)), safe, text, path, value
                )
            return _changed(k, change, safe, text, path, value)

        return body

    return tuple(
        Function(
            prefix + name, f"variant, string, any{more} -> variant",
            doc + (" NULL where the path does not fit." if prefix else ""), f"{prefix}{name}({example})",
            lower=lower(bool(prefix)), fallible=not prefix, nullable=lambda n: True, example_result=result,
        )
        for prefix in ("", "try_")
    )  # fmt: skip


def _delete(k: Any, text: Any, *paths: Any) -> Any:
    def run(t: str | None, *given: str | None) -> str | None:
        if t is None:
            return None
        tree = v.load(t)
        for p in given:
            steps = () if p is None else _steps(k, p)
            if steps:
                tree = variant_change.delete(tree, steps)
        return v.dump(tree)

    return per_distinct(k, run, k.pl.String, text, *paths, nulls=True)


def _strip(k: Any, text: Any, arrays: Any = None) -> Any:
    keep = k.literal(1) is False

    def run(t: str) -> str | None:
        return None if t == "null" else v.dump(variant_change.strip_nulls(v.load(t), arrays=not keep))

    return per_distinct(k, run, k.pl.String, text)


# The schema of many


def _state(k: Any, text: Any) -> Any:
    return _shape(k, text).drop_nulls().unique().implode()


def _shape(k: Any, text: Any) -> Any:
    """Variants with one value for all of a type: few are left for `_merged`."""

    def run(t: str) -> str:
        return repr(variant_schema.schema_of(v.load(t)))

    return per_distinct(k, run, k.pl.String, text)


def _merged(k: Any, state: Any) -> Any:
    from ast import literal_eval

    def run(shapes: list[str]) -> str:
        merged: Any = "VOID"
        for shape in sorted(shapes):
            merged = variant_schema.merge(merged, literal_eval(shape))
        return variant_schema.text_of(merged)

    return state.map_elements(run, return_dtype=k.pl.String)


# fmt: off
FUNCTIONS = (
    Function("parse_json", "string -> variant", "A JSON text as a variant.", """parse_json('{"a":1,"b":0.8}')""",
             lower=_parse_json(safe=False), fallible=True, params=("jsonStr",)),
    Function("try_parse_json", "string -> variant", "A JSON text as a variant; NULL when it is none.",
             """try_parse_json('{"a":1,')""", lower=_parse_json(safe=True), nullable=lambda n: True,
             params=("jsonStr",)),
    Function("variant_get", "variant, string, [string] -> fn", "The part of a variant at a path, as a type.",
             """variant_get(parse_json('{"a": 1}'), '$.a', 'int')""", lower=_get(safe=False), returns=_get_type,
             fallible=True, nullable=lambda n: True),
    Function("try_variant_get", "variant, string, [string] -> fn",
             "The part of a variant at a path, as a type; NULL where it is none of that type.",
             """try_variant_get(parse_json('[1, "hello"]'), '$[1]', 'int')""", lower=_get(safe=True),
             returns=_get_type, nullable=lambda n: True),
    Function("is_variant_null", "variant -> boolean", "Whether a variant is a JSON null (not an SQL NULL).",
             "is_variant_null(parse_json('null'))", lower=_is_null, strict=False, nullable=never),
    Function("is_valid_variant", "variant -> boolean", "Whether a variant is well-formed: ours always are.",
             "is_valid_variant(parse_json('null'))", lower=_is_valid),
    Function("schema_of_variant", "variant -> string", "The schema of a variant.",
             """schema_of_variant(parse_json('[{"b":true,"a":0}]'))""", lower=_schema),
    Function("to_variant_object", "any -> fn", "Arrays, structs and maps as variants.",
             "to_variant_object(named_struct('a', 1, 'b', 2))", lower=_object, returns=_object_type),
    *_change_row("variant_set", "A variant with another value at a path; made where it is missing, unless told not to.",
                 """parse_json('{"a": 1}'), '$.a', 2""", variant_change.assign, '{"a":2}', more=", [boolean]"),
    *_change_row("variant_insert", "A variant with a new field or element.", """parse_json('{"a": 1}'), '$.b', 2""",
                 variant_change.insert, '{"a":1,"b":2}'),
    *_change_row("variant_array_append", "A variant with a value at the end of an array.",
                 "parse_json('[1, 2, 3]'), '$', 4", variant_change.append, "[1,2,3,4]"),
    Function("variant_delete", "variant, string... -> variant", "A variant without what is at the paths.",
             """variant_delete(parse_json('{"a": 1, "b": 2}'), '$.b')""", lower=_delete, strict=False,
             nullable=lambda n: n[0]),
    Function("variant_strip_nulls", "variant, [boolean] -> variant",
             "A variant without null fields and elements (false: elements stay).",
             """variant_strip_nulls(parse_json('{"a": 1, "b": null}'))""", lower=_strip, nullable=lambda n: True),
    aggregate_row("schema_of_variant_agg", "variant -> string", "The schema that holds all variants of a group.",
                  """schema_of_variant_agg(parse_json(j)) FROM VALUES ('1'), ('2.5') AS t(j)""",
                  lower=lambda k, a: _merged(k, _state(k, a)), nullable=never, example_result="DECIMAL(21,1)"),
)
# fmt: on
