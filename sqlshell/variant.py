"""VARIANT values: their text in kernels, as a Python tree, as JSON, and as the binary form of Parquet and Spark.

Kernels hold a variant as JSON without blanks in which every string begins with a tag: `'` for texts (and keys),
and one of TAGS for what JSON has no notation for. Numbers without a point are bigints, those with one decimals of
at most 15 digits, so that every JSON parser (Polars', Python's) reads the text without loss. A *tree* is the same
after `load`: dicts, lists, bools, None, ints, floats (short decimals) and tagged strings.
"""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT, DOUBLE, FLOAT, DECIMAL, DATE, TIMESTAMP, NTZ, BINARY = "'", "~", "^", "!", "@", "#", "%", "$"
"""Tags. Behind them: the text; digits as Python writes them; a decimal; days; microseconds (twice); hex digits."""
TAGS = TEXT + DOUBLE + FLOAT + DECIMAL + DATE + TIMESTAMP + NTZ + BINARY

EXACT = Context(prec=80)
_BIGINT = 1 << 63
_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_SPECIAL = re.compile(r'[\x00-\x1f"\\]')


def load(text: str) -> Any:
    """The tree of a kernel text."""
    return json.loads(text)


def dump(tree: Any) -> str:
    """The kernel text of a tree."""
    return _ENCODE(tree)


# JSON in


def from_json(text: str) -> Any:
    """The tree of a JSON text; ValueError when it is none, or an object names a key twice."""
    tree, _ = _DECODER.raw_decode(text, _skip_blanks(text, 0))
    return _tagged(tree)


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def number(text: str) -> Any:
    """A JSON number as a tree: a bigint, a decimal without exponent of up to 38 digits, else a double."""
    if "e" in text or "E" in text:
        return DOUBLE + repr(float(text))
    if "." not in text:
        value = int(text) if len(text) < 50 else _BIGINT
        if -_BIGINT <= value < _BIGINT:
            return value
    exact = Decimal(text)
    _, digits, exponent = exact.as_tuple()
    if len(digits) > 38 or -int(exponent) > 38:
        return DOUBLE + repr(float(text))
    return of_decimal(exact)


def of_decimal(value: Decimal) -> Any:
    """A decimal as a tree: a float where 15 digits hold it, else its text behind a tag."""
    plain = f"{value:f}"
    digits = plain.replace("-", "").replace(".", "")
    if len(digits) <= 15 and (value == 0 or abs(value) >= Decimal("0.001")):
        return float(plain)
    return DECIMAL + plain


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = {TEXT + k: _tagged(v) for k, v in pairs}
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


class _Raw(str):
    """What `number` made: a string that already has its tag."""


def _number(text: str) -> Any:
    made = number(text)
    return _Raw(made) if isinstance(made, str) else made


def _tagged(value: Any) -> Any:
    if isinstance(value, _Raw):
        return str(value)
    if isinstance(value, str):
        return TEXT + _well_formed(value)
    if isinstance(value, list):
        return [_tagged(v) for v in value]
    return value


def _well_formed(text: str) -> str:
    """Lone surrogates, which UTF-8 cannot hold, as question marks (as Java writes them)."""
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text


def _refuse(name: str) -> Any:
    raise ValueError(name)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_number, parse_int=_number, parse_constant=_refuse
)


# JSON out


def ordered(tree: dict[str, Any]) -> list[tuple[str, Any]]:
    """An object's keys (without tag) and values, in the order of keys that variants have."""
    return [(k[1:], v) for k, v in sorted(tree.items())]


def to_json(tree: Any, zone: Any = UTC) -> str:
    """The JSON text of a tree, as Spark writes it; instants in `zone`."""
    if isinstance(tree, dict):
        parts = (f"{quoted(k)}:{to_json(v, zone)}" for k, v in ordered(tree))
        return "{" + ",".join(parts) + "}"
    if isinstance(tree, list):
        return "[" + ",".join(to_json(v, zone) for v in tree) + "]"
    if isinstance(tree, str):
        return _leaf_json(tree[0], tree[1:], zone)
    if isinstance(tree, bool) or tree is None:
        return {True: "true", False: "false", None: "null"}[tree]
    return plain_decimal(Decimal(repr(tree))) if isinstance(tree, float) else str(tree)


