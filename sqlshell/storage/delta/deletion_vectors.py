"""Deletion vectors: row positions as 64-bit roaring bitmaps, inline (z85) or in files with a CRC (Delta protocol,
"Deletion Vector Format"). Positions are numpy arrays of int64, ascending.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from uuid import UUID, uuid4

from sqlshell.errors import CorruptInputError, SourceNotFound
from sqlshell.storage.delta.actions import DeletionVector
from sqlshell.storage.uri import is_remote, open_binary, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

MAGIC = 1681511377
"""Portable RoaringBitmapArray."""
FILE_VERSION = 1
MAX_INLINE_BYTES = 512
"""Bigger ones go to a file (a vector of some hundred scattered rows still is inline)."""

_NO_RUNS, _RUNS = 12346, 12347
_Z85 = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_Z85_VALUES = {c: i for i, c in enumerate(_Z85)}


# -- reading


def read(location: str, vector: DeletionVector) -> np.ndarray[Any, Any]:
    """The deleted positions. Raises CORRUPT_INPUT or PATH_NOT_FOUND naming the vector's file."""
    if vector.storage_type == "i":
        data = z85_decode(vector.path_or_inline)[: vector.size]
        name = "an inline deletion vector"
    else:
        name = file_of(location, vector)
        data = _from_file(name, vector)
    try:
        positions = decode(data)
    except (struct.error, ValueError, IndexError) as e:
        raise CorruptInputError(f"{name} of '{location}' cannot be decoded: {e}") from None
    if len(positions) != vector.cardinality:
        raise CorruptInputError(
            f"{name} of '{location}' holds {len(positions)} rows, its log entry says {vector.cardinality}"
        )
    return positions


def file_of(location: str, vector: DeletionVector) -> str:
    """The absolute path of a vector's file."""
    if vector.storage_type == "p":
        given = vector.path_or_inline
        return resolve(given if "://" in given else unquote(given), remote=True)
    if vector.storage_type != "u":
        raise CorruptInputError(f"unknown deletion vector storage '{vector.storage_type}' in '{location}'")
    prefix, encoded = vector.path_or_inline[:-20], vector.path_or_inline[-20:]
    name = f"deletion_vector_{UUID(bytes=z85_decode(encoded))}.bin"
    return os.path.join(resolve(location, remote=True), prefix, name)


def _from_file(path: str, vector: DeletionVector) -> bytes:
    try:
        with open_binary(resolve(path, remote=True)) as f:
            f.seek(vector.offset or 0)
            head = f.read(4)
            data: bytes = f.read(vector.size)
            check = f.read(4)
    except FileNotFoundError:
        raise SourceNotFound(f"the deletion vector file '{path}' is gone") from None
    if len(check) < 4 or struct.unpack(">i", head)[0] != vector.size:
        raise CorruptInputError(f"the deletion vector file '{path}' is shorter than its log entry says")
    if struct.unpack(">I", check)[0] != zlib.crc32(data):
        raise CorruptInputError(f"the deletion vector file '{path}' is damaged (checksum)")
    return data


