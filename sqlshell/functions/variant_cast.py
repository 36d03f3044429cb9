"""Parts of variants, and variants as values of other types and back. Kernels hold variants as text (`variant.py`).

What a variant holds is told by the first character of its *leaf*: the text that Polars' JSON paths lead to, in
which strings stand without quotes, so that their tag comes first, and a JSON null is NULL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlshell import variant as v
from sqlshell.functions.common import per_distinct, unsupported
from sqlshell.functions.result_types import can_cast
from sqlshell.types import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    STRING,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    Array,
    Binary,
    Boolean,
    Date,
    Decimal,
    Fractional,
    Integral,
    Map,
    SqlType,
    String,
    Struct,
    Timestamp,
    TimestampNtz,
    Variant,
    Void,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_EXACT_TIME = Decimal(32, 9)
_ESCAPED = r'["\\\x00-\x1f]'


def rust_path(path: v.Path) -> str | None:
    """The path in Polars' notation; None where that cannot say it."""
    if any(isinstance(s, str) and ('"' in s or "\\" in s) for s in path):
        return None
    return "$" + "".join(f"[{s}]" if isinstance(s, int) else f'["{v.TEXT}{s}"]' for s in path)


def leaf(k: Any, text: Any, path: v.Path) -> Any:
    """What the path leads to as a leaf; objects and arrays stay texts of variants."""
    rust = rust_path(path)
    if rust is not None:
        return text.str.json_path_match(rust)
    return per_distinct(k, lambda t: _leaf_of(v.find(v.load(t), path)), k.pl.String, text)


def _leaf_of(tree: Any) -> str | None:
    if tree is v.MISSING or tree is None:
        return None
    return tree if isinstance(tree, str) else v.dump(tree)


def part(k: Any, text: Any, path: v.Path) -> Any:
    """What the path leads to as a variant; NULL where nothing is there."""
    if not path:
        return text
    pl, rust = k.pl, rust_path(path)

    def slow(t: str) -> str | None:
        found = v.find(v.load(t), path)
        return None if found is v.MISSING else v.dump(found)

    if rust is None:
        return per_distinct(k, slow, pl.String, text)

    def run(s: Any) -> Any:
        found = s.str.json_path_match(rust)
        tagged = found.str.head(1).is_in(list(v.TAGS))
        out = pl.select(pl.when(tagged).then('"' + found + '"').otherwise(found)).to_series()
        # A JSON null looks like a missing key, and escapes are gone.
        doubtful = (found.is_null() & s.str.contains("null", literal=True)) | (
            tagged & found.str.contains(_ESCAPED)
        )
        where = doubtful.fill_null(value=False)
        if not where.any():
            return out
        return out.scatter(where.arg_true(), pl.Series([slow(t) for t in s.filter(where)], dtype=pl.String))

    return text.map_batches(run, return_dtype=pl.String, is_elementwise=True)


# Out of variants


def cast_out(k: Any, text: Any, target: SqlType, safe: bool, path: v.Path = ()) -> Any:
    """The part at `path` as `target`: NULL (safe) or INVALID_VARIANT_CAST where it is none of that type."""
    if isinstance(target, Variant):
        return part(k, text, path)
    if isinstance(target, Array):
        return _array_out(k, part(k, text, path), target, safe)
    if isinstance(target, Map):
        return _map_out(k, part(k, text, path), target, safe)
    if isinstance(target, Struct):
        return _struct_out(k, part(k, text, path), target, safe)
    return k.let(
        [leaf(k, text, path)], lambda found: _checked(k, found, _scalar(k, found, target), target, safe)
    )


def _checked(k: Any, found: Any, value: Any, target: SqlType, safe: bool) -> Any:
    if safe:
        return value

    def raised(f: Any, made: Any) -> Any:
        bad = f.is_not_null() & made.is_null()
        return k.raise_if(bad, "INVALID_VARIANT_CAST", made, str(target).upper(), f)

    return k.let([found, value], raised)


def _scalar(k: Any, found: Any, target: SqlType) -> Any:
    """Leaves as a flat type, NULL where they do not fit; only for the kinds of leaf that occur."""
    pl, dtype = k.pl, k.dtype(target)

    def run(s: Any) -> Any:
        starts = set(s.str.head(1).unique().drop_nulls().to_list())
        out = pl.lit(None, dtype=dtype)
        for matches, make in _KINDS:
            here = [c for c in starts if c in matches]
            if here:
                chosen = pl.when(pl.col("s").str.head(1).is_in(here)).then(pl.col("s"))
                out = pl.coalesce(out, make(k, chosen, chosen.str.slice(1), target))
        return s.to_frame("s").select(out.alias("o")).to_series()

    return found.map_batches(run, return_dtype=dtype, is_elementwise=True)


