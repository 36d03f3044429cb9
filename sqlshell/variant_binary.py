"""Variants in the binary encoding of Parquet (VariantEncoding.md) and Spark: a dictionary of keys and a value."""

from __future__ import annotations

import struct
from datetime import UTC
from decimal import Decimal
from itertools import pairwise
from typing import Any

from sqlshell import variant as v
from sqlshell.errors import CorruptInputError

_INTEGERS = ((1, 3), (2, 4), (4, 5), (8, 6))
"""Widths of integers and their type ids."""
_DECIMALS = ((4, 8, 9), (8, 9, 18), (16, 10, 38))
"""Widths of decimals, their type ids and the digits they hold."""


def encode(tree: Any) -> tuple[bytes, bytes]:
    """(metadata, value) of a tree."""
    keys = sorted(_keys(tree, set()))
    names = [k[1:].encode() for k in keys]
    size = _width(sum(map(len, names)))
    size = max(size, _width(len(names)))
    offsets, at = [0], 0
    for name in names:
        at += len(name)
        offsets.append(at)
    head = bytes([1 | 1 << 4 | (size - 1) << 6]) + len(names).to_bytes(size, "little")
    metadata = head + b"".join(o.to_bytes(size, "little") for o in offsets) + b"".join(names)
    return metadata, _value(tree, {k: i for i, k in enumerate(keys)})


def _keys(tree: Any, found: set[str]) -> set[str]:
    if isinstance(tree, dict):
        found.update(tree)
        for item in tree.values():
            _keys(item, found)
    elif isinstance(tree, list):
        for item in tree:
            _keys(item, found)
    return found


