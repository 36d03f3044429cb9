"""Numbers as text and back by Spark's number formats: `[MI|S][$][0|9|G|,]...[.|D][0|9]...[$][PR|MI|S]`."""

from __future__ import annotations

import re
from decimal import Decimal as Number
from functools import lru_cache
from typing import Any

from sqlshell.errors import AnalysisError
from sqlshell.functions import registry
from sqlshell.functions.common import constant, failure, per_distinct
from sqlshell.functions.registry import Function
from sqlshell.records import dataclass
from sqlshell.types import Binary, Decimal, SqlType, String, Timestamp

_FORMAT = re.compile(r"^(MI|S)?(\$)?([09,]*)(?:(\.)([09]*))?(\$)?(PR|MI|S)?$")


@dataclass(frozen=True)
class NumberFormat:
    """A read format; `whole` keeps digits and commas, `fraction` digits only."""

    lead: str
    dollar: bool
    whole: str
    point: bool
    fraction: str
    tail: str
    dollar_last: bool

    @property
    def places(self) -> int:
        """Digits before the point."""
        return len(self.whole) - self.whole.count(",")


@lru_cache(maxsize=256)
def read_format(text: str) -> NumberFormat | None:
    """The parts of a format; None when it is none."""
    found = _FORMAT.match(text.upper().replace("G", ",").replace("D", "."))
    if found is None or (found[2] and found[6]) or (found[1] and found[7]):
        return None
    lead, dollar, whole, point, fraction, last, tail = found.groups()
    return NumberFormat(
        lead or "",
        bool(dollar),
        whole,
        bool(point),
        fraction or "",
        tail or "",
        bool(last),
    )


def _checked(text: Any, fn: str, span: Any = None) -> NumberFormat:
    if not isinstance(text, str):
        raise AnalysisError(
            f"`{fn}` needs a constant format", condition="DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", span=span
        )
    found = read_format(text)
    if not re.search("[09]", text):
        reason, condition = "has no digits", "INVALID_FORMAT.WRONG_NUM_DIGIT"
    elif found is None:
        reason, condition = "is not a number format", "INVALID_FORMAT.UNEXPECTED_TOKEN"
    elif found.whole.startswith(",") or ",," in found.whole or found.whole.endswith(","):
        reason, condition = "has a thousands separator without digits", "INVALID_FORMAT.CONT_THOUSANDS_SEPS"
    else:
        return found
    raise AnalysisError(f"the format '{text}' {reason}", condition=condition, span=span)


# Writing


def _whole(pattern: str, digits: str, places: int) -> str:
    """Digits below the format's places; unused 9s are spaces, unused 0s and what follows them zeros."""
    out = ""
    at, shown = len(digits) - places, False
    for c in pattern:
        if c == ",":
            out += "," if shown else " "
            continue
        if at >= 0 or pattern[0] == "0" or shown:
            out += digits[at] if at >= 0 else "0"
            shown = True
        else:
            out += " "
        at += 1
    return out


def write(number: Number, style: NumberFormat) -> str:
    """A number by a format; `#` for digits where it does not fit."""
    digits, _, fraction = format(abs(number), "f").partition(".")
    digits, fraction = digits.lstrip("0"), fraction.rstrip("0")
    if len(digits) > style.places or len(fraction) > len(style.fraction):
        raw = style.whole + ("." + style.fraction if style.point else "")
        lead, tail = _signs(style, number < 0)
        return lead.strip() + ("$" if style.dollar else "") + re.sub("[09]", "#", raw) + tail.strip()
    body = _whole(style.whole, digits, style.places)
    if style.point:
        if body.endswith(" ") and style.whole[-1] == "9":
            body = body[:-1] + "0"
        body += "." + fraction.ljust(len(style.fraction), "0")
    sign = _signs(style, number < 0)
    if style.dollar:
        return sign[0] + "$" + body + sign[1]
    bare = body.lstrip(" ")
    return " " * (len(body) - len(bare)) + sign[0] + bare + ("$" if style.dollar_last else "") + sign[1]


def _signs(style: NumberFormat, negative: bool) -> tuple[str, str]:
    if style.tail == "PR":
        return ("<", ">") if negative else ("", "  ")
    minus = "-" if negative else "+" if "S" in (style.lead, style.tail) else " "
    return (minus if style.lead else "", minus if style.tail else "")


def _encoded(k: Any, value: Any) -> Any:
    form = constant(k, 1, "format")
    if form is None:
        return k.pl.lit(None, dtype=k.pl.String)
    name = form.lower()
    if name == "hex":
        return value.bin.encode("hex").str.to_uppercase()
    if name == "base64":
        return value.bin.encode("base64")
    if name == "utf-8":
        return per_distinct(k, lambda b: b.decode("utf-8", errors="replace"), k.pl.String, value)
    raise AnalysisError(
        "the format of bytes is 'hex', 'base64' or 'utf-8'",
        condition="DATATYPE_MISMATCH.INVALID_ARG_VALUE",
        span=k.call.span,
    )