def _from(k: Any, e: Any, source: SqlType, target: SqlType) -> Any:
    if not can_cast(source, target):
        return k.pl.lit(None, dtype=k.dtype(target))
    return k.cast(e, source, target, True)


def _number_out(k: Any, s: Any, _: Any, target: SqlType) -> Any:
    pl = k.pl
    exact = s.str.contains(".", literal=True)
    whole = pl.when(~exact).then(s).cast(pl.Int64, strict=False)
    return pl.coalesce(_from(k, whole, BIGINT, target), _decimal_out(k, None, pl.when(exact).then(s), target))


def _decimal_out(k: Any, _: Any, body: Any, target: SqlType) -> Any:
    """A decimal's digits: read as the target itself, so that none is lost on the way."""
    pl = k.pl
    if isinstance(target, Boolean):
        return body.str.contains("[1-9]")
    if isinstance(target, Integral):
        return _from(k, body.str.replace(r"\..*$", ""), STRING, target)
    if isinstance(target, String):
        bare = body.str.strip_chars_end("0").str.strip_chars_end(".")
        return pl.when(body.str.contains(".", literal=True)).then(bare).otherwise(body)
    if isinstance(target, (Decimal, Fractional)):
        return _from(k, body, STRING, target)
    return _from(k, _from(k, body, STRING, _EXACT_TIME), _EXACT_TIME, target)


def _nested_out(k: Any, s: Any, _: Any, target: SqlType) -> Any:
    if isinstance(target, String):
        return json_text(k, s)
    return k.pl.lit(None, dtype=k.dtype(target))


