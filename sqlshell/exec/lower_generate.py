"""Generators and grouping sets: nodes that give several rows for one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl

from sqlshell.errors import NotSupportedError
from sqlshell.functions.variant_cast import parts
from sqlshell.types import Map, Variant

if TYPE_CHECKING:
    from sqlshell.exec.lower_expr import Kernel
    from sqlshell.expr.expr import Call, Expr
    from sqlshell.plan.logical import Expand, Generate

_LIST, _POSITION, _PROJECTION = "__list", "__pos", "__projection"


def lower_generate(k: Kernel, lf: pl.LazyFrame, node: Generate) -> pl.LazyFrame:
    """Each input row beside what its generator gives."""
    kind = node.generator.fn.removesuffix("_outer")
    outer = node.outer or kind != node.generator.fn
    names = [f"c{c.id}" for c in node.columns]
    if kind == "json_tuple":
        made = lf.with_columns(_json_fields(k, node.generator, names))
    elif kind in _LISTS:
        made = _explode(k, lf, node, outer, names)
    else:
        raise NotSupportedError(f"generator {node.generator.fn} cannot run here", span=node.generator.span)
    return made.select([f"c{c.id}" for c in node.output] or ["_"])


def _explode(k: Kernel, lf: pl.LazyFrame, node: Generate, outer: bool, names: list[str]) -> pl.LazyFrame:
    kind = node.generator.fn.removesuffix("_outer")
    lf = lf.with_columns(_LISTS[kind](k, node.generator).alias(_LIST))
    together = [_LIST]
    if kind == "posexplode":
        lf = lf.with_columns(pl.int_ranges(pl.col(_LIST).list.len(), dtype=pl.Int32).alias(_POSITION))
        together.append(_POSITION)
    lf = lf.explode(together, empty_as_null=outer, keep_nulls=outer)
    values: list[pl.Expr] = [pl.col(_POSITION)] if kind == "posexplode" else []
    if kind in {"inline", "stack", "variant_explode"} or isinstance(node.generator.args[0].type, Map):
        values += _fields(node, len(values))
    else:
        values.append(pl.col(_LIST))
    return lf.with_columns([v.alias(n) for v, n in zip(values, names, strict=True)])


def _fields(node: Generate, before: int) -> list[pl.Expr]:
    """The fields of the exploded structs, by the names they have in the kernel."""
    t = node.generator.args[0].type
    if isinstance(t, Map):
        fields = ["key", "value"]
    elif isinstance(t, Variant):
        fields = ["pos", "key", "value"]
    elif node.generator.fn == "stack":
        fields = [str(i) for i in range(len(node.columns) - before)]
    else:
        fields = [f.name for f in t.element.fields]  # type: ignore[attr-defined]
    return [pl.col(_LIST).struct.field(f) for f in fields]


def _first_argument(k: Kernel, call: Call) -> pl.Expr:
    return k.lower(call.args[0])


def _stack(k: Kernel, call: Call) -> pl.Expr:
    """stack(n, v...) as a list of n structs; the binder has filled the last one."""
    rows = call.args[0].value  # type: ignore[attr-defined]
    values = [k.lower(a) for a in call.args[1:]]
    width = len(values) // rows
    structs = [pl.struct([values[r * width + c].alias(str(c)) for c in range(width)]) for r in range(rows)]
    return pl.concat_list(structs)


_LISTS: dict[str, Any] = {
    "explode": _first_argument,
    "posexplode": _first_argument,
    "inline": _first_argument,
    "stack": _stack,
    "variant_explode": lambda k, call: parts(k, k.lower(call.args[0])),
}


def _json_fields(k: Kernel, call: Call, names: list[str]) -> list[pl.Expr]:
    """One text column per asked field; Python's parser, since Polars' raises on malformed text."""
    text, *fields = (k.lower(a) for a in call.args)
    packed = pl.struct([text.alias("text"), *(f.alias(n) for f, n in zip(fields, names, strict=True))])
    result = packed.map_batches(
        _json_tuples, return_dtype=pl.Struct(dict.fromkeys(names, pl.String)), is_elementwise=True
    )
    return [result.struct.field(n).alias(n) for n in names]


def _json_tuples(rows: pl.Series) -> pl.Series:
    frame = rows.struct.unnest()
    names = frame.columns[1:]
    out: dict[str, list[str | None]] = {n: [] for n in names}
    for text, *keys in frame.iter_rows():
        try:
            value = json.loads(text) if text is not None else None
        except ValueError:
            value = None
        found = value if isinstance(value, dict) else {}
        for name, key in zip(names, keys, strict=True):
            out[name].append(_json_text(found.get(key)))
    return pl.DataFrame(out, schema=dict.fromkeys(names, pl.String)).to_struct("s")


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def lower_expand(k: Kernel, lf: pl.LazyFrame, node: Expand) -> pl.LazyFrame:
    """Each input row once per projection, by a cross join with the projections' numbers.

    A union of projections over one cached input is as fast, but holds the input (M).
    """
    if len(node.projections) > 255:
        raise NotSupportedError("more than 255 grouping sets")
    numbers = pl.DataFrame({_PROJECTION: pl.Series(range(len(node.projections)), dtype=pl.UInt8)}).lazy()
    columns = [
        _choose(k, [p[j] for p in node.projections]).alias(f"c{c.id}") for j, c in enumerate(node.columns)
    ]
    return (
        lf.join(numbers, how="cross")
        .with_columns(columns)
        .select([f"c{c.id}" for c in node.columns] or ["_"])
    )


def _choose(k: Kernel, options: list[Expr]) -> pl.Expr:
    """The option of the row's projection; equal options are computed once, each only where it is wanted."""
    groups: dict[Expr, list[int]] = {}
    for i, e in enumerate(options):
        groups.setdefault(e, []).append(i)
    (last, _), *others = list(groups.items())[::-1]
    if not others:
        return k.lower(last)
    out: Any = pl
    rest = pl.lit(True)
    for e, numbers in others:
        here = pl.col(_PROJECTION).is_in(numbers)
        out = out.when(here).then(k.under(here).lower(e))
        rest = rest & ~here
    return out.otherwise(k.under(rest).lower(last))  # type: ignore[no-any-return]
