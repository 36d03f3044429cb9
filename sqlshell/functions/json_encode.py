"""to_json: a value written as JSON by polars expressions, following its type."""

from __future__ import annotations

from typing import Any

from sqlshell.functions.common import unsupported
from sqlshell.functions.variant_cast import json_text
from sqlshell.types import (
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

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_ESCAPES.update({chr(i): f"\\u{i:04X}" for i in range(32) if chr(i) not in _ESCAPES})


def quoted(pl: Any, text: Any) -> Any:
    """A text as a JSON string."""
    return pl.lit('"') + text.str.replace_many(list(_ESCAPES), list(_ESCAPES.values())) + pl.lit('"')


def encode(k: Any, e: Any, t: SqlType) -> Any:
    """`e` as JSON; NULL stays NULL."""
    pl = k.pl
    if isinstance(t, Struct):
        return k.let([e], lambda s: _struct(k, s, t))
    if isinstance(t, Array):
        items = e.list.eval(encode(k, pl.element(), t.element).fill_null("null"))
        return pl.lit("[") + items.list.join(",") + pl.lit("]")
    if isinstance(t, Map):
        return _map(k, e, t)
    return _leaf(k, e, t)


def _struct(k: Any, s: Any, t: Struct) -> Any:
    pl = k.pl
    if not t.fields:
        return pl.when(s.is_not_null()).then(pl.lit("{}"))
    parts = []
    for f in t.fields:
        name = '"' + "".join(_ESCAPES.get(c, c) for c in f.name) + '":'
        # Adding to NULL text is NULL, and NULL parts are left out, as Spark leaves out NULL fields.
        parts.append(pl.lit(name) + encode(k, s.struct.field(f.name), f.type))
    body = pl.lit("{") + pl.concat_str(parts, separator=",", ignore_nulls=True) + pl.lit("}")
    return pl.when(s.is_not_null()).then(body)


def _map(k: Any, e: Any, t: Map) -> Any:
    pl = k.pl
    pair = pl.element()
    key = pair.struct.field("key")
    name = key if isinstance(t.key, String) else k.cast(key, t.key, String())
    value = encode(k, pair.struct.field("value"), t.value).fill_null("null")
    items = e.list.eval(quoted(pl, name) + pl.lit(":") + value)
    return pl.lit("{") + items.list.join(",") + pl.lit("}")


def _leaf(k: Any, e: Any, t: SqlType) -> Any:
    pl = k.pl
    if isinstance(t, Variant):
        return json_text(k, e)
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
