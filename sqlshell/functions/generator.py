"""Table-generating functions. `exec/lower_generate.py` runs them; rows give names, signatures, docs."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.registry import Function


def _generator(name: str, sig: str, doc: str, example: str, **more: Any) -> Function:
    return Function(name, sig, doc, example, kind="generator", strict=False, **more)


FUNCTIONS: tuple[Function, ...] = (
    _generator(
        "explode",
        "array<T> -> fn | map<K, V> -> fn",
        "One row per element of an array (`col`) or entry of a map (`key`, `value`).",
        "explode(array(10, 20))",
        params=("collection",),
    ),
    _generator(
        "explode_outer",
        "array<T> -> fn | map<K, V> -> fn",
        "Like explode; an empty or NULL collection gives one row of NULLs.",
        "explode_outer(array(10, 20))",
        params=("collection",),
    ),
    _generator(
        "posexplode",
        "array<T> -> fn | map<K, V> -> fn",
        "Like explode, with the position (`pos`, from 0) first.",
        "posexplode(array(10, 20))",
        params=("collection",),
    ),
    _generator(
        "posexplode_outer",
        "array<T> -> fn | map<K, V> -> fn",
        "Like posexplode; an empty or NULL collection gives one row of NULLs.",
        "posexplode_outer(array(10, 20))",
        params=("collection",),
    ),
    _generator(
        "inline",
        "array<T> -> fn",
        "One row per struct of an array, one column per field.",
        "inline(array(struct(1, 'a'), struct(2, 'b')))",
        params=("input",),
    ),
    _generator(
        "inline_outer",
        "array<T> -> fn",
        "Like inline; an empty or NULL array gives one row of NULLs.",
        "inline_outer(array(struct(1, 'a'), struct(2, 'b')))",
        params=("input",),
    ),
    _generator(
        "stack",
        "int, any... -> fn",
        "The values in n rows, left to right, the last row filled with NULLs.",
        "stack(2, 1, 2, 3)",
    ),
    _generator(
        "variant_explode",
        "variant -> fn",
        "One row per field (`key`) or element of a variant, with its position (`pos`) and `value`.",
        """variant_explode(parse_json('["hello", "world"]'))""",
        params=("input",),
    ),
    _generator(
        "variant_explode_outer",
        "variant -> fn",
        "Like variant_explode; a variant without parts gives one row of NULLs.",
        """variant_explode_outer(parse_json('["hello", "world"]'))""",
        params=("input",),
    ),
    _generator(
        "json_tuple",
        "string, string... -> fn",
        "Fields of a JSON object as text columns; NULL where a field is missing or the text is no object.",
        """json_tuple('{"a":1, "b":2}', 'a', 'b')""",
    ),
)
