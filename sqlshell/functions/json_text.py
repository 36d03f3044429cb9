"""JSON text as Spark's parser (Jackson) reads and writes it: single quotes allowed, a tail ignored, first key wins."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_SINGLE = re.compile(r'"(?:[^"\\]|\\.)*"|\'((?:[^\'\\]|\\.)*)\'', re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]*]+)|\.(\*)|\[(\d+)\]|\[(\*)\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")
MISSING = object()
ANY = "*"


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        out.setdefault(key, value)
    return out


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_first_wins, parse_constant=_refuse_constant, strict=False)


def parse(text: str) -> Any:
    """The value of a JSON text; MISSING when it is none."""
    text = text.strip()
    try:
        return _DECODER.raw_decode(text)[0]
    except (ValueError, RecursionError):
        pass
    if "'" not in text:
        return MISSING
    try:
        return _DECODER.raw_decode(_SINGLE.sub(_double_quoted, text))[0]
    except (ValueError, RecursionError):
        return MISSING


def _double_quoted(m: re.Match[str]) -> str:
    if m.group(1) is None:
        return m.group()
    return '"' + m.group(1).replace("\\'", "'").replace('"', '\\"') + '"'


def java_double(x: float) -> str:
    """`Double.toString`: plain from 1e-3 to 1e7, else d.dddE±x."""
    if math.isnan(x) or math.isinf(x):
        return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"
    if x == 0 or 1e-3 <= abs(x) < 1e7:
        text = repr(x)
        return text if "e" not in text else format(x, "f")
    mantissa, _, exponent = format_shortest(x).partition("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent)}"


def format_shortest(x: float) -> str:
    """The shortest decimal form in scientific notation."""
    digits = repr(x).replace("-", "", 1) if x < 0 else repr(x)
    mantissa, _, exponent = digits.partition("e")
    whole, _, fraction = mantissa.partition(".")
    number = (whole + ("" if fraction == "0" else fraction)).lstrip("0")
    shift = int(exponent or 0) + (
        len(whole.lstrip("0")) - 1 if whole.lstrip("0") else -leading_zeros(fraction) - 1
    )
    number = number.rstrip("0") or "0"
    return ("-" if x < 0 else "") + number[0] + "." + (number[1:] or "0") + f"e{shift}"


def leading_zeros(digits: str) -> int:
    """How many zeros `digits` starts with."""
    return len(digits) - len(digits.lstrip("0"))


def render(value: Any) -> str:
    """A parsed value as compact JSON."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float):
        return java_double(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{render(k)}:{render(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(render(v) for v in value) + "]"
    return str(value)


Step = str | int
Path = tuple[tuple[str, Step], ...]


def read_path(path: str) -> Path | None:
    """The steps of a JSON path: ("key", name), ("index", n), ("all", "*"); None when it is none."""
    if not path.startswith("$"):
        return None
    steps: list[tuple[str, Step]] = []
    at = 1
    while at < len(path):
        m = _STEP.match(path, at)
        if m is None:
            return None
        plain, star, index, _, single, double = m.groups()
        name = plain if plain is not None else single if single is not None else double
        if name is not None:
            steps.append(("key", name))
        elif index is not None:
            steps.append(("index", int(index)))
        else:
            steps.append(("fields" if star else "all", ANY))
        at = m.end()
    return tuple(steps)


def find(value: Any, path: Path) -> list[Any]:
    """Everything the path leads to."""
    found = [value]
    for kind, step in path:
        following: list[Any] = []
        for v in found:
            if kind == "key" and isinstance(v, dict) and step in v:
                following.append(v[step])
            elif kind == "index" and isinstance(v, list) and int(step) < len(v):
                following.append(v[int(step)])
            elif kind == "all" and isinstance(v, list):
                following.extend(v)
        found = following
    return found


def extract(text: str, path: Path) -> str | None:
    """`get_json_object`: one match as it is (text unquoted), several as an array, NULL for none."""
    value = parse(text)
    if value is MISSING:
        return None
    found = find(value, path)
    if not found:
        return None
    if len(found) > 1 or (path and path[-1][0] == "all" and len(path) == 1):
        return render(found)
    only = found[0]
    return only if isinstance(only, str) else None if only is None else render(only)
