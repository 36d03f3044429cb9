"""Types of variants as Spark's schema_of_variant writes them, and the type that holds several."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlshell import variant as v
from sqlshell.types import quote_name

Schema = Any
"""A word (`BIGINT`), ("DECIMAL", precision, scale), a one-element list (array) or a dict (object)."""

_WORDS = {
    v.TEXT: "STRING",
    v.DOUBLE: "DOUBLE",
    v.FLOAT: "FLOAT",
    v.DATE: "DATE",
    v.TIMESTAMP: "TIMESTAMP",
    v.NTZ: "TIMESTAMP_NTZ",
    v.BINARY: "BINARY",
}
_CLOCKS = ("DATE", "TIMESTAMP_NTZ", "TIMESTAMP")
_NUMBERS = ("BIGINT", "FLOAT", "DOUBLE")
_BIGINT = ("DECIMAL", 20, 0)


def schema_of(tree: Any) -> Schema:
    """The schema of a tree."""
    if isinstance(tree, dict):
        return {k: schema_of(x) for k, x in v.ordered(tree)}
    if isinstance(tree, list):
        merged: Schema = "VOID"
        for x in tree:
            merged = merge(merged, schema_of(x))
        return [merged]
    if tree is None:
        return "VOID"
    if isinstance(tree, bool):
        return "BOOLEAN"
    if isinstance(tree, int):
        return "BIGINT"
    if isinstance(tree, float):
        return _decimal(repr(tree))
    return _decimal(tree[1:]) if tree[0] == v.DECIMAL else _WORDS[tree[0]]


def _decimal(text: str) -> Schema:
    _, digits, exponent = Decimal(v.plain_decimal(Decimal(text))).as_tuple()
    scale = max(0, -int(exponent))
    return ("DECIMAL", max(len(digits), scale), scale)


def merge(a: Schema, b: Schema) -> Schema:
    """The schema that holds both; VARIANT when none does."""
    if b in (a, "VOID"):
        return a
    if a == "VOID":
        return b
    if isinstance(a, dict) and isinstance(b, dict):
        return {k: merge(a.get(k, "VOID"), b.get(k, "VOID")) for k in sorted({*a, *b})}
    if isinstance(a, list) and isinstance(b, list):
        return [merge(a[0], b[0])]
    if isinstance(a, tuple) or isinstance(b, tuple):
        return _merged_decimals(a, b)
    for words in (_NUMBERS, _CLOCKS):
        if a in words and b in words:
            return max(a, b, key=words.index)
    return "VARIANT"


def _merged_decimals(a: Schema, b: Schema) -> Schema:
    if a in ("DOUBLE", "FLOAT") or b in ("DOUBLE", "FLOAT"):
        return "DOUBLE"
    x, y = (_BIGINT if s == "BIGINT" else s for s in (a, b))
    if not (isinstance(x, tuple) and isinstance(y, tuple)):
        return "VARIANT"
    scale = max(x[2], y[2])
    whole = max(x[1] - x[2], y[1] - y[2])
    return "DOUBLE" if scale + whole > 38 else ("DECIMAL", scale + whole, scale)


def text_of(schema: Schema) -> str:
    """The schema as schema_of_variant prints it."""
    if isinstance(schema, dict):
        return "OBJECT<" + ", ".join(f"{quote_name(k)}: {text_of(s)}" for k, s in schema.items()) + ">"
    if isinstance(schema, list):
        return f"ARRAY<{text_of(schema[0])}>"
    return f"DECIMAL({schema[1]},{schema[2]})" if isinstance(schema, tuple) else str(schema)