def _plain(source: SqlType, read: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda k, s, body, target: _from(k, read(k.pl, body), source, target)


_KINDS: tuple[tuple[str, Callable[..., Any]], ...] = (
    (v.TEXT, _plain(STRING, lambda pl, b: b)),
    ("0123456789-", _number_out),
    ("tf", lambda k, s, b, target: _from(k, s == "true", BOOLEAN, target)),
    ("{[", _nested_out),
    (v.DECIMAL, _decimal_out),
    (v.DOUBLE, _plain(DOUBLE, lambda pl, b: b.cast(pl.Float64, strict=False))),
    (v.FLOAT, _plain(FLOAT, lambda pl, b: b.cast(pl.Float32, strict=False))),
    (v.DATE, _plain(DATE, lambda pl, b: b.cast(pl.Int32, strict=False).cast(pl.Date))),
    (
        v.TIMESTAMP,
        _plain(TIMESTAMP, lambda pl, b: b.cast(pl.Int64, strict=False).cast(pl.Datetime("us", "UTC"))),
    ),
    (v.NTZ, _plain(TIMESTAMP_NTZ, lambda pl, b: b.cast(pl.Int64, strict=False).cast(pl.Datetime("us")))),
    (v.BINARY, _plain(BINARY, lambda pl, b: b.str.decode("hex", strict=False))),
)
"""First characters of leaves, and how those are read: `(k, leaf, leaf without tag, target)`."""


def json_text(k: Any, text: Any) -> Any:
    """The JSON text of variants."""
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(k.tz)
    return per_distinct(k, lambda t: v.to_json(v.load(t), zone), k.pl.String, text)


def elements(k: Any, text: Any) -> Any:
    """The elements of an array as a list of variants; NULL for anything else."""
    pl = k.pl

    def run(t: str) -> list[str] | None:
        tree = v.load(t) if t.startswith("[") else None
        return None if tree is None else [v.dump(x) for x in tree]

    return per_distinct(k, run, pl.List(pl.String), text)


def entries(k: Any, text: Any) -> Any:
    """The keys and values of an object, ordered by key; NULL for anything else."""
    pl = k.pl

    def run(t: str) -> list[dict[str, str]] | None:
        tree = v.load(t) if t.startswith("{") else None
        return None if tree is None else [{"key": n, "value": v.dump(x)} for n, x in v.ordered(tree)]

    return per_distinct(k, run, pl.List(pl.Struct({"key": pl.String, "value": pl.String})), text)


def parts(k: Any, text: Any) -> Any:
    """The fields or elements of variants with their positions; NULL for anything else."""
    pl = k.pl

    def run(t: str) -> list[dict[str, Any]] | None:
        tree = v.load(t)
        if not isinstance(tree, (dict, list)):
            return None
        pairs = v.ordered(tree) if isinstance(tree, dict) else [(None, x) for x in tree]
        return [{"pos": i, "key": n, "value": v.dump(x)} for i, (n, x) in enumerate(pairs)]

    row = pl.Struct({"pos": pl.Int32, "key": pl.String, "value": pl.String})
    return per_distinct(k, run, pl.List(row), text)


def _fitting(k: Any, text: Any, made: Any, target: SqlType, safe: bool) -> Any:
    return _checked(k, k.pl.when(text != "null").then(text), made, target, safe)


def _array_out(k: Any, text: Any, target: Array, safe: bool) -> Any:
    pl = k.pl

    def build(t: Any) -> Any:
        items = elements(k, t).list.eval(cast_out(k, pl.element(), target.element, safe))
        return _fitting(k, t, items, target, safe)

    return k.let([text], build)


def _map_out(k: Any, text: Any, target: Map, safe: bool) -> Any:
    pl = k.pl
    if not isinstance(target.key, String):
        raise unsupported(k, "a variant becomes a map with keys of type string only")
    entry = pl.element().struct
    value = cast_out(k, entry.field("value"), target.value, safe)
    pair = pl.struct(entry.field("key").alias("key"), value.alias("value"))
    return k.let([text], lambda t: _fitting(k, t, entries(k, t).list.eval(pair), target, safe))


def _struct_out(k: Any, text: Any, target: Struct, safe: bool) -> Any:
    pl = k.pl

    def build(t: Any) -> Any:
        here = pl.when(t.str.starts_with("{")).then(t)
        fields = [cast_out(k, here, f.type, safe, (f.name,)).alias(f.name) for f in target.fields]
        made = (
            pl.when(here.is_not_null()).then(pl.struct(*fields)) if fields else pl.lit(None, k.dtype(target))
        )
        return _fitting(k, t, made, target, safe)

    return k.let([text], build)


# Into variants


def cast_in(k: Any, e: Any, t: SqlType) -> Any:
    """A value of type `t` as a variant; NULL stays NULL, below the top it becomes a JSON null."""
    pl = k.pl
    if isinstance(t, Variant):
        return e
    if isinstance(t, Array):
        items = e.list.eval(_inner(k, pl.element(), t.element))
        return pl.lit("[") + items.list.join(",") + pl.lit("]")
    if isinstance(t, Map):
        entry = pl.element().struct
        pair = _quoted(k, v.TEXT, entry.field("key")) + pl.lit(":") + _inner(k, entry.field("value"), t.value)
        return pl.lit("{") + e.list.eval(pair).list.join(",") + pl.lit("}")
    if isinstance(t, Struct):
        return k.let([e], lambda s: _struct_in(k, s, t))
    return _leaf_in(k, e, t)


def _inner(k: Any, e: Any, t: SqlType) -> Any:
    return cast_in(k, e, t).fill_null("null")


def _struct_in(k: Any, s: Any, t: Struct) -> Any:
    pl = k.pl
    fields = sorted(t.fields, key=lambda f: f.name)
    parts = [
        pl.lit(("," if i else "{") + v.dump(v.TEXT + f.name) + ":")
        + _inner(k, s.struct.field(f.name), f.type)
        for i, f in enumerate(fields)
    ]
    return pl.when(s.is_not_null()).then(pl.concat_str(parts) + pl.lit("}"))


def _quoted(k: Any, tag: str, text: Any) -> Any:
    from sqlshell.functions.json_encode import quoted

    return quoted(k.pl, k.pl.lit(tag) + text)


def _leaf_in(k: Any, e: Any, t: SqlType) -> Any:
    pl = k.pl
    if isinstance(t, Void):
        return pl.lit(None, dtype=pl.String)
    if isinstance(t, String):
        return _quoted(k, v.TEXT, e)
    if isinstance(t, (Integral, Boolean)):
        return e.cast(pl.String)
    if isinstance(t, Decimal):
        text = k.cast(e, t, STRING)
        if t.precision <= 15 and t.scale <= 3:
            return text if t.scale else text + pl.lit(".0")
        return _quoted(k, v.DECIMAL, text)
    if isinstance(t, Fractional):
        return _quoted(k, v.DOUBLE if t == DOUBLE else v.FLOAT, e.cast(pl.String))
    if isinstance(t, Binary):
        return _quoted(k, v.BINARY, e.bin.encode("hex"))
    if isinstance(t, (Date, Timestamp, TimestampNtz)):
        tag = v.DATE if isinstance(t, Date) else v.TIMESTAMP if isinstance(t, Timestamp) else v.NTZ
        return _quoted(k, tag, e.to_physical().cast(pl.String))
    raise unsupported(k, f"a variant does not hold {t}")
