"""Values as text: format_string (Java's Formatter) and format_number (Java's DecimalFormat)."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context
from decimal import Decimal as Number
from typing import TYPE_CHECKING, Any

from sqlshell.errors import AnalysisError
from sqlshell.functions.common import constant, failure, per_distinct, refuse, unsupported
from sqlshell.functions.registry import Function
from sqlshell.records import dataclass
from sqlshell.types import (
    Array,
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
    Void,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_EXACT = Context(prec=400)
_SPECIFIER = re.compile(r"%(?:(\d+)\$)?([-#+ 0,(<]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])")


@dataclass(frozen=True)
class _Specifier:
    """`%[argument$][flags][width][.precision]conversion`."""

    argument: int
    flags: str
    width: int
    precision: int | None
    conversion: str


def _parse(k: Any, text: str) -> list[str | _Specifier]:
    out: list[str | _Specifier] = []
    at, following, last = 0, 0, 0
    while (start := text.find("%", at)) >= 0:
        found = _SPECIFIER.match(text, start)
        if found is None:
            raise refuse(k, "INVALID_FORMAT_STRING", f"the format string '{text}' is malformed at {start}")
        out.append(text[at:start])
        at = found.end()
        position, flags, width, precision, conversion = found.groups()
        if conversion in "%n":
            out.append("%" if conversion == "%" else "\n")
            continue
        if position:
            last = int(position)
        elif "<" not in flags:
            following += 1
            last = following
        digits = None if precision is None else int(precision)
        out.append(_Specifier(last, flags.replace("<", ""), int(width or 0), digits, conversion))
    return [*out, text[at:]]


def _format_string(k: Any, pattern: Any, *args: Any) -> Any:
    pl = k.pl
    text = constant(k, 0, "format")
    if text is None:
        return pl.lit(None, pl.String)
    pieces: list[Any] = []
    for p in _parse(k, text):
        if isinstance(p, str):
            if p:
                pieces.append(pl.lit(p))
        elif not 1 <= p.argument <= len(args):
            raise refuse(k, "INVALID_FORMAT_STRING", f"format specifier '%{p.conversion}' has no argument")
        else:
            pieces.append(_piece(k, p, args[p.argument - 1], k.type(p.argument)))
    return pl.concat_str(pieces) if pieces else pl.lit("")


def _piece(k: Any, spec: _Specifier, e: Any, t: SqlType) -> Any:
    pl = k.pl
    kind = spec.conversion
    if kind in "sSbBhH" and kind not in "hH":
        shown = _shown(k, e, t)
        if kind in "bB":
            shown = e.cast(pl.String) if isinstance(t, Boolean) else e.is_not_null().cast(pl.String)
        text = shown.fill_null("false" if kind in "bB" else "null")
        if spec.precision is not None:
            text = text.str.head(spec.precision)
        text = text.str.to_uppercase() if kind in "SB" else text
        return text.str.pad_end(spec.width) if "-" in spec.flags else text.str.pad_start(spec.width)
    takes: dict[str, type[SqlType] | tuple[type[SqlType], ...]] = {
        **dict.fromkeys("doxX", Integral),
        **dict.fromkeys("eEfgG", Fractional),
        **dict.fromkeys("cC", Integral),
    }
    if kind not in takes:
        raise unsupported(k, f"format specifier '%{kind}' is not supported")
    if not isinstance(t, (*_as_tuple(takes[kind]), Void)):
        raise AnalysisError(
            f"format specifier '%{kind}' does not take {t}",
            condition="DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
            span=k.call.span,
        )
    if kind == "d" and not spec.flags and not spec.width:
        return e.cast(pl.String).fill_null("null")
    bits = t.bits if isinstance(t, Integral) else 64
    return per_distinct(k, _formatter(spec, max(bits, 32)), pl.String, e, nulls=True)


def _as_tuple(kinds: Any) -> tuple[type[SqlType], ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)


def _shown(k: Any, e: Any, t: SqlType) -> Any:
    pl = k.pl
    if isinstance(t, String):
        return e
    if isinstance(t, Date):
        # Spark hands Java the internal number of days, and microseconds for timestamps.
        return e.cast(pl.Int32).cast(pl.String)
    if isinstance(t, Timestamp):
        return e.dt.timestamp("us").cast(pl.String)
    if isinstance(t, (Array, Map, Struct)):
        raise unsupported(k, f"format_string does not take {t}")
    return k.cast(e, t, String())


def _formatter(spec: _Specifier, bits: int) -> Callable[[Any], str]:
    def run(value: Any) -> str:
        body = "null" if value is None else _converted(spec, value, bits)
        if "-" in spec.flags:
            return body.ljust(spec.width)
        if (
            "0" in spec.flags
            and value is not None
            and not (isinstance(value, float) and not math.isfinite(value))
        ):
            sign = body[0] if body[:1] in "+- (" and body else ""
            return sign + body[len(sign) :].rjust(spec.width - len(sign), "0")
        return body.rjust(spec.width)

    return run


def _converted(spec: _Specifier, value: Any, bits: int) -> str:
    kind = spec.conversion
    if kind in "cC":
        return chr(value) if kind == "c" else chr(value).upper()
    if kind in "oxX":
        body = format(value % (1 << bits), kind.lower())
        body = {"o": "0", "x": "0x"}[kind.lower()] + body if "#" in spec.flags else body
        return body.upper() if kind == "X" else body
    if isinstance(value, float) and not math.isfinite(value):
        body = "NaN" if math.isnan(value) else "Infinity"
        return _signed(body, value < 0, spec.flags)
    body = _digits(spec, abs(value))
    negative = value < 0 or (isinstance(value, float) and math.copysign(1, value) < 0)
    return _signed(body, negative, spec.flags)


def _digits(spec: _Specifier, value: Any) -> str:
    """An absolute value by %d %e %f %g; Java rounds the shortest decimal form half up."""
    kind, places = spec.conversion.lower(), 6 if spec.precision is None else spec.precision
    grouped = "," if "," in spec.flags else ""
    if kind == "d":
        return format(value, grouped + "d")
    number = Number(repr(value))
    if kind == "g":
        places = max(places, 1)
        rounded = Context(prec=places, rounding=ROUND_HALF_UP).plus(number)
        if number and not Number("0.0001") <= rounded < Number(10) ** places:
            return _scientific(number, places - 1)
        places = places - 1 - (rounded.adjusted() if number else 0)
    elif kind == "e":
        text = _scientific(number, places)
        return text.upper() if spec.conversion == "E" else text
    fixed = number.quantize(Number(1).scaleb(-max(places, 0)), ROUND_HALF_UP, _EXACT)
    return format(fixed, grouped + "f")


def _scientific(number: Number, places: int) -> str:
    rounded = Context(prec=places + 1, rounding=ROUND_HALF_UP).plus(number)
    exponent = rounded.adjusted() if rounded else 0
    mantissa = format(rounded.scaleb(-exponent), f".{places}f")
    return f"{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _signed(body: str, negative: bool, flags: str) -> str:
    if negative:
        return f"({body})" if "(" in flags else f"-{body}"
    return f"+{body}" if "+" in flags else f" {body}" if " " in flags else body


# format_number


def _number(value: Any, scale: int) -> Number:
    if isinstance(value, float):
        return Number(repr(value))
    return Number(value).scaleb(-scale, _EXACT)


def _rounded(number: Number, places: int) -> Number:
    return number.quantize(Number(1).scaleb(-places), ROUND_HALF_EVEN, _EXACT)


def _fixed(value: Any, places: int, scale: int) -> str | None:
    if places < 0:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    return format(_rounded(_number(value, scale), places), ",f")


_PATTERN = re.compile(r"^([^#0,.]*)([#,]*)([0,]*)(?:\.(0*)(#*))?([^#0,.]*)$")


def _by_pattern(k: Any, value: Any, pattern: str, scale: int) -> str | None:
    if not pattern:
        return _fixed(value, 0, scale)
    found = _PATTERN.match(pattern)
    if found is None or any(c in pattern for c in "%‰;E'¤"):
        raise failure(k, "UNSUPPORTED_FEATURE", f"the number format '{pattern}' is not supported")
    before, free, forced, least, extra, after = found.groups()
    if isinstance(value, float) and not math.isfinite(value):
        return _fixed(value, 0, scale)
    least, extra = least or "", extra or ""
    number = _rounded(_number(value, scale), len(least) + len(extra))
    whole, _, fraction = format(abs(number), "f").partition(".")
    fraction = fraction[: len(least)] + fraction[len(least) :].rstrip("0")
    # A pattern without any 0 has one before the point.
    digits = forced.count("0") if "0" in pattern or "." not in pattern else 1
    whole = whole.lstrip("0").rjust(digits, "0")
    grouping = (free + forced).rpartition(",")
    if grouping[1] and grouping[2]:
        size = len(grouping[2])
        start = len(whole) % size
        parts = [whole[:start], *(whole[i : i + size] for i in range(start, len(whole), size))]
        whole = ",".join(p for p in parts if p)
    body = before + (whole if whole or fraction else "0") + ("." + fraction if fraction else "") + after
    negative = number < 0 or (isinstance(value, float) and math.copysign(1, value) < 0)
    return "-" + body if negative else body


def _format_number(k: Any, value: Any, style: Any) -> Any:
    t = k.type(0)
    scale = t.scale if isinstance(t, Decimal) else 0
    if isinstance(k.type(1), String):
        return per_distinct(k, lambda v, p: _by_pattern(k, v, p, scale), k.pl.String, value, style)
    return per_distinct(k, lambda v, d: _fixed(v, d, scale), k.pl.String, value, style)


# fmt: off
ROWS = (
    Function("format_string", "string -> string | string, any... -> string",
             "Values by a printf format (Java's Formatter).", "format_string('Hello %s, %05.1f', 'World', 2.5D)",
             aliases=("printf",), lower=_format_string, strict=False, fallible=True, nullable=lambda n: n[0]),
    Function("format_number", "num, int -> string | num, string -> string",
             "A number with thousands separators, rounded to a number of places or by a DecimalFormat pattern.",
             "format_number(12332.123456, 4)", lower=_format_number, nullable=lambda n: True),
)
# fmt: on