def _leaf_json(tag: str, body: str, zone: Any) -> str:
    if tag == TEXT:
        return quoted(body)
    if tag == DECIMAL:
        return plain_decimal(Decimal(body))
    if tag in (DOUBLE, FLOAT):
        text = java_number(body)
        return text if text[-1].isdigit() else quoted(text)
    if tag == BINARY:
        return quoted(base64.b64encode(bytes.fromhex(body)).decode())
    if tag == DATE:
        return quoted((date(1970, 1, 1) + timedelta(days=int(body))).isoformat())
    return quoted(clock_text(int(body), zone if tag == TIMESTAMP else None))


def quoted(text: str) -> str:
    """A JSON string."""
    return '"' + _SPECIAL.sub(lambda m: _ESCAPES.get(m[0]) or f"\\u{ord(m[0]):04X}", text) + '"'


def plain_decimal(value: Decimal) -> str:
    """A decimal's digits without zeros at the end of its fraction."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def java_number(text: str) -> str:
    """A double's (or float's) shortest digits in the notation of Java's `Double.toString`."""
    named = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text.lower())
    if named:
        return named
    if text in ("NaN", "Infinity", "-Infinity"):
        return text
    sign, digits, exponent = Decimal(text).as_tuple()
    shown = "".join(map(str, digits)).rstrip("0") or "0"
    power = len(digits) + int(exponent) - 1
    minus = "-" if sign else ""
    if shown == "0":
        return minus + "0.0"
    if -3 <= power < 7:
        if power < 0:
            return f"{minus}0.{'0' * (-power - 1)}{shown}"
        shown = shown.ljust(power + 1, "0")
        return f"{minus}{shown[: power + 1]}.{shown[power + 1 :] or '0'}"
    return f"{minus}{shown[0]}.{shown[1:] or '0'}E{power}"


def clock_text(micros: int, zone: Any = None) -> str:
    """A timestamp as `2024-01-02 03:04:05.5`, with the offset of `zone` where one is given."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    local = at if zone is None else at.astimezone(zone)
    text = local.strftime("%Y-%m-%d %H:%M:%S")
    if local.microsecond:
        text += f".{local.microsecond:06}".rstrip("0")
    return text if zone is None else text + local.isoformat()[-6:]


class VariantJson(str):
    """A variant as rows show it: its JSON text, which remembers the kernel text with the exact types."""

    kernel: str


def shown(kernel: str, zone: Any = UTC) -> VariantJson:
    """The JSON text of a kernel text."""
    made = VariantJson(to_json(load(kernel), zone))
    made.kernel = kernel
    return made


# Paths

_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\['([^']+)'\]|\[\"([^\"]+)\"\]")
Path = tuple[str | int, ...]


def read_path(path: str) -> Path | None:
    """The steps of `$.key[0]['key']`: keys and positions; None when it is no path."""
    if not path.startswith("$"):
        return None
    steps: list[str | int] = []
    at = 1
    while at < len(path):
        m = _STEP.match(path, at)
        if m is None:
            return None
        index = m.group(2)
        steps.append(int(index) if index is not None else m.group(1) or m.group(3) or m.group(4))
        at = m.end()
    return tuple(steps)


MISSING = object()


def find(tree: Any, path: Path) -> Any:
    """What the path leads to; MISSING when nothing."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(tree, list) or step >= len(tree):
                return MISSING
            tree = tree[step]
        else:
            if not isinstance(tree, dict) or TEXT + step not in tree:
                return MISSING
            tree = tree[TEXT + step]
    return tree


def rewrite(text: str, change: Callable[[Any], Any]) -> str:
    """The kernel text of what `change` makes of the tree of one."""
    return dump(change(load(text)))