def decode(data: bytes) -> np.ndarray[Any, Any]:
    """Positions of a serialised RoaringBitmapArray."""
    import numpy as np

    magic, count = struct.unpack_from("<iq", data, 0)
    if magic != MAGIC:
        raise ValueError(f"unknown format {magic}")
    at = 12
    parts: list[Any] = []
    for _ in range(count):
        (high,) = struct.unpack_from("<I", data, at)
        found, at = _bitmap(data, at + 4)
        parts.append(found + (high << 32))
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _bitmap(data: bytes, at: int) -> tuple[Any, int]:
    """Positions of one portable 32-bit roaring bitmap, and where it ends."""
    import numpy as np

    (cookie,) = struct.unpack_from("<I", data, at)
    at += 4
    runs = b""
    if cookie & 0xFFFF == _RUNS:
        count = (cookie >> 16) + 1
        runs = data[at : at + (count + 7) // 8]
        at += len(runs)
    elif cookie == _NO_RUNS:
        (count,) = struct.unpack_from("<I", data, at)
        at += 4
    else:
        raise ValueError(f"unknown roaring cookie {cookie}")
    heads = np.frombuffer(data, "<u2", 2 * count, at).reshape(count, 2).astype(np.int64)
    at += 4 * count
    if not runs or count >= 4:
        at += 4 * count  # offsets: containers follow in order anyway
    parts = []
    for i, (key, less) in enumerate(heads):
        if runs and runs[i // 8] >> (i % 8) & 1:
            (number,) = struct.unpack_from("<H", data, at)
            pairs = np.frombuffer(data, "<u2", 2 * number, at + 2).reshape(number, 2).astype(np.int64)
            at += 2 + 4 * number
            values = np.concatenate([np.arange(s, s + n + 1) for s, n in pairs])
        elif less + 1 <= 4096:
            values = np.frombuffer(data, "<u2", int(less) + 1, at).astype(np.int64)
            at += 2 * (int(less) + 1)
        else:
            bits = np.frombuffer(data, np.uint8, 8192, at)
            values = np.flatnonzero(np.unpackbits(bits, bitorder="little")).astype(np.int64)
            at += 8192
        parts.append(values + (int(key) << 16))
    return (np.concatenate(parts) if parts else np.empty(0, np.int64)), at


# -- writing


def encode(positions: Iterable[int] | np.ndarray[Any, Any]) -> bytes:
    """A serialised RoaringBitmapArray of positions (any order, repeats allowed)."""
    import numpy as np

    values = np.unique(
        np.asarray(positions if isinstance(positions, np.ndarray) else list(positions), np.int64)
    )
    highs = np.unique(values >> 32)
    parts = [struct.pack("<iq", MAGIC, len(highs))]
    for high in highs:
        parts += [struct.pack("<I", int(high)), _encoded_bitmap(values[values >> 32 == high] & 0xFFFFFFFF)]
    return b"".join(parts)


def _encoded_bitmap(values: np.ndarray[Any, Any]) -> bytes:
    import numpy as np

    keys, starts = np.unique(values >> 16, return_index=True)
    chunks = [(c & 0xFFFF).astype("<u2") for c in np.split(values, starts[1:])]
    bodies = [_container(c) for c in chunks]
    count = len(chunks)
    run_flags = [is_run for is_run, _ in bodies]
    if any(run_flags):
        flags = np.packbits(np.array(run_flags, bool), bitorder="little").tobytes()
        head = struct.pack("<I", _RUNS | (count - 1) << 16) + flags
    else:
        head = struct.pack("<II", _NO_RUNS, count)
    head += b"".join(struct.pack("<HH", int(k), len(c) - 1) for k, c in zip(keys, chunks, strict=True))
    if not any(run_flags) or count >= 4:
        at = len(head) + 4 * count
        for _, body in bodies:
            head += struct.pack("<I", at)
            at += len(body)
    return head + b"".join(body for _, body in bodies)


def _container(low: np.ndarray[Any, Any]) -> tuple[bool, bytes]:
    """(is a run container, its bytes): the smallest of the three forms."""
    import numpy as np

    cuts = np.flatnonzero(np.diff(low.astype(np.int32)) != 1)
    runs = len(cuts) + 1
    plain = 2 * len(low) if len(low) <= 4096 else 8192
    if 2 + 4 * runs < plain:
        starts = low[np.concatenate([[0], cuts + 1])].astype(np.int64)
        ends = low[np.concatenate([cuts, [len(low) - 1]])].astype(np.int64)
        pairs = np.stack([starts, ends - starts], axis=1).astype("<u2")
        return True, struct.pack("<H", runs) + pairs.tobytes()
    if len(low) <= 4096:
        return False, low.tobytes()
    bits = np.zeros(65536, np.uint8)
    bits[low] = 1
    return False, np.packbits(bits, bitorder="little").tobytes()


def inline(positions: Iterable[int] | np.ndarray[Any, Any]) -> DeletionVector | None:
    """A vector kept in the log itself; None when it is too big for that."""
    data = encode(positions)
    if len(data) > MAX_INLINE_BYTES:
        return None
    return DeletionVector("i", z85_encode(data), len(data), len(decode(data)))


class VectorFile:
    """A file of deletion vectors under construction: `add` each file's positions, then `close` writes it, once."""

    def __init__(self, location: str) -> None:
        self._location = location
        self._id = uuid4()
        self._data = bytearray([FILE_VERSION])

    @property
    def path(self) -> str:
        """Where `close` writes to."""
        return os.path.join(resolve(self._location, remote=True), f"deletion_vector_{self._id}.bin")

    def add(self, positions: Iterable[int] | np.ndarray[Any, Any]) -> DeletionVector:
        """The vector of one data file's deleted positions."""
        data = encode(positions)
        offset = len(self._data)
        self._data += struct.pack(">i", len(data)) + data + struct.pack(">I", zlib.crc32(data))
        return DeletionVector("u", z85_encode(self._id.bytes), len(data), len(decode(data)), offset)

    def close(self) -> None:
        """Write the file, unless no vector was added."""
        if len(self._data) > 1 and is_remote(self.path):
            from sqlshell.storage import objects

            objects.put(self.path, bytes(self._data), create=True)
        elif len(self._data) > 1:
            with open(self.path, "xb") as f:
                f.write(self._data)
                f.flush()
                os.fsync(f.fileno())


# -- z85 (ZeroMQ RFC 32), padded to whole groups


def z85_encode(data: bytes) -> str:
    """Text of bytes; the last group is filled with zeros."""
    padded = data + bytes(-len(data) % 4)
    out = bytearray()
    for (value,) in struct.iter_unpack(">I", padded):
        rest = value
        group = bytearray(5)
        for i in range(4, -1, -1):
            rest, digit = divmod(rest, 85)
            group[i] = _Z85[digit]
        out += group
    return out.decode()


def z85_decode(text: str) -> bytes:
    """Bytes of z85 text. Raises CORRUPT_INPUT for other text."""
    try:
        digits = [_Z85_VALUES[c] for c in text.encode()]
        values = [
            (((digits[i] * 85 + digits[i + 1]) * 85 + digits[i + 2]) * 85 + digits[i + 3]) * 85
            + digits[i + 4]
            for i in range(0, len(digits), 5)
        ]
        return b"".join(struct.pack(">I", v) for v in values)
    except (KeyError, IndexError, struct.error):
        raise CorruptInputError(f"'{text[:40]}' is not z85 text") from None