def _width(n: int) -> int:
    """How many bytes hold `n`."""
    return max(1, (n.bit_length() + 7) // 8)


def _value(tree: Any, ids: dict[str, int]) -> bytes:
    if isinstance(tree, dict):
        fields = sorted(tree.items())
        return _container(2, [ids[k] for k, _ in fields], [_value(x, ids) for _, x in fields])
    if isinstance(tree, list):
        return _container(3, None, [_value(x, ids) for x in tree])
    if tree is None or isinstance(tree, bool):
        return bytes([{None: 0, True: 1, False: 2}[tree] << 2])
    if isinstance(tree, int):
        size, kind = next((n, k) for n, k in _INTEGERS if -(1 << 8 * n - 1) <= tree < 1 << 8 * n - 1)
        return bytes([kind << 2]) + tree.to_bytes(size, "little", signed=True)
    if isinstance(tree, float):
        return _decimal(Decimal(repr(tree)))
    return _string(tree[0], tree[1:])


def _string(tag: str, body: str) -> bytes:
    if tag == v.TEXT:
        data = body.encode()
        head = (
            bytes([len(data) << 2 | 1]) if len(data) < 64 else bytes([16 << 2]) + struct.pack("<I", len(data))
        )
        return head + data
    if tag == v.DECIMAL:
        return _decimal(Decimal(body))
    if tag == v.BINARY:
        data = bytes.fromhex(body)
        return bytes([15 << 2]) + struct.pack("<I", len(data)) + data
    kind, form = {
        v.DOUBLE: (7, "<d"), v.DATE: (11, "<i"), v.TIMESTAMP: (12, "<q"), v.NTZ: (13, "<q"), v.FLOAT: (14, "<f"),
    }[tag]  # fmt: skip
    return bytes([kind << 2]) + struct.pack(form, float(body) if form in ("<d", "<f") else int(body))


def _decimal(value: Decimal) -> bytes:
    stripped = Decimal(v.plain_decimal(value))
    scale = max(0, -int(stripped.as_tuple().exponent))
    unscaled = int(stripped.scaleb(scale, v.EXACT))
    size, kind = next((n, k) for n, k, digits in _DECIMALS if abs(unscaled) < 10**digits)
    return bytes([kind << 2, scale]) + unscaled.to_bytes(size, "little", signed=True)


def _container(basic: int, ids: list[int] | None, parts: list[bytes]) -> bytes:
    large = len(parts) > 255
    offsets, at = [0], 0
    for part in parts:
        at += len(part)
        offsets.append(at)
    width = _width(at)
    info = width - 1
    body = len(parts).to_bytes(4 if large else 1, "little")
    if ids is None:
        info |= large << 2
    else:
        id_width = _width(max(ids, default=0))
        info |= (id_width - 1) << 2 | large << 4
        body += b"".join(i.to_bytes(id_width, "little") for i in ids)
    body += b"".join(o.to_bytes(width, "little") for o in offsets)
    return bytes([info << 2 | basic]) + body + b"".join(parts)


def decode(metadata: bytes, value: bytes) -> Any:
    """The tree of an encoded variant; CorruptInputError when it is none."""
    try:
        return _read(value, 0, _names(metadata))
    except (IndexError, KeyError, struct.error, UnicodeDecodeError) as e:
        raise CorruptInputError(
            f"a VARIANT value cannot be read: {e!r}", condition="MALFORMED_VARIANT"
        ) from None


def _names(metadata: bytes) -> list[str]:
    if metadata[0] & 0x0F != 1:
        raise CorruptInputError("a VARIANT value of an unknown version", condition="MALFORMED_VARIANT")
    size = (metadata[0] >> 6) + 1
    count = int.from_bytes(metadata[1 : 1 + size], "little")
    offsets = _numbers(metadata, 1 + size, count + 1, size)
    start = 1 + size + (count + 1) * size
    return [v.TEXT + metadata[start + a : start + b].decode() for a, b in pairwise(offsets)]


def _numbers(data: bytes, at: int, count: int, size: int) -> list[int]:
    return [int.from_bytes(data[at + i * size : at + (i + 1) * size], "little") for i in range(count)]


def _read(data: bytes, at: int, names: list[str]) -> Any:
    head = data[at]
    basic, info = head & 3, head >> 2
    if basic == 0:
        return _primitive(info, data, at + 1)
    if basic == 1:
        return v.TEXT + data[at + 1 : at + 1 + info].decode()
    large = bool(info & (16 if basic == 2 else 4))
    count_size = 4 if large else 1
    count = int.from_bytes(data[at + 1 : at + 1 + count_size], "little")
    at += 1 + count_size
    keys: list[str] = []
    if basic == 2:
        id_size = (info >> 2 & 3) + 1
        keys = [names[i] for i in _numbers(data, at, count, id_size)]
        at += count * id_size
    size = (info & 3) + 1
    offsets = _numbers(data, at, count + 1, size)
    start = at + (count + 1) * size
    items = [_read(data, start + o, names) for o in offsets[:count]]
    return dict(zip(keys, items, strict=True)) if basic == 2 else items


def _primitive(kind: int, data: bytes, at: int) -> Any:
    if kind < 3:
        return (None, True, False)[kind]
    for size, code in _INTEGERS:
        if kind == code:
            return int.from_bytes(data[at : at + size], "little", signed=True)
    for size, code, _ in _DECIMALS:
        if kind == code:
            unscaled = int.from_bytes(data[at + 1 : at + 1 + size], "little", signed=True)
            return v.of_decimal(Decimal(unscaled).scaleb(-data[at], v.EXACT))
    if kind in (15, 16):
        size = struct.unpack_from("<I", data, at)[0]
        body = data[at + 4 : at + 4 + size]
        return v.TEXT + body.decode() if kind == 16 else v.BINARY + body.hex()
    tag, form = {
        7: (v.DOUBLE, "<d"), 11: (v.DATE, "<i"), 12: (v.TIMESTAMP, "<q"), 13: (v.NTZ, "<q"), 14: (v.FLOAT, "<f"),
    }[kind]  # fmt: skip
    found = struct.unpack_from(form, data, at)[0]
    return tag + _shortest(found) if tag == v.FLOAT else tag + repr(found)


def _shortest(value: float) -> str:
    """The shortest digits that give the 32-bit float back."""
    for digits in range(6, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("<f", float(text)) == struct.pack("<f", value):
            return text
    return repr(value)


def json_of(metadata: bytes, value: bytes, zone: Any = UTC) -> str:
    """The JSON text of an encoded variant."""
    return v.to_json(decode(metadata, value), zone)