def _to_char(k: Any, value: Any, form: Any) -> Any:
    pl, t = k.pl, k.type(0)
    if isinstance(t, Timestamp):
        return registry.get("date_format").lower(k, value, form)  # type: ignore[misc]
    if isinstance(t, Binary):
        return _encoded(k, value)
    shown = constant(k, 1, "format")
    if shown is None:
        return pl.lit(None, dtype=pl.String)
    style = _checked(shown, k.call.fn, k.call.span)
    scale = t.scale if isinstance(t, Decimal) else 0

    def run(v: Any) -> str:
        number = Number(repr(v)) if isinstance(v, float) else Number(v).scaleb(-scale)
        return write(number, style)

    return per_distinct(k, run, pl.String, value)


# Reading


@lru_cache(maxsize=256)
def matcher(style: NumberFormat) -> re.Pattern[str]:
    """What texts of the format look like, without white space around; group `digits` is the number."""
    groups = style.whole.split(",") if style.whole else []
    choices = []
    for i, group in enumerate(groups):
        zeros = "0" in group
        least = len(group) - group.find("0") if zeros else 1
        rest = "".join(f",[0-9]{{{len(g)}}}" for g in groups[i + 1 :])
        choices.append(f"[0-9]{{{least},{len(group)}}}{rest}")
        if zeros:
            break
    else:
        if style.point:
            choices.append("")
    whole = "(?:" + "|".join(choices) + ")" if choices else ""
    fraction = rf"(?:\.[0-9]{{0,{len(style.fraction)}}})?" if style.point else ""
    sign = {"S": "[+-]?", "MI": "-?", "": ""}
    dollar = r"\$" if style.dollar else ""
    body = f"{dollar}(?P<digits>{whole}{fraction})" + (r"\$" if style.dollar_last else "")
    if style.tail == "PR":
        return re.compile(f"(?P<sign>(?=<.*>$)<)?{body}>?")
    lead, tail = sign[style.lead], sign[style.tail]
    return re.compile(f"(?P<sign>{lead}){body}" if not style.tail else f"{body}(?P<sign>{tail})")


def parse(text: str, style: NumberFormat) -> int | None:
    """The unscaled value (at the format's scale) of a text; None when it does not match."""
    found = matcher(style).fullmatch(text.strip())
    if found is None or not re.search("[0-9]", found["digits"]):
        return None
    whole, _, fraction = found["digits"].replace(",", "").partition(".")
    value = int((whole + fraction.ljust(len(style.fraction), "0")) or "0")
    return -value if (found["sign"] or "") in ("-", "<") and found["sign"] else value


def _to_number(safe: bool) -> Any:
    def lower(k: Any, text: Any, form: Any) -> Any:
        shown = constant(k, 1, "format")
        if shown is None:
            return k.pl.lit(None, dtype=k.pl.Int128)
        style = _checked(shown, k.call.fn, k.call.span)

        def run(s: str) -> int | None:
            value = parse(s, style)
            if value is None and not safe:
                raise failure(
                    k, "INVALID_FORMAT.MISMATCH_INPUT", f"the text '{s}' does not match the format '{shown}'"
                )
            return value

        return per_distinct(k, run, k.pl.Int128, text)

    return lower


def _number_type(types: tuple[SqlType, ...], args: tuple[Any, ...]) -> SqlType:
    style = _checked(getattr(args[1], "value", None), "to_number", getattr(args[1], "span", None))
    scale = len(style.fraction)
    return Decimal(style.places + scale, scale)


def _text_type(types: tuple[SqlType, ...], args: tuple[Any, ...]) -> SqlType:
    if not isinstance(types[0], (Timestamp, Binary)):
        _checked(getattr(args[1], "value", None), "to_char", getattr(args[1], "span", None))
    return String()


# fmt: off
ROWS = (
    Function("to_char",
             "decimal, string -> fn | num, string -> fn | binary, string -> fn | timestamp, string -> fn",
             "A number by a number format, a date by a pattern, bytes as 'hex', 'base64' or 'utf-8'.",
             "to_char(12454, '99G999')", lower=_to_char, aliases=("to_varchar",), returns=_text_type,
             fallible=True, nullable=lambda n: True),
    Function("to_number", "string, string -> fn", "The number that a text of a number format means.",
             "to_number('12,454.8-', '99,999.9S')", lower=_to_number(False), returns=_number_type, fallible=True,
             nullable=lambda n: True),
    Function("try_to_number", "string, string -> fn", "to_number that gives NULL where the text does not match.",
             "try_to_number('$78.12', '$99.99')", lower=_to_number(True), returns=_number_type,
             nullable=lambda n: True),
)
# fmt: on
