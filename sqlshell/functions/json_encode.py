"""to_json: a value written as JSON by polars expressions, following its type."""

from __future__ import annotations

from typing import Any

from sqlshell.functions import datetime_pattern
from sqlshell.functions.common import unsupported
from sqlshell.functions.options import format_name
from sqlshell.functions.variant_cast import json_text
from sqlshell.types import (
    TIMESTAMP,
    Array,
    Binary,
    Boolean,
    Date,
    Decimal,
    Fractional,
    Integral,
    Interval,
    Map,
    SqlType,
    String,
    Struct,
    Time,
    Timestamp,
    TimestampNtz,
    Variant,
    Void,
)

Options = dict[str, str]
OPTIONS = {"timestampformat", "timestampntzformat", "dateformat", "ignorenullfields", "sortkeys"}

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_ESCAPES.update({chr(i): f"\\u{i:04X}" for i in range(32) if chr(i) not in _ESCAPES})


def quoted(pl: Any, text: Any) -> Any:
    """A text as a JSON string."""
    return pl.lit('"') + text.str.replace_many(list(_ESCAPES), list(_ESCAPES.values())) + pl.lit('"')


def encode(k: Any, e: Any, t: SqlType, options: Options) -> Any:
    """`e` as JSON; NULL stays NULL. Options are by lower-case name (`OPTIONS`)."""
    pl = k.pl
    if isinstance(t, Struct):
        return k.let([e], lambda s: _struct(k, s, t, options))
    if isinstance(t, Array):
        items = e.list.eval(encode(k, pl.element(), t.element, options).fill_null("null"))
        return pl.lit("[") + items.list.join(",") + pl.lit("]")
    if isinstance(t, Map):
        return _map(k, e, t, options)
    return _leaf(k, e, t, options)


def _struct(k: Any, s: Any, t: Struct, options: Options) -> Any:
    pl = k.pl
    if not t.fields:
        return pl.when(s.is_not_null()).then(pl.lit("{}"))
    parts = []
    nulls = options.get("ignorenullfields", "true").lower() == "false"
    fields = sorted(t.fields, key=lambda f: f.name) if _flag(options, "sortkeys") else t.fields
    for f in fields:
        name = '"' + "".join(_ESCAPES.get(c, c) for c in f.name) + '":'
        # Adding to NULL text is NULL, and NULL parts are left out, as Spark leaves out NULL fields.
        value = encode(k, s.struct.field(f.name), f.type, options)
        parts.append(pl.lit(name) + (value.fill_null("null") if nulls else value))
    body = pl.lit("{") + pl.concat_str(parts, separator=",", ignore_nulls=True) + pl.lit("}")
    return pl.when(s.is_not_null()).then(body)


def _flag(options: Options, name: str) -> bool:
    return options.get(name, "false").lower() == "true"


def _key(k: Any, e: Any, t: SqlType) -> Any:
    """A map's key as text; structs as Spark's InternalRow prints itself: `[1,a]`."""
    pl = k.pl
    if isinstance(t, String):
        return e
    if isinstance(t, Struct):
        parts = [_key(k, e.struct.field(f.name), f.type).fill_null("null") for f in t.fields]
        return pl.lit("[") + pl.concat_str(parts, separator=",") + pl.lit("]")
    return k.cast(e, t, String())


def _map(k: Any, e: Any, t: Map, options: Options) -> Any:
    pl = k.pl
    pair = pl.element()
    if _flag(options, "sortkeys"):
        e = e.list.eval(pair.sort_by(pair.struct.field("key")))
    name = _key(k, pair.struct.field("key"), t.key)
    value = encode(k, pair.struct.field("value"), t.value, options).fill_null("null")
    items = e.list.eval(quoted(pl, name) + pl.lit(":") + value)
    return pl.lit("{") + items.list.join(",") + pl.lit("}")


def _leaf(k: Any, e: Any, t: SqlType, options: Options) -> Any:
    pl = k.pl
    if isinstance(t, Variant):
        return json_text(k, e)
    form = options.get(format_name(t))
    if form is not None:
        instant = e if isinstance(t, Timestamp) else k.cast(e, t, TIMESTAMP)
        return quoted(pl, datetime_pattern.write(k, k.to_wall(instant), instant, form))
    if isinstance(t, Void):
        return pl.lit(None, dtype=pl.String)
    if isinstance(t, String):
        return quoted(pl, e)
    if isinstance(t, (Boolean, Integral, Decimal)):
        return k.cast(e, t, String())
    if isinstance(t, Fractional):
        text = k.cast(e, t, String())
        return k.let(
            [e, text], lambda n, s: pl.when(n.is_finite()).then(s).otherwise(pl.lit('"') + s + pl.lit('"'))
        )
    if isinstance(t, Date):
        return pl.lit('"') + e.dt.strftime("%Y-%m-%d") + pl.lit('"')
    if isinstance(t, TimestampNtz):
        return pl.lit('"') + e.dt.strftime("%Y-%m-%dT%H:%M:%S%.3f") + pl.lit('"')
    if isinstance(t, Timestamp):
        shown = e.dt.convert_time_zone(k.tz).dt.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z")
        return pl.lit('"') + shown.str.replace("\\+00:00$", "Z") + pl.lit('"')
    if isinstance(t, Binary):
        return pl.lit('"') + e.bin.encode("base64") + pl.lit('"')
    if isinstance(t, (Interval, Time)):
        return pl.lit('"') + k.cast(e, t, String()) + pl.lit('"')
    raise unsupported(k, f"to_json does not write {t}")
